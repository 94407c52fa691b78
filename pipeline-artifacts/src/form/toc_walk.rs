use pipeline_core::ArtifactEntry;

use super::tar::END;
use super::{Placed, Toc, TocFault, header_len, padding};

/// Where a layer begins in the tar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LayerBegin {
    /// The first entry, in the order of the tar, of which something lies in the layer.
    pub(super) first: usize,
    /// Where the header of that entry begins in the tar.
    pub(super) at: u64,
    /// The first entry whose content begins in the layer or behind it.
    pub(super) contents: usize,
}

/// What some bytes of a layer must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Piece<'a> {
    /// A part of the header of an entry: from where in it, and how many bytes.
    Header {
        entry: &'a ArtifactEntry,
        from: u64,
        len: u64,
    },
    /// A part of the content of a file.
    Content {
        entry: &'a ArtifactEntry,
        from: u64,
        len: u64,
    },
    /// So many zeros.
    Zeros { len: u64 },
}

impl Toc {
    /// Gives what the bytes of a layer must be, from its beginning to its end.
    pub(crate) fn pieces<E: From<TocFault>>(
        &self,
        layer: usize,
        mut give: impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (start, end) = self.cuts.layer(layer);
        let LayerBegin { first, at, .. } = self.begins[layer];
        let mut tar = Stretch { at, start, end };
        let mut reader = self.reader();
        for index in &self.order[first..] {
            if tar.at >= end {
                return Ok(());
            }
            let placed = reader.entry(*index as usize)?;
            let (entry, size) = (&placed.entry, placed.size());
            let (from, len) = tar.next(header_len(entry));
            if len > 0 {
                give(Piece::Header { entry, from, len })?;
            }
            let (from, len) = tar.next(size);
            if len > 0 {
                give(Piece::Content { entry, from, len })?;
            }
            let (_, len) = tar.next(padding(size) as u64);
            if len > 0 {
                give(Piece::Zeros { len })?;
            }
        }
        match tar.next(END.len() as u64) {
            (_, 0) => Ok(()),
            (_, len) => give(Piece::Zeros { len }),
        }
    }

    /// The files that go through several layers.
    pub(crate) fn spanning(&self) -> Result<Vec<Placed>, TocFault> {
        let mut reader = self.reader();
        // Such a file is the first in the layer that it goes into.
        let mut firsts: Vec<usize> = self.begins.iter().skip(1).map(|begin| begin.first).collect();
        firsts.dedup();
        let mut found = Vec::new();
        for index in firsts.into_iter().filter_map(|first| self.order.get(first)) {
            let placed = reader.entry(*index as usize)?;
            if self.parts(&placed).nth(1).is_some() {
                found.push(placed);
            }
        }
        Ok(found)
    }
}

/// The tar from a place on, of which only what lies in a layer counts.
struct Stretch {
    at: u64,
    start: u64,
    end: u64,
}

impl Stretch {
    /// Goes past so many bytes: from where in them, and how many, lie in the layer.
    fn next(&mut self, len: u64) -> (u64, u64) {
        let (first, last) = (self.at.max(self.start), (self.at + len).min(self.end));
        let from = first - self.at;
        self.at += len;
        (from, last.saturating_sub(first))
    }
}
