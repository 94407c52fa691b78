use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use pipeline_core::{Digest, StoreError};

use super::disk::{failed, is_same, make_dir, sync_dir};
use super::{LocalStore, StoreReport};

impl LocalStore {
    /// Moves a damaged blob out of the way, to `quarantine/`, where a person can look at it. Then it is missing, and not
    /// wrong, and storing it again heals. Where it lies now; `None` when it is whole or not there, and stays as it is.
    /// What was put there before under the same digest is replaced.
    ///
    /// # Errors
    ///
    /// When it cannot be read or moved.
    pub fn quarantine(&self, digest: &Digest) -> Result<Option<PathBuf>, StoreError> {
        let path = self.blob_path(digest);
        let Ok(found) = fs::symlink_metadata(&path) else {
            return Ok(None);
        };
        let file = if found.is_file() {
            let file = File::open(&path).map_err(failed("cannot open", &path))?;
            let (hashed, _) = Digest::of_reader(&file).map_err(failed("cannot read", &path))?;
            if hashed == *digest {
                return Ok(None);
            }
            Some(file)
        } else {
            None
        };
        // Nobody heals it meanwhile.
        let _gate = self.sweep_lock()?;
        if let Some(file) = &file
            && !is_same(&path, file).map_err(failed("cannot read", &path))?
        {
            return Ok(None);
        }
        let to = self.free_in_quarantine(digest)?;
        fs::rename(&path, &to).map_err(failed("cannot move to the quarantine", &path))?;
        // One flush keeps a name that moves.
        sync_dir(&self.quarantine_dir())?;
        Ok(Some(to))
    }

    /// Moves all damaged blobs of a report out of the way; those that were.
    ///
    /// # Errors
    ///
    /// As for [`LocalStore::quarantine`].
    pub fn quarantine_all(&self, report: &StoreReport) -> Result<Vec<Digest>, StoreError> {
        let mut moved = Vec::new();
        for digest in report.damaged_blobs() {
            if self.quarantine(&digest)?.is_some() {
                moved.push(digest);
            }
        }
        Ok(moved)
    }

    /// Puts what lies in the place of a blob into the quarantine as well, so that it stays when the blob is replaced; what
    /// is no file is moved there, because it cannot be replaced. Where it lies now; `None` when there is nothing.
    pub(crate) fn keep_aside(&self, digest: &Digest) -> Result<Option<PathBuf>, StoreError> {
        let path = self.blob_path(digest);
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Ok(found) if found.is_file() => {
                let to = self.free_in_quarantine(digest)?;
                fs::hard_link(&path, &to).map_err(failed("cannot link to the quarantine", &path))?;
                Ok(Some(to))
            }
            _ => self.quarantine(digest),
        }
    }

    /// Puts what lies in the place of a record into the quarantine as well, under the digest of its bytes.
    pub(crate) fn keep_record_aside(&self, path: &Path) -> Result<(), StoreError> {
        let digest = match File::open(path) {
            Ok(file) => Digest::of_reader(file).map_err(failed("cannot read", path))?.0,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // It cannot be opened, but it can be kept.
            Err(_) => Digest::of(path.as_os_str().as_encoded_bytes()),
        };
        let to = self.free_in_quarantine(&digest)?;
        fs::hard_link(path, &to).map_err(failed("cannot link to the quarantine", path))?;
        sync_dir(&self.quarantine_dir())
    }

    fn quarantine_dir(&self) -> PathBuf {
        self.root().join("quarantine")
    }

    /// The place of a blob in the quarantine, with nothing in it.
    fn free_in_quarantine(&self, digest: &Digest) -> Result<PathBuf, StoreError> {
        let dir = self.quarantine_dir();
        make_dir(&dir)?;
        let to = dir.join(digest.hex());
        match remove(&to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("cannot replace", &to)(error))
            }
            _ => Ok(to),
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path)?.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    }
}
