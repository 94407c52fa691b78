use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::FactSource;

/// Where a fact of a [`Flow`](crate::Flow) was read; kept with it, so it outlives what was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// An event of a journal.
    Event {
        /// The stream.
        stream: Arc<str>,
        /// Its position there.
        position: u64,
    },
    /// A line of a file, a row of a table.
    Line {
        /// The name of the file, as the caller gave it.
        file: Arc<str>,
        /// The number of the line, from 1.
        line: u64,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event { stream, position } => write!(f, "{stream}#{position}"),
            Self::Line { file, line } => write!(f, "{file}:{line}"),
        }
    }
}

impl Origin {
    /// The same place, borrowed.
    pub fn as_source(&self) -> FactSource<'_> {
        match self {
            Self::Event { stream, position } => FactSource::Event {
                stream,
                position: *position,
            },
            Self::Line { file, line } => FactSource::Line { file, line: *line },
        }
    }
}

impl From<FactSource<'_>> for Origin {
    fn from(source: FactSource<'_>) -> Self {
        match source {
            FactSource::Event { stream, position } => Self::Event {
                stream: stream.into(),
                position,
            },
            FactSource::Line { file, line } => Self::Line {
                file: file.into(),
                line,
            },
        }
    }
}
