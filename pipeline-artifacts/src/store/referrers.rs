use std::fs;
use std::io;
use std::path::PathBuf;

use pipeline_core::{Digest, StoreError};

use super::LocalStore;
use super::blob::digest_of;
use super::disk::failed;

impl LocalStore {
    /// The manifests that are attached to a manifest, in order: `referrers/<subject>/<manifest>`, with whatever ending.
    pub(crate) fn attached_to(&self, subject: &Digest) -> Result<Vec<Digest>, StoreError> {
        let dir = self.referrers_dir(subject);
        let files = match fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            files => files.map_err(failed("cannot read", &dir))?,
        };
        let mut found = Vec::new();
        for file in files {
            let path = file.map_err(failed("cannot read", &dir))?.path();
            found.extend(
                path.file_stem()
                    .and_then(|stem| stem.to_str())
                    .and_then(digest_of),
            );
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    pub(crate) fn referrers_dir(&self, subject: &Digest) -> PathBuf {
        self.root().join("referrers").join(subject.hex())
    }
}
