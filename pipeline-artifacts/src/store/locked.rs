use std::fs::{File, Permissions};
use std::io;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fs4::{FileExt, TryLockError};
use pipeline_core::StoreError;
use tempfile::Builder;

use super::disk::{failed, is_same};

/// An open file with a lock of the system on it. Many may share it, or one has it alone.
///
/// The lock belongs to the opening and not to the process, so it counts between threads and between processes, and ends
/// with the process, however that ends. It is given back when this is dropped, and not just when the file is closed: a
/// process that is being started at this moment, for whatever purpose, has a copy of every open file for a while.
#[derive(Debug)]
pub(crate) struct Locked(File);

/// Others must be able to open a lock, to find out whether it is held.
const MODE: u32 = 0o644;

impl Locked {
    /// Makes a file whose name is between these and its own, and has it alone. What nobody has locked is left over, for
    /// whoever comes by to remove.
    pub(crate) fn new_in(dir: &Path, prefix: &str, suffix: &str) -> Result<(PathBuf, Self), StoreError> {
        loop {
            let file = Builder::new()
                .rand_bytes(16)
                .prefix(prefix)
                .suffix(suffix)
                .permissions(Permissions::from_mode(MODE))
                .tempfile_in(dir)
                .map_err(failed("cannot create a lock file in", dir))?;
            let (file, path) = file
                .keep()
                .map_err(|error| failed("cannot keep a lock file in", dir)(error.error))?;
            let held = Self::alone(file).map_err(failed("cannot lock", &path))?;
            // Somebody may have locked it first and taken it for one that was left: then begin again.
            if is_same(&path, &held).map_err(failed("cannot read", &path))? {
                return Ok((path, held));
            }
        }
    }

    /// Waits until nobody has the file alone.
    pub(crate) fn shared(file: File) -> io::Result<Self> {
        patiently(|| FileExt::lock_shared(&file))?;
        Ok(Self(file))
    }

    /// Waits until nobody else has the file.
    pub(crate) fn alone(file: File) -> io::Result<Self> {
        patiently(|| FileExt::lock(&file))?;
        Ok(Self(file))
    }

    /// The file alone; `None` when somebody has it.
    pub(crate) fn try_alone(file: File) -> io::Result<Option<Self>> {
        match FileExt::try_lock(&file) {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The file together with others; `None` when somebody has it alone.
    pub(crate) fn try_shared(file: File) -> io::Result<Option<Self>> {
        match FileExt::try_lock_shared(&file) {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

fn patiently(lock: impl Fn() -> io::Result<()>) -> io::Result<()> {
    loop {
        match lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

impl Deref for Locked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // Closing it does the same, a little later perhaps.
        let _ = FileExt::unlock(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_though_somebody_has_a_copy_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let open = || File::options().create(true).append(true).open(&path).unwrap();
        let held = Locked::try_alone(open()).unwrap().unwrap();
        // As a child has it between its beginning and the start of its program.
        let _copy = held.try_clone().unwrap();
        assert!(Locked::try_alone(open()).unwrap().is_none());
        assert!(Locked::try_shared(open()).unwrap().is_none());
        drop(held);
        let one = Locked::try_shared(open()).unwrap().unwrap();
        let _copy = one.try_clone().unwrap();
        let two = Locked::shared(open()).unwrap();
        assert!(Locked::try_alone(open()).unwrap().is_none());
        drop((one, two));
        Locked::alone(open()).unwrap();
    }
}
