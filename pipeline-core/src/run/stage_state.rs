use serde::Serialize;

use super::event::GateVerdict;
use crate::{Digest, Failure, Fence, Outcome, RunId, StageName, Timestamp};

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
    /// All that it depends on succeeded; it is being prepared: planned, gated, given its environment.
    Ready,
    /// It could start, but something holds it.
    Held {
        /// What the gates said, and the environment's lock as if it were one.
        verdicts: Vec<GateVerdict>,
        /// When to look again.
        #[serde(skip_serializing_if = "Option::is_none")]
        earliest: Option<Timestamp>,
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
        reason: String,
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
    /// When it must have ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// The fence, when it targets an environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fence: Option<Fence>,
    /// What decides whether a later run may reuse the outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Digest>,
    /// The action plan that it carries out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_plan: Option<Digest>,
}

/// How a stage ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "end", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StageEnd {
    /// It did its work, and says yes or no.
    Completed {
        /// What came out.
        outcome: Outcome,
    },
    /// An old outcome was reused.
    Reused {
        /// What came out, then.
        outcome: Outcome,
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
        reason: String,
    },
    /// It never began.
    Skipped {
        /// The stage that is the reason, if one is.
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<StageName>,
        /// Why.
        reason: String,
        /// Whether a gate denied it.
        denied: bool,
    },
    /// A person decided that its effect happened.
    Accepted {
        /// What the person said.
        comment: String,
    },
}

impl StageState {
    /// Whether nothing more happens to it.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }

    /// One word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Ready => "ready",
            Self::Held { .. } => "waiting",
            Self::Running(_) | Self::Lost(_) => "running",
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

    /// What came out, if something did.
    pub fn outcome(&self) -> Option<&Outcome> {
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
            Self::Cancelled { reason } | Self::Skipped { reason, .. } => reason.clone(),
            Self::Accepted { comment } => comment.clone(),
        }
    }
}
