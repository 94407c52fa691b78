use async_trait::async_trait;
use pipeline_core::{Digest, StoreError};

use crate::{BlobId, BlobSource, BlobStore};

/// A fast store in front of a slow one. The slow one is the truth: what is stored goes there, and what the fast one lacks
/// or has damaged is read from there and kept in front.
///
/// A read that fills the front comes out of the front, verified twice. When the front cannot take it, full or read-only,
/// the slow store answers.
#[derive(Debug, Clone)]
pub struct Tiered<F, S> {
    fast: F,
    slow: S,
}

impl<F: BlobStore, S: BlobStore> Tiered<F, S> {
    /// Puts a fast store in front of a slow one.
    pub fn new(fast: F, slow: S) -> Self {
        Self { fast, slow }
    }

    /// Whether the front has a blob that is whole: reads it to its end.
    async fn is_whole(&self, digest: &Digest) -> bool {
        let Ok(mut source) = self.fast.get(digest).await else {
            return false;
        };
        loop {
            match source.next().await {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Copies a blob to the front; whether it is there now.
    async fn fill(&self, blob: &BlobId) -> Result<bool, StoreError> {
        let mut source = self.slow.get(&blob.digest).await?;
        Ok(self.fast.put(blob, &mut *source).await.is_ok())
    }
}

#[async_trait]
impl<F: BlobStore, S: BlobStore> BlobStore for Tiered<F, S> {
    async fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        self.slow.size(digest).await
    }

    async fn missing(&self, wanted: &[BlobId]) -> Result<Vec<BlobId>, StoreError> {
        self.slow.missing(wanted).await
    }

    async fn get(&self, digest: &Digest) -> Result<Box<dyn BlobSource>, StoreError> {
        if self.is_whole(digest).await {
            return self.fast.get(digest).await;
        }
        let Some(size) = self.slow.size(digest).await? else {
            return Err(StoreError::NotFound {
                what: format!("blob {digest}"),
            });
        };
        let blob = BlobId {
            digest: *digest,
            size,
        };
        match self.fill(&blob).await? {
            true => self.fast.get(digest).await,
            false => self.slow.get(digest).await,
        }
    }

    async fn put(&self, blob: &BlobId, bytes: &mut dyn BlobSource) -> Result<(), StoreError> {
        self.slow.put(blob, bytes).await
    }

    async fn flush(&self, blobs: &[BlobId]) -> Result<(), StoreError> {
        self.slow.flush(blobs).await
    }

    async fn list(&self, after: Option<&Digest>, most: usize) -> Result<Vec<BlobId>, StoreError> {
        self.slow.list(after, most).await
    }

    /// Takes it from both; what counts is the slow one.
    async fn trash(&self, digest: &Digest, epoch: u64) -> Result<bool, StoreError> {
        let _ = self.fast.trash(digest, epoch).await;
        self.slow.trash(digest, epoch).await
    }
}
