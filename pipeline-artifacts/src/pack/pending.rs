use pipeline_core::StoreError;

use crate::store::{Lease, Scratch};

/// Directories that are still to be listed: the last one first, so that there are few at a time. When there are many all
/// the same, the first ones wait in a file.
#[derive(Debug)]
pub(super) struct Pending<'a> {
    lease: &'a Lease,
    room: usize,
    /// The last ones: each path with its length behind it.
    near: Vec<u8>,
    /// Those before, as many or none: so whoever takes one and adds one does not read and write each time.
    far: Vec<u8>,
    /// Those before, in the file; where each piece of them begins, and where the last one ends.
    file: Option<Scratch>,
    pieces: Vec<u64>,
    end: u64,
}

impl<'a> Pending<'a> {
    pub(super) fn new(lease: &'a Lease, room: usize) -> Self {
        Self {
            lease,
            room,
            near: Vec::new(),
            far: Vec::new(),
            file: None,
            pieces: Vec::new(),
            end: 0,
        }
    }

    pub(super) fn push(&mut self, path: &str) -> Result<(), StoreError> {
        self.near.extend_from_slice(path.as_bytes());
        self.near.extend((path.len() as u64).to_le_bytes());
        if self.near.len() > self.room {
            std::mem::swap(&mut self.near, &mut self.far);
            if !self.near.is_empty() {
                let file = match &mut self.file {
                    Some(file) => file,
                    None => self.file.insert(self.lease.scratch()?),
                };
                file.write_at(&self.near, self.end)?;
                self.pieces.push(self.end);
                self.end += self.near.len() as u64;
                self.near.clear();
            }
        }
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Result<Option<String>, StoreError> {
        if self.near.is_empty() {
            std::mem::swap(&mut self.near, &mut self.far);
        }
        if self.near.is_empty()
            && let (Some(file), Some(begin)) = (&self.file, self.pieces.pop())
        {
            // It was in memory once.
            self.near.resize((self.end - begin) as usize, 0);
            file.read_at(&mut self.near, begin)?;
            self.end = begin;
        }
        let Some((rest, length)) = self.near.split_last_chunk() else {
            return Ok(None);
        };
        let begin = rest.len().saturating_sub(u64::from_le_bytes(*length) as usize);
        let path = String::from_utf8_lossy(&rest[begin..]).into_owned();
        self.near.truncate(begin);
        Ok(Some(path))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::LocalStore;

    proptest! {
        #[test]
        fn the_last_one_comes_first(
            steps in prop::collection::vec(prop::option::weighted(0.6, "[a-z/]{0,9}"), 0..200),
            room in 0..100_usize,
        ) {
            let dir = crate::pack::tests::in_memory();
            let lease = LocalStore::open(dir.path()).unwrap().lease().unwrap();
            let (mut pending, mut model) = (Pending::new(&lease, room), Vec::new());
            for step in steps {
                match step {
                    Some(path) => {
                        pending.push(&path).unwrap();
                        model.push(path);
                    }
                    None => prop_assert_eq!(pending.pop().unwrap(), model.pop()),
                }
            }
            while let Some(path) = model.pop() {
                prop_assert_eq!(pending.pop().unwrap(), Some(path));
            }
            prop_assert_eq!(pending.pop().unwrap(), None);
        }
    }
}
