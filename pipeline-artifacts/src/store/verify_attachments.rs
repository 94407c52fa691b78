use std::collections::BTreeSet;
use std::fs;
use std::io;

use pipeline_core::{Digest, StoreError};

use super::ProblemKind;
use super::blob::digest_of;
use super::disk::failed;
use super::verify::Check;
use crate::attach::check_attachment;
use crate::limits;

impl Check<'_> {
    /// Looks at what is attached: each manifest must be there with its blobs, and be attached to what it lies below. An
    /// artifact is whole without them, so they break none.
    pub(super) fn attachments(&mut self) -> Result<(), StoreError> {
        let root = self.store.root().join("referrers");
        let dirs = match fs::read_dir(&root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            dirs => dirs.map_err(failed("cannot read", &root))?,
        };
        for dir in dirs {
            let path = dir.map_err(failed("cannot read", &root))?.path();
            let subject = path.file_name().and_then(digest_of);
            let Some(subject) = subject.filter(|_| path.is_dir()) else {
                self.unexpected(&path, "it is not the directory of what is attached to something");
                continue;
            };
            // What was attached to something that is given up goes with it.
            if !self.is_there_or_published(&subject) {
                continue;
            }
            for file in fs::read_dir(&path).map_err(failed("cannot read", &path))? {
                let file = file.map_err(failed("cannot read", &path))?.path();
                match file.file_name().and_then(digest_of) {
                    Some(attachment) => self.attachment(&subject, &attachment),
                    None => self.unexpected(&file, "it names nothing that is attached"),
                }
            }
        }
        Ok(())
    }

    /// The same for what is attached to one artifact, and to that.
    pub(super) fn attachments_of(&mut self, subject: Digest) -> Result<(), StoreError> {
        let (mut ahead, mut seen) = (vec![subject], BTreeSet::new());
        while let Some(subject) = ahead.pop() {
            if !seen.insert(subject) {
                continue;
            }
            for attachment in self.store.attached_to(&subject)? {
                self.list_manifest(attachment)?;
                self.attachment(&subject, &attachment);
                ahead.push(attachment);
            }
        }
        Ok(())
    }

    fn is_there_or_published(&self, subject: &Digest) -> bool {
        self.blobs.contains_key(subject) || self.manifests.contains_key(subject)
    }

    fn attachment(&mut self, subject: &Digest, attachment: &Digest) {
        let nobody = BTreeSet::new();
        if !self.needs(attachment, &format!("it is attached to {subject}"), &nobody) {
            return;
        }
        // One that is damaged is found where all bytes are read.
        let Ok(bytes) = self.store.read_blob_up_to(attachment, limits::MAX_MANIFEST) else {
            return;
        };
        match check_attachment(&bytes, subject) {
            Ok(manifest) => {
                let why = format!("attachment {attachment} of {subject} needs it");
                for blob in manifest.blobs() {
                    self.needs(&blob.digest, &why, &nobody);
                }
            }
            Err(reason) => {
                let path = self.store.blob_path(attachment);
                let what = format!("it is no attachment of {subject}: {reason}");
                self.problem(&path, ProblemKind::Damaged, what, &nobody);
            }
        }
    }
}
