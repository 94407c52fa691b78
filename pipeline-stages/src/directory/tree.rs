use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pipeline_core::Digest;
use serde::{Deserialize, Serialize};

use super::file::FileError;

/// How many differences are told one by one.
const MOST: usize = 20;

/// What lies in a directory: for each path below it, with `/` between its parts, what is there.
pub(super) type Tree = BTreeMap<String, Node>;

/// What one path is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Node {
    /// A file, with its permissions in octal.
    File { digest: Digest, mode: String },
    /// A directory, with its permissions in octal.
    Directory { mode: String },
    /// A symbolic link.
    Symlink { target: String },
    /// A device, a pipe, a socket.
    Special,
    /// What cannot be looked at.
    Unreadable { reason: String },
}

fn mode(metadata: &Metadata) -> String {
    format!("{:o}", metadata.permissions().mode() & 0o7777)
}

/// Lists a directory; files are read and hashed, links not followed, devices not opened.
pub(super) fn list(directory: &Path) -> Result<Tree, FileError> {
    fs::read_dir(directory).map_err(FileError::at("list", directory))?;
    let mut tree = Tree::new();
    let mut open = vec![(String::new(), directory.to_owned())];
    while let Some((prefix, directory)) = open.pop() {
        let entries = fs::read_dir(&directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                let reason = error.to_string();
                tree.insert(prefix, Node::Unreadable { reason });
                continue;
            }
        };
        for entry in entries {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let path = match prefix.as_str() {
                "" => name.into_owned(),
                prefix => format!("{prefix}/{name}"),
            };
            let node = look(&entry.path()).unwrap_or_else(|error| Node::Unreadable {
                reason: error.to_string(),
            });
            if matches!(node, Node::Directory { .. }) {
                open.push((path.clone(), entry.path()));
            }
            tree.insert(path, node);
        }
    }
    Ok(tree)
}

fn look(path: &Path) -> io::Result<Node> {
    let metadata = fs::symlink_metadata(path)?;
    let kind = metadata.file_type();
    Ok(if kind.is_dir() {
        Node::Directory {
            mode: mode(&metadata),
        }
    } else if kind.is_symlink() {
        Node::Symlink {
            target: fs::read_link(path)?.to_string_lossy().into_owned(),
        }
    } else if kind.is_file() {
        Node::File {
            digest: Digest::of_reader(File::open(path)?)?.0,
            mode: mode(&metadata),
        }
    } else {
        Node::Special
    })
}

/// How what is there differs from what should be, sorted by path and bounded.
pub(super) fn drift(expected: &Tree, found: &Tree) -> Vec<String> {
    let mut paths: Vec<_> = expected.keys().chain(found.keys()).collect();
    paths.sort();
    paths.dedup();
    let told = paths.iter().filter_map(|path| {
        difference(expected.get(*path), found.get(*path)).map(|what| format!("`{path}` {what}"))
    });
    let mut drift: Vec<_> = told.collect();
    if drift.len() > MOST {
        let more = drift.len() - MOST;
        drift.truncate(MOST);
        drift.push(format!("… and {more} more"));
    }
    drift
}

fn difference(expected: Option<&Node>, found: Option<&Node>) -> Option<String> {
    let (expected, found) = match (expected, found) {
        (Some(expected), Some(found)) => (expected, found),
        (None, None) => return None,
        (Some(_), None) => return Some("is missing".to_owned()),
        (None, Some(_)) => return Some("was added".to_owned()),
    };
    match (expected, found) {
        (expected, found) if expected == found => None,
        (_, Node::Unreadable { reason }) => Some(format!("cannot be read: {reason}")),
        (Node::File { digest: a, mode: old }, Node::File { digest: b, mode: new }) if a == b => {
            Some(format!("has the mode {new} instead of {old}"))
        }
        (Node::Directory { mode: old }, Node::Directory { mode: new }) => {
            Some(format!("has the mode {new} instead of {old}"))
        }
        (Node::Symlink { target: old }, Node::Symlink { target: new }) => {
            Some(format!("points to `{new}` instead of `{old}`"))
        }
        (Node::File { .. }, Node::File { .. }) => Some("was changed".to_owned()),
        _ => Some("is something else".to_owned()),
    }
}
