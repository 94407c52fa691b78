use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::derived::Derived;
use super::directory::{Directory, read_into};
use super::error::{corrupt, unreadable};
use super::index::{Entry, Index};
use super::line::EventLine;
use super::lines::{Lines, Next};
use super::saved_index;
use super::scan::{Fault, Scan};
use crate::Timestamp;
use crate::event::{Cursor, Event, EventRef, Position, StreamId};
use crate::journal::{JournalEvent, ReadError};

/// What is known of an open file: all commits that were closed when it was read last.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) file: Arc<File>,
    pub(super) scan: Scan,
    pub(super) index: Index,
    /// Up to which event an index on the disk was taken at its word.
    pub(super) indexed: Cursor,
}

/// What follows the last closed commit, and looks like a commit that was not finished.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) offset: u64,
    pub(super) line: u64,
    pub(super) events: u64,
}

impl Image {
    /// Nothing is known of the file yet.
    pub(super) fn new(file: Arc<File>) -> Self {
        Self {
            file,
            scan: Scan::new(true),
            index: Index::default(),
            indexed: 0,
        }
    }

    /// Knows of the file what an index on the disk says, if there is one that fits, and reads the rest.
    pub(super) fn load(file: File, directory: &Directory) -> Result<(Self, Option<Tail>), ReadError> {
        let file = Arc::new(file);
        if let Some(mut image) = Self::indexed(&file, directory.derived())
            && let Ok(tail) = image.advance(directory.journal())
        {
            return Ok((image, tail));
        }
        // The journal alone says what is wrong with it.
        let mut image = Self::new(file);
        let tail = image.advance(directory.journal())?;
        Ok((image, tail))
    }

    fn indexed(file: &Arc<File>, derived: &Derived) -> Option<Self> {
        let (scan, index) = saved_index::decode(&derived.read(&derived.index())?)?;
        let fits = saved_index::fits(file, &scan, &index).ok()?;
        fits.then(|| Self {
            file: Arc::clone(file),
            indexed: scan.closed.cursor,
            scan,
            index,
        })
    }

    /// Reads and checks what follows the last commit that is known.
    pub(super) fn advance(&mut self, path: &Path) -> Result<Option<Tail>, ReadError> {
        let Self {
            file, scan, index, ..
        } = self;
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

    /// What is to be read for some entries.
    pub(super) fn wanted(&self, entries: Vec<(Cursor, Entry)>) -> Vec<Wanted> {
        let wanted = entries.into_iter().map(|(cursor, entry)| Wanted {
            cursor,
            entry,
            stream: self.scan.streams[entry.stream as usize].id.clone(),
        });
        wanted.collect()
    }

    /// Reads some events anew and checks that they are what they were. Events of one stream are read from the one
    /// after `after` on.
    pub(super) fn fetch(
        file: &File,
        wanted: Vec<Wanted>,
        after: Option<Position>,
    ) -> Result<Vec<Event>, (Cursor, Fetch)> {
        let end = wanted
            .last()
            .map(|last| last.entry.offset + u64::from(last.entry.len));
        let mut window = Window {
            file,
            bytes: Vec::new(),
            start: 0,
            end: end.unwrap_or_default(),
        };
        let mut known = (String::new(), Timestamp::UNIX_EPOCH);
        let mut events: Vec<Event> = Vec::with_capacity(wanted.len());
        for Wanted {
            cursor,
            entry,
            stream,
        } in wanted
        {
            let damaged = |reason: &str| (cursor, Fetch::Damaged(reason.to_owned()));
            let bytes = window
                .bytes(entry.offset, entry.len as usize)
                .map_err(|e| (cursor, Fetch::Io(e)))?;
            let read = bytes
                .strip_suffix(b"\n")
                .and_then(|line| EventLine::read(line).ok());
            let position = after.map(|after| after + events.len() as u64 + 1);
            let read = read.filter(|EventLine { envelope, hash, .. }| {
                *hash == entry.hash
                    && envelope.stream == stream.as_str()
                    && position.is_none_or(|position| envelope.position == position)
            });
            let read = read.ok_or_else(|| damaged("the event is not what was read before"))?;
            events.push(
                read.event(stream, cursor, &mut known)
                    .map_err(|reason| damaged(&reason))?,
            );
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

/// An event to be read.
#[derive(Debug)]
pub(super) struct Wanted {
    cursor: Cursor,
    entry: Entry,
    stream: StreamId,
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
    /// Nothing behind this is asked for.
    end: u64,
}

impl Window<'_> {
    fn bytes(&mut self, offset: u64, len: usize) -> io::Result<&[u8]> {
        const AHEAD: u64 = 128 * 1024;
        let inside = offset
            .checked_sub(self.start)
            .and_then(|at| usize::try_from(at).ok());
        let at = match inside.filter(|at| at.saturating_add(len) <= self.bytes.len()) {
            Some(at) => at,
            None => {
                let ahead = self.end.saturating_sub(offset).min(AHEAD);
                read_into(&mut self.bytes, self.file, offset, len.max(ahead as usize))?;
                self.start = offset;
                0
            }
        };
        Ok(self.bytes.get(at..at + len).unwrap_or_default())
    }
}
