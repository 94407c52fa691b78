use std::fs;
use std::io;
use std::path::PathBuf;

use pipeline_core::{Digest, StoreError};

use super::LocalStore;
use super::disk::{failed, make_dir};

/// That a manifest is attached to another is an empty file, created once: `referrers/<subject>/<attachment>`. What it is,
/// its manifest says; so what is attached to one artifact is found without reading all manifests.
impl LocalStore {
    /// Notes that a manifest is attached to another, durably.
    pub(crate) fn add_referrer(&self, subject: &Digest, attachment: &Digest) -> Result<(), StoreError> {
        let dir = self.referrers_of(subject);
        make_dir(&dir)?;
        self.write_new(b"", &dir.join(attachment.hex()))?;
        Ok(())
    }

    /// The manifests that are attached to another, sorted.
    pub(crate) fn referrers(&self, subject: &Digest) -> Result<Vec<Digest>, StoreError> {
        let dir = self.referrers_of(subject);
        let files = match fs::read_dir(&dir) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("cannot read", &dir)(error)),
        };
        let mut found = Vec::new();
        for file in files {
            let name = file.map_err(failed("cannot read", &dir))?.file_name();
            // What has another form of name is for `verify` to find.
            found.extend(
                name.to_str()
                    .and_then(|hex| format!("sha256:{hex}").parse::<Digest>().ok()),
            );
        }
        found.sort();
        Ok(found)
    }

    pub(super) fn all_referrers(&self) -> PathBuf {
        self.root().join("referrers")
    }

    fn referrers_of(&self, subject: &Digest) -> PathBuf {
        self.all_referrers().join(subject.hex())
    }
}
