use std::fmt;

use pipeline_core::{Digest, Estate, Release};
use serde::{Deserialize, Serialize};

/// A digest that somebody needs, and why: the manifest of an artifact, or any other blob. The host says so; a store does
/// not know what runs where.
///
/// ```
/// use pipeline_artifacts::InUse;
/// use pipeline_core::{Digest, Estate};
///
/// let mut in_use = InUse::in_estate(&Estate::default());
/// in_use.push(InUse::new(Digest::of("a change's plan"), "evidence of change 4711"));
/// # assert_eq!(in_use.len(), 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InUse {
    /// What is needed.
    pub digest: Digest,
    /// Why, for people: `production runs it`.
    pub reason: String,
}

impl InUse {
    /// A digest that is needed.
    pub fn new(digest: Digest, reason: impl fmt::Display) -> Self {
        Self {
            digest,
            reason: reason.to_string(),
        }
    }

    /// The artifacts that the environments of an estate run, and those that a rollback would go back to.
    pub fn in_estate(estate: &Estate) -> Vec<Self> {
        let mut found = Vec::new();
        for (name, state) in estate.environments() {
            let mut add = |release: &Release, why: String| {
                let artifacts = release.artifacts.values();
                found.extend(artifacts.map(|artifact| Self::new(artifact.digest, &why)));
            };
            if let Some(live) = &state.live {
                add(&live.release, format!("{name} runs it"));
            }
            if let Some(verified) = &state.verified {
                add(&verified.release, format!("{name} could roll back to it"));
            }
        }
        found.sort();
        found.dedup();
        found
    }
}
