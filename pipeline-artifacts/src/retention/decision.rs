use pipeline_core::ArtifactRef;
use serde::{Deserialize, Serialize};

/// What becomes of one version, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RetentionDecision {
    /// The version.
    pub artifact: ArtifactRef,
    /// How many bytes its blobs have, shared ones too, when it is known.
    pub bytes: Option<u64>,
    /// What becomes of it.
    pub fate: Fate,
    /// Why, for people.
    pub reason: String,
}

/// What becomes of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It stays.
    Kept,
    /// Its bytes are given up. The version stays taken.
    Removed,
}
