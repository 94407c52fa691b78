use pipeline_core::EntryKind;
use rustix::fs::{FileType, Stat};

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
    #[allow(
        clippy::unnecessary_cast,
        reason = "systems count them in numbers of different sizes; these are wide enough for all"
    )]
    pub(super) fn of(found: &Stat) -> Self {
        Self {
            device: found.st_dev as u64,
            inode: found.st_ino as u64,
            changed: if is(found, FileType::Directory) {
                (0, 0)
            } else {
                (found.st_ctime as i64, found.st_ctime_nsec as i64)
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
    pub(super) fn is(&self, kind: &EntryKind, found: &Stat) -> bool {
        let EntryKind::File { size, executable, .. } = kind else {
            return false;
        };
        is(found, FileType::RegularFile)
            && size_of_file(found) == *size
            && is_executable(found) == *executable
            && Self::of(found) == *self
    }
}

pub(super) fn is(found: &Stat, kind: FileType) -> bool {
    FileType::from_raw_mode(found.st_mode) == kind
}

/// The owner's right decides; the rest is the umask's.
pub(super) fn is_executable(found: &Stat) -> bool {
    found.st_mode & 0o100 != 0
}

/// No system tells a size below nothing.
pub(super) fn size_of_file(found: &Stat) -> u64 {
    u64::try_from(found.st_size).unwrap_or(0)
}
