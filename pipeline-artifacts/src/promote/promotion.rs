use pipeline_core::{Digest, StoreError};

use crate::form::Manifest;
use crate::store::blob_bytes;
use crate::{BlobId, BlobStore, limits};

/// Copies an artifact by its digest from one store to another: only what is missing there travels, and the target checks
/// every byte. A promotion that was cut off goes on where it was: what arrived is not sent again.
///
/// ```
/// use pipeline_artifacts::{LocalStore, Packer, Promotion};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let dist = dir.path().join("dist");
/// # std::fs::create_dir(&dist)?;
/// # std::fs::write(dist.join("app.conf"), "threads = 4\n")?;
/// let built = LocalStore::open(dir.path().join("built"))?;
/// let live = LocalStore::open(dir.path().join("live"))?;
/// let packed = Packer::new(&dist).pack(&built)?;
///
/// let lease = live.lease()?; // until it is published there
/// let promoted = Promotion::of(packed.digest).run(&built, &live).await?;
/// live.publish(&"shop".parse()?, &"1.4.0".parse()?, &packed.digest)?;
/// drop(lease);
/// assert_eq!(promoted.skipped, 0);
/// assert_eq!(Promotion::of(packed.digest).run(&built, &live).await?.moved, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Promotion {
    manifest: Digest,
    attached: Vec<Digest>,
}

/// What a promotion did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Promoted {
    /// How many blobs were sent.
    pub moved: u64,
    /// How many bytes they have.
    pub moved_bytes: u64,
    /// How many blobs were there already.
    pub skipped: u64,
    /// How many bytes they have.
    pub skipped_bytes: u64,
}

impl Promotion {
    /// Of the artifact with this manifest.
    pub fn of(manifest: Digest) -> Self {
        Self {
            manifest,
            attached: Vec::new(),
        }
    }

    /// And of these manifests that are attached to it. They go first, so that the artifact does not arrive without.
    #[must_use]
    pub fn with_attached(mut self, manifests: impl IntoIterator<Item = Digest>) -> Self {
        self.attached.extend(manifests);
        self
    }

    /// Copies. The manifests come last, when all that they name is there and durable.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] and [`StoreError::Damaged`] when a blob of the source is missing or not what it should be:
    /// the target keeps nothing of it; when one of the stores fails. What arrived stays, and is skipped the next time.
    pub async fn run(&self, from: &dyn BlobStore, to: &dyn BlobStore) -> Result<Promoted, StoreError> {
        let mut promoted = Promoted::default();
        for manifest in self.attached.iter().chain([&self.manifest]) {
            promote(manifest, from, to, &mut promoted).await?;
        }
        Ok(promoted)
    }
}

async fn promote(
    digest: &Digest,
    from: &dyn BlobStore,
    to: &dyn BlobStore,
    promoted: &mut Promoted,
) -> Result<(), StoreError> {
    let bytes = blob_bytes(from, digest, limits::MAX_MANIFEST).await?;
    let manifest = Manifest::parse(&bytes).map_err(|reason| StoreError::Damaged {
        what: format!("manifest {digest}"),
        reason,
    })?;
    let mut blobs: Vec<BlobId> = manifest
        .blobs()
        .map(|blob| BlobId {
            digest: blob.digest,
            size: blob.size,
        })
        .collect();
    blobs.sort();
    blobs.dedup();
    send(&blobs, from, to, promoted).await?;
    send(&[BlobId::of(&bytes)], from, to, promoted).await
}

/// Sends what is missing, and makes all of it durable.
async fn send(
    blobs: &[BlobId],
    from: &dyn BlobStore,
    to: &dyn BlobStore,
    promoted: &mut Promoted,
) -> Result<(), StoreError> {
    let missing = to.missing(blobs).await?;
    for blob in &missing {
        let mut source = from.get(&blob.digest).await?;
        to.put(blob, &mut *source).await?;
        promoted.moved += 1;
        promoted.moved_bytes += blob.size;
    }
    to.flush(blobs).await?;
    for blob in blobs.iter().filter(|blob| !missing.contains(blob)) {
        promoted.skipped += 1;
        promoted.skipped_bytes += blob.size;
    }
    Ok(())
}
