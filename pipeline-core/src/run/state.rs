use std::collections::{BTreeMap, BTreeSet};

use super::event::{ActionPlanned, Purpose, RunCreated, RunEvent, RunOutcome};
use super::graph::{RunGraph, StageIndex, UnsoundPlan};
use super::stage_state::{Attempt, StageEnd, StageState};
use crate::estate::{EnvironmentEvent, EnvironmentState};
use crate::{
    Actor, Approval, ArtifactName, ArtifactRef, DecodeError, Digest, EnvironmentName, Event, Outcome,
    PlannedStage, Position, Revision, RunId, RunPlan, StageName, StreamId, StreamKind, Timestamp,
};

/// One run, as a fold over its stream and those of its environments.
///
/// A state is built from events and changed by events only, so whoever has the journal has the state.
#[derive(Debug)]
pub struct RunState {
    pub(super) id: RunId,
    pub(super) graph: RunGraph,
    pub(super) plan_digest: Digest,
    pub(super) requested_by: Actor,
    pub(super) requested_at: Timestamp,
    pub(super) purpose: Purpose,
    pub(super) revision: Option<Revision>,
    pub(super) source: Option<Digest>,
    pub(super) revisions: BTreeMap<EnvironmentName, Vec<Revision>>,
    pub(super) position: Position,
    pub(super) epoch: u64,
    pub(super) stages: Vec<StageRecord>,
    /// Stages that `decide` must look at: ready ones and interrupted ones.
    pub(super) attention: BTreeSet<StageIndex>,
    /// Stages whose commands may have changed since [`RunState::take_touched`].
    pub(super) touched: Vec<StageIndex>,
    pub(super) not_done: usize,
    pub(super) running: usize,
    pub(super) unknown: usize,
    /// The first stage that ended without success.
    pub(super) failed: Option<StageIndex>,
    pub(super) cancel: Option<Cancel>,
    pub(super) finished: Option<(RunOutcome, Timestamp)>,
    pub(super) environments: BTreeMap<EnvironmentName, EnvironmentState>,
}

/// What is known of one stage.
#[derive(Debug)]
pub(super) struct StageRecord {
    pub(super) state: StageState,
    pub(super) attempts: u32,
    pub(super) generation: u32,
    /// The blob with the output of the last attempt.
    pub(super) output: Option<Digest>,
    pub(super) extra: Option<Box<StageExtra>>,
    pub(super) ended: Option<Timestamp>,
    pub(super) started: Option<Timestamp>,
}

/// What only stages with gates or environments have.
#[derive(Debug, Default)]
pub(super) struct StageExtra {
    pub(super) approvals: Vec<Approval>,
    pub(super) planned: Option<ActionPlanned>,
    /// How many action plans came one after another without the gates having a say.
    pub(super) plans_in_a_row: u32,
    pub(super) gates: Option<super::event::GatesEvaluated>,
    /// Somebody's word that an effect happened which can be inspected: it is, before the word counts.
    pub(super) vouched: Option<String>,
}

/// A request to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancel {
    /// Who asked.
    pub by: Actor,
    /// Why.
    pub reason: String,
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
    /// Every stage succeeded.
    Succeeded,
    /// A stage failed, or a gate denied it.
    Failed,
    /// Somebody asked it to stop, and it did.
    Cancelled,
}

/// A stream that is no sound run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FoldError {
    /// An event cannot be read.
    #[error("event {position} of run {run} cannot be read")]
    Decode {
        /// The run.
        run: RunId,
        /// The event's position in its stream.
        position: Position,
        /// Why.
        source: DecodeError,
    },
    /// The stream does not begin with the run's creation.
    #[error("there is no run {run}: its stream does not begin with its creation")]
    NoRun {
        /// The run.
        run: RunId,
    },
    /// An event is missing before this one.
    #[error("run {run}: stream `{stream}` goes from event {known} to event {found}")]
    Gap {
        /// The run.
        run: RunId,
        /// The stream.
        stream: StreamId,
        /// The last position that was applied.
        known: Position,
        /// The position that came next.
        found: Position,
    },
    /// The plan is not one.
    #[error("run {run} has no sound plan")]
    Plan {
        /// The run.
        run: RunId,
        /// Why.
        source: UnsoundPlan,
    },
}

impl RunState {
    /// Folds the events of a run's stream. Events of other streams among them are applied to the run's
    /// environments, if they are about one of those.
    ///
    /// # Errors
    ///
    /// When the stream is no sound run.
    pub fn from_events(id: &RunId, events: &[Event]) -> Result<Self, FoldError> {
        let stream = StreamId::run(id);
        let no_run = || FoldError::NoRun { run: id.clone() };
        let first = events
            .iter()
            .find(|event| event.stream == stream && event.position == 1)
            .ok_or_else(no_run)?;
        let created = first.read::<RunEvent>().map_err(|source| FoldError::Decode {
            run: id.clone(),
            position: 1,
            source,
        })?;
        let Some(RunEvent::Created(created)) = created.as_deref() else {
            return Err(no_run());
        };
        let mut state = Self::new(id, created, &first.actor, first.at)?;
        for event in events {
            state.apply(event)?;
        }
        Ok(state)
    }

    /// The state right after the run's first event.
    pub(crate) fn new(
        id: &RunId,
        created: &RunCreated,
        by: &Actor,
        at: Timestamp,
    ) -> Result<Self, FoldError> {
        let graph = RunGraph::new(created.plan.clone()).map_err(|source| FoldError::Plan {
            run: id.clone(),
            source,
        })?;
        let mut attention = BTreeSet::new();
        let stages: Vec<_> = (0..graph.len() as StageIndex)
            .map(|index| {
                let open = graph.dependencies(index).len() as u32;
                let state = if open == 0 {
                    StageState::Ready
                } else {
                    StageState::Pending { open }
                };
                if open == 0 {
                    attention.insert(index);
                }
                StageRecord {
                    state,
                    attempts: 0,
                    generation: 1,
                    output: None,
                    extra: None,
                    ended: None,
                    started: None,
                }
            })
            .collect();
        let environments = graph
            .plan
            .environments
            .keys()
            .map(|name| (name.clone(), EnvironmentState::default()));
        Ok(Self {
            id: id.clone(),
            plan_digest: created.plan_digest,
            requested_by: by.clone(),
            requested_at: at,
            purpose: created.purpose,
            revision: created.revision.clone(),
            source: created.source,
            revisions: created.revisions.clone(),
            position: 1,
            epoch: 0,
            touched: attention.iter().copied().collect(),
            attention,
            not_done: stages.len(),
            running: 0,
            unknown: 0,
            failed: None,
            cancel: None,
            finished: None,
            environments: environments.collect(),
            stages,
            graph,
        })
    }

    /// Applies an event. One that was applied before changes nothing, and so does one of a stream that the run
    /// has nothing to do with.
    ///
    /// # Errors
    ///
    /// When the event cannot be read, or one before it is missing.
    pub fn apply(&mut self, event: &Event) -> Result<(), FoldError> {
        let decode = |source| FoldError::Decode {
            run: self.id.clone(),
            position: event.position,
            source,
        };
        if event.stream.is(&StreamKind::ENVIRONMENT) {
            let Some((name, state)) = self.environments.get_key_value(event.stream.name()) else {
                return Ok(());
            };
            if event.position <= state.position {
                return Ok(());
            }
            self.check_gap(event, state.position)?;
            let payload = event.read::<EnvironmentEvent>().map_err(decode)?;
            let name = name.clone();
            match payload {
                Some(payload) => self.apply_environment(&name, event.position, event.at, &payload),
                None => {
                    if let Some(state) = self.environments.get_mut(&name) {
                        state.position = event.position;
                    }
                }
            }
            return Ok(());
        }
        if event.stream.is(&StreamKind::RUN) && event.stream.name() == self.id.as_str() {
            if event.position <= self.position {
                return Ok(());
            }
            self.check_gap(event, self.position)?;
            let payload = event.read::<RunEvent>().map_err(decode)?;
            match payload {
                Some(payload) => self.apply_run(event.position, event.at, &event.actor, &payload),
                None => self.position = event.position,
            }
        }
        Ok(())
    }

    fn check_gap(&self, event: &Event, known: Position) -> Result<(), FoldError> {
        if event.position == known + 1 {
            return Ok(());
        }
        Err(FoldError::Gap {
            run: self.id.clone(),
            stream: event.stream.clone(),
            known,
            found: event.position,
        })
    }

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
        if self.running > 0 || !self.attention.is_empty() {
            RunStatus::Running
        } else if self.unknown > 0 {
            RunStatus::NeedsDecision
        } else {
            RunStatus::Waiting
        }
    }

    /// The stages in the order of the plan, with where they stand.
    pub fn stages(&self) -> impl Iterator<Item = StageView<'_>> {
        (0..self.graph.len() as StageIndex).map(|index| self.view(index))
    }

    /// One stage.
    pub fn stage(&self, name: &StageName) -> Option<StageView<'_>> {
        self.graph.find(name).map(|index| self.view(index))
    }

    /// One stage by number.
    ///
    /// # Panics
    ///
    /// When the plan has no such stage.
    pub fn view(&self, index: StageIndex) -> StageView<'_> {
        StageView {
            planned: self.graph.stage(index),
            record: &self.stages[index as usize],
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

    pub(super) fn outcome(&self, index: StageIndex) -> Option<&Outcome> {
        match &self.stages[index as usize].state {
            StageState::Done(end) => end.outcome(),
            _ => None,
        }
    }

    pub(super) fn record(&mut self, index: StageIndex) -> &mut StageRecord {
        &mut self.stages[index as usize]
    }

    /// The stages whose commands may have changed since the last call. A runner asks after every commit,
    /// instead of going through all stages.
    pub fn take_touched(&mut self) -> Vec<StageIndex> {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        touched
    }

    /// Touches one stage: its task ended.
    pub fn touch(&mut self, stage: StageIndex) {
        self.touched.push(stage);
    }

    /// Touches every stage that is not done: what a runner does first, after it claimed the run.
    pub fn touch_all(&mut self) {
        self.touched = (0..self.graph.len() as StageIndex)
            .filter(|&i| !self.stages[i as usize].state.is_done())
            .collect();
    }
}

/// One stage of a run, with what the plan says and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct StageView<'a> {
    planned: &'a PlannedStage,
    record: &'a StageRecord,
}

impl<'a> StageView<'a> {
    /// What the plan says of it.
    pub fn planned(&self) -> &'a PlannedStage {
        self.planned
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
        self.record.output
    }

    /// When the last attempt began.
    pub fn started(&self) -> Option<Timestamp> {
        self.record.started
    }

    /// When it ended.
    pub fn ended(&self) -> Option<Timestamp> {
        self.record.ended
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
