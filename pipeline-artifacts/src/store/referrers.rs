use std::fs;
use std::io;
use std::path::PathBuf;

use pipeline_core::{Digest, StoreError};

use super::LocalStore;
use super::blob::digest_of;
use super::disk::{failed, make_dir, sync_dir};

/// That a manifest is attached to another is an empty file, created once: `referrers/<subject>/<attachment>`. What it is,
/// its manifest says; so what is attached to one artifact is found without reading all manifests.
impl LocalStore {
    /// Notes that a manifest is attached to another, durably.
    pub(crate) fn add_referrer(&self, subject: &Digest, attachment: &Digest) -> Result<(), StoreError> {
        let dir = self.referrers_dir(subject);
        dir.parent().map_or(Ok(()), make_dir)?;
        make_dir(&dir)?;
        self.write_new(b"", &dir.join(attachment.hex()))?;
        Ok(())
    }

    /// Forgets, durably, that a manifest was attached to another, if it was.
    pub(crate) fn remove_referrer(&self, subject: &Digest, attachment: &Digest) -> Result<(), StoreError> {
        let dir = self.referrers_dir(subject);
        let path = dir.join(attachment.hex());
        match fs::remove_file(&path) {
            Ok(()) => sync_dir(&dir),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed("cannot delete", &path)(error)),
        }
    }

    /// The manifests that are attached to a manifest, in order: sorted. What has another form of name is for `verify` to find.
    pub(crate) fn attached_to(&self, subject: &Digest) -> Result<Vec<Digest>, StoreError> {
        let dir = self.referrers_dir(subject);
        let files = match fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            files => files.map_err(failed("cannot read", &dir))?,
        };
        let mut found = Vec::new();
        for file in files {
            let name = file.map_err(failed("cannot read", &dir))?.file_name();
            found.extend(digest_of(&name));
        }
        found.sort();
        Ok(found)
    }

    /// Whether a manifest is attached to another.
    pub(crate) fn is_attached(&self, subject: &Digest, attachment: &Digest) -> Result<bool, StoreError> {
        let path = self.referrers_dir(subject).join(attachment.hex());
        path.try_exists().map_err(failed("cannot read", &path))
    }

    pub(crate) fn referrers_dir(&self, subject: &Digest) -> PathBuf {
        self.root().join("referrers").join(subject.hex())
    }
}
