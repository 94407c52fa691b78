use std::cmp::Ordering;

use crate::show;
use crate::stats::Signal;
use crate::{Metric, MetricTrend};

/// What the weeks of a month say about one number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum News {
    /// There are too few weeks before the month to tell what is usual.
    Unknown { before: usize },
    /// All of it is noise.
    None { weeks: usize, before: usize },
    /// It changed.
    Changed {
        good: bool,
        /// Such as `longer`.
        word: &'static str,
        text: String,
    },
}

impl News {
    /// Of a trend that is judged by the weeks before `from`.
    pub(crate) fn of(trend: &MetricTrend, from: jiff::Timestamp) -> Self {
        let first = trend.windows.partition_point(|window| window.start() < from);
        let points = trend.chart.points();
        let observed =
            |range: &[crate::stats::Point]| range.iter().filter(|point| point.value.is_some()).count();
        let before = observed(&points[..first]);
        let Some(limits) = trend.chart.limits() else {
            return Self::Unknown { before };
        };
        let number = |value: f64| show::number(Some(value), trend.unit());
        // For each signal, whether it is a step alone and on which side.
        let (mut sides, mut weeks) = (Vec::new(), Vec::new());
        for (window, point) in trend.windows.iter().zip(points).skip(first) {
            let Some(value) = point.value.filter(|_| !point.signals.is_empty()) else {
                continue;
            };
            sides.push((point.signals == [Signal::Jump], value > limits.centre));
            let signals: Vec<_> = point.signals.iter().map(Signal::to_string).collect();
            let day = show::day(window.start());
            weeks.push(format!(
                "{} in the week of {day} ({})",
                number(value),
                signals.join(", ")
            ));
        }
        if weeks.is_empty() {
            return Self::None {
                weeks: observed(&points[first..]),
                before,
            };
        }
        let higher = is_higher(&sides);
        let word = word(trend.metric, higher);
        let text = format!(
            "{word} than usual: {}; a usual week has {}",
            weeks.join(", "),
            usual(limits, trend.unit())
        );
        Self::Changed {
            good: higher == (trend.metric == Metric::DeploymentFrequency),
            word,
            text,
        }
    }
}

/// On which side most signals are; of as many, the last one. A step alone has no direction that lasts, as it may be the
/// step back: it tells the side only where nothing else does.
fn is_higher(sides: &[(bool, bool)]) -> bool {
    let steps_only = sides.iter().all(|(step, _)| *step);
    let told = || sides.iter().filter(|(step, _)| steps_only || !step);
    let above = told().filter(|(_, above)| *above).count();
    match above.cmp(&(told().count() - above)) {
        Ordering::Greater => true,
        Ordering::Less => false,
        Ordering::Equal => told().next_back().is_some_and(|(_, above)| *above),
    }
}

/// What to expect of a week while nothing changes.
pub(crate) fn usual(limits: &crate::stats::Limits, unit: crate::Unit) -> String {
    let number = |value: f64| show::number(Some(value), unit);
    match (limits.lower, limits.upper) {
        (Some(lower), Some(upper)) => format!("{} to {}", number(lower), number(upper)),
        (None, Some(upper)) => format!("at most {}", number(upper)),
        (Some(lower), None) => format!("at least {}", number(lower)),
        (None, None) => "any value".to_owned(),
    }
}

fn word(metric: Metric, higher: bool) -> &'static str {
    match (metric, higher) {
        (Metric::LeadTime | Metric::RecoveryTime, true) => "longer",
        (Metric::LeadTime | Metric::RecoveryTime, false) => "shorter",
        (_, true) => "higher",
        (_, false) => "lower",
    }
}
