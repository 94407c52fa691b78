use pipeline_core::{ArtifactName, ArtifactRef, Digest, Revision, RunId, StoreError, Timestamp};
use semver::{BuildMetadata, Version};
use serde::{Deserialize, Serialize};

use super::sealed;
use crate::limits;

/// What a name and version stand for, and what was known when they were published: the record in the catalog,
/// written once and never changed.
///
/// Only the artifact decides whether two publications are the same. The rest is provenance: of two equal
/// publications the first stays.
///
/// ```
/// use pipeline_artifacts::Publication;
/// use pipeline_core::{ArtifactRef, Digest};
///
/// let artifact = ArtifactRef { name: "shop".parse()?, version: "1.4.0".parse()?, digest: Digest::of("manifest") };
/// let publication = Publication::new(artifact).at("2026-11-25T12:00:00Z".parse()?).run("20261125-1".parse()?);
/// assert_eq!(publication.artifact.version.minor, 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Publication {
    /// The name, the version, and the digest of the manifest.
    pub artifact: ArtifactRef,
    /// The digest of the tree that was packed, which stays when it is packed in another way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<Digest>,
    /// How many bytes its blobs have, the manifest among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// How many bytes the manifest has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_bytes: Option<u64>,
    /// When it was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Timestamp>,
    /// The revision that it was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// The revisions since the version before, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<Revision>,
    /// The run that built it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
}

impl Publication {
    /// An artifact of which nothing else is known.
    pub fn new(artifact: ArtifactRef) -> Self {
        Self {
            artifact,
            tree: None,
            bytes: None,
            manifest_bytes: None,
            published_at: None,
            revision: None,
            revisions: Vec::new(),
            run: None,
        }
    }

    /// With the digest of the tree that was packed.
    #[must_use]
    pub fn tree(mut self, tree: Digest) -> Self {
        self.tree = Some(tree);
        self
    }

    /// With the time of publication.
    #[must_use]
    pub fn at(mut self, at: Timestamp) -> Self {
        self.published_at = Some(at);
        self
    }

    /// With the revision that it was built from.
    #[must_use]
    pub fn revision(mut self, revision: Revision) -> Self {
        self.revision = Some(revision);
        self
    }

    /// With the revisions since the version before, the newest first.
    #[must_use]
    pub fn revisions(mut self, revisions: Vec<Revision>) -> Self {
        self.revisions = revisions;
        self
    }

    /// With the run that built it.
    #[must_use]
    pub fn run(mut self, run: RunId) -> Self {
        self.run = Some(run);
        self
    }

    /// The bytes of its record.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] when it is too large.
    pub(crate) fn record(&self) -> Result<Vec<u8>, StoreError> {
        let ArtifactRef { name, version, .. } = &self.artifact;
        let refused = |reason| StoreError::Refused {
            what: format!("{name} {version}"),
            reason,
        };
        if version.to_string().len() > limits::MAX_VERSION {
            let most = limits::MAX_VERSION;
            return Err(refused(format!("the version is longer than {most} bytes")));
        }
        let bytes = sealed::write(self).map_err(|error| StoreError::Other(Box::new(error)))?;
        if bytes.len() > limits::MAX_RECORD {
            let (found, most) = (bytes.len(), limits::MAX_RECORD);
            return Err(refused(format!(
                "its record has {found} bytes, at most {most} are allowed; name fewer revisions"
            )));
        }
        Ok(bytes)
    }

    /// Reads a record, which must be the one of this name and version.
    pub(super) fn read(bytes: &[u8], name: &ArtifactName, version: &Version) -> Result<Self, String> {
        let found: Self = sealed::read(bytes)?;
        let artifact = &found.artifact;
        if artifact.name == *name && plain(&artifact.version) == plain(version) {
            Ok(found)
        } else {
            Err(format!(
                "it is the record of {} {}",
                artifact.name, artifact.version
            ))
        }
    }
}

/// A version without its build metadata: what the catalog tells versions apart by.
pub(crate) fn plain(version: &Version) -> Version {
    Version {
        build: BuildMetadata::EMPTY,
        ..version.clone()
    }
}
