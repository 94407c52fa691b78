use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// What a reader met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceSummary {
    /// How many records were used.
    pub used: u64,
    /// How many records are in order and say nothing that a number needs, by what they are.
    pub unused: BTreeMap<String, u64>,
    /// How many records were not in order, and are problems now.
    pub bad: u64,
}

impl SourceSummary {
    /// All records.
    pub fn records(&self) -> u64 {
        self.used + self.unused.values().sum::<u64>() + self.bad
    }

    /// Together with what was met elsewhere.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.used += other.used;
        self.bad += other.bad;
        for (kind, count) in other.unused {
            *self.unused.entry(kind).or_default() += count;
        }
        self
    }
}

/// A source that could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{file}`, line {line}")]
pub struct SourceError {
    /// The name of the file.
    pub file: Arc<str>,
    /// The number of the line, from 1.
    pub line: u64,
    /// Why.
    #[source]
    pub kind: SourceErrorKind,
}

/// Why a source could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceErrorKind {
    /// The system could not read it.
    #[error("reading failed")]
    Read(#[source] io::Error),
    /// The record does not fit, and the reader is strict; or nothing after it can be told apart.
    #[error("the record does not fit")]
    Record(#[source] RecordError),
}

/// A record that does not fit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It is not JSON, or not of this form.
    #[error("not a record of this kind")]
    Form(#[source] serde_json::Error),
    /// Its type is not one of `dev.cdevents.SUBJECT.PREDICATE.VERSION`.
    #[error("`{text}` is no type of an event: expected `dev.cdevents.SUBJECT.PREDICATE.VERSION`")]
    Type {
        /// What it says.
        text: String,
    },
    /// It lacks something that it needs.
    #[error("{kind} without `{field}`")]
    Missing {
        /// What it is.
        kind: String,
        /// What it lacks.
        field: &'static str,
    },
    /// A value does not fit.
    #[error("`{value}` in `{field}` is {expected}")]
    Value {
        /// Where.
        field: String,
        /// What stands there.
        value: String,
        /// What is wrong with it.
        expected: &'static str,
    },
    /// The row has more or fewer fields than the header.
    #[error("row of {found} fields under a header of {expected}; a text with a delimiter in it needs quotes")]
    Fields {
        /// How many it has.
        found: u64,
        /// How many it should have.
        expected: u64,
    },
    /// It is not text.
    #[error("not UTF-8")]
    NotText,
}
