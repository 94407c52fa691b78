use std::io::{self, Read};

use pipeline_core::digest::DigestBuilder;
use pipeline_core::{ArtifactEntry, EntryKind, StoreError};

use super::{END, Toc, header, padding};

/// Takes what [`walk`] finds.
pub(crate) trait EntrySink {
    /// An entry begins.
    fn begin(&mut self, entry: &ArtifactEntry) -> Result<(), StoreError>;
    /// Bytes of the file that began; not verified yet.
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), StoreError>;
    /// The file that began is complete and verified.
    fn end(&mut self, entry: &ArtifactEntry) -> Result<(), StoreError>;
}

/// Takes everything and keeps nothing: to verify.
#[derive(Debug)]
pub(crate) struct Discard;

impl EntrySink for Discard {
    fn begin(&mut self, _: &ArtifactEntry) -> Result<(), StoreError> {
        Ok(())
    }

    fn bytes(&mut self, _: &[u8]) -> Result<(), StoreError> {
        Ok(())
    }

    fn end(&mut self, _: &ArtifactEntry) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Reads a tar that must be, byte for byte, what its table of contents makes of it. Nothing in the tar is
/// interpreted, so there is no header to be fooled by.
pub(crate) fn walk(
    what: &str,
    toc: &Toc,
    tar: &mut impl Read,
    sink: &mut impl EntrySink,
) -> Result<(), StoreError> {
    let mut tar = Tar { what, tar };
    let mut buffer = vec![0; 128 * 1024];
    for entry in toc.entries() {
        let path = &entry.path;
        tar.expect(&header(entry), || {
            format!("the header of `{path}` is not what the table of contents says")
        })?;
        sink.begin(entry)?;
        let EntryKind::File { size, digest, .. } = &entry.kind else {
            continue;
        };
        let mut hasher = DigestBuilder::new();
        let mut left = *size;
        while left > 0 {
            let chunk = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let bytes = &mut buffer[..chunk];
            tar.fill(bytes)?;
            hasher.update(&*bytes);
            sink.bytes(bytes)?;
            left -= chunk as u64;
        }
        let found = hasher.finish();
        if found != *digest {
            return Err(tar.damaged(format!("`{path}` has digest {found} instead of {digest}")));
        }
        sink.end(entry)?;
        tar.expect(&END[..padding(*size)], || {
            format!("the padding after `{path}` is not zero")
        })?;
    }
    tar.expect(&END, || "it does not end with two blocks of zeros".to_owned())?;
    match tar.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(tar.damaged("something follows its end".to_owned())),
    }
}

struct Tar<'a, R> {
    what: &'a str,
    tar: &'a mut R,
}

impl<R: Read> Tar<'_, R> {
    fn damaged(&self, reason: String) -> StoreError {
        StoreError::Damaged {
            what: self.what.to_owned(),
            reason,
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StoreError> {
        loop {
            match self.tar.read(buffer) {
                Ok(n) => return Ok(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    let what = format!("cannot read {}", self.what);
                    return Err(StoreError::Io { what, source });
                }
            }
        }
    }

    fn fill(&mut self, mut buffer: &mut [u8]) -> Result<(), StoreError> {
        while !buffer.is_empty() {
            match self.read(buffer)? {
                0 => return Err(self.damaged("it ends too early".to_owned())),
                n => buffer = &mut buffer[n..],
            }
        }
        Ok(())
    }

    fn expect(&mut self, bytes: &[u8], reason: impl FnOnce() -> String) -> Result<(), StoreError> {
        let mut found = vec![0; bytes.len()];
        self.fill(&mut found)?;
        if found == bytes {
            Ok(())
        } else {
            Err(self.damaged(reason()))
        }
    }
}
