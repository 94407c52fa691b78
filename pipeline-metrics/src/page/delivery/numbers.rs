use super::DeliveryPage;
use crate::export::{pace, recovery, value};
use crate::page::{Chart, Headline, IntervalRow, Intervals, Section, Table};
use crate::report::{Report, ReportPart};
use crate::show::{NOTHING, number, range, several};
use crate::stats::Verdict;
use crate::{Metric, MetricTrend, Unit};

/// The five numbers of one part.
pub(super) fn headlines(part: &ReportPart<'_>, trends: &[MetricTrend], report: &Report<'_>) -> Vec<Headline> {
    let each = Metric::ALL.into_iter().zip(trends).enumerate();
    each.map(|(place, (metric, trend))| Headline {
        name: capitalised(metric.name()),
        value: match metric {
            Metric::DeploymentFrequency => part
                .measures
                .deployment_frequency
                .map_or_else(|| NOTHING.to_owned(), pace),
            Metric::ChangeFailRate | Metric::ReworkRate => number(part.measures.value(metric), Unit::Share),
            Metric::LeadTime | Metric::RecoveryTime => {
                number(part.measures.value(metric), Unit::Milliseconds)
            }
        },
        interval: trust(part, metric, report),
        verdict: match trend.chart.verdict() {
            Verdict::TooFew { values, needed } => {
                format!("{}, too few to tell: it takes {needed}", several(values, "week"))
            }
            verdict => format!("{verdict} in {}", several(trend.windows.len(), "week")),
        },
        signal: trend.has_signal(),
        explained: explained(part, place, metric),
    })
    .collect()
}

/// How far a number can be trusted, or what it is made of.
fn trust(part: &ReportPart<'_>, metric: Metric, report: &Report<'_>) -> String {
    let (intervals, measures) = (&part.intervals, &part.measures);
    let between = |interval: Option<crate::stats::Interval>, unit| {
        interval.map(|interval| range(interval.low, Some(interval.high), unit))
    };
    let text = match metric {
        Metric::DeploymentFrequency => {
            return measures
                .deployment_frequency
                .map_or_else(String::new, |frequency| {
                    let deployments = several(frequency.deployments, "deployment");
                    format!("{deployments} on {}", several(frequency.days, "day"))
                });
        }
        Metric::LeadTime => between(intervals.lead_time, Unit::Milliseconds),
        Metric::ChangeFailRate => between(intervals.change_fail_rate, Unit::Share),
        Metric::ReworkRate => between(intervals.rework_rate, Unit::Share),
        Metric::RecoveryTime => Some(recovery(&intervals.recovery_time, measures.open_incidents)),
    };
    let text = text.filter(|text| !text.is_empty());
    text.map_or_else(String::new, |text| format!("{}: {text}", report.confidence))
}

fn explained(part: &ReportPart<'_>, place: usize, metric: Metric) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(definition) = part.definitions.get(place) {
        lines.push(format!("{}.", capitalised(definition)));
    }
    if let Some(counted) = part.counted.get(place) {
        lines.push(format!("{} counted.", several(*counted, "fact")));
    }
    for left in part.left_out.iter().filter(|left| left.metric == metric) {
        lines.push(format!(
            "Left out: {}, {}.",
            several(left.count, left.kind),
            left.reason
        ));
    }
    lines
}

/// Of how many parts intervals are drawn; more cannot be compared by eye.
const DRAWN: usize = 30;

/// The parts beside each other, where there are several.
pub(super) fn by_part(input: &DeliveryPage<'_, '_>) -> Section {
    let parts = &input.report.parts;
    let Some(first) = parts.first().filter(|_| parts.len() > 1) else {
        return Section::new("");
    };
    let scope = first.scope;
    let mut table = Table::new(format!("The five numbers by {scope}")).column(scope);
    for metric in Metric::ALL {
        table = table.numbers(metric.name());
    }
    for part in input.parts() {
        let numbers = Metric::ALL.map(|metric| value(part, metric));
        table.push([part.label().to_owned()].into_iter().chain(numbers));
    }
    let confidence = input.report.confidence.to_string();
    // Those with most deployments are known best.
    let mut busiest: Vec<_> = parts.iter().map(|part| part.measures.deployments).collect();
    busiest.sort_unstable_by(|a, b| b.cmp(a));
    let fewest = busiest.get(DRAWN - 1).copied().unwrap_or(0);
    let mut drawn: Vec<_> = parts
        .iter()
        .filter(|part| part.measures.deployments >= fewest)
        .collect();
    drawn.truncate(DRAWN);
    let intervals = |metric: Metric, unit: Unit| {
        let rows = drawn.iter().filter(|part| part.measures.value(metric).is_some());
        let rows: Vec<_> = rows.map(|part| row(part, metric)).collect();
        (rows.len() > 1).then(|| {
            Chart::Intervals(Intervals {
                things: format!("{scope}s"),
                unit,
                confidence: confidence.clone(),
                rows,
            })
        })
    };
    let mut section = Section::new(format!("By {scope}"))
        .prose(format!(
            "A bar is the range that a number is known to. Where the bars of two {scope}s overlap, these facts do not tell them apart."
        ))
        .table(table);
    if parts.len() > DRAWN {
        section = section.prose(format!(
            "Bars are drawn of the {DRAWN} {scope}s with most deployments; the table has all {}.",
            parts.len()
        ));
    }
    for (title, metric, unit) in [
        ("Median change lead time", Metric::LeadTime, Unit::Milliseconds),
        ("Change fail rate", Metric::ChangeFailRate, Unit::Share),
        (
            "Median recovery time, with what is still open",
            Metric::RecoveryTime,
            Unit::Milliseconds,
        ),
        ("Rework rate", Metric::ReworkRate, Unit::Share),
    ] {
        if let Some(chart) = intervals(metric, unit) {
            section = section.part(Section::new(title).chart(chart));
        }
    }
    section
}

fn row(part: &ReportPart<'_>, metric: Metric) -> IntervalRow {
    let (measures, intervals) = (&part.measures, &part.intervals);
    let both = |interval: crate::stats::Interval| (interval.low, Some(interval.high));
    let ratio = |ratio: Option<crate::Ratio>| {
        ratio.map_or_else(String::new, |ratio| {
            format!("{} of {}", ratio.part(), ratio.whole())
        })
    };
    let (value, interval, made_of) = match metric {
        Metric::LeadTime => (
            measures.lead_time.map(|time| time.median_ms),
            intervals.lead_time.map(both),
            several(measures.changes, "change"),
        ),
        Metric::RecoveryTime => (
            intervals.recovery_time.value,
            intervals
                .recovery_time
                .low
                .map(|low| (low, intervals.recovery_time.high)),
            format!(
                "{}, {} open",
                several(measures.incidents, "failure"),
                measures.open_incidents
            ),
        ),
        Metric::ReworkRate => (
            measures.value(metric),
            intervals.rework_rate.map(both),
            ratio(measures.rework_rate),
        ),
        Metric::ChangeFailRate | Metric::DeploymentFrequency => (
            measures.value(metric),
            intervals.change_fail_rate.map(both),
            ratio(measures.change_fail_rate),
        ),
    };
    IntervalRow {
        label: part.label().to_owned(),
        value,
        interval,
        made_of,
    }
}

pub(super) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect());
    first.unwrap_or_default()
}
