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
pub(crate) struct BlobWriter {
    store: LocalStore,
    lease: Lease,
    buffer: Vec<u8>,
    filled: usize,
    file: Option<NamedTempFile>,
    hasher: DigestBuilder,
    size: u64,
    /// How many bytes were given, before compression.
    plain: u64,
    #[cfg(feature = "zstd")]
    encoder: Option<zstd::stream::write::Encoder<'static, Vec<u8>>>,
}

/// A blob that is complete and not visible yet.
#[derive(Debug)]
pub(crate) struct Unplaced {
    pub(super) blob: BlobId,
    /// How many bytes it has before compression.
    pub(super) plain: u64,
    /// Its file, not flushed; `None` when the store has it already.
    pub(super) file: Option<NamedTempFile>,
    /// Keeps the directory of the file in use.
    pub(super) lease: Lease,
}

impl Unplaced {
    pub(crate) fn blob(&self) -> BlobId {
        self.blob
    }

    pub(crate) fn plain(&self) -> u64 {
        self.plain
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
            plain: 0,
            #[cfg(feature = "zstd")]
            encoder: None,
        }
    }

    /// Compresses what is written, as one frame of Zstandard.
    #[cfg(feature = "zstd")]
    pub(crate) fn compressed(mut self, level: i32) -> Result<Self, StoreError> {
        let encoder = super::zstd_layer::encoder(level);
        self.encoder = Some(encoder.map_err(uncompressed)?);
        Ok(self)
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
        self.plain += self.filled as u64;
        let encoded = self.encode(true)?;
        let bytes = encoded.as_deref().unwrap_or(&self.buffer[..self.filled]);
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        let blob = BlobId {
            digest: std::mem::take(&mut self.hasher).finish(),
            size: self.size,
        };
        if self.store.is_intact(&blob) && self.store.renew(&blob)? {
            self.file = None;
        } else {
            append(&mut self.file, &self.lease, bytes)?;
        }
        let unplaced = Unplaced {
            blob,
            plain: self.plain,
            file: self.file,
            lease: self.lease,
        };
        Ok((unplaced, self.buffer))
    }

    /// Writes what is held, to make room.
    fn spill(&mut self) -> Result<(), StoreError> {
        self.plain += self.filled as u64;
        let encoded = self.encode(false)?;
        let bytes = encoded.as_deref().unwrap_or(&self.buffer[..self.filled]);
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        append(&mut self.file, &self.lease, bytes)?;
        self.filled = 0;
        Ok(())
    }

    /// What is held as it is stored, when that is something else.
    #[cfg(feature = "zstd")]
    fn encode(&mut self, last: bool) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(mut encoder) = self.encoder.take() else {
            return Ok(None);
        };
        encoder
            .write_all(&self.buffer[..self.filled])
            .map_err(uncompressed)?;
        if last {
            return encoder.finish().map(Some).map_err(uncompressed);
        }
        let encoded = std::mem::take(encoder.get_mut());
        self.encoder = Some(encoder);
        Ok(Some(encoded))
    }

    /// What is held as it is stored, when that is something else.
    #[cfg(not(feature = "zstd"))]
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "with the feature `zstd` it needs both"
    )]
    fn encode(&mut self, _: bool) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }
}

#[cfg(feature = "zstd")]
fn uncompressed(source: std::io::Error) -> StoreError {
    StoreError::Io {
        what: "cannot compress a layer".to_owned(),
        source,
    }
}

/// Writes at the end of a file, which is begun by the first bytes.
fn append(file: &mut Option<NamedTempFile>, lease: &Lease, bytes: &[u8]) -> Result<(), StoreError> {
    let file = match file {
        Some(file) => file,
        None => file.insert(lease.file()?),
    };
    file.as_file_mut()
        .write_all(bytes)
        .map_err(failed("cannot write to the store in", file.path()))
}

impl std::fmt::Debug for BlobWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("BlobWriter");
        debug
            .field("plain", &self.plain)
            .field("file", &self.file)
            .finish_non_exhaustive()
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
        let Unplaced {
            blob, file, lease, ..
        } = unplaced;
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
