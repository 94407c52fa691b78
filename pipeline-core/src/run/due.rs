use super::graph::StageIndex;
use super::input::Command;
use super::stage_state::StageState;
use super::state::RunState;
use crate::{Effect, Timestamp};

/// What is to be done, read off the state. Nothing here is stored: after a restart the same state lists the
/// same commands.
impl RunState {
    /// What a runner must do for one stage now.
    pub fn due(&self, stage: StageIndex, now: Timestamp) -> Option<Command> {
        if self.finished.is_some() {
            return None;
        }
        let planned = self.graph.stage(stage);
        let locked = planned.environment.as_ref().is_some_and(|name| self.holds(name));
        match &self.stages[stage as usize].state {
            StageState::Ready if !self.is_stopping() && self.needs_preparation(stage) => {
                // Without gates the lock comes first; and one stage at a time uses an environment.
                let waits = planned.environment.is_some() && planned.gates.is_empty() && !locked;
                (!waits && !self.is_busy_for(stage)).then_some(Command::Prepare { stage, locked })
            }
            StageState::Held {
                earliest: Some(earliest),
                ..
            } if *earliest <= now && !self.is_stopping() && !self.is_busy_for(stage) => {
                Some(Command::Prepare { stage, locked })
            }
            StageState::Running(attempt) if attempt.epoch == self.epoch => Some(match self.cancel {
                None => Command::Execute { stage },
                Some(_) => Command::Stop { stage },
            }),
            StageState::Running(_) if self.graph.stage(stage).effect == Effect::Inspectable => {
                Some(Command::Inspect { stage })
            }
            StageState::Lost(_) => Some(Command::Inspect { stage }),
            _ => None,
        }
    }

    /// When a held stage should be looked at again: the earliest time that a gate named.
    pub fn next_wake(&self) -> Option<Timestamp> {
        if self.finished.is_some() {
            return None;
        }
        let earliest = self.stages.iter().filter_map(|stage| match &stage.state {
            StageState::Held { earliest, .. } => *earliest,
            _ => None,
        });
        earliest.min()
    }

    /// Touches the stages that something holds, because time has passed.
    pub fn touch_held(&mut self) {
        let held = |index: &StageIndex| matches!(self.stages[*index as usize].state, StageState::Held { .. });
        let held: Vec<_> = (0..self.stages.len() as StageIndex).filter(held).collect();
        self.touched.extend(held);
    }
}
