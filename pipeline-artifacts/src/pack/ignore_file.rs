use std::fs::File;
use std::io::{self, Read};

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::Errno;

use super::PackError;
use super::error::unreadable;
use super::root::Root;
use super::stamp::is;

/// What the ignore file is called, at the top of a tree.
pub(super) const IGNORE_FILE: &str = ".artifactignore";

/// The most bytes that it may have.
const MOST: u64 = 1024 * 1024;

/// Reads the ignore file of a tree; one that is not there ignores nothing.
pub(super) fn read(root: &Root) -> Result<Gitignore, PackError> {
    let path = root.full(IGNORE_FILE);
    let failed = |error: io::Error| unreadable(&path, error);
    let top = root.directory("").map_err(|error| failed(error.into()))?;
    match statat(&top, IGNORE_FILE, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(Gitignore::empty()),
        Err(error) => return Err(failed(error.into())),
        Ok(found) if !is(&found, FileType::RegularFile) => return Err(no_file()),
        Ok(_) => {}
    }
    // What was put in its place meanwhile is not waited for, and a link is not followed.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = openat(&top, IGNORE_FILE, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
    let found = fstat(&file).map_err(|error| failed(error.into()))?;
    if !is(&found, FileType::RegularFile) {
        return Err(no_file());
    }
    let mut text = Vec::new();
    File::from(file)
        .take(MOST + 1)
        .read_to_end(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > MOST {
        return Err(wrong(0, format!("it is larger than {MOST} bytes; shorten it")));
    }
    let text = std::str::from_utf8(&text);
    let text = text.map_err(|_| wrong(0, "it is not UTF-8; write it in UTF-8".to_owned()))?;
    // Paths are given below the tree, wherever the tree is.
    let mut builder = GitignoreBuilder::new("");
    for (line, number) in text.trim_start_matches('\u{feff}').lines().zip(1..) {
        let added = builder.add_line(None, line);
        added.map_err(|error| wrong(number, error.to_string()))?;
    }
    builder.build().map_err(|error| wrong(0, error.to_string()))
}

fn no_file() -> PackError {
    wrong(0, "it is not a file; remove it".to_owned())
}

fn wrong(line: usize, reason: String) -> PackError {
    PackError::IgnoreFile { line, reason }
}
