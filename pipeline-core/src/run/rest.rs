use super::decide::{Decided, DecidedEvent, Decisions};
use super::gates::Gates;
use super::input::{Command, Moment, Preparation};
use super::stage_state::StageState;
use super::state::RunState;

/// Runs that wait for something outside. Whoever looks whether it came leaves no trace when it did not.
impl RunState {
    /// What must be asked before it is known whether the run still waits: the preparations of what gates hold. `None`
    /// when there is something to do, whatever they say.
    pub(crate) fn resting(&self, moment: Moment) -> Option<Vec<Command>> {
        if self.epoch == 0 || self.parked.is_some() {
            return None;
        }
        let mut asked = Vec::new();
        for (index, record) in (0..).zip(&self.stages) {
            match &record.state {
                // Its worker is gone, or it is to be looked for its effect.
                StageState::Running(_) | StageState::Lost(_) => return None,
                StageState::Ready if self.needs_preparation(index) => return None,
                StageState::Held { .. } if self.must_not_begin(index).is_some() => return None,
                StageState::Held { .. } => asked.extend(self.preparation(index)),
                _ => {}
            }
        }
        let mut out = Decisions::default();
        let looked = self.tick(&mut self.attention.clone(), moment, &mut out);
        (looked && !out.tell_something()).then_some(asked)
    }

    /// Whether a preparation makes a difference to a run that waits.
    pub(crate) fn is_news(&self, gates: &Gates, preparation: &Preparation, moment: Moment) -> bool {
        let mut out = Decisions::default();
        self.prepared(gates, preparation, moment, &mut out);
        out.tell_something()
    }
}

impl Decisions {
    /// Whether there is an event among them.
    fn tell_something(&self) -> bool {
        let says = |decided: &Decided| !matches!(decided.event, DecidedEvent::Unmoved(_));
        self.0.iter().any(says)
    }
}
