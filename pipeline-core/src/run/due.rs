use super::graph::StageIndex;
use super::input::Command;
use super::stage_state::StageState;
use super::state::RunState;
use crate::{Effect, Timestamp};

/// What is to be done, read off the state. Nothing here is stored: after a restart the same state lists the
/// same commands.
impl RunState {
    /// What a runner must do for one stage now.
    #[inline]
    pub fn due(&self, stage: StageIndex, now: Timestamp) -> Option<Command> {
        if self.finished.is_some() {
            return None;
        }
        match self.stage_state(stage) {
            StageState::Running(attempt) if attempt.epoch == self.epoch => {
                Some(match self.asked_to_stop(stage) {
                    None => Command::Execute { stage },
                    Some(force) => Command::Stop { stage, force },
                })
            }
            StageState::Running(_) if self.planned(stage).effect == Effect::Inspectable => {
                Some(Command::Inspect { stage })
            }
            StageState::Lost(_) => Some(Command::Inspect { stage }),
            StageState::Ready if self.needs_preparation(stage) && !self.is_in_line(stage) => {
                self.preparation(stage)
            }
            StageState::Held {
                earliest: Some(earliest),
                ..
            } if *earliest <= now => self.preparation(stage),
            _ => None,
        }
    }

    pub(super) fn preparation(&self, stage: StageIndex) -> Option<Command> {
        if self.must_not_begin(stage).is_some() || self.is_busy_for(stage) {
            return None;
        }
        let planned = self.planned(stage);
        let locked = planned.environment.as_ref().is_some_and(|name| self.holds(name));
        // Without gates the lock comes first; and one stage at a time uses an environment.
        let waits = planned.environment.is_some() && planned.gates.is_empty() && !locked;
        (!waits).then_some(Command::Prepare { stage, locked })
    }

    /// When the run should be looked at again if nothing else happens: the earliest time that a gate named, that an
    /// attempt waits for, or that is the end of the run's time.
    pub fn next_wake(&self) -> Option<Timestamp> {
        if self.finished.is_some() {
            return None;
        }
        let held = self.stages.iter().filter_map(|stage| match &stage.state {
            StageState::Held { earliest, .. } => *earliest,
            _ => None,
        });
        held.chain(self.next_timer()).min()
    }

    /// The next time that comes by itself, whatever others do: the end of a wait after a failed attempt, or of the
    /// run's time.
    pub(crate) fn next_timer(&self) -> Option<Timestamp> {
        let backoff = self.backoffs.first().map(|(until, _)| *until);
        let end = self.time_is_up().map(|(at, _)| at);
        backoff.into_iter().chain(end).min()
    }

    /// Whether an attempt failed and the next one begins by itself.
    #[cfg(feature = "runtime")]
    pub(crate) fn next_attempt(&self) -> Option<Timestamp> {
        self.backoffs.first().map(|(until, _)| *until)
    }

    /// Touches the stages that something holds, because time has passed.
    pub fn touch_held(&mut self) {
        let held = |index: &StageIndex| matches!(self.stage_state(*index), StageState::Held { .. });
        let held: Vec<_> = (0..self.stages.len() as StageIndex).filter(held).collect();
        self.touched.extend(held);
    }
}
