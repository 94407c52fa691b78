use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::created_form::CreatedForm;
use crate::digest::CanonicalError;
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
#[serde(from = "CreatedForm<Arc<RunPlan>>")]
pub struct RunCreated {
    /// What it will do.
    pub plan: Arc<RunPlan>,
    /// The digest of the plan.
    pub plan_digest: Digest,
    /// Why it was asked for.
    pub purpose: Purpose,
    /// The revision of the source that it releases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// The digest of the whole source, if the run works on one: a run begins with no other. From
    /// then on the source is the run's own, and its stages may write there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Digest>,
    /// For each environment, the revisions that this run would newly bring to it, the newest first. The
    /// same revision may be listed by several runs; it counts as delivered by the first that deploys it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub revisions: BTreeMap<EnvironmentName, Vec<Revision>>,
    /// Whether it may bring an older revision over a newer one: whoever asked for the run asked for that, by name.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rollback: bool,
    /// The run that this one begins again: what succeeded there is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub again: Option<RunId>,
    /// How long stages took in earlier runs, in milliseconds: where not all can begin at once, the longest way to
    /// the end comes first.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub durations: BTreeMap<StageName, u32>,
}

impl RunCreated {
    /// The beginning of a run that is nothing but its plan.
    ///
    /// # Errors
    ///
    /// Never in practice: a plan has a canonical form.
    pub fn new(plan: impl Into<Arc<RunPlan>>) -> Result<Self, CanonicalError> {
        let plan = plan.into();
        Ok(Self::with_digest(plan.digest()?, plan))
    }

    /// The beginning of a run whose plan has a digest that is known.
    pub(crate) fn with_digest(plan_digest: Digest, plan: Arc<RunPlan>) -> Self {
        Self {
            plan,
            plan_digest,
            purpose: Purpose::default(),
            revision: None,
            source: None,
            revisions: BTreeMap::new(),
            rollback: false,
            again: None,
            durations: BTreeMap::new(),
        }
    }
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
#[serde(from = "StartedForm", into = "StartedForm")]
pub struct StageStarted {
    /// The stage.
    pub stage: StageName,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Which generation, from 1: attempts of one generation share an idempotency key.
    pub generation: u32,
    /// Which delivery of the run.
    pub epoch: u64,
    /// What not every stage has: [`StageStarted::details`] gives it.
    pub(super) details: Option<Arc<StartDetails>>,
}

/// What an attempt is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct StartDetails {
    /// The fence, when it targets an environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fence: Option<Fence>,
    /// What decides whether a later run may reuse the outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Digest>,
    /// The digest of the action plan that it carries out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_plan: Option<Digest>,
    /// The approvals that are used up by it: their numbers in the run's approvals for the stage, from 0.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<usize>,
    /// When the attempt must have ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
}

/// What a plain attempt is bound to.
pub(super) static NO_DETAILS: StartDetails = StartDetails {
    fence: None,
    fingerprint: None,
    action_plan: None,
    approvals: Vec::new(),
    deadline: None,
};

impl StartDetails {
    /// Shared, or nothing when there is nothing to tell.
    pub(super) fn shared(self) -> Option<Arc<Self>> {
        (self != NO_DETAILS).then(|| Arc::new(self))
    }
}

impl StageStarted {
    /// The beginning of an attempt.
    pub fn new(stage: StageName, attempt: u32, generation: u32, epoch: u64, details: StartDetails) -> Self {
        Self {
            stage,
            attempt,
            generation,
            epoch,
            details: details.shared(),
        }
    }

    /// What the attempt is bound to.
    pub fn details(&self) -> &StartDetails {
        self.details.as_deref().unwrap_or(&NO_DETAILS)
    }
}

/// [`StageStarted`] as it is written: flat.
#[derive(Serialize, Deserialize)]
struct StartedForm {
    stage: StageName,
    attempt: u32,
    generation: u32,
    epoch: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fence: Option<Fence>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    action_plan: Option<Digest>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    approvals: Vec<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline: Option<Timestamp>,
}

impl From<StartedForm> for StageStarted {
    fn from(form: StartedForm) -> Self {
        let details = StartDetails {
            fence: form.fence,
            fingerprint: form.fingerprint,
            action_plan: form.action_plan,
            approvals: form.approvals,
            deadline: form.deadline,
        };
        Self::new(form.stage, form.attempt, form.generation, form.epoch, details)
    }
}

impl From<StageStarted> for StartedForm {
    fn from(started: StageStarted) -> Self {
        let details = started.details().clone();
        Self {
            stage: started.stage,
            attempt: started.attempt,
            generation: started.generation,
            epoch: started.epoch,
            fence: details.fence,
            fingerprint: details.fingerprint,
            action_plan: details.action_plan,
            approvals: details.approvals,
            deadline: details.deadline,
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StageResult {
    /// The stage did its work, and says yes or no.
    Completed {
        /// What came out.
        outcome: Arc<Outcome>,
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
    pub output: Option<Box<Digest>>,
    /// When the next attempt begins, if there is to be one: the stage has not ended then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Box<Timestamp>>,
}

impl StageFinished {
    /// The end of an attempt that did its work, and left no output.
    pub(super) fn completed(stage: &StageName, (attempt, epoch): (u32, u64), outcome: Arc<Outcome>) -> Self {
        Self {
            stage: stage.clone(),
            attempt,
            epoch,
            result: StageResult::Completed { outcome },
            output: None,
            retry_at: None,
        }
    }
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
    pub outcome: Arc<Outcome>,
}

/// A stage that runs over a list knows its list: it has an instance for each item from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageExpanded {
    /// The stage.
    pub stage: StageName,
    /// Its instances, in the order of the list.
    pub instances: Vec<StageInstance>,
}

/// One instance of a stage that runs over a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageInstance {
    /// Its name: the stage's, a dot, and the item if that makes a name, else its number from 1.
    pub name: StageName,
    /// The item.
    pub item: Value,
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
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CancelRequested {
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// Whether it is to stop at once: what goes on is dropped, and nothing is cleaned up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Whether its time was up: then it counts as failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timed_out: bool,
}

/// A worker could not go on with the run: it lacks code that the plan names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunParked {
    /// What is missing, a sentence each.
    pub missing: Vec<String>,
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
        Created(Box<RunCreated>) = "created" v1,
        /// A worker took it.
        Claimed(RunClaimed) = "claimed" v1,
        /// A stage said what it would do.
        ActionPlanned(Box<ActionPlanned>) = "action-planned" v1,
        /// Gates were evaluated.
        GatesEvaluated(Box<GatesEvaluated>) = "gates-evaluated" v1,
        /// Somebody approved an action plan.
        Approved(Box<Approval>) = "approved" v1,
        /// A stage is about to begin.
        StageStarted(StageStarted) = "stage-started" v1,
        /// An attempt ended.
        StageFinished(StageFinished) = "stage-finished" v1,
        /// An old outcome was reused.
        StageReused(Box<StageReused>) = "stage-reused" v1,
        /// A stage that runs over a list knows its list.
        StageExpanded(StageExpanded) = "stage-expanded" v1,
        /// A stage will not run.
        StageSkipped(StageSkipped) = "stage-skipped" v1,
        /// A person has to decide.
        StageUnknown(StageUnknown) = "stage-unknown" v1,
        /// A person decided.
        StageDecided(StageDecided) = "stage-decided" v1,
        /// Somebody asked it to stop.
        CancelRequested(CancelRequested) = "cancel-requested" v1,
        /// A worker lacks code that the plan names.
        Parked(RunParked) = "parked" v1,
        /// It ended.
        Finished(RunFinished) = "finished" v1,
    }
}

/// The large ones live in a box, so that the common ones are small.
macro_rules! boxed {
    ($($payload:ident $variant:ident),+) => {
        $(impl From<$payload> for RunEvent {
            fn from(payload: $payload) -> Self {
                Self::$variant(Box::new(payload))
            }
        })+
    };
}

boxed!(RunCreated Created, ActionPlanned ActionPlanned, GatesEvaluated GatesEvaluated, Approval Approved, StageReused StageReused);
