//! Whether an artifact holds values of an environment's configuration, which it must not.

mod check;
mod findings;
mod scanner;

pub use check::{DEFAULT_MIN_LENGTH, EnvironmentFree};
pub use findings::{Finding, Findings, FoundIn, WhoseValue};
