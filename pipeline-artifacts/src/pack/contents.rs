use std::io::Write;

use pipeline_core::{Digest, EntryKind, StoreError};

use super::PackError;
use super::digests::{DigestReader, Digests};
use super::plan::Group;
use super::scan::Tree;
use super::work::MadeLayer;
use crate::form::{Cuts, TarLength, TocFault, TocWriter, header_len};

/// What the table of contents tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contents<'a> {
    pub(super) tree: &'a Tree,
    pub(super) digests: &'a Digests,
    /// From which size files are layers of their own.
    pub(super) large: u64,
    /// All layers of the tar, in their order.
    pub(super) layers: &'a [MadeLayer],
}

impl Contents<'_> {
    /// Writes the table of contents; what it was written to, and the tree digest.
    pub(super) fn write<W: Write>(&self, out: W) -> Result<(W, Digest), PackError> {
        let totals = &self.tree.totals;
        // The groups lie one behind the other, and each is sorted as all are.
        let behind = |before: u64, tar: u64| before.saturating_add(tar);
        let small = totals.directories.tar;
        let large = behind(small, totals.small_files(self.large).tar);
        let links = behind(large, totals.large_files(self.large).tar);
        let end = TarLength::behind(behind(links, totals.links.tar));
        let (mut small, mut large) = (TarLength::behind(small), TarLength::behind(large));

        let layers = self.layers.iter().map(|layer| layer.size);
        let size = end.close().map_err(refused)?;
        let cuts = Cuts::new(layers, size).map_err(refused)?;
        let mut writer = TocWriter::new(out, &cuts).map_err(unwritten)?;
        let mut digests = DigestReader::new(self.digests, self.tree.listing.len());
        let mut cursor = self.tree.listing.all()?;
        while let Some((number, record)) = cursor.next_mut()? {
            let mut content = 0;
            if let Some(size) = record.entry.kind.size() {
                let header = header_len(&record.entry);
                let is_small = Group::SmallFiles.has(&record.entry.kind, self.large);
                let tar = if is_small { &mut small } else { &mut large };
                content = tar.add(header, size).map_err(refused)?;
                if let EntryKind::File { digest, .. } = &mut record.entry.kind {
                    *digest = digests.at(number)?;
                }
            }
            writer.entry(&record.entry, content).map_err(unwritten)?;
        }
        writer.finish().map_err(unwritten)
    }
}

fn refused(reason: String) -> PackError {
    let what = "the tree".to_owned();
    PackError::Store(StoreError::Refused { what, reason })
}

fn unwritten(fault: TocFault) -> PackError {
    match fault {
        TocFault::Io(source) => PackError::Store(StoreError::Io {
            what: "cannot write the table of contents to the store".to_owned(),
            source,
        }),
        // The scan refused what a reader would.
        fault => refused(fault.to_string()),
    }
}
