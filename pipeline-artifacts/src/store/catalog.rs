use pipeline_core::{ArtifactName, ArtifactRef, Digest, StoreError};
use semver::{Version, VersionReq};

use super::LocalStore;
use crate::Publication;
use crate::catalog::{SelectError, Selection};

impl LocalStore {
    /// Lets a name and version stand for a manifest, for ever. Doing it twice is fine. When this returns, it
    /// is on disk. [`LocalStore::publish_with`] keeps more with it.
    ///
    /// # Errors
    ///
    /// As for [`LocalStore::publish_with`].
    pub fn publish(
        &self,
        name: &ArtifactName,
        version: &Version,
        manifest: &Digest,
    ) -> Result<ArtifactRef, StoreError> {
        let artifact = ArtifactRef {
            name: name.clone(),
            version: version.clone(),
            digest: *manifest,
        };
        self.publish_with(Publication::new(artifact))
            .map(|published| published.artifact)
    }

    /// Publishes with what is known of the artifact: time, revisions, run. Sizes and the tree's digest are read
    /// off the artifact. Tells the record that stands: of two equal publications it is the first.
    ///
    /// Versions that differ only in build metadata are one version, as for Cargo. A version that
    /// [retention](crate::RetentionPlan) removed comes back when the same content is published again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] when the version stands for another manifest already; [`StoreError::NotFound`] or
    /// [`StoreError::Damaged`] when the artifact is not in the store with all its blobs (their sizes are
    /// checked, not their bytes); [`StoreError::Refused`] when the version is longer than
    /// [`limits::MAX_VERSION`](crate::limits::MAX_VERSION), or the record larger than
    /// [`limits::MAX_RECORD`](crate::limits::MAX_RECORD).
    pub fn publish_with(&self, mut publication: Publication) -> Result<Publication, StoreError> {
        let artifact = self.artifact(&publication.artifact)?;
        publication.tree = Some(artifact.tree()?);
        self.catalog().insert(&publication)
    }

    /// The artifact that a name and version stand for, also when it was yanked. The blocking twin of
    /// [`resolve`](pipeline_core::ArtifactStore::resolve). Build metadata is not compared.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when the record is not what was written.
    pub fn find(&self, name: &ArtifactName, version: &Version) -> Result<Option<ArtifactRef>, StoreError> {
        self.catalog().find(name, version)
    }

    /// The newest version of a name that a requirement allows. A pre-release is allowed only by a requirement
    /// that names one of the same version; yanked versions are not. For more, see
    /// [`Catalog::select`](crate::Catalog::select).
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read.
    pub fn newest(&self, name: &ArtifactName, of: &VersionReq) -> Result<Option<ArtifactRef>, StoreError> {
        match self.catalog().newest(name, &Selection::range(of.clone())) {
            Ok(found) => Ok(Some(found)),
            Err(SelectError::Store(error)) => Err(error),
            Err(_) => Ok(None),
        }
    }
}
