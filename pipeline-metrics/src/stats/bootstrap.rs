use crate::stats::random::Random;
use crate::stats::{Confidence, Interval, interpolated_quantile};

/// How many resamples the crate itself asks for: the ends of a 95 % interval then rest on 50 each.
pub const DEFAULT_RESAMPLES: u32 = 2_000;

/// The percentile bootstrap interval of the median of sorted values.
///
/// Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 7 (1979), 1-26: draw as many
/// values as there are, with repetition; take the median; do that `resamples` times; the interval lies between two
/// quantiles of these medians. Equal values, seed and count give an equal interval.
///
/// A resample costs the same for ten values and for ten million: the medians of a resample are the values at the
/// ranks `n * u`, where `u` are the middle order statistics of `n` uniform numbers, and these are drawn directly
/// (the first is Beta-distributed, the second follows given the first; David and Nagaraja, "Order Statistics",
/// 2003, sections 2.1 and 2.5).
///
/// `None` for no resamples and for too few values: of five, the median lies beyond all of them once in sixteen times,
/// so even from the least to the largest is no interval of 95 %. That takes six.
///
/// ```
/// use pipeline_metrics::stats::{Confidence, DEFAULT_RESAMPLES, bootstrap_median};
///
/// let hours = [3.0, 5.0, 7.0, 8.0, 12.0, 13.0, 14.0, 18.0, 21.0, 60.0, 61.0];
/// let median = bootstrap_median(&hours, Confidence::P95, DEFAULT_RESAMPLES, 7).ok_or("too few")?;
/// assert_eq!((median.low, median.high), (7.0, 21.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn bootstrap_median(
    sorted: &[f64],
    confidence: Confidence,
    resamples: u32,
    seed: u64,
) -> Option<Interval> {
    if !confidence.is_reached_by(sorted.len()) || resamples == 0 {
        return None;
    }
    let mut random = Random::new(seed);
    let mut medians: Vec<f64> = (0..resamples).map(|_| resampled(sorted, &mut random)).collect();
    medians.sort_unstable_by(f64::total_cmp);
    Some(Interval {
        low: interpolated_quantile(&medians, confidence.tail())?,
        high: interpolated_quantile(&medians, 1.0 - confidence.tail())?,
        confidence,
    })
}

/// The median of one resample.
fn resampled(sorted: &[f64], random: &mut Random) -> f64 {
    let n = sorted.len();
    let rank = n.div_ceil(2);
    let above = (n - rank) as f64;
    // The order statistic of this rank of `n` uniform numbers: Beta(rank, n - rank + 1), out of two gammas.
    let (below, rest) = (random.gamma(rank as f64), random.gamma(above + 1.0));
    let lower = below / (below + rest);
    let value = |at: f64| sorted[((at * n as f64) as usize).min(n - 1)];
    if n % 2 == 1 {
        return value(lower);
    }
    // The next one: the least of the `above` numbers that lie, uniformly, above the one before.
    let upper = 1.0 - (1.0 - lower) * random.uniform().powf(1.0 / above);
    (value(lower) + value(upper)) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(sorted: &[f64], seed: u64) -> (f64, f64) {
        let interval = bootstrap_median(sorted, Confidence::P95, 20_000, seed).unwrap();
        (interval.low, interval.high)
    }

    #[test]
    fn the_interval_is_that_of_scipy() {
        // scipy 1.17.1, `bootstrap((values,), median, n_resamples=200_000, method="percentile")`.
        let odd = [3.0, 5.0, 7.0, 8.0, 12.0, 13.0, 14.0, 18.0, 21.0, 60.0, 61.0];
        let even = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];
        let squares: Vec<f64> = (1..=100).map(|n| f64::from(n * n)).collect();
        for seed in 0..5 {
            assert_eq!(interval(&odd, seed), (7.0, 21.0));
            assert_eq!(interval(&even, seed), (2.0, 64.0));
            let (low, high) = interval(&squares, seed);
            assert!((low / 1681.0 - 1.0).abs() < 0.04 && (high / 3601.0 - 1.0).abs() < 0.04);
        }
    }

    /// For an odd number of values the bootstrap distribution is known exactly: the median of a resample is at most
    /// the k-th value when at least half of `n` draws are; scipy 1.17.1, `1 - binom.cdf(5, 11, k / 11)`.
    #[test]
    fn medians_of_resamples_are_distributed_as_they_must_be() {
        let values: Vec<f64> = (1..=11).map(f64::from).collect();
        let mut random = Random::new(3);
        let medians: Vec<f64> = (0..40_000).map(|_| resampled(&values, &mut random)).collect();
        for (k, expected) in [
            (3.0, 0.051_246_6),
            (4.0, 0.172_746_9),
            (5.0, 0.378_631_3),
            (6.0, 0.621_368_7),
            (9.0, 0.992_792_9),
        ] {
            let share = medians.iter().filter(|median| **median <= k).count() as f64 / 40_000.0;
            assert!((share - expected).abs() < 0.01, "{k}: {share} is not {expected}");
        }
    }

    /// Against resamples that are really drawn, for an even number of values.
    #[test]
    fn the_short_way_is_the_long_way() {
        let values: Vec<f64> = (1..=12).map(f64::from).collect();
        let mut random = Random::new(11);
        let mut long: Vec<f64> = (0..40_000)
            .map(|_| {
                let mut drawn: Vec<f64> = (0..12)
                    .map(|_| values[(random.uniform() * 12.0) as usize])
                    .collect();
                drawn.sort_unstable_by(f64::total_cmp);
                (drawn[5] + drawn[6]) / 2.0
            })
            .collect();
        let mut short: Vec<f64> = (0..40_000).map(|_| resampled(&values, &mut random)).collect();
        long.sort_unstable_by(f64::total_cmp);
        short.sort_unstable_by(f64::total_cmp);
        // The two-sample Kolmogorov-Smirnov distance; 0.0115 is its 1 % point for these sizes.
        let share = |sorted: &[f64], at: f64| sorted.partition_point(|value| *value <= at) as f64 / 40_000.0;
        let far = long
            .iter()
            .map(|at| (share(&long, *at) - share(&short, *at)).abs())
            .fold(0.0, f64::max);
        assert!(far < 0.0115, "{far}");
    }

    #[test]
    fn chance_follows_from_the_seed() {
        let values: Vec<f64> = (0..50).map(|n| f64::from(n).exp()).collect();
        let of = |seed| bootstrap_median(&values, Confidence::P95, 200, seed);
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn too_little_has_no_interval() {
        assert_eq!(bootstrap_median(&[], Confidence::P95, 100, 0), None);
        let six = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(bootstrap_median(&six[..5], Confidence::P95, 100, 0), None);
        assert!(bootstrap_median(&six[..5], Confidence::P90, 100, 0).is_some());
        assert!(bootstrap_median(&six, Confidence::P95, 100, 0).is_some());
        assert_eq!(bootstrap_median(&six, Confidence::P95, 0, 0), None);
    }
}
