use std::io;
use std::path::{Path, PathBuf};

use super::scan::Fault;
use crate::journal::ReadError;

/// A journal that could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The system refused.
    #[error("cannot open journal {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is there is not what was written. Nothing was changed.
    #[error("{}:{line}: the journal is damaged: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong there.
        reason: String,
    },
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io { path, source } => Self::Io { path, source },
            ReadError::Corrupt { path, line, reason } => Self::Corrupt { path, line, reason },
            ReadError::Other(source) => Self::Io {
                path: PathBuf::new(),
                source: io::Error::other(source),
            },
        }
    }
}

pub(super) fn corrupt(path: &Path, fault: &Fault) -> ReadError {
    ReadError::Corrupt {
        path: path.to_owned(),
        line: fault.line,
        reason: fault.reason.clone(),
    }
}

pub(super) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> ReadError {
    let path = path.to_owned();
    move |source| ReadError::Io { path, source }
}
