use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use pipeline_core::{Artifact, ArtifactEntry, ArtifactRef, Digest, EntryKind, StoreError};

use super::checkout::Checkout;
use super::disk::{failed, is_same};
use super::reader::Reader;
use super::{BlobId, Entries, LocalStore, Locked, blocking};
use crate::form::{Descriptor, Manifest, Part, Placed, Toc, TocFault};
use crate::limits::{self, LimitExceeded};

/// An artifact of a [`LocalStore`], opened. Cloning is cheap.
///
/// While it lives, a collector takes nothing of it: it holds a lock of the system on its manifest, for which it needs no
/// right to write.
///
/// | [`Artifact`], async | here, blocking |
/// |---|---|
/// | `entries` | [`entries`](Self::entries) |
/// | `entry` | [`entry`](Self::entry) |
/// | `read` | [`file`](Self::file) |
/// | `materialise` | [`write_to`](Self::write_to) |
#[derive(Debug, Clone)]
pub struct StoredArtifact(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: LocalStore,
    reference: ArtifactRef,
    toc: Toc,
    /// The layers of the tar, in order.
    layers: Vec<Descriptor>,
    toc_layer: Descriptor,
    /// The manifest's file, locked against the collector.
    _held: Locked,
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
        let fault = |digest: &Digest, part: &str, reason: String| {
            self.damaged(digest, format!("it is no {part} of an artifact: {reason}"))
        };
        let (held, size) = self.open_held(digest)?;
        let bytes = self.read_opened(digest, &*held, size, limits::MAX_MANIFEST)?;
        let manifest =
            Manifest::parse_artifact(&bytes).map_err(|reason| fault(digest, "manifest", reason))?;
        for blob in manifest.blobs() {
            let (_, size) = self.open_blob(&blob.digest)?;
            if size != blob.size {
                let reason = format!("it has {size} bytes; the manifest says {}", blob.size);
                return Err(self.damaged(&blob.digest, reason));
            }
        }
        let Some((toc_layer, layers)) = manifest.parts() else {
            return Err(fault(digest, "manifest", "it has no layers".to_owned()));
        };
        let toc = self.read_toc(&toc_layer.digest)?;
        fits(&toc, layers).map_err(|reason| fault(&toc_layer.digest, "table of contents", reason))?;
        Ok(StoredArtifact(Arc::new(Inner {
            store: self.clone(),
            reference: reference.clone(),
            toc,
            layers: layers.to_vec(),
            toc_layer: toc_layer.clone(),
            _held: held,
        })))
    }

    /// Reads and checks a table of contents.
    pub(super) fn read_toc(&self, digest: &Digest) -> Result<Toc, StoreError> {
        let (held, (file, size)) = (self.tocs(), self.open_blob(digest)?);
        let toc = match usize::try_from(size) {
            Ok(length) if size > held.whole && size <= limits::MAX_TOC => {
                let read = Toc::read(file, length, held.window);
                let (found, toc) = read.map_err(|fault| self.toc_fault(digest, fault))?;
                if found != *digest {
                    return Err(self.damaged(digest, format!("its bytes have digest {found}")));
                }
                toc
            }
            _ => Toc::parse(self.read_opened(digest, file, size, limits::MAX_TOC)?),
        };
        toc.map_err(|fault| self.toc_fault(digest, fault))
    }

    pub(super) fn toc_fault(&self, digest: &Digest, fault: TocFault) -> StoreError {
        match fault {
            TocFault::Wrong(reason) => {
                let reason = format!("it is no table of contents of an artifact: {reason}");
                self.damaged(digest, reason)
            }
            TocFault::Changed => self.damaged(digest, fault.to_string()),
            TocFault::Io(error) => failed("cannot read", &self.blob_path(digest))(error),
        }
    }

    /// Opens a manifest and locks it, together with other readers.
    fn open_held(&self, digest: &Digest) -> Result<(Locked, u64), StoreError> {
        loop {
            let (file, size) = self.open_blob(digest)?;
            let path = self.blob_path(digest);
            let file = Locked::shared(file).map_err(failed("cannot lock", &path))?;
            // A collector may have been faster, or a writer healed it: then what was locked is not what counts. One
            // that is in the trash already is as good as a copy.
            let same = is_same(&path, &file).map_err(failed("cannot read", &path))?;
            if same || self.in_trash(digest).is_some() {
                return Ok((file, size));
            }
        }
    }

    /// Takes a manifest for the collector: `None` when somebody reads the artifact. Nobody begins to as long as what is
    /// returned lives.
    pub(crate) fn claim_manifest(&self, digest: &Digest) -> Result<Option<Locked>, StoreError> {
        let (file, _) = self.open_blob(digest)?;
        Locked::try_alone(file).map_err(failed("cannot lock", &self.blob_path(digest)))
    }
}

/// Whether the layers that a table of contents describes are those of the manifest, as far as sizes tell.
pub(super) fn fits(toc: &Toc, layers: &[Descriptor]) -> Result<(), String> {
    let described = toc.cuts().layers();
    if described.len() != layers.len() {
        return Err(format!(
            "it describes {} layers; the manifest names {}",
            described.len(),
            layers.len()
        ));
    }
    for ((size, layer), number) in described.zip(layers).zip(1..) {
        if layer.media_type == crate::form::media::TAR && size != layer.size {
            return Err(format!(
                "it describes a layer {number} of {size} bytes; the manifest names one of {}",
                layer.size
            ));
        }
    }
    Ok(())
}

impl StoredArtifact {
    /// Which artifact this is.
    pub fn reference(&self) -> &ArtifactRef {
        &self.0.reference
    }

    /// Everything that is in it, sorted by the bytes of the path. Of a long list, a small part is in memory at a time; the
    /// rest is read when it is its turn, and verified again.
    ///
    /// ```
    /// use pipeline_artifacts::{LocalStore, Packer};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let tree = dir.path().join("dist");
    /// # std::fs::create_dir(&tree)?;
    /// # std::fs::write(tree.join("app"), "bytes")?;
    /// # std::fs::write(tree.join("notes"), "")?;
    /// # let store = LocalStore::open(dir.path().join("store"))?;
    /// # let digest = Packer::new(&tree).pack(&store)?.digest;
    /// # let shop = store.publish(&"shop".parse()?, &"1.4.0".parse()?, &digest)?;
    /// let artifact = store.artifact(&shop)?;
    /// assert_eq!(artifact.entries().len(), 2);
    /// for entry in artifact.entries() {
    ///     println!("{}", entry?.path);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn entries(&self) -> Entries<'_> {
        Entries::new(self, 0)
    }

    /// The same, only what comes after a path.
    fn entries_after(&self, path: Option<&str>) -> Result<Entries<'_>, StoreError> {
        let Some(path) = path else {
            return Ok(self.entries());
        };
        let next = self
            .0
            .toc
            .lower_bound(path)
            .map_err(|fault| self.toc_fault(fault))?;
        let is_it = self.find(path)?.is_some();
        Ok(Entries::new(self, next + usize::from(is_it)))
    }

    /// What is at a path; `None` when nothing is.
    ///
    /// # Errors
    ///
    /// When the table of contents cannot be read again.
    pub fn entry(&self, path: &str) -> Result<Option<ArtifactEntry>, StoreError> {
        Ok(self.find(path)?.map(|found| found.entry))
    }

    /// The digest of the entries alone, without their places in the tar: what is equal for equal trees, however they
    /// were cut into layers or compressed.
    ///
    /// # Errors
    ///
    /// When the table of contents cannot be read again.
    pub fn tree(&self) -> Result<Digest, StoreError> {
        self.0.toc.tree().map_err(|fault| self.toc_fault(fault))
    }

    /// The blobs that it needs besides its manifest and the empty configuration: the table of contents, then the layers
    /// whose bytes, decompressed and one after another, are a tar.
    pub fn layers(&self) -> Vec<BlobId> {
        let layers = std::iter::once(&self.0.toc_layer).chain(&self.0.layers);
        let blob = |layer: &Descriptor| BlobId {
            digest: layer.digest,
            size: layer.size,
        };
        layers.map(blob).collect()
    }

    /// The bytes of one file, verified. Reads that file and no other. For small files; see
    /// [`copy_file`](Self::copy_file).
    ///
    /// # Errors
    ///
    /// As for [`copy_file`](Self::copy_file).
    pub fn file(&self, path: &str) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        self.copy_file(path, &mut bytes)?;
        Ok(bytes)
    }

    /// Writes the bytes of one file, and tells how many they are. What was written is the file only when this returns
    /// well.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no such file, [`StoreError::Damaged`] when it has other bytes,
    /// [`StoreError::Refused`] when they are more than the [limits](crate::Limits) of the store allow; when they cannot be written.
    pub fn copy_file(&self, path: &str, out: &mut impl Write) -> Result<u64, StoreError> {
        let not_found = || StoreError::NotFound {
            what: format!("file `{path}` of {}", self.reference()),
        };
        let found = self.find(path)?.ok_or_else(not_found)?;
        let EntryKind::File { size, .. } = found.entry.kind else {
            let what = match found.entry.kind {
                EntryKind::Directory => "directory",
                _ => "link",
            };
            return Err(StoreError::NotFound {
                what: format!("file `{path}` of {}, where that is a {what},", self.reference()),
            });
        };
        let checked = self.store().limits().check(size, 1);
        checked.map_err(|exceeded| self.refused(exceeded))?;
        let write = |bytes: &[u8]| {
            out.write_all(bytes).map_err(|source| StoreError::Io {
                what: format!("cannot write the bytes of `{path}`"),
                source,
            })
        };
        self.reader().content(&found, write)?;
        Ok(size)
    }

    /// Writes everything as one tar, not compressed: the layers one after another, each verified before its bytes are
    /// written.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when a layer is, [`StoreError::Refused`] when it has more than the [limits](crate::Limits) of the
    /// store allow; when it cannot be written.
    pub fn export_tar(&self, out: &mut impl Write) -> Result<u64, StoreError> {
        self.check_limits()?;
        let mut reader = self.reader();
        for (number, size) in self.0.toc.cuts().layers().enumerate() {
            super::verify_layer::check_layer(self, number, |_| {})?;
            let part = Part {
                layer: number,
                offset: 0,
                len: size,
            };
            reader.part(part, &mut |bytes| {
                out.write_all(bytes).map_err(|source| StoreError::Io {
                    what: format!("cannot write the tar of {}", self.reference()),
                    source,
                })
            })?;
        }
        Ok(self.0.toc.cuts().size())
    }

    /// Writes everything into a directory that is empty or does not exist yet; [`replace`](Self::replace) takes the place of one
    /// that is filled. Files get mode 644 or 755,
    /// directories 755, whatever the umask; each file is verified while it is written. Nothing is flushed to disk.
    ///
    /// The directory appears at once with all that is in it: it is written beside its place and renamed. Where that
    /// cannot be, because the directory is a mount point or the one above it is not ours to write to, it is written in
    /// its place. When it fails, nothing stays. When the process is killed, `.artifact-….unfinished` stays beside the place,
    /// until somebody writes the next artifact beside it; one whose writer lives is left alone, as its lock shows.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] when the directory is not empty, or the artifact has more than the [limits](crate::Limits) of the
    /// store allow; [`StoreError::Damaged`] when some bytes are wrong.
    pub fn write_to(&self, into: &Path) -> Result<(), StoreError> {
        self.check_limits()?;
        Checkout::new(self).write_to(into)
    }

    /// Puts everything in the place of a directory, whatever it holds: at every moment the path shows all of the old or
    /// all of the new. The old one is deleted afterwards. One that does not exist is made.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when some bytes are wrong, [`StoreError::Refused`] when it is no directory, something is mounted
    /// below it, which would be deleted with it, or the artifact has more than the [limits](crate::Limits) of the store allow; when the file system cannot exchange directories. The old
    /// directory stays then.
    pub fn replace(&self, directory: &Path) -> Result<(), StoreError> {
        self.check_limits()?;
        Checkout::new(self).replace(directory)
    }

    /// Refuses what has more than is taken, before a byte of it is written.
    pub(crate) fn check_limits(&self) -> Result<(), StoreError> {
        self.within_limits().map_err(|exceeded| self.refused(exceeded))
    }

    /// Holds the whole of it against the limits of the store.
    pub(super) fn within_limits(&self) -> Result<(), LimitExceeded> {
        let (bytes, entries) = (self.toc().cuts().size(), self.toc().len() as u64);
        self.store().limits().check(bytes, entries)
    }

    fn refused(&self, exceeded: LimitExceeded) -> StoreError {
        StoreError::Refused {
            what: self.reference().to_string(),
            reason: exceeded.to_string(),
        }
    }

    pub(super) fn toc(&self) -> &Toc {
        &self.0.toc
    }

    pub(super) fn tar(&self) -> &[Descriptor] {
        &self.0.layers
    }

    pub(super) fn store(&self) -> &LocalStore {
        &self.0.store
    }

    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader::new(self)
    }

    fn find(&self, path: &str) -> Result<Option<Placed>, StoreError> {
        self.0.toc.find(path).map_err(|fault| self.toc_fault(fault))
    }

    /// Says which blob it is that is wrong.
    pub(super) fn toc_fault(&self, fault: TocFault) -> StoreError {
        self.0.store.toc_fault(&self.0.toc_layer.digest, fault)
    }
}

#[async_trait]
impl Artifact for StoredArtifact {
    fn reference(&self) -> &ArtifactRef {
        self.reference()
    }

    async fn entries(&self, after: Option<&str>, most: usize) -> Result<Vec<ArtifactEntry>, StoreError> {
        let (artifact, after) = (self.clone(), after.map(str::to_owned));
        blocking(move || artifact.entries_after(after.as_deref())?.take(most).collect()).await?
    }

    async fn entry(&self, path: &str) -> Result<Option<ArtifactEntry>, StoreError> {
        let (artifact, path) = (self.clone(), path.to_owned());
        blocking(move || artifact.entry(&path)).await?
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
