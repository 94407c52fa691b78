//! What is refused of a tree as a whole.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use pipeline_core::{EntryKind, StoreError};

use super::listing::Listing;
use super::{PackError, Refusal};
use crate::form::{LinkIndex, leads_out};

/// A number for each path without its case: eight bytes, not a copy.
#[derive(Debug, Default)]
pub(super) struct Folded {
    numbers: Vec<u64>,
    text: String,
}

impl Folded {
    pub(super) fn add(&mut self, path: &str) {
        let number = self.number(path);
        self.numbers.push(number);
    }

    fn number(&mut self, path: &str) -> u64 {
        let hash = |text: &str| BuildHasherDefault::<DefaultHasher>::default().hash_one(text);
        if path.is_ascii() {
            self.text.clear();
            self.text.push_str(path);
            self.text.make_ascii_lowercase();
            hash(&self.text)
        } else {
            hash(&path.to_lowercase())
        }
    }

    /// Refuses two paths that differ by case only.
    pub(super) fn refuse_same(mut self, listing: &Listing) -> Result<(), PackError> {
        let mut numbers = std::mem::take(&mut self.numbers);
        numbers.sort_unstable();
        let equal = numbers.chunk_by(|a, b| a == b).filter(|equal| equal.len() > 1);
        let twice: Vec<u64> = equal.map(|equal| equal[0]).collect();
        drop(numbers);
        if twice.is_empty() {
            return Ok(());
        }
        let mut clashing = Vec::new();
        let mut cursor = listing.all()?;
        while let Some((index, record)) = cursor.next()? {
            let number = self.number(&record.entry.path);
            if twice.binary_search(&number).is_ok() {
                clashing.push((number, index));
            }
        }
        clashing.sort_unstable();
        let mut first = None;
        for equal in clashing.chunk_by(|(a, _), (b, _)| a == b) {
            let clash = first_clash(listing, equal)?;
            // The first by path, so that it is always the same one.
            first = match (first, clash) {
                (Some(one), Some(two)) => Some(std::cmp::min(one, two)),
                (one, two) => one.or(two),
            };
        }
        match first {
            Some((two, one)) => {
                let other = listing.get(one)?.entry.path;
                Err(refused(listing.get(two)?.entry.path, Refusal::CaseOnly { other }))
            }
            None => Ok(()),
        }
    }
}

/// Of paths with one number, the first that another comes before which differs by case only, and that one.
fn first_clash(listing: &Listing, equal: &[(u64, u32)]) -> Result<Option<(u32, u32)>, StoreError> {
    let mut seen: Vec<(String, u32)> = Vec::new();
    for (_, index) in equal {
        let folded = listing.get(*index)?.entry.path.to_lowercase();
        if let Some((_, one)) = seen.iter().find(|(other, _)| *other == folded) {
            return Ok(Some((*index, *one)));
        }
        seen.push((folded, *index));
    }
    Ok(None)
}

/// Refuses links that lead out of the tree, through whichever others.
pub(super) fn refuse_links_out(listing: &Listing, mut links: LinkIndex) -> Result<(), PackError> {
    if links.is_empty() {
        return Ok(());
    }
    links.sort();
    let target_of = |path: &str| links.target(path, |index| Ok::<_, StoreError>(listing.get(index)?.entry));
    let mut cursor = listing.all()?;
    while let Some((_, record)) = cursor.next()? {
        if let EntryKind::Symlink { target } = &record.entry.kind
            && leads_out(&record.entry.path, target, target_of)?
        {
            let target = target.clone();
            return Err(refused(&record.entry.path, Refusal::LeadsOut { target }));
        }
    }
    Ok(())
}

pub(super) fn refused(path: impl Into<std::path::PathBuf>, reason: Refusal) -> PackError {
    let path = path.into();
    PackError::Refused { path, reason }
}
