use std::cmp::Ordering;

use pipeline_core::{ArtifactName, ArtifactRef, Digest, Timestamp};
use semver::Version;

use super::{Publication, Selection, Standing};

/// A version in the catalog, in short: what queries need. The rest is in its [`Publication`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CatalogEntry {
    /// The version, as it was published first.
    pub version: Version,
    /// The digest of the manifest.
    pub digest: Digest,
    /// The digest of the tree that was packed, when it is known.
    pub tree: Option<Digest>,
    /// How many bytes its blobs have, when it is known.
    pub bytes: Option<u64>,
    /// How many bytes the manifest has, when it is known.
    pub manifest_bytes: Option<u64>,
    /// When it was published, when it is known.
    pub published_at: Option<Timestamp>,
    /// The id of the revision that it was built from, when it is known.
    pub revision: Option<Box<str>>,
    /// Whether it was yanked: it is readable, and no range selects it.
    pub yanked: bool,
    /// Whether retention removed it: its bytes may be gone.
    pub removed: bool,
    /// How many marks were read.
    pub(crate) marks: u32,
}

impl CatalogEntry {
    pub(super) fn new(publication: Publication, standing: &Standing) -> Self {
        Self {
            version: publication.artifact.version,
            digest: publication.artifact.digest,
            tree: publication.tree,
            bytes: publication.bytes,
            manifest_bytes: publication.manifest_bytes,
            published_at: publication.published_at,
            revision: publication.revision.map(|revision| revision.id.into()),
            yanked: standing.yanked.is_some(),
            removed: standing.removed.is_some(),
            marks: standing.marks,
        }
    }

    /// The reference of the artifact, under a name.
    pub fn reference(&self, name: &ArtifactName) -> ArtifactRef {
        ArtifactRef {
            name: name.clone(),
            version: self.version.clone(),
            digest: self.digest,
        }
    }
}

/// All versions of one name at one moment, the oldest first by the precedence of semantic versioning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    name: ArtifactName,
    entries: Vec<CatalogEntry>,
}

impl Versions {
    /// Puts entries in order. No two of them have one version.
    pub(crate) fn new(name: ArtifactName, mut entries: Vec<CatalogEntry>) -> Self {
        entries.sort_by(|a, b| a.version.cmp_precedence(&b.version));
        Self { name, entries }
    }

    /// The name.
    pub fn name(&self) -> &ArtifactName {
        &self.name
    }

    /// All of them: also those that were yanked or removed.
    pub fn entries(&self) -> &[CatalogEntry] {
        &self.entries
    }

    /// Those that retention did not remove.
    pub fn kept(&self) -> impl DoubleEndedIterator<Item = &CatalogEntry> {
        self.entries.iter().filter(|entry| !entry.removed)
    }

    /// One version, removed or not. Build metadata is not compared.
    pub fn get(&self, version: &Version) -> Option<&CatalogEntry> {
        let order = |entry: &CatalogEntry| entry.version.cmp_precedence(version);
        let at = self.entries.binary_search_by(order).ok()?;
        self.entries.get(at)
    }

    /// The newest that a selection allows.
    pub fn newest(&self, selection: &Selection) -> Option<&CatalogEntry> {
        self.kept().rev().find(|entry| selection.allows(entry))
    }

    /// Everything that a selection allows, the oldest first.
    pub fn select<'a>(
        &'a self,
        selection: &'a Selection,
    ) -> impl DoubleEndedIterator<Item = &'a CatalogEntry> {
        self.kept().filter(|entry| selection.allows(entry))
    }

    /// The version before another one: the newest of lower precedence that is not a pre-release, unless the
    /// other one is a pre-release itself; what release notes compare with. Yanked versions count.
    pub fn before(&self, version: &Version) -> Option<&CatalogEntry> {
        self.entries.iter().rev().find(|entry| {
            entry.version.cmp_precedence(version) == Ordering::Less
                && (entry.version.pre.is_empty() || !version.pre.is_empty())
        })
    }
}
