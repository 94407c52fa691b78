use std::io;
use std::path::PathBuf;

use super::ReadError;
use crate::event::Cursor;
use crate::name::FoldName;

/// The state of a fold over a whole journal, kept beside the journal so that the fold need not begin at the first
/// event again.
///
/// It is no truth: it can be made again from the events, and a journal forgets it whenever it does not fit. What the
/// bytes mean is known to the fold alone, so the fold raises `version` whenever it reads them in another way, or
/// folds events in another way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldSnapshot {
    /// Which fold it is.
    pub name: FoldName,
    /// The form and the meaning of the bytes.
    pub version: u32,
    /// The last event that was folded.
    pub cursor: Cursor,
    /// The state.
    pub bytes: Vec<u8>,
}

/// The state of a fold that was not kept. Nothing is lost by it but time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreFoldError {
    /// The state cannot belong to the journal.
    #[error("the state of fold `{name}` does not fit the journal: {reason}")]
    Unfit {
        /// The fold.
        name: FoldName,
        /// Why it does not fit.
        reason: &'static str,
    },
    /// The journal could not be read.
    #[error("the journal cannot be read before the state of fold `{name}` is kept")]
    Read {
        /// The fold.
        name: FoldName,
        /// What the journal said.
        source: ReadError,
    },
    /// The system refused.
    #[error("cannot keep the state of a fold in {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another kind of journal did not keep it.
    #[error("the journal did not keep the state of fold `{name}`")]
    Other {
        /// The fold.
        name: FoldName,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
