use super::scan::{Closed, Observer, Pending, Stream};
use crate::Digest;
use crate::event::{Cursor, Position};

/// Where an event lies in the file, and the hash that it had when it was checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) offset: u64,
    pub(super) len: u32,
    /// The number of its stream in the scan.
    pub(super) stream: u32,
    pub(super) hash: Digest,
}

/// Where everything lies: some 60 bytes for each event.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: Vec<Entry>,
    /// For each stream, by its number in the scan, which entries are its.
    streams: Vec<Vec<u32>>,
    /// The cursor after each commit.
    commits: Vec<Cursor>,
}

impl Index {
    /// An index of these events and commits; `held` says how many events each stream has.
    pub(super) fn restore(entries: Vec<Entry>, commits: Vec<Cursor>, held: &[Position]) -> Self {
        let mut streams: Vec<_> = held
            .iter()
            .map(|held| Vec::with_capacity(*held as usize))
            .collect();
        for (number, entry) in (0..).zip(&entries) {
            streams[entry.stream as usize].push(number);
        }
        Self {
            entries,
            streams,
            commits,
        }
    }

    /// All events.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The cursor after each commit.
    pub(super) fn commits(&self) -> &[Cursor] {
        &self.commits
    }

    /// The entries of a stream after a position, with their cursors.
    pub(super) fn stream(&self, stream: u32, after: Position, limit: usize) -> Vec<(Cursor, Entry)> {
        let held = self.streams.get(stream as usize).map_or(&[][..], Vec::as_slice);
        let at = |index: &u32| (u64::from(*index) + 1, self.entries[*index as usize]);
        page(held, after, limit).iter().map(at).collect()
    }

    /// All entries after a cursor, with their cursors.
    pub(super) fn all(&self, after: Cursor, limit: usize) -> Vec<(Cursor, Entry)> {
        (after.saturating_add(1)..)
            .zip(page(&self.entries, after, limit).iter().copied())
            .collect()
    }

    /// The line in which an event stands: behind the first line, the events before it, and a line for each
    /// commit before it.
    pub(super) fn line(&self, cursor: Cursor) -> u64 {
        1 + cursor + self.commits.partition_point(|end| *end < cursor) as u64
    }
}

fn page<T>(list: &[T], after: u64, limit: usize) -> &[T] {
    let rest = usize::try_from(after)
        .ok()
        .and_then(|after| list.get(after..))
        .unwrap_or_default();
    &rest[..rest.len().min(limit)]
}

impl Observer for Index {
    fn closed(&mut self, closed: &Closed, streams: &[Stream], events: &[Pending]) {
        self.streams
            .resize_with(streams.len().max(self.streams.len()), Vec::new);
        for event in events {
            // Four thousand million events would need 240 GB of index first.
            self.streams[event.stream as usize].push(self.entries.len() as u32);
            self.entries.push(Entry {
                offset: event.offset,
                len: event.len,
                stream: event.stream,
                hash: event.hash,
            });
        }
        self.commits.push(closed.cursor);
    }
}
