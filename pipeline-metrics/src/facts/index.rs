use std::hint::black_box;

/// Finds rows of a table by what names them: open addressing over row numbers, so that the table keeps the names.
///
/// The bits of a slot that no row number needs hold bits of the row's hash, so that a row is hardly ever read that is
/// not the one: rows lie all over a large table, and reading one is what costs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    /// A row number and 1, below bits of its hash; or 0 where nothing is. The length is a power of two, or none. At
    /// least three in ten are empty, so that a number fits the bits that tell slots apart.
    slots: Vec<u32>,
    rows: usize,
}

/// How many rows of tables are asked for before the first of them is needed.
pub(crate) const AHEAD: usize = 64;

/// Fewest slots of an index that has any.
const FEWEST: usize = 16;

/// The bits of a hash that may stand in a slot: others than those that choose the slot.
#[inline]
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

impl Index {
    /// The row that `is` accepts, among those of this hash.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut place = hash as usize & mask;
        loop {
            let slot = *self.slots.get(place)?;
            if slot == 0 {
                return None;
            }
            if let Some(row) = Self::row(slot, hash, mask)
                && is(row)
            {
                return Some(row);
            }
            place = (place + 1) & mask;
        }
    }

    /// The row of a slot, unless its hash is another one.
    #[inline]
    fn row(slot: u32, hash: u64, mask: usize) -> Option<u32> {
        let mask = mask as u32;
        let row = (slot & mask).checked_sub(1)?;
        ((slot ^ tag(hash)) & !mask == 0).then_some(row)
    }

    /// Adds a row that was not found; `hash_of` tells the hash of the rows that are there.
    pub(crate) fn insert(&mut self, hash: u64, row: u32, hash_of: impl Fn(u32) -> u64) {
        if (self.rows + 1) * 10 > self.slots.len() * 7 {
            let slots = (self.slots.len() * 2).max(FEWEST);
            self.slots = Vec::new();
            self.slots = vec![0; slots];
            self.place_all(hash_of);
        }
        self.place(hash, row);
        self.rows += 1;
    }

    /// Puts all rows into empty slots, which are asked for before they are needed.
    fn place_all(&mut self, hash_of: impl Fn(u32) -> u64) {
        let mask = self.slots.len() - 1;
        let mut hashes = [0; AHEAD];
        for first in (0..self.rows).step_by(AHEAD) {
            let count = AHEAD.min(self.rows - first);
            let rows = first as u32..;
            let mut near = 0;
            for (hash, row) in hashes[..count].iter_mut().zip(rows.clone()) {
                *hash = hash_of(row);
                near ^= self.slots[*hash as usize & mask];
            }
            black_box(near);
            for (hash, row) in hashes[..count].iter().zip(rows) {
                self.place(*hash, row);
            }
        }
    }

    fn place(&mut self, hash: u64, row: u32) {
        let mask = self.slots.len() - 1;
        let mut place = hash as usize & mask;
        while self.slots[place] != 0 {
            place = (place + 1) & mask;
        }
        self.slots[place] = tag(hash) & !(mask as u32) | (row + 1);
    }

    /// Where the search for a hash begins, and the row that is probably found: whoever reads both early has them near
    /// when they are needed.
    #[inline]
    pub(crate) fn touch(&self, hash: u64) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let slot = *self.slots.get(hash as usize & mask)?;
        Self::row(slot, hash, mask)
    }
}

#[cfg(test)]
mod tests {
    use super::super::hash::mix;
    use super::Index;

    #[test]
    fn rows_are_found_however_often_it_grew() {
        // Some share their hash.
        let hash = |row: u32| mix(u64::from(row / 3), 1);
        let mut index = Index::default();
        for rows in 0..3000 {
            assert_eq!(index.find(hash(rows), |row| row == rows), None);
            index.insert(hash(rows), rows, hash);
            if rows.is_power_of_two() || rows % 100 == 99 {
                for row in 0..=rows {
                    assert_eq!(
                        index.find(hash(row), |found| found == row),
                        Some(row),
                        "{row} of {rows}"
                    );
                }
            }
        }
    }
}
