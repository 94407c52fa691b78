use std::iter::FusedIterator;

use pipeline_core::{ArtifactEntry, StoreError};

use super::StoredArtifact;
use crate::form::TocReader;

/// The entries of a [`StoredArtifact`], sorted by the bytes of the path; see [`StoredArtifact::entries`].
///
/// An error is [`StoreError::Damaged`] when the table of contents is not any more what it was when the artifact was opened,
/// or what the system says. Nothing follows it.
#[derive(Debug)]
pub struct Entries<'a> {
    artifact: &'a StoredArtifact,
    reader: TocReader<'a>,
    next: usize,
    end: usize,
}

impl<'a> Entries<'a> {
    pub(super) fn new(artifact: &'a StoredArtifact, next: usize) -> Self {
        let toc = artifact.toc();
        Self {
            artifact,
            reader: toc.reader(),
            next,
            end: toc.len(),
        }
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<ArtifactEntry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let read = self.reader.entry(self.next);
        self.next = if read.is_ok() { self.next + 1 } else { self.end };
        let read = read.map(|placed| placed.entry);
        Some(read.map_err(|fault| self.artifact.toc_fault(fault)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.end.saturating_sub(self.next);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Entries<'_> {}
impl FusedIterator for Entries<'_> {}
