use std::cmp::Ordering;

use pipeline_core::Digest;

use super::entry_json::read_entry;
use super::source::{Held, Source};
use super::toc_walk::LayerBegin;
use super::toc_writer::TreeDigest;
use super::{Cuts, Part, Placed, TocFault};

/// The table of contents: what is in an artifact, and where in the layers. Read and checked once, from front to back; of each
/// entry, eight bytes stay in memory: where its JSON begins, and its place in the order of the tar. The rest is read again
/// when it is needed, and held against what was read first.
///
/// The tar is a function of the table of contents and the bytes of the files: first the directories by path, then the
/// files in an order that the packer chose, then the links by path, then two blocks of zeros.
#[derive(Debug)]
pub(crate) struct Toc {
    pub(super) list: EntryList,
    pub(super) cuts: Cuts,
    /// The indices of the entries in the order of the tar.
    pub(super) order: Vec<u32>,
    /// How many of these are directories, which come first, and links, which come last.
    pub(super) directories: usize,
    pub(super) links: usize,
    /// Where each layer begins.
    pub(super) begins: Vec<LayerBegin>,
}

/// The entries, sorted by path.
#[derive(Debug)]
pub(super) struct EntryList {
    pub(super) source: Source,
    /// Where the JSON of each entry begins, and one more than where that of the last ends.
    pub(super) starts: Vec<u32>,
}

impl EntryList {
    pub(super) fn reader(&self) -> TocReader<'_> {
        TocReader {
            list: self,
            held: Held::default(),
        }
    }
}

/// Reads entries of a table of contents; holds what lies around the last one, so that the next ones cost little.
#[derive(Debug)]
pub(crate) struct TocReader<'a> {
    list: &'a EntryList,
    held: Held,
}

impl TocReader<'_> {
    /// An entry by its index, counted from 0 in the order of the paths.
    pub(crate) fn entry(&mut self, index: usize) -> Result<Placed, TocFault> {
        let (Some(from), Some(next)) = (self.list.starts.get(index), self.list.starts.get(index + 1)) else {
            return Err(TocFault::Wrong(format!("it has no entry {index}")));
        };
        let (from, to) = (*from as usize, *next as usize - 1);
        let bytes = self.list.source.bytes(&mut self.held, from, to)?;
        Ok(read_entry(bytes)?.0)
    }
}

impl Toc {
    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Where the tar is cut into layers.
    pub(crate) fn cuts(&self) -> &Cuts {
        &self.cuts
    }

    /// A reader of its entries; each thread has its own.
    pub(crate) fn reader(&self) -> TocReader<'_> {
        self.list.reader()
    }

    /// The indices of the directories, in the order of the paths.
    pub(crate) fn directories(&self) -> &[u32] {
        &self.order[..self.directories]
    }

    /// The indices of the links, in the order of the paths.
    pub(crate) fn links(&self) -> &[u32] {
        &self.order[self.order.len() - self.links..]
    }

    /// The indices of the files whose content begins in a layer, in the order of the tar.
    pub(crate) fn files_of(&self, layer: usize) -> &[u32] {
        let files = self.directories..self.order.len() - self.links;
        let content = |layer: usize| {
            self.begins
                .get(layer)
                .map_or(self.order.len(), |begin| begin.contents)
        };
        let clip = |at: usize| at.clamp(files.start, files.end);
        &self.order[clip(content(layer))..clip(content(layer + 1))]
    }

    /// Where the content of an entry lies: one part of each layer that it goes through.
    pub(crate) fn parts(&self, placed: &Placed) -> impl Iterator<Item = Part> {
        let content = placed.place.map_or(0, |place| self.cuts.at(place));
        self.cuts.parts(content, placed.size())
    }

    /// The index of the first entry whose path is not less than this one.
    pub(crate) fn lower_bound(&self, path: &str) -> Result<usize, TocFault> {
        let mut reader = self.reader();
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = from.midpoint(to);
            match reader.entry(middle)?.entry.path.as_str().cmp(path) {
                Ordering::Less => from = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => to = middle,
            }
        }
        Ok(from)
    }

    /// The entry at a path.
    pub(crate) fn find(&self, path: &str) -> Result<Option<Placed>, TocFault> {
        let index = self.lower_bound(path)?;
        if index == self.len() {
            return Ok(None);
        }
        let found = self.reader().entry(index)?;
        Ok((found.entry.path == path).then_some(found))
    }

    /// The digest of the entries without their places: stays the same when the tar is cut in another way, compressed, or
    /// put in another order.
    pub(crate) fn tree(&self) -> Result<Digest, TocFault> {
        let (mut tree, mut reader) = (TreeDigest::new(), self.reader());
        for index in 0..self.len() {
            tree.entry(&reader.entry(index)?.entry);
        }
        Ok(tree.finish())
    }
}

impl Placed {
    /// How many bytes its content has; none, unless it is a file.
    pub(crate) fn size(&self) -> u64 {
        self.entry.kind.size().unwrap_or(0)
    }
}
