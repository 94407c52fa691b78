use std::fmt::Write as _;

use crate::report::{Report, ReportPart};
use crate::stats::Interval;

/// A report in the text format that Prometheus reads (version 0.0.4), for a file of the textfile collector or an answer
/// to a scrape.
///
/// Every number is a gauge with the labels `scope` and `name`: it is of the report's window, and does not count up. Base
/// units are seconds and ratios. What was not observed has no line, since 0 would be a number. The ends of intervals
/// have the label `bound`, `low` or `high`.
pub fn prometheus_text(report: &Report<'_>) -> String {
    let mut text = String::new();
    for family in families() {
        let mut lines = String::new();
        for part in report.all() {
            for (labels, value) in (family.samples)(part) {
                sample(&mut lines, &family, part, &labels, value);
            }
        }
        // A family without a sample is not there.
        if !lines.is_empty() {
            head(&mut text, family.name, family.help);
            text.push_str(&lines);
        }
    }
    let window = &report.window;
    for (name, help, value) in [
        (
            "delivery_window_start_seconds",
            "Start of the window, in seconds since 1970.",
            window.start().as_second() as f64,
        ),
        (
            "delivery_window_end_seconds",
            "End of the window, in seconds since 1970.",
            window.end().as_second() as f64,
        ),
        (
            "delivery_unread_facts",
            "Lines and events that could not be read.",
            report.problems.len() as f64,
        ),
        (
            "delivery_retold_deployments",
            "Deployments that were told in different ways under one id, and counted once.",
            report.retold.len() as f64,
        ),
    ] {
        head(&mut text, name, help);
        let _ = writeln!(text, "{name} {value}");
    }
    text
}

/// A label and its value.
type Label = (&'static str, String);
/// A number with the labels that only it has.
type Sample = (Vec<Label>, f64);

struct Family {
    name: &'static str,
    help: &'static str,
    samples: fn(&ReportPart<'_>) -> Vec<Sample>,
}

fn families() -> [Family; 18] {
    let family = |name, help, samples| Family { name, help, samples };
    [
        family("delivery_deployments", "Deployments that count.", |part| {
            one(part
                .measures
                .deployment_frequency
                .map(|frequency| frequency.deployments as f64))
        }),
        family("delivery_deployment_days", "Days with a deployment.", |part| {
            one(part
                .measures
                .deployment_frequency
                .map(|frequency| frequency.days as f64))
        }),
        family(
            "delivery_deployments_per_day",
            "Deployments per day of 24 hours.",
            |part| {
                one(part
                    .measures
                    .deployment_frequency
                    .map(|frequency| frequency.per_day))
            },
        ),
        family("delivery_changes", "Changes with a lead time.", |part| {
            one(part.measures.lead_time.map(|_| part.measures.changes as f64))
        }),
        family(
            "delivery_lead_time_seconds",
            "Change lead time by the report's options.",
            |part| one(part.measures.lead_time.map(|time| time.ms / 1000.0)),
        ),
        family(
            "delivery_lead_time_median_seconds",
            "Median change lead time.",
            |part| one(part.measures.lead_time.map(|time| time.median_ms / 1000.0)),
        ),
        family(
            "delivery_lead_time_median_interval_seconds",
            "Interval of the median change lead time.",
            |part| both(part.intervals.lead_time, 1000.0),
        ),
        family(
            "delivery_lead_time_phase_seconds",
            "Phases of the change lead time by the report's options.",
            |part| {
                let known = part.phases.named().into_iter();
                let known = known.filter_map(|(name, time)| Some((name, time?.ms / 1000.0)));
                known
                    .map(|(name, value)| (vec![("phase", name.to_owned())], value))
                    .collect()
            },
        ),
        family(
            "delivery_change_fail_ratio",
            "Change fail rate, 0 to 1.",
            |part| one(part.measures.change_fail_rate.map(|ratio| ratio.value())),
        ),
        family(
            "delivery_change_fail_interval_ratio",
            "Interval of the change fail rate.",
            |part| both(part.intervals.change_fail_rate, 1.0),
        ),
        family(
            "delivery_recovery_time_seconds",
            "Recovery time by the report's options, of what is over.",
            |part| one(part.measures.recovery_time.map(|time| time.ms / 1000.0)),
        ),
        family(
            "delivery_recovery_time_survival_seconds",
            "Median recovery time by Kaplan and Meier, with what is open.",
            |part| one(part.intervals.recovery_time.value.map(|ms| ms / 1000.0)),
        ),
        family(
            "delivery_recovery_time_survival_interval_seconds",
            "Interval of the median recovery time with what is open.",
            |part| {
                let median = part.intervals.recovery_time;
                let bounds = [("low", median.low), ("high", median.high)];
                let known = bounds
                    .into_iter()
                    .filter_map(|(name, ms)| Some((name, ms? / 1000.0)));
                known
                    .map(|(name, value)| (vec![("bound", name.to_owned())], value))
                    .collect()
            },
        ),
        family(
            "delivery_incidents",
            "Failures with or without a recovery.",
            |part| one((part.measures.incidents > 0).then_some(part.measures.incidents as f64)),
        ),
        family("delivery_open_incidents", "Failures that are not over.", |part| {
            one((part.measures.incidents > 0).then_some(part.measures.open_incidents as f64))
        }),
        family("delivery_rework_ratio", "Rework rate, 0 to 1.", |part| {
            one(part.measures.rework_rate.map(|ratio| ratio.value()))
        }),
        family(
            "delivery_rework_interval_ratio",
            "Interval of the rework rate.",
            |part| both(part.intervals.rework_rate, 1.0),
        ),
        family(
            "delivery_left_out_facts",
            "Facts that a number leaves out, by reason.",
            |part| {
                let sample = |left: &crate::LeftOutCount| {
                    let labels = vec![
                        ("metric", left.metric.name().replace(' ', "_")),
                        ("kind", left.kind.to_owned()),
                        ("reason", left.reason.name().replace('-', "_")),
                    ];
                    (labels, left.count as f64)
                };
                part.left_out.iter().map(sample).collect()
            },
        ),
    ]
}

fn one(value: Option<f64>) -> Vec<Sample> {
    value.map(|value| (Vec::new(), value)).into_iter().collect()
}

fn both(interval: Option<Interval>, unit: f64) -> Vec<Sample> {
    let bounds = interval.map(|interval| [("low", interval.low), ("high", interval.high)]);
    let bounds = bounds.into_iter().flatten();
    bounds
        .map(|(name, value)| (vec![("bound", name.to_owned())], value / unit))
        .collect()
}

fn head(text: &mut String, name: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
}

fn sample(text: &mut String, family: &Family, part: &ReportPart<'_>, labels: &[Label], value: f64) {
    let _ = write!(
        text,
        "{}{{scope=\"{}\",name=\"{}\"",
        family.name,
        part.scope,
        escaped(&part.name)
    );
    for (name, value) in labels {
        let _ = write!(text, ",{name}=\"{}\"", escaped(value));
    }
    let _ = writeln!(text, "}} {value}");
}

/// A label's value: a backslash, a quote and the end of a line have a meaning there.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
