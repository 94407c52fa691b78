use std::ops::ControlFlow;
use std::path::PathBuf;

use pipeline_core::{ArtifactEntry, Digest, EntryKind, SourcePath, StoreError};

use super::PackError;
use super::scan::{Found, FoundKind, refuse_changed, scan};
use super::stream::TarWriter;
use crate::LocalStore;
use crate::form::{Descriptor, EMPTY_CONFIG, Manifest, Toc, media};
use crate::store::BlobWriter;

/// Packs a directory tree into a store.
///
/// Equal trees give one digest. What counts: the paths, the bytes of files, whether their owner may execute
/// them, empty directories, the targets of symbolic links. What does not: times, owners, other rights,
/// extended attributes, hard links, the order in which the system lists, where the tree lies, umask and locale.
///
/// Anything called `.git` is left out. What cannot be the same on another computer is [refused](super::Refusal),
/// and so is a tree that [changes](PackError::Changed) meanwhile; that is noticed by size, time of change and
/// inode, as `make` and `git` do, so a writer that keeps all three is not.
///
/// ```
/// use pipeline_artifacts::{LocalStore, Packer};
///
/// # let dir = tempfile::tempdir()?;
/// # let tree = dir.path().join("dist");
/// # std::fs::create_dir(&tree)?;
/// # std::fs::write(tree.join("app"), "bytes")?;
/// let store = LocalStore::open(dir.path().join("store"))?;
/// let packed = Packer::new(&tree).exclude("logs".parse()?).pack(&store)?;
/// assert_eq!((packed.files, packed.bytes), (1, 5));
/// assert_eq!(packed, Packer::new(&tree).pack(&store)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Packer {
    tree: PathBuf,
    exclude: Vec<SourcePath>,
}

/// A packed and stored tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Packed {
    /// The digest of the manifest: the identity of the artifact.
    pub digest: Digest,
    /// The digest of the entries alone; see [`StoredArtifact::tree`](crate::StoredArtifact::tree).
    pub tree: Digest,
    /// How many files it has.
    pub files: u64,
    /// How many bytes the files have together.
    pub bytes: u64,
}

/// How far packing is, before each file.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// The file that comes next, below the tree.
    pub path: &'a str,
    /// How many bytes of files are packed.
    pub done: u64,
    /// How many there are.
    pub total: u64,
}

impl Packer {
    /// Packs this directory.
    pub fn new(tree: impl Into<PathBuf>) -> Self {
        Self {
            tree: tree.into(),
            exclude: Vec::new(),
        }
    }

    /// Leaves out a path below the tree, and everything below it. A path that is not there is fine.
    #[must_use]
    pub fn exclude(mut self, path: SourcePath) -> Self {
        self.exclude.push(path);
        self
    }

    /// Packs the tree into a store. When this returns, the artifact is on disk; it is not in the catalog yet,
    /// see [`LocalStore::publish`]. Memory does not grow with the size of files.
    ///
    /// # Errors
    ///
    /// When something in the tree is refused, changes, or cannot be read; when it cannot be stored.
    pub fn pack(&self, store: &LocalStore) -> Result<Packed, PackError> {
        self.pack_watched(store, |_| ControlFlow::Continue(()))
    }

    /// The same, and calls `watch` before each file, which may stop it.
    ///
    /// # Errors
    ///
    /// As for [`Packer::pack`], and [`PackError::Stopped`].
    pub fn pack_watched(
        &self,
        store: &LocalStore,
        mut watch: impl FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Packed, PackError> {
        let found = scan(&self.tree, &self.exclude, store)?;
        let sizes = found.iter().filter_map(|found| match found.kind {
            FoundKind::File { size, .. } => Some(size),
            _ => None,
        });
        let (files, total) = sizes.fold((0, 0_u64), |(n, sum), size| (n + 1, sum.saturating_add(size)));

        let mut tar = TarWriter::new(BlobWriter::new(store, &store.lease()?, Vec::new()), store);
        let mut entries = Vec::with_capacity(found.len());
        let mut done = 0_u64;
        for Found { path, kind, stamp } in &found {
            let kind = match kind {
                FoundKind::File { size, executable } => {
                    let progress = Progress { path, done, total };
                    if watch(progress).is_break() {
                        return Err(PackError::Stopped);
                    }
                    let from = self.tree.join(path);
                    done = done.saturating_add(*size);
                    tar.file(path, &from, *size, *executable, stamp)?
                }
                FoundKind::Directory => tar.other(path, EntryKind::Directory)?,
                FoundKind::Symlink { target } => {
                    let target = target.clone();
                    tar.other(path, EntryKind::Symlink { target })?
                }
            };
            let path = path.clone();
            entries.push(ArtifactEntry { path, kind });
        }
        let tar = tar.finish()?;
        refuse_changed(&found, &scan(&self.tree, &self.exclude, store)?)?;

        // The scan refused what a reader would.
        let toc = Toc::new(entries).map_err(|reason| StoreError::Refused {
            what: format!("the tree {}", self.tree.display()),
            reason,
        })?;
        let bytes = toc.to_bytes().map_err(other)?;
        let toc_layer = Descriptor::new(media::TOC, store.add_blob(&bytes)?, bytes.len() as u64);
        let manifest = Manifest::artifact(toc_layer, [Descriptor::new(media::TAR, tar.digest, tar.size)]);
        store.add_blob(EMPTY_CONFIG)?;
        Ok(Packed {
            digest: store.add_blob(&manifest.to_bytes().map_err(other)?)?,
            tree: toc.tree().map_err(other)?,
            files,
            bytes: total,
        })
    }
}

fn other(error: pipeline_core::CanonicalError) -> StoreError {
    StoreError::Other(Box::new(error))
}
