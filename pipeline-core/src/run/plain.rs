//! The plain case, cut short: a stage that asks for nothing ends well, and others that ask for nothing begin.
//!
//! Most stages of a large graph are so. What is decided and changed here is what [`RunState::decide`], `tick` and `apply`
//! would decide and change, event for event; a test goes both ways and compares. Whatever is not plain goes the long way.

use std::sync::Arc;

use super::advance::Ahead;
use super::brief::Brief;
use super::event::{RunEvent, StageFinished, StageResult};
use super::graph::StageIndex;
use super::input::{Input, Moment};
use super::stage_state::{Attempt, StageEnd, StageState};
use super::state::{RunState, Stamp};
use crate::{NewEvent, Outcome, When};

impl RunState {
    /// Whether nothing decides about a plain stage but what it waits for.
    #[inline]
    fn is_plain(&self, moment: Moment) -> bool {
        self.graph.free
            && self.counts.unsuccessful == 0
            && self.stopped_at.is_none()
            && self.cancel.is_none()
            && self.finished.is_none()
            && self.queued.is_empty()
            && self.backoffs.is_empty()
            && !moment.leaving
    }

    /// Whether a stage is ready, and may begin with nothing to be said but that.
    #[inline]
    fn begins_plainly(&self, index: StageIndex) -> bool {
        (index as usize) < self.graph.len() && matches!(self.stage_state(index), StageState::Ready) && {
            let traits = self.graph.traits(index);
            traits.plain && !traits.timeout && traits.when != When::Failure
        }
    }

    /// The number of the attempt that is at work, if its stage is plain and all that its end means is its end.
    #[inline]
    fn ends_plainly(&self, index: StageIndex, (attempt, epoch): (u32, u64)) -> bool {
        let Some(record) = self.stages.get(index as usize) else {
            return false;
        };
        (index as usize) < self.graph.len()
            && epoch == self.epoch
            && matches!(&record.state, StageState::Running(running)
                if running.attempt == attempt && running.epoch == epoch)
            && {
                let traits = self.graph.traits(index);
                traits.plain && traits.just_ends
            }
    }

    /// A stage ended well: those that waited for it alone become ready.
    #[inline]
    fn end_plainly(&mut self, index: StageIndex, outcome: Arc<Outcome>, now: Stamp) {
        self.position += 1;
        let record = &mut self.stages[index as usize];
        self.facts |= !outcome.facts.is_empty();
        record.state = StageState::Done(StageEnd::Completed { outcome });
        record.ended = now;
        self.counts.running -= 1;
        self.counts.not_done -= 1;
        for &dependent in self.graph.dependents(index) {
            let state = &mut self.stages[dependent as usize].state;
            if let StageState::Pending { open } = state {
                *open -= 1;
                if *open == 0 {
                    *state = StageState::Ready;
                    self.counts.ready += 1;
                    self.attention.push(dependent);
                    if !self.graph.traits(dependent).plain {
                        self.touched.push(dependent);
                    }
                }
            }
        }
    }
}

impl Ahead {
    /// Takes the plain end of an attempt. Tells whether it was one.
    #[inline]
    pub(super) fn end_plainly(&mut self, state: &mut RunState, input: &Input) -> bool {
        let Input::Finished {
            stage,
            attempt,
            epoch,
            result: StageResult::Completed { outcome },
            output: None,
        } = input
        else {
            return false;
        };
        let plain = outcome.is_success()
            && state.is_plain(self.moment)
            && state.ends_plainly(*stage, (*attempt, *epoch));
        if !plain {
            return false;
        }
        let (name, attempt) = (state.graph.name(*stage), (*attempt, *epoch));
        let event = match Brief::end(name, attempt, outcome) {
            Some(brief) => NewEvent::brief(brief),
            None => NewEvent::engine(RunEvent::from(StageFinished::completed(
                name,
                attempt,
                Arc::clone(outcome),
            ))),
        };
        self.own(state).push(event);
        state.end_plainly(*stage, Arc::clone(outcome), self.stamp);
        true
    }

    /// Begins all that asks for attention, if all of it is plain. Tells whether nothing is left to decide.
    pub(super) fn begin_plainly(&mut self, state: &mut RunState) -> bool {
        let own = state.graph.plan.limits.parallel.unwrap_or(u32::MAX) as usize;
        let free = own
            .saturating_sub(state.counts.running)
            .min(self.moment.free as usize);
        if !state.is_plain(self.moment) || state.counts.not_done == 0 || free < state.attention.len() {
            return false;
        }
        if state.attention.len() > 1 {
            let mut attention = std::mem::take(&mut state.attention);
            state.sort_by_urgency(&mut attention);
            state.attention = attention;
        }
        if !state.attention.iter().all(|&index| state.begins_plainly(index)) {
            return false;
        }
        let (now, epoch) = (self.moment.now, state.epoch);
        for &index in &state.attention {
            let record = &mut state.stages[index as usize];
            record.attempts = record.attempts.saturating_add(1);
            record.started = self.stamp;
            record.state = StageState::Running(Attempt {
                attempt: record.attempts,
                generation: record.generation,
                epoch,
                since: now,
                details: None,
            });
            let began = Brief::Began {
                stage: state.graph.name(index).clone(),
                attempt: record.attempts,
                generation: record.generation,
                epoch,
            };
            *state.counts.ahead(state.graph.traits(index).clean_up) -= 1;
            state.touched.push(index);
            self.own(state).push(NewEvent::brief(began));
        }
        let begun = state.attention.len();
        state.position += begun as u64;
        state.counts.ready -= begun;
        state.counts.running += begun;
        state.attention.clear();
        // No more than are free.
        let begun = begun as u32;
        self.begun += begun;
        self.moment.free = self.moment.free.saturating_sub(begun);
        true
    }
}
