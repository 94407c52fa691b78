use serde::Serialize;

use crate::benchmark::Answer;

/// Measured values, for the scores of DORA's quick check; each may be missing.
///
/// Its rules are those of `svelte/quick-check` of dora.dev: an answer of 1 to 6 is a score of 0 to 10, a rate of 0 to
/// 100 % a score of 10 to 0; throughput is the mean of lead time, deployment frequency and recovery time, stability
/// that of change fail rate and rework rate, the whole that of all five. What is missing is in no mean.
///
/// ```
/// use pipeline_metrics::benchmark::{DAY_MS, HOUR_MS, QuickCheck};
///
/// let check = QuickCheck::of_measured(Some(0.5), Some(2.0 * DAY_MS), Some(0.1), Some(5.0 * HOUR_MS), None);
/// assert_eq!((check.lead_time, check.change_fail_rate), (Some(6.0), Some(9.0)));
/// assert_eq!(check.rework_rate, None);
/// assert_eq!(check.stability(), Some(9.0));
/// assert_eq!(check.overall(), Some((6.0 + 6.0 + 9.0 + 8.0) / 4.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct QuickCheck {
    /// The score of the lead time.
    pub lead_time: Option<f64>,
    /// The score of the deployment frequency.
    pub deployment_frequency: Option<f64>,
    /// The score of the recovery time.
    pub recovery_time: Option<f64>,
    /// The score of the change fail rate.
    pub change_fail_rate: Option<f64>,
    /// The score of the rework rate; the edition of 2024 has none.
    pub rework_rate: Option<f64>,
}

impl QuickCheck {
    /// The scores of deployments per day, lead time in milliseconds, change fail rate of 0 to 1, recovery time in
    /// milliseconds and rework rate of 0 to 1.
    pub fn of_measured(
        per_day: Option<f64>,
        lead_time_ms: Option<f64>,
        change_fail_rate: Option<f64>,
        recovery_time_ms: Option<f64>,
        rework_rate: Option<f64>,
    ) -> Self {
        let answer = |answer: Answer| categorical_score(f64::from(answer.number()));
        let rate = |share: f64| percentage_score(100.0 * share);
        Self {
            lead_time: lead_time_ms.and_then(Answer::of_time).and_then(answer),
            deployment_frequency: per_day.and_then(Answer::of_frequency).and_then(answer),
            recovery_time: recovery_time_ms.and_then(Answer::of_time).and_then(answer),
            change_fail_rate: change_fail_rate.and_then(rate),
            rework_rate: rework_rate.and_then(rate),
        }
    }

    /// How much gets through: 0 to 10.
    pub fn throughput(&self) -> Option<f64> {
        mean(&[self.lead_time, self.deployment_frequency, self.recovery_time])
    }

    /// How little goes wrong: 0 to 10.
    pub fn stability(&self) -> Option<f64> {
        mean(&[self.change_fail_rate, self.rework_rate])
    }

    /// The mean of all that there is, not of the two means: 0 to 10.
    pub fn overall(&self) -> Option<f64> {
        mean(&[
            self.lead_time,
            self.deployment_frequency,
            self.recovery_time,
            self.change_fail_rate,
            self.rework_rate,
        ])
    }
}

/// The score of an answer of 1 (worst) to 6 (best), also between two answers; `None` outside.
pub fn categorical_score(answer: f64) -> Option<f64> {
    (1.0..=6.0).contains(&answer).then_some((answer - 1.0) * 2.0)
}

/// The score of a rate of 0 to 100 %; `None` outside.
pub fn percentage_score(percent: f64) -> Option<f64> {
    (0.0..=100.0).contains(&percent).then_some(10.0 - percent / 10.0)
}

fn mean(scores: &[Option<f64>]) -> Option<f64> {
    let known: Vec<f64> = scores.iter().copied().flatten().collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

/// What others score: the means over all industries of one edition of the quick check.
///
/// The files of DORA hold instability; its scores are 10 less that.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct IndustryMeans {
    /// The edition.
    pub year: i16,
    /// The means as DORA's files have them, without inversion.
    pub lead_time: f64,
    /// The deployment frequency.
    pub deployment_frequency: f64,
    /// The recovery time.
    pub recovery_time: f64,
    /// The change fail rate, where more is worse.
    pub change_failure: f64,
    /// The rework rate, where more is worse; `None` in 2024.
    pub rework: Option<f64>,
    /// Both together, where more is worse; `None` in 2024.
    pub instability: Option<f64>,
}

/// The means over all industries: dora.dev, `data/editions`, files `industry_metrics.json` of 2024 and 2025, at
/// commit fcaf07b (CC-BY-4.0, DORA).
pub const INDUSTRY: [IndustryMeans; 2] = [
    IndustryMeans {
        year: 2024,
        lead_time: 5.1,
        deployment_frequency: 5.3,
        recovery_time: 7.5,
        change_failure: 1.7,
        rework: None,
        instability: None,
    },
    IndustryMeans {
        year: 2025,
        lead_time: 5.5,
        deployment_frequency: 4.8,
        recovery_time: 7.4,
        change_failure: 1.9,
        rework: Some(2.2),
        instability: Some(2.1),
    },
];

impl IndustryMeans {
    /// Their scores.
    pub fn scores(&self) -> QuickCheck {
        QuickCheck {
            lead_time: Some(self.lead_time),
            deployment_frequency: Some(self.deployment_frequency),
            recovery_time: Some(self.recovery_time),
            change_fail_rate: Some(10.0 - self.change_failure),
            rework_rate: self.rework.map(|rework| 10.0 - rework),
        }
    }

    /// The stability as DORA prints it: from its own mean of instability, which was rounded apart.
    pub fn stability(&self) -> Option<f64> {
        self.instability.map(|instability| 10.0 - instability)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_the_quick_check() {
        assert_eq!([1.0, 6.0, 3.5].map(categorical_score), [0.0, 10.0, 5.0].map(Some));
        assert_eq!(
            [0.0, 50.0, 100.0].map(percentage_score),
            [10.0, 5.0, 0.0].map(Some)
        );
        assert_eq!((categorical_score(0.9), percentage_score(100.1)), (None, None));
        assert_eq!(categorical_score(f64::NAN), None);
    }

    #[test]
    fn what_is_missing_is_in_no_mean() {
        let none = QuickCheck::of_measured(None, None, None, None, None);
        assert_eq!(
            (none.throughput(), none.stability(), none.overall()),
            (None, None, None)
        );
        let one = QuickCheck::of_measured(None, None, Some(0.5), None, None);
        assert_eq!(
            (one.throughput(), one.stability(), one.overall()),
            (None, Some(5.0), Some(5.0))
        );
    }
}
