//! A store whose writers are stopped at each moment in which something becomes visible.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use crate::Bench;

/// The file that is locked while something becomes visible, or is taken away.
const GATE: &str = "gc.lock";

/// The same store in another directory, with a gate of its own, at which whoever commits something stands and waits until
/// the test lets them through.
pub(crate) struct Gated {
    pub(crate) root: PathBuf,
    /// What is opened as the gate now, and locked.
    gate: File,
}

impl Gated {
    pub(crate) fn new(bench: &Bench) -> Self {
        let root = bench.path("gated");
        fs::create_dir(&root).unwrap();
        for file in fs::read_dir(bench.path("store")).unwrap() {
            let name = file.unwrap().file_name();
            if name != GATE {
                symlink(bench.path("store").join(&name), root.join(&name)).unwrap();
            }
        }
        let gate = Self::place(&root);
        Self { root, gate }
    }

    /// Puts a new file in the place of the gate, locked.
    fn place(root: &Path) -> File {
        let gate = File::create(root.join("next")).unwrap();
        lock(&gate);
        fs::rename(root.join("next"), root.join(GATE)).unwrap();
        gate
    }

    /// Whether somebody stands before the gate.
    fn has_somebody(&self) -> bool {
        is_awaited(&self.gate)
    }

    /// Does something whenever a thread has come to the next gate, then lets it through, until it ends.
    pub(crate) fn walk<T>(&mut self, thread: &JoinHandle<T>, mut at_each: impl FnMut()) {
        while !thread.is_finished() {
            if self.has_somebody() {
                at_each();
                // Closing the old one unlocks it.
                self.gate = Self::place(&self.root);
            } else {
                thread::yield_now();
            }
        }
    }
}

/// Locks a file, so that nobody else has it until it is closed.
pub(crate) fn lock(file: &File) {
    rustix::fs::flock(file, rustix::fs::FlockOperation::LockExclusive).unwrap();
}

/// Whether somebody waits for the lock of a file.
pub(crate) fn is_awaited(file: &File) -> bool {
    // `1: -> FLOCK ADVISORY READ PID MAJOR:MINOR:INODE 0 EOF`: see `proc_locks(5)`.
    let inode = format!(":{}", file.metadata().unwrap().ino());
    let is_waiting = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        words.next() == Some("->") && words.any(|word| word.ends_with(&inode))
    };
    let locks = fs::read_to_string("/proc/locks").unwrap();
    locks.lines().any(is_waiting)
}
