use pipeline_core::EntryKind;

use super::{check_path, check_target, parent};
use crate::limits;

/// Checks entries one after another, as they must stand in a table of contents: each path once and well-formed, sorted by
/// its bytes, its directory listed before it. Where links lead is for [`Links`](super::Links).
///
/// It holds the last path, and which directories that begins with. No other can still have something in it: whatever lies
/// below a directory, and whatever sorts between that and the directory itself, begins with the directory's path (`a`, `a-b`,
/// `a/x`).
#[derive(Debug, Default)]
pub(crate) struct EntryCheck {
    last: String,
    /// How long the paths of those directories are, shortest first.
    directories: Vec<usize>,
    count: usize,
}

impl EntryCheck {
    /// Checks the next entry; what is wrong with it.
    pub(crate) fn next(&mut self, path: &str, kind: &EntryKind) -> Result<(), String> {
        self.count += 1;
        if self.count > limits::MAX_ENTRIES {
            return Err(format!("more than {} entries", limits::MAX_ENTRIES));
        }
        check_path(path).map_err(|fault| format!("{path:?}: {fault}"))?;
        if self.last.as_str() >= path {
            return Err(format!("{path:?} is listed twice or out of order"));
        }
        let pairs = self.last.bytes().zip(path.bytes());
        let same = pairs.take_while(|(before, now)| before == now).count();
        while self.directories.last().is_some_and(|length| *length > same) {
            self.directories.pop();
        }
        let listed = |parent: &str| self.directories.binary_search(&parent.len()).is_ok();
        if parent(path).is_some_and(|parent| !listed(parent)) {
            return Err(format!("{path:?} does not lie in a directory that is listed"));
        }
        match kind {
            EntryKind::File { size, .. } if *size > limits::MAX_FILE => {
                return Err(format!("{path:?} is larger than {} bytes", limits::MAX_FILE));
            }
            EntryKind::File { .. } => {}
            EntryKind::Directory => self.directories.push(path.len()),
            EntryKind::Symlink { target } => {
                check_target(target).map_err(|fault| format!("the target of {path:?}: {fault}"))?;
            }
        }
        self.last.clear();
        self.last.push_str(path);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pipeline_core::Digest;
    use proptest::prelude::*;

    use super::*;

    fn kind(number: u8) -> EntryKind {
        match number {
            0 => EntryKind::Directory,
            1 => EntryKind::Symlink {
                target: "x".to_owned(),
            },
            _ => EntryKind::File {
                size: 0,
                digest: Digest::ZERO,
                executable: false,
            },
        }
    }

    #[test]
    fn a_directory_is_remembered_past_what_sorts_before_its_content() {
        let mut check = EntryCheck::default();
        for (path, number) in [
            ("a", 0),
            ("a b", 0),
            ("a b/c", 2),
            ("a-b", 2),
            ("a/x", 0),
            ("a/x/y", 2),
            ("b", 2),
        ] {
            assert_eq!(check.next(path, &kind(number)), Ok(()), "{path}");
        }
        assert!(check.next("a/z", &kind(2)).is_err());
        assert!(check.next("b", &kind(2)).is_err());
        assert!(check.next("b/c", &kind(2)).is_err(), "`b` is a file");
    }

    #[test]
    fn entries_are_counted() {
        let mut check = EntryCheck {
            count: limits::MAX_ENTRIES - 1,
            ..EntryCheck::default()
        };
        assert_eq!(check.next("a", &kind(0)), Ok(()));
        let error = check.next("b", &kind(0)).unwrap_err();
        assert_eq!(error, "more than 1000000 entries");
    }

    proptest! {
        /// The definition, with all directories at hand.
        #[test]
        fn what_is_taken_lies_in_listed_directories(
            tree in prop::collection::btree_map("[a/-]{1,6}", 0_u8..4, 0..40),
        ) {
            let mut check = EntryCheck::default();
            let mut taken: BTreeMap<String, u8> = BTreeMap::new();
            for (path, number) in tree {
                let number = number % 3;
                let is_good = check_path(&path).is_ok()
                    && parent(&path).is_none_or(|parent| taken.get(parent) == Some(&0));
                // What is refused ends a reading; here the next one goes on without it.
                let mut next = EntryCheck { last: check.last.clone(), directories: check.directories.clone(), count: 0 };
                prop_assert_eq!(next.next(&path, &kind(number)).is_ok(), is_good, "{}", path);
                if is_good {
                    check = next;
                    taken.insert(path, number);
                }
            }
        }
    }
}
