//! What is refused of a tree as a whole.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use pipeline_core::{EntryKind, StoreError};

use super::listing::Listing;
use super::{PackError, Refusal};
use crate::form::{Lead, Links};

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
pub(super) fn refuse_links_out(listing: &Listing, mut links: Links) -> Result<(), PackError> {
    if links.is_empty() {
        return Ok(());
    }
    links.sort();
    let other = |index: u32| Ok::<_, StoreError>(listing.get(index)?.entry);
    let mut cursor = listing.all()?;
    while let Some((_, record)) = cursor.next()? {
        let EntryKind::Symlink { target } = &record.entry.kind else {
            continue;
        };
        let lead = links.follow(&record.entry.path, target, other)?;
        let target = target.clone();
        let refusal = match lead {
            Lead::Inside => continue,
            Lead::Out => Refusal::LeadsOut { target },
            Lead::Unknown => Refusal::LeadsTooFar { target },
        };
        return Err(refused(&record.entry.path, refusal));
    }
    Ok(())
}

pub(super) fn refused(path: impl Into<std::path::PathBuf>, reason: Refusal) -> PackError {
    let path = path.into();
    PackError::Refused { path, reason }
}

#[cfg(test)]
mod tests {
    use pipeline_core::{ArtifactEntry, Digest};
    use proptest::prelude::*;

    use super::*;
    use crate::LocalStore;
    use crate::form::{Cuts, TarLength, Toc, TocWriter, header_len};
    use crate::pack::room::Room;
    use crate::pack::scan::Tree;

    /// What a reader says of the links of a tree.
    fn read(entries: &[ArtifactEntry], hops: usize) -> Result<(), String> {
        let mut tar = TarLength::default();
        for entry in entries {
            tar.add(header_len(entry), 0).unwrap();
        }
        let size = tar.close().unwrap();
        let cuts = Cuts::new([size], size).unwrap();
        let mut writer = TocWriter::new(Vec::new(), &cuts).unwrap();
        entries.iter().for_each(|entry| writer.entry(entry, 0).unwrap());
        let (bytes, tree) = writer.finish().unwrap();
        assert_ne!(tree, Digest::ZERO);
        let toc = Toc::parse_up_to(bytes, hops);
        toc.map(|_| ()).map_err(|fault| fault.to_string())
    }

    /// What a packer says of them.
    fn pack(entries: &[ArtifactEntry], hops: usize) -> Result<(), PackError> {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::open(dir.path()).unwrap();
        let lease = store.lease().unwrap();
        let tree = Tree::of(entries, &lease, Room::default());
        let mut links = Links::default().at_most(hops);
        for (index, entry) in entries.iter().enumerate() {
            if matches!(entry.kind, EntryKind::Symlink { .. }) {
                links.add(&entry.path, index as u32);
            }
        }
        refuse_links_out(&tree.listing, links)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 2, ..ProptestConfig::default() })]

        #[test]
        fn what_the_packer_takes_a_reader_takes(
            links in prop::collection::btree_map("([ab]/)?[c-h]", "(\\.\\./|[ab]/){0,2}[a-h](/[a-h]|/\\.\\.){0,2}", 0..12),
            hops in 0..60_usize,
        ) {
            let directory = |path: &str| ArtifactEntry { path: path.to_owned(), kind: EntryKind::Directory };
            let link = |(path, target)| ArtifactEntry { path, kind: EntryKind::Symlink { target } };
            let mut entries: Vec<_> = links.into_iter().map(link).chain([directory("a"), directory("b")]).collect();
            entries.sort_by(|a, b| a.path.cmp(&b.path));
            match (read(&entries, hops), pack(&entries, hops)) {
                (Ok(()), Ok(())) => {}
                (Err(reason), Err(PackError::Refused { path, reason: refusal })) => {
                    prop_assert!(reason.starts_with(&format!("{path:?} is a link to ")), "{} {}", reason, path.display());
                    prop_assert_eq!(reason.ends_with("leads out of the tree"), matches!(refusal, Refusal::LeadsOut { .. }));
                    prop_assert_eq!(reason.ends_with("1000000 times"), matches!(refusal, Refusal::LeadsTooFar { .. }));
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
