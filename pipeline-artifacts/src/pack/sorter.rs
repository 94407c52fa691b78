use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::Arc;

use pipeline_core::{EntryKind, StoreError};

use super::PackError;
use super::fingerprint::Fingerprint;
use super::record::{Record, write_rest};
use super::series::{Series, SeriesReader, SeriesWriter};
use super::stamp::Stamp;
use crate::store::{Lease, Scratch};

/// No more than this is read of a run at once.
const MOST_WINDOW: usize = 64 * 1024;

/// Takes entries in any order, and gives them sorted by the bytes of their paths: as runs, for [`merge`]. What does not fit
/// into memory is sorted and written to a file each time the room is full.
#[derive(Debug)]
pub(super) struct Sorter<'a> {
    lease: &'a Lease,
    room: usize,
    /// The paths of the entries, each with the rest of its record behind it.
    bytes: Vec<u8>,
    found: Vec<Place>,
    runs: Vec<Series>,
    /// The file of the runs, and where it ends.
    file: Option<(Arc<Scratch>, u64)>,
    fingerprint: Fingerprint,
}

/// Where an entry is: paths and records are shorter than 64 KiB, and the room is smaller than 4 GiB.
#[derive(Debug, Clone, Copy)]
struct Place {
    at: u32,
    path: u16,
    rest: u16,
}

impl Place {
    fn path(self, bytes: &[u8]) -> &[u8] {
        let at = self.at as usize;
        &bytes[at..at + usize::from(self.path)]
    }

    fn rest(self, bytes: &[u8]) -> &[u8] {
        let at = self.at as usize + usize::from(self.path);
        &bytes[at..at + usize::from(self.rest)]
    }
}

impl<'a> Sorter<'a> {
    pub(super) fn new(lease: &'a Lease, room: usize) -> Self {
        Self {
            lease,
            room,
            bytes: Vec::new(),
            found: Vec::new(),
            runs: Vec::new(),
            file: None,
            fingerprint: Fingerprint::default(),
        }
    }

    pub(super) fn add(&mut self, path: &str, kind: &EntryKind, stamp: &Stamp) -> Result<(), StoreError> {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(path.as_bytes());
        write_rest(&mut self.bytes, kind, stamp);
        let rest = &self.bytes[at + path.len()..];
        self.fingerprint.add(path, rest);
        #[expect(clippy::cast_possible_truncation, reason = "see `Place`")]
        self.found.push(Place {
            at: at as u32,
            path: path.len() as u16,
            rest: rest.len() as u16,
        });
        if self.bytes.len() + self.found.len() * size_of::<Place>() > self.room {
            self.spill()?;
        }
        Ok(())
    }

    /// The runs, and what all of them hold.
    pub(super) fn finish(mut self) -> Result<(Vec<Series>, Fingerprint), StoreError> {
        if self.file.is_some() {
            self.spill()?;
        } else {
            let writer = SeriesWriter::new(self.lease, usize::MAX);
            let run = self.sorted(writer)?;
            self.runs.push(run);
        }
        Ok((self.runs, self.fingerprint))
    }

    fn spill(&mut self) -> Result<(), StoreError> {
        let (file, end) = match &self.file {
            Some((file, end)) => (Arc::clone(file), *end),
            None => (Arc::new(self.lease.scratch()?), 0),
        };
        let writer = SeriesWriter::behind(self.lease, (Arc::clone(&file), end));
        let run = self.sorted(writer)?;
        if let Series::File { to, .. } = &run {
            self.file = Some((file, *to));
        }
        self.runs.push(run);
        self.bytes.clear();
        self.found.clear();
        Ok(())
    }

    fn sorted(&mut self, mut writer: SeriesWriter<'_>) -> Result<Series, StoreError> {
        let bytes = &self.bytes;
        self.found
            .sort_unstable_by(|a, b| a.path(bytes).cmp(b.path(bytes)));
        let mut before = "";
        for place in &self.found {
            // It was a text when it was added.
            let path = std::str::from_utf8(place.path(bytes)).unwrap_or_default();
            writer.add_written(before, path, place.rest(bytes))?;
            before = path;
        }
        writer.finish()
    }
}

/// Shows the records of sorted runs, sorted. Holds up to `room` bytes of those that are in files.
pub(super) fn merge(
    runs: &[Series],
    room: usize,
    mut show: impl FnMut(&Record) -> Result<(), PackError>,
) -> Result<(), PackError> {
    let window = (room / runs.len().max(1)).min(MOST_WINDOW);
    let mut next = BinaryHeap::with_capacity(runs.len());
    for run in runs {
        let mut reader = SeriesReader::new(run, 0, window);
        if reader.advance()? {
            next.push(Next(reader));
        }
    }
    while let Some(mut first) = next.peek_mut() {
        show(first.0.record())?;
        if !first.0.advance()? {
            PeekMut::pop(first);
        }
    }
    Ok(())
}

/// A run at one of its records: the one whose path comes first is the greatest, as [`BinaryHeap`] wants it.
struct Next<'a>(SeriesReader<'a>);

impl Next<'_> {
    fn path(&self) -> &str {
        &self.0.record().entry.path
    }
}

impl Ord for Next<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.path().cmp(self.path())
    }
}

impl PartialOrd for Next<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Next<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Next<'_> {}
