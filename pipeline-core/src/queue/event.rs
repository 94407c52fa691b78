use serde::{Deserialize, Serialize};

use crate::RunId;

/// A run stands in the queue of its pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunQueued {
    /// The run.
    pub run: RunId,
}

/// A run left the queue: it has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunDequeued {
    /// The run.
    pub run: RunId,
    /// The newer run that took its place, if it ended because of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<RunId>,
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
