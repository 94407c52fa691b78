use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use pipeline_core::digest::DigestBuilder;
use pipeline_core::{ArtifactEntry, Digest, EntryKind};

use super::PackError;
use super::scan::{Stamp, changed, unreadable};
use crate::LocalStore;
use crate::form::{END, header, padding};
use crate::store::{BlobId, BlobWriter};

/// How many bytes are read and written at once.
const CHUNK: usize = 256 * 1024;

/// Writes the entries of a tree to a blob, one after another, and never holds more than a piece of a file.
pub(super) struct TarWriter {
    blob: BlobWriter,
    store: LocalStore,
    buffer: Vec<u8>,
}

impl TarWriter {
    pub(super) fn new(blob: BlobWriter, store: &LocalStore) -> Self {
        Self {
            blob,
            store: store.clone(),
            buffer: vec![0; CHUNK],
        }
    }

    /// Adds an entry without bytes.
    pub(super) fn other(&mut self, path: &str, kind: EntryKind) -> Result<EntryKind, PackError> {
        let entry = ArtifactEntry {
            path: path.to_owned(),
            kind,
        };
        self.blob.write_all(&header(&entry))?;
        Ok(entry.kind)
    }

    /// Adds a file, which must be the one with this stamp. Whether it still is afterwards, the second scan tells.
    pub(super) fn file(
        &mut self,
        path: &str,
        from: &Path,
        size: u64,
        executable: bool,
        stamp: &Stamp,
    ) -> Result<EntryKind, PackError> {
        let unreadable = |error| unreadable(from, error);
        let mut file = File::open(from).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => changed(path, "it is gone"),
            _ => unreadable(error),
        })?;
        if Stamp::of(&file.metadata().map_err(unreadable)?) != *stamp {
            return Err(changed(path, "it is not what it was"));
        }
        // The header needs no digest of the bytes.
        self.other(path, file_kind(size, Digest::ZERO, executable))?;
        let mut hasher = DigestBuilder::new();
        let mut left = size;
        while left > 0 {
            let chunk = CHUNK.min(usize::try_from(left).unwrap_or(CHUNK));
            let read = match file.read(&mut self.buffer[..chunk]) {
                Ok(0) => return Err(changed(path, "it became shorter")),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(error)),
            };
            hasher.update(&self.buffer[..read]);
            self.blob.write_all(&self.buffer[..read])?;
            left -= read as u64;
        }
        self.blob.write_all(&END[..padding(size)])?;
        Ok(file_kind(size, hasher.finish(), executable))
    }

    /// Closes the tar and stores it; its digest and size.
    pub(super) fn finish(mut self) -> Result<BlobId, PackError> {
        self.blob.write_all(&END)?;
        let (blob, _) = self.blob.finish()?;
        Ok(self.store.place(blob)?)
    }
}

fn file_kind(size: u64, digest: Digest, executable: bool) -> EntryKind {
    EntryKind::File {
        size,
        digest,
        executable,
    }
}
