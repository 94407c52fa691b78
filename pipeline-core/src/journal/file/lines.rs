use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use super::directory::read_at;
use super::line::MAX_LINE;

/// A reader of a part of a file that moves no shared position.
#[derive(Debug)]
struct Part<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = read_at(self.file, buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// The lines of a file from some offset on.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    reader: BufReader<Part<'a>>,
    line: Vec<u8>,
}

/// What a file holds next.
#[derive(Debug)]
pub(super) enum Next<'a> {
    /// A whole line, with its end.
    Line(&'a [u8]),
    /// A line that is too long; so many bytes were passed over.
    Long(u64),
    /// What follows the end of the last line, often nothing.
    End(&'a [u8]),
}

impl<'a> Lines<'a> {
    pub(super) fn new(file: &'a File, offset: u64) -> Self {
        Self {
            reader: BufReader::with_capacity(128 * 1024, Part { file, offset }),
            line: Vec::new(),
        }
    }

    pub(super) fn next(&mut self) -> io::Result<Next<'_>> {
        self.line.clear();
        (&mut self.reader)
            .take(MAX_LINE)
            .read_until(b'\n', &mut self.line)?;
        if self.line.ends_with(b"\n") {
            return Ok(Next::Line(&self.line));
        }
        if (self.line.len() as u64) < MAX_LINE {
            return Ok(Next::End(&self.line));
        }
        let rest = self.reader.skip_until(b'\n')?;
        Ok(Next::Long(self.line.len() as u64 + rest as u64))
    }
}
