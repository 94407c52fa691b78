use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use pipeline_core::{ArtifactEntry, EntryKind, StoreError};

use super::disk::failed;
use crate::form::EntrySink;

/// Writes entries into a directory. Nothing that exists is opened or replaced, and links are made last, so
/// no path can lead through one.
#[derive(Debug)]
pub(super) struct Checkout {
    into: PathBuf,
    file: Option<(PathBuf, File)>,
    links: Vec<(PathBuf, String)>,
}

impl Checkout {
    pub(super) fn begin(into: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(into).map_err(failed("cannot create the directory", into))?;
        let mut files = fs::read_dir(into).map_err(failed("cannot read", into))?;
        if let Some(found) = files.next() {
            let found = found.map_err(failed("cannot read", into))?.file_name();
            return Err(StoreError::Refused {
                what: format!("an artifact in {}", into.display()),
                reason: format!("the directory is not empty: it holds {found:?}"),
            });
        }
        Ok(Self {
            into: into.to_owned(),
            file: None,
            links: Vec::new(),
        })
    }

    pub(super) fn finish(mut self) -> Result<(), StoreError> {
        for (path, target) in std::mem::take(&mut self.links) {
            symlink(target, &path).map_err(failed("cannot create the link", &path))?;
        }
        Ok(())
    }
}

impl EntrySink for Checkout {
    fn begin(&mut self, entry: &ArtifactEntry) -> Result<(), StoreError> {
        // The table of contents was checked: relative, without `..`, each directory before what is in it.
        let path = self.into.join(&entry.path);
        match &entry.kind {
            EntryKind::File { .. } => {
                let file = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&path)
                    .map_err(failed("cannot create", &path))?;
                self.file = Some((path, file));
            }
            EntryKind::Directory => fs::create_dir(&path)
                .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)))
                .map_err(failed("cannot create the directory", &path))?,
            EntryKind::Symlink { target } => self.links.push((path, target.clone())),
        }
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        match &mut self.file {
            Some((path, file)) => file.write_all(bytes).map_err(failed("cannot write", path)),
            None => Ok(()),
        }
    }

    fn end(&mut self, entry: &ArtifactEntry) -> Result<(), StoreError> {
        let executable = matches!(entry.kind, EntryKind::File { executable: true, .. });
        let mode = if executable { 0o755 } else { 0o644 };
        match &self.file {
            Some((path, file)) => file
                .set_permissions(Permissions::from_mode(mode))
                .map_err(failed("cannot set the mode of", path))?,
            None => return Ok(()),
        }
        self.file = None;
        Ok(())
    }
}

impl Drop for Checkout {
    /// A file that did not come to its end is not verified: it does not stay.
    fn drop(&mut self) {
        if let Some((path, _)) = self.file.take() {
            let _ = fs::remove_file(path);
        }
    }
}
