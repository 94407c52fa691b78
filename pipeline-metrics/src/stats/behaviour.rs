use std::fmt;
use std::ops::RangeInclusive;

use serde::Serialize;

use crate::stats::interpolated_quantile;

/// The values of something over time, and whether they say that it changed: a process behaviour chart, `XmR`.
///
/// Shewhart's chart of individual values and moving ranges, with the constants and rules of Wheeler,
/// "Understanding Variation: The Key to Managing Chaos", 2nd edition, 2000, chapters 3 and 4 and page 60: natural
/// limits lie 2.66 average moving ranges from the mean, a moving range has its limit at 3.268 of them. What stays
/// within is noise: to ask why it is higher than last week has no answer.
///
/// ```
/// use pipeline_metrics::stats::{BehaviourChart, Bounds, Signal, Verdict};
///
/// let steady = [7.0, 5.0, 8.0, 6.0, 9.0, 4.0, 7.0, 6.0, 8.0, 5.0].map(Some);
/// let chart = BehaviourChart::of(&steady, Bounds::NOT_NEGATIVE);
/// assert_eq!(chart.verdict(), Verdict::NoSignal);
///
/// let mut then = steady.to_vec();
/// then.push(Some(21.0));
/// let chart = BehaviourChart::judged_by(&then, 10, Bounds::NOT_NEGATIVE);
/// assert_eq!(chart.verdict(), Verdict::Signals { count: 1 });
/// assert_eq!(chart.points()[10].signals, [Signal::Outside, Signal::Jump]);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BehaviourChart {
    points: Vec<Point>,
    limits: Option<Limits>,
}

/// What a value cannot pass, whatever happens. A natural limit beyond it is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bounds {
    /// The least possible value.
    pub lowest: Option<f64>,
    /// The largest possible value.
    pub highest: Option<f64>,
}

impl Bounds {
    /// Any value.
    pub const NONE: Self = Self {
        lowest: None,
        highest: None,
    };
    /// Counts and times.
    pub const NOT_NEGATIVE: Self = Self {
        lowest: Some(0.0),
        highest: None,
    };
    /// Rates from 0 to 1.
    pub const SHARE: Self = Self {
        lowest: Some(0.0),
        highest: Some(1.0),
    };
}

/// What a process does as long as nothing changes it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Limits {
    /// The mean of the values.
    pub centre: f64,
    /// The middle one of the values.
    pub median: f64,
    /// The lower natural limit; `None` where the value cannot get that low.
    pub lower: Option<f64>,
    /// The upper natural limit; `None` where the value cannot get that high.
    pub upper: Option<f64>,
    /// The mean distance between a value and the one before.
    pub average_range: f64,
    /// The limit of such a distance.
    pub range_limit: f64,
    /// How many values they come from.
    pub values: usize,
}

/// One value of a chart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// The value; `None` where nothing was observed.
    pub value: Option<f64>,
    /// How far it is from the last observed value before it.
    pub range: Option<f64>,
    /// What it says. Empty is noise.
    pub signals: Vec<Signal>,
}

/// Why a point is more than noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Signal {
    /// Beyond a natural limit.
    Outside,
    /// One of three of four successive values, nearer to the same limit than to the centre.
    NearLimit,
    /// One of eight or more successive values on the same side of the centre, and of the median: of skewed values, such
    /// as rates that mostly are 0, most lie below their mean at any time.
    Run,
    /// Further from the value before than the range limit.
    Jump,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Outside => "outside the natural limits",
            Self::NearLimit => "three of four near a limit",
            Self::Run => "eight in a row on one side",
            Self::Jump => "a larger step than is natural",
        })
    }
}

/// What a chart says as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// There are no limits: nothing can be said.
    TooFew {
        /// How many values there are for limits.
        values: usize,
        /// How many it takes.
        needed: usize,
    },
    /// All is noise.
    NoSignal,
    /// Something changed.
    Signals {
        /// How many times: points beside each other are one signal.
        count: usize,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFew { values, needed } => {
                write!(f, "too few values for limits: {values}, and it takes {needed}")
            }
            Self::NoSignal => f.write_str("no signal"),
            Self::Signals { count: 1 } => f.write_str("1 signal"),
            Self::Signals { count } => write!(f, "{count} signals"),
        }
    }
}

/// How many times the average moving range a natural limit lies from the centre: 3 / d2, with d2 = 1.128 for two
/// values.
const NATURAL: f64 = 2.66;
/// How many times the average moving range its limit is: D4 for two values.
const RANGE: f64 = 3.268;
const RUN: usize = 8;

impl BehaviourChart {
    /// With how few values there are limits.
    ///
    /// Five or six are useful (Wheeler, page 60), but their limits are soft: the average of `n - 1` moving ranges has
    /// about `0.62 * (n - 1)` degrees of freedom, so with six values it is uncertain by 40 %, with ten by 30 %.
    pub const FEWEST: usize = 10;

    /// A chart whose limits come from all of its values. What was not observed is passed over.
    pub fn of(values: &[Option<f64>], bounds: Bounds) -> Self {
        Self::judged_by(values, values.len(), bounds)
    }

    /// A chart whose limits come from the first places of the values only: those after are judged by what was usual
    /// before, and do not widen the limits that they are judged by.
    pub fn judged_by(values: &[Option<f64>], baseline: usize, bounds: Bounds) -> Self {
        let mut before = None;
        let mut points: Vec<_> = values
            .iter()
            .map(|value| {
                let value = value.filter(|value| value.is_finite());
                let range = value
                    .zip(before)
                    .map(|(value, before): (f64, f64)| (value - before).abs());
                before = value.or(before);
                Point {
                    value,
                    range,
                    signals: Vec::new(),
                }
            })
            .collect();
        let limits = Limits::of(&points[..baseline.min(points.len())], bounds);
        if let Some(limits) = &limits {
            limits.judge(&mut points);
        }
        Self { points, limits }
    }

    /// The values with what they say, in the order that they were given in.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// The limits; `None` when there are [too few](Self::FEWEST) values for them.
    pub fn limits(&self) -> Option<&Limits> {
        self.limits.as_ref()
    }

    /// Its signals: places of points that are more than noise and beside each other. A point without a value does not
    /// part its neighbours.
    pub fn signals(&self) -> Vec<RangeInclusive<usize>> {
        let observed: Vec<_> = (0..)
            .zip(&self.points)
            .filter(|(_, point)| point.value.is_some())
            .map(|(place, point)| (place, !point.signals.is_empty()))
            .collect();
        let stretches = observed.chunk_by(|(_, a), (_, b)| a == b);
        stretches
            .filter_map(|stretch| match stretch {
                [(first, true), .., (last, _)] => Some(*first..=*last),
                [(only, true)] => Some(*only..=*only),
                _ => None,
            })
            .collect()
    }

    /// What it says as a whole.
    pub fn verdict(&self) -> Verdict {
        match (&self.limits, self.signals().len()) {
            (None, _) => Verdict::TooFew {
                values: self.points.iter().filter(|point| point.value.is_some()).count(),
                needed: Self::FEWEST,
            },
            (Some(_), 0) => Verdict::NoSignal,
            (Some(_), count) => Verdict::Signals { count },
        }
    }
}

impl Limits {
    fn of(points: &[Point], bounds: Bounds) -> Option<Self> {
        let values: Vec<f64> = points.iter().filter_map(|point| point.value).collect();
        let ranges: Vec<f64> = points.iter().filter_map(|point| point.range).collect();
        if values.len() < BehaviourChart::FEWEST {
            return None;
        }
        let mean = |numbers: &[f64]| numbers.iter().sum::<f64>() / numbers.len() as f64;
        let (centre, average_range) = (mean(&values), mean(&ranges));
        let (lower, upper) = (centre - NATURAL * average_range, centre + NATURAL * average_range);
        let mut sorted = values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        Some(Self {
            centre,
            median: interpolated_quantile(&sorted, 0.5)?,
            lower: Some(lower).filter(|limit| bounds.lowest.is_none_or(|lowest| *limit >= lowest)),
            upper: Some(upper).filter(|limit| bounds.highest.is_none_or(|highest| *limit <= highest)),
            average_range,
            range_limit: RANGE * average_range,
            values: values.len(),
        })
    }

    fn judge(&self, points: &mut [Point]) {
        let observed: Vec<(usize, f64)> = points
            .iter()
            .enumerate()
            .filter_map(|(place, point)| Some((place, point.value?)))
            .collect();
        // What lies at the centre but for rounding is on no side.
        let grain = 1e-12 * self.centre.abs();
        let side = |value: f64| match value - self.centre {
            distance if distance > grain => 1,
            distance if distance < -grain => -1,
            _ => 0,
        };
        // The side whose limit is nearer than the centre.
        let near = |value: f64| match side(value) {
            1 if self
                .upper
                .is_some_and(|limit| value > f64::midpoint(self.centre, limit)) =>
            {
                1
            }
            -1 if self
                .lower
                .is_some_and(|limit| value < f64::midpoint(self.centre, limit)) =>
            {
                -1
            }
            _ => 0,
        };
        for (place, value) in &observed {
            let above = self.upper.is_some_and(|limit| *value > limit + grain);
            let below = self.lower.is_some_and(|limit| *value < limit - grain);
            if above || below {
                points[*place].say(Signal::Outside);
            }
            if points[*place]
                .range
                .is_some_and(|range| range > self.range_limit + grain)
            {
                points[*place].say(Signal::Jump);
            }
        }
        for four in observed.windows(4) {
            for which in [1, -1] {
                let there = four.iter().filter(|(_, value)| near(*value) == which);
                if there.clone().count() >= 3 {
                    there.for_each(|(place, _)| points[*place].say(Signal::NearLimit));
                }
            }
        }
        let beyond = |value: f64| {
            let of_median = value.total_cmp(&self.median) as i32;
            if side(value) == of_median { of_median } else { 0 }
        };
        for same in observed.chunk_by(|(_, a), (_, b)| beyond(*a) == beyond(*b)) {
            if same.len() >= RUN && beyond(same[0].1) != 0 {
                same.iter().for_each(|(place, _)| points[*place].say(Signal::Run));
            }
        }
    }
}

impl Point {
    fn say(&mut self, signal: Signal) {
        if let Err(place) = self.signals.binary_search(&signal) {
            self.signals.insert(place, signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(values: &[f64], bounds: Bounds) -> BehaviourChart {
        let values: Vec<_> = values.iter().copied().map(Some).collect();
        BehaviourChart::of(&values, bounds)
    }

    /// Which points say something, by place.
    fn said(chart: &BehaviourChart, signal: Signal) -> Vec<usize> {
        let points = chart.points().iter().enumerate();
        points
            .filter(|(_, point)| point.signals.contains(&signal))
            .map(|(place, _)| place)
            .collect()
    }

    /// Flow rates of ten batches: NIST/SEMATECH e-Handbook of Statistical Methods, section 6.3.2.2, which prints a mean
    /// of 50.81, an average range of 1.8778 and limits of 45.8159 and 55.8041 (with 3 / 1.128 for our 2.66).
    const FLOW: [f64; 10] = [49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1];

    #[test]
    fn the_limits_are_those_of_the_handbook() {
        let chart = chart(&FLOW, Bounds::NONE);
        let limits = chart.limits().unwrap();
        let near =
            |found: f64, expected: f64| assert!((found - expected).abs() < 1e-3, "{found} is not {expected}");
        near(limits.centre, 50.81);
        near(limits.average_range, 1.8778);
        near(limits.lower.unwrap(), 45.8159);
        near(limits.upper.unwrap(), 55.8041);
        near(limits.range_limit, 6.1366);
        assert_eq!(chart.verdict(), Verdict::NoSignal);
    }

    /// Ten values of mean 10 and average range 2, so with limits at 4.68 and 15.32, and a range limit of 6.536.
    const STEADY: [f64; 10] = [9.0, 11.0, 9.0, 11.0, 9.0, 11.0, 9.0, 11.0, 9.0, 11.0];

    fn after(more: &[f64]) -> BehaviourChart {
        let values: Vec<_> = STEADY.iter().chain(more).copied().map(Some).collect();
        BehaviourChart::judged_by(&values, STEADY.len(), Bounds::NONE)
    }

    #[test]
    fn a_point_outside_is_a_signal_and_one_at_the_limit_is_not() {
        assert_eq!(after(&[15.32]).verdict(), Verdict::NoSignal);
        assert_eq!(said(&after(&[15.33]), Signal::Outside), [10]);
        assert_eq!(said(&after(&[4.67]), Signal::Outside), [10]);
    }

    #[test]
    fn a_large_step_is_a_signal() {
        let chart = after(&[14.0, 7.4]);
        assert_eq!(
            (said(&chart, Signal::Jump), said(&chart, Signal::Outside)),
            (vec![11], vec![])
        );
        assert_eq!(after(&[14.0, 7.5]).verdict(), Verdict::NoSignal);
    }

    #[test]
    fn eight_in_a_row_are_a_signal_and_seven_are_not() {
        // The last of the ten is above already.
        assert_eq!(after(&[10.5; 6]).verdict(), Verdict::NoSignal);
        assert_eq!(said(&after(&[10.5; 7]), Signal::Run), (9..17).collect::<Vec<_>>());
        // What lies on the centre is on no side.
        let interrupted = [10.5, 10.5, 10.5, 10.0, 10.5, 10.5, 10.5];
        assert_eq!(after(&interrupted).verdict(), Verdict::NoSignal);
    }

    #[test]
    fn values_that_mostly_are_nothing_run_without_a_signal() {
        let mut rates = vec![0.0; 40];
        for place in [0, 3, 14, 17, 29, 31] {
            rates[place] = 0.25;
        }
        let chart = chart(&rates, Bounds::SHARE);
        assert_eq!(said(&chart, Signal::Run), Vec::<usize>::new());
    }

    #[test]
    fn points_beside_each_other_are_one_signal() {
        let chart = after(&[10.5, 10.5, 10.5, 10.5, 10.5, 10.5, 10.5, 9.0, 20.0]);
        assert_eq!(chart.signals(), [9..=16, 18..=18]);
        assert_eq!(chart.verdict(), Verdict::Signals { count: 2 });
    }

    #[test]
    fn three_of_four_near_a_limit_are_a_signal_and_two_are_not() {
        // Half of the way up is 12.66.
        assert_eq!(
            said(&after(&[13.0, 9.0, 13.0, 13.0]), Signal::NearLimit),
            [10, 12, 13]
        );
        assert_eq!(after(&[13.0, 9.0, 13.0, 12.6]).verdict(), Verdict::NoSignal);
        assert_eq!(after(&[13.0, 7.0, 13.0, 7.0]).verdict(), Verdict::NoSignal);
    }

    #[test]
    fn what_cannot_be_passed_is_no_limit() {
        let low = [1.0, 0.0, 3.0, 0.0, 1.0, 2.0, 0.0, 1.0, 0.0, 2.0];
        assert!(chart(&low, Bounds::NONE).limits().unwrap().lower.unwrap() < 0.0);
        assert_eq!(chart(&low, Bounds::NOT_NEGATIVE).limits().unwrap().lower, None);
        let high = low.map(|value| 1.0 - value / 10.0);
        assert_eq!(chart(&high, Bounds::SHARE).limits().unwrap().upper, None);
    }

    #[test]
    fn what_always_is_the_same_says_nothing() {
        let chart = chart(&[3.3; 30], Bounds::NONE);
        assert_eq!(chart.verdict(), Verdict::NoSignal);
        assert_eq!(chart.limits().unwrap().average_range, 0.0);
    }

    #[test]
    fn too_few_values_have_no_limits() {
        let mut values: Vec<_> = FLOW[1..].iter().copied().map(Some).collect();
        values.extend([None, None, Some(f64::NAN)]);
        let chart = BehaviourChart::of(&values, Bounds::NONE);
        assert_eq!(
            chart.verdict(),
            Verdict::TooFew {
                values: 9,
                needed: 10
            }
        );
        assert!(chart.limits().is_none());
    }

    #[test]
    fn gaps_are_passed_over() {
        let mut gaps = Vec::new();
        for value in FLOW {
            gaps.extend([Some(value), None]);
        }
        let with_gaps = BehaviourChart::of(&gaps, Bounds::NONE);
        assert_eq!(with_gaps.limits(), chart(&FLOW, Bounds::NONE).limits());
    }
}
