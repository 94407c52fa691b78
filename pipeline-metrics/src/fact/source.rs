use std::fmt;

use serde::Serialize;

/// Where a fact was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactSource<'a> {
    /// An event of a journal, or of another source that names its events.
    Event {
        /// The stream, or whatever the position is a position in.
        stream: &'a str,
        /// The position in it.
        position: u64,
    },
    /// A line of a file.
    Line {
        /// The name of the file, as the caller gave it.
        file: &'a str,
        /// The number of the line, from 1.
        line: u64,
    },
}

impl fmt::Display for FactSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event { stream, position } => write!(f, "{stream}#{position}"),
            Self::Line { file, line } => write!(f, "{file}:{line}"),
        }
    }
}
