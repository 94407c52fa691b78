use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use super::PackError;
use super::record::Record;
use super::scan::{changed, unreadable};
use crate::form::parent;

/// Opens the files of a tree. It holds the directory of the last one: the next one mostly lies there, too, and then the
/// system need not go all the way.
#[derive(Debug)]
pub(super) struct Opener<'a> {
    root: &'a Path,
    directory: Option<(String, OwnedFd)>,
}

/// An open file of the tree.
#[derive(Debug)]
pub(super) struct Source<'a> {
    root: &'a Path,
    path: &'a str,
    pub(super) file: File,
}

impl<'a> Opener<'a> {
    pub(super) fn new(root: &'a Path) -> Self {
        Self {
            root,
            directory: None,
        }
    }

    /// Opens a file, which must be the one that was found. Whether it still is afterwards, the second scan tells.
    pub(super) fn open<'b>(&mut self, record: &'b Record) -> Result<Source<'b>, PackError>
    where
        'a: 'b,
    {
        let path = record.entry.path.as_str();
        let root = self.root;
        let full = || root.join(path);
        let opened = self.file(path).map_err(|error| match error {
            Errno::NOENT => changed(path, "it is gone"),
            Errno::ACCESS | Errno::PERM => unreadable(&full(), error.into()),
            _ if full().symlink_metadata().is_ok_and(|found| !found.is_file()) => {
                changed(path, "it is not what it was")
            }
            _ => unreadable(&full(), error.into()),
        });
        let file = File::from(opened?);
        let metadata = file.metadata().map_err(|error| unreadable(&full(), error))?;
        if !record.stamp.is(&record.entry.kind, &metadata) {
            return Err(changed(path, "it is not what it was"));
        }
        Ok(Source { root, path, file })
    }

    fn file(&mut self, path: &str) -> Result<OwnedFd, Errno> {
        // What was put in its place meanwhile is not waited for, and a link is not followed.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let above = parent(path).unwrap_or_default();
        let name = path.strip_prefix(above).unwrap_or(path).trim_start_matches('/');
        if self.directory.as_ref().is_none_or(|(held, _)| held != above) {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY;
            // Not one that is held and another one's.
            self.directory = None;
            let directory = openat(CWD, self.root.join(above), flags, Mode::empty())?;
            self.directory = Some((above.to_owned(), directory));
        }
        match &self.directory {
            Some((_, directory)) => openat(directory, name, flags, Mode::empty()),
            None => Err(Errno::NOENT),
        }
    }
}

impl Source<'_> {
    /// Where it is.
    pub(super) fn full(&self) -> PathBuf {
        self.root.join(self.path)
    }

    /// Fills some of the bytes, and at least one. A file that ends before has changed.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, PackError> {
        loop {
            match self.file.read(buffer) {
                Ok(0) => return Err(self.shorter()),
                Ok(read) => return Ok(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(&self.full(), error)),
            }
        }
    }

    pub(super) fn shorter(&self) -> PackError {
        changed(self.path, "it became shorter")
    }
}
