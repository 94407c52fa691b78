use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use pipeline_core::{Artifact, ArtifactName, ArtifactRef, ArtifactStore, Digest, StoreError};
use semver::Version;

use crate::{BlobId, BlobSource, BlobStore};

/// How much a store may hold. What is `None` is not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobLimits {
    /// How many bytes all blobs may have together.
    pub bytes: Option<u64>,
    /// How many blobs there may be.
    pub blobs: Option<u64>,
    /// How many bytes one blob may have.
    pub largest: Option<u64>,
}

impl BlobLimits {
    /// At most so many bytes together.
    #[must_use]
    pub fn bytes(mut self, most: u64) -> Self {
        self.bytes = Some(most);
        self
    }

    /// At most so many blobs.
    #[must_use]
    pub fn blobs(mut self, most: u64) -> Self {
        self.blobs = Some(most);
        self
    }

    /// At most so many bytes in one blob.
    #[must_use]
    pub fn largest(mut self, most: u64) -> Self {
        self.largest = Some(most);
        self
    }
}

/// A store that takes no more than it may hold: a blob that does not fit is [refused](StoreError::Refused) before a byte
/// of it is read. What is there already costs nothing. Clones count together; what others put behind its back is counted
/// when it is opened, not later.
#[derive(Debug, Clone)]
pub struct Limited<S> {
    store: S,
    limits: BlobLimits,
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    bytes: u64,
    blobs: u64,
}

/// So many blobs are listed at once.
const PAGE: usize = 1024;

impl<S: BlobStore> Limited<S> {
    /// Limits a store, and counts what is in it.
    ///
    /// # Errors
    ///
    /// When it cannot be listed.
    pub async fn open(store: S, limits: BlobLimits) -> Result<Self, StoreError> {
        let mut held = Held::default();
        let mut after = None;
        loop {
            let page = store.list(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.digest);
            held.blobs += page.len() as u64;
            held.bytes += page.iter().map(|blob| blob.size).sum::<u64>();
        }
        Ok(Self {
            store,
            limits,
            held: Arc::new(Mutex::new(held)),
        })
    }

    /// Stores a blob for which there is room, or which is there already.
    async fn within<T: Send>(
        &self,
        blob: &BlobId,
        put: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        if self.store.size(&blob.digest).await? == Some(blob.size) {
            return put.await;
        }
        let mut room = self.reserve(blob)?;
        let done = put.await?;
        room.used = true;
        Ok(done)
    }

    /// Makes room for a blob, or says why there is none.
    fn reserve(&self, blob: &BlobId) -> Result<Room, StoreError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let (bytes, blobs) = (held.bytes.saturating_add(blob.size), held.blobs + 1);
        let over = [
            (self.limits.largest, blob.size, "bytes in one blob"),
            (self.limits.bytes, bytes, "bytes"),
            (self.limits.blobs, blobs, "blobs"),
        ];
        for (most, found, what) in over {
            if let Some(most) = most.filter(|most| found > *most) {
                return Err(StoreError::Refused {
                    what: format!("blob {}", blob.digest),
                    reason: format!("the store may hold {most} {what}, and would have {found}"),
                });
            }
        }
        (held.bytes, held.blobs) = (bytes, blobs);
        Ok(Room {
            held: Arc::clone(&self.held),
            size: blob.size,
            used: false,
        })
    }
}

/// Room for one blob; given back when it is not used, also when the future is dropped.
#[derive(Debug)]
struct Room {
    held: Arc<Mutex<Held>>,
    size: u64,
    used: bool,
}

impl Drop for Room {
    fn drop(&mut self) {
        if !self.used {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.bytes = held.bytes.saturating_sub(self.size);
            held.blobs = held.blobs.saturating_sub(1);
        }
    }
}

#[async_trait]
impl<S: BlobStore> BlobStore for Limited<S> {
    async fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        self.store.size(digest).await
    }

    async fn missing(&self, wanted: &[BlobId]) -> Result<Vec<BlobId>, StoreError> {
        self.store.missing(wanted).await
    }

    async fn get(&self, digest: &Digest) -> Result<Box<dyn BlobSource>, StoreError> {
        self.store.get(digest).await
    }

    async fn put(&self, blob: &BlobId, bytes: &mut dyn BlobSource) -> Result<(), StoreError> {
        self.within(blob, self.store.put(blob, bytes)).await
    }

    async fn accepts(&self, manifest: &[u8]) -> Result<(), StoreError> {
        self.store.accepts(manifest).await
    }

    async fn note_attached(&self, manifest: &[u8]) -> Result<(), StoreError> {
        self.store.note_attached(manifest).await
    }

    async fn flush(&self, blobs: &[BlobId]) -> Result<(), StoreError> {
        self.store.flush(blobs).await
    }

    async fn list(&self, after: Option<&Digest>, most: usize) -> Result<Vec<BlobId>, StoreError> {
        self.store.list(after, most).await
    }

    async fn trash(&self, digest: &Digest, epoch: u64) -> Result<bool, StoreError> {
        let size = self.store.size(digest).await?;
        let taken = self.store.trash(digest, epoch).await?;
        if let Some(size) = size.filter(|_| taken) {
            // Gives the room back.
            drop(Room {
                held: Arc::clone(&self.held),
                size,
                used: false,
            });
        }
        Ok(taken)
    }
}

#[async_trait]
impl<S: ArtifactStore + BlobStore> ArtifactStore for Limited<S> {
    async fn resolve(
        &self,
        name: &ArtifactName,
        version: &Version,
    ) -> Result<Option<ArtifactRef>, StoreError> {
        self.store.resolve(name, version).await
    }

    async fn open(&self, artifact: &ArtifactRef) -> Result<Box<dyn Artifact>, StoreError> {
        self.store.open(artifact).await
    }

    async fn put_blob(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let blob = BlobId::of(bytes);
        self.within(&blob, self.store.put_blob(bytes)).await
    }

    async fn blob(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        self.store.blob(digest).await
    }
}
