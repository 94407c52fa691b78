use std::cmp::Reverse;
use std::sync::Arc;

use super::decide::ENVIRONMENT_LOCK;
use super::event::{RunEvent, StageFinished, StageResult, StageStarted};
use super::graph::StageIndex;
use super::stage_state::{Attempt, Backoff, StageEnd, StageState};
use super::state::{RunState, Stamp, Standing};
use super::view::Cancel;
use crate::estate::EnvironmentEvent;
use crate::pool::PoolEvent;
use crate::{
    Actor, Decision, Effect, EnvironmentName, EventRef, Failure, FailurePolicy, PoolName, Position,
    StageName, StreamId, Timestamp,
};

/// What the events of a run change. An event that does not fit the state (a report of an older attempt or
/// delivery, a second end) changes nothing, so events may be repeated and come late.
impl RunState {
    pub(super) fn apply_environment(
        &mut self,
        name: &EnvironmentName,
        position: Position,
        at: Timestamp,
        event: &EnvironmentEvent,
    ) {
        let Some(state) = self.environments.get_mut(name) else {
            return;
        };
        if position <= state.position {
            return;
        }
        state.position = position;
        state.change(
            event,
            at,
            EventRef {
                stream: StreamId::environment(name),
                position,
            },
        );
        match event {
            EnvironmentEvent::Released(_) => self.wake_environment(name, at),
            EnvironmentEvent::Locked(locked) if locked.run == self.id => {
                let concerned: Vec<_> = self.on_environment(name).collect();
                self.touched.extend(concerned);
            }
            _ => {}
        }
    }

    pub(super) fn apply_pool(
        &mut self,
        name: &PoolName,
        position: Position,
        at: Timestamp,
        event: &PoolEvent,
    ) {
        let Some(state) = self.pools.get_mut(name) else {
            return;
        };
        if position <= state.position {
            return;
        }
        state.position = position;
        state.change(event, at);
    }

    /// Applies an event of the run's own stream. `stage` is the stage that it is about, if that is known.
    pub(crate) fn apply_run(
        &mut self,
        position: Position,
        at: Timestamp,
        actor: &Actor,
        event: &RunEvent,
        stage: Option<StageIndex>,
    ) {
        if position <= self.position {
            return;
        }
        self.position = position;
        let find = |state: &Self, name: &StageName| stage.or_else(|| state.find(name));
        match event {
            // The first event made the state.
            RunEvent::Created(_) => {}
            RunEvent::Claimed(claimed) => {
                if claimed.epoch > self.epoch {
                    self.epoch = claimed.epoch;
                    self.parked = None;
                    self.look_again(at);
                }
            }
            RunEvent::Parked(parked) => self.parked = Some(parked.missing.clone()),
            RunEvent::ActionPlanned(planned) => {
                if let Some(index) = find(self, &planned.stage) {
                    let extra = self.extra(index);
                    extra.plans_in_a_row = extra.plans_in_a_row.saturating_add(1);
                    extra.planned = Some((**planned).clone());
                    // What the gates said was about another plan.
                    if matches!(self.stage_state(index), StageState::Held { .. }) {
                        self.set(index, StageState::Ready, at);
                    }
                }
            }
            RunEvent::GatesEvaluated(evaluated) => {
                let Some(index) = find(self, &evaluated.stage) else {
                    return;
                };
                let extra = self.extra(index);
                extra.plans_in_a_row = 0;
                extra.gates = Some((**evaluated).clone());
                let verdicts = &evaluated.verdicts;
                let waits = verdicts
                    .iter()
                    .any(|gate| gate.verdict.decision != Decision::Allow);
                if self.may_begin(index) {
                    let held = StageState::Held {
                        verdicts: verdicts.as_slice().into(),
                        earliest: verdicts.iter().filter_map(|gate| gate.verdict.earliest).min(),
                    };
                    self.set(index, if waits { held } else { StageState::Ready }, at);
                }
            }
            RunEvent::Approved(approval) => {
                let Some(index) = find(self, &approval.stage) else {
                    return;
                };
                self.extra(index).approvals.push((**approval).clone());
                if matches!(self.stage_state(index), StageState::Held { .. }) {
                    self.set(index, StageState::Ready, at);
                }
            }
            RunEvent::StageStarted(started) => {
                if let Some(index) = find(self, &started.stage) {
                    self.started(index, started, at);
                }
            }
            RunEvent::StageFinished(finished) => {
                if let Some(index) = find(self, &finished.stage) {
                    self.ended(index, finished, at);
                }
            }
            RunEvent::StageReused(reused) => {
                if let Some(index) = find(self, &reused.stage)
                    && self.may_begin(index)
                {
                    let end = StageEnd::Reused {
                        outcome: Arc::clone(&reused.outcome),
                        from: reused.from.clone(),
                    };
                    self.set(index, StageState::Done(end), at);
                }
            }
            RunEvent::StageExpanded(expanded) => {
                if let Some(index) = find(self, &expanded.stage)
                    && self.may_begin(index)
                {
                    self.expand(index, &expanded.instances, at);
                }
            }
            RunEvent::StageSkipped(skipped) => {
                let Some(index) = find(self, &skipped.stage) else {
                    return;
                };
                let pending = matches!(self.stage_state(index), StageState::Pending { .. });
                if pending || self.may_begin(index) {
                    let end = StageEnd::Skipped {
                        cause: skipped.cause.clone(),
                        reason: skipped.reason.as_str().into(),
                        denied: skipped.denied,
                    };
                    self.set(index, StageState::Done(end), at);
                }
            }
            RunEvent::StageUnknown(unknown) => {
                let Some(index) = find(self, &unknown.stage) else {
                    return;
                };
                let (StageState::Running(attempt) | StageState::Lost(attempt)) = self.stage_state(index)
                else {
                    return;
                };
                if attempt.attempt == unknown.attempt {
                    let next = StageState::Unknown {
                        attempt: attempt.clone(),
                        reason: unknown.reason.as_str().into(),
                    };
                    self.set(index, next, at);
                }
            }
            RunEvent::StageDecided(decided) => {
                let Some(index) = find(self, &decided.stage) else {
                    return;
                };
                let StageState::Unknown { attempt, .. } = self.stage_state(index) else {
                    return;
                };
                if attempt.attempt != decided.attempt {
                    return;
                }
                if decided.happened {
                    let comment = if decided.comment.is_empty() {
                        format!("{} says that it happened", actor.name())
                    } else {
                        format!("{} says that it happened: {}", actor.name(), decided.comment)
                    };
                    if self.planned(index).effect == Effect::Inspectable {
                        // What came of it is worth a look: the environment's history depends on it.
                        let attempt = attempt.clone();
                        self.extra(index).vouched = Some(comment);
                        self.set(index, StageState::Lost(attempt), at);
                    } else {
                        let comment = comment.into();
                        self.set(index, StageState::Done(StageEnd::Accepted { comment }), at);
                    }
                } else {
                    // A definite "no" makes a new intention out of the next attempt.
                    let record = self.record(index);
                    record.generation += 1;
                    if let Some(extra) = &mut record.extra {
                        extra.first_began = None;
                    }
                    self.set(index, StageState::Ready, at);
                }
            }
            RunEvent::CancelRequested(request) => {
                let force = self.cancel.as_ref().is_some_and(|cancel| cancel.force);
                if self.cancel.is_none() || request.force && !force {
                    let timed_out = self.cancel.as_ref().map(|cancel| cancel.timed_out);
                    self.cancel = Some(Cancel {
                        by: actor.clone(),
                        reason: request.reason.clone(),
                        force: request.force,
                        timed_out: timed_out.unwrap_or(request.timed_out),
                    });
                    self.stop(at);
                }
            }
            RunEvent::Finished(finished) => {
                if self.finished.is_none() {
                    self.finished = Some((finished.outcome, at));
                }
            }
        }
    }

    fn started(&mut self, index: StageIndex, started: &StageStarted, at: Timestamp) {
        if let StageState::Running(attempt) | StageState::Lost(attempt) = self.stage_state(index)
            && self.planned(index).retry.is_some()
        {
            let since = attempt.since;
            self.extra(index).first_began.get_or_insert(since);
        }
        let record = self.record(index);
        let may_start = match &record.state {
            StageState::Ready | StageState::Held { .. } | StageState::Backoff(_) => true,
            // Begun again by a later delivery.
            StageState::Running(attempt) | StageState::Lost(attempt) => {
                started.attempt > attempt.attempt && started.epoch >= attempt.epoch
            }
            _ => false,
        };
        if !may_start || started.attempt <= record.attempts {
            return;
        }
        record.attempts = started.attempt;
        record.generation = started.generation;
        record.started = at.into();
        let attempt = Attempt {
            attempt: started.attempt,
            generation: started.generation,
            epoch: started.epoch,
            since: at,
            details: started.details.clone(),
        };
        if !started.details().approvals.is_empty() {
            let extra = self.extra(index);
            for &used in &started.details().approvals {
                if let Some(approval) = extra.approvals.get_mut(used) {
                    approval.used = true;
                }
            }
        }
        self.set(index, StageState::Running(attempt), at);
    }

    fn ended(&mut self, index: StageIndex, finished: &StageFinished, at: Timestamp) {
        let attempt = match self.stage_state(index) {
            StageState::Running(attempt) | StageState::Lost(attempt) => Some(attempt),
            StageState::Backoff(backoff) => Some(&backoff.attempt),
            StageState::Ready | StageState::Held { .. } if finished.attempt == 0 => None,
            _ => return,
        };
        if let Some(attempt) = attempt
            && (attempt.attempt != finished.attempt || finished.epoch < attempt.epoch)
        {
            return;
        }
        if let (Some(until), Some(attempt)) = (&finished.retry_at, attempt) {
            let backoff = Backoff {
                until: **until,
                attempt: attempt.clone(),
                result: finished.result.clone(),
            };
            return self.back_off(index, finished, backoff, at);
        }
        let next = match (&finished.result, attempt) {
            (StageResult::Completed { outcome }, _) => StageState::Done(StageEnd::Completed {
                outcome: Arc::clone(outcome),
            }),
            (
                StageResult::Failed {
                    failure: Failure::Unknown,
                    error,
                },
                Some(attempt),
            ) => match self.planned(index).effect {
                Effect::Inspectable => StageState::Lost(attempt.clone()),
                Effect::AtMostOnce => StageState::Unknown {
                    attempt: attempt.clone(),
                    reason: error.join(": ").into(),
                },
                // Doing it again is harmless, but nobody asked for it.
                Effect::Pure | Effect::Idempotent => StageState::Done(StageEnd::Failed {
                    failure: Failure::Errored,
                    error: error.clone(),
                }),
            },
            (StageResult::Failed { failure, error }, _) => StageState::Done(StageEnd::Failed {
                failure: *failure,
                error: error.clone(),
            }),
            (StageResult::Cancelled { reason }, _) => StageState::Done(StageEnd::Cancelled {
                reason: reason.as_str().into(),
            }),
        };
        self.keep_output(index, finished);
        self.set(index, next, at);
    }

    fn keep_output(&mut self, index: StageIndex, finished: &StageFinished) {
        if let Some(output) = &finished.output {
            self.record(index).output = Some(output.clone());
        }
    }

    fn back_off(&mut self, index: StageIndex, finished: &StageFinished, backoff: Backoff, at: Timestamp) {
        self.keep_output(index, finished);
        let definite = !matches!(
            finished.result,
            StageResult::Failed {
                failure: Failure::Unknown,
                ..
            }
        );
        if definite {
            self.record(index).generation += 1;
        }
        let extra = self.extra(index);
        extra.failures += 1;
        extra.first_began.get_or_insert(backoff.attempt.since);
        self.set(index, StageState::Backoff(Box::new(backoff)), at);
    }

    pub(super) fn may_begin(&self, index: StageIndex) -> bool {
        matches!(
            self.stage_state(index),
            StageState::Ready | StageState::Held { .. }
        )
    }

    pub(super) fn extra(&mut self, index: StageIndex) -> &mut super::state::StageExtra {
        self.stages[index as usize].extra.get_or_insert_default()
    }

    /// From now on only the clean-up begins; with a second request not even that.
    fn stop(&mut self, at: Timestamp) {
        self.stopped_at.get_or_insert(at);
        self.look_again(at);
    }

    /// Puts what can go on before `decide` again: a new delivery, or a request to stop.
    fn look_again(&mut self, at: Timestamp) {
        for index in 0..self.stages.len() as StageIndex {
            match self.stage_state(index) {
                StageState::Held { .. } => self.set(index, StageState::Ready, at),
                StageState::Ready | StageState::Running(_) | StageState::Lost(_) | StageState::Backoff(_) => {
                    self.attention.push(index);
                    self.touched.push(index);
                }
                StageState::Pending { .. }
                | StageState::Expanded { .. }
                | StageState::Unknown { .. }
                | StageState::Done(_) => {}
            }
        }
    }

    /// What waits for an environment looks again: somebody gave it back, or it is known again what is there.
    fn wake_environment(&mut self, name: &EnvironmentName, at: Timestamp) {
        let concerned: Vec<_> = self.on_environment(name).collect();
        for index in concerned {
            match self.stage_state(index) {
                StageState::Held { verdicts, .. }
                    if verdicts.iter().any(|gate| gate.gate == ENVIRONMENT_LOCK) =>
                {
                    self.set(index, StageState::Ready, at);
                }
                StageState::Ready => {
                    self.attention.push(index);
                    self.touched.push(index);
                }
                _ => {}
            }
        }
    }

    /// The one place where a stage's state changes; it keeps the counters and lists in step.
    pub(super) fn set(&mut self, index: StageIndex, next: StageState, at: Timestamp) {
        let traits = self.graph.traits(self.template(index));
        let was = std::mem::replace(&mut self.record(index).state, next);
        let is = &self.stages[index as usize].state;
        let (before, now) = (Standing::of(&was), Standing::of(is));
        if before != now {
            self.counts.move_on(before, now, traits.clean_up);
        }
        match &was {
            StageState::Ready if !self.queued.is_empty() => {
                let urgency = (Reverse(self.priorities[index as usize]), index);
                self.queued.remove(&urgency);
            }
            StageState::Backoff(backoff) => {
                self.backoffs.remove(&(backoff.until, index));
            }
            _ => {}
        }
        let mut end = None;
        match is {
            StageState::Ready | StageState::Lost(_) => self.attention.push(index),
            StageState::Backoff(backoff) => {
                self.backoffs.insert((backoff.until, index));
            }
            StageState::Done(how) => {
                self.facts |= is.tells_facts();
                end = Some((how.is_success(), how.is_failure()));
            }
            _ => {}
        }
        // A plain stage asks for something only when it begins, or lost sight of its effect.
        if now == Standing::AtWork || !traits.plain {
            self.touched.push(index);
        }
        let left = before != now && matches!(before, Standing::AtWork | Standing::Unknown);
        if !self.environments.is_empty()
            && left
            && let Some(environment) = self.planned(index).environment.clone()
        {
            self.wake_environment(&environment, at);
        }
        if let Some((success, failure)) = end {
            self.done(index, success, failure, at);
        }
    }

    /// What the end of a stage means for the others.
    fn done(&mut self, index: StageIndex, success: bool, failure: bool, at: Timestamp) {
        self.record(index).ended = Stamp::from(at);
        self.counts.not_done -= 1;
        if !success {
            self.counts.unsuccessful += 1;
        }
        if failure && self.failed.is_none() {
            self.failed = Some(index);
            if self.graph.plan.on_failure != FailurePolicy::Continue {
                self.stop(at);
            }
        }
        let template = self.template(index);
        if template != index {
            return self.instance_ended(template, at);
        }
        for place in self.graph.dependents_range(index) {
            let dependent = self.graph.dependent(place);
            if let StageState::Pending { open } = &mut self.record(dependent).state {
                *open -= 1;
                if *open == 0 {
                    self.set(dependent, StageState::Ready, at);
                }
            }
        }
    }
}
