//! What an artifact may hold. A packer refuses more than the constants say, and a reader refuses to follow a table of
//! contents that claims more. [`Limits`] say how much of that is taken from strangers; who reads sets them.

use std::fmt;

/// The longest path of an entry, in bytes of UTF-8.
pub const MAX_PATH: usize = 1024;

/// The longest part of a path, in bytes of UTF-8: what file systems take.
pub const MAX_PART: usize = 255;

/// The longest target of a symbolic link, in bytes of UTF-8.
pub const MAX_TARGET: usize = 1024;

/// The most entries: files, directories and links together.
pub const MAX_ENTRIES: usize = 1_000_000;

/// How often the links of an artifact may lead through other links, all of them together.
pub const MAX_LINK_HOPS: usize = 1_000_000;

/// The largest table of contents, in bytes.
pub const MAX_TOC: u64 = 512 * 1024 * 1024;

/// The largest manifest, in bytes: what every OCI registry takes.
pub const MAX_MANIFEST: u64 = 4 * 1024 * 1024;

/// The largest file, in bytes: the largest whole number that JSON carries exactly.
pub const MAX_FILE: u64 = (1 << 53) - 1;

/// The most layers of a tar. Registries refuse more than 500 (Amazon's) in a manifest.
pub const MAX_LAYERS: usize = 400;

/// The longest version, in bytes: the longest tag of an OCI registry.
pub const MAX_VERSION: usize = 128;

/// The most bytes that one attachment may have when it is attached here: all of it is held in memory.
pub const MAX_ATTACHMENT_BYTES: u64 = 32 * 1024 * 1024;

/// The most bytes that the parts of an attachment may have together.
pub const MAX_ATTACHMENT: u64 = 64 * 1024 * 1024;

/// The most parts that an attachment may have.
pub const MAX_ATTACHMENT_PARTS: usize = 64;

/// The most bytes that the annotations of an attachment may have together.
pub const MAX_ANNOTATIONS: usize = 16 * 1024;

/// The most attachments of one artifact that are pulled from a registry, where anybody may have attached some.
pub const MAX_PULLED_ATTACHMENTS: usize = 1000;

/// The most attachments of one artifact that are read of a registry's list, however many pages it has.
pub const MAX_LISTED: usize = 10_000;

/// The most pages that are read of a registry's list of attachments.
pub const MAX_LIST_PAGES: usize = 1000;

/// The most bytes that the attachments of one artifact may have together when they are pulled from a registry.
pub const MAX_PULLED_BYTES: u64 = 1024 * 1024 * 1024;

/// The largest record of a version, in bytes: some ten thousand revisions.
pub const MAX_RECORD: usize = 4 * 1024 * 1024;

/// How much of an artifact is taken, whatever it says to hold: against artifacts that somebody made to fill a disk. The
/// table of contents, whose digest was verified, is held against them before a byte is written or pulled.
///
/// [`LocalStore::limiting`](crate::LocalStore::limiting) sets them for all that is read through a store or pulled into it.
///
/// ```
/// use pipeline_artifacts::{Limits, LocalStore, Packer};
///
/// # let dir = tempfile::tempdir()?;
/// # let tree = dir.path().join("dist");
/// # std::fs::create_dir(&tree)?;
/// # std::fs::write(tree.join("app"), vec![0; 5000])?;
/// let store = LocalStore::open(dir.path().join("store"))?;
/// # let digest = Packer::new(&tree).pack(&store)?.digest;
/// # let shop = store.publish(&"shop".parse()?, &"1.4.0".parse()?, &digest)?;
/// let careful = store.limiting(Limits::default().bytes(4096).entries(100));
/// let error = careful.artifact(&shop)?.write_to(&dir.path().join("live")).unwrap_err();
/// assert!(error.to_string().ends_with("it has 6656 bytes as a tar, at most 4096 are taken: raise `Limits::bytes` if it is trusted"));
/// store.artifact(&shop)?.write_to(&dir.path().join("live"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most bytes that it may have as a tar, not compressed: its files, and about 1 KiB for each entry.
    pub bytes: u64,
    /// The most entries that it may have: files, directories and links together. More than [`MAX_ENTRIES`] are never read.
    pub entries: u64,
}

impl Default for Limits {
    /// 256 GiB and a million entries: more than is built as a rule, and less than the disks that it is stored on.
    fn default() -> Self {
        Self {
            bytes: 256 * 1024 * 1024 * 1024,
            entries: MAX_ENTRIES as u64,
        }
    }
}

impl Limits {
    /// At most so many bytes.
    #[must_use]
    pub fn bytes(mut self, most: u64) -> Self {
        self.bytes = most;
        self
    }

    /// At most so many entries.
    #[must_use]
    pub fn entries(mut self, most: u64) -> Self {
        self.entries = most;
        self
    }

    /// Refuses what has more.
    pub(crate) fn check(&self, bytes: u64, entries: u64) -> Result<(), LimitExceeded> {
        let over = [
            (Limit::Bytes, bytes, self.bytes),
            (Limit::Entries, entries, self.entries),
        ];
        match over.into_iter().find(|(_, found, most)| found > most) {
            Some((limit, found, most)) => Err(LimitExceeded { limit, found, most }),
            None => Ok(()),
        }
    }
}

/// One of the [`Limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::bytes`].
    Bytes,
    /// [`Limits::entries`].
    Entries,
}

/// An artifact has more than is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitExceeded {
    /// More of what.
    pub limit: Limit,
    /// How many it has, or says to have.
    pub found: u64,
    /// How many are taken.
    pub most: u64,
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, found, most } = self;
        let (of, name) = match limit {
            Limit::Bytes => ("bytes as a tar", "bytes"),
            Limit::Entries => ("entries", "entries"),
        };
        write!(
            f,
            "it has {found} {of}, at most {most} are taken: raise `Limits::{name}` if it is trusted"
        )
    }
}

impl std::error::Error for LimitExceeded {}
