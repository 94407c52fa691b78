use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::event::{ActionPlanned, Purpose, RunOutcome};
use super::graph::StageIndex;
use super::stage_state::{Attempt, StageEnd, StageState};
use super::state::{RunState, StageRecord};
use crate::estate::EnvironmentState;
use crate::pool::PoolState;
use crate::queue::PipelineQueue;
use crate::{
    Actor, Approval, ArtifactName, ArtifactRef, Digest, EnvironmentName, Outcome, PlannedStage, PoolName,
    Position, QueueMode, Revision, RunId, RunPlan, StageName, Timestamp,
};

/// A request to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancel {
    /// Who asked.
    pub by: Actor,
    /// Why.
    pub reason: String,
    /// Whether it is to stop at once.
    pub force: bool,
    /// Whether its time was up.
    pub timed_out: bool,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// Something can go on now, or is going on.
    Running,
    /// Everything that is left waits for something outside: an approval, a time, another run.
    Waiting,
    /// It is not known whether an effect happened, and nothing else can go on: a person has to decide.
    NeedsDecision,
    /// No worker went on with it: code is missing that the plan names.
    Parked,
    /// Every stage succeeded.
    Succeeded,
    /// A stage failed, or a gate denied it.
    Failed,
    /// Somebody asked it to stop, and it did.
    Cancelled,
}

/// What a run tells of itself.
impl RunState {
    /// Which run this is.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// What the run does.
    pub fn plan(&self) -> &RunPlan {
        &self.graph.plan
    }

    /// The digest of the plan.
    pub fn plan_digest(&self) -> Digest {
        self.plan_digest
    }

    /// Who asked for the run.
    pub fn requested_by(&self) -> &Actor {
        &self.requested_by
    }

    /// When the run was created.
    pub fn requested_at(&self) -> Timestamp {
        self.requested_at
    }

    /// Why the run was asked for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The revision of the source that the run releases.
    pub fn revision(&self) -> Option<&Revision> {
        self.revision.as_ref()
    }

    /// The digest of the source that the run works on, if it is bound to one.
    pub fn source(&self) -> Option<Digest> {
        self.source
    }

    /// How many events of the run's stream were applied.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Which delivery of the run is the current one; 0 before the first.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// When the run ended, and how.
    pub fn finished(&self) -> Option<(RunOutcome, Timestamp)> {
        self.finished
    }

    /// The request to stop, if there is one.
    pub fn cancel(&self) -> Option<&Cancel> {
        self.cancel.as_ref()
    }

    /// Where the run stands.
    pub fn status(&self) -> RunStatus {
        if let Some((outcome, _)) = self.finished {
            return match outcome {
                RunOutcome::Succeeded => RunStatus::Succeeded,
                RunOutcome::Failed => RunStatus::Failed,
                RunOutcome::Cancelled => RunStatus::Cancelled,
            };
        }
        if self.waits_for_run().is_some() {
            return RunStatus::Waiting;
        }
        // Whoever can go on with it takes it, and then it is no longer parked.
        if self.parked.is_some() {
            return RunStatus::Parked;
        }
        if self.counts.running > 0 || self.counts.ready > 0 && self.some_can_begin() {
            RunStatus::Running
        } else if self.counts.unknown > 0 {
            RunStatus::NeedsDecision
        } else {
            RunStatus::Waiting
        }
    }

    /// The stages in the order of the plan, then the instances of those that run over a list, with where they stand.
    pub fn stages(&self) -> impl Iterator<Item = StageView<'_>> {
        (0..self.stages.len() as StageIndex).map(|index| self.view(index))
    }

    /// One stage.
    pub fn stage(&self, name: &StageName) -> Option<StageView<'_>> {
        self.find(name).map(|index| self.view(index))
    }

    /// One stage by number.
    ///
    /// # Panics
    ///
    /// When the plan has no such stage.
    pub fn view(&self, index: StageIndex) -> StageView<'_> {
        StageView {
            planned: self.planned(index),
            record: &self.stages[index as usize],
            item: self.item(index),
        }
    }

    /// One of the run's environments.
    pub fn environment(&self, name: &EnvironmentName) -> Option<&EnvironmentState> {
        self.environments.get(name)
    }

    /// The run's environments.
    pub fn environments(&self) -> impl Iterator<Item = (&EnvironmentName, &EnvironmentState)> {
        self.environments.iter()
    }

    /// An artifact that the run produced.
    pub fn artifact(&self, name: &ArtifactName) -> Option<&ArtifactRef> {
        let producer = self.graph.producer(name)?;
        self.outcome(producer)?.artifacts.get(name)
    }

    /// One of the run's pools.
    pub fn pool(&self, name: &PoolName) -> Option<&PoolState> {
        self.pools.get(name)
    }

    /// The run's pools.
    pub fn pools(&self) -> impl Iterator<Item = (&PoolName, &PoolState)> {
        self.pools.iter()
    }

    /// The stage that failed first.
    pub fn failed(&self) -> Option<&StageName> {
        self.failed.map(|index| &self.planned(index).name)
    }

    /// The stages that a stage waits for.
    #[cfg(feature = "runtime")]
    pub(crate) fn dependencies(&self, index: StageIndex) -> &[StageIndex] {
        self.graph.dependencies(self.template(index))
    }

    /// Whether runs of the pipeline queue.
    pub(crate) fn is_queued(&self) -> bool {
        self.graph.plan.runs != QueueMode::Parallel
    }

    /// The queue of the pipeline, if its runs queue.
    pub fn queue(&self) -> Option<&PipelineQueue> {
        self.is_queued().then_some(&self.queue)
    }

    /// The run whose turn it is, while it is not this one's.
    pub fn waits_for_run(&self) -> Option<&RunId> {
        if self.epoch > 0 {
            return None;
        }
        self.queue()?.before(&self.id)
    }

    /// Whether the run may bring an older revision over a newer one.
    pub fn is_rollback(&self) -> bool {
        self.rollback
    }

    /// What a worker lacked that could not go on with the run.
    pub fn parked(&self) -> Option<&[String]> {
        self.parked.as_deref()
    }

    /// The run that this one begins again.
    pub fn again(&self) -> Option<&RunId> {
        self.again.as_ref()
    }

    /// What the run would newly bring to each environment, the newest first.
    pub fn revisions(&self) -> &BTreeMap<EnvironmentName, Vec<Revision>> {
        &self.revisions
    }

    pub(super) fn outcome(&self, index: StageIndex) -> Option<&Arc<Outcome>> {
        match &self.stages[index as usize].state {
            StageState::Done(end) => end.outcome(),
            _ => None,
        }
    }
}

/// One stage of a run, with what the plan says and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct StageView<'a> {
    planned: &'a PlannedStage,
    record: &'a StageRecord,
    item: Option<&'a Value>,
}

impl<'a> StageView<'a> {
    /// What the plan says of it.
    pub fn planned(&self) -> &'a PlannedStage {
        self.planned
    }

    /// The item that it is for, if it is an instance of a stage that runs over a list.
    pub fn item(&self) -> Option<&'a Value> {
        self.item
    }

    /// Where it stands.
    pub fn state(&self) -> &'a StageState {
        &self.record.state
    }

    /// How often it was begun.
    pub fn attempts(&self) -> u32 {
        self.record.attempts
    }

    /// The attempt that is going on, or whose end nobody knows.
    pub fn attempt(&self) -> Option<&'a Attempt> {
        match &self.record.state {
            StageState::Running(attempt)
            | StageState::Lost(attempt)
            | StageState::Unknown { attempt, .. } => Some(attempt),
            _ => None,
        }
    }

    /// How it ended.
    pub fn end(&self) -> Option<&'a StageEnd> {
        match &self.record.state {
            StageState::Done(end) => Some(end),
            _ => None,
        }
    }

    /// The blob with the output of the last attempt.
    pub fn output(&self) -> Option<Digest> {
        self.record.output.as_deref().copied()
    }

    /// When the last attempt began.
    pub fn started(&self) -> Option<Timestamp> {
        self.record.started.get()
    }

    /// When it ended.
    pub fn ended(&self) -> Option<Timestamp> {
        self.record.ended.get()
    }

    /// What it would do, as it said last.
    pub fn action_plan(&self) -> Option<&'a ActionPlanned> {
        self.record.extra.as_ref()?.planned.as_ref()
    }

    /// The approvals given for it.
    pub fn approvals(&self) -> &'a [Approval] {
        self.record.extra.as_ref().map_or(&[], |extra| &extra.approvals)
    }

    /// What its gates said last.
    pub fn gates(&self) -> Option<&'a super::event::GatesEvaluated> {
        self.record.extra.as_ref()?.gates.as_ref()
    }
}
