use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// A file or directory that could not be worked with.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(super) struct FileError {
    /// What was being done, with the path.
    pub(super) what: String,
    /// What the system said.
    pub(super) source: io::Error,
}

impl FileError {
    /// Says what was being done to a path.
    pub(super) fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let what = format!("cannot {doing} `{}`", path.display());
        move |source| Self { what, source }
    }
}

/// Makes what was written to a file, or the names in a directory, last.
pub(super) fn sync(path: &Path) -> Result<(), FileError> {
    let file = File::open(path).map_err(FileError::at("open", path))?;
    file.sync_all().map_err(FileError::at("sync", path))
}

/// Replaces a file in one step: whoever reads it sees the old bytes or the new. The caller excludes others
/// who write.
pub(super) fn replace(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), FileError> {
    let next = directory.join(format!(".next-{name}"));
    let path = directory.join(name);
    let mut file = File::create(&next).map_err(FileError::at("create", &next))?;
    file.write_all(bytes).map_err(FileError::at("write", &next))?;
    file.sync_all().map_err(FileError::at("sync", &next))?;
    fs::rename(&next, &path).map_err(FileError::at("write", &path))?;
    sync(directory)
}
