use std::fs::{self, DirEntry, Metadata};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use ignore::gitignore::Gitignore;
use pipeline_core::{ArtifactEntry, Digest, EntryKind, SourcePath};

use super::ignore_file::IGNORE_FILE;
use super::stamp::{Stamp, is_executable};
use super::{PackError, Refusal};
use crate::crew::crew;
use crate::form::{check_path, check_target, leads_out};
use crate::{LocalStore, limits};

/// Never packed, whatever lies above it: it is no content, and it changes with every command.
const ALWAYS_EXCLUDED: &str = ".git";

/// A tree before its bytes are read.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Sorted by the bytes of the path. The digests of files are zero.
    pub(super) entries: Vec<ArtifactEntry>,
    pub(super) stamps: Vec<Stamp>,
}

/// How a tree is listed: twice the same.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    pub(super) tree: &'a Path,
    pub(super) exclude: &'a [SourcePath],
    pub(super) ignored: &'a Gitignore,
    pub(super) store: &'a LocalStore,
    pub(super) threads: usize,
}

/// The directories that are still to be listed, for several threads.
#[derive(Debug)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    directories: Vec<String>,
    /// How many threads list one at the moment, and may find more.
    busy: usize,
    found: usize,
    failed: bool,
}

impl Scan<'_> {
    /// Lists the tree, sorted by the bytes of the path, and refuses what cannot be packed.
    pub(super) fn run(&self) -> Result<Tree, PackError> {
        if self.exclude.iter().any(|path| *path == SourcePath::root()) {
            return Err(refused(self.tree, Refusal::AllExcluded));
        }
        let root = fs::metadata(self.tree).map_err(|error| unreadable(self.tree, error))?;
        if !root.is_dir() {
            return Err(refused(self.tree, Refusal::NotADirectory));
        }
        if self.store.is_at(&root) {
            return Err(refused(self.tree, Refusal::Store));
        }
        let found = self.walk(Vec::new, |found, entry, stamp| found.push((entry, stamp)))?;
        let mut all: Vec<_> = found.into_iter().flatten().collect();
        // So that it does not matter in what order the system lists.
        all.sort_unstable_by(|(a, _), (b, _)| a.path.cmp(&b.path));
        let (entries, stamps) = all.into_iter().unzip();
        let tree = Tree { entries, stamps };
        refuse_same_case(&tree.entries)?;
        refuse_links_out(&tree.entries)?;
        Ok(tree)
    }

    /// Lists the tree again, and refuses it when it is not what was found. Holds no second list.
    pub(super) fn refuse_changed(&self, tree: &Tree) -> Result<(), PackError> {
        let seen: Vec<AtomicBool> = tree.entries.iter().map(|_| AtomicBool::new(false)).collect();
        let none = || None::<(String, &'static str)>;
        let worst = self.walk(none, |worst, now, stamp| {
            let path = now.path.as_str();
            let how = match tree.entries.binary_search_by(|then| then.path.as_str().cmp(path)) {
                Ok(index) => {
                    seen[index].store(true, Ordering::Relaxed);
                    let same = tree.entries[index] == now && tree.stamps[index] == stamp;
                    (!same).then_some("it is not what it was")
                }
                Err(_) => Some("it is new"),
            };
            if let Some(how) = how
                && worst.as_ref().is_none_or(|(first, _)| *first > now.path)
            {
                *worst = Some((now.path, how));
            }
        })?;
        let gone = seen.iter().position(|seen| !seen.load(Ordering::Relaxed));
        let gone = gone.map(|index| (tree.entries[index].path.clone(), "it is gone"));
        // The first by path, so that it is always the same one.
        match worst.into_iter().flatten().chain(gone).min() {
            Some((path, how)) => Err(changed(&path, how)),
            None => Ok(()),
        }
    }

    /// Shows every entry to one of several threads, each with something of its own.
    fn walk<T: Send>(
        &self,
        own: impl Fn() -> T + Sync,
        show: impl Fn(&mut T, ArtifactEntry, Stamp) + Sync,
    ) -> Result<Vec<T>, PackError> {
        let queue = Queue::new();
        crew(self.threads, || {
            let mut own = own();
            while let Some(directory) = queue.next() {
                let (mut more, mut found) = (Vec::new(), 0);
                let result = self.list(&directory, &mut |entry, stamp| {
                    found += 1;
                    if entry.kind == EntryKind::Directory {
                        more.push(entry.path.clone());
                    }
                    show(&mut own, entry, stamp);
                });
                let enough = queue.done(more, found, result.is_err());
                result?;
                if enough {
                    return Err(refused(self.tree, Refusal::TooMany));
                }
            }
            Ok(own)
        })
    }

    fn list(&self, below: &str, found: &mut dyn FnMut(ArtifactEntry, Stamp)) -> Result<(), PackError> {
        let dir = self.tree.join(below);
        for file in fs::read_dir(&dir).map_err(|error| unreadable(&dir, error))? {
            let file = file.map_err(|error| unreadable(&dir, error))?;
            let name = file.file_name();
            let Some(name) = name.to_str() else {
                return Err(refused(Path::new(below).join(name), Refusal::NotUtf8));
            };
            let path = if below.is_empty() {
                name.to_owned()
            } else {
                format!("{below}/{name}")
            };
            if name == ALWAYS_EXCLUDED
                || path == IGNORE_FILE
                || self.exclude.iter().any(|excluded| excluded.as_str() == path)
            {
                continue;
            }
            // Of the name itself: a link is not followed.
            let metadata = file.metadata().map_err(|error| unreadable(&file.path(), error))?;
            if self.ignored.matched(&path, metadata.is_dir()).is_ignore() {
                continue;
            }
            check_path(&path).map_err(|fault| refused(&path, Refusal::Path(fault)))?;
            let kind = kind(&path, &file, &metadata)?;
            if kind == EntryKind::Directory && self.store.is_at(&metadata) {
                return Err(refused(&path, Refusal::Store));
            }
            found(ArtifactEntry { path, kind }, Stamp::of(&metadata));
        }
        Ok(())
    }
}

impl Queue {
    fn new() -> Self {
        Self {
            state: Mutex::new(State {
                directories: vec![String::new()],
                busy: 0,
                found: 0,
                failed: false,
            }),
            changed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next directory; `None` when there is none and none can come.
    fn next(&self) -> Option<String> {
        let mut state = self.state();
        loop {
            if state.failed {
                return None;
            }
            if let Some(directory) = state.directories.pop() {
                state.busy += 1;
                return Some(directory);
            }
            if state.busy == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Says what came of a directory; whether there are too many entries now.
    fn done(&self, more: Vec<String>, found: usize, failed: bool) -> bool {
        let mut state = self.state();
        state.busy -= 1;
        state.directories.extend(more);
        state.found += found;
        let enough = state.found > limits::MAX_ENTRIES;
        state.failed |= failed || enough;
        self.changed.notify_all();
        enough
    }
}

fn kind(path: &str, file: &DirEntry, metadata: &Metadata) -> Result<EntryKind, PackError> {
    let file_type = metadata.file_type();
    if file_type.is_dir() {
        return Ok(EntryKind::Directory);
    }
    if file_type.is_file() {
        if metadata.len() > limits::MAX_FILE {
            return Err(refused(path, Refusal::TooLarge));
        }
        return Ok(EntryKind::File {
            size: metadata.len(),
            digest: Digest::ZERO,
            executable: is_executable(metadata),
        });
    }
    if file_type.is_symlink() {
        return link(path, &file.path());
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

fn link(path: &str, full: &Path) -> Result<EntryKind, PackError> {
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
    Ok(EntryKind::Symlink { target })
}

fn refuse_same_case(entries: &[ArtifactEntry]) -> Result<(), PackError> {
    // A number for each, not a copy: of a million paths, that matters.
    let folded = |index: u32| entries[index as usize].path.to_lowercase();
    let number = |path: &ArtifactEntry| {
        BuildHasherDefault::<DefaultHasher>::default().hash_one(path.path.to_lowercase())
    };
    let mut numbers: Vec<(u64, u32)> = entries.iter().map(number).zip(0..).collect();
    numbers.sort_unstable();
    let equal = numbers
        .chunk_by(|(a, _), (b, _)| a == b)
        .filter(|equal| equal.len() > 1);
    let clashes = equal.filter_map(|equal| {
        let earlier = |(at, two): (usize, u32)| {
            let mut before = equal[..at].iter().map(|(_, one)| *one);
            before
                .find(|one| folded(*one) == folded(two))
                .map(|one| (two, one))
        };
        let paths = equal.iter().map(|(_, index)| *index);
        paths.enumerate().find_map(earlier)
    });
    // The first by path, so that it is always the same one.
    let clash = clashes.min();
    match clash {
        Some((two, one)) => {
            let other = entries[one as usize].path.clone();
            Err(refused(&entries[two as usize].path, Refusal::CaseOnly { other }))
        }
        None => Ok(()),
    }
}

fn refuse_links_out(entries: &[ArtifactEntry]) -> Result<(), PackError> {
    let target = |entry: &ArtifactEntry| match &entry.kind {
        EntryKind::Symlink { target } => Some(target.clone()),
        _ => None,
    };
    let target_of = |path: &str| {
        let found = entries.binary_search_by(|entry| entry.path.as_str().cmp(path));
        Ok::<_, PackError>(found.ok().and_then(|index| target(&entries[index])))
    };
    for entry in entries {
        if let Some(target) = target(entry)
            && leads_out(&entry.path, &target, target_of)?
        {
            return Err(refused(&entry.path, Refusal::LeadsOut { target }));
        }
    }
    Ok(())
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
