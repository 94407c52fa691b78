use std::fs::{self, File};
use std::sync::{Arc, PoisonError, Weak};
use std::time::SystemTime;

use fs4::{FileExt, TryLockError};
use pipeline_core::StoreError;
use tempfile::NamedTempFile;

use super::LocalStore;
use super::disk::failed;
use super::gate::Gate;
use super::temp::{LOCK, Session};

/// Keeps what a writer puts into a store from being collected until somebody refers to it. Whatever is stored, or
/// found to be there already, while a lease lives, is safe as long as it lives.
///
/// It is a locked file: it ends when it is dropped, and when the process ends, however it ends.
///
/// ```
/// use pipeline_artifacts::{LocalStore, Packer};
///
/// # let dir = tempfile::tempdir()?;
/// # let tree = dir.path().join("dist");
/// # std::fs::create_dir(&tree)?;
/// let store = LocalStore::open(dir.path().join("store"))?;
/// let lease = store.lease()?;
/// let packed = Packer::new(&tree).pack(&store)?; // safe from any collector …
/// store.publish(&"shop".parse()?, &"1.0.0".parse()?, &packed.digest)?; // … until the record keeps it
/// drop(lease);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Lease(Arc<Session>);

impl Lease {
    pub(super) fn file(&self) -> Result<NamedTempFile, StoreError> {
        self.0.file()
    }

    fn downgrade(&self) -> Weak<Session> {
        Arc::downgrade(&self.0)
    }
}

impl LocalStore {
    /// Begins a lease, or joins the one of this store that lives.
    ///
    /// # Errors
    ///
    /// When the store cannot be written to.
    pub fn lease(&self) -> Result<Lease, StoreError> {
        let mut current = self.session().lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = current.upgrade() {
            return Ok(Lease(session));
        }
        let lease = Lease(Arc::new(Session::begin(&self.temp())?));
        *current = lease.downgrade();
        Ok(lease)
    }

    /// Held while something becomes visible that refers to blobs: check that they are there, then refer to them.
    pub(crate) fn commit_lock(&self) -> Result<Gate, StoreError> {
        Gate::shared(self.root())
    }

    /// Held while blobs are taken away: nothing becomes visible meanwhile.
    pub(crate) fn sweep_lock(&self) -> Result<Gate, StoreError> {
        Gate::exclusive(self.root())
    }

    /// When the oldest lease began that still lives, by the clock of the file system. What was stored or reused since
    /// then may be needed by its holder. Ask under [`LocalStore::sweep_lock`]: a lease that begins later stores nothing
    /// before the sweep has ended.
    pub(crate) fn oldest_lease(&self) -> Result<Option<SystemTime>, StoreError> {
        let tmp = self.temp();
        let mut oldest: Option<SystemTime> = None;
        for file in fs::read_dir(&tmp).map_err(failed("cannot read", &tmp))? {
            let path = file.map_err(failed("cannot read", &tmp))?.path();
            if path.extension().is_none_or(|extension| extension != LOCK) {
                continue;
            }
            // One that is gone has ended.
            let Ok(file) = File::open(&path) else { continue };
            if matches!(FileExt::try_lock_shared(&file), Err(TryLockError::WouldBlock)) {
                let began = file.metadata().and_then(|found| found.modified());
                let began = began.map_err(failed("cannot read", &path))?;
                oldest = Some(oldest.map_or(began, |oldest| oldest.min(began)));
            }
        }
        Ok(oldest)
    }
}
