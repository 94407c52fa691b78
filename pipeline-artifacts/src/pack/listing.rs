use std::cmp::Ordering;

use pipeline_core::StoreError;

use super::record::Record;
use super::series::{Series, SeriesReader, SeriesWriter};
use crate::store::Lease;

/// A reader may begin at each entry with a number that this divides.
const EACH: u32 = 64;
/// How many bytes of a file are read at once when many entries are wanted, and when one is.
const MANY: usize = 64 * 1024;
const ONE: usize = 8 * 1024;

/// The entries of a tree, sorted by the bytes of their paths. Each has a number: its place, counted from 0.
#[derive(Debug)]
pub(super) struct Listing {
    series: Series,
    /// Where each entry begins at which a reader may.
    begins: Vec<u64>,
    len: u32,
}

/// A listing that is being written.
#[derive(Debug)]
pub(super) struct ListingWriter<'a> {
    series: SeriesWriter<'a>,
    begins: Vec<u64>,
    len: u32,
    last: String,
}

impl<'a> ListingWriter<'a> {
    /// Holds up to `room` bytes in memory.
    pub(super) fn new(lease: &'a Lease, room: usize) -> Self {
        Self {
            series: SeriesWriter::new(lease, room),
            begins: Vec::new(),
            len: 0,
            last: String::new(),
        }
    }

    /// Adds the next entry; its number.
    pub(super) fn add(&mut self, Record { entry, stamp }: &Record) -> Result<u32, StoreError> {
        let number = self.len;
        if number.is_multiple_of(EACH) {
            self.begins.push(self.series.len());
            self.last.clear();
        }
        self.series.add(&self.last, &entry.path, &entry.kind, stamp)?;
        self.last.clone_from(&entry.path);
        self.len += 1;
        Ok(number)
    }

    pub(super) fn finish(self) -> Result<Listing, StoreError> {
        Ok(Listing {
            series: self.series.finish()?,
            begins: self.begins,
            len: self.len,
        })
    }
}

impl Listing {
    /// How many entries there are.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Reads the entries with this number and the ones behind it.
    pub(super) fn from(&self, number: u32) -> Result<Cursor<'_>, StoreError> {
        self.cursor(number, MANY)
    }

    /// Reads all entries.
    pub(super) fn all(&self) -> Result<Cursor<'_>, StoreError> {
        self.from(0)
    }

    /// The entry with this number, which there must be.
    pub(super) fn get(&self, number: u32) -> Result<Record, StoreError> {
        let mut cursor = self.cursor(number, ONE)?;
        cursor.next()?;
        Ok(cursor.reader.into_record())
    }

    /// The first path that is not the same in a later listing, and how.
    pub(super) fn first_change(&self, later: &Self) -> Result<Option<(String, &'static str)>, StoreError> {
        let (mut then, mut now) = (self.all()?, later.all()?);
        loop {
            let (path, how) = match (then.next()?, now.next()?) {
                (None, None) => return Ok(None),
                (Some((_, then)), Some((_, now))) if then == now => continue,
                (Some((_, then)), Some((_, now))) => match then.entry.path.cmp(&now.entry.path) {
                    Ordering::Less => (&then.entry.path, "it is gone"),
                    Ordering::Equal => (&then.entry.path, "it is not what it was"),
                    Ordering::Greater => (&now.entry.path, "it is new"),
                },
                (Some((_, then)), None) => (&then.entry.path, "it is gone"),
                (None, Some((_, now))) => (&now.entry.path, "it is new"),
            };
            return Ok(Some((path.clone(), how)));
        }
    }

    fn cursor(&self, number: u32, window: usize) -> Result<Cursor<'_>, StoreError> {
        let begin = self.begins.get((number / EACH) as usize).copied();
        let mut cursor = Cursor {
            reader: SeriesReader::new(&self.series, begin.unwrap_or(0), window),
            number: number / EACH * EACH,
            // Behind the last there is nothing.
            end: if begin.is_some() { self.len } else { 0 },
        };
        while cursor.number < number && cursor.next()?.is_some() {}
        Ok(cursor)
    }
}

/// Reads entries one after another.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    reader: SeriesReader<'a>,
    number: u32,
    end: u32,
}

impl Cursor<'_> {
    /// The next entry and its number.
    pub(super) fn next(&mut self) -> Result<Option<(u32, &Record)>, StoreError> {
        let next = self.next_mut()?;
        Ok(next.map(|(number, record)| (number, &*record)))
    }

    /// The same, to be changed. Only its path counts for the entry behind it.
    pub(super) fn next_mut(&mut self) -> Result<Option<(u32, &mut Record)>, StoreError> {
        if self.number >= self.end || !self.reader.advance()? {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some((self.number - 1, self.reader.record_mut())))
    }
}
