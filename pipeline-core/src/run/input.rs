use std::sync::Arc;

use super::event::StageResult;
use super::graph::StageIndex;
use crate::{
    ActionPlan, Actor, Digest, EvidenceSet, Inspection, Outcome, RunId, SignedDuration, StageName, Timestamp,
};

/// What a decision depends on besides the run and what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// What time it is.
    pub now: Timestamp,
    /// Random bits, for jitter.
    pub chance: u64,
    /// How many attempts this worker can begin.
    pub free: u32,
    /// Whether this worker is about to leave the run: it begins nothing, and takes no environment.
    pub leaving: bool,
}

impl Moment {
    /// The chance of one attempt of one stage: decisions of one moment are independent.
    pub(super) fn chance_for(&self, stage: StageIndex, failures: u32) -> u64 {
        // The finaliser of SplitMix64: https://prng.di.unimi.it/splitmix64.c
        let mut x = self.chance ^ (u64::from(stage) << 32 | u64::from(failures));
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
}

impl From<Timestamp> for Moment {
    /// A worker that can begin as much as there is, and takes no chances.
    fn from(now: Timestamp) -> Self {
        Self {
            now,
            chance: 0,
            free: u32::MAX,
            leaving: false,
        }
    }
}

/// Something that a run must decide on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input {
    /// A worker takes the run.
    Claim {
        /// Who, for people.
        worker: String,
    },
    /// Nothing in particular: decide whatever can be decided.
    Tick,
    /// A stage was prepared.
    Prepared(Box<Preparation>),
    /// No worker here can go on with the run.
    Park {
        /// What is missing, a sentence each.
        missing: Vec<String>,
    },
    /// A pure stage was done before, with all that it depends on.
    Reusable {
        /// The stage.
        stage: StageIndex,
        /// What is equal.
        fingerprint: Digest,
        /// The run that the outcome comes from.
        from: RunId,
        /// The outcome.
        outcome: Arc<Outcome>,
    },
    /// An attempt ended.
    Finished {
        /// The stage.
        stage: StageIndex,
        /// Which attempt.
        attempt: u32,
        /// Which delivery began it.
        epoch: u64,
        /// How it ended.
        result: StageResult,
        /// The blob with its output.
        output: Option<Digest>,
    },
    /// A stage looked for its effect.
    Inspected {
        /// The stage.
        stage: StageIndex,
        /// Which attempt it looked for.
        attempt: u32,
        /// What it found; an error counts as unknown.
        found: Inspection,
    },
    /// Somebody approves an action plan.
    Approve(ApproveRequest),
    /// A person decides whether an unknown effect happened.
    Decide(DecideRequest),
    /// Somebody asks the run to stop. The first request leaves the clean-up; the second stops everything at once. A run
    /// that never began has nothing to clean up: it ends at once.
    Cancel {
        /// Who.
        by: Actor,
        /// Why.
        reason: String,
    },
}

/// A request to approve what a stage would do.
#[derive(Debug, Clone)]
pub struct ApproveRequest {
    /// The stage.
    pub stage: StageName,
    /// The digest of the action plan that the approver saw.
    pub action_plan: Digest,
    /// Who approves.
    pub by: Actor,
    /// How long the approval counts.
    pub valid_for: SignedDuration,
    /// What the approver says.
    pub comment: String,
}

/// A person's word on whether an unknown effect happened.
#[derive(Debug, Clone)]
pub struct DecideRequest {
    /// The stage.
    pub stage: StageName,
    /// Whether it happened: then the stage counts as done, else it is tried again.
    pub happened: bool,
    /// Who says so.
    pub by: Actor,
    /// How that is known.
    pub comment: String,
}

/// What was found out about a stage before it starts.
#[derive(Debug, Clone)]
pub struct Preparation {
    /// The stage.
    pub stage: StageIndex,
    /// Whether the environment's lock was held meanwhile.
    pub locked: bool,
    /// What it would do, if it can tell.
    pub action_plan: Option<(Digest, ActionPlan)>,
    /// The digest of its inputs; for a pure stage what decides about reuse.
    pub fingerprint: Digest,
    /// An old outcome with the same fingerprint.
    pub reuse: Option<(RunId, Arc<Outcome>)>,
    /// What its gates wanted to see.
    pub evidence: EvidenceSet,
    /// Why it could not be prepared, outermost cause first; empty when it could.
    pub error: Vec<String>,
}

impl Preparation {
    /// Nothing was found out yet.
    pub fn empty(stage: StageIndex) -> Self {
        Self {
            stage,
            locked: false,
            action_plan: None,
            fingerprint: Digest::ZERO,
            reuse: None,
            evidence: EvidenceSet::default(),
            error: Vec::new(),
        }
    }
}

/// A request that the run refuses; nothing was decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The run has ended.
    #[error("run {run} has ended")]
    Ended {
        /// The run.
        run: RunId,
    },
    /// Another run of the pipeline comes first.
    #[error("run {run} waits for its turn: run {before} comes first")]
    NotItsTurn {
        /// The run.
        run: RunId,
        /// The run that comes first.
        before: RunId,
    },
    /// There is no such stage.
    #[error("run {run} has no stage `{stage}`")]
    NoStage {
        /// The run.
        run: RunId,
        /// The stage.
        stage: StageName,
    },
    /// The stage does not wait for an approval.
    #[error("stage `{stage}` of run {run} does not wait for an approval: {reason}")]
    NothingToApprove {
        /// The run.
        run: RunId,
        /// The stage.
        stage: StageName,
        /// Why not.
        reason: String,
    },
    /// What would be done is not what the approver saw.
    #[error(
        "stage `{stage}` would carry out action plan {current}, not {seen}: look at it again before you approve"
    )]
    OtherPlan {
        /// The stage.
        stage: StageName,
        /// What it would do now.
        current: Digest,
        /// What the approver saw.
        seen: Digest,
    },
    /// The stage's effect is not unknown.
    #[error("there is nothing to decide about stage `{stage}` of run {run}: it is {state}")]
    NothingToDecide {
        /// The run.
        run: RunId,
        /// The stage.
        stage: StageName,
        /// What it is.
        state: &'static str,
    },
    /// It cannot be decided so.
    #[error(
        "stage `{stage}` cannot count as done: it produces {artifacts}, and nobody has it; say that it did not happen"
    )]
    Produces {
        /// The stage.
        stage: StageName,
        /// What later stages would lack.
        artifacts: String,
    },
    /// Somebody asked already.
    #[error("run {run} is being stopped at once already")]
    CancelledAlready {
        /// The run.
        run: RunId,
    },
}

/// What a runner must do next for a stage. Commands are data; doing one twice does no harm to the run, because
/// the report of the second is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Find out what gates and reuse depend on, and report [`Input::Prepared`].
    Prepare {
        /// The stage.
        stage: StageIndex,
        /// Whether the environment's lock is held meanwhile.
        locked: bool,
    },
    /// Run the attempt that was begun, and report [`Input::Finished`].
    Execute {
        /// The stage.
        stage: StageIndex,
    },
    /// Look for the effect of an attempt whose end nobody knows, and report [`Input::Inspected`].
    Inspect {
        /// The stage.
        stage: StageIndex,
    },
    /// Ask the running attempt to stop. Its report comes as [`Input::Finished`] all the same.
    Stop {
        /// The stage.
        stage: StageIndex,
        /// Whether it is dropped at once.
        force: bool,
    },
}
