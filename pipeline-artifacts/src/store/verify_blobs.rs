use std::fs::{self, File};
use std::io;

use pipeline_core::{Digest, StoreError};

use super::ProblemKind;
use super::blob::{begins_as_manifest, digest_of};
use super::disk::failed;
use super::verify::{Broken, Check, list};
use crate::crew::in_parallel;
use crate::limits;

/// What is known of a blob.
#[derive(Debug, Clone, Copy)]
pub(super) enum Blob {
    Unread,
    Good,
    Bad,
}

impl Check<'_> {
    /// Lists the blobs, and finds the manifests that nothing refers to by how they begin.
    pub(super) fn list_blobs(&mut self) -> Result<(), StoreError> {
        for dir in list(&self.store.root().join("blobs"))? {
            if dir.file_name() != "sha256" {
                self.unexpected(&dir.path(), "only blobs by their SHA-256 are kept here");
            }
        }
        for file in list(&self.store.blobs_dir())? {
            let path = file.path();
            let Some(digest) = digest_of(&file.file_name()) else {
                self.unexpected(&path, "it is not a blob");
                continue;
            };
            let small = self
                .list_blob(digest)?
                .is_some_and(|size| size <= limits::MAX_MANIFEST);
            if small && begins_as_manifest(&path) {
                self.manifests.entry(digest).or_default();
            }
        }
        Ok(())
    }

    /// Lists a blob if it is there; its size.
    pub(super) fn list_blob(&mut self, digest: Digest) -> Result<Option<u64>, StoreError> {
        let path = self.store.blob_path(&digest);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() => {
                self.blobs.entry(digest).or_insert(Blob::Unread);
                return Ok(Some(found.len()));
            }
            Ok(_) => {
                // A link or a directory in its place: whatever needs the blob is broken.
                self.blobs.insert(digest, Blob::Bad);
                self.problem(&path, ProblemKind::Damaged, "it is not a file", &Broken::new());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("cannot read", &path)(error)),
        }
        Ok(None)
    }

    /// Hashes what no artifact needed.
    pub(super) fn rest(&mut self) {
        let unread = |(digest, blob): (&Digest, &Blob)| matches!(blob, Blob::Unread).then_some(*digest);
        let rest: Vec<_> = self.blobs.iter().filter_map(unread).collect();
        self.hash(&rest);
    }

    pub(super) fn one(&mut self, digest: &Digest) {
        self.hash(&[*digest]);
    }

    /// Hashes blobs that were not read yet, with several threads.
    pub(super) fn hash(&mut self, digests: &[Digest]) {
        let unread = |digest: &&Digest| matches!(self.blobs.get(digest), Some(Blob::Unread));
        let digests: Vec<_> = digests.iter().filter(unread).copied().collect();
        let store = self.store;
        let hashed = in_parallel(&digests, |digest| {
            File::open(store.blob_path(digest)).and_then(Digest::of_reader)
        });
        for (digest, result) in digests.into_iter().zip(hashed) {
            let told = match result {
                Ok((found, size)) if found == digest => Ok(size),
                Ok((found, size)) => Err(Ok((found, size))),
                Err(error) => Err(Err(error)),
            };
            self.read(digest, told);
        }
    }

    /// Notes what reading a blob told: its size, or the digest that it has instead, or that it cannot be read.
    pub(super) fn read(&mut self, digest: Digest, result: Result<u64, Result<(Digest, u64), io::Error>>) {
        if !matches!(self.blobs.get(&digest), Some(Blob::Unread)) {
            return;
        }
        self.report.blobs += 1;
        let path = self.store.blob_path(&digest);
        let blob = match result {
            Ok(size) => {
                self.report.bytes += size;
                Blob::Good
            }
            Err(Ok((found, size))) => {
                self.report.bytes += size;
                let what = format!("its bytes have digest {found}");
                self.problem(&path, ProblemKind::Damaged, what, &Broken::new());
                Blob::Bad
            }
            Err(Err(error)) => {
                self.unreadable(&path, &error, &Broken::new());
                Blob::Bad
            }
        };
        self.blobs.insert(digest, blob);
    }

    /// Whether a blob is there and whole; a problem if not.
    pub(super) fn needs(&mut self, digest: &Digest, why: &str, published: &Broken) -> bool {
        let path = self.store.blob_path(digest);
        match self.blobs.get(digest) {
            Some(Blob::Good | Blob::Unread) => return true,
            // The problem is there: say what it breaks.
            Some(Blob::Bad) => self.problem(&path, ProblemKind::Damaged, "", published),
            // A blob that came after the list was made is read when the artifact is opened.
            None if path.is_file() => return true,
            None => self.problem(&path, ProblemKind::Missing, why, published),
        }
        false
    }
}
