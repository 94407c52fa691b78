use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread;

use pipeline_core::{Digest, SourcePath, StoreError};
use rustix::io::Errno;

use super::checks::refused;
use super::contents::Contents;
use super::digests::Digests;
use super::error::unreadable;
use super::plan::Plan;
use super::room::Room;
use super::root::Root;
use super::scan::Scan;
use super::work::{MadeLayer, Watch, Work};
use super::{Fineness, PackError, Refusal, ignore_file};
use crate::LocalStore;
use crate::crew::{crew, default_threads, join};
use crate::form::{Descriptor, EMPTY_CONFIG, Manifest, media};
use crate::store::{BlobId, BlobWriter, Lease};

/// How many complete blobs wait to be flushed before nothing more is read.
const WAITING: usize = 8;
/// Who flushes waits for the disk; the journal of a file system takes two flushes at once.
const PLACERS: usize = 2;

/// Packs a directory tree into a store.
///
/// Equal trees give one digest. What counts: the paths, the bytes of files, whether their owner may execute
/// them, empty directories, the targets of symbolic links. What does not: times, owners, other rights,
/// extended attributes, hard links, the order in which the system lists, where the tree lies, umask and locale, the number
/// of threads.
///
/// Anything called `.git` is left out, and so is what the file `.artifactignore` at the top of the tree says, in the
/// syntax of `.gitignore`, and that file itself. What cannot be the same on another computer is
/// [refused](super::Refusal), and so is a tree that [changes](PackError::Changed) meanwhile; that is noticed by size, time
/// of change and inode, as `git` does, also when the time of the bytes is set back. Left is who writes twice within a tick
/// of the file system's clock, some milliseconds on a Linux before 6.13, and keeps the size.
///
/// ```
/// use pipeline_artifacts::{LocalStore, Packer};
///
/// # let dir = tempfile::tempdir()?;
/// # let tree = dir.path().join("dist");
/// # std::fs::create_dir(&tree)?;
/// # std::fs::write(tree.join("app"), "bytes")?;
/// # std::fs::write(tree.join("app.log"), "noise")?;
/// # std::fs::write(tree.join(".artifactignore"), "*.log\n")?;
/// let store = LocalStore::open(dir.path().join("store"))?;
/// let packed = Packer::new(&tree).exclude("logs".parse()?).pack(&store)?;
/// assert_eq!((packed.files, packed.bytes), (1, 5));
/// assert_eq!(packed, Packer::new(&tree).threads(1).pack(&store)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Packer {
    tree: PathBuf,
    exclude: Vec<SourcePath>,
    fineness: Fineness,
    threads: usize,
    pub(super) room: Room,
    #[cfg(feature = "chunking")]
    chunking: bool,
    #[cfg(feature = "zstd")]
    level: Option<i32>,
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
    /// How many bytes of files were begun before it.
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
            fineness: Fineness::default(),
            threads: default_threads(),
            room: Room::default(),
            #[cfg(feature = "chunking")]
            chunking: false,
            #[cfg(feature = "zstd")]
            level: None,
        }
    }

    /// Cuts files of 4 MiB or more where their content says, so that a small change in one makes few new bytes: mostly one
    /// piece for each place that changed. The pieces are as small as the layers allow that are left of
    /// [400](crate::limits::MAX_LAYERS), but 128 KiB on average at least: some 600 KiB when these files have 150 MB together,
    /// some 4 MB at 1 GB. They are read twice. Worth it for data that is edited, hardly for programs that are compiled anew. It
    /// decides the digest, not the tree digest.
    #[cfg(feature = "chunking")]
    #[must_use]
    pub fn chunking(mut self, chunking: bool) -> Self {
        self.chunking = chunking;
        self
    }

    /// Compresses each layer with Zstandard at a level from 1 to 22; 1 to 3 keep up with a disk. It decides the digest, not
    /// the tree digest: and so does the version of the library, which may compress in another way.
    #[cfg(feature = "zstd")]
    #[must_use]
    pub fn compress(mut self, level: i32) -> Self {
        self.level = Some(level);
        self
    }

    /// Leaves out a path below the tree, and everything below it. A path that is not there is fine.
    #[must_use]
    pub fn exclude(mut self, path: SourcePath) -> Self {
        self.exclude.push(path);
        self
    }

    /// How finely small files are cut into layers. It decides the digest, not the tree digest.
    #[must_use]
    pub fn fineness(mut self, fineness: Fineness) -> Self {
        self.fineness = fineness;
        self
    }

    /// How many threads read and hash; by default one for each processor, up to four. Each holds up to 8 MiB.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Packs the tree into a store. When this returns, the artifact is on disk; it is not in the catalog yet,
    /// see [`LocalStore::publish`].
    ///
    /// Memory does not grow with the size of files, and with the number of entries by eight bytes each, sixteen for links: of
    /// a tree of more than some 60,000, the list and the digests go to files without a name in the store, some 100 bytes for
    /// each entry and twice its path, until it is packed.
    ///
    /// # Errors
    ///
    /// When something in the tree is refused, changes, or cannot be read; when it cannot be stored.
    pub fn pack(&self, store: &LocalStore) -> Result<Packed, PackError> {
        self.pack_watched(store, |_| ControlFlow::Continue(()))
    }

    /// The same, and calls `watch` before each file, which may stop it. Files of different layers are packed at the same
    /// time, so they come in no order.
    ///
    /// # Errors
    ///
    /// As for [`Packer::pack`], and [`PackError::Stopped`].
    pub fn pack_watched(
        &self,
        store: &LocalStore,
        watch: impl FnMut(Progress<'_>) -> ControlFlow<()> + Send,
    ) -> Result<Packed, PackError> {
        let root = Root::open(&self.tree).map_err(|error| match error {
            Errno::NOTDIR => refused(&self.tree, Refusal::NotADirectory),
            _ => unreadable(&self.tree, error.into()),
        })?;
        let ignored = ignore_file::read(&root)?;
        let lease = store.lease()?;
        let scan = Scan {
            root: &root,
            exclude: &self.exclude,
            ignored: &ignored,
            store,
            lease: &lease,
            threads: self.threads,
            room: self.room,
        };
        let tree = scan.run()?;
        let plan = Plan::new(&tree, self.fineness)?;
        let digests = Digests::new(tree.listing.len(), &lease, self.room.digests)?;
        let work = Work {
            root: &root,
            tree: &tree,
            plan: &plan,
            digests: &digests,
            store,
            lease: &lease,
            #[cfg(any(feature = "chunking", feature = "zstd"))]
            form: self.form(&root, &tree, &plan)?,
            watch: Mutex::new(Watch {
                call: watch,
                done: 0,
                total: tree.totals.content,
            }),
            next: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        };
        let work = &work;
        let (toc, layers, listed) = thread::scope(|scope| {
            let (place, placing) = sync_channel(WAITING);
            let placing = Arc::new(Mutex::new(placing));
            let placers: Vec<_> = (0..PLACERS)
                .map(|_| Arc::clone(&placing))
                .map(|placing| scope.spawn(move || work.place(&placing)))
                .collect();
            drop(placing);
            let made = crew(self.threads, || work.run(&place));
            drop(place);
            // While the last blobs are flushed.
            let listed = made.and_then(|made| {
                let again = scope.spawn(|| scan.refuse_changed(&tree));
                let mut layers: Vec<MadeLayer> = made.into_iter().flatten().collect();
                layers.sort_by_key(|layer| layer.number);
                let contents = Contents {
                    tree: &tree,
                    digests: &digests,
                    large: plan.large,
                    layers: &layers,
                };
                let listed = store_contents(store, &lease, &contents);
                join(again)?;
                let (toc, listed) = listed?;
                Ok((toc, layers, listed))
            });
            placers.into_iter().try_for_each(join)?;
            listed
        })?;
        let digest = store_manifest(store, &lease, toc, &layers, self.media_type())?;
        Ok(Packed {
            digest,
            tree: listed,
            files: tree.totals.files(),
            bytes: tree.totals.content,
        })
    }
}

impl Packer {
    #[cfg(any(feature = "chunking", feature = "zstd"))]
    #[cfg_attr(
        not(feature = "chunking"),
        expect(
            unused_variables,
            clippy::unnecessary_wraps,
            reason = "only cuts by content ask the files"
        )
    )]
    fn form(
        &self,
        root: &Root,
        tree: &super::scan::Tree,
        plan: &Plan,
    ) -> Result<super::work::Form, PackError> {
        Ok(super::work::Form {
            #[cfg(feature = "chunking")]
            chunks: match self.chunking {
                true => Some(super::chunks::Chunks::find(root, tree, plan, self.threads)?),
                false => None,
            },
            #[cfg(feature = "zstd")]
            level: self.level,
        })
    }

    /// What the layers are.
    #[cfg_attr(
        not(feature = "zstd"),
        expect(clippy::unused_self, reason = "there is no choice without features")
    )]
    fn media_type(&self) -> &'static str {
        #[cfg(feature = "zstd")]
        if self.level.is_some() {
            return media::TAR_ZSTD;
        }
        media::TAR
    }
}

/// Stores the table of contents; what it is, and the tree digest.
fn store_contents(
    store: &LocalStore,
    lease: &Lease,
    contents: &Contents<'_>,
) -> Result<(BlobId, Digest), PackError> {
    let (writer, tree) = contents.write(BlobWriter::new(store, lease, Vec::new()))?;
    Ok((store.place(writer.finish()?.0)?, tree))
}

/// Stores the manifest, when everything else is there; its digest.
fn store_manifest(
    store: &LocalStore,
    lease: &Lease,
    toc: BlobId,
    layers: &[MadeLayer],
    media_type: &str,
) -> Result<Digest, PackError> {
    put(store, lease, EMPTY_CONFIG)?;
    // What the manifest names is durable before it is there.
    store.flush_blobs()?;
    let toc = Descriptor::new(media::TOC, toc.digest, toc.size);
    let tar = layers
        .iter()
        .map(|MadeLayer { blob, .. }| Descriptor::new(media_type, blob.digest, blob.size));
    let manifest = Manifest::artifact(toc, tar).to_bytes();
    let manifest = manifest.map_err(|error| StoreError::Other(Box::new(error)))?;
    let manifest = put(store, lease, &manifest)?;
    store.flush_blobs()?;
    Ok(manifest.digest)
}

fn put(store: &LocalStore, lease: &Lease, bytes: &[u8]) -> Result<BlobId, StoreError> {
    let mut writer = BlobWriter::new(store, lease, Vec::new());
    writer.write_all(bytes)?;
    store.place(writer.finish()?.0)
}
