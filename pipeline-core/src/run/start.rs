use super::budget::Budget;
use super::decide::{Decisions, cancelled_by};
use super::event::{GatesEvaluated, StageFinished, StageResult, StageStarted, StageUnknown, StartDetails};
use super::graph::StageIndex;
use super::input::Moment;
use super::stage_state::{Attempt, StageState};
use super::state::RunState;
use crate::pool::SlotTaken;
use crate::{Effect, EvidenceSet, Failure, Fence, Timestamp};

/// How attempts begin.
impl RunState {
    /// A ready stage: ask for its environment, or start it at once, or leave it to be prepared.
    pub(super) fn begin(&self, index: StageIndex, moment: Moment, budget: &mut Budget, out: &mut Decisions) {
        if let Some(skipped) = self.must_not_begin(index) {
            return out.stage(index, skipped);
        }
        if moment.leaving {
            return;
        }
        if self.graph.traits(self.template(index)).plain {
            if budget.take_one() {
                self.began(index, None, moment.now, out);
            }
            return;
        }
        let stage = self.planned(index);
        if let Some(each) = &stage.each {
            self.decide_instances(index, each, out);
            return;
        }
        match &stage.environment {
            Some(environment) if stage.gates.is_empty() => match self.lock_verdict(environment) {
                None if self.holds(environment) || budget.granted.contains(environment) => {}
                None => {
                    budget.granted.push(environment.clone());
                    out.environment(environment, self.grant(environment, &stage.name));
                }
                Some(verdict) => {
                    out.depends_on(environment);
                    out.stage(
                        index,
                        GatesEvaluated {
                            stage: stage.name.clone(),
                            subject: self.plan_digest,
                            verdicts: vec![verdict],
                            evidence: EvidenceSet::default(),
                            locked: false,
                        },
                    );
                }
            },
            _ if self.needs_preparation(index) => {}
            _ => {
                if budget.take(self, index) {
                    self.start(index, StartDetails::default(), moment.now, out);
                }
            }
        }
    }

    /// A ready stage that is not to begin, or that stands for its instances. Tells whether it failed.
    pub(super) fn begin_without_slot(&self, index: StageIndex, out: &mut Decisions) -> bool {
        if !matches!(self.stage_state(index), StageState::Ready) {
            return false;
        }
        if let Some(skipped) = self.must_not_begin(index) {
            out.stage(index, skipped);
        } else if let Some(each) = &self.planned(index).each {
            return self.decide_instances(index, each, out);
        }
        false
    }

    pub(super) fn needs_preparation(&self, index: StageIndex) -> bool {
        let stage = self.planned(index);
        stage.each.is_none()
            && (stage.effect == Effect::Pure || stage.environment.is_some() || !stage.gates.is_empty())
    }

    /// Begins an attempt. What it needs was taken from the budget.
    pub(super) fn start(
        &self,
        index: StageIndex,
        mut details: StartDetails,
        now: Timestamp,
        out: &mut Decisions,
    ) {
        let stage = self.planned(index);
        details.fence = stage.environment.as_ref().and_then(|name| {
            let lock = self.environments.get(name)?.lock.as_ref();
            lock.filter(|lock| lock.run == self.id).map(|lock| Fence {
                token: lock.token,
                epoch: self.epoch,
            })
        });
        self.began(index, Some(details), now, out);
        for pool in stage.pools.iter().filter(|pool| !self.has_slot(pool, index)) {
            let (run, stage) = (self.id.clone(), stage.name.clone());
            out.pool(pool, SlotTaken { run, stage });
        }
    }

    /// What is written of a beginning, whatever the attempt has.
    fn began(
        &self,
        index: StageIndex,
        mut details: Option<StartDetails>,
        now: Timestamp,
        out: &mut Decisions,
    ) {
        let stage = self.planned(index);
        let record = &self.stages[index as usize];
        if self.graph.traits(self.template(index)).timeout {
            details.get_or_insert_default().deadline = stage
                .timeout()
                .and_then(|timeout| now.saturating_add(timeout).ok());
        }
        out.stage(
            index,
            StageStarted {
                stage: stage.name.clone(),
                attempt: record.attempts.saturating_add(1),
                generation: record.generation,
                epoch: self.epoch,
                details: details.and_then(StartDetails::shared),
            },
        );
    }

    /// The same intention, begun again: what it is bound to stays.
    pub(super) fn repeat(&self, index: StageIndex, attempt: &Attempt, now: Timestamp, out: &mut Decisions) {
        let details = StartDetails {
            fingerprint: attempt.details().fingerprint,
            action_plan: attempt.details().action_plan,
            ..StartDetails::default()
        };
        self.start(index, details, now, out);
    }

    /// A wait after a failed attempt is over.
    pub(super) fn try_again(
        &self,
        index: StageIndex,
        moment: Moment,
        budget: &mut Budget,
        out: &mut Decisions,
    ) {
        if let StageState::Backoff(backoff) = self.stage_state(index)
            && budget.take(self, index)
        {
            self.repeat(index, &backoff.attempt, moment.now, out);
        }
    }

    /// An attempt of an older delivery without an end: its worker is gone.
    pub(super) fn recover(
        &self,
        index: StageIndex,
        attempt: &Attempt,
        moment: Moment,
        budget: &mut Budget,
        out: &mut Decisions,
    ) {
        let stage = self.planned(index);
        match stage.effect {
            Effect::Pure | Effect::Idempotent => match &self.cancel {
                Some(cancel) if self.is_stopping(index) => {
                    let reason = format!(
                        "{}; its worker was gone, so part of it may have happened",
                        cancelled_by(cancel)
                    );
                    let result = StageResult::Cancelled { reason };
                    out.stage(index, self.end(index, attempt.attempt, result));
                }
                _ if budget.take_again() => self.repeat(index, attempt, moment.now, out),
                // It waits for room.
                _ => {}
            },
            // Asked first; see `due`.
            Effect::Inspectable => {}
            Effect::AtMostOnce => out.stage(
                index,
                StageUnknown {
                    stage: stage.name.clone(),
                    attempt: attempt.attempt,
                    reason: "it began, its worker was gone before it reported, and it must not happen twice"
                        .to_owned(),
                },
            ),
        }
    }

    /// The end of a stage that could not even be prepared.
    pub(super) fn not_begun(&self, index: StageIndex, error: Vec<String>) -> StageFinished {
        let failure = Failure::Errored;
        self.end(index, 0, StageResult::Failed { failure, error })
    }

    pub(super) fn end(&self, index: StageIndex, attempt: u32, result: StageResult) -> StageFinished {
        StageFinished {
            stage: self.planned(index).name.clone(),
            attempt,
            epoch: self.epoch,
            result,
            output: None,
            retry_at: None,
        }
    }
}
