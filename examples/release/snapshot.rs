use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

use crate::revisions;

/// Copies the source of a run aside, so that the run sees the same code today and after a week of waiting. What git
/// ignores is left out, unless git tracks it all the same; so is the store.
pub fn take(root: &Path, store: &Path, into: &Path) -> Result<(), SnapshotError> {
    let store = store.canonicalize().unwrap_or_else(|_| store.to_owned());
    let mut walk = WalkBuilder::new(root);
    walk.hidden(false)
        .ignore(false)
        .git_global(false)
        .follow_links(false);
    walk.filter_entry(move |entry| {
        entry.file_name() != ".git" && entry.path().canonicalize().ok().as_deref() != Some(&store)
    });
    fs::create_dir_all(into).map_err(at(into))?;
    for entry in walk.build() {
        let entry = entry.map_err(|error| SnapshotError::Walk(root.to_owned(), error))?;
        copy(root, entry.path(), into)?;
    }
    for tracked in revisions::tracked(root) {
        // What is tracked and was deleted is not there to copy.
        if fs::symlink_metadata(&tracked).is_ok() {
            copy(root, &tracked, into)?;
        }
    }
    Ok(())
}

/// Copies a source that was copied aside before, all of it.
pub fn take_again(from: &Path, into: &Path) -> Result<(), SnapshotError> {
    fs::create_dir_all(into).map_err(at(into))?;
    for entry in WalkBuilder::new(from).standard_filters(false).build() {
        let entry = entry.map_err(|error| SnapshotError::Walk(from.to_owned(), error))?;
        copy(from, entry.path(), into)?;
    }
    Ok(())
}

/// Copies one path, if it is not there yet.
fn copy(root: &Path, from: &Path, into: &Path) -> Result<(), SnapshotError> {
    let Ok(below) = from.strip_prefix(root) else {
        return Ok(());
    };
    let to = into.join(below);
    if below.as_os_str().is_empty() || fs::symlink_metadata(&to).is_ok() {
        return Ok(());
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(at(parent))?;
    }
    let kind = fs::symlink_metadata(from).map_err(at(from))?.file_type();
    if kind.is_dir() {
        fs::create_dir_all(&to).map_err(at(&to))
    } else if kind.is_symlink() {
        let target = fs::read_link(from).map_err(at(from))?;
        std::os::unix::fs::symlink(target, &to).map_err(at(&to))
    } else if kind.is_file() {
        fs::copy(from, &to).map(drop).map_err(at(from))
    } else {
        Err(SnapshotError::Kind(from.to_owned()))
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> SnapshotError + use<> {
    let path = path.to_owned();
    move |error| SnapshotError::Io(path, error)
}

/// A source that could not be copied aside.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The system refused.
    #[error("the source cannot be copied aside: {}", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// The tree could not be walked.
    #[error("the source below {} cannot be listed", .0.display())]
    Walk(PathBuf, #[source] ignore::Error),
    /// Something that is no source.
    #[error("{} is neither a file, a directory nor a link", .0.display())]
    Kind(PathBuf),
}
