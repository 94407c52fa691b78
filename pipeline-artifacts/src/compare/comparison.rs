use std::cmp::Ordering;

use pipeline_core::{ArtifactEntry, ArtifactRef, EntryKind, StoreError};
use serde::Serialize;

use super::{Change, ChangeKind};
use crate::StoredArtifact;

/// What differs between two artifacts, found by their tables of contents: no file is read.
///
/// ```
/// use pipeline_artifacts::{ChangeKind, Comparison, LocalStore, Packer};
///
/// # let dir = tempfile::tempdir()?;
/// # let tree = dir.path().join("dist");
/// # std::fs::create_dir(&tree)?;
/// # std::fs::write(tree.join("app"), "one")?;
/// # let store = LocalStore::open(dir.path().join("store"))?;
/// # let shop = "shop".parse()?;
/// let old = store.publish(&shop, &"1.4.0".parse()?, &Packer::new(&tree).pack(&store)?.digest)?;
/// std::fs::write(tree.join("app"), "three")?;
/// let new = store.publish(&shop, &"1.5.0".parse()?, &Packer::new(&tree).pack(&store)?.digest)?;
///
/// let found = Comparison::of(&store.artifact(&old)?, &store.artifact(&new)?)?;
/// assert_eq!(found.changes[0].path, "app");
/// assert_eq!(found.changes[0].change, ChangeKind::Changed);
/// assert!(found.to_string().contains("~ app  3 B -> 5 B"), "{found}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// The one that is compared.
    pub before: ArtifactRef,
    /// The one that it is compared with.
    pub after: ArtifactRef,
    /// The paths that differ, sorted by their bytes.
    pub changes: Vec<Change>,
    /// How many paths are the same.
    pub same: usize,
}

impl Comparison {
    /// Compares two artifacts, of the same store or of two. Memory grows with what differs, not with what is the same.
    ///
    /// # Errors
    ///
    /// When a table of contents cannot be read again.
    pub fn of(before: &StoredArtifact, after: &StoredArtifact) -> Result<Self, StoreError> {
        let (changes, same) = compare(before.entries(), after.entries())?;
        Ok(Self {
            before: before.reference().clone(),
            after: after.reference().clone(),
            changes,
            same,
        })
    }

    /// Whether nothing differs: paths, bytes, modes and links are the same.
    pub fn is_same(&self) -> bool {
        self.changes.is_empty()
    }

    /// How many paths differ in one way.
    pub fn count(&self, kind: ChangeKind) -> usize {
        self.changes.iter().filter(|change| change.change == kind).count()
    }

    /// How many bytes the files that differ had before, and have after.
    pub fn bytes(&self) -> (u64, u64) {
        let size = |side: &Option<EntryKind>| side.as_ref().and_then(EntryKind::size).unwrap_or(0);
        let sides = |change: &Change| (size(&change.before), size(&change.after));
        let add = |(a, b): (u64, u64), (c, d): (u64, u64)| (a.saturating_add(c), b.saturating_add(d));
        self.changes.iter().map(sides).fold((0, 0), add)
    }
}

/// The changes between two lists that are sorted by path, and how many paths are the same.
fn compare<E>(
    mut before: impl Iterator<Item = Result<ArtifactEntry, E>>,
    mut after: impl Iterator<Item = Result<ArtifactEntry, E>>,
) -> Result<(Vec<Change>, usize), E> {
    let (mut changes, mut same) = (Vec::new(), 0);
    let (mut old, mut new) = (before.next().transpose()?, after.next().transpose()?);
    loop {
        let order = match (&old, &new) {
            (None, None) => return Ok((changes, same)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.path.cmp(&new.path),
        };
        let left = if order.is_le() { old.take() } else { None };
        let right = if order.is_ge() { new.take() } else { None };
        match Change::of(left, right) {
            Some(change) => changes.push(change),
            None => same += 1,
        }
        if order.is_le() {
            old = before.next().transpose()?;
        }
        if order.is_ge() {
            new = after.next().transpose()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    use pipeline_core::{Digest, EntryKind};
    use proptest::prelude::*;

    use super::*;

    fn kinds() -> impl Strategy<Value = EntryKind> {
        prop_oneof![
            Just(EntryKind::Directory),
            (0_u8..3, any::<bool>()).prop_map(|(bytes, executable)| EntryKind::File {
                size: u64::from(bytes),
                digest: Digest::of([bytes]),
                executable,
            }),
            "[ab]".prop_map(|target| EntryKind::Symlink { target }),
        ]
    }

    fn trees() -> impl Strategy<Value = BTreeMap<String, EntryKind>> {
        prop::collection::btree_map("[a-c/.]{1,3}", kinds(), 0..12)
    }

    fn entries(
        tree: &BTreeMap<String, EntryKind>,
    ) -> impl Iterator<Item = Result<ArtifactEntry, Infallible>> {
        let entry = |(path, kind): (&String, &EntryKind)| ArtifactEntry {
            path: path.clone(),
            kind: kind.clone(),
        };
        tree.iter().map(entry).map(Ok)
    }

    proptest! {
        /// Applied to what was before, the changes give what is after; and nothing is listed that is the same.
        #[test]
        fn changes_lead_from_one_to_the_other(before in trees(), after in trees()) {
            let Ok((changes, same)) = compare(entries(&before), entries(&after));
            let mut patched = before.clone();
            for change in &changes {
                prop_assert_eq!(before.get(&change.path), change.before.as_ref());
                prop_assert_ne!(&change.before, &change.after);
                match &change.after {
                    Some(kind) => patched.insert(change.path.clone(), kind.clone()),
                    None => patched.remove(&change.path),
                };
            }
            prop_assert_eq!(&patched, &after);
            let alike = before.iter().filter(|(path, kind)| after.get(*path) == Some(kind)).count();
            prop_assert_eq!(same, alike);
            prop_assert!(changes.windows(2).all(|pair| pair[0].path < pair[1].path));
        }
    }
}
