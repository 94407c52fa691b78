use std::io::{self, Read};

use super::batch::{Batch, Form, Row};

/// How much is read at a time.
const CHUNK: usize = 1 << 20;

/// How long a line may be: a deployment with a million shas.
pub(super) const LIMIT: usize = 64 << 20;

/// Cuts a log into batches of whole lines.
pub(super) struct Chunks<R> {
    log: R,
    /// The beginning of a line whose end was not read yet.
    rest: Vec<u8>,
    /// What the system said, after the lines before.
    pub(super) error: Option<io::Error>,
    ended: bool,
}

impl<R: Read> Chunks<R> {
    pub(super) fn new(log: R) -> Self {
        Self {
            log,
            rest: Vec::new(),
            error: None,
            ended: false,
        }
    }

    /// Fills a cleared batch; `false` when there is nothing more.
    pub(super) fn fill(&mut self, batch: &mut Batch) -> bool {
        batch.bytes.append(&mut self.rest);
        while !self.ended {
            let before = batch.bytes.len();
            self.read(&mut batch.bytes);
            let fresh = &batch.bytes[before..];
            if let Some(end) = fresh.iter().rposition(|&byte| byte == b'\n') {
                self.rest.extend_from_slice(&fresh[end + 1..]);
                batch.bytes.truncate(before + end + 1);
                return true;
            }
            if batch.bytes.len() > LIMIT {
                self.skip(batch);
                return true;
            }
        }
        if self.error.is_some() {
            // The last line may be half a line.
            batch.bytes.clear();
        }
        !batch.bytes.is_empty()
    }

    /// Drops a line that is too long, up to its end.
    fn skip(&mut self, batch: &mut Batch) {
        batch.rows.push(Row {
            line: 0,
            form: Form::TooLong,
            shas: 0,
        });
        batch.lines = 1;
        while !self.ended {
            batch.bytes.clear();
            self.read(&mut batch.bytes);
            if let Some(end) = batch.bytes.iter().position(|&byte| byte == b'\n') {
                self.rest.extend_from_slice(&batch.bytes[end + 1..]);
                break;
            }
        }
        batch.bytes = Vec::new();
    }

    fn read(&mut self, bytes: &mut Vec<u8>) {
        let before = bytes.len();
        bytes.reserve(CHUNK);
        if let Err(error) = self.log.by_ref().take(CHUNK as u64).read_to_end(bytes) {
            self.error = Some(error);
            self.ended = true;
        }
        // Less than was asked for is the end.
        self.ended |= bytes.len() < before + CHUNK;
    }
}
