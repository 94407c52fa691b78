/// How many bytes are held in memory of what grows with the number of entries; the rest goes to files without a name in the
/// store's directory for what is not finished.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Of what one thread found, before it is sorted and written down.
    pub(super) run: usize,
    /// Of what is read back of such runs, together.
    pub(super) merge: usize,
    /// Of the sorted list.
    pub(super) listing: usize,
    /// Of the directories that are still to be listed; twice as many.
    pub(super) pending: usize,
    /// Of the digests of files.
    pub(super) digests: usize,
}

const MIB: usize = 1024 * 1024;

impl Default for Room {
    /// Nothing is written down of a tree of some 60,000 entries.
    fn default() -> Self {
        Self {
            run: 6 * MIB,
            merge: 6 * MIB,
            listing: 4 * MIB,
            pending: MIB,
            digests: 2 * MIB,
        }
    }
}
