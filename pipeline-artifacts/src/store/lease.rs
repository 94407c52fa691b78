use std::fs::{self, File};
use std::io;
use std::sync::{Arc, PoisonError, Weak};
use std::time::SystemTime;

use pipeline_core::StoreError;
use tempfile::NamedTempFile;

use super::disk::failed;
use super::gate::Gate;
use super::temp::{LOCK, Session};
use super::{LocalStore, Locked, Scratch};

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

    /// A file without a name.
    pub(crate) fn scratch(&self) -> Result<Scratch, StoreError> {
        self.0.scratch()
    }

    /// Where unfinished files lie.
    #[cfg(test)]
    pub(crate) fn dir(&self) -> &std::path::Path {
        self.0.dir()
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

    /// The same for who only looks: none where nobody has ever locked it.
    pub(crate) fn look_lock(&self) -> Result<Option<Gate>, StoreError> {
        Gate::looking(self.root())
    }

    /// Held while blobs are taken away: nothing becomes visible meanwhile.
    pub(crate) fn sweep_lock(&self) -> Result<Gate, StoreError> {
        Gate::exclusive(self.root())
    }

    /// The moment since which what was stored or reused may be needed by somebody who writes: when the oldest lease began
    /// that still lives, and not later than `now`, both by the clock of the file system. Ask under
    /// [`LocalStore::sweep_lock`]: a lease that begins later stores nothing before the sweep has ended.
    ///
    /// # Errors
    ///
    /// When it cannot be told of a lease whether it lives.
    pub(crate) fn needed_since(&self, now: SystemTime) -> Result<SystemTime, StoreError> {
        let tmp = self.temp();
        let mut since = now;
        let files = match fs::read_dir(&tmp) {
            // It may be emptied, and is made by the next writer.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(since),
            files => files.map_err(failed("cannot read", &tmp))?,
        };
        for file in files {
            let path = file.map_err(failed("cannot read", &tmp))?.path();
            if path.extension().is_none_or(|extension| extension != LOCK) {
                continue;
            }
            let began = match File::open(&path) {
                // One that is gone has ended.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => Err(error),
                Ok(file) => file.metadata().and_then(|found| {
                    let ended = Locked::try_shared(file)?.is_some();
                    Ok((!ended).then_some(found.modified()?))
                }),
            };
            match began.map_err(failed("cannot tell whether a writer lives by", &path))? {
                // The clock was set back since: nobody knows what came before what.
                Some(began) if began > now => return Ok(SystemTime::UNIX_EPOCH),
                Some(began) => since = since.min(began),
                None => {}
            }
        }
        Ok(since)
    }
}
