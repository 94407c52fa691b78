use std::fs::{self, File, OpenOptions};
use std::io;

use pipeline_core::Fence;
use rustix::fs::{FlockOperation, flock};

use super::file::{self, FileError};
use super::layout::Layout;

/// The exclusive right to change the environment, between processes and within one. Dropping it gives it
/// back, and so does the end of the process.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Why the lock was not given.
#[derive(Debug)]
pub(super) enum NotLocked {
    /// A higher fence was seen.
    Fenced { highest: Fence, offered: Fence },
    /// A file failed.
    File(FileError),
}

impl From<FileError> for NotLocked {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

/// The file that keeps the highest fence. A source of truth: nothing else has it.
const FENCE: &str = "fence.json";

impl Lock {
    /// Waits for the lock, then checks the fence and keeps it if it is higher.
    pub(super) fn take(layout: &Layout, fence: Option<Fence>) -> Result<Self, NotLocked> {
        layout.create()?;
        let path = layout.root().join(".lock");
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let file = file.map_err(FileError::at("open", &path))?;
        while let Err(error) = flock(&file, FlockOperation::LockExclusive) {
            if error != rustix::io::Errno::INTR {
                return Err(FileError::at("lock", &path)(error.into()).into());
            }
        }
        let lock = Self { _file: file };
        let highest = highest_fence(layout)?;
        match (highest, fence) {
            (Some(highest), Some(offered)) if offered < highest => {
                return Err(NotLocked::Fenced { highest, offered });
            }
            (highest, Some(offered)) if highest != Some(offered) => {
                let bytes = serde_json::to_vec(&offered).map_err(io::Error::other);
                let bytes = bytes.map_err(FileError::at("write", &layout.root().join(FENCE)))?;
                file::replace(layout.root(), FENCE, &bytes)?;
            }
            _ => {}
        }
        Ok(lock)
    }
}

/// The highest fence that was kept.
pub(super) fn highest_fence(layout: &Layout) -> Result<Option<Fence>, FileError> {
    let path = layout.root().join(FENCE);
    let fence = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::from)),
    };
    fence.map(Some).map_err(FileError::at("read", &path))
}
