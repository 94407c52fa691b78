use std::fs::File;
use std::io;
use std::path::Path;

use pipeline_core::StoreError;

use super::Locked;
use super::disk::failed;

/// The file that writers and the collector lock.
pub(super) const GATE: &str = "gc.lock";

/// The moment in which something becomes visible, or is taken away. Many writers commit at the same time; a collector
/// sweeps alone. Held for a few calls of the system, never while bytes are written.
#[derive(Debug)]
pub(crate) struct Gate {
    _held: Locked,
}

impl Gate {
    pub(super) fn shared(root: &Path) -> Result<Self, StoreError> {
        Self::locked(root, Locked::shared)
    }

    pub(super) fn exclusive(root: &Path) -> Result<Self, StoreError> {
        Self::locked(root, Locked::alone)
    }

    /// The same as [`Gate::shared`], and makes no file: where there is none, nobody sweeps.
    pub(super) fn looking(root: &Path) -> Result<Option<Self>, StoreError> {
        let path = root.join(GATE);
        match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            file => Self::held(&path, file.map_err(failed("cannot open", &path))?, Locked::shared).map(Some),
        }
    }

    fn locked(root: &Path, lock: impl Fn(File) -> io::Result<Locked>) -> Result<Self, StoreError> {
        let path = root.join(GATE);
        let file = match File::open(&path) {
            // A store that came from a backup may have lost what is empty.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let new = File::options().create(true).append(true).open(&path);
                new.map_err(failed("cannot create", &path))?
            }
            file => file.map_err(failed("cannot open", &path))?,
        };
        Self::held(&path, file, lock)
    }

    fn held(path: &Path, file: File, lock: impl Fn(File) -> io::Result<Locked>) -> Result<Self, StoreError> {
        let held = lock(file).map_err(failed("cannot lock", path))?;
        Ok(Self { _held: held })
    }
}
