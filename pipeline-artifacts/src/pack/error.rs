use std::io;
use std::path::{Path, PathBuf};

use pipeline_core::StoreError;

use crate::PathFault;
use crate::limits;

/// A tree that was not packed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// Something in the tree cannot be in an artifact. Trying again does not help.
    #[error("{path:?} cannot be packed")]
    Refused {
        /// Where it lies, below the tree.
        path: PathBuf,
        /// Why not, and what to do.
        #[source]
        reason: Refusal,
    },
    /// The tree changed meanwhile: what was read may never have been there at one time.
    #[error("{path:?} changed while it was packed: {how}; pack a tree that nobody writes to")]
    Changed {
        /// What changed, below the tree.
        path: PathBuf,
        /// How it shows.
        how: &'static str,
    },
    /// The ignore file cannot be understood.
    #[error("{}{}: {reason}", super::IGNORE_FILE, if *.line == 0 { String::new() } else { format!(", line {}", .line) })]
    IgnoreFile {
        /// The line, counted from 1; 0 when it is none in particular.
        line: usize,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Whoever watched asked to stop.
    #[error("packing was stopped")]
    Stopped,
    /// The tree cannot be read.
    #[error("cannot read {path:?}")]
    Io {
        /// What was read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The artifact cannot be stored.
    #[error("the packed tree cannot be stored")]
    Store(#[from] StoreError),
}

/// Why something cannot be in an artifact, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Its name would be other bytes, or none, on another computer.
    #[error("its name is not UTF-8; rename or exclude it")]
    NotUtf8,
    /// Its path has no place in the format.
    #[error("{0}; rename or exclude it")]
    Path(PathFault),
    /// Two paths that a file system without case takes for one. Compared after [`str::to_lowercase`];
    /// other likenesses, such as Unicode's composed and decomposed letters, are not looked for.
    #[error("it differs from {other:?} only by case; rename or exclude one of them")]
    CaseOnly {
        /// The other path.
        other: String,
    },
    /// Something that has no bytes of its own.
    #[error("it is a {what}; exclude it")]
    Special {
        /// What it is, such as `fifo`.
        what: &'static str,
    },
    /// A link whose target is not UTF-8, holds a control character, or is too long.
    #[error("it is a symbolic link with a target that cannot be stored ({fault}); replace or exclude it")]
    Target {
        /// What is wrong with the target.
        fault: String,
    },
    /// A link that means another thing on another computer.
    #[error("it is a symbolic link to the absolute path {target:?}; make it relative or exclude it")]
    AbsoluteLink {
        /// Where it points.
        target: String,
    },
    /// A link that leads out of the tree, itself or through other links.
    #[error(
        "it is a symbolic link to {target:?}, which leads out of the tree; copy what it means or exclude it"
    )]
    LeadsOut {
        /// Where it points.
        target: String,
    },
    /// A link of which it is not known where it leads: links lead through each other more often than
    /// [`limits::MAX_LINK_HOPS`] times, all of the tree together.
    #[error(
        "it is a symbolic link to {target:?}: with it, links lead through other links more than {} times; \
        let them point to what they mean, or exclude some",
        limits::MAX_LINK_HOPS
    )]
    LeadsTooFar {
        /// Where it points.
        target: String,
    },
    /// Larger than [`limits::MAX_FILE`].
    #[error("it is larger than {} bytes; exclude it", limits::MAX_FILE)]
    TooLarge,
    /// More than [`limits::MAX_ENTRIES`].
    #[error(
        "it holds more than {} files, directories and links; pack a smaller tree",
        limits::MAX_ENTRIES
    )]
    TooMany,
    /// The store that is written to.
    #[error("it is the store of the artifacts itself; exclude it")]
    Store,
    /// The tree is no directory.
    #[error("it is not a directory; pack the directory that it lies in")]
    NotADirectory,
    /// Nothing would be packed.
    #[error("the whole tree is excluded; exclude less")]
    AllExcluded,
}

/// Something that is not as it was when it was found.
pub(super) fn changed(path: &str, how: &'static str) -> PackError {
    let path = PathBuf::from(path);
    PackError::Changed { path, how }
}

/// Something that the system does not let us read.
pub(super) fn unreadable(path: &Path, source: io::Error) -> PackError {
    let path = path.to_owned();
    PackError::Io { path, source }
}
