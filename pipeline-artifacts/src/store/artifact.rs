use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use pipeline_core::{Artifact, ArtifactEntry, ArtifactRef, Digest, EntryKind, StoreError};

use super::disk::failed;
use super::{LocalStore, blocking, checkout};
use crate::form::{Descriptor, Discard, EntrySink, Manifest, Toc, walk};
use crate::limits;

/// An artifact of a [`LocalStore`], opened. Cloning is cheap.
///
/// | [`Artifact`], async | here, blocking |
/// |---|---|
/// | `read` | [`file`](Self::file) |
/// | `materialise` | [`write_to`](Self::write_to) |
#[derive(Debug, Clone)]
pub struct StoredArtifact(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: LocalStore,
    reference: ArtifactRef,
    toc: Toc,
    tar: Descriptor,
}

impl LocalStore {
    /// Opens an artifact by the digest in its reference; name and version are not looked up. The blocking
    /// twin of [`open`](pipeline_core::ArtifactStore::open).
    ///
    /// Manifest and table of contents are verified and checked; the files are verified when they are read.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the manifest or one of its blobs is missing, [`StoreError::Damaged`] when
    /// one is not what it should be.
    pub fn artifact(&self, reference: &ArtifactRef) -> Result<StoredArtifact, StoreError> {
        let digest = &reference.digest;
        let damaged = |digest: &Digest, part: &str, reason: String| StoreError::Damaged {
            what: self.blob_text(digest),
            reason: format!("it is no {part} of an artifact: {reason}"),
        };
        let bytes = self.read_blob_up_to(digest, limits::MAX_MANIFEST)?;
        let manifest =
            Manifest::parse_artifact(&bytes).map_err(|reason| damaged(digest, "manifest", reason))?;
        for blob in manifest.blobs() {
            let (_, size) = self.open_blob(&blob.digest)?;
            if size != blob.size {
                return Err(StoreError::Damaged {
                    what: self.blob_text(&blob.digest),
                    reason: format!("it has {size} bytes; the manifest says {}", blob.size),
                });
            }
        }
        let Some((toc, [tar])) = manifest.parts() else {
            return Err(damaged(digest, "manifest", "it has no layers".to_owned()));
        };
        let bytes = self.read_blob_up_to(&toc.digest, limits::MAX_TOC)?;
        let fault = |reason| damaged(&toc.digest, "table of contents", reason);
        let parsed = Toc::parse(&bytes).map_err(fault)?;
        if parsed.tar_size() != tar.size {
            return Err(fault(format!(
                "it describes a tar of {} bytes; the manifest names one of {}",
                parsed.tar_size(),
                tar.size
            )));
        }
        Ok(StoredArtifact(Arc::new(Inner {
            store: self.clone(),
            reference: reference.clone(),
            toc: parsed,
            tar: tar.clone(),
        })))
    }
}

impl StoredArtifact {
    /// Which artifact this is.
    pub fn reference(&self) -> &ArtifactRef {
        &self.0.reference
    }

    /// Everything that is in it, sorted by the bytes of the path.
    pub fn entries(&self) -> &[ArtifactEntry] {
        self.0.toc.entries()
    }

    /// The digest of the entries alone, without their places in the tar: what is equal for equal trees, also
    /// when a later version of this crate packs them in another way.
    ///
    /// # Errors
    ///
    /// Only when an entry has no JSON form, which none that was opened lacks.
    pub fn tree(&self) -> Result<Digest, StoreError> {
        self.0
            .toc
            .tree()
            .map_err(|error| StoreError::Other(Box::new(error)))
    }

    /// The bytes of one file, verified. Reads that file and no other. For small files.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no such file, [`StoreError::Damaged`] when it has other bytes.
    pub fn file(&self, path: &str) -> Result<Vec<u8>, StoreError> {
        let not_found = || StoreError::NotFound {
            what: format!("file `{path}` of {}", self.reference()),
        };
        let (entry, offset) = self.0.toc.find(path).ok_or_else(not_found)?;
        let EntryKind::File { size, digest, .. } = &entry.kind else {
            return Err(not_found());
        };
        let store = &self.0.store;
        let (mut tar, _) = store.open_blob(&self.0.tar.digest)?;
        let mut bytes = Vec::new();
        tar.seek(SeekFrom::Start(offset))
            .and_then(|_| tar.take(*size).read_to_end(&mut bytes))
            .map_err(failed("cannot read", &store.blob_path(&self.0.tar.digest)))?;
        if Digest::of(&bytes) != *digest {
            return Err(StoreError::Damaged {
                what: store.blob_text(&self.0.tar.digest),
                reason: format!("the bytes of `{path}` do not have digest {digest}"),
            });
        }
        Ok(bytes)
    }

    /// Writes everything into a directory that is empty or does not exist yet. Files get mode 644 or 755,
    /// directories 755, whatever the umask; each file is verified while it is written, and one with wrong
    /// bytes is removed. Nothing is flushed to disk.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] when the directory is not empty, [`StoreError::Damaged`] when some bytes are
    /// wrong. The directory may hold a part then: the caller removes it.
    pub fn write_to(&self, into: &Path) -> Result<(), StoreError> {
        let mut checkout = checkout::Checkout::begin(into)?;
        self.walk(&mut checkout)?;
        checkout.finish()
    }

    /// Reads everything and verifies it.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.walk(&mut Discard)
    }

    fn walk(&self, sink: &mut impl EntrySink) -> Result<(), StoreError> {
        let (tar, _) = self.0.store.open_blob(&self.0.tar.digest)?;
        let what = self.0.store.blob_text(&self.0.tar.digest);
        walk(&what, &self.0.toc, &mut BufReader::new(tar), sink)
    }
}

#[async_trait]
impl Artifact for StoredArtifact {
    fn reference(&self) -> &ArtifactRef {
        self.reference()
    }

    fn entries(&self) -> &[ArtifactEntry] {
        self.entries()
    }

    async fn read(&self, path: &str) -> Result<Vec<u8>, StoreError> {
        let (artifact, path) = (self.clone(), path.to_owned());
        blocking(move || artifact.file(&path)).await?
    }

    async fn materialise(&self, into: &Path) -> Result<(), StoreError> {
        let (artifact, into) = (self.clone(), into.to_owned());
        blocking(move || artifact.write_to(&into)).await?
    }
}
