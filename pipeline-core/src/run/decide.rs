use std::collections::HashMap;

use super::event::{
    ActionPlanned, CancelRequested, GateVerdict, GatesEvaluated, RunClaimed, RunEvent, RunFinished,
    StageFinished, StageResult, StageReused, StageSkipped, StageStarted, StageUnknown,
};
use super::gates::Gates;
use super::graph::StageIndex;
use super::input::{Input, Preparation, Refusal};
use super::stage_state::{Attempt, StageEnd, StageState};
use super::state::RunState;
use crate::estate::{EnvironmentEvent, Released};
use crate::{
    Actor, Decision, Effect, EnvironmentName, EvidenceSet, Failure, Fence, Inspection, Outcome, StageName,
    Timestamp,
};

/// An event that was decided, and where it belongs.
#[derive(Debug, Clone)]
pub(crate) struct Decided {
    pub(crate) actor: Actor,
    pub(crate) event: DecidedEvent,
}

/// The families that a run writes.
#[derive(Debug, Clone)]
pub(crate) enum DecidedEvent {
    Run(RunEvent),
    Environment(EnvironmentName, EnvironmentEvent),
    /// Nothing happened there, but the decision depends on its stream being as it is.
    Unmoved(EnvironmentName),
}

/// Decisions, collected in order.
#[derive(Debug, Default)]
pub(super) struct Decisions(pub(super) Vec<Decided>);

impl Decisions {
    pub(super) fn run(&mut self, event: impl Into<RunEvent>) {
        self.by(Actor::Engine, event);
    }

    pub(super) fn by(&mut self, actor: Actor, event: impl Into<RunEvent>) {
        self.0.push(Decided {
            actor,
            event: DecidedEvent::Run(event.into()),
        });
    }

    /// The decision depends on the environment's stream being as it is.
    pub(super) fn depends_on(&mut self, name: &EnvironmentName) {
        let event = DecidedEvent::Unmoved(name.clone());
        self.0.push(Decided {
            actor: Actor::Engine,
            event,
        });
    }

    pub(super) fn environment(&mut self, name: &EnvironmentName, event: impl Into<EnvironmentEvent>) {
        let event = DecidedEvent::Environment(name.clone(), event.into());
        self.0.push(Decided {
            actor: Actor::Engine,
            event,
        });
    }
}

/// How many action plans may come one after another before a stage is refused that never plans the same twice.
const MOST_PLANS_IN_A_ROW: u32 = 3;

/// The type under which a held environment shows among the verdicts of the gates.
pub const ENVIRONMENT_LOCK: &str = "environment-lock";

/// Every decision of a run. Pure: the state, the gates, an input and the time go in, events come out.
///
/// The strategy: a stage that is ready is prepared if it has gates, an environment or reusable outcomes, and
/// started at once if it has none of them. Gates come before the environment's lock, and again under it. The
/// first failure stops whatever has not begun. A delivery that finds an attempt without an end goes by the
/// stage's effect.
impl RunState {
    pub(crate) fn decide(
        &self,
        gates: &Gates,
        input: &Input,
        now: Timestamp,
    ) -> Result<Vec<Decided>, Refusal> {
        let mut out = Decisions::default();
        if self.finished.is_some() {
            return match input {
                Input::Claim { .. } | Input::Approve(_) | Input::Decide(_) | Input::Cancel { .. } => {
                    Err(Refusal::Ended { run: self.id.clone() })
                }
                _ => Ok(out.0),
            };
        }
        match input {
            Input::Claim { worker } => out.run(RunClaimed {
                epoch: self.epoch.saturating_add(1),
                worker: worker.clone(),
            }),
            Input::Tick => self.tick(now, &mut out),
            Input::Prepared(preparation) => self.prepared(gates, preparation, now, &mut out),
            Input::Finished {
                stage,
                attempt,
                epoch,
                result,
                output,
            } => {
                if let Some((index, begun)) = self.attempt_of(stage, *attempt, *epoch) {
                    self.finish(index, begun, result, *output, &mut out);
                }
            }
            Input::Inspected {
                stage,
                attempt,
                found,
            } => self.inspected(stage, *attempt, found, now, &mut out),
            Input::Approve(request) => self.approve(request, now, &mut out)?,
            Input::Decide(request) => self.decide_unknown(request, &mut out)?,
            Input::Cancel { by, reason } => {
                if self.cancel.is_some() {
                    return Err(Refusal::CancelledAlready { run: self.id.clone() });
                }
                out.by(
                    by.clone(),
                    CancelRequested {
                        reason: reason.clone(),
                    },
                );
            }
        }
        Ok(out.0)
    }

    /// Whether nothing new may begin.
    pub(super) fn is_stopping(&self) -> bool {
        self.cancel.is_some() || self.failed.is_some()
    }

    fn tick(&self, now: Timestamp, out: &mut Decisions) {
        if self.is_stopping() && self.not_done > self.running + self.unknown {
            self.skip_what_has_not_begun(out);
        }
        let mut granted = Vec::new();
        for &index in &self.attention {
            match &self.stages[index as usize].state {
                StageState::Ready if !self.is_stopping() => self.begin(index, now, &mut granted, out),
                StageState::Running(attempt) if attempt.epoch < self.epoch => {
                    self.recover(index, attempt, now, out)
                }
                _ => {}
            }
        }
        let mut holds = false;
        for (name, environment) in &self.environments {
            let Some(lock) = environment.lock.as_ref().filter(|lock| lock.run == self.id) else {
                continue;
            };
            if self.needs_environment(name, &lock.stage) {
                holds = true;
            } else {
                out.environment(
                    name,
                    Released {
                        run: self.id.clone(),
                        token: lock.token,
                    },
                );
            }
        }
        if self.not_done == 0 && !holds {
            out.run(RunFinished {
                outcome: self.outcome_when_done(),
            });
        }
    }

    /// Skips every stage that has not begun, and names the stage that is the reason.
    fn skip_what_has_not_begun(&self, out: &mut Decisions) {
        let mut causes: HashMap<StageIndex, StageIndex> = HashMap::new();
        for index in 0..self.stages.len() as StageIndex {
            let begun = !matches!(
                self.stages[index as usize].state,
                StageState::Pending { .. } | StageState::Ready | StageState::Held { .. }
            );
            if begun {
                continue;
            }
            let cause = self.graph.dependencies(index).iter().find_map(|dependency| {
                if let Some(cause) = causes.get(dependency) {
                    return Some(*cause);
                }
                match &self.stages[*dependency as usize].state {
                    StageState::Done(end) if !end.is_success() => Some(*dependency),
                    _ => None,
                }
            });
            let (cause, reason) = match (cause, self.failed, &self.cancel) {
                (Some(cause), ..) => {
                    causes.insert(index, cause);
                    let name = &self.graph.stage(cause).name;
                    (
                        Some(name.clone()),
                        format!("it depends on stage `{name}`, which {}", self.how_it_ended(cause)),
                    )
                }
                (None, _, Some(cancel)) => (None, cancelled_by(cancel)),
                (None, Some(failed), None) => {
                    let name = &self.graph.stage(failed).name;
                    (
                        Some(name.clone()),
                        format!("the run stopped: stage `{name}` {}", self.how_it_ended(failed)),
                    )
                }
                (None, None, None) => continue,
            };
            let stage = self.graph.stage(index).name.clone();
            out.run(StageSkipped {
                stage,
                cause,
                reason,
                denied: false,
            });
        }
    }

    fn how_it_ended(&self, index: StageIndex) -> &'static str {
        match &self.stages[index as usize].state {
            StageState::Done(StageEnd::Cancelled { .. }) => "was cancelled",
            StageState::Done(StageEnd::Skipped { denied: true, .. }) => "was denied",
            StageState::Done(StageEnd::Skipped { .. }) => "was skipped",
            StageState::Done(StageEnd::Failed {
                failure: Failure::Errored | Failure::Unknown,
                ..
            }) => "errored",
            _ => "failed",
        }
    }

    /// A ready stage: ask for its environment, or start it at once, or leave it to be prepared.
    fn begin(
        &self,
        index: StageIndex,
        now: Timestamp,
        granted: &mut Vec<EnvironmentName>,
        out: &mut Decisions,
    ) {
        let stage = self.graph.stage(index);
        match &stage.environment {
            Some(environment) if stage.gates.is_empty() => match self.lock_verdict(environment) {
                None if self.holds(environment) || granted.contains(environment) => {}
                None => {
                    granted.push(environment.clone());
                    out.environment(environment, self.grant(environment, &stage.name));
                }
                Some(verdict) => {
                    out.depends_on(environment);
                    out.run(GatesEvaluated {
                        stage: stage.name.clone(),
                        subject: self.plan_digest,
                        verdicts: vec![verdict],
                        evidence: EvidenceSet::default(),
                        locked: false,
                    });
                }
            },
            _ if self.needs_preparation(index) => {}
            _ => out.run(self.start(index, None, None, Vec::new(), now)),
        }
    }

    pub(super) fn needs_preparation(&self, index: StageIndex) -> bool {
        let stage = self.graph.stage(index);
        stage.effect == Effect::Pure || stage.environment.is_some() || !stage.gates.is_empty()
    }

    fn start(
        &self,
        index: StageIndex,
        fingerprint: Option<crate::Digest>,
        action_plan: Option<crate::Digest>,
        approvals: Vec<usize>,
        now: Timestamp,
    ) -> StageStarted {
        let stage = self.graph.stage(index);
        let record = &self.stages[index as usize];
        let token = stage.environment.as_ref().and_then(|name| {
            self.environments
                .get(name)?
                .lock
                .as_ref()
                .filter(|lock| lock.run == self.id)
                .map(|lock| lock.token)
        });
        StageStarted {
            stage: stage.name.clone(),
            attempt: record.attempts.saturating_add(1),
            generation: record.generation,
            epoch: self.epoch,
            fence: token.map(|token| Fence {
                token,
                epoch: self.epoch,
            }),
            fingerprint,
            action_plan,
            approvals,
            deadline: stage
                .timeout()
                .and_then(|timeout| now.saturating_add(timeout).ok()),
        }
    }

    /// The same intention, begun again: the idempotency key stays.
    fn repeat(&self, index: StageIndex, attempt: &Attempt, now: Timestamp) -> StageStarted {
        self.start(index, attempt.fingerprint, attempt.action_plan, Vec::new(), now)
    }

    /// An attempt of an older delivery without an end: its worker is gone.
    fn recover(&self, index: StageIndex, attempt: &Attempt, now: Timestamp, out: &mut Decisions) {
        let stage = self.graph.stage(index);
        match stage.effect {
            Effect::Pure | Effect::Idempotent => match &self.cancel {
                None => out.run(self.repeat(index, attempt, now)),
                Some(cancel) => {
                    let reason = format!(
                        "{}; its worker was gone, so part of it may have happened",
                        cancelled_by(cancel)
                    );
                    out.run(StageFinished {
                        stage: stage.name.clone(),
                        attempt: attempt.attempt,
                        epoch: self.epoch,
                        result: StageResult::Cancelled { reason },
                        output: None,
                    });
                }
            },
            // Asked first; see `due`.
            Effect::Inspectable => {}
            Effect::AtMostOnce => out.run(StageUnknown {
                stage: stage.name.clone(),
                attempt: attempt.attempt,
                reason: "it began, its worker was gone before it reported, and it must not happen twice"
                    .to_owned(),
            }),
        }
    }

    fn attempt_of(&self, stage: &StageName, number: u32, epoch: u64) -> Option<(StageIndex, &Attempt)> {
        let index = self.graph.find(stage)?;
        match &self.stages[index as usize].state {
            StageState::Running(attempt) | StageState::Lost(attempt)
                if attempt.attempt == number && attempt.epoch == epoch =>
            {
                Some((index, attempt))
            }
            _ => None,
        }
    }

    fn inspected(
        &self,
        stage: &StageName,
        number: u32,
        found: &Inspection,
        now: Timestamp,
        out: &mut Decisions,
    ) {
        let Some(index) = self.graph.find(stage) else {
            return;
        };
        let (StageState::Running(attempt) | StageState::Lost(attempt)) = &self.stages[index as usize].state
        else {
            return;
        };
        let interrupted = attempt.epoch < self.epoch;
        if attempt.attempt != number
            || !(interrupted || matches!(self.stages[index as usize].state, StageState::Lost(_)))
        {
            return;
        }
        match found {
            Inspection::Happened(outcome) => {
                let result = StageResult::Completed {
                    outcome: outcome.clone(),
                };
                self.finish(index, attempt, &result, None, out);
            }
            Inspection::DidNotHappen => {
                let result = match &self.cancel {
                    Some(cancel) => StageResult::Cancelled {
                        reason: cancelled_by(cancel),
                    },
                    None if interrupted => return out.run(self.repeat(index, attempt, now)),
                    None => StageResult::Failed {
                        failure: Failure::Errored,
                        error: vec!["the stage lost sight of its effect, which did not happen".to_owned()],
                    },
                };
                self.finish(index, attempt, &result, None, out);
            }
            Inspection::Unknown { reason } => {
                let extra = self.stages[index as usize].extra.as_ref();
                match extra.and_then(|extra| extra.vouched.as_ref()) {
                    // Nothing can be seen, so a person's word counts.
                    Some(word) => {
                        let outcome = Outcome::succeeded().because(format!("{word} ({reason})"));
                        let result = StageResult::Completed {
                            outcome: Box::new(outcome),
                        };
                        self.finish(index, attempt, &result, None, out);
                    }
                    None => out.run(StageUnknown {
                        stage: stage.clone(),
                        attempt: number,
                        reason: reason.clone(),
                    }),
                }
            }
        }
    }

    /// The end of a stage that could not even be prepared.
    fn not_begun(&self, index: StageIndex, error: Vec<String>) -> StageFinished {
        StageFinished {
            stage: self.graph.stage(index).name.clone(),
            attempt: 0,
            epoch: self.epoch,
            result: StageResult::Failed {
                failure: Failure::Errored,
                error,
            },
            output: None,
        }
    }

    fn prepared(&self, gates: &Gates, preparation: &Preparation, now: Timestamp, out: &mut Decisions) {
        let Some(index) = self.graph.find(&preparation.stage) else {
            return;
        };
        let record = &self.stages[index as usize];
        let held = matches!(record.state, StageState::Held { .. });
        if !(held || matches!(record.state, StageState::Ready)) || self.is_stopping() {
            return;
        }
        let stage = self.graph.stage(index);
        if !preparation.error.is_empty() {
            return out.run(self.not_begun(index, preparation.error.clone()));
        }
        let ours = stage.environment.as_ref().is_some_and(|name| self.holds(name));
        if ours && !preparation.locked || self.is_busy_for(index) {
            // The lock came meanwhile: what was found out before it does not count. Or another stage of this run
            // began there: it comes first.
            return;
        }
        let locked = ours && preparation.locked;
        let last = record.extra.as_ref();
        let news = preparation.action_plan.as_ref().filter(|(digest, _)| {
            let planned = last.and_then(|extra| extra.planned.as_ref());
            planned.is_none_or(|planned| planned.digest != *digest)
        });
        if news.is_some() && last.is_some_and(|extra| extra.plans_in_a_row >= MOST_PLANS_IN_A_ROW) {
            let error = format!(
                "its action plan was different {MOST_PLANS_IN_A_ROW} times in a row: it holds what changes by itself"
            );
            return out.run(self.not_begun(index, vec![error]));
        }
        if let Some((digest, plan)) = news {
            out.run(ActionPlanned {
                stage: stage.name.clone(),
                digest: *digest,
                plan: plan.clone(),
            });
            if !stage.gates.is_empty() {
                // Evidence is about what is in the journal: it is gathered anew for the new plan.
                return;
            }
        }
        let subject = preparation
            .action_plan
            .as_ref()
            .map_or(preparation.fingerprint, |(digest, _)| *digest);
        let request = self.gate_request(
            index,
            subject,
            preparation.action_plan.as_ref().map(|(_, plan)| plan.clone()),
        );
        let mut verdicts = Vec::new();
        let mut used = Vec::new();
        for gate in gates.of(&stage.name) {
            let mut verdict = gate.decide(&request, &preparation.evidence, now);
            // A time that has come says nothing about when to look again.
            verdict.earliest.take_if(|earliest| *earliest <= now);
            if verdict.allows() {
                used.extend(gate.uses(&request, now));
            }
            verdicts.push(GateVerdict {
                gate: gate.type_name().to_owned(),
                verdict,
            });
        }
        let denied = verdicts
            .iter()
            .find(|gate| gate.verdict.decision == Decision::Deny)
            .cloned();
        let open = verdicts.iter().all(|gate| gate.verdict.allows());
        let environment = stage.environment.as_ref();
        let blocked = environment
            .filter(|_| open)
            .and_then(|name| Some((name, self.lock_verdict(name)?)));
        let waits = !open || blocked.is_some();
        if let Some((name, verdict)) = blocked {
            out.depends_on(name);
            verdicts.push(verdict);
        }
        if !verdicts.is_empty() {
            let before = last.and_then(|extra| extra.gates.as_ref());
            let same = before.is_some_and(|before| {
                before.subject == subject && before.verdicts == verdicts && before.locked == locked
            });
            // A held stage that stays held for the same reasons is not worth an event; one that must leave
            // `Ready` or that may start is.
            if !(same && held && waits) {
                out.run(GatesEvaluated {
                    stage: stage.name.clone(),
                    subject,
                    verdicts,
                    evidence: preparation.evidence.clone(),
                    locked,
                });
            }
        }
        if let Some(GateVerdict { gate, verdict }) = denied {
            let reason = format!("gate `{gate}` denies it: {}", verdict.reason);
            return out.run(StageSkipped {
                stage: stage.name.clone(),
                cause: None,
                reason,
                denied: true,
            });
        }
        if waits {
            return;
        }
        if let Some(environment) = environment.filter(|_| !ours) {
            return out.environment(environment, self.grant(environment, &stage.name));
        }
        if let (Effect::Pure, Some((from, outcome))) = (stage.effect, &preparation.reuse) {
            return out.run(StageReused {
                stage: stage.name.clone(),
                fingerprint: preparation.fingerprint,
                from: from.clone(),
                outcome: outcome.clone(),
            });
        }
        used.sort_unstable();
        used.dedup();
        let action_plan = preparation.action_plan.as_ref().map(|(digest, _)| *digest);
        out.run(self.start(index, Some(preparation.fingerprint), action_plan, used, now));
    }
}

pub(super) fn cancelled_by(cancel: &super::state::Cancel) -> String {
    if cancel.reason.is_empty() {
        format!("the run was cancelled by {}", cancel.by.name())
    } else {
        format!("the run was cancelled by {}: {}", cancel.by.name(), cancel.reason)
    }
}
