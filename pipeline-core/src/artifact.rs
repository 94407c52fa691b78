//! Artifacts: built once, immutable, free of any environment's configuration.

use std::fmt::{self, Debug};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::{ArtifactName, Digest};

/// Names one artifact: a name, a semantic version, and the digest of its manifest, which alone is its
/// identity. What is deployed is the digest; name and version are for people and queries.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactRef {
    /// The name.
    pub name: ArtifactName,
    /// The version; with the name it stands for one digest for ever.
    pub version: Version,
    /// The digest of the manifest.
    pub digest: Digest,
}

impl fmt::Display for ArtifactRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.name, self.version, self.digest.short())
    }
}

/// What one path of an artifact is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EntryKind {
    /// A file.
    File {
        /// How many bytes it has.
        size: u64,
        /// The digest of its bytes.
        digest: Digest,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A directory.
    Directory,
    /// A symbolic link that stays inside the artifact.
    Symlink {
        /// Where it points, relative to its own directory.
        target: String,
    },
}

impl EntryKind {
    /// How many bytes a file has; `None` when it is none.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::File { size, .. } => Some(*size),
            Self::Directory | Self::Symlink { .. } => None,
        }
    }
}

/// One path of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactEntry {
    /// The path: relative, `/` between its parts, no `.` or `..`.
    pub path: String,
    /// What is there.
    #[serde(flatten)]
    pub kind: EntryKind,
}

/// An artifact of a store, opened.
///
/// # Contract
///
/// An artifact never changes. What is read is verified against its digest before the caller sees it; wrong
/// bytes are an error that names the blob, never data.
#[async_trait]
pub trait Artifact: Debug + Send + Sync {
    /// Which artifact this is.
    fn reference(&self) -> &ArtifactRef;

    /// What is in it, sorted by the bytes of the path: at most `most` entries, from the beginning or after a path, whether
    /// that is there or not. Fewer than `most` are the last ones. So a list of a million entries need not be in memory at
    /// once: the next part comes after the last path of the one before.
    ///
    /// # Errors
    ///
    /// When the list cannot be read, or is not what the manifest says.
    async fn entries(&self, after: Option<&str>, most: usize) -> Result<Vec<ArtifactEntry>, StoreError>;

    /// What is at a path; `None` when nothing is.
    ///
    /// # Errors
    ///
    /// When the list cannot be read, or is not what the manifest says.
    async fn entry(&self, path: &str) -> Result<Option<ArtifactEntry>, StoreError>;

    /// The bytes of one file. For small files: descriptions, templates, checksums.
    ///
    /// # Errors
    ///
    /// When there is no such file, or its bytes are not what the manifest says.
    async fn read(&self, path: &str) -> Result<Vec<u8>, StoreError>;

    /// Writes everything into a directory that is empty or does not exist yet. When it fails, the
    /// directory may hold a part: the caller removes it.
    ///
    /// # Errors
    ///
    /// When the directory is not empty or cannot be written, or some bytes are not what the manifest says.
    async fn materialise(&self, into: &Path) -> Result<(), StoreError>;
}

/// Where artifacts and other immutable bytes live, by digest. A source of truth: the journal names
/// digests, the store has the bytes.
///
/// # Contract
///
/// - What was stored under a digest is returned exactly or not at all: every read is verified.
/// - Storing the same bytes again is no error, and heals a damaged copy.
/// - When a call that stores returns, the bytes are as durable as the store can make them.
#[async_trait]
pub trait ArtifactStore: Debug + Send + Sync + 'static {
    /// The artifact that a name and version stand for, if there is one.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read.
    async fn resolve(
        &self,
        name: &ArtifactName,
        version: &Version,
    ) -> Result<Option<ArtifactRef>, StoreError>;

    /// Opens an artifact by the digest in its reference.
    ///
    /// # Errors
    ///
    /// When the manifest is missing or damaged.
    async fn open(&self, artifact: &ArtifactRef) -> Result<Box<dyn Artifact>, StoreError>;

    /// Stores some bytes by their digest: output of a stage, a configuration, an action plan.
    ///
    /// # Errors
    ///
    /// When they cannot be stored.
    async fn put_blob(&self, bytes: &[u8]) -> Result<Digest, StoreError>;

    /// The bytes behind a digest.
    ///
    /// # Errors
    ///
    /// When the blob is missing or damaged.
    async fn blob(&self, digest: &Digest) -> Result<Vec<u8>, StoreError>;
}

#[async_trait]
impl<S: ArtifactStore + ?Sized> ArtifactStore for Arc<S> {
    async fn resolve(
        &self,
        name: &ArtifactName,
        version: &Version,
    ) -> Result<Option<ArtifactRef>, StoreError> {
        (**self).resolve(name, version).await
    }

    async fn open(&self, artifact: &ArtifactRef) -> Result<Box<dyn Artifact>, StoreError> {
        (**self).open(artifact).await
    }

    async fn put_blob(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        (**self).put_blob(bytes).await
    }

    async fn blob(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        (**self).blob(digest).await
    }
}

/// What a store could not do, sorted by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such artifact, file or blob.
    #[error("{what} is not in the store")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// What is there is not what was stored.
    #[error("{what} is damaged: {reason}")]
    Damaged {
        /// Which blob or artifact, with its file where there is one.
        what: String,
        /// How it shows.
        reason: String,
    },
    /// Other bytes stand under this name and version already.
    #[error("{}", taken(name, version, standing, published, offered))]
    Taken {
        /// The name.
        name: ArtifactName,
        /// The version that was offered.
        version: Version,
        /// The version that stands in its way: the same, or one that differs in build metadata, where that does not tell
        /// versions apart.
        standing: Box<Version>,
        /// What stands there.
        published: Digest,
        /// What was offered.
        offered: Digest,
    },
    /// What was given, or asked for, is not taken.
    #[error("{what} is refused: {reason}")]
    Refused {
        /// What was given.
        what: String,
        /// Why not.
        reason: String,
    },
    /// The system refused: a full disk, a missing permission.
    #[error("{what}")]
    Io {
        /// What was being done, with the path.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another kind of store failed.
    #[error("the store failed")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Which version stands in the way, and what to do.
fn taken(
    name: &ArtifactName,
    version: &Version,
    standing: &Version,
    published: &Digest,
    offered: &Digest,
) -> String {
    if version == standing {
        return format!(
            "{name} {version} is published already as {published}; publish {offered} under another version"
        );
    }
    format!(
        "{name} {standing} is published already as {published} and stands in the way of {version}: what is behind a `+` \
         does not tell versions apart; publish {offered} under another number"
    )
}
