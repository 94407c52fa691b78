use std::fmt;
use std::sync::Arc;

use pipeline_core::SignedDuration;
use serde::{Serialize, Serializer};

use crate::FactRef;
use crate::median::{mean, median};

/// A number with what it was computed from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explained<'f, T> {
    /// The number; `None` when nothing was observed, which is not 0.
    pub value: Option<T>,
    /// What was counted. For a ratio: the whole, of which a part is in the numerator.
    pub counted: Vec<Counted<'f>>,
    /// What belongs to the same time and component and was not counted.
    pub left_out: Vec<LeftOut<'f>>,
    /// What the number is, with the rule behind it.
    pub definition: &'static str,
}

impl<T> Explained<'_, T> {
    /// How many facts were left out for a reason.
    pub fn left_out_for(&self, reason: &Reason) -> usize {
        self.left_out.iter().filter(|left| left.reason == *reason).count()
    }
}

/// A fact that was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counted<'f> {
    /// The fact.
    pub fact: FactRef<'f>,
    /// The fact that it is linked to: of a change, the deployment that delivered it; of a deployment, the
    /// first incident or rollback that makes it a failed one; of an incident or rollback, the deployment that
    /// failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<FactRef<'f>>,
}

/// A fact that was not counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut<'f> {
    /// The fact.
    pub fact: FactRef<'f>,
    /// Why not.
    pub reason: Reason,
}

/// Why a fact was not counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// It concerns an environment without users.
    NotProduction,
    /// The deployment failed before it went live, so users never had it.
    NeverLive,
    /// A rollback restores what users had; it delivers nothing.
    RollbackDeliversNothing,
    /// It ended before it began: the clocks disagree.
    Skewed,
    /// No production deployment has listed the change yet.
    NotDelivered,
    /// The deployment lists a revision that no change is known for: its sha.
    UnknownRevision(Arc<str>),
    /// No production deployment of the component finished before it.
    NoDeployment,
    /// It names a deployment that is not among the facts.
    UnknownDeployment,
    /// It is over for an incident that is not among the facts.
    UnknownIncident,
    /// It is not over yet.
    Open,
    /// The deployment also has an incident, which tells when users were well again.
    IncidentTells,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotProduction => "not in production",
            Self::NeverLive => "the deployment never went live",
            Self::RollbackDeliversNothing => "a rollback delivers nothing",
            Self::Skewed => "ended before it began",
            Self::NotDelivered => "not delivered yet",
            Self::UnknownRevision(sha) => {
                return write!(f, "lists revision {sha}, which no change is known for");
            }
            Self::NoDeployment => "no deployment before it",
            Self::UnknownDeployment => "names an unknown deployment",
            Self::UnknownIncident => "the incident is unknown",
            Self::Open => "not over yet",
            Self::IncidentTells => "an incident tells the recovery",
        })
    }
}

/// A share of something. The whole is never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio {
    part: usize,
    whole: usize,
}

impl Ratio {
    /// `part` of `whole`; `None` of nothing.
    pub fn new(part: usize, whole: usize) -> Option<Self> {
        (whole > 0).then_some(Self { part, whole })
    }

    /// The numerator.
    pub fn part(&self) -> usize {
        self.part
    }

    /// The denominator.
    pub fn whole(&self) -> usize {
        self.whole
    }

    /// The share, 0 to 1.
    pub fn value(&self) -> f64 {
        self.part as f64 / self.whole as f64
    }
}

impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Form {
            part: usize,
            whole: usize,
            value: f64,
        }
        let form = Form {
            part: self.part,
            whole: self.whole,
            value: self.value(),
        };
        form.serialize(serializer)
    }
}

/// How long some things took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Durations {
    /// The median in milliseconds; of an even number the mean of the two in the middle. This is the number to
    /// report: delivery times are not normally distributed (Accelerate State of DevOps 2019, page 18).
    pub median_ms: f64,
    /// The arithmetic mean in milliseconds, for comparison with tools that report it.
    pub mean_ms: f64,
}

impl Durations {
    /// Of nothing, nothing.
    pub(crate) fn of(durations: &[SignedDuration]) -> Option<Self> {
        // What lies between two timestamps has fewer milliseconds than an `i64` holds.
        let mut milliseconds: Vec<i64> = durations.iter().map(|time| time.as_millis() as i64).collect();
        Some(Self {
            mean_ms: mean(&milliseconds)?,
            median_ms: median(&mut milliseconds)?,
        })
    }
}
