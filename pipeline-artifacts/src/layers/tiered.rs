use std::path::Path;

use async_trait::async_trait;
use pipeline_core::{Artifact, ArtifactEntry, ArtifactName, ArtifactRef, ArtifactStore, Digest, StoreError};
use semver::Version;

use crate::store::blob_bytes;
use crate::{BlobId, BlobSource, BlobStore, Promotion};

/// A fast store in front of a slow one. The slow one is the truth: what is stored goes there, and what the fast one lacks
/// or has damaged is read from there and kept in front.
///
/// A read that fills the front comes out of the front, verified twice. When the front cannot take it, full or read-only,
/// the slow store answers.
///
/// As a store of artifacts, it asks the slow one what a version stands for. An artifact that is opened is copied to the front
/// as a whole, once, and read from there; what turns out to be damaged there is read from behind. Nothing in front has a
/// name, so a [`Collection`](crate::Collection) of the front empties it of what nobody has open.
///
/// ```
/// use pipeline_artifacts::{LocalStore, Packer, ReadOnly, Tiered};
/// use pipeline_core::ArtifactStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let (mount, cache, dist) = (dir.path().join("mount"), dir.path().join("cache"), dir.path().join("dist"));
/// # std::fs::create_dir(&dist)?;
/// # std::fs::write(dist.join("app.conf"), "threads = 4\n")?;
/// let shared = LocalStore::open(mount)?; // of everybody, over a network
/// # let packed = Packer::new(&dist).pack(&shared)?;
/// # shared.publish(&"shop".parse()?, &"1.4.0".parse()?, &packed.digest)?;
/// let store = Tiered::new(LocalStore::open(cache)?, ReadOnly::new(shared));
///
/// let shop = store.resolve(&"shop".parse()?, &"1.4.0".parse()?).await?.ok_or("not published")?;
/// assert_eq!(store.open(&shop).await?.read("app.conf").await?, b"threads = 4\n");
/// # Ok(())
/// # }
/// ```
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

    async fn accepts(&self, manifest: &[u8]) -> Result<(), StoreError> {
        self.slow.accepts(manifest).await
    }

    async fn note_attached(&self, manifest: &[u8]) -> Result<(), StoreError> {
        self.slow.note_attached(manifest).await
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

impl<F: ArtifactStore + BlobStore, S: BlobStore> Tiered<F, S> {
    /// The artifact in front, if it can be had there.
    async fn in_front(&self, artifact: &ArtifactRef) -> Option<Box<dyn Artifact>> {
        if let Ok(opened) = self.fast.open(artifact).await {
            return Some(opened);
        }
        let copy = Promotion::of(artifact.digest);
        copy.run(&self.slow, &self.fast).await.ok()?;
        self.fast.open(artifact).await.ok()
    }
}

#[async_trait]
impl<F: ArtifactStore + BlobStore, S: ArtifactStore + BlobStore> ArtifactStore for Tiered<F, S> {
    async fn resolve(
        &self,
        name: &ArtifactName,
        version: &Version,
    ) -> Result<Option<ArtifactRef>, StoreError> {
        self.slow.resolve(name, version).await
    }

    async fn open(&self, artifact: &ArtifactRef) -> Result<Box<dyn Artifact>, StoreError> {
        let slow = self.slow.open(artifact).await?;
        Ok(match self.in_front(artifact).await {
            Some(fast) => Box::new(TieredArtifact { fast, slow }),
            None => slow,
        })
    }

    async fn put_blob(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        self.slow.put_blob(bytes).await
    }

    async fn blob(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        blob_bytes(self, digest, u64::MAX).await
    }
}

/// An artifact in front, and the same behind it.
#[derive(Debug)]
struct TieredArtifact {
    fast: Box<dyn Artifact>,
    slow: Box<dyn Artifact>,
}

#[async_trait]
impl Artifact for TieredArtifact {
    fn reference(&self) -> &ArtifactRef {
        self.slow.reference()
    }

    async fn entries(&self, after: Option<&str>, most: usize) -> Result<Vec<ArtifactEntry>, StoreError> {
        match self.fast.entries(after, most).await {
            Ok(entries) => Ok(entries),
            Err(_) => self.slow.entries(after, most).await,
        }
    }

    async fn entry(&self, path: &str) -> Result<Option<ArtifactEntry>, StoreError> {
        match self.fast.entry(path).await {
            Ok(entry) => Ok(entry),
            Err(_) => self.slow.entry(path).await,
        }
    }

    async fn read(&self, path: &str) -> Result<Vec<u8>, StoreError> {
        match self.fast.read(path).await {
            Ok(bytes) => Ok(bytes),
            Err(_) => self.slow.read(path).await,
        }
    }

    async fn materialise(&self, into: &Path) -> Result<(), StoreError> {
        match self.fast.materialise(into).await {
            Ok(()) => Ok(()),
            Err(_) => self.slow.materialise(into).await,
        }
    }
}
