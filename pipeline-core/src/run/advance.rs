use super::decide::{Decided, DecidedEvent};
use super::gates::Gates;
use super::input::{Input, Refusal};
use super::state::RunState;
use crate::journal::{Batch, Expected};
use crate::{EnvironmentName, NewEvent, Position, StreamId, Timestamp};

impl RunState {
    /// Decides on an input and on everything that follows from it, changes the state accordingly, and returns
    /// the batch that makes it so: a finish and the starts that it allows share one commit.
    ///
    /// The state runs ahead of the journal until the batch is appended. When that fails, the state is void: fold
    /// the journal again.
    ///
    /// # Errors
    ///
    /// When the run refuses the input; the state is as before.
    pub fn advance(&mut self, gates: &Gates, input: &Input, now: Timestamp) -> Result<Batch, Refusal> {
        let mut ahead = Ahead::of(self, now);
        let mut decided = self.decide(gates, input, now)?;
        while !decided.is_empty() {
            ahead.take(self, decided);
            decided = self.decide(gates, &Input::Tick, now)?;
        }
        Ok(ahead.batch)
    }

    /// Decides on an input and on nothing that follows from it. For those who speak to a run that somebody else
    /// drives.
    ///
    /// # Errors
    ///
    /// When the run refuses the input; the state is as before.
    pub fn record_only(&mut self, gates: &Gates, input: &Input, now: Timestamp) -> Result<Batch, Refusal> {
        let mut ahead = Ahead::of(self, now);
        let decided = self.decide(gates, input, now)?;
        ahead.take(self, decided);
        Ok(ahead.batch)
    }
}

/// A batch in the making, with what its streams held before.
struct Ahead {
    batch: Batch,
    run: StreamId,
    position: Position,
    environments: Vec<(EnvironmentName, Position)>,
}

impl Ahead {
    fn of(state: &RunState, now: Timestamp) -> Self {
        let environments = state
            .environments
            .iter()
            .map(|(name, known)| (name.clone(), known.position));
        Self {
            batch: Batch::new(now),
            run: StreamId::run(&state.id),
            position: state.position,
            environments: environments.collect(),
        }
    }

    /// What the stream of an environment held before anything was decided.
    fn before(&self, name: &EnvironmentName) -> Expected {
        let known = self.environments.iter().find(|(known, _)| known == name);
        Expected::At(known.map_or(0, |(_, position)| *position))
    }

    fn take(&mut self, state: &mut RunState, decided: Vec<Decided>) {
        let now = self.batch.at;
        for Decided { actor, event } in decided {
            match event {
                DecidedEvent::Run(event) => {
                    state.apply_run(state.position + 1, now, &actor, &event);
                    self.batch.push(
                        &self.run,
                        Expected::At(self.position),
                        NewEvent::new(actor, event),
                    );
                }
                DecidedEvent::Unmoved(name) => {
                    let expected = self.before(&name);
                    self.batch.expect(&StreamId::environment(&name), expected);
                }
                DecidedEvent::Environment(name, event) => {
                    let position = state.environments.get(&name).map_or(0, |known| known.position);
                    state.apply_environment(&name, position + 1, now, &event);
                    let expected = self.before(&name);
                    self.batch.push(
                        &StreamId::environment(&name),
                        expected,
                        NewEvent::new(actor, event),
                    );
                }
            }
        }
    }
}
