use async_trait::async_trait;
use pipeline_core::{Artifact, ArtifactName, ArtifactRef, ArtifactStore, Digest, StoreError};
use semver::Version;

use crate::{BlobId, BlobSource, BlobStore};

/// A store that can be read and not be changed.
#[derive(Debug, Clone)]
pub struct ReadOnly<S>(S);

impl<S> ReadOnly<S> {
    /// Keeps a store from being changed through this one.
    pub fn new(store: S) -> Self {
        Self(store)
    }
}

fn refused(what: String) -> StoreError {
    StoreError::Refused {
        what,
        reason: "the store is read-only".to_owned(),
    }
}

#[async_trait]
impl<S: BlobStore> BlobStore for ReadOnly<S> {
    async fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        self.0.size(digest).await
    }

    async fn missing(&self, wanted: &[BlobId]) -> Result<Vec<BlobId>, StoreError> {
        self.0.missing(wanted).await
    }

    async fn get(&self, digest: &Digest) -> Result<Box<dyn BlobSource>, StoreError> {
        self.0.get(digest).await
    }

    async fn put(&self, blob: &BlobId, _: &mut dyn BlobSource) -> Result<(), StoreError> {
        Err(refused(format!("blob {}", blob.digest)))
    }

    async fn accepts(&self, manifest: &[u8]) -> Result<(), StoreError> {
        self.0.accepts(manifest).await
    }

    async fn note_attached(&self, manifest: &[u8]) -> Result<(), StoreError> {
        Err(refused(format!("attachment {}", Digest::of(manifest))))
    }

    async fn flush(&self, blobs: &[BlobId]) -> Result<(), StoreError> {
        self.0.flush(blobs).await
    }

    async fn list(&self, after: Option<&Digest>, most: usize) -> Result<Vec<BlobId>, StoreError> {
        self.0.list(after, most).await
    }

    async fn trash(&self, digest: &Digest, _: u64) -> Result<bool, StoreError> {
        Err(refused(format!("the removal of blob {digest}")))
    }
}

#[async_trait]
impl<S: ArtifactStore> ArtifactStore for ReadOnly<S> {
    async fn resolve(
        &self,
        name: &ArtifactName,
        version: &Version,
    ) -> Result<Option<ArtifactRef>, StoreError> {
        self.0.resolve(name, version).await
    }

    async fn open(&self, artifact: &ArtifactRef) -> Result<Box<dyn Artifact>, StoreError> {
        self.0.open(artifact).await
    }

    async fn put_blob(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        Err(refused(format!("blob {}", Digest::of(bytes))))
    }

    async fn blob(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        self.0.blob(digest).await
    }
}
