//! A disk that forgets what was not flushed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::record::{Event, Inode, ROOT, Record};

/// What is lost of that which was not flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Nothing: only the process died.
    Nothing,
    /// All of it.
    Unflushed,
    /// The bytes, and no name: files are there, and empty or short. File systems do that which do not order
    /// both.
    Bytes,
    /// The names, and no byte.
    Names,
    /// All but the last name: what was done first reached the disk last.
    Reordered,
    /// Some of it, by chance.
    Some(u64),
}

impl Loss {
    pub(super) fn all(cut: usize, long: bool) -> Vec<Self> {
        let chances = if long { 6 } else { 1 };
        let some = (0..chances).map(|number| Self::Some((cut as u64 + 1) * 1_000_003 + number));
        [
            Self::Nothing,
            Self::Unflushed,
            Self::Bytes,
            Self::Names,
            Self::Reordered,
        ]
        .into_iter()
        .chain(some)
        .collect()
    }
}

/// The files of a disk. Two with the same files are equal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Disk {
    files: BTreeMap<String, Thing>,
}

#[derive(Debug, PartialEq, Eq)]
enum Thing {
    Directory,
    File(Vec<u8>),
    Link(String),
}

#[derive(Debug, Default, Clone)]
struct Node {
    names: BTreeMap<String, Inode>,
    bytes: Vec<u8>,
}

impl Disk {
    /// The disk after the first `cut` events of a record.
    pub(super) fn after(record: &Record, cut: usize, loss: Loss) -> Self {
        let events = &record.events[..cut];
        let last_name = events.iter().rposition(|event| event.directory().is_some());
        let mut chance = match loss {
            Loss::Some(seed) => seed,
            _ => 1,
        };
        let kept = |at: usize, chance: &mut u64| {
            let event = &events[at];
            if is_flushed(events, at) {
                return true;
            }
            let name = event.directory().is_some();
            match loss {
                Loss::Nothing => true,
                Loss::Unflushed => false,
                Loss::Bytes => name,
                Loss::Names => !name,
                Loss::Reordered => !name || Some(at) == last_name,
                Loss::Some(_) => {
                    *chance = chance
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    *chance >> 40 & 1 == 0
                }
            }
        };
        let mut nodes: BTreeMap<Inode, Node> = BTreeMap::new();
        for (at, event) in events.iter().enumerate() {
            if kept(at, &mut chance) {
                apply(&mut nodes, event);
            }
        }
        let mut files = BTreeMap::new();
        list(
            record,
            &nodes,
            ROOT,
            String::new(),
            &mut BTreeSet::new(),
            &mut files,
        );
        Self { files }
    }

    /// Writes it below a directory.
    pub(super) fn write(&self, to: &Path) {
        for (path, thing) in &self.files {
            let path = to.join(path);
            match thing {
                Thing::Directory => fs::create_dir(path).unwrap(),
                Thing::File(bytes) => fs::write(path, bytes).unwrap(),
                Thing::Link(target) => symlink(target, path).unwrap(),
            }
        }
    }
}

/// Whether a flush that came later, and began later, covers what was done.
fn is_flushed(events: &[Event], at: usize) -> bool {
    events[at + 1..].iter().any(|later| match later {
        Event::SyncAll { after } => at < *after,
        Event::Sync { inode, after } => {
            at < *after
                && match &events[at] {
                    // A name is kept by a flush of its directory; one that moves, of either.
                    Event::Rename { from, to, .. } => [from.0, to.0].contains(inode),
                    other => other.directory().or(other.file()) == Some(*inode),
                }
        }
        _ => false,
    })
}

fn apply(nodes: &mut BTreeMap<Inode, Node>, event: &Event) {
    match event {
        Event::Link {
            directory,
            name,
            inode,
        } => {
            let names = &mut nodes.entry(*directory).or_default().names;
            names.insert(name.clone(), *inode);
        }
        Event::Unlink { directory, name } => {
            nodes.entry(*directory).or_default().names.remove(name);
        }
        // Done or not, as a whole: every file system that is in use keeps that.
        Event::Rename { from, to, inode } => {
            let names = &mut nodes.entry(from.0).or_default().names;
            if names.get(&from.1) == Some(inode) {
                names.remove(&from.1);
            }
            nodes.entry(to.0).or_default().names.insert(to.1.clone(), *inode);
        }
        Event::Write { inode, offset, bytes } => {
            let file = &mut nodes.entry(*inode).or_default().bytes;
            let end = *offset + bytes.len();
            if file.len() < end {
                file.resize(end, 0);
            }
            file[*offset..end].copy_from_slice(bytes);
        }
        Event::Truncate { inode, size } => nodes.entry(*inode).or_default().bytes.resize(*size, 0),
        Event::Sync { .. } | Event::SyncAll { .. } | Event::Said(_) => {}
    }
}

fn list(
    record: &Record,
    nodes: &BTreeMap<Inode, Node>,
    directory: Inode,
    below: String,
    on_the_way: &mut BTreeSet<Inode>,
    files: &mut BTreeMap<String, Thing>,
) {
    let Some(node) = nodes.get(&directory) else { return };
    // A directory that was moved half-way may be seen twice, but not inside itself.
    if !on_the_way.insert(directory) {
        return;
    }
    for (name, inode) in &node.names {
        let path = if below.is_empty() {
            name.clone()
        } else {
            format!("{below}/{name}")
        };
        if record.directories.contains(inode) {
            files.insert(path.clone(), Thing::Directory);
            list(record, nodes, *inode, path, on_the_way, files);
        } else if let Some(target) = record.links.get(inode) {
            files.insert(path, Thing::Link(target.clone()));
        } else {
            let bytes = nodes
                .get(inode)
                .map(|node| node.bytes.clone())
                .unwrap_or_default();
            files.insert(path, Thing::File(bytes));
        }
    }
    on_the_way.remove(&directory);
}
