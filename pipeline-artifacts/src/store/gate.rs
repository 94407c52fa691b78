use std::fs::File;
use std::path::Path;

use fs4::FileExt;
use pipeline_core::StoreError;

use super::disk::failed;

/// The file that writers and the collector lock.
pub(super) const GATE: &str = "gc.lock";

/// The moment in which something becomes visible, or is taken away. Many writers commit at the same time; a collector
/// sweeps alone. Held for a few calls of the system, never while bytes are written.
///
/// What is held is a lock of the system on a file of its own opening, so it counts between threads and between
/// processes, and ends with the process.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Holds the lock while it is open.
    _held: File,
}

impl Gate {
    pub(super) fn shared(root: &Path) -> Result<Self, StoreError> {
        Self::locked(root, <File as FileExt>::lock_shared)
    }

    pub(super) fn exclusive(root: &Path) -> Result<Self, StoreError> {
        Self::locked(root, <File as FileExt>::lock)
    }

    fn locked(root: &Path, lock: impl Fn(&File) -> std::io::Result<()>) -> Result<Self, StoreError> {
        let path = root.join(GATE);
        let file = File::open(&path).map_err(failed("cannot open", &path))?;
        loop {
            match lock(&file) {
                Ok(()) => return Ok(Self { _held: file }),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed("cannot lock", &path)(error)),
            }
        }
    }
}
