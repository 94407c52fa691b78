//! The delivery log of another system: a JSON object a line.

mod batch;
mod chunks;
mod error;
mod general;
mod insert;
mod reader;
mod scan;

pub use error::{LineError, LogError, LogErrorKind};
pub use reader::{LogReader, LogSummary};
