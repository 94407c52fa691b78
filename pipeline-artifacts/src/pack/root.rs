use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Dir, Mode, OFlags, Stat, openat};
#[cfg(target_os = "linux")]
use rustix::fs::{ResolveFlags, openat2};
use rustix::io::Errno;

use super::PackError;
use super::error::{changed, unreadable};

/// The directory that is packed, opened once. Everything in it is found from here without following a link: whoever puts a link
/// in the place of a directory while it is packed leads nobody out of it.
#[derive(Debug)]
pub(super) struct Root {
    directory: OwnedFd,
    path: PathBuf,
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Root {
    /// Opens a directory; a link to one is followed.
    pub(super) fn open(tree: &Path) -> Result<Self, Errno> {
        Ok(Self {
            directory: openat(CWD, tree, DIRECTORY, Mode::empty())?,
            path: tree.to_owned(),
        })
    }

    /// The directory itself.
    pub(super) fn stat(&self) -> Result<Stat, PackError> {
        rustix::fs::fstat(&self.directory).map_err(|error| unreadable(&self.path, error.into()))
    }

    /// Where something below is, to be shown.
    pub(super) fn full(&self, below: &str) -> PathBuf {
        match below {
            "" => self.path.clone(),
            below => self.path.join(below),
        }
    }

    /// Opens a directory below; the tree itself is the empty path.
    pub(super) fn directory(&self, below: &str) -> Result<OwnedFd, Errno> {
        if below.is_empty() {
            return openat(&self.directory, ".", DIRECTORY, Mode::empty());
        }
        #[cfg(target_os = "linux")]
        {
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            match openat2(&self.directory, below, DIRECTORY, Mode::empty(), resolve) {
                // A system that does not have it, or a sandbox that does not know it.
                Err(Errno::NOSYS | Errno::PERM) => {}
                opened => return opened,
            }
        }
        self.step_by_step(below)
    }

    fn step_by_step(&self, below: &str) -> Result<OwnedFd, Errno> {
        let flags = DIRECTORY | OFlags::NOFOLLOW;
        let mut names = below.split('/');
        let first = openat(
            &self.directory,
            names.next().unwrap_or_default(),
            flags,
            Mode::empty(),
        )?;
        names.try_fold(first, |above, name| openat(above, name, flags, Mode::empty()))
    }

    /// Opens a directory that was found below, to list it; with it what to ask about its entries.
    pub(super) fn list(&self, below: &str) -> Result<(OwnedFd, Dir), PackError> {
        let directory = self.directory(below).map_err(|error| self.fault(below, error))?;
        let list = Dir::read_from(&directory).map_err(|error| self.fault(below, error))?;
        Ok((directory, list))
    }

    /// Why a directory that was found could not be opened.
    pub(super) fn fault(&self, below: &str, error: Errno) -> PackError {
        match error {
            Errno::NOENT => changed(below, "it is gone"),
            Errno::NOTDIR | Errno::LOOP => changed(below, "it is not what it was"),
            _ => unreadable(&self.full(below), error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_link_is_followed_below_it() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("a/b/c")).unwrap();
        fs::create_dir(dir.path().join("out")).unwrap();
        symlink("../../out", tree.join("a/out")).unwrap();
        symlink("b", tree.join("a/in")).unwrap();
        fs::write(tree.join("a/file"), "").unwrap();
        // Above it, one is.
        symlink("tree", dir.path().join("link")).unwrap();
        let root = Root::open(&dir.path().join("link")).unwrap();
        for below in ["", "a", "a/b", "a/b/c"] {
            assert!(root.directory(below).is_ok(), "{below}");
            assert!(below.is_empty() || root.step_by_step(below).is_ok(), "{below}");
        }
        for below in ["a/out", "a/in", "a/in/c", "a/file", "a/none"] {
            assert!(root.directory(below).is_err(), "{below}");
            assert!(root.step_by_step(below).is_err(), "{below}");
        }
        let fault = |below| root.list(below).unwrap_err().to_string();
        assert!(
            fault("a/out").contains("it is not what it was"),
            "{}",
            fault("a/out")
        );
        assert!(
            fault("a/in/c").contains("it is not what it was"),
            "{}",
            fault("a/in/c")
        );
        assert!(
            fault("a/file").contains("it is not what it was"),
            "{}",
            fault("a/file")
        );
        assert!(fault("a/none").contains("it is gone"), "{}", fault("a/none"));
        // The directory is the one that was opened, whatever its name leads to now.
        fs::rename(&tree, dir.path().join("moved")).unwrap();
        assert!(root.directory("a/b").is_ok());
    }
}
