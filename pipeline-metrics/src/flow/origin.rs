use std::fmt;
use std::sync::Arc;

use serde::Serialize;

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
