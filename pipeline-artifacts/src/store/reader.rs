use pipeline_core::digest::DigestBuilder;
use pipeline_core::{EntryKind, StoreError};

use super::StoredArtifact;
use super::layer::{Carried, Layer};
use crate::form::{Part, Placed, TocReader};

/// Reads the entries of an artifact and the contents of its files, one after another; holds one layer open.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    artifact: &'a StoredArtifact,
    entries: TocReader<'a>,
    open: Option<(usize, Layer)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(artifact: &'a StoredArtifact) -> Self {
        Self {
            artifact,
            entries: artifact.toc().reader(),
            open: None,
        }
    }

    /// An entry by its index, in the order of the paths.
    pub(crate) fn entry(&mut self, index: usize) -> Result<Placed, StoreError> {
        self.entries
            .entry(index)
            .map_err(|fault| self.artifact.toc_fault(fault))
    }

    /// Gives the content of a file piece by piece, and verifies it at the end.
    pub(crate) fn content(
        &mut self,
        placed: &Placed,
        mut give: impl FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let entry = &placed.entry;
        let EntryKind::File { digest, .. } = &entry.kind else {
            return Ok(());
        };
        let mut hasher = DigestBuilder::new();
        let mut first = None;
        for part in self.artifact.toc().parts(placed) {
            first.get_or_insert(part.layer);
            self.part(part, &mut |bytes| {
                hasher.update(bytes);
                give(bytes)
            })?;
        }
        match hasher.finish() {
            found if found == *digest => Ok(()),
            _ => {
                let layer = &self.artifact.tar()[first.unwrap_or(0)];
                let reason = format!("the bytes of `{}` do not have digest {digest}", entry.path);
                Err(self.artifact.store().damaged(&layer.digest, reason))
            }
        }
    }

    /// Gives a part of a layer, not verified.
    pub(super) fn part(
        &mut self,
        part: Part,
        give: &mut impl FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let layer = self.layer(part.layer)?;
        let (mut at, end) = (part.offset, part.offset + part.len);
        while at < end {
            let bytes = layer.bytes(at, end - at)?;
            give(bytes)?;
            at += bytes.len() as u64;
        }
        Ok(())
    }

    /// A layer, opened.
    pub(super) fn layer(&mut self, number: usize) -> Result<&mut Layer, StoreError> {
        let open = match self.open.take() {
            Some((open, layer)) if open == number => layer,
            other => {
                let store = self.artifact.store();
                let carried = other.map(|(_, layer)| layer.into_carried());
                let carried = carried.unwrap_or_else(|| Carried::new(store));
                Layer::open(store, &self.artifact.tar()[number], carried)?
            }
        };
        Ok(&mut self.open.insert((number, open)).1)
    }
}
