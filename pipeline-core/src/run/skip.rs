use std::collections::HashMap;

use super::decide::{Decisions, cancelled_by};
use super::event::{CancelRequested, StageFinished, StageSkipped};
use super::graph::StageIndex;
use super::stage_state::{StageEnd, StageState};
use super::state::RunState;
use crate::{Failure, SignedDuration, Timestamp, When};

/// What does not begin any more, and why.
impl RunState {
    /// Whether a stage may not begin any more.
    pub(super) fn is_stopping(&self, index: StageIndex) -> bool {
        match &self.cancel {
            Some(cancel) if cancel.force => true,
            _ => self.stopped_at.is_some() && !self.graph.traits(self.template(index)).clean_up,
        }
    }

    /// Whether what is at work is asked to stop, and whether at once.
    pub(super) fn asked_to_stop(&self, index: StageIndex) -> Option<bool> {
        let clean_up = self.graph.traits(self.template(index)).clean_up;
        match &self.cancel {
            Some(cancel) if cancel.force => Some(true),
            Some(_) if !clean_up => Some(false),
            Some(_) => None,
            None => (self.stopped_at.is_some()
                && !clean_up
                && self.graph.plan.on_failure == crate::FailurePolicy::Stop)
                .then_some(false),
        }
    }

    /// When the run's time is up, and when that of its clean-up is; which of them is next.
    pub(super) fn time_is_up(&self) -> Option<(Timestamp, CancelRequested)> {
        let limits = &self.graph.plan.limits;
        if limits.timeout_seconds.is_none() && limits.clean_up_seconds.is_none() {
            return None;
        }
        let after = |since: Timestamp, seconds: u64| {
            let seconds = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
            since.saturating_add(seconds).unwrap_or(Timestamp::MAX)
        };
        let request = |reason, force| CancelRequested {
            reason,
            force,
            timed_out: true,
        };
        if self.cancel.as_ref().is_some_and(|cancel| cancel.force) {
            return None;
        }
        let of_run = limits
            .timeout_seconds
            .filter(|_| self.cancel.is_none())
            .map(|seconds| {
                let reason = format!("the run took longer than {seconds} s");
                (after(self.requested_at, seconds), request(reason, false))
            });
        let of_clean_up = limits
            .clean_up_seconds
            .zip(self.stopped_at)
            .map(|(seconds, since)| {
                let reason = format!("the clean-up took longer than {seconds} s");
                (after(since, seconds), request(reason, true))
            });
        [of_run, of_clean_up]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| *at)
    }

    /// Whether there is something that has not begun and will not.
    pub(super) fn has_to_skip(&self) -> bool {
        let forced = self.cancel.as_ref().is_some_and(|cancel| cancel.force);
        self.stopped_at.is_some() && (self.counts.work_ahead > 0 || forced && self.counts.clean_up_ahead > 0)
    }

    /// Ends every stage that will not begin any more, and names the stage that is the reason.
    pub(super) fn skip_what_will_not_begin(&self, out: &mut Decisions) {
        let mut causes: HashMap<StageIndex, StageIndex> = HashMap::new();
        for index in 0..self.stages.len() as StageIndex {
            match self.stage_state(index) {
                StageState::Pending { .. } | StageState::Ready | StageState::Held { .. }
                    if self.is_stopping(index) =>
                {
                    let before = self.graph.dependencies(self.template(index)).iter();
                    let cause = before.copied().find_map(|before| {
                        let own =
                            matches!(self.stage_state(before), StageState::Done(end) if !end.is_success());
                        causes.get(&before).copied().or(own.then_some(before))
                    });
                    if let Some(cause) = cause {
                        causes.insert(index, cause);
                    }
                    out.stage(index, self.skipped(index, cause));
                }
                StageState::Backoff(_) if self.is_stopping(index) => out.stage(index, self.given_up(index)),
                _ => {}
            }
        }
    }

    /// Why a ready stage must not begin after all, if so.
    pub(super) fn must_not_begin(&self, index: StageIndex) -> Option<StageSkipped> {
        if self.is_stopping(index) {
            return Some(self.skipped(index, self.unsuccessful_before(index)));
        }
        match self.graph.traits(self.template(index)).when {
            When::Always => None,
            When::Success if self.counts.unsuccessful == 0 => None,
            When::Success => {
                let cause = self.unsuccessful_before(index)?;
                Some(self.skipped(index, Some(self.root(cause))))
            }
            When::Failure if self.failed_before(index) => None,
            When::Failure => Some(StageSkipped {
                stage: self.planned(index).name.clone(),
                cause: None,
                reason: "nothing before it failed".to_owned(),
                denied: false,
            }),
        }
    }

    fn unsuccessful_before(&self, index: StageIndex) -> Option<StageIndex> {
        let mut before = self.graph.dependencies(self.template(index)).iter().copied();
        before.find(|&before| matches!(self.stage_state(before), StageState::Done(end) if !end.is_success()))
    }

    /// What was itself skipped leads to the stage that was the reason.
    fn root(&self, index: StageIndex) -> StageIndex {
        match self.stage_state(index) {
            StageState::Done(StageEnd::Skipped {
                cause: Some(cause), ..
            }) => self.find(cause).unwrap_or(index),
            _ => index,
        }
    }

    /// Whether something that the stage waits for did not succeed. What only runs after failures, and did not run
    /// because there were none, is no failure.
    pub(super) fn failed_before(&self, index: StageIndex) -> bool {
        let mut before = self.graph.dependencies(self.template(index)).iter().copied();
        self.counts.unsuccessful > 0
            && before.any(|before| match self.stage_state(before) {
                StageState::Done(StageEnd::Skipped { denied: false, .. }) => {
                    self.planned(before).when != When::Failure
                }
                StageState::Done(end) => !end.is_success(),
                _ => false,
            })
    }

    fn skipped(&self, index: StageIndex, cause: Option<StageIndex>) -> StageSkipped {
        let name = |index: StageIndex| self.planned(index).name.clone();
        let (cause, reason) = match (cause, self.failed, &self.cancel) {
            (Some(cause), ..) => {
                let reason = format!(
                    "it depends on stage `{}`, which {}",
                    name(cause),
                    self.how_it_ended(cause)
                );
                (Some(name(cause)), reason)
            }
            (None, _, Some(cancel)) => (None, cancelled_by(cancel)),
            (None, Some(failed), None) => {
                let reason = format!(
                    "the run stopped: stage `{}` {}",
                    name(failed),
                    self.how_it_ended(failed)
                );
                (Some(name(failed)), reason)
            }
            (None, None, None) => (None, "the run stopped".to_owned()),
        };
        StageSkipped {
            stage: name(index),
            cause,
            reason,
            denied: false,
        }
    }

    /// The end of a stage that waited for another attempt: the last one counts.
    pub(super) fn given_up(&self, index: StageIndex) -> StageFinished {
        let (attempt, result) = match self.stage_state(index) {
            StageState::Backoff(backoff) => (backoff.attempt.attempt, backoff.result.clone()),
            _ => (
                0,
                super::event::StageResult::Cancelled {
                    reason: String::new(),
                },
            ),
        };
        StageFinished {
            stage: self.planned(index).name.clone(),
            attempt,
            epoch: self.epoch,
            result,
            output: None,
            retry_at: None,
        }
    }

    pub(super) fn how_it_ended(&self, index: StageIndex) -> &'static str {
        match self.stage_state(index) {
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
}
