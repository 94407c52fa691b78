use std::sync::Arc;

use super::budget::Budget;
use super::event::{CancelRequested, RunClaimed, RunEvent, RunFinished, RunOutcome, StageResult};
use super::gates::Gates;
use super::graph::StageIndex;
use super::input::{Input, Moment, Refusal};
use super::stage_state::{StageEnd, StageState};
use super::state::RunState;
use super::view::Cancel;
use crate::estate::{EnvironmentEvent, Released};
use crate::pool::{PoolEvent, SlotReturned};
use crate::{Actor, EnvironmentName, PipelineName, PoolName, RunId, StageName, When};

/// An event that was decided, and where it belongs.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) actor: Actor,
    pub(crate) event: DecidedEvent,
}

/// The families that a run writes.
#[derive(Debug)]
pub(crate) enum DecidedEvent {
    /// An event of the run, and the stage that it is about, if it is about one.
    Run(Arc<RunEvent>, Option<StageIndex>),
    Environment(EnvironmentName, Box<EnvironmentEvent>),
    Pool(PoolName, Box<PoolEvent>),
    /// The run left the queue of its pipeline, whatever else happened there.
    Dequeued(PipelineName, RunId),
    /// Nothing happened there, but the decision depends on its stream being as it is.
    Unmoved(EnvironmentName),
}

impl DecidedEvent {
    /// Whether an attempt begins with it.
    pub(crate) fn begins(&self) -> bool {
        matches!(self, Self::Run(event, _) if matches!(**event, RunEvent::StageStarted(_)))
    }
}

/// Decisions, collected in order.
#[derive(Debug, Default)]
pub(super) struct Decisions(pub(super) Vec<Decided>);

impl Decisions {
    /// Whether nothing was decided but that attempts begin, if anything was.
    pub(super) fn only_begins(&self) -> bool {
        self.0.iter().all(|decided| decided.event.begins())
    }

    fn push(&mut self, actor: Actor, event: DecidedEvent) {
        self.0.push(Decided { actor, event });
    }

    pub(super) fn run(&mut self, event: impl Into<RunEvent>) {
        self.by(Actor::Engine, event);
    }

    /// An event about a stage.
    pub(super) fn stage(&mut self, stage: StageIndex, event: impl Into<RunEvent>) {
        let event = Arc::new(event.into());
        self.push(Actor::Engine, DecidedEvent::Run(event, Some(stage)));
    }

    pub(super) fn by(&mut self, actor: Actor, event: impl Into<RunEvent>) {
        self.push(actor, DecidedEvent::Run(Arc::new(event.into()), None));
    }

    /// The decision depends on the environment's stream being as it is.
    pub(super) fn depends_on(&mut self, name: &EnvironmentName) {
        self.push(Actor::Engine, DecidedEvent::Unmoved(name.clone()));
    }

    pub(super) fn environment(&mut self, name: &EnvironmentName, event: impl Into<EnvironmentEvent>) {
        self.push(
            Actor::Engine,
            DecidedEvent::Environment(name.clone(), Box::new(event.into())),
        );
    }

    fn dequeued(&mut self, pipeline: &PipelineName, run: RunId) {
        self.push(Actor::Engine, DecidedEvent::Dequeued(pipeline.clone(), run));
    }

    pub(super) fn pool(&mut self, name: &PoolName, event: impl Into<PoolEvent>) {
        let event = Box::new(event.into());
        self.push(Actor::Engine, DecidedEvent::Pool(name.clone(), event));
    }
}

/// The type under which a held environment shows among the verdicts of the gates.
pub const ENVIRONMENT_LOCK: &str = "environment-lock";

/// The type under which a newer deployment shows among the verdicts of the gates.
pub const NEWER_DEPLOYMENT: &str = "newer-deployment";

/// Every decision of a run. Pure: the state, the gates, an input and the moment go in, events come out.
///
/// The strategy: a stage that is ready is prepared if it has gates, an environment or reusable outcomes, and
/// started at once if it has none of them. Where not all can begin, the longest way to the end comes first. Gates come
/// before the environment's lock, and again under it. A failure stops what has not begun, as the pipeline's policy
/// says; the clean-up runs in any case. A delivery that finds an attempt without an end goes by the stage's effect.
impl RunState {
    pub(super) fn decide(
        &self,
        gates: &Gates,
        input: &Input,
        moment: Moment,
        out: &mut Decisions,
    ) -> Result<(), Refusal> {
        if self.finished.is_some() {
            return match input {
                Input::Claim { .. }
                | Input::Approve(_)
                | Input::Decide(_)
                | Input::Cancel { .. }
                | Input::Park { .. } => Err(Refusal::Ended { run: self.id.clone() }),
                _ => Ok(()),
            };
        }
        match input {
            Input::Claim { worker } => {
                if let Some(before) = self.waits_for_run() {
                    return Err(Refusal::NotItsTurn {
                        run: self.id.clone(),
                        before: before.clone(),
                    });
                }
                out.run(RunClaimed {
                    epoch: self.epoch.saturating_add(1),
                    worker: worker.clone(),
                });
            }
            Input::Park { missing } => {
                if self.parked.as_deref() != Some(missing) {
                    out.run(super::event::RunParked {
                        missing: missing.clone(),
                    });
                }
            }
            Input::Tick => {}
            Input::Prepared(preparation) => self.prepared(gates, preparation, moment, out),
            Input::Reusable {
                stage,
                fingerprint,
                from,
                outcome,
            } => self.reuse(*stage, *fingerprint, from, outcome, out),
            Input::Finished {
                stage,
                attempt,
                epoch,
                result,
                output,
            } => self.reported(*stage, (*attempt, *epoch), result, *output, moment, out),
            Input::Inspected {
                stage,
                attempt,
                found,
            } => self.inspected(*stage, *attempt, found, moment, out),
            Input::Approve(request) => self.approve(request, moment.now, out)?,
            Input::Decide(request) => self.decide_unknown(request, out)?,
            Input::Cancel { by, reason } => {
                if self.cancel.as_ref().is_some_and(|cancel| cancel.force) {
                    return Err(Refusal::CancelledAlready { run: self.id.clone() });
                }
                out.by(
                    by.clone(),
                    CancelRequested {
                        reason: reason.clone(),
                        // What never began has nothing to clean up.
                        force: self.cancel.is_some() || self.epoch == 0,
                        timed_out: false,
                    },
                );
            }
        }
        Ok(())
    }

    fn reported(
        &self,
        stage: StageIndex,
        (number, epoch): (u32, u64),
        result: &StageResult,
        output: Option<crate::Digest>,
        moment: Moment,
        out: &mut Decisions,
    ) {
        let Some(record) = self.stages.get(stage as usize) else {
            return;
        };
        if let StageState::Running(attempt) | StageState::Lost(attempt) = &record.state
            && attempt.attempt == number
            && attempt.epoch == epoch
            && epoch == self.epoch
        {
            self.finish(stage, attempt, result, output, moment, out);
        }
    }

    /// Decides whatever can be decided now. Tells whether it looked at all that asks for attention: a list in any order.
    pub(super) fn tick(&self, attention: &mut Vec<StageIndex>, moment: Moment, out: &mut Decisions) -> bool {
        if self.finished.is_some() {
            return true;
        }
        if let Some((at, request)) = self.time_is_up()
            && at <= moment.now
        {
            // What follows from it is decided next.
            out.run(request);
            return false;
        }
        if self.has_to_skip() {
            self.skip_what_will_not_begin(out);
            return false;
        }
        let holds = self.give_back(out);
        if !out.0.is_empty() {
            // What was given back is there for whatever comes next.
            return false;
        }
        let mut budget = Budget::of(self, moment);
        if !moment.leaving && (self.graph.lists || budget.may_run_out(attention.len() + self.queued.len())) {
            // What needs no slot comes first: it may make something ready that is more urgent, or fail the run.
            attention.sort_unstable();
            attention.dedup();
            let ready = |&&index: &&StageIndex| matches!(self.stage_state(index), StageState::Ready);
            let ready = attention.iter().filter(ready).count();
            if self.graph.lists || budget.may_run_out(ready + self.queued.len()) {
                for &index in &*attention {
                    if self.begin_without_slot(index, out) {
                        break;
                    }
                }
            }
            if !out.0.is_empty() {
                return false;
            }
        }
        for &(until, index) in &self.backoffs {
            if moment.leaving || until > moment.now {
                break;
            }
            self.try_again(index, moment, &mut budget, out);
        }
        self.put_in_order(attention, &budget);
        for &index in &*attention {
            match self.stage_state(index) {
                StageState::Ready => self.begin(index, moment, &mut budget, out),
                StageState::Running(attempt) if attempt.epoch < self.epoch && !moment.leaving => {
                    self.recover(index, attempt, moment, &mut budget, out);
                }
                _ => {}
            }
        }
        if self.counts.not_done == 0 && !holds {
            out.run(RunFinished {
                outcome: self.outcome_when_done(),
            });
            if self.is_queued() {
                out.dequeued(&self.graph.plan.pipeline, self.id.clone());
            }
        }
        true
    }

    /// What is to be looked at, the most urgent first: what is new, and as much of what waits for a slot as there
    /// may be slots.
    fn put_in_order(&self, all: &mut Vec<StageIndex>, budget: &Budget) {
        if !self.queued.is_empty() {
            // What must be prepared first does not begin here.
            let queued = self.queued.iter().map(|(_, index)| *index);
            let queued = queued.filter(|&index| !self.needs_preparation(index));
            all.extend(queued.take(budget.look_at()));
        }
        if all.len() > 1 {
            self.sort_by_urgency(all);
        }
    }

    /// The most urgent first, each once.
    pub(super) fn sort_by_urgency(&self, all: &mut Vec<StageIndex>) {
        let urgency = |&index: &StageIndex| (std::cmp::Reverse(self.priorities[index as usize]), index);
        all.sort_unstable_by_key(urgency);
        all.dedup();
    }

    /// Gives back environments and slots that nothing needs any more. Tells whether the run keeps an environment.
    fn give_back(&self, out: &mut Decisions) -> bool {
        let mut holds = false;
        if self.environments.is_empty() && self.pools.is_empty() {
            return holds;
        }
        for (name, environment) in &self.environments {
            let Some(lock) = environment.lock.as_ref().filter(|lock| lock.run == self.id) else {
                continue;
            };
            if self.needs_environment(name, &lock.stage) {
                holds = true;
            } else {
                let (run, token) = (self.id.clone(), lock.token);
                out.environment(name, Released { run, token });
            }
        }
        for (name, pool) in &self.pools {
            for slot in pool.slots.values().filter(|slot| slot.run == self.id) {
                if !self.needs_slot(&slot.stage) {
                    let (run, stage) = (slot.run.clone(), slot.stage.clone());
                    out.pool(name, SlotReturned { run, stage });
                }
            }
        }
        holds
    }

    fn needs_slot(&self, stage: &StageName) -> bool {
        let index = self.find(stage);
        index.is_some_and(|index| {
            matches!(
                self.stage_state(index),
                StageState::Running(_) | StageState::Lost(_) | StageState::Unknown { .. }
            )
        })
    }

    /// How the run ends, now that every stage has.
    fn outcome_when_done(&self) -> RunOutcome {
        let failed_itself = |state: &StageState| match state {
            StageState::Done(StageEnd::Cancelled { .. }) => false,
            StageState::Done(end) => end.is_failure(),
            _ => false,
        };
        let stopped = self
            .cancel
            .as_ref()
            .filter(|_| self.counts.unsuccessful > 0 && self.left_something_out());
        match (stopped, self.failed) {
            (Some(cancel), _) if cancel.timed_out => RunOutcome::Failed,
            (Some(_), _) if !self.stages.iter().any(|stage| failed_itself(&stage.state)) => {
                RunOutcome::Cancelled
            }
            (_, Some(_)) => RunOutcome::Failed,
            (_, None) => RunOutcome::Succeeded,
        }
    }
}

impl RunState {
    /// Whether a stage did not succeed that was to run. One that only runs after failures was not, if there were none.
    fn left_something_out(&self) -> bool {
        (0..self.stages.len() as StageIndex).any(|index| match self.stage_state(index) {
            StageState::Done(StageEnd::Skipped { .. }) if self.planned(index).when == When::Failure => {
                self.failed_before(index)
            }
            StageState::Done(end) => !end.is_success(),
            _ => false,
        })
    }
}

pub(super) fn cancelled_by(cancel: &Cancel) -> String {
    if cancel.timed_out {
        return cancel.reason.clone();
    }
    if cancel.reason.is_empty() {
        format!("the run was cancelled by {}", cancel.by.name())
    } else {
        format!("the run was cancelled by {}: {}", cancel.by.name(), cancel.reason)
    }
}
