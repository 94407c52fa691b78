use std::io;

/// Why a table of contents cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TocFault {
    /// It breaks a rule, or is not spelt as it must be.
    #[error("{0}")]
    Wrong(String),
    /// Its bytes are not those that were read before.
    #[error("its bytes changed after it was opened")]
    Changed,
    /// The system refused.
    #[error("its bytes cannot be read or written")]
    Io(#[from] io::Error),
}

impl From<String> for TocFault {
    fn from(reason: String) -> Self {
        Self::Wrong(reason)
    }
}
