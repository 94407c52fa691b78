/// Finds rows of a table by what names them: open addressing over row numbers, so that the table keeps the names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    /// A row number and 1, or 0 where nothing is. The length is a power of two, or none.
    slots: Vec<u32>,
    rows: usize,
}

/// Fewest slots of an index that has any.
const FEWEST: usize = 16;

impl Index {
    /// The row that `is` accepts, among those of this hash.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = hash as usize & mask;
        loop {
            let row = self.slots.get(slot)?.checked_sub(1)?;
            if is(row) {
                return Some(row);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Adds a row that was not found; `hash_of` tells the hash of the rows that are there.
    pub(crate) fn insert(&mut self, hash: u64, row: u32, hash_of: impl Fn(u32) -> u64) {
        if (self.rows + 1) * 10 > self.slots.len() * 7 {
            let slots = (self.slots.len() * 2).max(FEWEST);
            self.slots.clear();
            self.slots.shrink_to_fit();
            self.slots.resize(slots, 0);
            for row in 0..self.rows {
                let row = row as u32;
                self.place(hash_of(row), row);
            }
        }
        self.place(hash, row);
        self.rows += 1;
    }

    fn place(&mut self, hash: u64, row: u32) {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while self.slots[slot] != 0 {
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = row + 1;
    }

    /// Where the search for a hash begins: whoever reads it early has it near when it is needed.
    pub(crate) fn touch(&self, hash: u64) -> u32 {
        let mask = self.slots.len().wrapping_sub(1);
        self.slots.get(hash as usize & mask).copied().unwrap_or_default()
    }
}
