use std::fmt;

use pipeline_core::StoreError;

use crate::BlobId;

/// What a collection did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collected {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// How many blobs are needed.
    pub live: u64,
    /// What was moved to the trash, by digest.
    pub moved: Vec<BlobId>,
    /// How many blobs are not needed, but were stored or reused too lately, or may be by a writer that lives.
    pub young: u64,
    /// How many blobs nothing refers to, and nothing ever did.
    pub orphans: u64,
    /// How many blobs came back from the trash, because they are needed again.
    pub restored: u64,
    /// How many blobs were deleted from the trash.
    pub deleted: u64,
    /// How many bytes they had.
    pub freed: u64,
}

impl Collected {
    /// How many bytes were moved to the trash.
    pub fn moved_bytes(&self) -> u64 {
        self.moved.iter().map(|blob| blob.size).sum()
    }
}

impl fmt::Display for Collected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is = if self.dry_run { "would be " } else { "" };
        let moved = (self.moved.len(), self.moved_bytes());
        writeln!(f, "{} blobs are needed", self.live)?;
        writeln!(
            f,
            "{} blobs with {} bytes {is}moved to the trash",
            moved.0, moved.1
        )?;
        writeln!(f, "{} blobs are too young to be moved", self.young)?;
        writeln!(f, "{} blobs are nobody's and stay", self.orphans)?;
        writeln!(f, "{} blobs {is}restored from the trash", self.restored)?;
        write!(f, "{} blobs with {} bytes {is}deleted", self.deleted, self.freed)
    }
}

/// A collection that took nothing, or not everything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectError {
    /// Another one runs.
    #[error("another collection of this store is running")]
    Busy,
    /// What an artifact needs is not known, so nothing may be taken.
    #[error("what {what} needs is not known, so nothing was taken: heal it, or remove it, first")]
    Unknown {
        /// What it is.
        what: String,
        /// Why it is not known.
        source: StoreError,
    },
    /// The store failed. What was moved to the trash before stays there, and is no loss.
    #[error("the collection did not come to its end")]
    Store(#[from] StoreError),
}
