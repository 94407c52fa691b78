use pipeline_core::{ArtifactEntry, EntryKind};

use super::tar::{END, header_len, padding};
use crate::limits;

/// Where everything is in the tar, and where the tar is cut into layers.
///
/// The tar is a function of the table of contents and the bytes of the files: first the directories by path, then the
/// files in an order that the packer chose, then the links by path, then two blocks of zeros. It may be cut anywhere; the
/// layers one after another are the tar.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layout {
    /// The entries in the order of the tar.
    order: Vec<u32>,
    /// Where the content of each entry begins in the tar: for a directory or link the end of its header.
    contents: Vec<u64>,
    /// Where each layer begins in the tar, and where the last one ends.
    cuts: Vec<u64>,
}

/// What some bytes of a layer must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A part of the header of an entry: from where in it, and how many bytes.
    Header { index: usize, from: u64, len: u64 },
    /// A part of the content of a file.
    Content { index: usize, from: u64, len: u64 },
    /// So many zeros.
    Zeros { len: u64 },
}

/// Some bytes of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// The layer, counted from 0: the manifest has the table of contents before it.
    pub(crate) layer: usize,
    /// Where they begin.
    pub(crate) offset: u64,
    /// How many.
    pub(crate) len: u64,
}

impl Layout {
    /// The layout of these entries, with the files in this order, cut into layers of these sizes.
    pub(crate) fn new(entries: &[ArtifactEntry], files: &[u32], layers: &[u64]) -> Result<Self, String> {
        let order = order(entries, files)?;
        let too_much = || "the sizes add up to too much".to_owned();
        let mut contents = vec![0; entries.len()];
        let mut at = 0_u64;
        for &index in &order {
            let entry = &entries[index as usize];
            at = at.checked_add(header_len(entry)).ok_or_else(too_much)?;
            contents[index as usize] = at;
            let size = size(entry);
            let end = at
                .checked_add(size)
                .and_then(|end| end.checked_add(padding(size) as u64));
            at = end.ok_or_else(too_much)?;
        }
        let size = at
            .checked_add(END.len() as u64)
            .filter(|size| *size <= limits::MAX_FILE);
        let size = size.ok_or_else(too_much)?;
        let mut cuts = vec![0];
        let mut end = 0_u64;
        for layer in layers {
            if *layer == 0 {
                return Err("a layer is empty".to_owned());
            }
            end = end.checked_add(*layer).ok_or_else(too_much)?;
            cuts.push(end);
        }
        if end != size {
            return Err(format!(
                "it describes a tar of {size} bytes; the layers have {end}"
            ));
        }
        Ok(Self {
            order,
            contents,
            cuts,
        })
    }

    /// How long the tar is.
    pub(crate) fn size(&self) -> u64 {
        self.cuts.last().copied().unwrap_or(0)
    }

    /// The sizes of the layers, before compression.
    pub(crate) fn layers(&self) -> impl ExactSizeIterator<Item = u64> {
        self.cuts.windows(2).map(|pair| pair[1] - pair[0])
    }

    /// The indices of the entries in the order of the tar.
    pub(crate) fn order(&self) -> &[u32] {
        &self.order
    }

    /// Where the content of an entry begins: a layer, counted from 0, and an offset in it.
    pub(crate) fn place(&self, index: usize) -> (usize, u64) {
        let at = self.contents[index];
        let layer = self.layer_at(at);
        (layer, at - self.cuts[layer])
    }

    /// What the bytes of a layer must be, from its beginning to its end.
    pub(crate) fn pieces<'a>(
        &'a self,
        entries: &'a [ArtifactEntry],
        layer: usize,
    ) -> impl Iterator<Item = Piece> + 'a {
        let (start, end) = (self.cuts[layer], self.cuts[layer + 1]);
        let tail = move |index: usize| {
            let size = size(&entries[index]);
            self.contents[index] + size + padding(size) as u64
        };
        let first = self.order.partition_point(|index| tail(*index as usize) <= start);
        let whole = self.order[first..].iter().flat_map(move |&index| {
            let index = index as usize;
            let (content, size) = (self.contents[index], size(&entries[index]));
            let head = header_len(&entries[index]);
            let header = Piece::Header {
                index,
                from: 0,
                len: head,
            };
            let bytes = Piece::Content {
                index,
                from: 0,
                len: size,
            };
            let zeros = Piece::Zeros {
                len: padding(size) as u64,
            };
            [
                (content - head, header),
                (content, bytes),
                (content + size, zeros),
            ]
        });
        let close = Piece::Zeros {
            len: END.len() as u64,
        };
        let close = (self.size() - END.len() as u64, close);
        whole
            .chain(std::iter::once(close))
            .take_while(move |(at, _)| *at < end)
            .filter_map(move |(at, piece)| piece.within(at, start, end))
    }

    fn layer_at(&self, at: u64) -> usize {
        // The first cut is 0, and the two blocks at the end come after every content.
        self.cuts.partition_point(|cut| *cut <= at) - 1
    }

    /// Where the content of an entry lies: one part of each layer that it goes through.
    pub(crate) fn parts(&self, index: usize, size: u64) -> impl Iterator<Item = Part> {
        let mut at = self.contents[index];
        let end = at + size;
        std::iter::from_fn(move || {
            (at < end).then(|| {
                let layer = self.layer_at(at);
                let to = end.min(self.cuts[layer + 1]);
                let part = Part {
                    layer,
                    offset: at - self.cuts[layer],
                    len: to - at,
                };
                at = to;
                part
            })
        })
    }
}

impl Piece {
    /// The part of a piece that begins at `at` which lies between two places.
    fn within(self, at: u64, start: u64, end: u64) -> Option<Self> {
        let len = match self {
            Self::Header { len, .. } | Self::Content { len, .. } | Self::Zeros { len } => len,
        };
        let (first, last) = (at.max(start), (at + len).min(end));
        let (from, len) = (first - at, last.checked_sub(first).filter(|len| *len > 0)?);
        Some(match self {
            Self::Header { index, .. } => Self::Header { index, from, len },
            Self::Content { index, .. } => Self::Content { index, from, len },
            Self::Zeros { .. } => Self::Zeros { len },
        })
    }
}

fn size(entry: &ArtifactEntry) -> u64 {
    match entry.kind {
        EntryKind::File { size, .. } => size,
        _ => 0,
    }
}

/// Directories, files, links.
fn order(entries: &[ArtifactEntry], files: &[u32]) -> Result<Vec<u32>, String> {
    let count = u32::try_from(entries.len()).map_err(|_| "too many entries".to_owned())?;
    let of = |wanted: fn(&EntryKind) -> bool| {
        (0..count).filter(move |index| wanted(&entries[*index as usize].kind))
    };
    let mut order = Vec::with_capacity(entries.len());
    order.extend(of(|kind| matches!(kind, EntryKind::Directory)));
    order.extend(files);
    order.extend(of(|kind| matches!(kind, EntryKind::Symlink { .. })));
    Ok(order)
}
