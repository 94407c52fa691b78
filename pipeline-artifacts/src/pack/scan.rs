use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use pipeline_core::SourcePath;

use super::{PackError, Refusal};
use crate::form::{Links, check_path, check_target};
use crate::{LocalStore, limits};

/// Never packed, whatever lies above it: it is no content, and it changes with every command.
const ALWAYS_EXCLUDED: &str = ".git";

/// Something in a tree, before its bytes are read.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    pub(super) path: String,
    pub(super) kind: FoundKind,
    pub(super) stamp: Stamp,
}

#[derive(Debug, PartialEq)]
pub(super) enum FoundKind {
    File { size: u64, executable: bool },
    Directory,
    Symlink { target: String },
}

/// Tells whether something is still what it was. Of a directory only what it is: its entries are compared
/// one by one, so that what is excluded may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    executable: bool,
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let directory = metadata.is_dir();
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: if directory { 0 } else { metadata.len() },
            executable: !directory && is_executable(metadata),
            changed: if directory {
                (0, 0)
            } else {
                (metadata.mtime(), metadata.mtime_nsec())
            },
        }
    }
}

/// The owner's right decides; the rest is the umask's.
fn is_executable(metadata: &Metadata) -> bool {
    metadata.mode() & 0o100 != 0
}

/// Lists a tree, sorted by the bytes of the path, and refuses what cannot be packed.
pub(super) fn scan(tree: &Path, exclude: &[SourcePath], store: &LocalStore) -> Result<Vec<Found>, PackError> {
    if exclude.iter().any(|path| *path == SourcePath::root()) {
        return Err(refused(tree, Refusal::AllExcluded));
    }
    let root = fs::metadata(tree).map_err(|error| unreadable(tree, error))?;
    if !root.is_dir() {
        return Err(refused(tree, Refusal::NotADirectory));
    }
    if store.is_at(&root) {
        return Err(refused(tree, Refusal::Store));
    }
    let mut found = Vec::new();
    let mut directories = vec![(tree.to_owned(), String::new())];
    while let Some((dir, below)) = directories.pop() {
        let files = fs::read_dir(&dir).map_err(|error| unreadable(&dir, error))?;
        for file in files {
            let file = file.map_err(|error| unreadable(&dir, error))?;
            let name = file.file_name();
            let Some(name) = name.to_str() else {
                return Err(refused(Path::new(&below).join(name), Refusal::NotUtf8));
            };
            let path = if below.is_empty() {
                name.to_owned()
            } else {
                format!("{below}/{name}")
            };
            if name == ALWAYS_EXCLUDED || exclude.iter().any(|excluded| excluded.as_str() == path) {
                continue;
            }
            let full = file.path();
            let metadata = fs::symlink_metadata(&full).map_err(|error| unreadable(&full, error))?;
            check_path(&path).map_err(|fault| refused(&path, Refusal::Path(fault)))?;
            let kind = kind(&path, &full, &metadata)?;
            if kind == FoundKind::Directory {
                if store.is_at(&metadata) {
                    return Err(refused(&path, Refusal::Store));
                }
                directories.push((full, path.clone()));
            }
            found.push(Found {
                path,
                kind,
                stamp: Stamp::of(&metadata),
            });
            if found.len() > limits::MAX_ENTRIES {
                return Err(refused(tree, Refusal::TooMany));
            }
        }
    }
    // So that it does not matter in what order the system lists, nor what is refused first.
    found.sort_by(|a, b| a.path.cmp(&b.path));
    refuse_same_case(&found)?;
    refuse_links_out(&found)?;
    Ok(found)
}

fn kind(path: &str, full: &Path, metadata: &Metadata) -> Result<FoundKind, PackError> {
    let file_type = metadata.file_type();
    if file_type.is_dir() {
        return Ok(FoundKind::Directory);
    }
    if file_type.is_file() {
        if metadata.len() > limits::MAX_FILE {
            return Err(refused(path, Refusal::TooLarge));
        }
        return Ok(FoundKind::File {
            size: metadata.len(),
            executable: is_executable(metadata),
        });
    }
    if file_type.is_symlink() {
        let target = fs::read_link(full).map_err(|error| unreadable(full, error))?;
        let fault = |fault: String| refused(path, Refusal::Target { fault });
        let Some(target) = target.to_str() else {
            return Err(fault("the path is not UTF-8".to_owned()));
        };
        let target = target.to_owned();
        if target.starts_with('/') {
            return Err(refused(path, Refusal::AbsoluteLink { target }));
        }
        check_target(&target).map_err(|found| fault(found.to_string()))?;
        return Ok(FoundKind::Symlink { target });
    }
    let what = if file_type.is_fifo() {
        "fifo"
    } else if file_type.is_socket() {
        "socket"
    } else {
        "device"
    };
    Err(refused(path, Refusal::Special { what }))
}

fn refuse_same_case(found: &[Found]) -> Result<(), PackError> {
    let mut seen = HashMap::with_capacity(found.len());
    for Found { path, .. } in found {
        if let Some(other) = seen.insert(path.to_lowercase(), path) {
            let other = other.clone();
            return Err(refused(path, Refusal::CaseOnly { other }));
        }
    }
    Ok(())
}

fn refuse_links_out(found: &[Found]) -> Result<(), PackError> {
    let links = || {
        found.iter().filter_map(|found| match &found.kind {
            FoundKind::Symlink { target } => Some((found.path.as_str(), target.as_str())),
            _ => None,
        })
    };
    let mut all = Links::default();
    links().for_each(|(path, target)| all.add(path, target));
    match links().find(|(path, target)| all.escapes(path, target)) {
        Some((path, target)) => {
            let target = target.to_owned();
            Err(refused(path, Refusal::LeadsOut { target }))
        }
        None => Ok(()),
    }
}

/// Compares two lists of one tree.
pub(super) fn refuse_changed(before: &[Found], after: &[Found]) -> Result<(), PackError> {
    let mut before = before.iter().peekable();
    for now in after {
        match before.next_if(|then| then.path <= now.path) {
            Some(then) if then == now => {}
            Some(then) if then.path == now.path => return Err(changed(&now.path, "it is not what it was")),
            Some(then) => return Err(changed(&then.path, "it is gone")),
            None => return Err(changed(&now.path, "it is new")),
        }
    }
    before
        .next()
        .map_or(Ok(()), |then| Err(changed(&then.path, "it is gone")))
}

pub(super) fn changed(path: &str, how: &'static str) -> PackError {
    let path = PathBuf::from(path);
    PackError::Changed { path, how }
}

fn refused(path: impl Into<PathBuf>, reason: Refusal) -> PackError {
    let path = path.into();
    PackError::Refused { path, reason }
}

pub(super) fn unreadable(path: &Path, source: io::Error) -> PackError {
    let path = path.to_owned();
    PackError::Io { path, source }
}
