use std::collections::BTreeSet;

use pipeline_core::{Digest, StoreError};

use crate::form::{Descriptor, Manifest};
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
///
/// // What is attached to it does not go along by itself.
/// # built.attach(&packed.digest, &pipeline_artifacts::NewAttachment::note("Know this"))?;
/// let attached = built.attachments(&packed.digest)?;
/// let attached = attached.iter().map(|attachment| attachment.digest);
/// Promotion::of(packed.digest).with_attached(attached).run(&built, &live).await?;
/// assert_eq!(live.attachments(&packed.digest)?.len(), 1);
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

    /// And of these manifests that are attached to it, or to one another. They go first, so that the artifact does not arrive
    /// without; when all is there, the target [notes](BlobStore::note_attached) what is attached.
    #[must_use]
    pub fn with_attached(mut self, manifests: impl IntoIterator<Item = Digest>) -> Self {
        self.attached.extend(manifests);
        self
    }

    /// Copies. The manifests come last, when all that they name is there and durable.
    ///
    /// What the target [takes](BlobStore::accepts) is asked before anything is sent, then its table of contents is sent, and
    /// it is asked again before the rest is: so an artifact that says to have more than the [limits](crate::Limits) of a
    /// [`LocalStore`](crate::LocalStore) allow leaves nothing but its table of contents, which a collection takes.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] and [`StoreError::Damaged`] when a blob of the source is missing or not what it should be:
    /// the target keeps nothing of it; [`StoreError::Refused`] when it has more than the target takes; when one of the stores
    /// fails. What arrived stays, and is skipped the next time.
    pub async fn run(&self, from: &dyn BlobStore, to: &dyn BlobStore) -> Result<Promoted, StoreError> {
        let mut way = Way {
            from,
            to,
            promoted: Promoted::default(),
        };
        // Before anything that is attached to it is sent.
        let bytes = way.accepted(&self.manifest).await?;
        for attached in &self.attached {
            let bytes = way.accepted(attached).await?;
            way.promote(attached, bytes).await?;
        }
        way.promote(&self.manifest, bytes).await?;
        for attached in &self.attached {
            to.note_attached(&blob_bytes(from, attached, limits::MAX_MANIFEST).await?)
                .await?;
        }
        Ok(way.promoted)
    }
}

/// From one store to another.
struct Way<'a> {
    from: &'a dyn BlobStore,
    to: &'a dyn BlobStore,
    promoted: Promoted,
}

impl Way<'_> {
    /// The bytes of a manifest whose artifact is taken, as far as it is known there.
    async fn accepted(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let bytes = blob_bytes(self.from, digest, limits::MAX_MANIFEST).await?;
        self.accepts(digest, &bytes).await?;
        Ok(bytes)
    }

    async fn accepts(&self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        let accepted = self.to.accepts(bytes).await;
        accepted.map_err(|error| match error {
            StoreError::Refused { reason, .. } => StoreError::Refused {
                what: format!("artifact {digest}"),
                reason,
            },
            error => error,
        })
    }

    async fn promote(&mut self, digest: &Digest, bytes: Vec<u8>) -> Result<(), StoreError> {
        let manifest = Manifest::parse(&bytes).map_err(|reason| StoreError::Damaged {
            what: format!("manifest {digest}"),
            reason,
        })?;
        let blobs: BTreeSet<_> = manifest.blobs().map(blob).collect();
        let toc = manifest.contents().map(blob);
        if let Some(toc) = toc {
            self.send(&[toc]).await?;
            self.accepts(digest, &bytes).await?;
        }
        let rest = blobs.iter().filter(|blob| Some(**blob) != toc).copied();
        self.send(&rest.collect::<Vec<_>>()).await?;
        let blobs: Vec<_> = blobs.into_iter().collect();
        self.to.flush(&blobs).await?;
        let own = [BlobId::of(&bytes)];
        self.send(&own).await?;
        self.to.flush(&own).await
    }

    /// Sends what is missing.
    async fn send(&mut self, blobs: &[BlobId]) -> Result<(), StoreError> {
        let missing = self.to.missing(blobs).await?;
        for blob in &missing {
            let mut source = self.from.get(&blob.digest).await?;
            self.to.put(blob, &mut *source).await?;
            self.promoted.moved += 1;
            self.promoted.moved_bytes += blob.size;
        }
        for blob in blobs.iter().filter(|blob| !missing.contains(blob)) {
            self.promoted.skipped += 1;
            self.promoted.skipped_bytes += blob.size;
        }
        Ok(())
    }
}

fn blob(descriptor: &Descriptor) -> BlobId {
    BlobId {
        digest: descriptor.digest,
        size: descriptor.size,
    }
}
