use std::collections::HashSet;
use std::fmt::{self, Debug};
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use fs4::TryLockError;

use crate::RunId;

/// Says who may drive a run, so that two workers do not do it at once.
///
/// # Contract
///
/// At most one lease of a run is out at a time. A lease ends when it is dropped, and when its process ends,
/// however it ends.
pub trait Leases: Debug + Send + Sync + 'static {
    /// Takes the lease of a run; `None` when somebody else has it.
    ///
    /// # Errors
    ///
    /// When that cannot be told.
    fn take(&self, run: &RunId) -> Result<Option<Lease>, LeaseError>;
}

/// The right to drive a run, until it is dropped.
#[must_use = "the lease ends when it is dropped"]
pub struct Lease {
    _held: Box<dyn Send + Sync>,
}

impl Lease {
    /// A lease that ends when `held` is dropped.
    pub fn new(held: impl Send + Sync + 'static) -> Self {
        Self {
            _held: Box::new(held),
        }
    }
}

impl Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lease")
    }
}

/// A lease that could not be asked for.
#[derive(Debug, thiserror::Error)]
#[error("cannot lock {}", path.display())]
pub struct LeaseError {
    /// The lock's file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Leases within one process.
#[derive(Debug, Clone, Default)]
pub struct MemoryLeases(Arc<Mutex<HashSet<RunId>>>);

impl Leases for MemoryLeases {
    fn take(&self, run: &RunId) -> Result<Option<Lease>, LeaseError> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !taken.insert(run.clone()) {
            return Ok(None);
        }
        Ok(Some(Lease::new(MemoryLease {
            run: run.clone(),
            taken: Arc::clone(&self.0),
        })))
    }
}

struct MemoryLease {
    run: RunId,
    taken: Arc<Mutex<HashSet<RunId>>>,
}

impl Drop for MemoryLease {
    fn drop(&mut self) {
        self.taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.run);
    }
}

/// Leases between the processes of one machine: a locked file for each run. The system unlocks it when a
/// process dies. The files are no truth; deleting them while nothing runs loses nothing.
#[derive(Debug, Clone)]
pub struct FileLeases {
    directory: PathBuf,
}

impl FileLeases {
    /// Leases whose files are in this directory; it is made when it is needed.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }
}

impl Leases for FileLeases {
    fn take(&self, run: &RunId) -> Result<Option<Lease>, LeaseError> {
        let path = self.directory.join(format!("{run}.lock"));
        let locked = || -> io::Result<Option<File>> {
            fs::create_dir_all(&self.directory)?;
            let file = File::options()
                .create(true)
                .write(true)
                .truncate(false)
                .open(&path)?;
            match fs4::FileExt::try_lock(&file) {
                Ok(()) => Ok(Some(file)),
                Err(TryLockError::WouldBlock) => Ok(None),
                Err(TryLockError::Error(error)) => Err(error),
            }
        };
        let file = locked().map_err(|source| LeaseError {
            path: path.clone(),
            source,
        })?;
        Ok(file.map(Lease::new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_one_driver_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let (run, other) = (RunId::new("a").unwrap(), RunId::new("b").unwrap());
        let all: [&dyn Leases; 2] = [
            &MemoryLeases::default(),
            &FileLeases::new(directory.path().join("leases")),
        ];
        for leases in all {
            let lease = leases.take(&run).unwrap();
            assert!(lease.is_some());
            assert!(leases.take(&run).unwrap().is_none(), "{leases:?}");
            assert!(leases.take(&other).unwrap().is_some());
            drop(lease);
            assert!(leases.take(&run).unwrap().is_some(), "{leases:?}");
        }
    }
}
