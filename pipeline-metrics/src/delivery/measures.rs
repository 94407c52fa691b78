use serde::{Serialize, Serializer};

use crate::calendar::DAY;
use crate::reduce::{Durations, Timed};
use crate::{Blend, FailShare, FailedOf, Options, Pace, Window};

/// One of the five numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// How often users get something.
    DeploymentFrequency,
    /// How long a change takes to reach users.
    LeadTime,
    /// How many deployments fail.
    ChangeFailRate,
    /// How long users wait until a failed deployment is over.
    RecoveryTime,
    /// How many deployments were not planned.
    ReworkRate,
}

impl Metric {
    /// All five.
    pub const ALL: [Self; 5] = [
        Self::DeploymentFrequency,
        Self::LeadTime,
        Self::ChangeFailRate,
        Self::RecoveryTime,
        Self::ReworkRate,
    ];

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::DeploymentFrequency => "deployment frequency",
            Self::LeadTime => "lead time",
            Self::ChangeFailRate => "change fail rate",
            Self::RecoveryTime => "recovery time",
            Self::ReworkRate => "rework rate",
        }
    }
}

/// The five numbers of software delivery performance, and what they were counted from. Each is `None` when nothing was
/// observed, which is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct Measures {
    /// How often users get something.
    pub deployment_frequency: Option<Frequency>,
    /// How long a change takes to reach users.
    pub lead_time: Option<Durations>,
    /// How many deployments fail.
    pub change_fail_rate: Option<Ratio>,
    /// How long users wait until a failed deployment is over.
    pub recovery_time: Option<Durations>,
    /// How many deployments were not planned.
    pub rework_rate: Option<Ratio>,
    /// Deployments.
    pub deployments: usize,
    /// Days of the options' time zone with a deployment.
    pub deployment_days: usize,
    /// Changes with a lead time.
    pub changes: usize,
    /// Changes that were left out since they were delivered before they began.
    pub skewed_changes: usize,
    /// Recoveries, over or not, that belong to the window.
    pub incidents: usize,
    /// Those that are not over.
    pub open_incidents: usize,
    /// Those that were left out since they were over before they began.
    pub skewed_incidents: usize,
}

impl Measures {
    /// Whether nothing was observed at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// One of the numbers, plain: the frequency in the options' form, a time in milliseconds, a share.
    pub fn value(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::DeploymentFrequency => self.deployment_frequency.map(|frequency| frequency.value),
            Metric::LeadTime => self.lead_time.map(|time| time.ms),
            Metric::ChangeFailRate => self.change_fail_rate.map(|ratio| ratio.value()),
            Metric::RecoveryTime => self.recovery_time.map(|time| time.ms),
            Metric::ReworkRate => self.rework_rate.map(|ratio| ratio.value()),
        }
    }
}

/// How often users get something.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Frequency {
    /// The number in the form that the options ask for.
    pub value: f64,
    /// The form.
    pub pace: Pace,
    /// How many deployments.
    pub deployments: usize,
    /// On how many days of the options' time zone there was at least one.
    pub days: usize,
    /// Deployments for each 24 hours of the window, days without one included.
    pub per_day: f64,
}

impl Frequency {
    /// The frequency as far as it follows from the counts; of the other paces, deployments per day.
    pub(crate) fn plain(pace: Pace, counts: &Counts, window: Window) -> Option<Self> {
        if counts.deployments == 0 {
            return None;
        }
        let (start, end) = window.micros();
        let days = (end - start) as f64 / DAY as f64;
        let deployments = counts.deployments as f64;
        let per_day = deployments / days;
        Some(Self {
            value: match pace {
                Pace::Total => deployments,
                Pace::PerStartedDay => deployments / (days.floor() + 1.0),
                _ => per_day,
            },
            pace,
            deployments: counts.deployments,
            days: counts.days,
            per_day,
        })
    }
}

/// A share of something. The whole is never 0; the part may exceed it where the options set incidents against
/// deployments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    part: usize,
    whole: usize,
    /// In place of the quotient.
    mean: Option<f64>,
}

impl Ratio {
    /// `part` of `whole`; `None` of nothing.
    pub fn new(part: usize, whole: usize) -> Option<Self> {
        (whole > 0).then_some(Self {
            part,
            whole,
            mean: None,
        })
    }

    /// The mean of some shares; the parts and the wholes are added up. `None` of none.
    pub(crate) fn mean_of(ratios: &[Self]) -> Option<Self> {
        let (part, whole) = ratios
            .iter()
            .fold((0, 0), |sum, one| (sum.0 + one.part, sum.1 + one.whole));
        let mean = ratios.iter().map(Self::value).sum::<f64>() / ratios.len() as f64;
        let sums = Self::new(part, whole)?;
        Some(Self {
            mean: (ratios.len() > 1).then_some(mean),
            ..sums
        })
    }

    /// Whether it is a mean of several shares, and not the numerator over the denominator.
    pub fn is_mean(&self) -> bool {
        self.mean.is_some()
    }

    /// The numerator.
    pub fn part(&self) -> usize {
        self.part
    }

    /// The denominator.
    pub fn whole(&self) -> usize {
        self.whole
    }

    /// The share, 0 to 1; more where the part exceeds the whole.
    pub fn value(&self) -> f64 {
        self.mean.unwrap_or_else(|| self.part as f64 / self.whole as f64)
    }
}

impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written {
            part: usize,
            whole: usize,
            value: f64,
        }
        let written = Written {
            part: self.part,
            whole: self.whole,
            value: self.value(),
        };
        written.serialize(serializer)
    }
}

/// What was counted in a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) deployments: usize,
    pub(crate) days: usize,
    /// Deployments of which a failure is known.
    pub(crate) failed: usize,
    /// The sum of the weights of the deployments.
    pub(crate) weight: usize,
    pub(crate) failed_runs: usize,
    pub(crate) unplanned: usize,
    /// Unplanned deployments, of which those that overlap may be one.
    pub(crate) fixes: usize,
    pub(crate) with_changes: usize,
    /// Incidents of users that were opened.
    pub(crate) opened: usize,
    pub(crate) changes: usize,
    pub(crate) skewed_changes: usize,
    pub(crate) recoveries: usize,
    pub(crate) open: usize,
    pub(crate) skewed_recoveries: usize,
}

impl Counts {
    pub(crate) fn change_fail_rate(&self, options: &Options) -> Option<Ratio> {
        let part = match options.failures.share {
            FailShare::Deployments => self.failed + self.failed_runs,
            FailShare::Opened => self.opened,
            FailShare::Runs => self.failed_runs,
            FailShare::Changes => self.weight,
            FailShare::Fixes => self.fixes,
        };
        let whole = match options.failures.of {
            FailedOf::Deployments => self.deployments + self.failed_runs,
            FailedOf::WithChanges => self.with_changes,
            FailedOf::AtLeastOne if part == 0 => self.deployments,
            FailedOf::AtLeastOne => self.deployments.max(1),
        };
        Ratio::new(part, whole)
    }

    /// What was counted since an earlier state.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            deployments: self.deployments - before.deployments,
            failed: self.failed - before.failed,
            weight: self.weight - before.weight,
            failed_runs: self.failed_runs - before.failed_runs,
            fixes: self.fixes - before.fixes,
            with_changes: self.with_changes - before.with_changes,
            opened: self.opened - before.opened,
            ..Self::default()
        }
    }

    pub(crate) fn measures(
        &self,
        frequency: Option<Frequency>,
        lead_time: Option<Durations>,
        change_fail_rate: Option<Ratio>,
        recovery_time: Option<Durations>,
    ) -> Measures {
        Measures {
            deployment_frequency: frequency,
            lead_time,
            change_fail_rate,
            recovery_time,
            rework_rate: Ratio::new(self.unplanned, self.deployments),
            deployments: self.deployments,
            deployment_days: self.days,
            changes: self.changes,
            skewed_changes: self.skewed_changes,
            incidents: self.recoveries + self.open + self.skewed_recoveries,
            open_incidents: self.open,
            skewed_incidents: self.skewed_recoveries,
        }
    }
}

/// What was found in a window; kept from one window to the next for its memory.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) counts: Counts,
    /// The finish of each deployment.
    pub(crate) finished: Vec<i64>,
    pub(crate) days: Vec<i64>,
    pub(crate) lead_times: Times,
    pub(crate) recoveries: Times,
    /// The change fail rate of each component that has one; only where their mean is wanted.
    pub(crate) rates: Vec<Ratio>,
}

/// Times, grouped only when the options ask for groups.
#[derive(Debug, Default)]
pub(crate) struct Times {
    pub(crate) plain: Vec<i64>,
    pub(crate) timed: Vec<Timed>,
}

impl Times {
    pub(crate) fn clear(&mut self) {
        self.plain.clear();
        self.timed.clear();
    }

    pub(crate) fn durations(&mut self, aggregate: crate::Aggregate, blend: Blend) -> Option<Durations> {
        match blend {
            Blend::Values => Durations::of(&mut self.plain, aggregate),
            Blend::Days | Blend::ComponentMeans => Durations::blended(&mut self.timed, aggregate, blend),
        }
    }
}

impl Gathered {
    pub(crate) fn clear(&mut self) {
        self.counts = Counts::default();
        self.finished.clear();
        self.days.clear();
        self.lead_times.clear();
        self.recoveries.clear();
        self.rates.clear();
    }
}
