//! An entry as it is held before its bytes are read: as few bytes as a list of a million bears.
//!
//! How much of the path is that of the record before, the length of the rest, the rest; what it is, with the size or the
//! target; its stamp. Numbers and texts as in [`varint`](crate::varint).

use std::io;

use pipeline_core::{ArtifactEntry, Digest, EntryKind};

use super::stamp::Stamp;
use crate::limits;
use crate::varint::{number, put, put_text, text};

/// No record is longer: four numbers for the path and the target, four for the stamp, two bytes.
pub(super) const MOST: usize = limits::MAX_PATH + limits::MAX_TARGET + 8 * 10 + 2;

const DIRECTORY: u8 = 0;
const FILE: u8 = 1;
const EXECUTABLE: u8 = 2;
const LINK: u8 = 3;

/// An entry that was found. The digest of a file is zero.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    pub(super) entry: ArtifactEntry,
    pub(super) stamp: Stamp,
}

impl Record {
    /// Before anything was read.
    pub(super) fn nothing() -> Self {
        let (path, kind) = (String::new(), EntryKind::Directory);
        Self {
            entry: ArtifactEntry { path, kind },
            stamp: Stamp::default(),
        }
    }

    /// Becomes the record that some bytes begin with; `self` is the one before. How many bytes it has.
    pub(super) fn read(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        self.take(&mut rest).ok_or(io::ErrorKind::InvalidData)?;
        Ok(bytes.len() - rest.len())
    }

    fn take(&mut self, bytes: &mut &[u8]) -> Option<()> {
        let path = &mut self.entry.path;
        let same = usize::try_from(number(bytes)?).ok()?;
        if !path.is_char_boundary(same) {
            return None;
        }
        path.truncate(same);
        path.push_str(text(bytes)?);
        let (tag, rest) = bytes.split_first()?;
        *bytes = rest;
        self.entry.kind = match *tag {
            DIRECTORY => EntryKind::Directory,
            FILE | EXECUTABLE => EntryKind::File {
                size: number(bytes)?,
                digest: Digest::ZERO,
                executable: *tag == EXECUTABLE,
            },
            LINK => EntryKind::Symlink {
                target: text(bytes)?.to_owned(),
            },
            _ => return None,
        };
        self.stamp = Stamp::from_numbers([number(bytes)?, number(bytes)?, number(bytes)?, number(bytes)?]);
        Some(())
    }
}

/// Adds the path of a record behind one with the path `before`.
pub(super) fn write_path(bytes: &mut Vec<u8>, before: &str, path: &str) {
    let pairs = before.bytes().zip(path.bytes());
    let mut same = pairs.take_while(|(before, now)| before == now).count();
    while !path.is_char_boundary(same) {
        same -= 1;
    }
    put(bytes, same as u64);
    put_text(bytes, &path[same..]);
}

/// Adds the rest of a record.
pub(super) fn write_rest(bytes: &mut Vec<u8>, kind: &EntryKind, stamp: &Stamp) {
    match kind {
        EntryKind::Directory => bytes.push(DIRECTORY),
        EntryKind::File { size, executable, .. } => {
            bytes.push(if *executable { EXECUTABLE } else { FILE });
            put(bytes, *size);
        }
        EntryKind::Symlink { target } => {
            bytes.push(LINK);
            put_text(bytes, target);
        }
    }
    for number in stamp.numbers() {
        put(bytes, number);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record() -> impl Strategy<Value = Record> {
        let kind = prop_oneof![
            Just(EntryKind::Directory),
            ".{1,9}".prop_map(|target| EntryKind::Symlink { target }),
            (any::<u64>(), any::<bool>()).prop_map(|(size, executable)| EntryKind::File {
                size,
                digest: Digest::ZERO,
                executable,
            }),
        ];
        ("[aü/\u{10348}]{1,9}", kind, any::<[u64; 4]>()).prop_map(|(path, kind, stamp)| Record {
            entry: ArtifactEntry { path, kind },
            stamp: Stamp::from_numbers(stamp),
        })
    }

    proptest! {
        #[test]
        fn records_come_back(records in prop::collection::vec(record(), 0..9), cut in 1..200_usize) {
            let mut bytes = Vec::new();
            let mut before = String::new();
            for Record { entry, stamp } in &records {
                let begin = bytes.len();
                write_path(&mut bytes, &before, &entry.path);
                write_rest(&mut bytes, &entry.kind, stamp);
                prop_assert!(bytes.len() - begin <= MOST);
                before.clone_from(&entry.path);
            }
            let (mut at, mut read) = (0, Record::nothing());
            for record in &records {
                at += read.read(&bytes[at..]).unwrap();
                prop_assert_eq!(&read, record);
            }
            prop_assert_eq!(at, bytes.len());
            // What is cut off is no record, and no panic.
            let mut read = Record::nothing();
            let mut rest = &bytes[..bytes.len().saturating_sub(cut)];
            while let Ok(length) = read.read(rest) {
                rest = &rest[length..];
            }
        }
    }
}
