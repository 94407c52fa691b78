use super::graph::UnsoundPlan;
use crate::{DecodeError, Position, RunId, StreamId};

/// A stream that is no sound run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FoldError {
    /// An event cannot be read.
    #[error("event {position} of run {run} cannot be read")]
    Decode {
        /// The run.
        run: RunId,
        /// The event's position in its stream.
        position: Position,
        /// Why.
        source: DecodeError,
    },
    /// The stream does not begin with the run's creation.
    #[error("there is no run {run}: its stream does not begin with its creation")]
    NoRun {
        /// The run.
        run: RunId,
    },
    /// An event is missing before this one.
    #[error("run {run}: stream `{stream}` goes from event {known} to event {found}")]
    Gap {
        /// The run.
        run: RunId,
        /// The stream.
        stream: StreamId,
        /// The last position that was applied.
        known: Position,
        /// The position that came next.
        found: Position,
    },
    /// The plan is not one.
    #[error("run {run} has no sound plan")]
    Plan {
        /// The run.
        run: RunId,
        /// Why.
        source: UnsoundPlan,
    },
}
