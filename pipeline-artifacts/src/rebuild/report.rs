use std::fmt;

use pipeline_core::Digest;
use serde::Serialize;

use super::RecordedBuild;
use crate::Comparison;

/// Whether an artifact that was built again is the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RebuildReport {
    /// The build that was done again.
    pub recorded: RecordedBuild,
    /// The digest of the manifest that came out.
    pub rebuilt: Digest,
    /// The digests of both tables of contents, without the places of files: before and now.
    pub trees: (Digest, Digest),
    /// Which files differ.
    pub comparison: Comparison,
}

impl RebuildReport {
    /// Whether the very same artifact came out.
    pub fn is_same(&self) -> bool {
        self.rebuilt == self.recorded.artifact.digest
    }

    /// Whether the same files came out: perhaps packed in another way, by another version of this crate.
    pub fn has_same_files(&self) -> bool {
        self.trees.0 == self.trees.1
    }
}

impl fmt::Display for RebuildReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RecordedBuild {
            artifact,
            run,
            revision,
            ..
        } = &self.recorded;
        let verdict = match (self.is_same(), self.has_same_files()) {
            (true, _) => "the same",
            (false, true) => "the same files, PACKED OTHERWISE",
            (false, false) => "NOT THE SAME",
        };
        writeln!(f, "{verdict}: {artifact}")?;
        write!(f, "  built by run {run}")?;
        if let Some(revision) = revision {
            write!(f, " of revision {revision}")?;
        }
        write!(f, "\n  {}\n  {} came out", artifact.digest, self.rebuilt)?;
        if !self.has_same_files() {
            write!(f, "\n{}", self.comparison)?;
        }
        Ok(())
    }
}
