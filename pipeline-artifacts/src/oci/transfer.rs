use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::source::{RemoteSource, outgoing};
use super::{OciError, Remote, Transferred};
use crate::form::Manifest;
use crate::{BlobId, BlobStore, LocalStore};

/// The blobs that a manifest needs, each once.
pub(super) fn blobs(manifest: &Manifest) -> Vec<BlobId> {
    let blobs = manifest.blobs().map(|blob| BlobId {
        digest: blob.digest,
        size: blob.size,
    });
    let blobs: BTreeSet<_> = blobs.collect();
    blobs.into_iter().collect()
}

impl Remote {
    /// Moves the blobs there that are not, some at once.
    pub(super) async fn push_blobs(
        &self,
        store: &LocalStore,
        blobs: Vec<BlobId>,
        moved: &mut Transferred,
    ) -> Result<(), OciError> {
        let mut pushes = stream::iter(blobs)
            .map(|blob| async move { Ok::<_, OciError>((self.push_blob(store, &blob).await?, blob.size)) })
            .buffer_unordered(self.parallel());
        while let Some((was_moved, size)) = pushes.try_next().await? {
            moved.note(was_moved, size);
        }
        Ok(())
    }

    /// Moves a blob there, if it is not. Whether it was moved.
    async fn push_blob(&self, store: &LocalStore, blob: &BlobId) -> Result<bool, OciError> {
        let digest = blob.digest.to_string();
        let doing = || format!("push blob {digest} to {}", self.name());
        let there = self.client().blob_exists(self.place(), &digest).await;
        if there.map_err(OciError::registry(doing()))? {
            return Ok(false);
        }
        let fault = Arc::new(Mutex::new(None));
        let pieces = outgoing(store.get(&blob.digest).await?, Arc::clone(&fault));
        let pushed = self
            .client()
            .push_blob_stream(self.place(), pieces, &digest, Some(blob.size))
            .await;
        // What is wrong here comes before what is said there because of it.
        if let Some(error) = fault.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error.into());
        }
        pushed.map_err(OciError::registry(doing()))?;
        Ok(true)
    }

    /// Moves the blobs here that are not, some at once, and makes them durable.
    pub(super) async fn pull_blobs(
        &self,
        store: &LocalStore,
        blobs: Vec<BlobId>,
        moved: &mut Transferred,
    ) -> Result<(), OciError> {
        let missing = store.missing(&blobs).await?;
        moved.present += blobs.len() - missing.len();
        let mut pulls = stream::iter(missing.clone())
            .map(|blob| async move {
                let mut source = RemoteSource::new(self.clone(), blob);
                store.put(&blob, &mut source).await?;
                Ok::<_, OciError>(blob.size)
            })
            .buffer_unordered(self.parallel());
        while let Some(size) = pulls.try_next().await? {
            moved.note(true, size);
        }
        store.flush(&missing).await?;
        Ok(())
    }
}
