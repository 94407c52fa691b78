use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use super::markdown::{escaped, table};
use super::news::{News, usual};
use super::worst::worst;
use crate::export::{recovery, value};
use crate::report::{Report, ReportOptions, ReportPart};
use crate::show::{self, NOTHING, range, several};
use crate::stats::{BehaviourChart, Interval};
use crate::{Bucket, Delivery, Figure, Metric, MetricTrend, Scope, Unit, Window, figure_text};

/// What a monthly review is about.
#[derive(Debug, Clone)]
pub struct ReviewOptions<'a> {
    pub(super) month: Window,
    pub(super) scope: Scope<'a>,
    pub(super) as_of: Timestamp,
    seed: u64,
}

/// How many weeks before the month tell what is usual.
const BEFORE: i64 = 26;

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
    let _ = write!(
        text,
        "From {} up to {}.",
        show::day(month.start()),
        show::day(month.end())
    );
    if options.as_of < month.end() - SignedDuration::from_hours(24) {
        let _ = write!(
            text,
            " The month is not over: facts are known up to {}.",
            show::day(options.as_of)
        );
    }
    text.push_str("\n\n");
    in_short(&mut text, now_part, &news);
    numbers(&mut text, now_part, earlier, &trends);
    changes(&mut text, now_part, earlier, &news);
    good_and_bad(&mut text, now_part, &news);
    worst(&mut text, delivery, now_part, options);
    further(&mut text, figures);
    foot(&mut text, &now, now_part);
    text
}

/// What to say to who asks in passing.
fn in_short(text: &mut String, now: &ReportPart<'_>, news: &[News]) {
    let measures = &now.measures;
    if measures.deployments == 0 {
        text.push_str("**In short:** nothing went live.\n\n");
        return;
    }
    let _ = write!(
        text,
        "**In short:** {}",
        several(measures.deployments, "deployment")
    );
    let failed = measures.change_fail_rate.map_or(0, |ratio| ratio.part());
    let _ = match failed {
        0 => write!(text, ", none of them failed"),
        failed => write!(text, ", {} of them failed", show::grouped(failed as u64)),
    };
    if measures.open_incidents > 0 {
        let _ = write!(
            text,
            "; {} not over",
            several_are(measures.open_incidents, "failure")
        );
    }
    let mut changed = Vec::new();
    for (metric, news) in Metric::ALL.into_iter().zip(news) {
        if let News::Changed { word, .. } = news {
            changed.push(format!("{} is {word} than usual", metric.name()));
        }
    }
    let unknown = news
        .iter()
        .filter(|news| matches!(news, News::Unknown { .. }))
        .count();
    text.push_str(&match (changed.len(), unknown) {
        (0, 5) => ". There are too few weeks before to tell whether anything changed.".to_owned(),
        (0, 0) => ". No number changed more than chance explains.".to_owned(),
        (0, _) => {
            ". No number of which it is known what is usual changed more than chance explains.".to_owned()
        }
        _ => format!(". {}.", capitalised(&changed.join(", "))),
    });
    text.push_str("\n\n");
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
    let mut without = Vec::new();
    // What is true of all is said once.
    let all_unknown = news.iter().all(|news| matches!(news, News::Unknown { .. }));
    for (metric, news) in Metric::ALL.into_iter().zip(news) {
        let name = capitalised(metric.name());
        let values = (now.measures.value(metric), earlier.measures.value(metric));
        let compared = match values {
            (Some(now), Some(before)) if now == before => " is as in the month before.".to_owned(),
            (Some(now), Some(before)) => {
                format!(" {} against the month before.", difference(metric, now, before))
            }
            (Some(_), None) => " has no number in the month before.".to_owned(),
            (None, Some(_)) => " has no number this month.".to_owned(),
            (None, None) if matches!(news, News::Changed { .. }) => String::new(),
            (None, None) => {
                without.push(metric.name());
                continue;
            }
        };
        let _ = write!(text, "- **{name}**{compared}");
        if let Some((now, before)) = interval(now, metric).zip(interval(earlier, metric)) {
            text.push_str(if now.overlaps(&before) {
                " The intervals of both months overlap: this difference may be chance."
            } else {
                " The intervals of both months do not overlap."
            });
        }
        let _ = match news {
            News::Unknown { .. } if all_unknown => writeln!(text),
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
    if !without.is_empty() {
        let _ = writeln!(text, "- Neither month has a number for {}.", without.join(", "));
    }
    if all_unknown {
        let _ = writeln!(
            text,
            "\nIt takes {} weeks with a value before the month to know what is usual: until then, every difference may be noise.",
            BehaviourChart::FEWEST
        );
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
        if let News::Changed {
            good: is_good, text, ..
        } = news
        {
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

/// How many numbers of a figure are told.
const TOLD: usize = 3;

fn further(text: &mut String, figures: &[Figure]) {
    let mut lines = String::new();
    for figure in figures.iter().filter(|figure| !figure.is_empty()) {
        let observed = figure.values.iter().filter(|value| value.value.is_some());
        let told: Vec<_> = observed
            .take(TOLD)
            .map(|value| format!("{} {}", escaped(&value.name), figure_text::value(value)))
            .collect();
        if told.is_empty() {
            continue;
        }
        let _ = write!(lines, "- **{}**: {}.", escaped(figure.title), told.join(", "));
        for note in &figure.notes {
            let _ = write!(lines, " {}", escaped(note));
        }
        lines.push('\n');
    }
    if !lines.is_empty() {
        let _ = writeln!(text, "## Further numbers\n\n{lines}");
    }
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
            several(report.problems.len(), "record")
        );
    }
    if !report.retold.is_empty() {
        let _ = writeln!(
            text,
            "- Told in different ways under one id, and counted once: {}.",
            several(report.retold.len(), "deployment")
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
