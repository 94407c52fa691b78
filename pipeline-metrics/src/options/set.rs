use serde::{Deserialize, Serialize};

use super::{
    CalendarOptions, DeploymentOptions, FailureOptions, FrequencyOptions, LeadTimeOptions, RecoveryOptions,
};

/// What the numbers mean: a value of plain data, so that it can be stored, compared and shown beside a number.
///
/// The default is what the [definitions](crate::definitions) argue for, and is [`Preset::Dora`](crate::Preset::Dora).
/// Every field may be set alone; a field that a stored value lacks has its default.
///
/// ```
/// use pipeline_metrics::{Aggregate, Options, Preset};
///
/// let mut options = Options::default();
/// options.lead_time.aggregate = Aggregate::Percentile(90.0);
/// assert_ne!(options, Preset::Dora.options());
/// let stored = serde_json::to_string(&options)?;
/// assert_eq!(serde_json::from_str::<Options>(&stored)?, options);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// What is a deployment.
    pub deployments: DeploymentOptions,
    /// How deployment frequency is told.
    pub frequency: FrequencyOptions,
    /// How long a change takes.
    pub lead_time: LeadTimeOptions,
    /// What is a failure, and of which deployment.
    pub failures: FailureOptions,
    /// How long recovery takes.
    pub recovery: RecoveryOptions,
    /// Days, weeks and months.
    pub calendar: CalendarOptions,
}

/// Whether something counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// It does.
    Counted,
    /// It does not; it is told with the reason.
    LeftOut,
}

impl Choice {
    /// Whether it counts.
    pub fn counts(self) -> bool {
        self == Self::Counted
    }
}
