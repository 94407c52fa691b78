use std::sync::{Mutex, PoisonError};

use pipeline_core::{Digest, StoreError};

use crate::store::{Lease, Scratch};

/// How many bytes a digest has.
const LEN: usize = size_of::<[u8; 32]>();
/// How many digests are written or read at once.
const BATCH: usize = 1024;

/// A digest for each entry that is a file, by its number. Several threads add them, each those of other entries.
#[derive(Debug)]
pub(super) enum Digests {
    Memory(Mutex<Vec<u8>>),
    File(Scratch),
}

impl Digests {
    /// For so many entries; holds up to `room` bytes.
    pub(super) fn new(entries: u32, lease: &Lease, room: usize) -> Result<Self, StoreError> {
        let bytes = entries as usize * LEN;
        if bytes <= room {
            return Ok(Self::Memory(Mutex::new(vec![0; bytes])));
        }
        let file = lease.scratch()?;
        // Whoever reads many at once comes past entries that have none.
        file.write_at(&[0], bytes as u64 - 1)?;
        Ok(Self::File(file))
    }

    /// Adds those of some entries one behind the other.
    fn write(&self, first: u32, bytes: &[u8]) -> Result<(), StoreError> {
        let at = first as usize * LEN;
        match self {
            Self::Memory(all) => {
                let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                all[at..at + bytes.len()].copy_from_slice(bytes);
                Ok(())
            }
            Self::File(file) => file.write_at(bytes, at as u64),
        }
    }

    fn read(&self, first: u32, bytes: &mut [u8]) -> Result<(), StoreError> {
        let at = first as usize * LEN;
        match self {
            Self::Memory(all) => {
                let all = all.lock().unwrap_or_else(PoisonError::into_inner);
                bytes.copy_from_slice(&all[at..at + bytes.len()]);
                Ok(())
            }
            Self::File(file) => file.read_at(bytes, at as u64),
        }
    }
}

/// Adds digests, many at once.
#[derive(Debug)]
pub(super) struct DigestWriter<'a> {
    all: &'a Digests,
    first: u32,
    bytes: Vec<u8>,
}

impl<'a> DigestWriter<'a> {
    pub(super) fn new(all: &'a Digests) -> Self {
        let (first, bytes) = (0, Vec::new());
        Self { all, first, bytes }
    }

    pub(super) fn add(&mut self, number: u32, digest: &Digest) -> Result<(), StoreError> {
        let next = self.first as usize + self.bytes.len() / LEN;
        if next != number as usize || self.bytes.len() >= BATCH * LEN {
            self.flush()?;
            self.first = number;
        }
        self.bytes.extend_from_slice(digest.as_bytes());
        Ok(())
    }

    /// Must be called at the end.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        self.all.write(self.first, &self.bytes)?;
        self.bytes.clear();
        Ok(())
    }
}

/// Reads digests in the order of their numbers.
#[derive(Debug)]
pub(super) struct DigestReader<'a> {
    all: &'a Digests,
    entries: u32,
    first: u32,
    bytes: Vec<u8>,
}

impl<'a> DigestReader<'a> {
    /// Of so many entries.
    pub(super) fn new(all: &'a Digests, entries: u32) -> Self {
        Self {
            all,
            entries,
            first: 0,
            bytes: Vec::new(),
        }
    }

    /// The digest of the entry with this number.
    pub(super) fn at(&mut self, number: u32) -> Result<Digest, StoreError> {
        let held = self.first as usize..self.first as usize + self.bytes.len() / LEN;
        if !held.contains(&(number as usize)) {
            let many = BATCH.min((self.entries - number) as usize);
            self.bytes.resize(many * LEN, 0);
            self.first = number;
            self.all.read(number, &mut self.bytes)?;
        }
        let at = (number - self.first) as usize * LEN;
        let mut digest = [0; LEN];
        digest.copy_from_slice(&self.bytes[at..at + LEN]);
        Ok(Digest::from(digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LocalStore;

    #[test]
    fn digests_come_back() {
        const ENTRIES: u32 = 5_000;
        let dir = tempfile::tempdir().unwrap();
        let lease = LocalStore::open(dir.path()).unwrap().lease().unwrap();
        // Not all are files.
        let is_file = |number: &u32| number % 7 != 3 && (number / 100) % 3 != 1;
        for room in [0, 1 << 20] {
            let all = Digests::new(ENTRIES, &lease, room).unwrap();
            let files = || (0..ENTRIES).filter(is_file);
            // One for the even hundreds, one for the others, as bundles come to threads.
            for odd in [1, 0] {
                let mut writer = DigestWriter::new(&all);
                for number in files().filter(|number| number / 100 % 2 == odd) {
                    writer.add(number, &Digest::of(number.to_string())).unwrap();
                }
                writer.flush().unwrap();
            }
            let mut reader = DigestReader::new(&all, ENTRIES);
            for number in files() {
                assert_eq!(reader.at(number).unwrap(), Digest::of(number.to_string()));
            }
        }
    }
}
