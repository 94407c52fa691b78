use std::collections::BTreeMap;

use serde::Serialize;

use super::EnvironmentState;
use crate::{Cursor, DecodeError, EnvironmentName, Event, StreamKind};

/// What is live where: all environments of a journal. It can be rebuilt from the journal at any time.
///
/// ```
/// use pipeline_core::{Estate, Journal, JournalExt, MemoryJournal};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let journal = MemoryJournal::new();
/// let mut estate = Estate::default();
/// for event in journal.read_everything(estate.cursor()).await? {
///     estate.apply(&event)?;
/// }
/// assert_eq!(estate.environments().count(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Estate {
    cursor: Cursor,
    environments: BTreeMap<EnvironmentName, EnvironmentState>,
}

impl Estate {
    /// Applies an event of any stream.
    ///
    /// # Errors
    ///
    /// When an event of an environment cannot be read.
    pub fn apply(&mut self, event: &Event) -> Result<(), DecodeError> {
        if event.cursor <= self.cursor {
            return Ok(());
        }
        if event.stream.is(&StreamKind::ENVIRONMENT) {
            // A stream's name obeys the rule for names.
            if let Ok(name) = EnvironmentName::new(event.stream.name()) {
                self.environments.entry(name).or_default().apply(event)?;
            }
        }
        self.cursor = event.cursor;
        Ok(())
    }

    /// How far the journal was read.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// One environment; `None` when nothing ever happened in it.
    pub fn environment(&self, name: &EnvironmentName) -> Option<&EnvironmentState> {
        self.environments.get(name)
    }

    /// All environments, by name.
    pub fn environments(&self) -> impl Iterator<Item = (&EnvironmentName, &EnvironmentState)> {
        self.environments.iter()
    }
}
