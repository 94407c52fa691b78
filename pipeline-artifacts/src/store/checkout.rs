use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pipeline_core::{EntryKind, StoreError};
use rustix::fs::{
    CWD, Mode, OFlags, RenameFlags, fchmod, fstat, mkdirat, open, openat, renameat_with, symlinkat,
};
use rustix::io::Errno;

use super::disk::failed;
use super::mounts::mount_below;
use super::reader::Reader;
use super::stage::{Stage, above};
use super::{Locked, StoredArtifact};
use crate::crew::{crew, default_threads};
use crate::form::{Placed, parent};

/// From this size on it is worth asking the file system to share a blob's blocks.
const SHARED_FROM: u64 = 1024 * 1024;

/// Writes an artifact into a directory. Nothing that exists is opened or replaced, and links are made last, so
/// no path can lead through one.
#[derive(Debug)]
pub(super) struct Checkout<'a> {
    artifact: &'a StoredArtifact,
}

impl<'a> Checkout<'a> {
    pub(super) fn new(artifact: &'a StoredArtifact) -> Self {
        Self { artifact }
    }

    pub(super) fn write_to(&self, into: &Path) -> Result<(), StoreError> {
        let exists = match fs::metadata(into) {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(failed("cannot read", into)(error)),
        };
        if !exists && into.is_symlink() {
            return Err(StoreError::Refused {
                what: format!("an artifact in {}", into.display()),
                reason: "it is a link that leads nowhere: remove it, or make the directory".to_owned(),
            });
        }
        if !exists {
            let stage = self.stage(into, true)?;
            // Of what came meanwhile, only an empty directory is replaced.
            fs::rename(stage.path(), into).map_err(failed("cannot rename to", into))?;
            stage.moved();
            return Ok(());
        }
        refuse_filled(into)?;
        // What a link leads to is replaced, not the link.
        let into = fs::canonicalize(into).map_err(failed("cannot read", into))?;
        if is_mount_point(&into) {
            return self.in_place(&into);
        }
        // What is above may not be ours to write to.
        let Ok(stage) = Stage::beside(&into) else {
            return self.in_place(&into);
        };
        self.fill(stage.path())?;
        match fs::rename(stage.path(), &into) {
            Ok(()) => {
                stage.moved();
                Ok(())
            }
            // It is a mount point all the same, or not ours to replace; or somebody has put something there, and keeps it.
            Err(_) => self.in_place(&into),
        }
    }

    pub(super) fn replace(&self, directory: &Path) -> Result<(), StoreError> {
        let exists = match fs::canonicalize(directory) {
            Ok(real) => Some(real),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("cannot read", directory)(error)),
        };
        let Some(real) = exists else {
            return self.write_to(directory);
        };
        if !real.is_dir() {
            return Err(StoreError::Refused {
                what: format!("an artifact in the place of {}", directory.display()),
                reason: "it is not a directory; name one, or a path where nothing is".to_owned(),
            });
        }
        // What is mounted below would go with the old one, and all that is in it would be deleted.
        let refuse_mounts = || match mount_below(&real).map_err(failed("cannot read", &real))? {
            Some(mount) => Err(StoreError::Refused {
                what: format!("an artifact in the place of {}", directory.display()),
                reason: format!("{} is a mount point: unmount it first", mount.display()),
            }),
            None => Ok(()),
        };
        refuse_mounts()?;
        let stage = self.stage(&real, false)?;
        refuse_mounts()?;
        renameat_with(CWD, stage.path(), CWD, &real, RenameFlags::EXCHANGE)
            .map_err(|error| failed("cannot exchange the directory", &real)(error.into()))?;
        // What was there is at the place of the stage now.
        let path = stage.path().to_owned();
        stage
            .close()
            .map_err(failed("cannot delete what was replaced, now", &path))
    }

    /// Writes everything into a new directory beside a path.
    fn stage(&self, beside: &Path, make_above: bool) -> Result<Stage, StoreError> {
        if make_above {
            let above = above(beside);
            fs::create_dir_all(above).map_err(failed("cannot create the directory", above))?;
        }
        let stage = Stage::beside(beside)?;
        self.fill(stage.path())?;
        Ok(stage)
    }

    /// Writes everything into an empty directory, and empties it again when that fails.
    fn in_place(&self, into: &Path) -> Result<(), StoreError> {
        // Another one that does the same waits, and then finds it filled; where there are no locks, nobody can tell.
        let _held = File::open(into).and_then(Locked::alone).ok();
        refuse_filled(into)?;
        let result = self.fill(into);
        if result.is_err() {
            // It was empty: all of it is ours. What stays is in nobody's way, and the error that counts is the first.
            for file in fs::read_dir(into).into_iter().flatten().flatten() {
                let path = file.path();
                let _ = match file.file_type() {
                    Ok(kind) if kind.is_dir() => fs::remove_dir_all(path),
                    _ => fs::remove_file(path),
                };
            }
        }
        result
    }

    fn fill(&self, into: &Path) -> Result<(), StoreError> {
        let root = open(into, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| failed("cannot open", into)(error.into()))?;
        let toc = self.artifact.toc();
        let mut reader = self.artifact.reader();
        for index in toc.directories() {
            let path = reader.entry(*index as usize)?.entry.path;
            directory(&root, &path)
                .map_err(|error| failed("cannot create the directory", &into.join(&path))(error.into()))?;
        }
        let groups = self.groups();
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        crew(default_threads().min(groups.len().max(1)), || {
            let mut writer = FileWriter::new(self.artifact, &root, into);
            while !stop.load(Ordering::Relaxed) {
                let Some(files) = groups.get(next.fetch_add(1, Ordering::Relaxed)) else {
                    break;
                };
                let result = files.iter().try_for_each(|index| writer.write(*index as usize));
                if result.is_err() {
                    stop.store(true, Ordering::Relaxed);
                }
                result?;
            }
            Ok(())
        })?;
        for index in toc.links() {
            let entry = reader.entry(*index as usize)?.entry;
            if let EntryKind::Symlink { target } = &entry.kind {
                symlinkat(target.as_str(), &root, entry.path.as_str()).map_err(|error| {
                    failed("cannot create the link", &into.join(&entry.path))(error.into())
                })?;
            }
        }
        fs::set_permissions(into, Permissions::from_mode(0o755))
            .map_err(failed("cannot set the mode of", into))
    }

    /// The files of each layer, in the order of the tar: each group is for one thread.
    fn groups(&self) -> Vec<&'a [u32]> {
        let toc = self.artifact.toc();
        // Large ones last in the tar take longest.
        let layers = (0..toc.cuts().layers().len()).rev();
        layers
            .map(|layer| toc.files_of(layer))
            .filter(|files| !files.is_empty())
            .collect()
    }
}

/// Whether a directory is another file system than what lies above it.
fn is_mount_point(directory: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).map(|found| found.dev());
    matches!((device(directory), device(above(directory))), (Ok(own), Ok(above)) if own != above)
}

/// Refuses a directory with something in it.
fn refuse_filled(into: &Path) -> Result<(), StoreError> {
    let mut files = fs::read_dir(into).map_err(failed("cannot read", into))?;
    let Some(found) = files.next() else {
        return Ok(());
    };
    let found = found.map_err(failed("cannot read", into))?.file_name();
    Err(StoreError::Refused {
        what: format!("an artifact in {}", into.display()),
        reason: format!(
            "the directory is not empty: it holds {found:?}; name an empty one, or replace the whole directory"
        ),
    })
}

/// Makes a directory with mode 755.
fn directory(root: &OwnedFd, path: &str) -> Result<(), Errno> {
    mkdirat(root, path, Mode::from(0o755))?;
    let made = openat(
        root,
        path,
        OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    set_mode(&made, 0o755)
}

/// Sees to it that the mode is exact, whatever the umask.
fn set_mode(file: &OwnedFd, mode: u32) -> Result<(), Errno> {
    if fstat(file)?.st_mode & 0o7777 == mode {
        return Ok(());
    }
    fchmod(file, Mode::from(mode))
}

/// Writes the files of one thread.
struct FileWriter<'a> {
    reader: Reader<'a>,
    artifact: &'a StoredArtifact,
    root: &'a OwnedFd,
    into: &'a Path,
    /// The path and the directory of the file before, which is the one of the next mostly.
    parent: Option<(String, OwnedFd)>,
}

impl<'a> FileWriter<'a> {
    fn new(artifact: &'a StoredArtifact, root: &'a OwnedFd, into: &'a Path) -> Self {
        Self {
            reader: artifact.reader(),
            artifact,
            root,
            into,
            parent: None,
        }
    }

    fn write(&mut self, index: usize) -> Result<(), StoreError> {
        let placed = self.reader.entry(index)?;
        let entry = &placed.entry;
        let EntryKind::File { size, executable, .. } = entry.kind else {
            return Ok(());
        };
        // The table of contents was checked: relative, without `..`, each directory before what is in it.
        let path = || self.into.join(&entry.path);
        let mode = if executable { 0o755 } else { 0o644 };
        let file = create(self.root, &mut self.parent, &entry.path, mode);
        let file = file.map_err(|error| failed("cannot create", &path())(error.into()))?;
        let mut file = File::from(file);
        let into = path;
        if size >= SHARED_FROM && self.share(&placed, &file)? {
            return Ok(());
        }
        self.reader.content(&placed, |bytes| {
            file.write_all(bytes)
                .map_err(|error| failed("cannot write", &into())(error))
        })
    }

    /// Shares the blocks of a blob that is the file, where the file system can; whether it did. What is shared is
    /// verified after it was.
    fn share(&mut self, placed: &Placed, file: &File) -> Result<bool, StoreError> {
        let mut parts = self.artifact.toc().parts(placed);
        let (Some(part), None) = (parts.next(), parts.next()) else {
            return Ok(false);
        };
        let layer = self.reader.layer(part.layer)?;
        // What is as long as the blob begins where it begins.
        if part.len != layer.blob().size {
            return Ok(false);
        }
        let Some(blob) = layer.file() else {
            return Ok(false);
        };
        if rustix::fs::ioctl_ficlone(file, blob).is_err() {
            return Ok(false);
        }
        self.reader.content(placed, |_| Ok(()))?;
        Ok(true)
    }
}

fn create(
    root: &OwnedFd,
    held: &mut Option<(String, OwnedFd)>,
    path: &str,
    mode: u32,
) -> Result<OwnedFd, Errno> {
    let above = parent(path).unwrap_or_default();
    let name = if above.is_empty() {
        path
    } else {
        &path[above.len() + 1..]
    };
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = if above.is_empty() {
        openat(root, name, flags, Mode::from(mode))?
    } else {
        let directory = match held {
            Some((path, directory)) if *path == above => &*directory,
            _ => {
                let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let directory = openat(root, above, flags, Mode::empty())?;
                &held.insert((above.to_owned(), directory)).1
            }
        };
        openat(directory, name, flags, Mode::from(mode))?
    };
    set_mode(&file, mode)?;
    Ok(file)
}
