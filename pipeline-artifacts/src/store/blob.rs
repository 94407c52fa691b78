use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use pipeline_core::digest::DigestBuilder;
use pipeline_core::{Digest, StoreError};
use tempfile::NamedTempFile;

use super::LocalStore;
use super::disk::{failed, seal, sync_dir};
use super::temp::Session;

/// Writes a blob without knowing its digest yet. Nothing is visible until [`BlobWriter::finish`].
#[derive(Debug)]
pub(crate) struct BlobWriter {
    store: LocalStore,
    file: NamedTempFile,
    hasher: DigestBuilder,
    size: u64,
    /// Keeps the directory of the file in use.
    _session: Arc<Session>,
}

impl BlobWriter {
    /// Makes the blob visible and durable, and tells its digest and size.
    pub(crate) fn finish(self) -> Result<(Digest, u64), StoreError> {
        let digest = self.hasher.finish();
        if self.store.is_intact(&digest, self.size) {
            drop(self.file);
        } else {
            let path = self.store.blob_path(&digest);
            seal(self.file.as_file()).map_err(failed("cannot flush a new", &path))?;
            self.file
                .persist(&path)
                .map_err(|error| failed("cannot store", &path)(error.error))?;
        }
        // Also for one that was there: whoever put it there may not have come to this line yet.
        sync_dir(&self.store.blobs())?;
        Ok((digest, self.size))
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.as_file_mut().write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

impl LocalStore {
    /// Stores some bytes, and tells their digest. The blocking twin of
    /// [`put_blob`](pipeline_core::ArtifactStore::put_blob).
    ///
    /// A blob that is there already is hashed, and replaced when it is damaged. When this returns, the bytes
    /// are on disk.
    ///
    /// # Errors
    ///
    /// When they cannot be written; nothing is visible then.
    pub fn add_blob(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let mut writer = self.blob_writer()?;
        writer
            .write_all(bytes)
            .map_err(failed("cannot write a blob to", &self.root().join("tmp")))?;
        writer.finish().map(|(digest, _)| digest)
    }

    /// The bytes behind a digest, verified. The blocking twin of [`blob`](pipeline_core::ArtifactStore::blob).
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no such blob, [`StoreError::Damaged`] with its file when it has
    /// other bytes.
    pub fn read_blob(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        self.read_blob_up_to(digest, u64::MAX)
    }

    /// The same, for a blob that must not be larger than `limit` bytes.
    pub(super) fn read_blob_up_to(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, StoreError> {
        let (file, size) = self.open_blob(digest)?;
        let damaged = |reason| StoreError::Damaged {
            what: self.blob_text(digest),
            reason,
        };
        if size > limit {
            return Err(damaged(format!(
                "it has {size} bytes; at most {limit} are allowed"
            )));
        }
        let mut bytes = Vec::new();
        file.take(limit)
            .read_to_end(&mut bytes)
            .map_err(failed("cannot read", &self.blob_path(digest)))?;
        let found = Digest::of(&bytes);
        if found != *digest {
            return Err(damaged(format!("its bytes have digest {found}")));
        }
        Ok(bytes)
    }

    /// Opens the file of a blob, not verified, and tells its size.
    pub(super) fn open_blob(&self, digest: &Digest) -> Result<(File, u64), StoreError> {
        let path = self.blob_path(digest);
        let open = || -> io::Result<Option<(File, u64)>> {
            if !fs::symlink_metadata(&path)?.is_file() {
                return Ok(None);
            }
            let file = File::open(&path)?;
            let size = file.metadata()?.len();
            Ok(Some((file, size)))
        };
        match open() {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(StoreError::Damaged {
                what: self.blob_text(digest),
                reason: "it is not a file".to_owned(),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::NotFound {
                what: format!("blob {digest}"),
            }),
            Err(error) => Err(failed("cannot open", &path)(error)),
        }
    }

    pub(crate) fn blob_writer(&self) -> Result<BlobWriter, StoreError> {
        let session = self.session()?;
        Ok(BlobWriter {
            store: self.clone(),
            file: session.file()?,
            hasher: DigestBuilder::new(),
            size: 0,
            _session: session,
        })
    }

    /// Whether the bytes are there already. Damage and unreadable files are a no: they are replaced.
    fn is_intact(&self, digest: &Digest, size: u64) -> bool {
        self.open_blob(digest).is_ok_and(|(file, found)| {
            found == size && Digest::of_reader(file).is_ok_and(|(found, _)| found == *digest)
        })
    }

    /// The directory of the blobs.
    pub(super) fn blobs(&self) -> PathBuf {
        self.root().join("blobs/sha256")
    }

    /// The file of a blob.
    pub(super) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(digest.hex())
    }

    /// A blob in messages.
    pub(super) fn blob_text(&self, digest: &Digest) -> String {
        format!("blob {}", self.blob_path(digest).display())
    }
}
