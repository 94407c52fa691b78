#![doc = include_str!("../../../docs/journal-format.md")]

mod append;
mod cut;
mod derived;
mod directory;
mod erasures;
mod error;
mod finding;
mod handle;
mod image;
mod index;
mod index_check;
mod line;
mod lines;
mod queue;
mod rewrite;
mod saved_fold;
mod saved_index;
mod saving;
mod scan;
mod store;
mod text;
mod verify;
mod write;

pub use cut::Cut;
pub use error::OpenError;
pub use finding::{Finding, FindingKind, VerifyReport};
pub use handle::FileJournal;
pub use store::OpenReport;
pub use verify::verify_files;
