use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use pipeline_core::StoreError;
use tempfile::{Builder, NamedTempFile};

use super::disk::{failed, is_same, make_dir};
use super::{LocalStore, Locked, Scratch};

/// A writer's own directory for what is not finished: `tmp/<id>/`, beside `tmp/<id>.lock`, which the writer
/// keeps locked. The system drops the lock of a process that dies, so what is locked is in use and everything
/// else is left over; no clock is asked.
#[derive(Debug)]
pub(super) struct Session {
    dir: PathBuf,
    lock: PathBuf,
    _held: Locked,
}

pub(super) const LOCK: &str = "lock";

impl Session {
    /// Begins a session, and removes what dead writers left.
    pub(super) fn begin(tmp: &Path) -> Result<Self, StoreError> {
        make_dir(tmp)?;
        clean(tmp);
        let (lock, held) = Locked::new_in(tmp, "", ".lock")?;
        let dir = lock.with_extension("");
        fs::create_dir(&dir).map_err(failed("cannot create the directory", &dir))?;
        Ok(Self {
            dir,
            lock,
            _held: held,
        })
    }

    #[cfg(test)]
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A new file; removed when it is dropped.
    pub(super) fn file(&self) -> Result<NamedTempFile, StoreError> {
        Builder::new()
            .rand_bytes(16)
            .tempfile_in(&self.dir)
            .map_err(failed("cannot create a file in", &self.dir))
    }

    /// A new file without a name.
    pub(super) fn scratch(&self) -> Result<Scratch, StoreError> {
        let file = tempfile::tempfile_in(&self.dir);
        let file = file.map_err(failed("cannot create a file in", &self.dir))?;
        Ok(Scratch::new(file, self.dir.clone()))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // What stays is cleaned by the next writer.
        let _ = fs::remove_dir_all(&self.dir);
        let _ = fs::remove_file(&self.lock);
    }
}

impl LocalStore {
    /// Removes what dead writers left.
    pub(crate) fn clean_leftovers(&self) {
        clean(&self.temp());
    }
}

/// Removes the sessions of dead writers. What cannot be removed is left for another time: it is in nobody's
/// way.
fn clean(tmp: &Path) {
    let Ok(files) = fs::read_dir(tmp) else { return };
    for path in files.flatten().map(|file| file.path()) {
        if path.extension().is_none_or(|extension| extension != LOCK) {
            // A writer has its lock before its directory, and longer: a directory whose lock a power cut took is left
            // over.
            let lock = path.with_extension(LOCK);
            if matches!(fs::symlink_metadata(&lock), Err(error) if error.kind() == io::ErrorKind::NotFound) {
                remove(&path);
            }
            continue;
        }
        let Ok(file) = File::open(&path) else { continue };
        let Ok(Some(file)) = Locked::try_alone(file) else {
            continue;
        };
        // Another cleaner may have been faster.
        if is_same(&path, &file).unwrap_or(false) && remove(&path.with_extension("")) {
            let _ = fs::remove_file(&path);
        }
    }
}

/// Removes a directory; whether it is gone.
fn remove(dir: &Path) -> bool {
    match fs::remove_dir_all(dir) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_dead_writers_left_is_cleaned() {
        let tmp = tempfile::tempdir().unwrap();
        let alive = Session::begin(tmp.path()).unwrap();
        let kept = alive.file().unwrap();
        // As a killed process leaves it: a lock file without a lock.
        fs::write(tmp.path().join("dead.lock"), "").unwrap();
        fs::create_dir(tmp.path().join("dead")).unwrap();
        fs::write(tmp.path().join("dead/half"), "ha").unwrap();
        // As a power cut can leave it: the name of the lock is lost.
        fs::create_dir(tmp.path().join("lost")).unwrap();

        let next = Session::begin(tmp.path()).unwrap();
        assert!(!tmp.path().join("lost").exists());
        assert!(!tmp.path().join("dead").exists() && !tmp.path().join("dead.lock").exists());
        assert!(kept.path().exists() && alive.dir.exists() && next.dir.exists());

        drop((kept, alive, next));
        assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 0);
    }
}
