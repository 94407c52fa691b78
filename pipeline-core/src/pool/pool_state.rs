use std::collections::BTreeMap;

use serde::Serialize;

use super::PoolEvent;
use crate::{DecodeError, Event, Position, RunId, StageName, Timestamp};

/// One pool, as a fold over its stream: who has a slot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PoolState {
    /// How many events of the stream were applied.
    pub position: Position,
    /// Who has a slot, by run and stage.
    #[serde(serialize_with = "as_list")]
    pub slots: BTreeMap<(RunId, StageName), Slot>,
}

/// A slot that is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Slot {
    /// The run.
    pub run: RunId,
    /// The stage.
    pub stage: StageName,
    /// Since when.
    pub since: Timestamp,
}

fn as_list<S: serde::Serializer>(
    slots: &BTreeMap<(RunId, StageName), Slot>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(slots.values())
}

impl PoolState {
    /// Applies an event of the pool's stream. One that was applied before changes nothing; kinds of other families
    /// are counted and left alone.
    ///
    /// # Errors
    ///
    /// When an event of the pool cannot be read.
    pub fn apply(&mut self, event: &Event) -> Result<(), DecodeError> {
        if event.position <= self.position {
            return Ok(());
        }
        let payload = event.read::<PoolEvent>()?;
        self.position = event.position;
        if let Some(payload) = payload {
            self.change(&payload, event.at);
        }
        Ok(())
    }

    /// The one place where the state changes.
    pub(crate) fn change(&mut self, event: &PoolEvent, at: Timestamp) {
        match event {
            PoolEvent::Taken(taken) => {
                let key = (taken.run.clone(), taken.stage.clone());
                self.slots.entry(key).or_insert_with(|| Slot {
                    run: taken.run.clone(),
                    stage: taken.stage.clone(),
                    since: at,
                });
            }
            PoolEvent::Returned(returned) => {
                self.slots.remove(&(returned.run.clone(), returned.stage.clone()));
            }
        }
    }
}
