use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use pipeline_core::EntryKind;

/// Tells whether something is still what it was, together with its size and whether it may be executed. Of a directory
/// only what it is: its entries are compared one by one, so that what is excluded may change.
///
/// The time of the change is that of the inode (`st_ctime`), which nobody can set: who writes and sets the time of the
/// bytes back, as `touch -r` does, is noticed as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            changed: if metadata.is_dir() {
                (0, 0)
            } else {
                (metadata.ctime(), metadata.ctime_nsec())
            },
        }
    }

    /// Everything that it is.
    pub(super) fn numbers(&self) -> [u64; 4] {
        let (seconds, nanoseconds) = self.changed;
        [
            self.device,
            self.inode,
            seconds.cast_unsigned(),
            nanoseconds.cast_unsigned(),
        ]
    }

    /// The stamp of these [`Stamp::numbers`].
    pub(super) fn from_numbers([device, inode, seconds, nanoseconds]: [u64; 4]) -> Self {
        Self {
            device,
            inode,
            changed: (seconds.cast_signed(), nanoseconds.cast_signed()),
        }
    }

    /// Whether an open file is the one that was found.
    pub(super) fn is(&self, kind: &EntryKind, metadata: &Metadata) -> bool {
        let EntryKind::File { size, executable, .. } = kind else {
            return false;
        };
        metadata.is_file()
            && metadata.len() == *size
            && is_executable(metadata) == *executable
            && Self::of(metadata) == *self
    }
}

/// The owner's right decides; the rest is the umask's.
pub(super) fn is_executable(metadata: &Metadata) -> bool {
    metadata.mode() & 0o100 != 0
}
