use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use pipeline_core::digest::DigestBuilder;

use super::TocFault;

/// Where the bytes of a table of contents are.
#[derive(Debug)]
pub(super) enum Source {
    /// All in memory.
    Bytes(Vec<u8>),
    /// In a file, of which some windows are held at a time.
    File(Windows),
}

/// A file that is read in windows of one size; the last may be shorter.
pub(super) struct Windows {
    file: File,
    size: usize,
    window: usize,
    /// What was hashed before each window when it was read first, and at the end. So a window that is read again is held
    /// against the digest of the whole, though only the window is hashed.
    states: Vec<DigestBuilder>,
}

/// The windows that one reader holds.
#[derive(Debug, Default)]
pub(super) struct Held {
    bytes: Vec<u8>,
    /// The number of the first.
    first: usize,
}

impl Source {
    /// The bytes from one place to another, read and verified when they are not held.
    pub(super) fn bytes<'a>(
        &'a self,
        held: &'a mut Held,
        from: usize,
        to: usize,
    ) -> Result<&'a [u8], TocFault> {
        match self {
            Self::Bytes(bytes) => bytes.get(from..to).ok_or(TocFault::Changed),
            Self::File(file) => {
                let skipped = file.hold(held, from, to)?;
                Ok(&held.bytes[skipped..skipped + (to - from)])
            }
        }
    }
}

impl Windows {
    /// A file of so many bytes, of which nothing was read yet.
    pub(super) fn new(file: File, size: usize, window: usize) -> Self {
        Self {
            file,
            size,
            window: window.max(1),
            states: vec![DigestBuilder::new()],
        }
    }

    /// Adds the bytes of the next window to others, the first time that they are read; `false` at the end.
    pub(super) fn first(&mut self, bytes: &mut Vec<u8>) -> Result<bool, TocFault> {
        let number = self.states.len() - 1;
        let begin = bytes.len();
        if number * self.window >= self.size {
            return Ok(false);
        }
        self.read(number, bytes)?;
        let mut state = self.states[number].clone();
        state.update(&bytes[begin..]);
        self.states.push(state);
        Ok(true)
    }

    /// What was hashed of all that was read.
    pub(super) fn hashed(&self) -> DigestBuilder {
        // There is one for the beginning.
        self.states.last().cloned().unwrap_or_default()
    }

    /// Reads from the beginning, whatever was read before.
    pub(super) fn all(&self) -> impl io::Read {
        FromStart {
            file: &self.file,
            at: 0,
        }
    }

    /// Sees to it that the bytes between two places are held; how many are before them.
    fn hold(&self, held: &mut Held, from: usize, to: usize) -> Result<usize, TocFault> {
        let (first, end) = (from / self.window, to.div_ceil(self.window));
        let before = first.wrapping_sub(held.first).saturating_mul(self.window);
        if before >= held.bytes.len() {
            held.bytes.clear();
            held.first = first;
        } else if held.first + held.bytes.len().div_ceil(self.window) < end {
            // Going forward, the last window is often needed once more.
            held.bytes.drain(..before);
            held.first = first;
        }
        let next = held.first + held.bytes.len().div_ceil(self.window);
        for number in next..end {
            let begin = held.bytes.len();
            let read = self.read(number, &mut held.bytes);
            let checked = read.and_then(|()| self.check(number, &held.bytes[begin..]));
            if checked.is_err() {
                held.bytes.truncate(begin);
            }
            checked?;
        }
        Ok(from - held.first * self.window)
    }

    fn read(&self, number: usize, bytes: &mut Vec<u8>) -> Result<(), TocFault> {
        let (begin, at) = (bytes.len(), number * self.window);
        bytes.resize(begin + self.window.min(self.size.saturating_sub(at)), 0);
        let read = self.file.read_exact_at(&mut bytes[begin..], at as u64);
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => TocFault::Changed,
            _ => TocFault::Io(error),
        })
    }

    fn check(&self, number: usize, bytes: &[u8]) -> Result<(), TocFault> {
        let (Some(before), Some(after)) = (self.states.get(number), self.states.get(number + 1)) else {
            return Err(TocFault::Changed);
        };
        let mut state = before.clone();
        state.update(bytes);
        match state.finish() == after.clone().finish() {
            true => Ok(()),
            false => Err(TocFault::Changed),
        }
    }
}

struct FromStart<'a> {
    file: &'a File,
    at: u64,
}

impl io::Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl fmt::Debug for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Windows")
            .field("file", &self.file)
            .field("size", &self.size)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}
