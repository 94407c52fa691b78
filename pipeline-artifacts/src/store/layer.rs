use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use pipeline_core::StoreError;

use super::LocalStore;
use super::disk::failed;
use crate::form::{Descriptor, media};

/// How many bytes of a layer are held at once.
const WINDOW: usize = 1024 * 1024;

/// The bytes of one layer, not verified and not compressed any more, for reading more or less from front to back.
#[derive(Debug)]
pub(super) struct Layer {
    store: LocalStore,
    blob: Descriptor,
    source: Source,
    /// Bytes of the layer from `from` on.
    window: Vec<u8>,
    from: u64,
    filled: usize,
    /// How many bytes may still be unpacked for nothing.
    may_skip: u64,
}

#[derive(Debug)]
enum Source {
    Plain(File),
    #[cfg(feature = "zstd")]
    Zstd(super::zstd_layer::ZstdLayer),
}

/// What goes from one layer to the next that is read.
#[derive(Debug)]
pub(super) struct Carried {
    /// Saves making one.
    buffer: Vec<u8>,
    may_skip: u64,
}

impl Carried {
    pub(super) fn new(store: &LocalStore) -> Self {
        Self {
            buffer: Vec::new(),
            may_skip: store.limits().bytes,
        }
    }
}

impl Layer {
    /// Opens a layer.
    pub(super) fn open(store: &LocalStore, blob: &Descriptor, carried: Carried) -> Result<Self, StoreError> {
        let (file, size) = store.open_blob(&blob.digest)?;
        if size != blob.size {
            let reason = format!("it has {size} bytes; the manifest says {}", blob.size);
            return Err(store.damaged(&blob.digest, reason));
        }
        let source = match &*blob.media_type {
            #[cfg(feature = "zstd")]
            media::TAR_ZSTD => {
                let opened = super::zstd_layer::ZstdLayer::new(file);
                Source::Zstd(opened.map_err(failed("cannot read", &store.blob_path(&blob.digest)))?)
            }
            _ => {
                debug_assert_eq!(blob.media_type, media::TAR, "the manifest was checked");
                Source::Plain(file)
            }
        };
        let Carried {
            buffer: mut window,
            may_skip,
        } = carried;
        window.resize(WINDOW, 0);
        Ok(Self {
            store: store.clone(),
            blob: blob.clone(),
            source,
            window,
            from: 0,
            filled: 0,
            may_skip,
        })
    }

    /// At most `len` bytes from an offset on, and at least one.
    pub(super) fn bytes(&mut self, offset: u64, len: u64) -> Result<&[u8], StoreError> {
        let held = self.from..self.from + self.filled as u64;
        // Small contents are read at once, whatever is held of them.
        let enough = held.contains(&offset) && (offset + len <= held.end || len > WINDOW as u64);
        if !enough {
            self.fill(offset)?;
        }
        let start = usize::try_from(offset - self.from).unwrap_or(usize::MAX);
        let most = usize::try_from(len).unwrap_or(usize::MAX);
        let bytes = self.window[..self.filled].get(start..).unwrap_or_default();
        if bytes.is_empty() && len > 0 {
            return Err(self
                .store
                .damaged(&self.blob.digest, "it ends too early".to_owned()));
        }
        Ok(&bytes[..bytes.len().min(most)])
    }

    /// Fills the window from an offset on. What is held of that stays: what is compressed cannot be read again for little.
    fn fill(&mut self, offset: u64) -> Result<(), StoreError> {
        let held = offset
            .checked_sub(self.from)
            .and_then(|at| usize::try_from(at).ok())
            .filter(|at| *at < self.filled);
        let held = held.map_or(0..0, |at| at..self.filled);
        self.filled = held.len();
        self.window.copy_within(held, 0);
        self.from = offset;
        #[cfg(feature = "zstd")]
        self.skip(offset + self.filled as u64)?;
        while self.filled < self.window.len() {
            let at = offset + self.filled as u64;
            let spare = &mut self.window[self.filled..];
            let read = match &mut self.source {
                Source::Plain(file) => file.read_at(spare, at),
                #[cfg(feature = "zstd")]
                Source::Zstd(layer) => layer.read_at(spare, at),
            };
            match read {
                Ok(0) => break,
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.unreadable(error)),
            }
        }
        Ok(())
    }

    /// Notes what must be unpacked to get to an offset. A table of contents in an order that somebody chose for it would have
    /// the same bytes unpacked without end.
    #[cfg(feature = "zstd")]
    fn skip(&mut self, to: u64) -> Result<(), StoreError> {
        let Source::Zstd(layer) = &self.source else {
            return Ok(());
        };
        let left = self.may_skip.checked_sub(layer.skipped(to));
        self.may_skip = left.ok_or_else(|| StoreError::Refused {
            what: format!("the layer {}", self.blob.digest),
            reason: format!(
                "more than {} bytes of what is compressed would be unpacked for nothing: raise `Limits::bytes` if it is trusted",
                self.store.limits().bytes
            ),
        })?;
        Ok(())
    }

    fn unreadable(&self, error: io::Error) -> StoreError {
        if matches!(self.source, Source::Plain(_)) {
            failed("cannot read", &self.store.blob_path(&self.blob.digest))(error)
        } else {
            self.store
                .damaged(&self.blob.digest, format!("it cannot be decompressed: {error}"))
        }
    }

    /// The file itself, when its bytes are those of the layer.
    pub(super) fn file(&self) -> Option<&File> {
        match &self.source {
            Source::Plain(file) => Some(file),
            #[cfg(feature = "zstd")]
            Source::Zstd(_) => None,
        }
    }

    pub(super) fn blob(&self) -> &Descriptor {
        &self.blob
    }

    pub(super) fn into_carried(self) -> Carried {
        Carried {
            buffer: self.window,
            may_skip: self.may_skip,
        }
    }
}
