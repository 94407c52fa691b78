use std::fmt::{self, Debug};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Digest, Timestamp};

/// A revision of the source: a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revision {
    /// Its id, such as a git commit's.
    pub id: String,
    /// When it was committed: where lead time starts.
    pub at: Timestamp,
    /// The first line of its message.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
}

/// A path below the source's root: relative, `/` between its parts, no `..`, no `\`. `.` is the root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourcePath(Arc<str>);

impl SourcePath {
    /// The root itself.
    pub fn root() -> Self {
        Self(".".into())
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path below some directory.
    pub fn below(&self, root: &Path) -> std::path::PathBuf {
        if &*self.0 == "." {
            root.to_owned()
        } else {
            root.join(&*self.0)
        }
    }
}

impl FromStr for SourcePath {
    type Err = SourcePathError;

    fn from_str(text: &str) -> Result<Self, SourcePathError> {
        let trimmed = text.strip_prefix("./").unwrap_or(text);
        let trimmed = trimmed.strip_suffix('/').unwrap_or(trimmed);
        if matches!(trimmed, "" | ".") && !text.is_empty() && !text.starts_with('/') {
            return Ok(Self::root());
        }
        let bad_part = |part: &str| matches!(part, "" | "." | "..");
        if trimmed.split('/').any(bad_part)
            || trimmed.contains(['\\', '\0'])
            || trimmed.contains(char::is_control)
        {
            return Err(SourcePathError {
                text: text.chars().take(300).collect(),
            });
        }
        Ok(Self(trimmed.into()))
    }
}

impl TryFrom<String> for SourcePath {
    type Error = SourcePathError;

    fn try_from(text: String) -> Result<Self, SourcePathError> {
        text.parse()
    }
}

impl From<SourcePath> for String {
    fn from(path: SourcePath) -> String {
        path.0.as_ref().to_owned()
    }
}

impl fmt::Display for SourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no path below the root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a path below the source's root: expected a relative path with `/` and without `..`")]
pub struct SourcePathError {
    text: String,
}

/// The code that a run works on.
///
/// # Contract
///
/// The source does not change while a run reads it; a host gives each run a checkout of its own where it
/// cannot promise that. The engine asks for digests to tell whether a stage's inputs changed.
#[async_trait]
pub trait Source: Debug + Send + Sync + 'static {
    /// The directory with the code, if this worker has one.
    fn root(&self) -> Option<&Path>;

    /// The bytes of one file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    async fn read(&self, path: &SourcePath) -> Result<Vec<u8>, SourceError>;

    /// A digest of what lies at some paths, files or directories: of paths (empty directories too), bytes, the
    /// right to execute and the targets of links, and of nothing else.
    ///
    /// # Errors
    ///
    /// When a path does not exist or cannot be read.
    async fn digest(&self, paths: &[SourcePath]) -> Result<Digest, SourceError>;
}

/// A source that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{path}` of the source: {reason}")]
pub struct SourceError {
    /// The path, as the system knows it where there is one.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
    /// What the system said.
    #[source]
    pub source: Option<std::io::Error>,
}

/// A source without code: for pipelines that only move what exists.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSource;

#[async_trait]
impl Source for NoSource {
    fn root(&self) -> Option<&Path> {
        None
    }

    async fn read(&self, path: &SourcePath) -> Result<Vec<u8>, SourceError> {
        Err(SourceError {
            path: path.to_string(),
            reason: "this run has no source".to_owned(),
            source: None,
        })
    }

    async fn digest(&self, paths: &[SourcePath]) -> Result<Digest, SourceError> {
        match paths.first() {
            None => Ok(Digest::of(b"")),
            Some(path) => self.read(path).await.map(Digest::of),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_root() {
        for (text, path) in [("a/b", "a/b"), ("./a", "a"), ("a/", "a"), (".", "."), ("./", ".")] {
            assert_eq!(text.parse::<SourcePath>().unwrap().as_str(), path);
        }
        for bad in [
            "", "/", "/a", "..", "a/../b", "a//b", "a\\b", "a\0", "../a", "a/..",
        ] {
            assert!(bad.parse::<SourcePath>().is_err(), "{bad:?} was taken");
        }
    }
}
