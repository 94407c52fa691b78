use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::name::NameError;
use crate::{EnvironmentName, PipelineName, PoolName, RunId};

/// How many events a stream held: the number of its last event, 0 for an empty stream.
pub type Position = u64;

/// How many events a journal held, over all streams: the number of its last event, 0 for an empty one.
/// A projection keeps the cursor of the last event that it has seen.
pub type Cursor = u64;

/// What a stream is about.
///
/// The set is open: a crate that needs a kind of its own makes one with [`StreamKind::new`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKind(std::borrow::Cow<'static, str>);

impl StreamKind {
    /// The life of one run.
    pub const RUN: StreamKind = StreamKind::known("run");
    /// The history of an environment: its lock and its deployments.
    pub const ENVIRONMENT: StreamKind = StreamKind::known("environment");
    /// What concerns a pipeline as a whole: its queue, what superseded what.
    pub const PIPELINE: StreamKind = StreamKind::known("pipeline");
    /// A pool: who has a slot of it.
    pub const POOL: StreamKind = StreamKind::known("pool");
    /// A change record (ITIL).
    pub const CHANGE: StreamKind = StreamKind::known("change");
    /// An incident.
    pub const INCIDENT: StreamKind = StreamKind::known("incident");
    /// What the journal records about itself, such as erased payloads.
    pub const JOURNAL: StreamKind = StreamKind::known("journal");

    const fn known(kind: &'static str) -> Self {
        Self(std::borrow::Cow::Borrowed(kind))
    }

    /// A kind of one's own. It obeys the rule for [names](crate::name).
    ///
    /// # Errors
    ///
    /// When the text breaks the rule for names.
    pub fn new(kind: &str) -> Result<Self, NameError> {
        crate::TypeName::new(kind)?;
        Ok(Self(std::borrow::Cow::Owned(kind.to_owned())))
    }

    /// The kind as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StreamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamKind({})", self.0)
    }
}

/// Names one stream of a journal: `run/20261120-230145-1f3a9c`, `environment/production`.
///
/// Both parts obey the rule for [names](crate::name). Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamId {
    text: Arc<str>,
    /// Where the slash stands.
    split: u8,
}

impl StreamId {
    /// A stream of some kind.
    ///
    /// # Errors
    ///
    /// When the name breaks the rule for names.
    pub fn new(kind: &StreamKind, name: &str) -> Result<Self, StreamIdError> {
        format!("{kind}/{name}").parse()
    }

    fn of(kind: &StreamKind, name: &str) -> Self {
        // A name and a kind are at most 64 bytes each.
        Self {
            text: format!("{kind}/{name}").into(),
            split: kind.as_str().len() as u8,
        }
    }

    /// The stream of a run.
    pub fn run(run: &RunId) -> Self {
        Self::of(&StreamKind::RUN, run.as_str())
    }

    /// The stream of an environment.
    pub fn environment(environment: &EnvironmentName) -> Self {
        Self::of(&StreamKind::ENVIRONMENT, environment.as_str())
    }

    /// The stream of a pipeline.
    pub fn pipeline(pipeline: &PipelineName) -> Self {
        Self::of(&StreamKind::PIPELINE, pipeline.as_str())
    }

    /// The stream of a pool.
    pub fn pool(pool: &PoolName) -> Self {
        Self::of(&StreamKind::POOL, pool.as_str())
    }

    /// The whole id: kind, slash, name.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The kind as text.
    pub fn kind(&self) -> &str {
        &self.text[..usize::from(self.split)]
    }

    /// The name within the kind.
    pub fn name(&self) -> &str {
        &self.text[usize::from(self.split) + 1..]
    }

    /// Whether the stream is of this kind.
    pub fn is(&self, kind: &StreamKind) -> bool {
        self.kind() == kind.as_str()
    }
}

impl FromStr for StreamId {
    type Err = StreamIdError;

    fn from_str(text: &str) -> Result<Self, StreamIdError> {
        let refuse = |source| StreamIdError {
            text: text.chars().take(140).collect(),
            source,
        };
        let (kind, name) = text.split_once('/').unwrap_or((text, ""));
        crate::TypeName::new(kind).map_err(refuse)?;
        crate::TypeName::new(name).map_err(refuse)?;
        Ok(Self {
            text: text.into(),
            split: kind.len() as u8,
        })
    }
}

impl TryFrom<String> for StreamId {
    type Error = StreamIdError;

    fn try_from(text: String) -> Result<Self, StreamIdError> {
        text.parse()
    }
}

impl From<StreamId> for String {
    fn from(stream: StreamId) -> String {
        stream.text.as_ref().to_owned()
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamId({})", self.text)
    }
}

/// A text that names no stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a stream: expected `kind/name`")]
pub struct StreamIdError {
    text: String,
    source: NameError,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_a_kind_and_a_name() {
        let stream: StreamId = "environment/production".parse().unwrap();
        assert_eq!((stream.kind(), stream.name()), ("environment", "production"));
        assert_eq!(
            stream,
            StreamId::environment(&EnvironmentName::new("production").unwrap())
        );
        for bad in ["", "run", "run/", "/x", "run/a/b", "Run/a", "run/.."] {
            assert!(bad.parse::<StreamId>().is_err(), "{bad:?} was taken");
        }
    }
}
