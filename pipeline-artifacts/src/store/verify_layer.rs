use std::fs::File;
use std::io::{self, Read};

use pipeline_core::digest::DigestBuilder;
use pipeline_core::{Digest, EntryKind, StoreError};

use super::StoredArtifact;
use super::disk::failed;
use crate::form::{Piece, Toc, TocFault, header, media};

/// How many bytes are read at once.
const CHUNK: usize = 256 * 1024;

/// Reads one layer, and checks that its blob is whole and that its bytes are what the table of contents makes of them:
/// headers, contents, padding. Nothing in the tar is interpreted, so there is no header to be fooled by. How many bytes
/// the blob has.
///
/// The content of a file that goes through several layers is not compared with its digest here. `show` is called with
/// what is expected, all of it when this returns well.
pub(super) fn check_layer(
    artifact: &StoredArtifact,
    number: usize,
    mut show: impl FnMut(&Piece<'_>),
) -> Result<u64, StoreError> {
    let (store, toc, layer) = (artifact.store(), artifact.toc(), &artifact.tar()[number]);
    let (file, _) = store.open_blob(&layer.digest)?;
    let mut blob = Hashing {
        file,
        hasher: DigestBuilder::new(),
        size: 0,
    };
    let fault = match &*layer.media_type {
        #[cfg(feature = "zstd")]
        media::TAR_ZSTD => {
            let mut reader = super::zstd_layer::decoder(&mut blob)
                .map_err(failed("cannot read", &store.blob_path(&layer.digest)))?;
            compare(toc, number, &mut reader, &mut show)
        }
        _ => {
            debug_assert_eq!(layer.media_type, media::TAR, "the manifest was checked");
            compare(toc, number, &mut blob, &mut show)
        }
    };
    // The rest, so that a damaged blob is told from one that was made wrong.
    io::copy(&mut blob, &mut io::sink()).map_err(failed("cannot read", &store.blob_path(&layer.digest)))?;
    let (found, size) = (blob.hasher.finish(), blob.size);
    if found != layer.digest {
        return Err(store.damaged(&layer.digest, format!("its bytes have digest {found}")));
    }
    match fault {
        Ok(()) => Ok(size),
        Err(Fault::Wrong(reason)) => Err(store.damaged(&layer.digest, reason)),
        Err(Fault::Io(error)) => Err(failed("cannot read", &store.blob_path(&layer.digest))(error)),
        Err(Fault::Toc(fault)) => Err(artifact.toc_fault(fault)),
    }
}

enum Fault {
    Wrong(String),
    Io(io::Error),
    Toc(TocFault),
}

impl From<TocFault> for Fault {
    fn from(fault: TocFault) -> Self {
        Self::Toc(fault)
    }
}

struct Hashing {
    file: File,
    hasher: DigestBuilder,
    size: u64,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        self.size += read as u64;
        Ok(read)
    }
}

fn compare(
    toc: &Toc,
    number: usize,
    reader: &mut impl Read,
    show: &mut impl FnMut(&Piece<'_>),
) -> Result<(), Fault> {
    let mut bytes = Bytes {
        reader,
        buffer: vec![0; CHUNK],
        from: 0,
        to: 0,
    };
    toc.pieces(number, |piece| {
        show(&piece);
        bytes.piece(piece)
    })?;
    match bytes.next(1)? {
        [] => Ok(()),
        _ => Err(Fault::Wrong("something follows its end".to_owned())),
    }
}

struct Bytes<'a, R> {
    reader: &'a mut R,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
}

impl<R: Read> Bytes<'_, R> {
    /// Holds the next bytes against what they must be.
    fn piece(&mut self, piece: Piece<'_>) -> Result<(), Fault> {
        match piece {
            Piece::Header { entry, from, len } => {
                let header = header(entry);
                let wanted = usize::try_from(from).ok().and_then(|from| header.get(from..));
                let wanted = wanted.unwrap_or_default();
                let mut at = 0;
                self.take(len, |found| {
                    let same = wanted.get(at..at + found.len()) == Some(found);
                    at += found.len();
                    let path = &entry.path;
                    same.then_some(()).ok_or_else(|| {
                        format!("the header of `{path}` is not what the table of contents says")
                    })
                })
            }
            Piece::Content { entry, from, len } => {
                let EntryKind::File { size, digest, .. } = &entry.kind else {
                    return Ok(());
                };
                let whole = (from, len) == (0, *size);
                let mut hasher = DigestBuilder::new();
                self.take(len, |found| {
                    if whole {
                        hasher.update(found);
                    }
                    Ok(())
                })?;
                let found: Digest = hasher.finish();
                if whole && found != *digest {
                    let path = &entry.path;
                    return Err(Fault::Wrong(format!(
                        "`{path}` has digest {found} instead of {digest}"
                    )));
                }
                Ok(())
            }
            Piece::Zeros { len } => self.take(len, |found| {
                let zero = found.iter().all(|byte| *byte == 0);
                zero.then_some(())
                    .ok_or_else(|| "the padding of the tar is not zero".to_owned())
            }),
        }
    }

    /// Exactly so many bytes, in pieces.
    fn take(
        &mut self,
        mut len: u64,
        mut check: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), Fault> {
        while len > 0 {
            let bytes = self.next(len)?;
            if bytes.is_empty() {
                return Err(Fault::Wrong("it ends too early".to_owned()));
            }
            check(bytes).map_err(Fault::Wrong)?;
            len -= bytes.len() as u64;
        }
        Ok(())
    }

    /// At most so many bytes; none at the end.
    fn next(&mut self, len: u64) -> Result<&[u8], Fault> {
        while self.from == self.to {
            match self.reader.read(&mut self.buffer) {
                Ok(read) => (self.from, self.to) = (0, read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Fault::Io(error)),
            }
            if self.to == 0 {
                return Ok(&[]);
            }
        }
        let most = usize::try_from(len).unwrap_or(usize::MAX);
        let from = self.from;
        self.from = self.to.min(from.saturating_add(most));
        Ok(&self.buffer[from..self.from])
    }
}
