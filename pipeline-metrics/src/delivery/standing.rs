use super::Reason;
use crate::facts::DeploymentRow;
use crate::{DeploymentKind, DeploymentResult, FailedRuns, Options};

/// What a deployment is to the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It counts.
    Counted,
    /// It failed on the way, and that counts as a failure.
    FailedRun,
    /// It does not count. Users had it all the same if it was [live](Standing::is_live).
    LeftOut(Reason),
}

impl Standing {
    /// What can be told of a deployment without its neighbours.
    pub(crate) fn alone(row: &DeploymentRow, production: bool, options: &Options) -> Self {
        let options = &options.deployments;
        if !production {
            Self::LeftOut(Reason::NotProduction)
        } else if row.result == DeploymentResult::Failure {
            match options.failed_runs {
                FailedRuns::LeftOut => Self::LeftOut(Reason::NeverLive),
                FailedRuns::Failures => Self::FailedRun,
            }
        } else if row.kind == DeploymentKind::Rollback && !options.rollbacks.counts() {
            Self::LeftOut(Reason::RollbackDeliversNothing)
        } else {
            Self::Counted
        }
    }

    /// Whether users had it.
    pub(crate) fn is_live(self) -> bool {
        match self {
            Self::Counted => true,
            Self::FailedRun => false,
            Self::LeftOut(reason) => !matches!(reason, Reason::NotProduction | Reason::NeverLive),
        }
    }

    /// Why it is no deployment that frequency counts.
    pub(crate) fn reason(self) -> Option<Reason> {
        match self {
            Self::Counted => None,
            Self::FailedRun => Some(Reason::NeverLive),
            Self::LeftOut(reason) => Some(reason),
        }
    }
}
