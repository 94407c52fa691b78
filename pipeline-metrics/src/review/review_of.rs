use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use super::markdown::{escaped, table};
use super::news::{News, usual};
use crate::export::{recovery, value};
use crate::report::{Report, ReportOptions, ReportPart};
use crate::show::{self, NOTHING, number, range, several};
use crate::stats::Interval;
use crate::{
    Bucket, Counted, Delivery, Figure, Metric, MetricTrend, Reason, Scope, Unit, Window, figure_text,
};

/// What a monthly review is about.
#[derive(Debug, Clone)]
pub struct ReviewOptions<'a> {
    month: Window,
    scope: Scope<'a>,
    as_of: Timestamp,
    seed: u64,
}

/// How many weeks before the month tell what is usual.
const BEFORE: i64 = 26;
/// How many of the worst are told.
const WORST: usize = 5;

impl<'a> ReviewOptions<'a> {
    /// A part of the whole in a month, such as `delivery.bucket(Bucket::Month, at)`.
    pub fn new(month: Window, scope: Scope<'a>) -> Self {
        Self {
            month,
            scope,
            as_of: month.end(),
            seed: 1,
        }
    }

    /// How far is known, such as now: until then, an open incident has lasted. The end of the month, unless set.
    #[must_use]
    pub fn as_of(mut self, at: Timestamp) -> Self {
        self.as_of = at;
        self
    }
}

/// The operations review of a month as Markdown: the numbers, what changed and whether that is more than noise, good and
/// bad news, and the worst waits. Figures of the same month follow at the end, each with its numbers.
pub fn render_review(delivery: &Delivery<'_>, figures: &[Figure], options: &ReviewOptions<'_>) -> String {
    let month = options.month;
    let report = |window| {
        let asked = ReportOptions::new(window).only([options.scope]).with_facts();
        Report::of(delivery, &asked.as_of(options.as_of).seed(options.seed))
    };
    let before = delivery.bucket(Bucket::Month, month.start() - SignedDuration::from_secs(1));
    let (now, earlier) = (report(month), report(before));
    let (Some(now_part), Some(earlier)) = (now.parts.first(), earlier.parts.first()) else {
        return String::new();
    };
    let weeks = Window::new(
        month.start() - SignedDuration::from_hours(168 * BEFORE),
        month.end(),
    )
    .unwrap_or(month);
    let trends = Metric::ALL.map(|metric| {
        MetricTrend::judged_from(
            delivery,
            &options.scope,
            metric,
            Bucket::Week,
            weeks,
            month.start(),
        )
    });
    let news: Vec<_> = trends
        .iter()
        .map(|trend| News::of(trend, month.start()))
        .collect();
    let mut text = String::new();
    let of = match now_part.scope {
        "overall" => String::new(),
        scope => format!(", {scope} {}", escaped(&now_part.name)),
    };
    let _ = writeln!(
        text,
        "# Operations review of {}{of}\n",
        month_name(delivery, month)
    );
    let _ = writeln!(
        text,
        "From {} up to {}.\n",
        show::day(month.start()),
        show::day(month.end())
    );
    numbers(&mut text, now_part, earlier, &trends);
    changes(&mut text, now_part, earlier, &news);
    good_and_bad(&mut text, now_part, &news);
    worst(&mut text, now_part, options);
    further(&mut text, figures);
    foot(&mut text, &now, now_part);
    text
}

fn month_name(delivery: &Delivery<'_>, month: Window) -> String {
    // In the calendar's zone the month may begin on the last day of the one before in UTC.
    let middle = month.start() + SignedDuration::from_hours(24 * 14);
    let inside = delivery.bucket(Bucket::Month, middle);
    let shown = if inside == month { middle } else { month.start() };
    shown.strftime("%B %Y").to_string()
}

fn numbers(text: &mut String, now: &ReportPart<'_>, earlier: &ReportPart<'_>, trends: &[MetricTrend; 5]) {
    let rows: Vec<_> = trends
        .iter()
        .map(|trend| {
            let metric = trend.metric;
            let usual = trend.chart.limits().map(|limits| usual(limits, trend.unit()));
            vec![
                capitalised(metric.name()),
                value(now, metric),
                trust(now, metric),
                value(earlier, metric),
                usual.unwrap_or_else(|| NOTHING.to_owned()),
            ]
        })
        .collect();
    text.push_str("## The numbers\n\n");
    let head = [
        "number",
        "this month",
        "95 % interval",
        "month before",
        "a usual week",
    ];
    text.push_str(&table(&head, &[1, 2, 3, 4], &rows));
    text.push_str(
        "\nA usual week is what the weeks before let expect while nothing changes (natural limits of a process behaviour \
         chart). Deployments are counted per week there.\n\n",
    );
}

fn interval(part: &ReportPart<'_>, metric: Metric) -> Option<Interval> {
    match metric {
        Metric::LeadTime => part.intervals.lead_time,
        Metric::ChangeFailRate => part.intervals.change_fail_rate,
        Metric::ReworkRate => part.intervals.rework_rate,
        Metric::DeploymentFrequency | Metric::RecoveryTime => None,
    }
}

/// How far a number can be trusted.
fn trust(part: &ReportPart<'_>, metric: Metric) -> String {
    let unit = match metric {
        Metric::LeadTime => Unit::Milliseconds,
        _ => Unit::Share,
    };
    let text = match metric {
        Metric::RecoveryTime => recovery(&part.intervals.recovery_time, part.measures.open_incidents),
        _ => interval(part, metric).map_or_else(String::new, |interval| {
            range(interval.low, Some(interval.high), unit)
        }),
    };
    if text.is_empty() { NOTHING.to_owned() } else { text }
}

fn changes(text: &mut String, now: &ReportPart<'_>, earlier: &ReportPart<'_>, news: &[News]) {
    text.push_str("## What changed, and why it may be noise\n\n");
    for (metric, news) in Metric::ALL.into_iter().zip(news) {
        let _ = write!(text, "- **{}**", capitalised(metric.name()));
        let values = now.measures.value(metric).zip(earlier.measures.value(metric));
        match values {
            Some((now, before)) if now == before => text.push_str(" is as in the month before."),
            Some((now, before)) => {
                let _ = write!(
                    text,
                    " {} against the month before.",
                    difference(metric, now, before)
                );
            }
            None => text.push_str(" cannot be compared: one of the two months has none."),
        }
        if let Some((now, before)) = interval(now, metric).zip(interval(earlier, metric)) {
            text.push_str(if now.overlaps(&before) {
                " The intervals of both months overlap: this difference may be chance."
            } else {
                " The intervals of both months do not overlap."
            });
        }
        let _ = match news {
            News::Unknown { before } => writeln!(
                text,
                " {} before with a value: too few to know what is usual.",
                capitalised(&several(*before, "week"))
            ),
            News::None { weeks, before } => writeln!(
                text,
                " No signal in {} against {} before: noise.",
                several(*weeks, "week"),
                several(*before, "week")
            ),
            News::Changed { text: what, .. } => writeln!(text, " It is {what}."),
        };
    }
    text.push('\n');
}

fn difference(metric: Metric, now: f64, before: f64) -> String {
    let direction = if now > before { "up" } else { "down" };
    match metric {
        Metric::ChangeFailRate | Metric::ReworkRate => {
            format!(
                "is {direction} by {:.1} percentage points",
                (now - before).abs() * 100.0
            )
        }
        _ if before > 0.0 => format!("is {direction} by {:.0} %", (now / before - 1.0).abs() * 100.0),
        _ => format!("is {direction}"),
    }
}

fn good_and_bad(text: &mut String, now: &ReportPart<'_>, news: &[News]) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (metric, news) in Metric::ALL.into_iter().zip(news) {
        if let News::Changed { good: is_good, text } = news {
            let line = format!("{} is {text}.", capitalised(metric.name()));
            if *is_good { good.push(line) } else { bad.push(line) }
        }
    }
    let open = now.measures.open_incidents;
    if open > 0 {
        bad.push(format!("{} not over.", several_are(open, "failure")));
    }
    let incidents = now.measures.incidents;
    if now.measures.deployments > 0 && incidents == 0 {
        let deployments = several(now.measures.deployments, "deployment");
        good.push(format!("{deployments}, and no failure is known of any."));
    }
    for (title, lines) in [("Good news", good), ("Bad news", bad)] {
        let _ = writeln!(text, "## {title}\n");
        if lines.is_empty() {
            text.push_str("None that can be told from noise.\n");
        }
        for line in lines {
            let _ = writeln!(text, "- {line}");
        }
        text.push('\n');
    }
}

fn several_are(count: usize, what: &str) -> String {
    format!(
        "{} {}",
        several(count, what),
        if count == 1 { "is" } else { "are" }
    )
}

fn worst(text: &mut String, part: &ReportPart<'_>, options: &ReviewOptions<'_>) {
    text.push_str("## The worst waits\n\n");
    let explained = |metric: Metric| part.explained.iter().find(|explained| explained.metric == metric);
    let mut found = false;
    let mut list = |title: &str, head: &[&str], rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            found = true;
            let _ = writeln!(text, "{title}:\n\n{}", table(head, &[1], &rows));
        }
    };
    let time = |micros: i64| number(Some(micros as f64 / 1000.0), Unit::Milliseconds);
    // Each with its time, and the deployment that it is linked to.
    let slowest = |all: &[Counted<'_>]| {
        let row = |counted: &Counted<'_>| {
            let link = counted.link.as_ref();
            vec![
                escaped(&counted.fact.to_string()),
                counted.micros.map_or_else(String::new, time),
                link.map_or_else(String::new, |link| escaped(&link.to_string())),
            ]
        };
        longest(all, WORST).into_iter().map(row).collect()
    };
    if let Some(explained) = explained(Metric::LeadTime) {
        list(
            "Changes that took longest to reach users",
            &["change", "lead time", "deployment"],
            slowest(&explained.counted),
        );
        let mut waiting: Vec<_> = explained
            .left_out
            .iter()
            .filter(|left| left.reason == Reason::NotDelivered)
            .collect();
        waiting.sort_by_key(|left| left.fact.at());
        list(
            "Changes that have not reached users",
            &["change", "waits"],
            waiting
                .into_iter()
                .take(WORST)
                .map(|left| {
                    let waits = options.as_of.duration_since(left.fact.at()).as_millis_f64();
                    vec![
                        escaped(&left.fact.to_string()),
                        number(Some(waits), Unit::Milliseconds),
                    ]
                })
                .collect(),
        );
    }
    if let Some(explained) = explained(Metric::RecoveryTime) {
        list(
            "Failures that took longest",
            &["failure", "recovery time", "deployment"],
            slowest(&explained.counted),
        );
        let open = explained
            .left_out
            .iter()
            .filter(|left| left.reason == Reason::Open);
        list(
            "Failures that are not over",
            &["failure", "since"],
            open.map(|left| vec![escaped(&left.fact.to_string()), left.fact.at().to_string()])
                .collect(),
        );
    }
    if !found {
        text.push_str("Nothing waited.\n\n");
    }
}

/// What took longest, of equal ones the earliest first.
pub(crate) fn longest<'c, 'f>(counted: &'c [Counted<'f>], most: usize) -> Vec<&'c Counted<'f>> {
    let mut sorted: Vec<_> = counted.iter().collect();
    sorted.sort_by_key(|counted| (std::cmp::Reverse(counted.micros), counted.fact.at()));
    sorted.truncate(most);
    sorted
}

fn further(text: &mut String, figures: &[Figure]) {
    let told: Vec<_> = figures.iter().filter(|figure| !figure.is_empty()).collect();
    if told.is_empty() {
        return;
    }
    text.push_str("## Further numbers\n\n");
    let mut rows = Vec::new();
    for figure in told {
        for (place, value) in figure.values.iter().enumerate() {
            let title = if place == 0 { figure.title } else { "" };
            rows.push(vec![
                escaped(title),
                escaped(&value.name),
                figure_text::value(value),
            ]);
        }
    }
    text.push_str(&table(&["", "number", "this month"], &[2], &rows));
    text.push('\n');
}

fn foot(text: &mut String, report: &Report<'_>, part: &ReportPart<'_>) {
    text.push_str("## How this was counted\n\n");
    for (metric, definition) in Metric::ALL.into_iter().zip(&part.definitions) {
        let _ = writeln!(text, "- {}: {}.", capitalised(metric.name()), escaped(definition));
    }
    for left in &part.left_out {
        let _ = writeln!(
            text,
            "- Left out of the {}: {}, {}.",
            left.metric.name(),
            several(left.count, left.kind),
            left.reason
        );
    }
    if !report.problems.is_empty() {
        let _ = writeln!(
            text,
            "- {} could not be read.",
            capitalised(&several(report.problems.len(), "line or event"))
        );
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect());
    first.unwrap_or_default()
}
