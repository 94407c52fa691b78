use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use pipeline_core::StoreError;

use super::source::{Fault, RemoteSource, noted, outgoing};
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

/// Of so many blobs it is asked whether they are there, before all others are taken to be missing, too.
const SAMPLE: usize = 8;

impl Remote {
    /// Moves the blobs there that are not, some at once.
    ///
    /// To ask for a blob costs a registry a tenth of what it costs to take one. In a repository without tags there is
    /// nothing but what a push left that broke off; blobs go in the order of their digests, so that it left one of the
    /// first, or none. When none of these is there, it is not asked for the others. Had somebody pushed other artifacts just
    /// so far, a blob would travel twice, which does no harm.
    pub(super) async fn push_blobs(
        &self,
        store: &LocalStore,
        mut blobs: Vec<BlobId>,
        moved: &mut Transferred,
    ) -> Result<(), OciError> {
        let rest = blobs.split_off(blobs.len().min(SAMPLE.max(self.parallel())));
        let present = moved.present;
        self.push_some(store, blobs, true, moved).await?;
        if rest.is_empty() {
            return Ok(());
        }
        let ask = moved.present > present || !self.has_no_tags().await;
        self.push_some(store, rest, ask, moved).await
    }

    async fn push_some(
        &self,
        store: &LocalStore,
        blobs: Vec<BlobId>,
        ask: bool,
        moved: &mut Transferred,
    ) -> Result<(), OciError> {
        let mut pushes =
            stream::iter(blobs)
                .map(|blob| async move {
                    Ok::<_, OciError>((self.push_blob(store, &blob, ask).await?, blob.size))
                })
                .buffer_unordered(self.parallel());
        while let Some((was_moved, size)) = pushes.try_next().await? {
            moved.note(was_moved, size);
        }
        Ok(())
    }

    /// Moves a blob there; when it is to be asked for, only if it is not. Whether it was moved.
    async fn push_blob(&self, store: &LocalStore, blob: &BlobId, ask: bool) -> Result<bool, OciError> {
        let doing = format!("push blob {} to {}", blob.digest, self.name());
        if ask && self.persist(&doing, || self.has_blob(blob)).await? {
            return Ok(false);
        }
        self.persist(&doing, || async {
            let fault = Fault::default();
            let bytes = || async {
                let source = store.get(&blob.digest).await.map_err(OciError::from)?;
                Ok(outgoing(source, Arc::clone(&fault)))
            };
            let pushed = self.put_blob(blob, bytes).await;
            // What is wrong here comes before what is said there because of it.
            match noted(&fault) {
                Some(error) => Err(OciError::from(error).into()),
                None => pushed,
            }
        })
        .await?;
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
                self.pull_blob(store, &blob).await?;
                Ok::<_, OciError>(blob.size)
            })
            .buffer_unordered(self.parallel());
        while let Some(size) = pulls.try_next().await? {
            moved.note(true, size);
        }
        store.flush(&missing).await?;
        Ok(())
    }

    async fn pull_blob(&self, store: &LocalStore, blob: &BlobId) -> Result<(), OciError> {
        let fault = Fault::default();
        let mut source = RemoteSource::new(self.clone(), *blob, Arc::clone(&fault));
        let stored = store.put(blob, &mut source).await;
        stored.map_err(|error| match (noted(&fault), error) {
            (Some(fault), _) => fault,
            // What came has other bytes.
            (None, StoreError::Damaged { reason, .. }) => {
                OciError::refused(format!("blob {} of {}", blob.digest, self.name()), reason)
            }
            (None, error) => error.into(),
        })
    }
}
