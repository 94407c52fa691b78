use std::fs::File;
use std::io::{self, BufReader, Read, Seek};

use zstd::stream::read::Decoder;

/// A compressed layer that is read from front to back; further back it begins anew.
pub(super) struct ZstdLayer {
    decoder: Option<Decoder<'static, BufReader<File>>>,
    at: u64,
}

impl ZstdLayer {
    pub(super) fn new(file: File) -> io::Result<Self> {
        Ok(Self {
            decoder: Some(Decoder::new(file)?),
            at: 0,
        })
    }

    /// The bytes at an offset of what was compressed.
    pub(super) fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset < self.at {
            let decoder = self.decoder.take();
            let mut file = decoder.ok_or(io::ErrorKind::UnexpectedEof)?.finish().into_inner();
            file.rewind()?;
            *self = Self::new(file)?;
        }
        let decoder = self.decoder.as_mut().ok_or(io::ErrorKind::UnexpectedEof)?;
        let skipped = io::copy(&mut decoder.take(offset - self.at), &mut io::sink())?;
        self.at += skipped;
        let read = decoder.read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl std::fmt::Debug for ZstdLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ZstdLayer")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
