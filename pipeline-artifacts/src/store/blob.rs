use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use pipeline_core::{Digest, StoreError};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};

use super::disk::{failed, sync_dir};
use super::{BlobId, BlobWriter, LocalStore, Recheck};
use crate::form::Manifest;

/// How often a blob is looked for that is moved about meanwhile.
const MOVES: usize = 3;

impl LocalStore {
    /// Stores some bytes, and tells their digest. The blocking twin of
    /// [`put_blob`](pipeline_core::ArtifactStore::put_blob).
    ///
    /// A blob that is there already is [rechecked](Recheck), and replaced when it is damaged. When this returns, the
    /// bytes are on disk.
    ///
    /// # Errors
    ///
    /// When they cannot be written; nothing is visible then.
    pub fn add_blob(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let mut writer = BlobWriter::new(self, &self.lease()?, Vec::new());
        writer.write_all(bytes)?;
        let (blob, _) = writer.finish()?;
        let blob = self.place(blob)?;
        self.flush_blobs()?;
        Ok(blob.digest)
    }

    /// The bytes behind a digest, verified. The blocking twin of [`blob`](pipeline_core::ArtifactStore::blob).
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no such blob, [`StoreError::Damaged`] with its file when it has
    /// other bytes.
    pub fn read_blob(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        self.read_blob_up_to(digest, u64::MAX)
    }

    /// The same, for a blob that must not be larger than `limit` bytes.
    pub(crate) fn read_blob_up_to(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, StoreError> {
        let (file, size) = self.open_blob(digest)?;
        self.read_opened(digest, file, size, limit)
    }

    pub(super) fn read_opened(
        &self,
        digest: &Digest,
        file: impl Read,
        size: u64,
        limit: u64,
    ) -> Result<Vec<u8>, StoreError> {
        if size > limit {
            return Err(self.damaged(
                digest,
                format!("it has {size} bytes; at most {limit} are allowed"),
            ));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        file.take(size.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(failed("cannot read", &self.blob_path(digest)))?;
        match Digest::of(&bytes) {
            found if found == *digest => Ok(bytes),
            found => Err(self.damaged(digest, format!("its bytes have digest {found}"))),
        }
    }

    /// How many bytes a blob has; `None` when it is not there. Its bytes are not looked at.
    ///
    /// # Errors
    ///
    /// When the system does not let us look.
    pub fn blob_size(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        match self.open_blob(digest) {
            Ok((_, size)) => Ok(Some(size)),
            Err(StoreError::NotFound { .. } | StoreError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every blob, sorted by digest. What has no name of a blob is left out.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read.
    pub fn list_blobs(&self) -> Result<Vec<BlobId>, StoreError> {
        let dir = self.blobs_dir();
        let mut digests = BTreeSet::new();
        for file in fs::read_dir(&dir).map_err(failed("cannot read", &dir))? {
            let name = file.map_err(failed("cannot read", &dir))?.file_name();
            digests.extend(digest_of(&name));
        }
        let mut blobs = Vec::with_capacity(digests.len());
        for digest in digests {
            let path = self.blob_path(&digest);
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_file() => blobs.push(BlobId {
                    digest,
                    size: found.len(),
                }),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed("cannot read", &path)(error)),
            }
        }
        Ok(blobs)
    }

    /// Opens the file of a blob, not verified, and tells its size. One that was moved to the trash meanwhile is found
    /// there.
    pub(crate) fn open_blob(&self, digest: &Digest) -> Result<(File, u64), StoreError> {
        let path = self.blob_path(digest);
        let open = |path: &Path| -> io::Result<Option<(File, u64)>> {
            if !fs::symlink_metadata(path)?.is_file() {
                return Ok(None);
            }
            let file = File::open(path)?;
            let size = file.metadata()?.len();
            Ok(Some((file, size)))
        };
        let gone =
            |opened: &io::Result<_>| matches!(opened, Err(error) if error.kind() == io::ErrorKind::NotFound);
        let mut opened = open(&path);
        // It may be on its way to the trash, or back, and so be missed in both places.
        for _ in 0..MOVES {
            if !gone(&opened) {
                break;
            }
            opened = open(&self.in_trash(digest).unwrap_or_else(|| path.clone()));
        }
        match opened {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(self.damaged(digest, "it is not a file".to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::NotFound {
                what: format!("blob {digest}"),
            }),
            Err(error) => Err(failed("cannot open", &path)(error)),
        }
    }

    /// Whether a blob is there and may be taken for these bytes, as the policy says. Damage and unreadable files are a
    /// no: they are replaced.
    pub(super) fn is_intact(&self, blob: &BlobId) -> bool {
        let path = self.blob_path(&blob.digest);
        let sized = |found: fs::Metadata| found.is_file() && found.len() == blob.size;
        if !fs::symlink_metadata(&path).is_ok_and(sized) {
            return false;
        }
        match self.recheck() {
            Recheck::Size => true,
            Recheck::Hash => File::open(&path)
                .is_ok_and(|file| Digest::of_reader(file).is_ok_and(|(found, _)| found == blob.digest)),
        }
    }

    /// Gives a file the time of now, by the clock of the file system: for the collector it is new.
    pub(super) fn refresh(&self, path: &Path) -> Result<(), StoreError> {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        let times = Timestamps {
            last_access: now,
            last_modification: now,
        };
        utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| failed("cannot refresh", path)(error.into()))
    }

    /// Makes the names of all blobs durable. Their bytes are, before they get a name.
    pub(crate) fn flush_blobs(&self) -> Result<(), StoreError> {
        sync_dir(&self.blobs_dir())
    }

    /// The directory of the blobs.
    pub(crate) fn blobs_dir(&self) -> PathBuf {
        self.root().join("blobs/sha256")
    }

    /// The file of a blob.
    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.blobs_dir().join(digest.hex())
    }

    /// A blob in messages.
    pub(crate) fn blob_text(&self, digest: &Digest) -> String {
        format!("blob {}", self.blob_path(digest).display())
    }

    pub(crate) fn damaged(&self, digest: &Digest, reason: String) -> StoreError {
        StoreError::Damaged {
            what: self.blob_text(digest),
            reason,
        }
    }
}

/// The digest that a file is named for.
pub(crate) fn digest_of(file_name: &OsStr) -> Option<Digest> {
    format!("sha256:{}", file_name.to_str()?).parse().ok()
}

/// Whether a file begins as the manifest of an artifact does.
pub(crate) fn begins_as_manifest(path: &Path) -> bool {
    let mut head = Vec::with_capacity(128);
    let read = File::open(path).and_then(|file| file.take(128).read_to_end(&mut head));
    read.is_ok() && Manifest::begins(&head)
}
