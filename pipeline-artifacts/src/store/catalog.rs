use std::collections::BTreeSet;

use pipeline_core::{ArtifactName, ArtifactRef, Digest, StoreError};
use semver::{Version, VersionReq};

use super::{BlobId, LocalStore};
use crate::catalog::{Layout, SelectError, Selection, as_far_as_known};
use crate::form::Manifest;
use crate::{Publication, limits};

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
    /// [`limits::MAX_RECORD`](crate::limits::MAX_RECORD). When only the OCI layout cannot be written, which is a view, the
    /// version is published all the same: doing it again is right in any case, since the same is accepted as the same.
    pub fn publish_with(&self, mut publication: Publication) -> Result<Publication, StoreError> {
        let digest = publication.artifact.digest;
        let _lease = self.lease()?;
        publication.tree = Some(self.artifact(&publication.artifact)?.tree()?);
        let needed = self.needed(&digest)?;
        publication.bytes = Some(needed.iter().map(|blob| blob.size).sum());
        publication.manifest_bytes = self.blob_size(&digest)?;
        publication.record()?;
        let name = publication.artifact.name.clone();
        let layout = Layout::of(self, &name);
        let change = layout.lock()?;
        let inserted = self.commit_lock().and_then(|_gate| {
            self.keep(&needed)?;
            self.keep_attached(&digest)?;
            self.catalog().insert(&publication)
        });
        match inserted {
            Ok(published) => {
                as_far_as_known(change.published(&published))?;
                self.finish_attaching()?;
                Ok(published)
            }
            Err(error) => {
                change.failed()?;
                Err(error)
            }
        }
    }

    /// Every blob that a manifest needs, itself among them.
    ///
    /// # Errors
    ///
    /// When the manifest is missing, damaged, or none.
    pub(crate) fn needed(&self, manifest: &Digest) -> Result<BTreeSet<BlobId>, StoreError> {
        let bytes = self.read_blob_up_to(manifest, limits::MAX_MANIFEST)?;
        let parsed = Manifest::parse(&bytes).map_err(|reason| self.damaged(manifest, reason))?;
        let blobs = parsed.blobs().map(|blob| BlobId {
            digest: blob.digest,
            size: blob.size,
        });
        Ok(blobs.chain([BlobId::of(&bytes)]).collect())
    }

    /// Makes sure that blobs are there and count as new, so that something may refer to them: brings them back from
    /// the trash where a collector moved them. Call it under the [commit lock](LocalStore::commit_lock).
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when one is gone, [`StoreError::Damaged`] when one has another size.
    pub(crate) fn keep<'a>(&self, blobs: impl IntoIterator<Item = &'a BlobId>) -> Result<(), StoreError> {
        for blob in blobs {
            let path = self.blob_path(&blob.digest);
            if !path.exists() && !self.restore(&blob.digest)? {
                return Err(StoreError::NotFound {
                    what: format!("blob {}", blob.digest),
                });
            }
            self.refresh(&path)?;
            match self.blob_size(&blob.digest)? {
                Some(size) if size == blob.size => {}
                found => {
                    let reason = format!("it has {found:?} bytes instead of {}", blob.size);
                    return Err(self.damaged(&blob.digest, reason));
                }
            }
        }
        Ok(())
    }

    /// The same for what is attached to a manifest, as far as it is there: when the content of a removed version comes back,
    /// so does what was attached to it, unless a collection has deleted it.
    fn keep_attached(&self, subject: &Digest) -> Result<(), StoreError> {
        let mut subjects = vec![*subject];
        while let Some(subject) = subjects.pop() {
            for attached in self.attached_to(&subject)? {
                if self.blob_path(&attached).exists() || self.restore(&attached)? {
                    match self.needed(&attached).and_then(|needed| self.keep(&needed)) {
                        Ok(()) => subjects.push(attached),
                        // For `verify` to tell of.
                        Err(StoreError::NotFound { .. } | StoreError::Damaged { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        Ok(())
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
