use std::borrow::Cow;
use std::sync::Arc;

use pipeline_core::{EntryKind, StoreError};

use super::record::{self, Record, write_path, write_rest};
use super::stamp::Stamp;
use crate::store::{Lease, Scratch};

/// How many bytes go to a file at once.
const PIECE: usize = 256 * 1024;

/// Records one after another, in memory or in a part of a file.
#[derive(Debug)]
pub(super) enum Series {
    Memory(Vec<u8>),
    File { file: Arc<Scratch>, from: u64, to: u64 },
}

/// A series that is being written. It begins in memory, and goes to a file when it has more bytes than there is room for.
#[derive(Debug)]
pub(super) struct SeriesWriter<'a> {
    lease: &'a Lease,
    room: usize,
    bytes: Vec<u8>,
    /// The file, where the series begins in it, and where the next bytes go.
    file: Option<(Arc<Scratch>, u64, u64)>,
}

impl<'a> SeriesWriter<'a> {
    pub(super) fn new(lease: &'a Lease, room: usize) -> Self {
        let (bytes, file) = (Vec::new(), None);
        Self {
            lease,
            room,
            bytes,
            file,
        }
    }

    /// Goes on in a file, behind what is in it.
    pub(super) fn behind(lease: &'a Lease, (file, end): (Arc<Scratch>, u64)) -> Self {
        Self {
            file: Some((file, end, end)),
            ..Self::new(lease, 0)
        }
    }

    /// How many bytes it has.
    pub(super) fn len(&self) -> u64 {
        let written = self.file.as_ref().map_or(0, |(_, from, to)| to - from);
        written + self.bytes.len() as u64
    }

    /// Adds an entry; `before` is the path of the one before, or empty, where a reader may begin.
    pub(super) fn add(
        &mut self,
        before: &str,
        path: &str,
        kind: &EntryKind,
        stamp: &Stamp,
    ) -> Result<(), StoreError> {
        write_path(&mut self.bytes, before, path);
        write_rest(&mut self.bytes, kind, stamp);
        self.settle()
    }

    /// The same, with the rest of the record as it is written.
    pub(super) fn add_written(&mut self, before: &str, path: &str, rest: &[u8]) -> Result<(), StoreError> {
        write_path(&mut self.bytes, before, path);
        self.bytes.extend_from_slice(rest);
        self.settle()
    }

    fn settle(&mut self) -> Result<(), StoreError> {
        let most = if self.file.is_some() { PIECE } else { self.room };
        if self.bytes.len() > most {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<(), StoreError> {
        let (file, _, end) = match &mut self.file {
            Some(file) => file,
            None => self.file.insert((Arc::new(self.lease.scratch()?), 0, 0)),
        };
        file.write_at(&self.bytes, *end)?;
        *end += self.bytes.len() as u64;
        self.bytes.clear();
        self.bytes.shrink_to(PIECE);
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Series, StoreError> {
        if self.file.is_some() {
            self.spill()?;
        }
        Ok(match self.file {
            Some((file, from, to)) => Series::File { file, from, to },
            None => Series::Memory(self.bytes),
        })
    }
}

/// Reads records one after another.
#[derive(Debug)]
pub(super) struct SeriesReader<'a> {
    bytes: Cow<'a, [u8]>,
    /// How many of the bytes were read.
    read: usize,
    /// What comes behind the bytes.
    more: Option<(&'a Scratch, u64, u64)>,
    window: usize,
    record: Record,
}

impl<'a> SeriesReader<'a> {
    /// From a record on, that begins so many bytes behind the beginning; holds up to `window` bytes of a file.
    pub(super) fn new(series: &'a Series, at: u64, window: usize) -> Self {
        let (bytes, more) = match series {
            Series::Memory(bytes) => {
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                (Cow::Borrowed(bytes.get(at..).unwrap_or_default()), None)
            }
            Series::File { file, from, to } => (Cow::Owned(Vec::new()), Some((&**file, from + at, *to))),
        };
        Self {
            bytes,
            read: 0,
            more,
            window: window.max(2 * record::MOST),
            record: Record::nothing(),
        }
    }

    /// Goes on to the next record; `false` at the end.
    pub(super) fn advance(&mut self) -> Result<bool, StoreError> {
        if self.bytes.len() - self.read < record::MOST {
            self.fill()?;
        }
        let rest = &self.bytes[self.read..];
        if rest.is_empty() {
            return Ok(false);
        }
        self.read += self.record.read(rest).map_err(|source| StoreError::Io {
            what: "what did not fit into memory was written as something else".to_owned(),
            source,
        })?;
        Ok(true)
    }

    fn fill(&mut self) -> Result<(), StoreError> {
        let Some((file, at, end)) = &mut self.more else {
            return Ok(());
        };
        let bytes = self.bytes.to_mut();
        bytes.drain(..self.read);
        self.read = 0;
        let held = bytes.len();
        let wanted = (*end - *at).min(self.window.saturating_sub(held) as u64);
        // At most a window.
        bytes.resize(held + wanted as usize, 0);
        file.read_at(&mut bytes[held..], *at)?;
        *at += wanted;
        Ok(())
    }

    /// The last record.
    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// The last record, to be changed; what is read next needs the path as it is.
    pub(super) fn record_mut(&mut self) -> &mut Record {
        &mut self.record
    }

    pub(super) fn into_record(self) -> Record {
        self.record
    }
}
