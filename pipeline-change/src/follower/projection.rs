use std::collections::BTreeMap;

use pipeline_core::{
    Cursor, DecodeError, EnvironmentEvent, Event, EventPayload, EventRef, NewEvent, Position, RunEvent,
    RunId, StreamKind,
};

use super::facts::RunFacts;
use super::next;
use crate::{ChangeId, ChangeRecord, RecordError};

/// Events that a change record lacks.
#[derive(Debug, Clone)]
pub struct DueChange {
    /// The change.
    pub id: ChangeId,
    /// Where its stream stands: what they are appended after.
    pub position: Position,
    /// The events, in order.
    pub events: Vec<NewEvent>,
}

/// Follows runs and says which events their change records lack.
///
/// It is fed with the whole journal, in order: the runs and environments tell what is true, the changes tell what is
/// written already. [`due`](Self::due) is the difference, and nothing once it is appended and fed in turn. So it may
/// start from nothing at any time, and two of them never write a thing twice if they append at the
/// [position](DueChange::position) that they were told. It is pure: it reads no clock and does no I/O;
/// [`ChangeLog`](crate::ChangeLog) does.
///
/// It writes what a run has said:
///
/// | the run says | the change is |
/// |---|---|
/// | the stage planned its actions | opened, submitted, assessed; a standard one scheduled |
/// | the stage planned other actions | replanned, and submitted again |
/// | enough of the authorisers approved | authorized |
/// | the stage started | implementing |
/// | the stage succeeded, or a person decided that it did | implemented |
/// | the run ended, and the stage had started | implemented and closed |
/// | the stage is skipped or reused, or the run ended without it | canceled |
///
/// A failed attempt does not end the work, for there may be another one until the run ends.
///
/// The close code is unsuccessful when the work or the run failed, or the release was rolled back in its environment before
/// the run ended; successful with issues when it took more than one attempt, a person had to decide whether something was
/// done, or the run was cancelled after the work; else successful.
///
/// An event whose payload was erased counts as not said. That never opens a gate.
#[derive(Debug, Default)]
pub struct ChangeFollower {
    cursor: Cursor,
    runs: BTreeMap<RunId, RunFacts>,
    records: BTreeMap<ChangeId, ChangeRecord>,
}

impl ChangeFollower {
    /// A follower that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The cursor of the last event that it has seen.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// The change records, by id.
    pub fn records(&self) -> &BTreeMap<ChangeId, ChangeRecord> {
        &self.records
    }

    /// Takes the next event of the journal. One that it has seen already changes nothing.
    ///
    /// # Errors
    ///
    /// When an event of a run, an environment or a change was written by a newer program, or a change's
    /// stream contradicts the state machine. Then the event is not taken, and the error comes again.
    pub fn feed(&mut self, event: &Event) -> Result<(), FollowError> {
        if event.cursor <= self.cursor {
            return Ok(());
        }
        if event.stream.is(&StreamKind::RUN) {
            self.run(event)?;
        } else if event.stream.is(&StreamKind::ENVIRONMENT) {
            self.environment(event)?;
        } else if let Some(id) = ChangeId::of_stream(&event.stream) {
            self.change(id, event)?;
        }
        self.cursor = event.cursor;
        Ok(())
    }

    /// The events that the change records lack, for each change that lacks any.
    pub fn due(&self) -> Vec<DueChange> {
        let mut due = Vec::new();
        for (run, facts) in &self.runs {
            for (name, stage) in &facts.gated {
                let id = ChangeId::of(run, name);
                let record = self.records.get(&id);
                let events = next::due(run, name, facts, stage, record);
                if !events.is_empty() {
                    due.push(DueChange {
                        id,
                        position: record.map_or(0, |record| record.position),
                        events,
                    });
                }
            }
        }
        due
    }

    fn run(&mut self, event: &Event) -> Result<(), FollowError> {
        let Ok(run) = RunId::new(event.stream.name()) else {
            return Ok(());
        };
        let followed = self.runs.contains_key(&run);
        if !followed && event.kind != "run.created" {
            return Ok(());
        }
        let Some(happened) = read::<RunEvent>(event)? else {
            return Ok(());
        };
        match (self.runs.get_mut(&run), happened) {
            (Some(facts), happened) => facts.run(event, &happened),
            (None, RunEvent::Created(created)) => {
                if let Some(facts) = RunFacts::new(event, &created) {
                    self.runs.insert(run.clone(), facts);
                }
            }
            (None, _) => {}
        }
        self.forget(&run);
        Ok(())
    }

    fn environment(&mut self, event: &Event) -> Result<(), FollowError> {
        let tells = matches!(
            &*event.kind,
            "environment.deployed" | "environment.verified" | "environment.rolled-back"
        );
        if !tells || self.runs.is_empty() {
            return Ok(());
        }
        if let Some(happened) = read::<EnvironmentEvent>(event)? {
            for facts in self.runs.values_mut() {
                facts.environment(event, &happened);
            }
        }
        Ok(())
    }

    fn change(&mut self, id: ChangeId, event: &Event) -> Result<(), FollowError> {
        let mut record = self.records.remove(&id);
        let folded = ChangeRecord::fold(&mut record, event);
        let run = record.as_ref().map(|record| record.run.clone());
        self.records.extend(record.map(|record| (id, record)));
        folded.map_err(FollowError::Record)?;
        if let Some(run) = run {
            self.forget(&run);
        }
        Ok(())
    }

    /// Forgets what is known of a run about whose changes nothing more can be said.
    fn forget(&mut self, run: &RunId) {
        let settled =
            |(name, stage): (&_, &super::stage::GatedStage)| match self.records.get(&ChangeId::of(run, name))
            {
                Some(record) => record.state.is_final(),
                None => stage.planned.is_none(),
            };
        let over = self
            .runs
            .get(run)
            .is_some_and(|facts| facts.finished.is_some() && facts.gated.iter().all(settled));
        if over {
            self.runs.remove(run);
        }
    }
}

fn read<P: EventPayload>(event: &Event) -> Result<Option<P>, FollowError> {
    match event.read::<P>() {
        Ok(happened) => Ok(happened.map(std::borrow::Cow::into_owned)),
        Err(DecodeError::Erased { .. }) => Ok(None),
        Err(source) => Err(FollowError::Unreadable {
            event: event.reference(),
            source,
        }),
    }
}

/// An event that a [`ChangeFollower`] cannot take.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// This code cannot read it.
    #[error("event {event} cannot be followed")]
    Unreadable {
        /// The event.
        event: EventRef,
        /// Why not.
        source: DecodeError,
    },
    /// The stream of a change tells of no record.
    #[error("a change record is damaged")]
    Record(#[source] RecordError),
}
