use crate::limits;

/// The links of a tree by hashes of their paths: a number of eight bytes for each, and sixteen bits that tell at once of most
/// paths that no link is there.
#[derive(Debug, Default)]
pub(super) struct LinkIndex {
    /// The indices of their entries, below the bits of the hash.
    numbers: Vec<u64>,
    /// A bit for each hash, of those that it begins with.
    seen: Vec<u64>,
    /// How many times the numbers were searched.
    #[cfg(test)]
    pub(super) searches: std::cell::Cell<usize>,
}

const INDEX_BITS: u32 = 20;
const INDEX: u64 = (1 << INDEX_BITS) - 1;
const _: () = assert!(limits::MAX_ENTRIES as u64 <= INDEX);

impl LinkIndex {
    pub(super) fn add(&mut self, PathHash(hash): PathHash, index: u32) {
        self.numbers.push(hash << INDEX_BITS | u64::from(index));
    }

    /// To be called when all were added.
    pub(super) fn sort(&mut self) {
        self.numbers.sort_unstable();
        self.seen = vec![0; (self.numbers.len() / 4).next_power_of_two()];
        for number in &self.numbers {
            let (word, bit) = self.bit(number >> INDEX_BITS);
            self.seen[word] |= bit;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// The indices of the links whose paths have a hash: mostly none or one.
    pub(super) fn with(&self, PathHash(hash): PathHash) -> impl Iterator<Item = u32> {
        let (word, bit) = self.bit(hash);
        let hash = hash << INDEX_BITS;
        let mut first = self.numbers.len();
        if self.seen.get(word).is_some_and(|seen| seen & bit != 0) {
            #[cfg(test)]
            self.searches.set(self.searches.get() + 1);
            first = self.numbers.partition_point(|number| *number < hash);
        }
        let equal = self.numbers[first..]
            .iter()
            .take_while(move |number| **number & !INDEX == hash);
        // The bits of an index fit.
        equal.map(|number| (number & INDEX) as u32)
    }

    /// Where the bit of a hash is, of which only the bits count that a number has, too.
    fn bit(&self, hash: u64) -> (usize, u64) {
        let word = (hash >> 6) as usize & self.seen.len().wrapping_sub(1);
        (word, 1 << (hash % 64))
    }
}

/// The hash of a path, part by part. Nobody gains by making two of one hash: what is found by it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PathHash(u64);

impl PathHash {
    pub(super) fn of(path: &str) -> Self {
        path.split('/').fold(Self::default(), Self::below)
    }

    /// That of a path that lies in this one.
    pub(super) fn below(self, name: &str) -> Self {
        let chunks = name.as_bytes().chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(word)
        });
        // The length, so that zeros at the end count, and names do not run into each other.
        let hash = chunks.fold(self.0 ^ name.len() as u64, |hash, word| mixed(hash ^ word));
        Self(mixed(hash))
    }
}

/// The bits of a number in all places of another: the halves of its product with a large odd one (2^64 divided by the golden
/// ratio), laid over each other.
fn mixed(number: u64) -> u64 {
    let product = u128::from(number ^ 0x2545_f491_4f6c_dd1d) * 0x9e37_79b9_7f4a_7c15;
    // Both halves.
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn paths_are_found_and_others_are_not_searched() {
        let mut index = LinkIndex::default();
        let path = |number: u32| format!("usr/lib/{}/{number}.so", number % 7);
        for number in 0..50_000 {
            index.add(PathHash::of(&path(number)), number);
        }
        index.sort();
        for number in 0..50_000 {
            let found: Vec<_> = index.with(PathHash::of(&path(number))).collect();
            assert_eq!(found, [number]);
        }
        assert_eq!(index.searches.replace(0), 50_000);
        for number in 0..50_000 {
            let other = format!("{}.1", path(number));
            assert_eq!(index.with(PathHash::of(&other)).count(), 0);
        }
        let searches = index.searches.get();
        assert!(searches < 5_000, "{searches} of 50000 were searched");
    }

    #[test]
    fn nothing_is_found_where_nothing_was_added() {
        let mut index = LinkIndex::default();
        assert_eq!(index.with(PathHash::of("a")).count(), 0);
        index.sort();
        assert_eq!(index.with(PathHash::of("a")).count(), 0);
    }

    #[test]
    fn near_paths_have_other_hashes() {
        let names = [
            "",
            "\0",
            "\0\0",
            "a",
            "a\0",
            "ab",
            "a/b",
            "b/a",
            "a/b/",
            "aaaaaaaa",
            "aaaaaaaa\0",
            "aaaaaaaab",
        ];
        let mut hashes: BTreeSet<u64> = names.map(|name| PathHash::of(name).0 << INDEX_BITS).into();
        for number in 0..10_000_u32 {
            for path in [
                format!("{number:08}"),
                format!("{number}/{number}"),
                format!("x{number:012}/y"),
            ] {
                hashes.insert(PathHash::of(&path).0 << INDEX_BITS);
            }
        }
        assert_eq!(hashes.len(), names.len() + 30_000);
    }
}
