use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::event::{ActionPlanned, Purpose, RunCreated, RunEvent, RunOutcome};
use super::fold_error::FoldError;
use super::graph::{RunGraph, StageIndex};
use super::instances::Instances;
use super::stage_state::StageState;
use super::view::Cancel;
use crate::estate::{EnvironmentEvent, EnvironmentState};
use crate::pool::{PoolEvent, PoolState};
use crate::queue::PipelineQueue;
use crate::{
    Actor, Approval, Digest, EnvironmentName, Event, PoolName, Position, Revision, RunId, StreamId,
    StreamKind, Timestamp,
};

/// One run, as a fold over its stream and those of its environments and pools.
///
/// A state is built from events and changed by events only, so whoever has the journal has the state.
#[derive(Debug)]
pub struct RunState {
    pub(super) id: RunId,
    pub(super) stream: StreamId,
    pub(super) graph: Arc<RunGraph>,
    pub(super) instances: Instances,
    pub(super) plan_digest: Digest,
    pub(super) requested_by: Actor,
    pub(super) requested_at: Timestamp,
    pub(super) purpose: Purpose,
    pub(super) revision: Option<Revision>,
    pub(super) source: Option<Digest>,
    pub(super) revisions: BTreeMap<EnvironmentName, Vec<Revision>>,
    pub(super) again: Option<RunId>,
    pub(super) position: Position,
    pub(super) epoch: u64,
    pub(super) stages: Vec<StageRecord>,
    /// How far it is from each stage to the end: the longest way first.
    pub(super) priorities: Vec<u32>,
    /// Stages that `decide` must look at: those that became ready, and interrupted ones.
    pub(super) attention: Vec<StageIndex>,
    /// Ready stages that found no free slot, the most urgent first.
    pub(super) queued: BTreeSet<(Reverse<u32>, StageIndex)>,
    /// Waits after failed attempts, the first one to end first.
    pub(super) backoffs: BTreeSet<(Timestamp, StageIndex)>,
    /// Stages whose commands may have changed since [`RunState::take_touched`].
    pub(super) touched: Vec<StageIndex>,
    pub(super) counts: Counts,
    /// Whether some stage told facts: its dependents are called with them.
    pub(super) facts: bool,
    /// The first stage that failed.
    pub(super) failed: Option<StageIndex>,
    pub(super) cancel: Option<Cancel>,
    /// When it began to stop: what is left is clean-up.
    pub(super) stopped_at: Option<Timestamp>,
    pub(super) parked: Option<Vec<String>>,
    pub(super) finished: Option<(RunOutcome, Timestamp)>,
    pub(super) environments: BTreeMap<EnvironmentName, EnvironmentState>,
    pub(super) pools: BTreeMap<PoolName, PoolState>,
    /// Empty for pipelines whose runs do not queue.
    pub(super) queue: PipelineQueue,
    pub(super) rollback: bool,
    /// Up to where a snapshot of it is kept.
    #[cfg(feature = "runtime")]
    pub(super) kept: Position,
}

/// How many stages stand where.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) not_done: usize,
    pub(super) ready: usize,
    pub(super) running: usize,
    pub(super) unknown: usize,
    /// How many have ended without success.
    pub(super) unsuccessful: usize,
    /// How many of the clean-up have not begun, and how many others.
    pub(super) clean_up_ahead: usize,
    pub(super) work_ahead: usize,
}

/// What is known of one stage.
#[derive(Debug)]
pub(super) struct StageRecord {
    pub(super) state: StageState,
    pub(super) attempts: u32,
    pub(super) generation: u32,
    /// The blob with the output of the last attempt.
    pub(super) output: Option<Box<Digest>>,
    pub(super) extra: Option<Box<StageExtra>>,
    pub(super) started: Stamp,
    pub(super) ended: Stamp,
}

impl StageRecord {
    pub(super) fn new(state: StageState) -> Self {
        Self {
            state,
            attempts: 0,
            generation: 1,
            output: None,
            extra: None,
            started: Stamp::NEVER,
            ended: Stamp::NEVER,
        }
    }
}

/// A time that may not have come, in eight bytes: nanoseconds of the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(pub(super) i64);

impl Stamp {
    pub(super) const NEVER: Self = Self(i64::MIN);

    pub(super) fn get(self) -> Option<Timestamp> {
        (self != Self::NEVER)
            .then(|| Timestamp::from_nanosecond(i128::from(self.0)).ok())
            .flatten()
    }
}

impl From<Timestamp> for Stamp {
    fn from(at: Timestamp) -> Self {
        // Years 1677 to 2262; what is beyond is cut.
        Self(i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX))
    }
}

/// What only few stages have.
#[derive(Debug, Default)]
pub(super) struct StageExtra {
    pub(super) approvals: Vec<Approval>,
    pub(super) planned: Option<ActionPlanned>,
    /// How many action plans came one after another without the gates having a say.
    pub(super) plans_in_a_row: u32,
    pub(super) gates: Option<super::event::GatesEvaluated>,
    /// Somebody's word that an effect happened which can be inspected: it is, before the word counts.
    pub(super) vouched: Option<String>,
    /// How many attempts failed and were followed by another, and when the first of them began.
    pub(super) failures: u32,
    pub(super) first_began: Option<Timestamp>,
}

impl RunState {
    /// Folds the events of a run's stream. Events of other streams among them are applied to the run's
    /// environments and pools, if they are about one of those.
    ///
    /// # Errors
    ///
    /// When the stream is no sound run.
    pub fn from_events(id: &RunId, events: &[Event]) -> Result<Self, FoldError> {
        Self::from_events_over(id, events, None)
    }

    /// The same, with the graph of a pipeline that may be the run's, and the digest of its plan.
    pub(crate) fn from_events_over(
        id: &RunId,
        events: &[Event],
        known: Option<(&Arc<RunGraph>, Digest)>,
    ) -> Result<Self, FoldError> {
        let stream = StreamId::run(id);
        let no_run = || FoldError::NoRun { run: id.clone() };
        let first = events
            .iter()
            .find(|event| event.stream == stream && event.position == 1)
            .ok_or_else(no_run)?;
        #[cfg(feature = "runtime")]
        if let Some((graph, digest)) = known
            && first.kind == "run.created"
            && first.version == 1
            && let Some(json) = first.payload.as_json()
            && let Some(created) = RunCreated::over_known(json, &graph.plan, digest)
        {
            return Self::new(id, &created, &first.actor, first.at, Arc::clone(graph)).and_all(events);
        }
        let created = first.read::<RunEvent>().map_err(|source| FoldError::Decode {
            run: id.clone(),
            position: 1,
            source,
        })?;
        let Some(RunEvent::Created(created)) = created.as_deref() else {
            return Err(no_run());
        };
        let graph = match known.filter(|(graph, _)| Arc::ptr_eq(&graph.plan, &created.plan)) {
            Some((graph, _)) => Arc::clone(graph),
            None => {
                let graph = RunGraph::new(Arc::clone(&created.plan)).map_err(|source| FoldError::Plan {
                    run: id.clone(),
                    source,
                })?;
                Arc::new(graph)
            }
        };
        Self::new(id, created, &first.actor, first.at, graph).and_all(events)
    }

    fn and_all(mut self, events: &[Event]) -> Result<Self, FoldError> {
        for event in events {
            self.apply(event)?;
        }
        Ok(self)
    }

    /// The state right after the run's first event.
    pub(crate) fn new(
        id: &RunId,
        created: &RunCreated,
        by: &Actor,
        at: Timestamp,
        graph: Arc<RunGraph>,
    ) -> Self {
        let mut attention = Vec::new();
        let mut stages = Vec::with_capacity(graph.len());
        let mut counts = Counts {
            not_done: graph.len(),
            ..Counts::default()
        };
        for index in 0..graph.len() as StageIndex {
            let open = graph.dependencies(index).len() as u32;
            let state = match open {
                0 => {
                    attention.push(index);
                    counts.ready += 1;
                    StageState::Ready
                }
                _ => StageState::Pending { open },
            };
            stages.push(StageRecord::new(state));
            *counts.ahead(graph.traits(index).clean_up) += 1;
        }
        let plan = &graph.plan;
        Self {
            id: id.clone(),
            stream: StreamId::run(id),
            plan_digest: created.plan_digest,
            requested_by: by.clone(),
            requested_at: at,
            purpose: created.purpose,
            revision: created.revision.clone(),
            source: created.source,
            revisions: created.revisions.clone(),
            again: created.again.clone(),
            position: 1,
            epoch: 0,
            touched: attention.clone(),
            attention,
            queued: BTreeSet::new(),
            backoffs: BTreeSet::new(),
            priorities: priorities(&graph, &created.durations),
            counts,
            facts: false,
            failed: None,
            cancel: None,
            stopped_at: None,
            parked: None,
            finished: None,
            environments: plan
                .environments
                .keys()
                .map(|name| (name.clone(), EnvironmentState::default()))
                .collect(),
            pools: plan
                .pools
                .keys()
                .map(|name| (name.clone(), PoolState::default()))
                .collect(),
            queue: PipelineQueue::default(),
            rollback: created.rollback,
            #[cfg(feature = "runtime")]
            kept: 0,
            stages,
            instances: Instances::default(),
            graph,
        }
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
        if event.stream == self.stream {
            if self.is_new(event, self.position)? {
                match event.read::<RunEvent>().map_err(decode)? {
                    Some(payload) => self.apply_run(event.position, event.at, &event.actor, &payload, None),
                    None => self.position = event.position,
                }
            }
        } else if event.stream.is(&StreamKind::ENVIRONMENT) {
            let Some((name, state)) = self.environments.get_key_value(event.stream.name()) else {
                return Ok(());
            };
            if self.is_new(event, state.position)? {
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
            }
        } else if event.stream.is(&StreamKind::PIPELINE) {
            let own = event.stream.name() == self.graph.plan.pipeline.as_str();
            if own && self.is_queued() && self.is_new(event, self.queue.position)? {
                self.queue.apply(event).map_err(decode)?;
            }
        } else if event.stream.is(&StreamKind::POOL) {
            let Some((name, state)) = self.pools.get_key_value(event.stream.name()) else {
                return Ok(());
            };
            if self.is_new(event, state.position)? {
                let payload = event.read::<PoolEvent>().map_err(decode)?;
                let name = name.clone();
                match payload {
                    Some(payload) => self.apply_pool(&name, event.position, event.at, &payload),
                    None => {
                        if let Some(state) = self.pools.get_mut(&name) {
                            state.position = event.position;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether an event comes right after what is known; one that is known already is not new.
    fn is_new(&self, event: &Event, known: Position) -> Result<bool, FoldError> {
        if event.position <= known {
            return Ok(false);
        }
        if event.position == known + 1 {
            return Ok(true);
        }
        Err(FoldError::Gap {
            run: self.id.clone(),
            stream: event.stream.clone(),
            known,
            found: event.position,
        })
    }

    pub(super) fn record(&mut self, index: StageIndex) -> &mut StageRecord {
        &mut self.stages[index as usize]
    }

    pub(super) fn stage_state(&self, index: StageIndex) -> &StageState {
        &self.stages[index as usize].state
    }

    /// The stages whose commands may have changed since the last call. A runner asks after every commit,
    /// instead of going through all stages.
    pub fn take_touched(&mut self) -> Vec<StageIndex> {
        let mut touched = Vec::new();
        self.take_touched_into(&mut touched);
        touched
    }

    /// The same, into a list that is used again; what was in it is gone.
    pub(crate) fn take_touched_into(&mut self, touched: &mut Vec<StageIndex>) {
        touched.clear();
        std::mem::swap(touched, &mut self.touched);
        if touched.len() > 1 {
            touched.sort_unstable();
            touched.dedup();
        }
    }

    /// The stage that was touched, if it is the only one.
    #[cfg(feature = "runtime")]
    pub(crate) fn only_touched(&self) -> Option<StageIndex> {
        match *self.touched {
            [stage] => Some(stage),
            _ => None,
        }
    }

    /// Touches one stage: its task ended.
    pub fn touch(&mut self, stage: StageIndex) {
        self.touched.push(stage);
    }

    /// Touches every stage that may ask for something: what a runner does first, after it claimed the run. Those
    /// that are done never do, and those that wait for others not before these have ended.
    pub fn touch_all(&mut self) {
        let asks = |&index: &StageIndex| {
            !matches!(
                self.stage_state(index),
                StageState::Pending { .. } | StageState::Done(_)
            )
        };
        self.touched = (0..self.stages.len() as StageIndex).filter(asks).collect();
    }
}

/// What counts of where a stage stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has not begun.
    Ahead,
    /// It has not begun, and could.
    Ready,
    AtWork,
    Unknown,
    /// It is over, or its instances stand for it.
    Other,
}

impl Standing {
    pub(super) fn of(state: &StageState) -> Self {
        match state {
            StageState::Pending { .. } | StageState::Held { .. } | StageState::Backoff(_) => Self::Ahead,
            StageState::Ready => Self::Ready,
            StageState::Running(_) | StageState::Lost(_) => Self::AtWork,
            StageState::Unknown { .. } => Self::Unknown,
            StageState::Expanded { .. } | StageState::Done(_) => Self::Other,
        }
    }

    fn is_ahead(self) -> bool {
        matches!(self, Self::Ahead | Self::Ready)
    }
}

impl Counts {
    /// A stage, of the clean-up or not, stood in one place and stands in another one.
    pub(super) fn move_on(&mut self, from: Standing, to: Standing, clean_up: bool) {
        match from {
            Standing::Ready => self.ready -= 1,
            Standing::AtWork => self.running -= 1,
            Standing::Unknown => self.unknown -= 1,
            Standing::Ahead | Standing::Other => {}
        }
        match to {
            Standing::Ready => self.ready += 1,
            Standing::AtWork => self.running += 1,
            Standing::Unknown => self.unknown += 1,
            Standing::Ahead | Standing::Other => {}
        }
        match (from.is_ahead(), to.is_ahead()) {
            (true, false) => *self.ahead(clean_up) -= 1,
            (false, true) => *self.ahead(clean_up) += 1,
            _ => {}
        }
    }

    /// The count of what has not begun, of the clean-up or of the rest.
    pub(super) fn ahead(&mut self, clean_up: bool) -> &mut usize {
        if clean_up {
            &mut self.clean_up_ahead
        } else {
            &mut self.work_ahead
        }
    }
}

/// For each stage the longest way to the end, itself included: in milliseconds as far as durations are known, and
/// one for each stage beyond.
fn priorities(graph: &RunGraph, durations: &BTreeMap<crate::StageName, u32>) -> Vec<u32> {
    let mut ways = vec![0_u32; graph.len()];
    for index in (0..graph.len() as StageIndex).rev() {
        let own = durations
            .get(&graph.stage(index).name)
            .copied()
            .unwrap_or(0)
            .max(1);
        let after = graph.dependents(index).iter().map(|&after| ways[after as usize]);
        ways[index as usize] = own.saturating_add(after.max().unwrap_or(0));
    }
    ways
}
