use serde::Serialize;

use crate::stats::{Confidence, Interval};

/// How long something took, or has taken so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Observation {
    /// How long, in any unit; not negative.
    pub time: f64,
    /// Whether it ended then. Otherwise it is still open, and will take longer: it is *censored*.
    pub ended: bool,
}

/// How many are still open after some time: the estimate of Kaplan and Meier.
///
/// An open incident is neither left out, which would make recovery look better the worse it is, nor taken for over
/// now. It counts as open up to now and tells no more. Kaplan and Meier, "Nonparametric Estimation from Incomplete
/// Observations", JASA 53 (1958), 457-481; variance by Greenwood (1926).
///
/// ```
/// use pipeline_metrics::stats::{Confidence, Observation, Survival};
///
/// let over = |time| Observation { time, ended: true };
/// let open = |time| Observation { time, ended: false };
/// // Four incidents were over after 1, 2, 3 and 4 hours; three have been open for 5.
/// let hours = [over(1.0), over(2.0), over(3.0), over(4.0), open(5.0), open(5.0), open(5.0)];
/// let median = Survival::of(&hours).median(Confidence::P95);
/// // To leave out the open ones would say 2.5.
/// assert_eq!(median.value, Some(4.0));
/// // And it may be longer than anybody has seen.
/// assert_eq!((median.low, median.high), (Some(1.0), None));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Survival {
    observed: usize,
    steps: Vec<Step>,
}

/// A time at which something ended.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Step {
    /// The time.
    pub time: f64,
    /// How many were open just before.
    pub at_risk: usize,
    /// How many ended.
    pub ended: usize,
    /// The share that is still open just after, 0 to 1.
    pub open: f64,
    /// Greenwood's sum: the variance of `open` over the square of `open`. `None` when nothing is open any more.
    greenwood: Option<f64>,
}

/// A median time with its interval. What is `None` was not reached: it is longer than what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SurvivalMedian {
    /// The first time at which at most half are open.
    pub value: Option<f64>,
    /// The lower end of the interval.
    pub low: Option<f64>,
    /// The upper end of the interval.
    pub high: Option<f64>,
    /// How far the interval can be trusted.
    pub confidence: Confidence,
}

/// What rounding may do to a product of some thousand shares.
const ROUNDING: f64 = 1e-9;

impl Survival {
    /// The estimate. Observations whose time is negative or no number are ignored.
    pub fn of(observations: &[Observation]) -> Self {
        let mut sorted: Vec<_> = observations
            .iter()
            .filter(|observation| observation.time >= 0.0)
            .collect();
        sorted.sort_unstable_by(|a, b| a.time.total_cmp(&b.time));
        let observed = sorted.len();
        let (mut at_risk, mut open, mut greenwood) = (sorted.len(), 1.0, Some(0.0));
        let mut steps = Vec::new();
        for same in sorted.chunk_by(|a, b| a.time == b.time) {
            // What is censored at a time was still open at that time.
            let ended = same.iter().filter(|observation| observation.ended).count();
            if ended > 0 {
                let left = at_risk - ended;
                open *= left as f64 / at_risk as f64;
                greenwood = greenwood
                    .filter(|_| left > 0)
                    .map(|sum: f64| sum + ended as f64 / (at_risk as f64 * left as f64));
                steps.push(Step {
                    time: same[0].time,
                    at_risk,
                    ended,
                    open,
                    greenwood,
                });
            }
            at_risk -= same.len();
        }
        Self { observed, steps }
    }

    /// The times at which something ended, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The median time and its interval: of Brookmeyer and Crowley, "A Confidence Interval for the Median Survival
    /// Time", Biometrics 38 (1982), 29-41, on the log-log scale, as R's `survfit(conf.type = "log-log")` and lifelines
    /// do: the times at which the interval of the curve holds one half.
    ///
    /// Too few observations have no interval: with 95 %, it takes six (see
    /// [`bootstrap_median`](super::bootstrap_median)).
    pub fn median(&self, confidence: Confidence) -> SurvivalMedian {
        let z = confidence.deviations();
        let enough = confidence.is_reached_by(self.observed);
        let first = |open: &dyn Fn(&Step) -> f64| {
            let half = |step: &&Step| open(step) <= 0.5 + ROUNDING;
            self.steps.iter().find(half).map(|step| step.time)
        };
        SurvivalMedian {
            value: first(&|step| step.open),
            low: enough.then(|| first(&|step| step.band(-z))).flatten(),
            high: enough.then(|| first(&|step| step.band(z))).flatten(),
            confidence,
        }
    }

    /// The interval of the curve just after a step.
    pub fn band(&self, step: &Step, confidence: Confidence) -> Interval {
        let z = confidence.deviations();
        Interval {
            low: step.band(-z),
            high: step.band(z),
            confidence,
        }
    }
}

impl Step {
    /// The curve, shifted by some standard deviations on the scale of `ln(-ln(open))`, where it stays in 0 to 1.
    /// Kalbfleisch and Prentice, "The Statistical Analysis of Failure Time Data", 1980, section 1.4.
    fn band(&self, deviations: f64) -> f64 {
        let Some(greenwood) = self.greenwood else {
            return 0.0;
        };
        let error = greenwood.sqrt() / self.open.ln().abs();
        self.open.powf((-deviations * error).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weeks of remission in leukaemia under 6-mercaptopurine; the larger ones of the second list were still going
    /// on. Freireich et al., Blood 21 (1963), 699-716; the worked example of most textbooks.
    const OVER: [f64; 9] = [6.0, 6.0, 6.0, 7.0, 10.0, 13.0, 16.0, 22.0, 23.0];
    const OPEN: [f64; 12] = [
        6.0, 9.0, 10.0, 11.0, 17.0, 19.0, 20.0, 25.0, 32.0, 32.0, 34.0, 35.0,
    ];
    /// The other group, under placebo; nothing is censored.
    const PLACEBO: [f64; 21] = [
        1.0, 1.0, 2.0, 2.0, 3.0, 4.0, 4.0, 5.0, 5.0, 8.0, 8.0, 8.0, 8.0, 11.0, 11.0, 12.0, 12.0, 15.0, 17.0,
        22.0, 23.0,
    ];

    fn observations(over: &[f64], open: &[f64]) -> Vec<Observation> {
        let of = |ended| move |time: &f64| Observation { time: *time, ended };
        over.iter()
            .map(of(true))
            .chain(open.iter().map(of(false)))
            .collect()
    }

    fn median(over: &[f64], open: &[f64]) -> [Option<f64>; 3] {
        let median = Survival::of(&observations(over, open)).median(Confidence::P95);
        [median.low, median.value, median.high]
    }

    #[test]
    fn the_medians_are_those_of_lifelines() {
        // lifelines 0.30.3, `median_survival_times(fitter.confidence_interval_)`; the literature says 23 and 8, too.
        assert_eq!(median(&OVER, &OPEN), [Some(13.0), Some(23.0), None]);
        assert_eq!(median(&PLACEBO, &[]), [Some(4.0), Some(8.0), Some(11.0)]);
        // Of four, lifelines says 2 to 8; so few do not hold their median between them that surely.
        assert_eq!(median(&[2.0, 4.0, 6.0, 8.0], &[]), [None, Some(4.0), None]);
        assert_eq!(median(&[], &[5.0, 10.0]), [None; 3]);
        assert_eq!(median(&[], &[]), [None; 3]);
    }

    #[test]
    fn the_curve_and_its_band_are_those_of_lifelines() {
        let survival = Survival::of(&observations(&OVER, &OPEN));
        // lifelines 0.30.3, `survival_function_` and `confidence_interval_`; the first column also in Kalbfleisch and
        // Prentice, table 1.3.
        let expected = [
            (
                6.0,
                0.857_142_857_142_857,
                0.619_717_955_265_983_8,
                0.951_551_747_646_996_7,
            ),
            (
                7.0,
                0.806_722_689_075_629_9,
                0.563_146_564_622_233_3,
                0.922_809_019_202_880_2,
            ),
            (
                10.0,
                0.752_941_176_470_587_8,
                0.503_199_510_799_956_4,
                0.889_361_835_169_265_1,
            ),
            (
                13.0,
                0.690_196_078_431_372_2,
                0.431_610_222_486_183_9,
                0.849_065_963_349_450_7,
            ),
            (
                16.0,
                0.627_450_980_392_156_6,
                0.367_510_855_987_501_94,
                0.804_912_189_471_841_1,
            ),
            (
                22.0,
                0.537_815_126_050_419_9,
                0.267_778_936_767_134_93,
                0.746_790_717_635_394_3,
            ),
            (
                23.0,
                0.448_179_271_708_273,
                0.188_052_005_959_232_33,
                0.680_142_628_495_241_2,
            ),
        ];
        assert_eq!(survival.steps().len(), expected.len());
        for (step, (time, open, low, high)) in survival.steps().iter().zip(expected) {
            let band = survival.band(step, Confidence::P95);
            assert_eq!(step.time, time);
            for (found, expected) in [(step.open, open), (band.low, low), (band.high, high)] {
                assert!(
                    (found - expected).abs() < 1e-12,
                    "at {time}: {found} is not {expected}"
                );
            }
        }
    }
}
