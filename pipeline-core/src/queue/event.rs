use serde::{Deserialize, Serialize};

use crate::RunId;

/// A run stands in the queue of its pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunQueued {
    /// The run.
    pub run: RunId,
}

/// A run left the queue: it has ended. Why, its own stream says: the request to cancel a superseded run names the newer one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunDequeued {
    /// The run.
    pub run: RunId,
}

crate::event_family! {
    /// What happens to a pipeline as a whole; the stream is `pipeline/NAME`.
    #[derive(PartialEq, Eq)]
    pub enum PipelineEvent in "pipeline" {
        /// A run stands in the queue.
        Queued(RunQueued) = "queued" v1,
        /// A run left the queue.
        Dequeued(RunDequeued) = "dequeued" v1,
    }
}
