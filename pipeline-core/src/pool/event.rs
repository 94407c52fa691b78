use serde::{Deserialize, Serialize};

use crate::{RunId, StageName};

/// A stage took a slot, with the beginning of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotTaken {
    /// The run.
    pub run: RunId,
    /// The stage.
    pub stage: StageName,
}

/// A stage gave its slot back: its attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotReturned {
    /// The run.
    pub run: RunId,
    /// The stage.
    pub stage: StageName,
}

crate::event_family! {
    /// What happens to a pool; the stream is `pool/NAME`.
    #[derive(PartialEq, Eq)]
    pub enum PoolEvent in "pool" {
        /// A stage took a slot.
        Taken(SlotTaken) = "taken" v1,
        /// A stage gave its slot back.
        Returned(SlotReturned) = "returned" v1,
    }
}
