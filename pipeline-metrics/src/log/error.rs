use std::io;
use std::sync::Arc;

/// A log that could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[error("cannot read delivery log `{file}`, line {line}")]
pub struct LogError {
    /// The name of the log.
    pub file: Arc<str>,
    /// The number of the line, from 1.
    pub line: u64,
    /// Why.
    #[source]
    pub kind: LogErrorKind,
}

/// Why a log could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogErrorKind {
    /// The system could not read it.
    #[error("reading failed")]
    Read(#[source] io::Error),
    /// The line does not fit, and the reader is strict.
    #[error("the line does not fit")]
    BadLine(#[source] LineError),
}

/// A line that does not fit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// It is no JSON object.
    #[error("not a JSON object")]
    NoObject,
    /// It is no JSON object of this form.
    #[error("not a line of a delivery log")]
    Form(#[source] serde_json::Error),
    /// It lacks something that its type needs.
    #[error("line of type `{kind}` without `{field}`")]
    Missing {
        /// The type of the line.
        kind: &'static str,
        /// The field.
        field: &'static str,
    },
    /// It is longer than any line that is read.
    #[error("longer than {limit} bytes")]
    TooLong {
        /// How long a line may be.
        limit: usize,
    },
}
