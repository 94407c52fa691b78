use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// What writing a commit needs of a file; a test breaks each of them.
pub(super) trait Target {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

/// A journal's file, and how often it was synced.
pub(super) struct Disk<'a> {
    pub(super) file: &'a File,
    pub(super) syncs: &'a AtomicU64,
}

impl Target for Disk<'_> {
    #[cfg(unix)]
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(self.file, bytes, offset)
    }

    #[cfg(not(unix))]
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        use std::io::{Seek, SeekFrom, Write};
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.file.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
}

/// A commit that was not written.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing of it is left.
    Undone(io::Error),
    /// Nobody knows what is left of it.
    Uncertain(io::Error),
}

/// Writes a commit behind all others and makes it durable, or takes it back.
pub(super) fn write(mut target: impl Target, end: u64, commit: &[u8]) -> Result<(), Failure> {
    match target.write_at(end, commit) {
        // After a failed sync the system may have forgotten what it did not write: not even taking the
        // commit back would make the answer certain.
        Ok(()) => target.sync().map_err(Failure::Uncertain),
        Err(error) => match target.truncate(end).and_then(|()| target.sync()) {
            Ok(()) => Err(Failure::Undone(error)),
            Err(_) => Err(Failure::Uncertain(error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Broken {
        bytes: Vec<u8>,
        /// After so many bytes the disk is full.
        room: Option<usize>,
        sync_fails: bool,
        truncate_fails: bool,
    }

    fn result(fails: bool) -> io::Result<()> {
        if fails {
            Err(io::ErrorKind::Other.into())
        } else {
            Ok(())
        }
    }

    impl Target for &mut Broken {
        fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
            assert_eq!(offset, self.bytes.len() as u64);
            let room = self.room.unwrap_or(usize::MAX).min(bytes.len());
            self.bytes.extend_from_slice(&bytes[..room]);
            if room < bytes.len() {
                Err(io::ErrorKind::StorageFull.into())
            } else {
                Ok(())
            }
        }

        fn sync(&mut self) -> io::Result<()> {
            result(self.sync_fails)
        }

        fn truncate(&mut self, len: u64) -> io::Result<()> {
            self.bytes.truncate(len as usize);
            result(self.truncate_fails)
        }
    }

    #[test]
    fn a_full_disk_leaves_what_was_there() {
        let mut disk = Broken {
            bytes: b"old".to_vec(),
            room: Some(2),
            ..Broken::default()
        };
        let Err(Failure::Undone(error)) = write(&mut disk, 3, b"new") else {
            panic!("it was written")
        };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(disk.bytes, b"old");
    }

    #[test]
    fn what_cannot_be_known_is_uncertain() {
        for mut disk in [
            Broken {
                sync_fails: true,
                ..Broken::default()
            },
            Broken {
                room: Some(1),
                sync_fails: true,
                ..Broken::default()
            },
            Broken {
                room: Some(1),
                truncate_fails: true,
                ..Broken::default()
            },
        ] {
            assert!(matches!(write(&mut disk, 0, b"new"), Err(Failure::Uncertain(_))));
        }
    }
}
