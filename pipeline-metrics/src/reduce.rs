use serde::Serialize;

use crate::{Aggregate, Blend};

/// Times as numbers, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Durations {
    /// The number by the options: the [aggregate](crate::Aggregate), blended.
    pub ms: f64,
    /// The middle one, or the mean of the two in the middle, whatever the options.
    pub median_ms: f64,
    /// The mean, whatever the options.
    pub mean_ms: f64,
}

/// A time in microseconds, with what it may be grouped by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timed {
    pub(crate) micros: i64,
    pub(crate) day: i64,
    pub(crate) component: u32,
    /// Or [`NONE`](crate::facts::NONE).
    pub(crate) environment: u32,
}

impl Durations {
    /// The numbers of some times in microseconds, which get reordered; `None` of nothing.
    pub(crate) fn of(times: &mut [i64], aggregate: Aggregate) -> Option<Self> {
        let median_ms = median(times)?;
        let mean_ms = mean(times.iter().copied().map(i128::from).sum(), times.len())?;
        let ms = match aggregate {
            Aggregate::Median => median_ms,
            Aggregate::Mean => mean_ms,
            Aggregate::LowerMedian => nth(times, (times.len() - 1) / 2)? as f64 / 1000.0,
            Aggregate::Percentile(percent) => percentile(times, percent)?,
        };
        Some(Self {
            ms,
            median_ms,
            mean_ms,
        })
    }

    /// As [`of`](Self::of), with the aggregate taken of groups first.
    pub(crate) fn blended(times: &mut [Timed], aggregate: Aggregate, blend: Blend) -> Option<Self> {
        let mut all: Vec<_> = times.iter().map(|time| time.micros).collect();
        let whole = Self::of(&mut all, aggregate)?;
        let group = |time: &Timed| match blend {
            Blend::Values => (0, 0, 0),
            Blend::Days => (time.day, time.component, time.environment),
            Blend::ComponentMeans => (0, time.component, 0),
        };
        times.sort_unstable_by_key(group);
        let mut groups = Vec::new();
        for part in times.chunk_by(|a, b| group(a) == group(b)) {
            all.clear();
            all.extend(part.iter().map(|time| time.micros));
            groups.extend(Self::of(&mut all, aggregate).map(|part| part.ms));
        }
        let ms = match blend {
            Blend::Values => whole.ms,
            Blend::Days => aggregate_of(&mut groups, aggregate)?,
            Blend::ComponentMeans => aggregate_of(&mut groups, Aggregate::Mean)?,
        };
        Some(Self { ms, ..whole })
    }
}

fn nth(times: &mut [i64], at: usize) -> Option<i64> {
    (at < times.len()).then(|| *times.select_nth_unstable(at).1)
}

/// The middle, in milliseconds.
fn median(times: &mut [i64]) -> Option<f64> {
    let middle = times.len() / 2;
    let upper = nth(times, middle)?;
    if times.len() % 2 == 1 {
        return Some(upper as f64 / 1000.0);
    }
    let lower = times[..middle].iter().copied().max()?;
    Some(between(lower, upper))
}

/// The middle between two times, in milliseconds.
pub(crate) fn between(lower: i64, upper: i64) -> f64 {
    (i128::from(lower) + i128::from(upper)) as f64 / 2000.0
}

/// The mean of so many times with a sum, in milliseconds.
pub(crate) fn mean(sum: i128, count: usize) -> Option<f64> {
    let ms = if sum % 1000 == 0 {
        // Exact: the sum of whole milliseconds.
        (sum / 1000) as f64 / count as f64
    } else {
        sum as f64 / (count as f64 * 1000.0)
    };
    (count > 0).then_some(ms)
}

/// Where a percentile lies among so many sorted values: a place, and how far on the way to the next.
pub(crate) fn place(count: usize, percent: f64) -> Option<(usize, f64)> {
    let last = count.checked_sub(1)? as f64;
    let at = last * (percent / 100.0).clamp(0.0, 1.0);
    Some((at as usize, at.fract()))
}

fn percentile(times: &mut [i64], percent: f64) -> Option<f64> {
    let (place, part) = place(times.len(), percent)?;
    let lower = nth(times, place)?;
    let upper = if part > 0.0 {
        times[place + 1..].iter().copied().min()?
    } else {
        lower
    };
    Some(interpolate(lower, upper, part))
}

pub(crate) fn interpolate(lower: i64, upper: i64, part: f64) -> f64 {
    (lower as f64 + (upper - lower) as f64 * part) / 1000.0
}

/// The aggregate of numbers.
pub(crate) fn aggregate_of(values: &mut [f64], aggregate: Aggregate) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let percent = match aggregate {
        Aggregate::Mean => {
            let sum: f64 = values.iter().sum();
            return (!values.is_empty()).then(|| sum / values.len() as f64);
        }
        Aggregate::LowerMedian => return values.get((values.len().checked_sub(1)?) / 2).copied(),
        Aggregate::Median => 50.0,
        Aggregate::Percentile(percent) => percent,
    };
    let (place, part) = place(values.len(), percent)?;
    let lower = *values.get(place)?;
    let upper = *values.get(place + 1).unwrap_or(&lower);
    Some(lower + (upper - lower) * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(times: &[i64], aggregate: Aggregate) -> Option<f64> {
        Durations::of(&mut times.to_vec(), aggregate).map(|numbers| numbers.ms)
    }

    #[test]
    fn one_number_out_of_many() {
        let times = [10_000, 1_000, 4_000, 2_000];
        for aggregate in [
            Aggregate::Median,
            Aggregate::LowerMedian,
            Aggregate::Mean,
            Aggregate::Percentile(90.0),
        ] {
            assert_eq!(of(&[], aggregate), None);
            assert_eq!(of(&[7_000], aggregate), Some(7.0));
        }
        assert_eq!(of(&times, Aggregate::Median), Some(3.0));
        assert_eq!(of(&times, Aggregate::LowerMedian), Some(2.0));
        assert_eq!(of(&times, Aggregate::Mean), Some(4.25));
        assert_eq!(of(&times, Aggregate::Percentile(0.0)), Some(1.0));
        assert_eq!(of(&times, Aggregate::Percentile(100.0)), Some(10.0));
        // Of three gaps, 90 % of the way are 2.7: from 4 towards 10.
        assert!((of(&times, Aggregate::Percentile(90.0)).unwrap() - 8.2).abs() < 1e-9);
        assert_eq!(
            of(&[i64::MAX, i64::MAX], Aggregate::Mean),
            Some(i64::MAX as f64 / 1000.0)
        );
    }

    #[test]
    fn groups_are_aggregated_first() {
        let timed = |micros, day, component| Timed {
            micros,
            day,
            component,
            environment: 0,
        };
        let times = [
            timed(1_000, 1, 1),
            timed(3_000, 1, 2),
            timed(9_000, 2, 2),
            timed(20_000, 3, 2),
        ];
        let of = |blend, aggregate| {
            Durations::blended(&mut times.to_vec(), aggregate, blend)
                .unwrap()
                .ms
        };
        // A day of a component each: 1, 3, 9, 20.
        assert_eq!(of(Blend::Days, Aggregate::Median), 6.0);
        // Components: 1, and the mean of 3, 9 and 20.
        assert_eq!(
            of(Blend::ComponentMeans, Aggregate::Mean),
            (1.0 + 32.0 / 3.0) / 2.0
        );
        assert_eq!(of(Blend::Values, Aggregate::Median), 6.0);
        // Two of one day and component are one of these, unless they are of two environments: 2, 9, 20.
        let mut same = times;
        same[1].component = 1;
        let of = |times: &[Timed]| Durations::blended(&mut times.to_vec(), Aggregate::Median, Blend::Days);
        assert_eq!(of(&same).unwrap().ms, 9.0);
        same[1].environment = 1;
        assert_eq!(of(&same).unwrap().ms, 6.0);
    }
}
