use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::Errno;

use super::PackError;
use super::error::{changed, unreadable};
use super::record::Record;
use super::root::Root;
use super::stamp::is;
use crate::form::parent;

/// Opens the files of a tree. It holds the directory of the last one: the next one mostly lies there, too, and then the
/// system need not go all the way.
#[derive(Debug)]
pub(super) struct Opener<'a> {
    root: &'a Root,
    directory: Option<(String, OwnedFd)>,
}

/// An open file of the tree.
#[derive(Debug)]
pub(super) struct Source<'a> {
    root: &'a Root,
    path: &'a str,
    pub(super) file: File,
}

impl<'a> Opener<'a> {
    pub(super) fn new(root: &'a Root) -> Self {
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
        let full = || root.full(path);
        let file = self.file(path)?;
        let found = fstat(&file).map_err(|error| unreadable(&full(), error.into()))?;
        if !record.stamp.is(&record.entry.kind, &found) {
            return Err(changed(path, "it is not what it was"));
        }
        let file = File::from(file);
        Ok(Source { root, path, file })
    }

    fn file(&mut self, path: &str) -> Result<OwnedFd, PackError> {
        let above = parent(path).unwrap_or_default();
        let name = path.strip_prefix(above).unwrap_or(path).trim_start_matches('/');
        let directory = match self.directory.take() {
            Some((held, directory)) if held == above => directory,
            _ => {
                let opened = self.root.directory(above);
                opened.map_err(|error| self.root.fault(path, error))?
            }
        };
        let (_, directory) = self.directory.insert((above.to_owned(), directory));
        // What was put in its place meanwhile is not waited for, and a link is not followed.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        openat(&*directory, name, flags, Mode::empty()).map_err(|error| {
            let is_other = || {
                let found = statat(&*directory, name, AtFlags::SYMLINK_NOFOLLOW);
                found.is_ok_and(|found| !is(&found, FileType::RegularFile))
            };
            match error {
                Errno::NOENT => changed(path, "it is gone"),
                Errno::ACCESS | Errno::PERM => unreadable(&self.root.full(path), error.into()),
                _ if is_other() => changed(path, "it is not what it was"),
                _ => unreadable(&self.root.full(path), error.into()),
            }
        })
    }
}

impl Source<'_> {
    /// Where it is.
    pub(super) fn full(&self) -> PathBuf {
        self.root.full(self.path)
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
