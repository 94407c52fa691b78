use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::report::{Report, ReportPart};
use crate::show::{NOTHING, grouped, number, plain, range, several};
use crate::stats::{Interval, SurvivalMedian};
use crate::{Bucket, Frequency, LeftOut, Metric, Pace, Ratio, Unit};

const COLUMNS: usize = 6;
/// How many problems, and facts that were told in different ways, are written out.
const PROBLEMS: usize = 5;

/// A report as a table for a terminal: for each part its numbers, and below them how far they can be trusted; then what
/// was left out. Columns are as wide as their text; `–` is not observed, which is not 0.
pub fn render_text(report: &Report<'_>) -> String {
    let mut text = format!("delivery from {}\n\n", report.window);
    if report.all().next().is_none() {
        text.push_str("nothing was observed\n");
    } else {
        table(&mut text, report);
        let _ = writeln!(
            text,
            "\nbelow each number: how far it can be trusted ({} intervals; recovery with what is still open)",
            report.confidence
        );
    }
    phases(&mut text, report);
    left_out(&mut text, report);
    problems(&mut text, report);
    retold(&mut text, report);
    text
}

fn table(text: &mut String, report: &Report<'_>) {
    let scope = report.all().next().map_or("component", |part| part.scope);
    let mut cells: Vec<[String; COLUMNS]> = vec![
        [
            scope,
            "deployments",
            "lead time",
            "change fail rate",
            "recovery time",
            "rework rate",
        ]
        .map(str::to_owned),
    ];
    for part in report.all() {
        cells.push(numbers(part));
        let trust = trust(part);
        if trust.iter().any(|cell| !cell.is_empty()) {
            cells.push(trust);
        }
    }
    let mut widths = [0; COLUMNS];
    for line in &cells {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    for line in &cells {
        let padded = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
}

fn numbers(part: &ReportPart<'_>) -> [String; COLUMNS] {
    let measures = &part.measures;
    let frequency = measures.deployment_frequency.map(|frequency| {
        let deployments = grouped(frequency.deployments as u64);
        format!("{deployments} on {}", several(frequency.days, "day"))
    });
    [
        plain(part.label()),
        frequency.unwrap_or_else(|| NOTHING.to_owned()),
        number(measures.lead_time.map(|time| time.ms), Unit::Milliseconds),
        share(measures.change_fail_rate),
        number(measures.recovery_time.map(|time| time.ms), Unit::Milliseconds),
        share(measures.rework_rate),
    ]
}

fn trust(part: &ReportPart<'_>) -> [String; COLUMNS] {
    let (measures, intervals) = (&part.measures, &part.intervals);
    let between = |interval: Option<Interval>, unit| {
        interval.map_or_else(String::new, |interval| {
            range(interval.low, Some(interval.high), unit)
        })
    };
    [
        String::new(),
        measures.deployment_frequency.map(pace).unwrap_or_default(),
        between(intervals.lead_time, Unit::Milliseconds),
        between(intervals.change_fail_rate, Unit::Share),
        recovery(&intervals.recovery_time, measures.open_incidents),
        between(intervals.rework_rate, Unit::Share),
    ]
}

/// A frequency as the options make it.
pub(crate) fn pace(frequency: Frequency) -> String {
    let value = frequency.value;
    match frequency.pace {
        Pace::PerDay => number(Some(value), Unit::PerDay),
        Pace::Total => number(Some(frequency.per_day), Unit::PerDay),
        Pace::PerStartedDay => format!("{value:.2} per begun day"),
        Pace::PerBucket { bucket, .. } => format!("{value:.1} per {}", bucket_word(bucket)),
        Pace::MedianDays { bucket, .. } => format!("{value:.1} days in a {}", bucket_word(bucket)),
        Pace::MeanInterval => format!("every {value:.1} days"),
    }
}

pub(crate) fn bucket_word(bucket: Bucket) -> &'static str {
    match bucket {
        Bucket::Day => "day",
        Bucket::Week => "week",
        Bucket::Month => "month",
    }
}

/// The median recovery time with what is open, as far as there is an end in sight.
pub(crate) fn recovery(median: &SurvivalMedian, open: usize) -> String {
    let with = match open {
        0 => String::new(),
        open => format!(", {open} open"),
    };
    match (median.low, median.value) {
        (Some(low), _) => range(low, median.high, Unit::Milliseconds) + &with,
        (None, Some(value)) => format!("{} or more{with}", number(Some(value), Unit::Milliseconds)),
        (None, None) if open > 0 => format!("{open} open"),
        (None, None) => String::new(),
    }
}

pub(crate) fn share(ratio: Option<Ratio>) -> String {
    ratio.map_or_else(
        || NOTHING.to_owned(),
        |ratio| {
            let share = number(Some(ratio.value()), Unit::Share);
            let (part, whole) = (grouped(ratio.part() as u64), grouped(ratio.whole() as u64));
            let mean = if ratio.is_mean() { "mean of rates; " } else { "" };
            format!("{share} ({mean}{part} of {whole})")
        },
    )
}

/// Where changes spend their time, of the parts of which more is known than the time since the commit.
fn phases(text: &mut String, report: &Report<'_>) {
    let mut lines = Vec::new();
    for part in report.all() {
        let known = part.phases.named().into_iter();
        let known: Vec<_> = known
            .filter_map(|(name, time)| Some(format!("{name} {}", number(Some(time?.ms), Unit::Milliseconds))))
            .collect();
        if known.len() > 1 {
            lines.push(format!("  {}: {}", plain(part.label()), known.join(", ")));
        }
    }
    if !lines.is_empty() {
        let _ = writeln!(text, "\nlead time by phase:\n{}", lines.join("\n"));
    }
}

/// What counts for each measure, in the order of the columns.
fn left_out(text: &mut String, report: &Report<'_>) {
    // The other two are made of the same facts as frequency and recovery.
    let shown = [
        Metric::DeploymentFrequency,
        Metric::LeadTime,
        Metric::RecoveryTime,
    ];
    let mut lines = Vec::new();
    for part in report.all().filter(|part| part.scope != "overall") {
        for left in part.left_out.iter().filter(|left| shown.contains(&left.metric)) {
            let label = plain(part.label());
            lines.push((
                left.count,
                format!("{label}, {}: {}, {}", left.metric.name(), left.kind, left.reason),
            ));
        }
    }
    let mut unplaced: BTreeMap<String, usize> = BTreeMap::new();
    for LeftOut { fact, reason, .. } in &report.unplaced {
        *unplaced
            .entry(format!("of no component: {}, {reason}", fact.kind()))
            .or_default() += 1;
    }
    lines.extend(unplaced.into_iter().map(|(line, count)| (count, line)));
    if !lines.is_empty() {
        text.push_str("\nleft out:\n");
    }
    for (count, line) in lines {
        let _ = writeln!(text, "  {count:>5}  {line}");
    }
}

fn problems(text: &mut String, report: &Report<'_>) {
    let problems = &report.problems;
    if problems.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nnot read: {}", problems.len());
    listed(text, problems, |problem| {
        let source = plain(&problem.source.to_string());
        format!("{source}: {}", plain(problem.reason))
    });
}

fn retold(text: &mut String, report: &Report<'_>) {
    let retold = &report.retold;
    if retold.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "\ntold in different ways under one id: {}; counted once, as the one that ended first",
        several(retold.len(), "deployment")
    );
    listed(text, retold, |fact| plain(&fact.to_string()).to_string());
}

/// The first few, and how many more there are.
fn listed<T>(text: &mut String, all: &[T], line: impl Fn(&T) -> String) {
    for one in all.iter().take(PROBLEMS) {
        let _ = writeln!(text, "  {}", line(one));
    }
    if all.len() > PROBLEMS {
        let _ = writeln!(text, "  and {} more", all.len() - PROBLEMS);
    }
}

/// Every number of a report [with facts](crate::ReportOptions::with_facts): what it is, and each fact that was counted
/// or left out, with where it was read.
pub fn render_explanation(report: &Report<'_>) -> String {
    let mut text = String::new();
    for part in report.all() {
        for explained in &part.explained {
            let (metric, value) = (explained.metric, value(part, explained.metric));
            let _ = writeln!(text, "{}, {}: {value}", plain(part.label()), metric.name());
            let _ = writeln!(text, "  {}", explained.definition);
            let _ = writeln!(text, "  counted: {}", explained.counted.len());
            for counted in &explained.counted {
                let _ = write!(text, "    {}", plain(&counted.fact.to_string()));
                if let Some(micros) = counted.micros {
                    let _ = write!(
                        text,
                        ", {}",
                        number(Some(micros as f64 / 1000.0), Unit::Milliseconds)
                    );
                }
                if let Some(link) = counted.link {
                    let _ = write!(text, ", {}", plain(&link.to_string()));
                }
                text.push('\n');
            }
            let _ = writeln!(text, "  left out: {}", explained.left_out.len());
            for left in &explained.left_out {
                let _ = write!(text, "    {}: {}", plain(&left.fact.to_string()), left.reason);
                if let Some(revision) = left.revision {
                    let _ = write!(text, " ({})", plain(&revision.to_string()));
                }
                text.push('\n');
            }
            text.push('\n');
        }
    }
    text
}

/// A number of a part as a person reads it.
pub(crate) fn value(part: &ReportPart<'_>, metric: Metric) -> String {
    let measures = &part.measures;
    match metric {
        Metric::DeploymentFrequency => measures
            .deployment_frequency
            .map_or_else(|| NOTHING.to_owned(), pace),
        Metric::ChangeFailRate => share(measures.change_fail_rate),
        Metric::ReworkRate => share(measures.rework_rate),
        Metric::LeadTime | Metric::RecoveryTime => number(measures.value(metric), Unit::Milliseconds),
    }
}
