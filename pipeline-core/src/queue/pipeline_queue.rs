use serde::Serialize;

use super::PipelineEvent;
use crate::{DecodeError, Event, Position, RunId};

/// The queue of one pipeline, as a fold over its stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PipelineQueue {
    /// How many events of the stream were applied.
    pub position: Position,
    /// The runs that have not ended, the oldest first. It is the first one's turn.
    pub runs: Vec<RunId>,
}

impl PipelineQueue {
    /// Applies an event of the pipeline's stream. One that was applied before changes nothing; kinds of other
    /// families are counted and left alone.
    ///
    /// # Errors
    ///
    /// When an event of the queue cannot be read.
    pub fn apply(&mut self, event: &Event) -> Result<(), DecodeError> {
        if event.position <= self.position {
            return Ok(());
        }
        let payload = event.read::<PipelineEvent>()?;
        self.position = event.position;
        if let Some(payload) = payload {
            self.change(&payload);
        }
        Ok(())
    }

    fn change(&mut self, event: &PipelineEvent) {
        match event {
            PipelineEvent::Queued(queued) => {
                if !self.runs.contains(&queued.run) {
                    self.runs.push(queued.run.clone());
                }
            }
            PipelineEvent::Dequeued(left) => self.runs.retain(|run| *run != left.run),
        }
    }

    /// The run whose turn it is before this one's, if it is not this one's turn. A run that does not stand in the queue
    /// waits for nobody.
    pub fn before(&self, run: &RunId) -> Option<&RunId> {
        let first = self.runs.first()?;
        (first != run && self.runs.contains(run)).then_some(first)
    }
}
