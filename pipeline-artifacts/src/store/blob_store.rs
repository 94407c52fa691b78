use std::fmt::Debug;

use async_trait::async_trait;
use pipeline_core::{Digest, StoreError};
use serde::{Deserialize, Serialize};

/// Names some bytes: their digest, and how many they are. The size makes a cheap first check possible, and
/// bounds what a reader must take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlobId {
    /// The digest of the bytes.
    pub digest: Digest,
    /// How many bytes.
    pub size: u64,
}

impl BlobId {
    /// Names these bytes.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        Self {
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
        }
    }
}

/// The largest piece that a [`BlobSource`] gives at once, in bytes.
pub const MAX_PIECE: usize = 1024 * 1024;

/// Immutable bytes by digest, wherever they live: a directory, memory, an object store.
///
/// # What it is for
///
/// It holds what artifacts are made of: a source and a target of a [`Promotion`](crate::Promotion), what a
/// [`LocalStore`](crate::LocalStore) is [healed](crate::LocalStore::heal) from, a tier of [`Tiered`](crate::Tiered). It has no
/// names or versions, and opens no artifact: who wants to read one brings it into a `LocalStore` first, by its digest.
///
/// ```
/// use pipeline_artifacts::{LocalStore, MemoryBlobs, Packer, Promotion};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let (dist, built) = (dir.path().join("dist"), LocalStore::open(dir.path().join("built"))?);
/// # std::fs::create_dir(&dist)?;
/// # std::fs::write(dist.join("app.conf"), "threads = 4\n")?;
/// # let packed = Packer::new(&dist).pack(&built)?;
/// let depot = MemoryBlobs::new(); // or a store of your own
/// Promotion::of(packed.digest).run(&built, &depot).await?;
///
/// let here = LocalStore::open(dir.path().join("here"))?;
/// Promotion::of(packed.digest).run(&depot, &here).await?; // only what is missing here
/// let shop = here.publish(&"shop".parse()?, &"1.4.0".parse()?, &packed.digest)?;
/// assert_eq!(here.artifact(&shop)?.file("app.conf")?, b"threads = 4\n");
/// # Ok(())
/// # }
/// ```
///
/// # Contract
///
/// The feature `testing` has a suite, `testing::blob_store`, that checks a store of your own against it.
///
/// - Nothing half is visible: a blob is there whole or not at all.
/// - What is given out is verified. A [`BlobSource`] comes to its end only when all bytes were right, so who takes
///   pieces makes no use of them before the end.
/// - What is stored is verified too: bytes that are not what `put` was told are an error, and are not kept.
/// - A blob that is there already is not trusted by its name alone: at least its size is checked, and one that is not
///   right is replaced.
/// - What [`put`](Self::put) stored is visible at once, and durable when [`flush`](Self::flush) of it returned.
/// - A future that is dropped leaves whole blobs or none.
/// - Many calls at the same time, of equal and of other blobs, come to the same as one after the other; and a store answers
///   while it waits for a source, which may read from it.
/// - A store that is full or only read says so with an error, and keeps what it has.
#[async_trait]
pub trait BlobStore: Debug + Send + Sync + 'static {
    /// How many bytes a blob has; `None` when it is not there. Its bytes are not read.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    async fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreError>;

    /// Which of these are not there, in the order of the question; one of another size is not there, and one that is known to
    /// be damaged need not be.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    async fn missing(&self, wanted: &[BlobId]) -> Result<Vec<BlobId>, StoreError> {
        let mut missing = Vec::new();
        for blob in wanted {
            if self.size(&blob.digest).await? != Some(blob.size) {
                missing.push(*blob);
            }
        }
        Ok(missing)
    }

    /// The bytes of a blob.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when it is not there. Damage may show only in the pieces.
    async fn get(&self, digest: &Digest) -> Result<Box<dyn BlobSource>, StoreError>;

    /// Stores a blob. Storing one again is no error, and heals one that is damaged.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when the bytes are not what `blob` says; what the source says; when they cannot be
    /// stored. Nothing is visible then that was not before, and what was there before stays. A source that gives more than
    /// it should is not read to its end.
    async fn put(&self, blob: &BlobId, bytes: &mut dyn BlobSource) -> Result<(), StoreError>;

    /// Whether an artifact is taken that has this manifest, as far as can be told from what is here. A
    /// [`Promotion`](crate::Promotion) asks before it sends anything, and again when the table of contents is here.
    ///
    /// What is not said otherwise takes every artifact; a [`LocalStore`](crate::LocalStore) takes what its
    /// [limits](crate::Limits) allow. A store in front of another asks that one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] when it has more than is taken.
    async fn accepts(&self, manifest: &[u8]) -> Result<(), StoreError> {
        let _ = manifest;
        Ok(())
    }

    /// Notes what is attached to something, when both are here: to be called with its manifest, whose `subject` names that. A
    /// [`Promotion`](crate::Promotion) does so last, of what came [along](crate::Promotion::with_attached).
    ///
    /// A store of blobs alone notes nothing, which is what happens when it is not said otherwise; a
    /// [`LocalStore`](crate::LocalStore) lists it among the [attachments](crate::LocalStore::attachments) then. A store in
    /// front of another tells that one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] when it is no attachment; when what it is attached to is not here, or it cannot be noted.
    async fn note_attached(&self, manifest: &[u8]) -> Result<(), StoreError> {
        let _ = manifest;
        Ok(())
    }

    /// Makes blobs durable: one barrier for many.
    ///
    /// # Errors
    ///
    /// When the system cannot. None of them is durable then for sure.
    async fn flush(&self, blobs: &[BlobId]) -> Result<(), StoreError>;

    /// Blobs in the order of their digests, at most so many, those after `after`. An empty page is the end.
    ///
    /// # Errors
    ///
    /// When the store cannot be listed.
    async fn list(&self, after: Option<&Digest>, most: usize) -> Result<Vec<BlobId>, StoreError>;

    /// Takes a blob away, in a way that can be undone until the trash of this epoch is emptied. Whether it was
    /// there.
    ///
    /// # Errors
    ///
    /// When it cannot be moved.
    async fn trash(&self, digest: &Digest, epoch: u64) -> Result<bool, StoreError>;
}

/// The bytes of a blob, piece by piece.
#[async_trait]
pub trait BlobSource: Debug + Send {
    /// The next piece, not empty and at most [`MAX_PIECE`] long; `None` at the end.
    ///
    /// # Errors
    ///
    /// When it cannot be read; [`StoreError::Damaged`] instead of the end when the bytes were not what they
    /// should be.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError>;
}

/// Bytes in memory as a source.
#[derive(Debug, Clone)]
pub struct BytesSource {
    bytes: Vec<u8>,
    at: usize,
}

impl BytesSource {
    /// Gives these bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self { bytes, at: 0 }
    }
}

#[async_trait]
impl BlobSource for BytesSource {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let piece = &rest[..rest.len().min(MAX_PIECE)];
        self.at += piece.len();
        Ok((!piece.is_empty()).then(|| piece.to_vec()))
    }
}
