use std::sync::Arc;

use serde::Serialize;

use super::event::{GateVerdict, NO_DETAILS, StageResult, StartDetails};
use crate::{Failure, Outcome, RunId, StageName, Timestamp};

/// Where a stage of a run stands. `apply` alone changes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StageState {
    /// Some of what it depends on has not ended.
    Pending {
        /// How many stages it still waits for.
        open: u32,
    },
    /// All that it depends on has ended; it is being prepared (planned, gated, given its environment), or waits for a
    /// free slot.
    Ready,
    /// It could start, but something holds it.
    Held {
        /// What the gates said, and the environment's lock as if it were one.
        verdicts: Arc<[GateVerdict]>,
        /// When to look again.
        #[serde(skip_serializing_if = "Option::is_none")]
        earliest: Option<Timestamp>,
    },
    /// An attempt failed, and the next one begins at its time.
    Backoff(Box<Backoff>),
    /// It runs over a list, and some of its instances have not ended.
    Expanded {
        /// How many instances have not.
        open: u32,
    },
    /// It began, and nothing is known of its end.
    Running(Attempt),
    /// It began, and the stage itself lost sight of its effect; it is inspected.
    Lost(Attempt),
    /// Nobody knows whether its effect happened; a person has to decide.
    Unknown {
        /// The attempt.
        #[serde(flatten)]
        attempt: Attempt,
        /// Why it is not known.
        reason: Arc<str>,
    },
    /// It ended.
    Done(StageEnd),
}

/// One attempt of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Which generation, from 1.
    pub generation: u32,
    /// Which delivery of the run began it.
    pub epoch: u64,
    /// When it began.
    pub since: Timestamp,
    /// What it is bound to.
    #[serde(flatten)]
    pub(super) details: Option<Arc<StartDetails>>,
}

impl Attempt {
    /// What it is bound to.
    pub fn details(&self) -> &StartDetails {
        self.details.as_deref().unwrap_or(&NO_DETAILS)
    }

    /// When it must have ended.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.details.as_ref()?.deadline
    }
}

/// The wait after a failed attempt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Backoff {
    /// When the next attempt begins.
    pub until: Timestamp,
    /// The attempt that failed.
    pub attempt: Attempt,
    /// How it ended: what counts if there is no other.
    pub result: StageResult,
}

/// How a stage ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "end", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StageEnd {
    /// It did its work, and says yes or no.
    Completed {
        /// What came out.
        outcome: Arc<Outcome>,
    },
    /// An old outcome was reused.
    Reused {
        /// What came out, then.
        outcome: Arc<Outcome>,
        /// The run that it comes from.
        from: RunId,
    },
    /// It could not do its work.
    Failed {
        /// What the error means.
        failure: Failure,
        /// The error and its causes, outermost first.
        error: Vec<String>,
    },
    /// It was asked to stop, and did.
    Cancelled {
        /// Why it was asked.
        reason: Arc<str>,
    },
    /// It never began.
    Skipped {
        /// The stage that is the reason, if one is.
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<StageName>,
        /// Why.
        reason: Arc<str>,
        /// Whether a gate denied it.
        denied: bool,
    },
    /// A person decided that its effect happened.
    Accepted {
        /// What the person said.
        comment: Arc<str>,
    },
}

impl StageState {
    /// Whether nothing more happens to it.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }

    /// Whether it ended, with facts for the stages after it.
    pub(super) fn tells_facts(&self) -> bool {
        match self {
            Self::Done(end) => end.outcome().is_some_and(|outcome| !outcome.facts.is_empty()),
            _ => false,
        }
    }

    /// One word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Ready => "ready",
            Self::Held { .. } => "waiting",
            Self::Backoff(_) => "retrying",
            Self::Running(_) | Self::Lost(_) | Self::Expanded { .. } => "running",
            Self::Unknown { .. } => "unknown",
            Self::Done(end) => end.word(),
        }
    }
}

impl StageEnd {
    /// Whether the stages after it may start.
    pub fn is_success(&self) -> bool {
        match self {
            Self::Completed { outcome } | Self::Reused { outcome, .. } => outcome.is_success(),
            Self::Accepted { .. } => true,
            Self::Failed { .. } | Self::Cancelled { .. } | Self::Skipped { .. } => false,
        }
    }

    /// Whether the run fails because of it, not because of something before it.
    pub(super) fn is_failure(&self) -> bool {
        match self {
            Self::Completed { outcome } => !outcome.is_success(),
            Self::Failed { .. } | Self::Cancelled { .. } => true,
            Self::Skipped { denied, .. } => *denied,
            Self::Reused { .. } | Self::Accepted { .. } => false,
        }
    }

    /// What came out, if something did.
    pub fn outcome(&self) -> Option<&Arc<Outcome>> {
        match self {
            Self::Completed { outcome } | Self::Reused { outcome, .. } => Some(outcome),
            _ => None,
        }
    }

    /// One word for it.
    pub fn word(&self) -> &'static str {
        use crate::OutcomeStatus;
        match self {
            Self::Completed { outcome } => match outcome.status {
                OutcomeStatus::Succeeded => "succeeded",
                OutcomeStatus::Unchanged => "unchanged",
                OutcomeStatus::Skipped => "nothing to do",
                OutcomeStatus::Failed => "failed",
            },
            Self::Reused { .. } => "reused",
            Self::Failed {
                failure: Failure::Failed,
                ..
            } => "failed",
            Self::Failed { .. } => "errored",
            Self::Cancelled { .. } => "cancelled",
            Self::Skipped { denied: true, .. } => "denied",
            Self::Skipped { .. } => "skipped",
            Self::Accepted { .. } => "accepted",
        }
    }

    /// Why, in a sentence; empty when there is nothing to say.
    pub fn reason(&self) -> String {
        match self {
            Self::Completed { outcome } => outcome.reason.clone(),
            Self::Reused { from, .. } => format!("nothing changed since run {from}"),
            Self::Failed { error, .. } => error.join(": "),
            Self::Cancelled { reason } | Self::Skipped { reason, .. } => reason.to_string(),
            Self::Accepted { comment } => comment.to_string(),
        }
    }
}
