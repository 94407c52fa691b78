//! What tests of embedders need.

mod clock;
pub mod journal;

pub use clock::{ManualClock, RepeatableEntropy};
