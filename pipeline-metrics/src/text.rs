use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::{Durations, Explained, Frequency, Measures, Ratio, Reason, Report};

const HEAD: [&str; 6] = [
    "component",
    "deployments",
    "lead time",
    "change fail rate",
    "recovery time",
    "rework rate",
];
/// How many problems are written out.
const PROBLEMS: usize = 5;

/// A report as a table for a terminal, with what was left out of each number below it. Columns are as wide
/// as their text; `-` is not observed, which is not 0.
pub fn render_text(report: &Report<'_>) -> String {
    let mut text = format!("delivery from {}\n\n", report.window);
    let components = report
        .components
        .iter()
        .map(|each| (each.component, &each.measures));
    let rows: Vec<_> = components
        .chain(report.overall.as_ref().map(|overall| ("(all)", overall)))
        .collect();
    if report.components.is_empty() {
        text.push_str("nothing was observed\n");
    } else {
        table(&mut text, &rows);
    }
    left_out(&mut text, report);
    problems(&mut text, report);
    text
}

fn table(text: &mut String, rows: &[(&str, &Measures<'_>)]) {
    let mut cells = vec![HEAD.map(str::to_owned)];
    cells.extend(rows.iter().map(|(name, measures)| row(name, measures)));
    let mut widths = [0; HEAD.len()];
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
        let padded: Vec<_> = padded.collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
}

fn row(name: &str, measures: &Measures<'_>) -> [String; HEAD.len()] {
    [
        plain(name),
        cell(&measures.deployment_frequency, frequency),
        cell(&measures.lead_time, median),
        cell(&measures.change_fail_rate, share),
        cell(&measures.recovery_time, median),
        cell(&measures.rework_rate, share),
    ]
}

/// What counts for each measure, in the order of the columns.
fn left_out(text: &mut String, report: &Report<'_>) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for each in &report.components {
        let Measures {
            deployment_frequency,
            lead_time,
            change_fail_rate: _, // the same as of frequency and recovery
            recovery_time,
            rework_rate: _, // the same as of frequency
        } = &each.measures;
        let left = [
            ("deployments", &deployment_frequency.left_out),
            ("lead time", &lead_time.left_out),
            ("recovery time", &recovery_time.left_out),
        ];
        for (measure, left) in left {
            for left in left {
                let reason = match &left.reason {
                    Reason::UnknownRevision(_) => "lists a revision that no change is known for".to_owned(),
                    reason => reason.to_string(),
                };
                let line = format!(
                    "{}, {measure}: {}, {reason}",
                    plain(each.component),
                    left.fact.kind()
                );
                *counts.entry(line).or_default() += 1;
            }
        }
    }
    for left in &report.unplaced {
        let line = format!("of no component: {}, {}", left.fact.kind(), left.reason);
        *counts.entry(line).or_default() += 1;
    }
    if !counts.is_empty() {
        text.push_str("\nleft out:\n");
    }
    for (line, count) in counts {
        let _ = writeln!(text, "  {count:>5}  {line}");
    }
}

fn problems(text: &mut String, report: &Report<'_>) {
    let problems = &report.problems;
    if problems.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nnot read: {}", problems.len());
    for problem in problems.iter().take(PROBLEMS) {
        let _ = writeln!(
            text,
            "  {}: {}",
            plain(&problem.source.to_string()),
            plain(&problem.reason)
        );
    }
    if problems.len() > PROBLEMS {
        let _ = writeln!(text, "  and {} more", problems.len() - PROBLEMS);
    }
}

fn cell<T: Copy>(explained: &Explained<'_, T>, write: impl Fn(T) -> String) -> String {
    explained.value.map_or_else(|| "-".to_owned(), write)
}

fn frequency(frequency: Frequency) -> String {
    let days = if frequency.days == 1 { "day" } else { "days" };
    format!("{} on {} {days}", frequency.deployments, frequency.days)
}

fn share(ratio: Ratio) -> String {
    format!(
        "{:.1} % ({} of {})",
        ratio.value() * 100.0,
        ratio.part(),
        ratio.whole()
    )
}

fn median(durations: Durations) -> String {
    duration(durations.median_ms)
}

/// The two largest units; never rounded up to a longer time than it was.
fn duration(milliseconds: f64) -> String {
    let seconds = (milliseconds / 1000.0) as u64;
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest} s"),
        (0, 0, _) => format!("{minutes} min {rest} s"),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// A text from elsewhere, without what could move a terminal's cursor.
fn plain(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { '\u{fffd}' } else { letter };
    text.chars().map(plain).collect()
}
