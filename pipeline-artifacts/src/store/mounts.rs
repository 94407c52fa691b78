//! Other file systems within a directory.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, StatxFlags, open, openat, statx};
use rustix::io::Errno;

/// A directory below a directory that is a mount point, if there is one, also one of the same file system. Links are not
/// followed. What is mounted on a file is not looked for: it cannot be deleted, and nothing below it.
pub(super) fn mount_below(directory: &Path) -> io::Result<Option<PathBuf>> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = open(directory, flags, Mode::empty())?;
    let own = mount_of(&root, Path::new(""))?;
    // Paths are given from the root on: from where the system begins, they may be too long for it.
    let mut below = vec![PathBuf::new()];
    while let Some(path) = below.pop() {
        let at = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            &*path
        };
        let opened = match openat(&root, at, flags, Mode::empty()) {
            // Whoever lives there may take it away meanwhile.
            Err(Errno::NOENT | Errno::NOTDIR) => continue,
            opened => opened?,
        };
        for file in Dir::new(opened)? {
            let file = file?;
            let name = file.file_name().to_bytes();
            let may_be_directory = matches!(file.file_type(), FileType::Directory | FileType::Unknown);
            if !may_be_directory || name == b"." || name == b".." {
                continue;
            }
            let path = path.join(OsStr::from_bytes(name));
            let found = match mount_of(&root, &path) {
                Err(Errno::NOENT) => continue,
                found => found?,
            };
            if found.id != own.id {
                return Ok(Some(directory.join(path)));
            }
            if found.is_directory {
                below.push(path);
            }
        }
    }
    Ok(None)
}

struct Found {
    /// Which mount it lies in.
    id: u64,
    is_directory: bool,
}

fn mount_of(root: &OwnedFd, path: &Path) -> Result<Found, Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::EMPTY_PATH;
    let found = statx(root, path, flags, StatxFlags::MNT_ID | StatxFlags::TYPE)?;
    Ok(Found {
        id: found.stx_mnt_id,
        is_directory: FileType::from_raw_mode(found.stx_mode.into()) == FileType::Directory,
    })
}
