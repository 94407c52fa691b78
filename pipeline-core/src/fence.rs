//! Keys and fences: how a target tells a repeated or late call from a new one.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{RunId, StageName};

/// Names one intended effect: run, stage, generation. A call that is repeated because its outcome is
/// unknown has the same key; one that is made anew after a definite failure has another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key of a stage's generation.
    pub fn new(run: &RunId, stage: &StageName, generation: u32) -> Self {
        Self(format!("{run}/{stage}/{generation}"))
    }

    /// The key as text: names and slashes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Orders the calls to an environment: a target that remembers the highest fence it saw refuses a lower
/// one, so that a worker that was thought dead and woke up late does no harm.
///
/// The token grows with every grant of the environment's lock; the epoch with every delivery of a run to
/// a worker. A fence is per delivery, not per lock, because two deliveries under one lock are the very
/// case that it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fence {
    /// Which grant of the lock.
    pub token: u64,
    /// Which delivery of the run.
    pub epoch: u64,
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.token, self.epoch)
    }
}
