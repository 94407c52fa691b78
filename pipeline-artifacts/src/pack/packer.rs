use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use pipeline_core::{ArtifactEntry, Digest, EntryKind, SourcePath, StoreError};

use super::plan::Plan;
use super::scan::{Scan, Tree};
use super::work::{Made, MadeLayer, Watch, Work};
use super::{Fineness, PackError, ignore_file};
use crate::LocalStore;
use crate::crew::{crew, default_threads};
use crate::form::{
    Cuts, Descriptor, EMPTY_CONFIG, Manifest, TarLength, TocFault, TocWriter, header_len, media,
};
use crate::store::{BlobId, BlobWriter, Lease, Unplaced};

/// How many complete blobs wait to be flushed before nothing more is read.
const WAITING: usize = 8;

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
            #[cfg(feature = "chunking")]
            chunking: false,
            #[cfg(feature = "zstd")]
            level: None,
        }
    }

    /// Cuts files of 4 MiB or more where their content says (`FastCDC`, 2020), so that a small change in one makes few new
    /// bytes; but only when they have no more than about 250 MiB together, because the layers would be too many. Worth it
    /// for data that is edited, hardly for programs that are compiled anew. It decides the digest, not the tree digest.
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
    /// see [`LocalStore::publish`]. Memory grows with the number of entries, by some 400 bytes each, and not with the
    /// size of files.
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
        let ignored = ignore_file::read(&self.tree)?;
        let scan = Scan {
            tree: &self.tree,
            exclude: &self.exclude,
            ignored: &ignored,
            store,
            threads: self.threads,
        };
        let tree = scan.run()?;
        let plan = Plan::new(&tree.entries, self.fineness);
        let lease = store.lease()?;
        let (files, bytes) = count(&tree.entries);
        let work = Work {
            root: &self.tree,
            tree: &tree,
            plan: &plan,
            store,
            lease: &lease,
            #[cfg(any(feature = "chunking", feature = "zstd"))]
            form: self.form(&plan, &tree),
            watch: Mutex::new(Watch {
                call: watch,
                done: 0,
                total: bytes,
            }),
            next: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        };
        let made = thread::scope(|scope| {
            let (place, placing) = sync_channel(WAITING);
            let placer = scope.spawn(move || place_all(store, &placing));
            let made = crew(self.threads, || work.run(&place));
            drop(place);
            // While the last blobs are flushed.
            let after = made.and_then(|made| {
                scan.refuse_changed(&tree)?;
                Ok(made)
            });
            let placed = match placer.join() {
                Ok(placed) => placed,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            placed?;
            after
        })?;
        let (digest, tree) = store_lists(store, &lease, tree, &plan, made, self.media_type())?;
        Ok(Packed {
            digest,
            tree,
            files,
            bytes,
        })
    }
}

impl Packer {
    #[cfg(any(feature = "chunking", feature = "zstd"))]
    #[cfg_attr(
        not(feature = "chunking"),
        expect(unused_variables, reason = "only how large files are cut depends on the tree")
    )]
    fn form(&self, plan: &Plan, tree: &Tree) -> super::work::Form {
        super::work::Form {
            #[cfg(feature = "chunking")]
            chunks: if self.chunking {
                plan.chunks(&tree.entries)
            } else {
                None
            },
            #[cfg(feature = "zstd")]
            level: self.level,
        }
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

fn count(entries: &[ArtifactEntry]) -> (u64, u64) {
    let sizes = entries.iter().filter_map(|entry| match entry.kind {
        EntryKind::File { size, .. } => Some(size),
        _ => None,
    });
    sizes.fold((0, 0), |(n, sum), size| (n + 1, sum.saturating_add(size)))
}

/// Flushes and names the blobs that others made.
fn place_all(store: &LocalStore, blobs: &Receiver<Unplaced>) -> Result<(), StoreError> {
    blobs.iter().try_for_each(|blob| store.place(blob).map(|_| ()))
}

/// Stores the table of contents and the manifest; the digests of the manifest and of the tree.
fn store_lists(
    store: &LocalStore,
    lease: &Lease,
    tree: Tree,
    plan: &Plan,
    made: Vec<Made>,
    media_type: &str,
) -> Result<(Digest, Digest), PackError> {
    let mut entries = tree.entries;
    let mut layers: Vec<MadeLayer> = Vec::with_capacity(plan.layers.len());
    for made in made {
        layers.extend(made.layers);
        for (index, found) in made.digests {
            if let EntryKind::File { digest, .. } = &mut entries[index as usize].kind {
                *digest = found;
            }
        }
    }
    layers.sort_by_key(|layer| layer.number);
    let sizes: Vec<u64> = layers.iter().map(|layer| layer.size).collect();
    let writer = BlobWriter::new(store, lease, Vec::new());
    let listed = list(writer, &entries, &plan.files, sizes).map_err(|fault| match fault {
        TocFault::Io(source) => StoreError::Io {
            what: "cannot write the table of contents to the store".to_owned(),
            source,
        },
        // The scan refused what a reader would.
        fault => StoreError::Refused {
            what: "the tree".to_owned(),
            reason: fault.to_string(),
        },
    });
    let (writer, tree) = listed?;
    let toc_blob = store.place(writer.finish()?.0)?;
    put(store, lease, EMPTY_CONFIG)?;
    // What the manifest names is durable before it is there.
    store.flush_blobs()?;
    let toc_layer = Descriptor::new(media::TOC, toc_blob.digest, toc_blob.size);
    let tar = layers
        .iter()
        .map(|MadeLayer { blob, .. }| Descriptor::new(media_type, blob.digest, blob.size));
    let manifest = Manifest::artifact(toc_layer, tar).to_bytes();
    let manifest = manifest.map_err(|error| StoreError::Other(Box::new(error)))?;
    let manifest = put(store, lease, &manifest)?;
    store.flush_blobs()?;
    Ok((manifest.digest, tree))
}

/// Writes the table of contents; the tree digest.
fn list<W: Write>(
    out: W,
    entries: &[ArtifactEntry],
    files: &[u32],
    layers: Vec<u64>,
) -> Result<(W, Digest), TocFault> {
    let (contents, size) = tar_contents(entries, files)?;
    let cuts = Cuts::new(layers, size)?;
    let mut writer = TocWriter::new(out, &cuts)?;
    for (entry, content) in entries.iter().zip(contents) {
        writer.entry(entry, content)?;
    }
    writer.finish()
}

/// Where the content of each entry begins in the tar, and how long that is.
pub(super) fn tar_contents(entries: &[ArtifactEntry], files: &[u32]) -> Result<(Vec<u64>, u64), String> {
    let of = |wanted: fn(&EntryKind) -> bool| {
        let indices = (0_u32..).zip(entries);
        indices
            .filter(move |(_, entry)| wanted(&entry.kind))
            .map(|(index, _)| index)
    };
    let directories = of(|kind| matches!(kind, EntryKind::Directory));
    let links = of(|kind| matches!(kind, EntryKind::Symlink { .. }));
    let mut tar = TarLength::default();
    let mut contents = vec![0; entries.len()];
    for index in directories.chain(files.iter().copied()).chain(links) {
        let entry = &entries[index as usize];
        let size = match entry.kind {
            EntryKind::File { size, .. } => size,
            _ => 0,
        };
        contents[index as usize] = tar.add(header_len(entry), size)?;
    }
    Ok((contents, tar.close()?))
}

fn put(store: &LocalStore, lease: &Lease, bytes: &[u8]) -> Result<BlobId, StoreError> {
    let mut writer = BlobWriter::new(store, lease, Vec::new());
    writer.write_all(bytes)?;
    store.place(writer.finish()?.0)
}
