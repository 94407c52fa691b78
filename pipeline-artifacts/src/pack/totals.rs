use pipeline_core::{ArtifactEntry, EntryKind};

use super::sizes::{LARGE, MAX_LARGE};
use crate::form::{header_len, padding};
use crate::limits;

/// What a list of entries adds up to: what a plan asks before it looks at any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) directories: Sum,
    pub(super) links: Sum,
    /// Files of less than [`LARGE`] bytes, of less than twice as many, and so on.
    files: [Sum; CLASSES],
    /// The bytes of all files.
    pub(super) content: u64,
}

/// Enough for any size.
const CLASSES: usize = 64;

/// How many entries there are, and how many bytes they take in a tar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sum {
    pub(super) count: u32,
    pub(super) tar: u64,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.tar = self.tar.saturating_add(other.tar);
    }

    fn of(sums: &[Self]) -> Self {
        sums.iter().fold(Self::default(), |mut all, sum| {
            all.add(*sum);
            all
        })
    }
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            directories: Sum::default(),
            links: Sum::default(),
            files: [Sum::default(); CLASSES],
            content: 0,
        }
    }
}

impl Totals {
    pub(super) fn add(&mut self, entry: &ArtifactEntry) {
        let sum = match &entry.kind {
            EntryKind::Directory => &mut self.directories,
            EntryKind::Symlink { .. } => &mut self.links,
            EntryKind::File { size, .. } => {
                self.content = self.content.saturating_add(*size);
                &mut self.files[class(*size)]
            }
        };
        let tar = tar_size(entry);
        sum.add(Sum { count: 1, tar });
    }

    /// How many files there are.
    pub(super) fn files(&self) -> u64 {
        u64::from(Sum::of(&self.files).count)
    }

    /// From which size files are layers of their own: doubled until they are few.
    pub(super) fn large(&self) -> u64 {
        let mut from = LARGE;
        while self.large_files(from).count > MAX_LARGE && from < limits::MAX_FILE {
            from *= 2;
        }
        from
    }

    /// Files of less than so many bytes; it is [`LARGE`], doubled some times.
    pub(super) fn small_files(&self, large: u64) -> Sum {
        Sum::of(&self.files[..class(large)])
    }

    /// Files of so many bytes or more; it is [`LARGE`], doubled some times.
    pub(super) fn large_files(&self, large: u64) -> Sum {
        Sum::of(&self.files[class(large)..])
    }
}

fn class(size: u64) -> usize {
    match size / LARGE {
        0 => 0,
        times => 1 + times.ilog2() as usize,
    }
}

/// The bytes that an entry takes in a tar.
pub(super) fn tar_size(entry: &ArtifactEntry) -> u64 {
    let size = entry.kind.size().unwrap_or(0);
    header_len(entry)
        .saturating_add(size)
        .saturating_add(padding(size) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_begin_at_doubled_sizes() {
        assert_eq!(class(0), 0);
        assert_eq!(class(LARGE - 1), 0);
        for doubled in 0..=31 {
            let from = LARGE << doubled;
            assert_eq!(class(from), doubled + 1);
            assert_eq!(class(2 * from - 1), doubled + 1);
        }
        assert!(class(u64::MAX) < CLASSES);
    }
}
