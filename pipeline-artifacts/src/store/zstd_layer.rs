use std::fs::File;
use std::io::{self, BufReader, Read, Seek};

use zstd::stream::read::Decoder;
use zstd::stream::write::Encoder;

/// How far back a frame may refer, as a power of two: 8 MiB, which RFC 8878 asks every decoder to support. It is what reading
/// and writing hold in memory.
const WINDOW: u32 = 23;
/// The levels behind this one refer further back by themselves.
const LAST_LEVEL_WITHIN: i32 = 19;

pub(super) fn encoder(level: i32) -> io::Result<Encoder<'static, Vec<u8>>> {
    let mut encoder = Encoder::new(Vec::new(), level)?;
    if level > LAST_LEVEL_WITHIN {
        encoder.window_log(WINDOW)?;
    }
    Ok(encoder)
}

pub(super) fn decoder<R: Read>(bytes: R) -> io::Result<Decoder<'static, BufReader<R>>> {
    let mut decoder = Decoder::new(bytes)?;
    decoder.window_log_max(WINDOW)?;
    Ok(decoder)
}

/// A compressed layer that is read from front to back; further back it begins anew.
pub(super) struct ZstdLayer {
    decoder: Option<Decoder<'static, BufReader<File>>>,
    at: u64,
}

impl ZstdLayer {
    pub(super) fn new(file: File) -> io::Result<Self> {
        Ok(Self {
            decoder: Some(decoder(file)?),
            at: 0,
        })
    }

    /// How many bytes are unpacked for nothing before those at an offset.
    pub(super) fn skipped(&self, offset: u64) -> u64 {
        offset.checked_sub(self.at).unwrap_or(offset)
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn decoded(mut encoder: Encoder<'static, Vec<u8>>) -> io::Result<Vec<u8>> {
        // In two, so that the size is not known when the frame begins.
        encoder.write_all(b"some").unwrap();
        encoder.flush().unwrap();
        encoder.write_all(b"thing").unwrap();
        let frame = encoder.finish().unwrap();
        let mut bytes = Vec::new();
        decoder(&frame[..])?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn no_frame_takes_more_memory_than_ours() {
        for level in 1..=22 {
            assert_eq!(decoded(encoder(level).unwrap()).unwrap(), b"something", "{level}");
        }
        let mut wide = encoder(3).unwrap();
        wide.window_log(WINDOW + 1).unwrap();
        let error = decoded(wide).unwrap_err().to_string();
        assert!(error.contains("too much memory"), "{error}");
    }
}
