//! The journal: the truth of everything, append-only and hash-chained.
//!
//! [`Journal`] is the contract, [`MemoryJournal`] keeps it for a process, [`FileJournal`] on disk, in a
//! [documented form](mod@file). [`verify_files`] checks what is on disk, also against a [`Checkpoint`] that was
//! kept elsewhere.

mod batch;
mod chain;
mod check;
mod checkpoint;
mod contract;
mod erasure;
pub mod file;
mod fold;
mod memory;

pub use batch::{Append, Batch, Commit, Expected};
pub use checkpoint::{Checkpoint, Head};
pub use contract::{AppendError, Conflict, Journal, JournalExt, ReadError};
pub use erasure::{EraseError, JournalEvent, PayloadErased};
pub use file::{Cut, FileJournal, Finding, FindingKind, OpenError, OpenReport, VerifyReport, verify_files};
pub use fold::{FoldSnapshot, StoreFoldError};
pub use memory::MemoryJournal;
