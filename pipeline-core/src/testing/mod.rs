//! What tests of embedders need: a clock that is moved by hand, chance that repeats, contexts for stages, a journal that
//! fails when it is told to, seeds for fuzz targets, and conformance suites for the traits that they implement.

mod artifacts;
mod block_on;
mod clock;
pub mod conformance;
mod context;
mod faults;
pub mod journal;
mod seeds;
mod stage;

#[cfg(feature = "runtime")]
#[doc(hidden)]
pub use crate::run::snapshot::check::{
    advance_the_long_way, check_snapshots, same as same_state, through_snapshot,
};
pub use artifacts::MemoryArtifacts;
pub use clock::{ManualClock, RepeatableEntropy};
pub use context::{TestCall, services};
pub use faults::{Fault, FaultyJournal};
pub use seeds::{Found, Seeds};
pub use stage::{ScriptedError, ScriptedStage, Step};
