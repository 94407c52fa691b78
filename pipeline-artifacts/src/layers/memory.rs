use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use pipeline_core::{Digest, StoreError};

use crate::{BlobId, BlobSource, BlobStore, BytesSource};

/// Blobs in memory: for tests, and in front of a slower store. Clones are the same store.
///
/// What is in memory is trusted; it was verified when it was stored. It holds what a [`Promotion`](crate::Promotion) brings,
/// and opens no artifact: for that, put a [`LocalStore`](crate::LocalStore) into a file system that is in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryBlobs(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    blobs: BTreeMap<Digest, Arc<[u8]>>,
    trash: BTreeMap<(u64, Digest), Arc<[u8]>>,
}

impl MemoryBlobs {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl BlobStore for MemoryBlobs {
    async fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        Ok(self.state().blobs.get(digest).map(|bytes| bytes.len() as u64))
    }

    async fn get(&self, digest: &Digest) -> Result<Box<dyn BlobSource>, StoreError> {
        let bytes = self.state().blobs.get(digest).cloned();
        let bytes = bytes.ok_or_else(|| StoreError::NotFound {
            what: format!("blob {digest}"),
        })?;
        Ok(Box::new(BytesSource::new(&*bytes)))
    }

    async fn put(&self, blob: &BlobId, bytes: &mut dyn BlobSource) -> Result<(), StoreError> {
        let mut all = Vec::new();
        while let Some(piece) = bytes.next().await? {
            all.extend_from_slice(&piece);
            if all.len() as u64 > blob.size {
                break;
            }
        }
        let found = BlobId::of(&all);
        if found != *blob {
            return Err(StoreError::Damaged {
                what: format!("blob {} as it was sent", blob.digest),
                reason: format!("it has not the {} bytes of its digest", blob.size),
            });
        }
        self.state().blobs.insert(blob.digest, all.into());
        Ok(())
    }

    async fn flush(&self, _: &[BlobId]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn list(&self, after: Option<&Digest>, most: usize) -> Result<Vec<BlobId>, StoreError> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.state();
        let blobs = state
            .blobs
            .range::<Digest, _>((from, Bound::Unbounded))
            .take(most);
        let id = |(digest, bytes): (&Digest, &Arc<[u8]>)| BlobId {
            digest: *digest,
            size: bytes.len() as u64,
        };
        Ok(blobs.map(id).collect())
    }

    async fn trash(&self, digest: &Digest, epoch: u64) -> Result<bool, StoreError> {
        let mut state = self.state();
        let taken = state.blobs.remove(digest);
        Ok(taken.is_some_and(|bytes| {
            state.trash.insert((epoch, *digest), bytes);
            true
        }))
    }
}
