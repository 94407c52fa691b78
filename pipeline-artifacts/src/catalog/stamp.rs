use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// What a directory looked like when it was listed, or a file that nobody writes to when it was read: another stamp means
/// other content.
///
/// The file system changes a directory's `ctime` whenever a name in it comes or goes, and nobody can set it. But
/// its clock ticks in steps: a name that comes within the tick of the listing leaves the stamp as it was. So a
/// stamp *holds* only when the file system's clock, read before the listing, was past the `ctime` already; any
/// later change has a later one then. What does not hold is listed again. (The same trap as git's "racy index".)
///
/// The clock is the file system's own, read off a file that is written for it: it is right on a server's disk
/// too, and no other clock is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) inode: u64,
    pub(super) seconds: i64,
    pub(super) nanos: i64,
}

impl Stamp {
    /// The stamp of a directory or a file; `None` when there is none.
    pub(super) fn of(dir: &Path) -> io::Result<Option<Self>> {
        match fs::metadata(dir) {
            Ok(found) => Ok(Some(Self {
                inode: found.ino(),
                seconds: found.ctime(),
                nanos: found.ctime_nsec(),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads what [`Display`](fmt::Display) writes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(' ');
        let stamp = Self {
            inode: numbers.next()?.parse().ok()?,
            seconds: numbers.next()?.parse().ok()?,
            nanos: numbers.next()?.parse().ok()?,
        };
        numbers.next().is_none().then_some(stamp)
    }

    /// Whether the directory was last changed before this moment.
    pub(super) fn is_before(&self, now: Tick) -> bool {
        (self.seconds, self.nanos) < (now.seconds, now.nanos)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.inode, self.seconds, self.nanos)
    }
}

/// A moment by the clock of a file system.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tick {
    seconds: i64,
    nanos: i64,
}

impl Tick {
    /// What time it is, by a file that is written for it; `None` when it cannot be written.
    pub(super) fn now(pulse: &Path) -> Option<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(pulse)
            .ok()?;
        file.write_all_at(b".", 0).ok()?;
        let found = file.metadata().ok()?;
        Some(Self {
            seconds: found.ctime(),
            nanos: found.ctime_nsec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_that_holds_changes_with_every_name() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, pulse) = (dir.path().join("inside"), dir.path().join("pulse"));
        fs::create_dir(&inside).unwrap();
        for round in 0..300 {
            let stamp = loop {
                let now = Tick::now(&pulse).unwrap();
                let stamp = Stamp::of(&inside).unwrap().unwrap();
                if stamp.is_before(now) {
                    break stamp;
                }
            };
            fs::write(inside.join(format!("{round}")), "").unwrap();
            assert_ne!(stamp, Stamp::of(&inside).unwrap().unwrap(), "round {round}");
        }
        assert_eq!(Stamp::of(&dir.path().join("none")).unwrap(), None);
        let stamp = Stamp::of(&inside).unwrap().unwrap();
        assert_eq!(Stamp::parse(&stamp.to_string()), Some(stamp));
        for other in ["", "1 2", "1 2 3 4", "1 2 x"] {
            assert_eq!(Stamp::parse(other), None, "{other}");
        }
    }
}
