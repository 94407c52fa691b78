//! Queues: which run of a pipeline is whose turn.

mod event;
mod pipeline_queue;

pub use event::{PipelineEvent, RunDequeued, RunQueued};
pub use pipeline_queue::PipelineQueue;
