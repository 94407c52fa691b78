use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pipeline_core::{Digest, StoreError};

use super::LocalStore;
use super::disk::{failed, make_dir, sync_dir};

impl LocalStore {
    /// Moves a blob to the trash of an epoch, from where [`LocalStore::restore`] brings it back. Whether it was
    /// there. Nothing is flushed: after a power cut it may be in its place again.
    ///
    /// # Errors
    ///
    /// When it cannot be moved.
    pub(crate) fn to_trash(&self, digest: &Digest, epoch: u64) -> Result<bool, StoreError> {
        let dir = self.trash_dir().join(epoch.to_string());
        make_dir(&self.trash_dir())?;
        make_dir(&dir)?;
        let path = self.blob_path(digest);
        match fs::rename(&path, dir.join(digest.hex())) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("cannot move to the trash", &path)(error)),
        }
    }

    /// Brings a blob back from the trash. Whether it was there. Its bytes are not looked at, and it is as old as it was.
    ///
    /// # Errors
    ///
    /// When it cannot be moved.
    pub(crate) fn restore(&self, digest: &Digest) -> Result<bool, StoreError> {
        let Some(path) = self.in_trash(digest) else {
            return Ok(false);
        };
        match fs::rename(&path, self.blob_path(digest)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed("cannot restore", &path)(error)),
        }
        sync_dir(&self.blobs_dir())?;
        Ok(true)
    }

    /// Where a blob lies in the trash.
    pub(super) fn in_trash(&self, digest: &Digest) -> Option<PathBuf> {
        let hex = digest.hex();
        let epochs = self.epochs().ok()?.into_iter();
        epochs.map(|(_, dir)| dir.join(&hex)).find(|path| path.is_file())
    }

    /// The epochs of the trash, with their directories.
    pub(crate) fn epochs(&self) -> Result<Vec<(u64, PathBuf)>, StoreError> {
        let trash = self.trash_dir();
        let mut epochs = Vec::new();
        let dirs = match fs::read_dir(&trash) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(epochs),
            dirs => dirs.map_err(failed("cannot read", &trash))?,
        };
        for dir in dirs {
            let dir = dir.map_err(failed("cannot read", &trash))?;
            // What is no directory of ours is in nobody's way.
            let is_dir = dir.file_type().is_ok_and(|kind| kind.is_dir());
            let epoch = dir.file_name().to_str().and_then(|name| name.parse().ok());
            epochs.extend(epoch.filter(|_| is_dir).map(|epoch| (epoch, dir.path())));
        }
        epochs.sort();
        Ok(epochs)
    }

    /// Gives what lies in the trash of an epoch another one.
    pub(crate) fn date_trash(&self, dir: &Path, epoch: u64) -> Result<(), StoreError> {
        let to = self.trash_dir().join(epoch.to_string());
        match fs::rename(dir, &to) {
            // There is one of that epoch: another time.
            Err(error)
                if [io::ErrorKind::DirectoryNotEmpty, io::ErrorKind::AlreadyExists]
                    .contains(&error.kind()) =>
            {
                Ok(())
            }
            moved => moved.map_err(failed("cannot rename", dir)),
        }
    }

    fn trash_dir(&self) -> PathBuf {
        self.root().join("trash")
    }
}
