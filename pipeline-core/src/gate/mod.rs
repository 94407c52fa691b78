//! Gates: pure decisions on whether a stage may start.

mod any;
mod contract;
mod verdict;

pub use any::AnyGate;
pub use contract::{Gate, GateRequest};
pub use verdict::{Decision, Verdict};
