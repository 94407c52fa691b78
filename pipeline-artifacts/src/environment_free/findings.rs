use std::fmt;

use pipeline_core::{ArtifactRef, EnvironmentName};
use serde::Serialize;

/// The values of environments that an artifact holds. The values themselves are not among it, so it may be shown and kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Findings {
    /// The artifact.
    pub artifact: ArtifactRef,
    /// How many values were looked for.
    pub values: usize,
    /// Where they were found, in the order of the paths; the first thousand.
    pub found: Vec<Finding>,
    /// How many there are in all.
    pub total: usize,
}

/// A value in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The path in the artifact.
    pub path: String,
    /// Where it was found there.
    #[serde(flatten)]
    pub place: FoundIn,
    /// How often; in the bytes of a file it may be there more than once.
    pub times: u64,
    /// The environments and keys that have this value.
    pub of: Vec<WhoseValue>,
}

/// Where a value was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "in")]
#[non_exhaustive]
pub enum FoundIn {
    /// In the bytes of a file, there the first time.
    File {
        /// Behind so many bytes.
        offset: u64,
        /// In this line, from 1: behind so many line feeds, also where the file is no text.
        line: u64,
    },
    /// In the path itself.
    Path,
    /// In the target of a symbolic link.
    Target,
}

/// The owner of a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct WhoseValue {
    /// The environment.
    pub environment: EnvironmentName,
    /// The dotted key of its configuration.
    pub key: String,
    /// Whether it is a secret.
    pub secret: bool,
}

/// How many findings are listed.
pub(super) const MOST: usize = 1000;

impl Findings {
    /// Whether no value was found.
    pub fn is_free(&self) -> bool {
        self.total == 0
    }
}

impl fmt::Display for Findings {
    /// Lines for people: what was found where, without the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { artifact, values, .. } = self;
        if self.is_free() {
            return write!(f, "{artifact} holds none of {values} values of environments");
        }
        write!(f, "{artifact} holds values of environments:")?;
        for finding in &self.found {
            write!(f, "\n  {finding}")?;
        }
        match self.total - self.found.len() {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            FoundIn::File { offset, line } => write!(f, "{}:{line} (byte {offset})", self.path)?,
            FoundIn::Path => write!(f, "{} (its path)", self.path)?,
            FoundIn::Target => write!(f, "{} (its target)", self.path)?,
        }
        for (
            index,
            WhoseValue {
                environment,
                key,
                secret,
            },
        ) in self.of.iter().enumerate()
        {
            let before = if index == 0 { ":" } else { "," };
            let word = if *secret { "secret " } else { "" };
            write!(f, "{before} {word}`{key}` of `{environment}`")?;
        }
        match self.times {
            0 | 1 => Ok(()),
            times => write!(f, ", {times} times"),
        }
    }
}
