use std::io::Write;

use pipeline_core::StoreError;
use pipeline_core::digest::DigestBuilder;
use tempfile::NamedTempFile;

use super::disk::{failed, seal};
use super::{BlobId, Lease, LocalStore};

/// How many bytes are kept before a file is begun. A blob that fits is hashed before it is written, and not written at
/// all when it is there already.
const HELD: usize = 8 * 1024 * 1024;
/// What a writer begins with when it is given no buffer; it grows as it must.
const FIRST: usize = 64 * 1024;

/// Writes a blob without knowing its digest yet. Nothing is visible before [`LocalStore::place`].
#[derive(Debug)]
pub(crate) struct BlobWriter {
    store: LocalStore,
    lease: Lease,
    buffer: Vec<u8>,
    filled: usize,
    file: Option<NamedTempFile>,
    hasher: DigestBuilder,
    size: u64,
}

/// A blob that is complete and not visible yet.
#[derive(Debug)]
pub(crate) struct Unplaced {
    pub(super) blob: BlobId,
    /// Its file, not flushed; `None` when the store has it already.
    pub(super) file: Option<NamedTempFile>,
    /// Keeps the directory of the file in use.
    pub(super) lease: Lease,
}

impl Unplaced {
    pub(crate) fn blob(&self) -> BlobId {
        self.blob
    }
}

impl BlobWriter {
    /// Begins a blob. A buffer that another writer gave back saves making one.
    pub(crate) fn new(store: &LocalStore, lease: &Lease, buffer: Vec<u8>) -> Self {
        Self {
            store: store.clone(),
            lease: lease.clone(),
            buffer,
            filled: 0,
            file: None,
            hasher: DigestBuilder::new(),
            size: 0,
        }
    }

    /// Where the next bytes may be put; never empty. [`BlobWriter::advance`] says how many were.
    pub(crate) fn spare(&mut self) -> Result<&mut [u8], StoreError> {
        if self.filled == self.buffer.len() {
            if self.buffer.len() < HELD {
                let len = (self.buffer.len() * 2).clamp(FIRST, HELD);
                self.buffer.resize(len, 0);
            } else {
                self.spill()?;
            }
        }
        Ok(&mut self.buffer[self.filled..])
    }

    /// Takes the first bytes of what [`BlobWriter::spare`] gave.
    pub(crate) fn advance(&mut self, by: usize) {
        debug_assert!(by <= self.buffer.len() - self.filled, "more than was spare");
        self.filled += by;
    }

    pub(crate) fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), StoreError> {
        while !bytes.is_empty() {
            let spare = self.spare()?;
            let n = spare.len().min(bytes.len());
            spare[..n].copy_from_slice(&bytes[..n]);
            self.advance(n);
            bytes = &bytes[n..];
        }
        Ok(())
    }

    /// The blob, and the buffer for another writer.
    pub(crate) fn finish(mut self) -> Result<(Unplaced, Vec<u8>), StoreError> {
        self.count();
        let blob = BlobId {
            digest: std::mem::take(&mut self.hasher).finish(),
            size: self.size,
        };
        let known = self.store.is_intact(&blob) && self.store.renew(&blob)?;
        if known {
            self.file = None;
        } else {
            self.write()?;
        }
        let unplaced = Unplaced {
            blob,
            file: self.file,
            lease: self.lease,
        };
        Ok((unplaced, self.buffer))
    }

    fn count(&mut self) {
        self.hasher.update(&self.buffer[..self.filled]);
        self.size += self.filled as u64;
    }

    fn spill(&mut self) -> Result<(), StoreError> {
        self.count();
        self.write()
    }

    fn write(&mut self) -> Result<(), StoreError> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(self.lease.file()?),
        };
        file.as_file_mut()
            .write_all(&self.buffer[..self.filled])
            .map_err(failed("cannot write to the store in", file.path()))?;
        self.filled = 0;
        Ok(())
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.write_all(bytes).map_err(std::io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl LocalStore {
    /// Says of a blob that is there that it is needed now; `false` when it was taken away meanwhile.
    pub(super) fn renew(&self, blob: &BlobId) -> Result<bool, StoreError> {
        let _gate = self.commit_lock()?;
        match self.refresh(&self.blob_path(&blob.digest)) {
            Ok(()) => Ok(true),
            // Somebody else's, or gone: one of our own takes its place.
            Err(StoreError::Io { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes a blob visible. Its bytes are durable then, and its name is after [`LocalStore::flush_blobs`].
    pub(crate) fn place(&self, unplaced: Unplaced) -> Result<BlobId, StoreError> {
        let Unplaced { blob, file, lease } = unplaced;
        if let Some(file) = file {
            let path = self.blob_path(&blob.digest);
            seal(file.as_file()).map_err(failed("cannot flush a new", &path))?;
            let _gate = self.commit_lock()?;
            file.persist(&path)
                .map_err(|error| failed("cannot store", &path)(error.error))?;
        }
        drop(lease);
        Ok(blob)
    }
}
