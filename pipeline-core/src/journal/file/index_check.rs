use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use super::derived::Derived;
use super::index::Index;
use super::saved_index::{decode, fits};
use super::scan::{Closed, Observer, Pending, Scan, Stream};
use crate::event::EventRef;

/// Compares the index on the disk, if opening would take it, with what the journal itself says.
pub(super) struct IndexCheck {
    pub(super) path: PathBuf,
    known: Option<(Scan, Index)>,
    differs: bool,
}

impl IndexCheck {
    pub(super) fn new(file: &File, derived: &Derived) -> Self {
        let path = derived.index();
        let known = derived.read(&path).and_then(|bytes| decode(&bytes));
        Self {
            known: known.filter(|(scan, index)| fits(file, scan, index).unwrap_or(false)),
            path,
            differs: false,
        }
    }

    /// Whether the index says something else than the journal, which was read to its end.
    pub(super) fn differs(&self, journal: &Scan) -> bool {
        let Some((scan, _)) = &self.known else {
            return false;
        };
        let last = scan.closed.line;
        let same = |known: &BTreeMap<EventRef, u64>, found: &BTreeMap<EventRef, u64>| {
            known.iter().eq(found.iter().filter(|(_, line)| **line <= last))
        };
        self.differs
            || scan.closed.commits > journal.closed.commits
            || !same(&scan.erasures.recorded, &journal.erasures.recorded)
            || !same(&scan.erasures.erased, &journal.erasures.erased)
    }
}

impl Observer for IndexCheck {
    fn closed(&mut self, closed: &Closed, streams: &[Stream], events: &[Pending]) {
        let Some((scan, index)) = self
            .known
            .as_ref()
            .filter(|(scan, _)| scan.closed.commits >= closed.commits)
        else {
            return;
        };
        let end = index.commits().get(closed.commits as usize - 1) == Some(&closed.cursor);
        let place = |closed: &Closed| (closed.cursor, closed.digest, closed.offset, closed.line);
        let last = scan.closed.commits > closed.commits || place(&scan.closed) == place(closed);
        let start = closed.cursor.saturating_sub(events.len() as u64) as usize;
        let held = index.entries().get(start..).unwrap_or_default();
        let same = held.len() >= events.len()
            && held.iter().zip(events).all(|(held, event)| {
                (held.offset, held.len, held.hash) == (event.offset, event.len, event.hash)
                    && scan.streams[held.stream as usize].id == streams[event.stream as usize].id
            });
        self.differs |= !(end && last && same);
    }
}
