use super::decide::ENVIRONMENT_LOCK;
use super::event::{RunEvent, RunOutcome, StageResult};
use super::graph::StageIndex;
use super::stage_state::{Attempt, StageEnd, StageState};
use super::state::{Cancel, RunState};
use crate::estate::EnvironmentEvent;
use crate::{Actor, Decision, Effect, EnvironmentName, EventRef, Failure, Position, StreamId, Timestamp};

/// Every change of a run's state. An event that does not fit the state (a report of an older attempt or
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
                let concerned: Vec<_> = self.graph.on_environment(name).to_vec();
                self.touched.extend(concerned);
            }
            _ => {}
        }
    }

    pub(crate) fn apply_run(&mut self, position: Position, at: Timestamp, actor: &Actor, event: &RunEvent) {
        if position <= self.position {
            return;
        }
        self.position = position;
        match event {
            // The first event made the state.
            RunEvent::Created(_) => {}
            RunEvent::Claimed(claimed) => {
                if claimed.epoch > self.epoch {
                    self.epoch = claimed.epoch;
                    self.look_again(at);
                }
            }
            RunEvent::ActionPlanned(planned) => {
                if let Some(index) = self.graph.find(&planned.stage) {
                    let extra = self.extra(index);
                    extra.plans_in_a_row = extra.plans_in_a_row.saturating_add(1);
                    extra.planned = Some(planned.clone());
                    // What the gates said was about another plan.
                    if matches!(self.stages[index as usize].state, StageState::Held { .. }) {
                        self.set(index, StageState::Ready, at);
                    }
                }
            }
            RunEvent::GatesEvaluated(evaluated) => {
                let Some(index) = self.graph.find(&evaluated.stage) else {
                    return;
                };
                let extra = self.extra(index);
                extra.plans_in_a_row = 0;
                extra.gates = Some(evaluated.clone());
                let waits = evaluated
                    .verdicts
                    .iter()
                    .any(|gate| gate.verdict.decision != Decision::Allow);
                if matches!(
                    self.stages[index as usize].state,
                    StageState::Ready | StageState::Held { .. }
                ) {
                    let earliest = evaluated
                        .verdicts
                        .iter()
                        .filter_map(|gate| gate.verdict.earliest)
                        .min();
                    let held = StageState::Held {
                        verdicts: evaluated.verdicts.clone(),
                        earliest,
                    };
                    self.set(index, if waits { held } else { StageState::Ready }, at);
                }
            }
            RunEvent::Approved(approval) => {
                let Some(index) = self.graph.find(&approval.stage) else {
                    return;
                };
                self.extra(index).approvals.push(approval.clone());
                if matches!(self.stages[index as usize].state, StageState::Held { .. }) {
                    self.set(index, StageState::Ready, at);
                }
            }
            RunEvent::StageStarted(started) => {
                let Some(index) = self.graph.find(&started.stage) else {
                    return;
                };
                let record = self.record(index);
                let may_start = match &record.state {
                    StageState::Ready | StageState::Held { .. } => true,
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
                record.started = Some(at);
                let attempt = Attempt {
                    attempt: started.attempt,
                    generation: started.generation,
                    epoch: started.epoch,
                    since: at,
                    deadline: started.deadline,
                    fence: started.fence,
                    fingerprint: started.fingerprint,
                    action_plan: started.action_plan,
                };
                if !started.approvals.is_empty() {
                    let extra = self.extra(index);
                    for &used in &started.approvals {
                        if let Some(approval) = extra.approvals.get_mut(used) {
                            approval.used = true;
                        }
                    }
                }
                self.set(index, StageState::Running(attempt), at);
            }
            RunEvent::StageFinished(finished) => {
                let Some(index) = self.graph.find(&finished.stage) else {
                    return;
                };
                let effect = self.graph.stage(index).effect;
                let attempt = match &self.stages[index as usize].state {
                    StageState::Running(attempt) | StageState::Lost(attempt) => Some(attempt.clone()),
                    StageState::Ready | StageState::Held { .. } if finished.attempt == 0 => None,
                    _ => return,
                };
                if let Some(attempt) = &attempt
                    && (attempt.attempt != finished.attempt || finished.epoch < attempt.epoch)
                {
                    return;
                }
                let record = self.record(index);
                record.output = finished.output.or(record.output);
                let next = match (&finished.result, attempt) {
                    (StageResult::Completed { outcome }, _) => StageState::Done(StageEnd::Completed {
                        outcome: (**outcome).clone(),
                    }),
                    (
                        StageResult::Failed {
                            failure: Failure::Unknown,
                            error,
                        },
                        Some(attempt),
                    ) => match effect {
                        Effect::Inspectable => StageState::Lost(attempt),
                        Effect::AtMostOnce => StageState::Unknown {
                            attempt,
                            reason: error.join(": "),
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
                        reason: reason.clone(),
                    }),
                };
                self.set(index, next, at);
            }
            RunEvent::StageReused(reused) => {
                let Some(index) = self.graph.find(&reused.stage) else {
                    return;
                };
                if self.may_begin(index) {
                    let end = StageEnd::Reused {
                        outcome: reused.outcome.clone(),
                        from: reused.from.clone(),
                    };
                    self.set(index, StageState::Done(end), at);
                }
            }
            RunEvent::StageSkipped(skipped) => {
                let Some(index) = self.graph.find(&skipped.stage) else {
                    return;
                };
                let pending = matches!(self.stages[index as usize].state, StageState::Pending { .. });
                if pending || self.may_begin(index) {
                    let end = StageEnd::Skipped {
                        cause: skipped.cause.clone(),
                        reason: skipped.reason.clone(),
                        denied: skipped.denied,
                    };
                    self.set(index, StageState::Done(end), at);
                }
            }
            RunEvent::StageUnknown(unknown) => {
                let Some(index) = self.graph.find(&unknown.stage) else {
                    return;
                };
                let (StageState::Running(attempt) | StageState::Lost(attempt)) =
                    &self.stages[index as usize].state
                else {
                    return;
                };
                if attempt.attempt == unknown.attempt {
                    let attempt = attempt.clone();
                    self.set(
                        index,
                        StageState::Unknown {
                            attempt,
                            reason: unknown.reason.clone(),
                        },
                        at,
                    );
                }
            }
            RunEvent::StageDecided(decided) => {
                let Some(index) = self.graph.find(&decided.stage) else {
                    return;
                };
                let StageState::Unknown { attempt, .. } = &self.stages[index as usize].state else {
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
                    if self.graph.stage(index).effect == Effect::Inspectable {
                        // What came of it is worth a look: the environment's history depends on it.
                        let attempt = attempt.clone();
                        self.extra(index).vouched = Some(comment);
                        self.set(index, StageState::Lost(attempt), at);
                    } else {
                        self.set(index, StageState::Done(StageEnd::Accepted { comment }), at);
                    }
                } else {
                    // A definite "no" makes a new intention out of the next attempt.
                    self.record(index).generation += 1;
                    self.set(index, StageState::Ready, at);
                }
            }
            RunEvent::CancelRequested(cancel) => {
                if self.cancel.is_none() {
                    self.cancel = Some(Cancel {
                        by: actor.clone(),
                        reason: cancel.reason.clone(),
                    });
                    self.look_again(at);
                }
            }
            RunEvent::Finished(finished) => {
                if self.finished.is_none() {
                    self.finished = Some((finished.outcome, at));
                }
            }
        }
    }

    fn may_begin(&self, index: StageIndex) -> bool {
        matches!(
            self.stages[index as usize].state,
            StageState::Ready | StageState::Held { .. }
        )
    }

    pub(super) fn extra(&mut self, index: StageIndex) -> &mut super::state::StageExtra {
        self.stages[index as usize].extra.get_or_insert_default()
    }

    /// Puts what can go on before `decide` again: a new delivery, or a request to stop.
    fn look_again(&mut self, at: Timestamp) {
        for index in 0..self.stages.len() as StageIndex {
            match self.stages[index as usize].state {
                StageState::Held { .. } => self.set(index, StageState::Ready, at),
                StageState::Ready | StageState::Running(_) | StageState::Lost(_) => {
                    self.attention.insert(index);
                    self.touched.push(index);
                }
                StageState::Pending { .. } | StageState::Unknown { .. } | StageState::Done(_) => {}
            }
        }
    }

    /// What waits for an environment looks again: somebody gave it back, or it is known again what is there.
    fn wake_environment(&mut self, name: &EnvironmentName, at: Timestamp) {
        let concerned: Vec<_> = self.graph.on_environment(name).to_vec();
        for index in concerned {
            match &self.stages[index as usize].state {
                StageState::Held { verdicts, .. }
                    if verdicts.iter().any(|gate| gate.gate == ENVIRONMENT_LOCK) =>
                {
                    self.set(index, StageState::Ready, at);
                }
                StageState::Ready => self.touched.push(index),
                _ => {}
            }
        }
    }

    /// The one place where a stage's state changes; it keeps the counters and sets in step.
    fn set(&mut self, index: StageIndex, next: StageState, at: Timestamp) {
        let count = |state: &StageState| match state {
            StageState::Running(_) | StageState::Lost(_) => (1, 0),
            StageState::Unknown { .. } => (0, 1),
            _ => (0, 0),
        };
        let (was_running, was_unknown) = count(&self.stages[index as usize].state);
        let (is_running, is_unknown) = count(&next);
        self.running = self.running + is_running - was_running;
        self.unknown = self.unknown + is_unknown - was_unknown;
        if matches!(next, StageState::Ready | StageState::Lost(_)) {
            self.attention.insert(index);
        } else {
            self.attention.remove(&index);
        }
        self.touched.push(index);
        let freed = (was_running, was_unknown) != (0, 0) && (is_running, is_unknown) == (0, 0);
        let end = if let StageState::Done(end) = &next {
            Some(end.is_success())
        } else {
            None
        };
        self.record(index).state = next;
        if freed && let Some(environment) = self.graph.stage(index).environment.clone() {
            self.wake_environment(&environment, at);
        }
        let Some(success) = end else { return };
        let record = self.record(index);
        record.ended = Some(at);
        self.not_done -= 1;
        if success {
            let dependents = self.graph.dependents(index).to_vec();
            for dependent in dependents {
                if let StageState::Pending { open } = self.stages[dependent as usize].state {
                    match open {
                        0 | 1 => self.set(dependent, StageState::Ready, at),
                        _ => self.record(dependent).state = StageState::Pending { open: open - 1 },
                    }
                }
            }
        } else if self.failed.is_none() {
            self.failed = Some(index);
        }
    }

    /// How the run ends, now that every stage has.
    pub(super) fn outcome_when_done(&self) -> RunOutcome {
        match self.failed {
            None => RunOutcome::Succeeded,
            Some(_)
                if self.cancel.is_some() && !self.stages.iter().any(|stage| failed_itself(&stage.state)) =>
            {
                RunOutcome::Cancelled
            }
            Some(_) => RunOutcome::Failed,
        }
    }
}

fn failed_itself(state: &StageState) -> bool {
    match state {
        StageState::Done(StageEnd::Completed { outcome }) => !outcome.is_success(),
        StageState::Done(StageEnd::Failed { .. } | StageEnd::Skipped { denied: true, .. }) => true,
        _ => false,
    }
}
