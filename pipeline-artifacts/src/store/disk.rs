//! The few things that the store asks of the file system.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use pipeline_core::StoreError;

/// What stored files may be: read, by everybody. A blob that nobody can write is not edited by mistake.
const READ_ONLY: u32 = 0o444;

/// An error of the system, with what was being done.
pub(crate) fn failed(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let what = format!("{doing} {}", path.display());
    move |source| StoreError::Io { what, source }
}

/// Makes a directory, and its name durable. One that exists is fine.
pub(crate) fn make_dir(path: &Path) -> Result<(), StoreError> {
    match fs::create_dir(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        Err(error) => return Err(failed("cannot create the directory", path)(error)),
    }
    path.parent().map_or(Ok(()), sync_dir)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(path: &Path) -> Result<(), StoreError> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(failed("cannot flush the directory", path))
}

/// Makes the bytes of a new file durable, and closes it to writers.
pub(crate) fn seal(file: &File) -> io::Result<()> {
    file.set_permissions(fs::Permissions::from_mode(READ_ONLY))?;
    file.sync_data()
}

/// The bytes of a file; `None` of what is none: what is read of a pipe never ends, and a link leads elsewhere.
pub(crate) fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::symlink_metadata(path)?.is_file() {
        true => fs::read(path).map(Some),
        false => Ok(None),
    }
}

/// Whether a path still names an open file.
pub(crate) fn is_same(path: &Path, file: &File) -> io::Result<bool> {
    let open = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
