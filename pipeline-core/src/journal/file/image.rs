use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::directory::read_at;
use super::error::{corrupt, unreadable};
use super::index::{Entry, Index};
use super::line::EventLine;
use super::lines::{Lines, Next};
use super::scan::{Fault, Scan};
use crate::event::{Cursor, Event, EventRef, StreamId};
use crate::journal::{JournalEvent, ReadError};

/// What is known of an open file: all commits that were closed when it was read last.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) file: Arc<File>,
    pub(super) scan: Scan,
    pub(super) index: Index,
}

/// What follows the last closed commit, and looks like a commit that was not finished.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) offset: u64,
    pub(super) line: u64,
    pub(super) events: u64,
}

impl Image {
    pub(super) fn new(file: File) -> Self {
        Self {
            file: Arc::new(file),
            scan: Scan::new(true),
            index: Index::default(),
        }
    }

    /// Reads and checks what follows the last commit that is known.
    pub(super) fn advance(&mut self, path: &Path) -> Result<Option<Tail>, ReadError> {
        let Self { file, scan, index } = self;
        let closed = scan.closed;
        let len = file.metadata().map_err(unreadable(path))?.len();
        if len < closed.offset {
            let reason = "the journal ends before what was read of it".to_owned();
            return Err(corrupt(
                path,
                &Fault {
                    line: closed.line,
                    reason,
                },
            ));
        }
        if len == closed.offset {
            return Ok(None);
        }
        let result = read(file, scan, index);
        let fault = scan.faults.first().cloned();
        scan.rollback();
        let tail = match (fault, result) {
            (Some(fault), _) => return Err(corrupt(path, &fault)),
            (None, result) => result
                .map_err(unreadable(path))?
                .map_err(|fault| corrupt(path, &fault))?,
        };
        match scan.erasures.unrecorded().first() {
            Some(fault) => Err(corrupt(path, fault)),
            None => Ok(tail),
        }
    }

    /// Reads some events anew and checks that they are what they were.
    pub(super) fn fetch(
        file: &File,
        entries: &[(Cursor, Entry)],
        stream: Option<&StreamId>,
    ) -> Result<Vec<Event>, (Cursor, Fetch)> {
        let mut window = Window {
            file,
            bytes: Vec::new(),
            start: 0,
        };
        let mut events: Vec<Event> = Vec::with_capacity(entries.len());
        for (cursor, entry) in entries {
            let damaged = |reason: &str| (*cursor, Fetch::Damaged(reason.to_owned()));
            let bytes = window
                .bytes(entry.offset, entry.len as usize)
                .map_err(|e| (*cursor, Fetch::Io(e)))?;
            let read = bytes
                .strip_suffix(b"\n")
                .and_then(|line| EventLine::read(line).ok());
            let read = read.filter(|read| read.hash == entry.hash);
            let read = read.ok_or_else(|| damaged("the event is not what was read before"))?;
            let id = match stream.or(events.last().map(|event| &event.stream)) {
                Some(id) if id.as_str() == read.envelope.stream => id.clone(),
                _ => read
                    .envelope
                    .stream
                    .parse()
                    .map_err(|_| damaged("the stream has no good name"))?,
            };
            events.push(read.event(id, *cursor).map_err(|reason| damaged(&reason))?);
        }
        Ok(events)
    }

    /// The entry of an event.
    pub(super) fn entry(&self, event: &EventRef) -> Option<Entry> {
        let after = event.position.checked_sub(1)?;
        let found = self.index.stream(self.scan.stream(&event.stream)?, after, 1);
        found.first().map(|(_, entry)| *entry)
    }

    /// The payloads that are recorded as erased and still there, in the order of the file.
    pub(super) fn unfinished_erasures(&self) -> Vec<(EventRef, Entry)> {
        let records = JournalEvent::erasures();
        let open = self
            .scan
            .erasures
            .unfinished()
            .filter(|(event, _)| event.stream != records);
        let mut found: Vec<_> = open
            .filter_map(|(event, _)| self.entry(event).map(|entry| (event.clone(), entry)))
            .collect();
        found.sort_by_key(|(_, entry)| entry.offset);
        found
    }
}

/// Why an event could not be read.
#[derive(Debug)]
pub(super) enum Fetch {
    Io(io::Error),
    Damaged(String),
}

/// Reads lines up to the end of the file, or to the first fault.
fn read(file: &File, scan: &mut Scan, index: &mut Index) -> io::Result<Result<Option<Tail>, Fault>> {
    let mut lines = Lines::new(file, scan.offset());
    loop {
        match lines.next()? {
            Next::Line(line) => scan.line(line, index),
            Next::Long(bytes) => scan.skip(bytes),
            Next::End(partial) => {
                if partial.is_empty() && scan.pending.is_empty() {
                    return Ok(Ok(None));
                }
                let tail = Tail {
                    offset: scan.closed.offset,
                    line: scan.closed.line + 1,
                    events: scan.pending.len() as u64,
                };
                return Ok(scan.begins(partial).map(|()| Some(tail)));
            }
        }
        if !scan.faults.is_empty() {
            return Ok(Ok(None));
        }
    }
}

/// The part of a file that was read last: neighbours are often read together.
struct Window<'a> {
    file: &'a File,
    bytes: Vec<u8>,
    start: u64,
}

impl Window<'_> {
    fn bytes(&mut self, offset: u64, len: usize) -> io::Result<&[u8]> {
        const AHEAD: usize = 16 * 1024;
        let inside = offset
            .checked_sub(self.start)
            .and_then(|at| usize::try_from(at).ok());
        let at = match inside.filter(|at| at.saturating_add(len) <= self.bytes.len()) {
            Some(at) => at,
            None => {
                self.bytes.resize(len.max(AHEAD), 0);
                self.start = offset;
                let mut filled = 0;
                while filled < self.bytes.len() {
                    match read_at(self.file, &mut self.bytes[filled..], offset + filled as u64) {
                        Ok(0) => break,
                        Ok(count) => filled += count,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(error),
                    }
                }
                self.bytes.truncate(filled);
                0
            }
        };
        Ok(self.bytes.get(at..at + len).unwrap_or_default())
    }
}
