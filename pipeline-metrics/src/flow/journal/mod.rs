//! How work flows, out of the events of a journal.

mod environment;
mod marks;
mod run;

pub use marks::JournalFlow;
