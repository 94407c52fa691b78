use std::fs::{self, File};
use std::path::PathBuf;

use pipeline_core::{Digest, StoreError};

use super::disk::{failed, is_same, sync_dir};
use super::{LocalStore, StoreReport};

impl LocalStore {
    /// Moves a damaged blob out of the way, to `quarantine/`, where a person can look at it. Then it is missing, and not
    /// wrong, and storing it again heals. Where it lies now; `None` when it is whole or not there, and stays as it is.
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
        let dir = self.root().join("quarantine");
        let to = dir.join(digest.hex());
        fs::rename(&path, &to).map_err(failed("cannot move to the quarantine", &path))?;
        sync_dir(&dir)?;
        self.flush_blobs()?;
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
}
