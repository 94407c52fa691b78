//! The suite for stages.

mod once;
mod promises;
mod recover;
mod stale;
mod stop;
mod suite;
mod undo;
mod world;

pub use suite::StageSuite;
pub use world::StageWorld;
