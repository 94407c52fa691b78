use serde::{Deserialize, Serialize};

use super::{Aggregate, Blend, Rounding, Skew};

/// How long recovery takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecoveryOptions {
    /// Where the clock starts, and of what.
    pub from: RecoveryFrom,
    /// Which window a recovery belongs to.
    pub by: RecoveredBy,
    /// What ended before it began.
    pub skew: Skew,
    /// Each time, before it is aggregated.
    pub round: Rounding,
    /// One number out of many.
    pub aggregate: Aggregate,
    /// How the times of several days or components become one number.
    pub blend: Blend,
}

impl Default for RecoveryOptions {
    fn default() -> Self {
        Self {
            from: RecoveryFrom::Deployment,
            by: RecoveredBy::Start,
            skew: Skew::LeftOut,
            round: Rounding::Exact,
            aggregate: Aggregate::Median,
            blend: Blend::Values,
        }
    }
}

/// Where the clock of recovery starts, and what ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecoveryFrom {
    /// The end of the failed deployment, to the end of the incident or the rollback.
    Deployment,
    /// The opening of the incident, to its end; of all incidents, attributed or not.
    Opened,
    /// The opening of the incident or the end of the earliest deployment that lists a revision which the incident
    /// names as its cause, whichever is earlier, to the incident's end.
    CauseOrOpened,
    /// The first failed run of a row of them, to the next successful one.
    FailedRun,
    /// The last deployment before a row of unplanned ones, to the end of the row.
    LastGood,
}

/// Which window a recovery belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecoveredBy {
    /// That of the moment where its clock started.
    Start,
    /// That of the moment when it was over.
    End,
    /// That of the opening of the incident.
    Opened,
}
