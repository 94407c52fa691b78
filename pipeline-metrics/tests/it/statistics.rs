//! What holds for statistics whatever the numbers are.

use pipeline_metrics::stats::{
    BehaviourChart, Bounds, Confidence, Observation, Survival, Verdict, bootstrap_median,
    interpolated_quantile, lower_quantile, wilson,
};
use proptest::prelude::*;

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values
}

proptest! {
    #[test]
    fn an_interval_of_a_rate_holds_the_rate_and_narrows_with_more(part in 0_usize..200, more in 0_usize..200) {
        let whole = part + more;
        prop_assume!(whole > 0);
        let rate = part as f64 / whole as f64;
        let wide = wilson(part, whole, Confidence::P95).unwrap();
        prop_assert!(0.0 <= wide.low && wide.low <= rate && rate <= wide.high && wide.high <= 1.0);
        let ten_times = wilson(10 * part, 10 * whole, Confidence::P95).unwrap();
        prop_assert!(ten_times.high - ten_times.low < wide.high - wide.low);
        let surer = wilson(part, whole, Confidence::P99).unwrap();
        prop_assert!(surer.low <= wide.low && wide.high <= surer.high);
        // A rate and what is missing of it mirror each other.
        let other = wilson(more, whole, Confidence::P95).unwrap();
        prop_assert!((other.low - (1.0 - wide.high)).abs() < 1e-12);
    }

    #[test]
    fn an_interval_of_a_median_lies_within_the_values(
        values in prop::collection::vec(-1e6..1e6_f64, 6..60),
        seed in any::<u64>(),
    ) {
        let values = sorted(values);
        let interval = bootstrap_median(&values, Confidence::P95, 200, seed).unwrap();
        prop_assert!(values[0] <= interval.low && interval.low <= interval.high);
        prop_assert!(interval.high <= values[values.len() - 1]);
        prop_assert_eq!(bootstrap_median(&values, Confidence::P95, 200, seed), Some(interval));
    }

    #[test]
    fn quantiles_grow_and_stay_within(values in prop::collection::vec(-1e6..1e6_f64, 1..60), a in 0.0..1.0_f64, b in 0.0..1.0_f64) {
        let values = sorted(values);
        let (low, high) = (a.min(b), a.max(b));
        let at = |share| interpolated_quantile(&values, share).unwrap();
        prop_assert!(at(low) <= at(high));
        prop_assert!(values[0] <= at(low) && at(high) <= values[values.len() - 1]);
        let lower = lower_quantile(&values, a).unwrap();
        prop_assert!(lower <= at(a) && values.contains(&lower));
    }

    #[test]
    fn the_order_of_observations_never_matters(
        (one, other) in prop::collection::vec((0_u8..20, any::<bool>()), 0..40)
            .prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle()))
    ) {
        let of = |list: Vec<(u8, bool)>| {
            let observations: Vec<_> = list
                .into_iter()
                .map(|(time, ended)| Observation { time: f64::from(time), ended })
                .collect();
            Survival::of(&observations)
        };
        let survival = of(one);
        prop_assert_eq!(&survival, &of(other));
        let median = survival.median(Confidence::P95);
        let known = |time: Option<f64>| time.unwrap_or(f64::INFINITY);
        prop_assert!(median.low.unwrap_or(0.0) <= known(median.value) && known(median.value) <= known(median.high));
        let mut before = 1.0;
        for step in survival.steps() {
            let band = survival.band(step, Confidence::P95);
            prop_assert!(step.open <= before && step.open >= 0.0);
            prop_assert!(band.low <= step.open + 1e-12 && step.open <= band.high + 1e-12);
            before = step.open;
        }
    }

    /// Without censoring, the curve counts what is longer.
    #[test]
    fn what_is_all_over_is_counted(times in prop::collection::vec(0_u8..30, 1..50)) {
        let observations: Vec<_> = times.iter().map(|time| Observation { time: f64::from(*time), ended: true }).collect();
        let survival = Survival::of(&observations);
        for step in survival.steps() {
            let longer = times.iter().filter(|time| f64::from(**time) > step.time).count();
            prop_assert!((step.open - longer as f64 / times.len() as f64).abs() < 1e-9);
        }
    }

    /// What stays open longer never makes the median shorter.
    #[test]
    fn to_wait_longer_never_makes_recovery_look_better(
        list in prop::collection::vec((0_u8..20, any::<bool>()), 1..30),
        more in 1_u8..30,
    ) {
        let median = |more: u8| {
            let observations: Vec<_> = list
                .iter()
                .map(|(time, ended)| Observation {
                    time: f64::from(if *ended { *time } else { time + more }),
                    ended: *ended,
                })
                .collect();
            Survival::of(&observations).median(Confidence::P95).value.unwrap_or(f64::INFINITY)
        };
        prop_assert!(median(0) <= median(more));
    }

    #[test]
    fn a_chart_knows_no_unit_and_no_zero(
        values in prop::collection::vec(0.0..100.0_f64, 10..60),
        scale in 0.001..1000.0_f64,
        shift in -1000.0..1000.0_f64,
    ) {
        let of = |change: &dyn Fn(f64) -> f64| {
            let values: Vec<_> = values.iter().map(|value| Some(change(*value))).collect();
            BehaviourChart::of(&values, Bounds::NONE)
        };
        let signals = |chart: &BehaviourChart| -> Vec<_> {
            chart.points().iter().map(|point| point.signals.clone()).collect()
        };
        let plain = of(&|value| value);
        prop_assert_eq!(signals(&plain), signals(&of(&|value| value * scale)));
        prop_assert_eq!(signals(&plain), signals(&of(&|value| value + shift)));
        let said = plain.signals().len();
        let verdict = if said == 0 { Verdict::NoSignal } else { Verdict::Signals { count: said } };
        prop_assert_eq!(plain.verdict(), verdict);
    }

    #[test]
    fn what_comes_later_never_changes_limits_of_before(
        values in prop::collection::vec(0.0..100.0_f64, 10..40),
        later in prop::collection::vec(0.0..1000.0_f64, 0..20),
    ) {
        let before: Vec<_> = values.iter().copied().map(Some).collect();
        let all: Vec<_> = values.iter().chain(&later).copied().map(Some).collect();
        let judged = BehaviourChart::judged_by(&all, before.len(), Bounds::NOT_NEGATIVE);
        let before = BehaviourChart::of(&before, Bounds::NOT_NEGATIVE);
        prop_assert_eq!(judged.limits(), before.limits());
    }
}
