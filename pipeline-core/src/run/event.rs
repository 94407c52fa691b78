use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    ActionPlan, Approval, Digest, EnvironmentName, EvidenceSet, Failure, Fence, Outcome, Revision, RunId,
    RunPlan, StageName, Timestamp, Verdict,
};

/// Why a run was asked for. Metrics tell rework from planned work by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Planned work.
    #[default]
    Planned,
    /// Unplanned work because of an incident: a fix that re-entered at the start.
    Rework,
}

/// A run came into being.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunCreated {
    /// What it will do.
    pub plan: RunPlan,
    /// The digest of the plan.
    pub plan_digest: Digest,
    /// Why it was asked for.
    #[serde(default)]
    pub purpose: Purpose,
    /// The revision of the source that it releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// The digest of the whole source, if the run works on one: a run begins with no other. From
    /// then on the source is the run's own, and its stages may write there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Digest>,
    /// For each environment, the revisions that this run would newly bring to it, the newest first. The
    /// same revision may be listed by several runs; it counts as delivered by the first that deploys it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub revisions: BTreeMap<EnvironmentName, Vec<Revision>>,
}

/// A worker took the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunClaimed {
    /// Which delivery this is, from 1. Reports of an older one no longer count.
    pub epoch: u64,
    /// Who took it, for people.
    pub worker: String,
}

/// A stage said what it would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionPlanned {
    /// The stage.
    pub stage: StageName,
    /// The digest of the plan.
    pub digest: Digest,
    /// The plan.
    pub plan: ActionPlan,
}

/// What one gate said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateVerdict {
    /// The type of the gate.
    pub gate: String,
    /// Its verdict.
    pub verdict: Verdict,
}

/// The gates of a stage were evaluated, and something is different from the last time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GatesEvaluated {
    /// The stage.
    pub stage: StageName,
    /// What they decided on: the digest of the action plan, or of the stage's inputs.
    pub subject: Digest,
    /// The verdicts, in the order of the gates.
    pub verdicts: Vec<GateVerdict>,
    /// The evidence that they saw.
    #[serde(default, skip_serializing_if = "EvidenceSet::is_empty")]
    pub evidence: EvidenceSet,
    /// Whether the environment's lock was held: the evaluation that counts.
    #[serde(default)]
    pub locked: bool,
}

/// A stage is about to begin: written before its effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageStarted {
    /// The stage.
    pub stage: StageName,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Which generation, from 1: attempts of one generation share an idempotency key.
    pub generation: u32,
    /// Which delivery of the run.
    pub epoch: u64,
    /// The fence, when it targets an environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<Fence>,
    /// What decides whether a later run may reuse the outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Digest>,
    /// The digest of the action plan that it carries out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_plan: Option<Digest>,
    /// The approvals that are used up by it: their numbers in the run's approvals for the stage, from 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<usize>,
    /// When the attempt must have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StageResult {
    /// The stage did its work, and says yes or no.
    Completed {
        /// What came out.
        outcome: Box<Outcome>,
    },
    /// The stage could not do its work.
    Failed {
        /// What the error means.
        failure: Failure,
        /// The error, and what caused it, outermost first.
        error: Vec<String>,
    },
    /// The stage was asked to stop, and did.
    Cancelled {
        /// Why it was asked.
        reason: String,
    },
}

/// An attempt ended: written after its effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageFinished {
    /// The stage.
    pub stage: StageName,
    /// Which attempt; 0 when the stage could not even be prepared.
    pub attempt: u32,
    /// Which delivery of the run reports it.
    pub epoch: u64,
    /// How it ended.
    pub result: StageResult,
    /// The blob with the attempt's output, bounded and masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Digest>,
}

/// An old outcome was reused: nothing that it depends on changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageReused {
    /// The stage.
    pub stage: StageName,
    /// What is equal.
    pub fingerprint: Digest,
    /// The run that the outcome comes from.
    pub from: RunId,
    /// The outcome.
    pub outcome: Outcome,
}

/// A stage will not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageSkipped {
    /// The stage.
    pub stage: StageName,
    /// The stage that is the reason, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<StageName>,
    /// Why, in a sentence.
    pub reason: String,
    /// Whether a gate denied it: then the run fails.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub denied: bool,
}

/// It is not known whether an attempt's effect happened, and a person has to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageUnknown {
    /// The stage.
    pub stage: StageName,
    /// Which attempt.
    pub attempt: u32,
    /// Why it is not known.
    pub reason: String,
}

/// A person decided whether an unknown effect happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageDecided {
    /// The stage.
    pub stage: StageName,
    /// Which attempt.
    pub attempt: u32,
    /// Whether it happened: then the stage counts as succeeded, else it is tried again.
    pub happened: bool,
    /// What the person said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// Somebody asked the run to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelRequested {
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// Every stage succeeded.
    Succeeded,
    /// A stage failed, or a gate denied it.
    Failed,
    /// Somebody asked it to stop.
    Cancelled,
}

/// A run ended: nothing more happens in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFinished {
    /// How.
    pub outcome: RunOutcome,
}

crate::event_family! {
    /// What happens in a run; the stream is `run/ID`.
    pub enum RunEvent in "run" {
        /// It came into being. Always the first event.
        Created(RunCreated) = "created" v1,
        /// A worker took it.
        Claimed(RunClaimed) = "claimed" v1,
        /// A stage said what it would do.
        ActionPlanned(ActionPlanned) = "action-planned" v1,
        /// Gates were evaluated.
        GatesEvaluated(GatesEvaluated) = "gates-evaluated" v1,
        /// Somebody approved an action plan.
        Approved(Approval) = "approved" v1,
        /// A stage is about to begin.
        StageStarted(StageStarted) = "stage-started" v1,
        /// An attempt ended.
        StageFinished(StageFinished) = "stage-finished" v1,
        /// An old outcome was reused.
        StageReused(StageReused) = "stage-reused" v1,
        /// A stage will not run.
        StageSkipped(StageSkipped) = "stage-skipped" v1,
        /// A person has to decide.
        StageUnknown(StageUnknown) = "stage-unknown" v1,
        /// A person decided.
        StageDecided(StageDecided) = "stage-decided" v1,
        /// Somebody asked it to stop.
        CancelRequested(CancelRequested) = "cancel-requested" v1,
        /// It ended.
        Finished(RunFinished) = "finished" v1,
    }
}
