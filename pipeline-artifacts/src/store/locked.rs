use std::fs::File;
use std::io;
use std::ops::Deref;

use fs4::{FileExt, TryLockError};

/// An open file with a lock of the system on it. Many may share it, or one has it alone.
///
/// The lock belongs to the opening and not to the process, so it counts between threads and between processes, and ends
/// with the process, however that ends. It is given back when this is dropped, and not just when the file is closed: a
/// process that is being started at this moment, for whatever purpose, has a copy of every open file for a while.
#[derive(Debug)]
pub(crate) struct Locked(File);

impl Locked {
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
