use std::hash::{DefaultHasher, Hasher};

/// Tells whether two lists of a tree hold the same entries, in whatever order: the sum of two hashes of each entry with its
/// stamp, 128 bits together.
///
/// Two lists that differ have one sum once in 2^128 by chance, less often than a disk returns wrong bytes unnoticed. A change
/// would then pass unnoticed. `SipHash` with a known key does not keep anybody from looking for such lists; but to look, they
/// have to choose inodes and times of change, which the system gives out, and whoever may write to a tree while it is packed
/// has what they want by writing before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Fingerprint(u64, u64);

impl Fingerprint {
    /// Adds an entry: its path, and the rest of its record as it is written.
    pub(super) fn add(&mut self, path: &str, rest: &[u8]) {
        let hash = |key: u8| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u8(key);
            hasher.write(path.as_bytes());
            // No path has it.
            hasher.write_u8(0);
            hasher.write(rest);
            hasher.finish()
        };
        self.0 = self.0.wrapping_add(hash(0));
        self.1 = self.1.wrapping_add(hash(1));
    }

    /// Adds all of another list.
    pub(super) fn join(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
        self.1 = self.1.wrapping_add(other.1);
    }
}
