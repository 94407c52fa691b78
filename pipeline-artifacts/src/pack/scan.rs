use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use ignore::gitignore::Gitignore;
use pipeline_core::{Digest, EntryKind, SourcePath};

use super::checks::{Folded, refuse_links_out, refused};
use super::fingerprint::Fingerprint;
use super::ignore_file::IGNORE_FILE;
use super::listing::{Listing, ListingWriter};
use super::queue::{News, Queue};
use super::record::{Record, write_rest};
use super::room::Room;
use super::sorter::{Sorter, merge};
use super::stamp::{Stamp, is_executable};
use super::totals::Totals;
use super::{PackError, Refusal};
use crate::crew::crew;
use crate::form::{Links, check_path, check_target};
use crate::store::Lease;
use crate::{LocalStore, limits};

/// Never packed, whatever lies above it: it is no content, and it changes with every command.
const ALWAYS_EXCLUDED: &str = ".git";

/// A tree before its bytes are read.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) listing: Listing,
    pub(super) totals: Totals,
    fingerprint: Fingerprint,
}

/// How a tree is listed: twice the same.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    pub(super) tree: &'a Path,
    pub(super) exclude: &'a [SourcePath],
    pub(super) ignored: &'a Gitignore,
    pub(super) store: &'a LocalStore,
    pub(super) lease: &'a Lease,
    pub(super) threads: usize,
    pub(super) room: Room,
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
        let (mut folded, mut links) = (Folded::default(), Links::default());
        let tree = self.sorted(|number, Record { entry, .. }| {
            folded.add(&entry.path);
            if matches!(entry.kind, EntryKind::Symlink { .. }) {
                links.add(&entry.path, number);
            }
        })?;
        folded.refuse_same(&tree.listing)?;
        refuse_links_out(&tree.listing, links)?;
        Ok(tree)
    }

    /// Lists the tree, sorted, and shows each entry with its number.
    fn sorted(&self, mut show: impl FnMut(u32, &Record)) -> Result<Tree, PackError> {
        let sorters = self.walk(
            || Sorter::new(self.lease, self.room.run),
            |sorter, path, kind, stamp| Ok(sorter.add(path, kind, stamp)?),
            |sorter| Ok(sorter.finish()?),
        )?;
        let (mut runs, mut fingerprint) = (Vec::new(), Fingerprint::default());
        for (more, print) in sorters {
            runs.extend(more);
            fingerprint.join(print);
        }
        let mut listing = ListingWriter::new(self.lease, self.room.listing);
        let mut totals = Totals::default();
        // So that it does not matter in what order the system lists.
        merge(&runs, self.room.merge, |record| {
            totals.add(&record.entry);
            show(listing.add(record)?, record);
            Ok(())
        })?;
        Ok(Tree {
            listing: listing.finish()?,
            totals,
            fingerprint,
        })
    }

    /// Lists the tree again, and refuses it when it is not what was found. Holds no second list, but when it has to tell
    /// what changed.
    pub(super) fn refuse_changed(&self, tree: &Tree) -> Result<(), PackError> {
        let prints = self.walk(
            || (Fingerprint::default(), Vec::new()),
            |(print, rest), path, kind, stamp| {
                rest.clear();
                write_rest(rest, kind, stamp);
                print.add(path, rest);
                Ok(())
            },
            |(print, _)| Ok(print),
        )?;
        let mut now = Fingerprint::default();
        prints.into_iter().for_each(|print| now.join(print));
        if now == tree.fingerprint {
            return Ok(());
        }
        let now = self.sorted(|_, _| {})?;
        // The first by path, so that it is always the same one.
        Err(match tree.listing.first_change(&now.listing)? {
            Some((path, how)) => changed(&path, how),
            None => changed(".", "something in it came and went"),
        })
    }

    /// Shows every entry to one of several threads, each with something of its own; what became of these.
    fn walk<T, R: Send>(
        &self,
        own: impl Fn() -> T + Sync,
        show: impl Fn(&mut T, &str, &EntryKind, &Stamp) -> Result<(), PackError> + Sync,
        end: impl Fn(T) -> Result<R, PackError> + Sync,
    ) -> Result<Vec<R>, PackError> {
        let queue = Queue::new(self.lease, self.room.pending)?;
        let work = || {
            let mut own = own();
            while let Some(directory) = queue.next()? {
                let mut news = News::default();
                let mut found = |path: &str, kind: &EntryKind, stamp: &Stamp| {
                    news.found += 1;
                    if *kind == EntryKind::Directory {
                        news.directories.push(path.to_owned());
                    }
                    if news.is_due() {
                        self.tell(&queue, &mut news)?;
                    }
                    show(&mut own, path, kind, stamp)
                };
                let result = self.list(&directory, &mut found);
                let result = result.and_then(|()| self.tell(&queue, &mut news));
                queue.done(result.is_err());
                result?;
            }
            end(own)
        };
        crew(self.threads, || work().inspect_err(|_| queue.fail()))
    }

    fn tell(&self, queue: &Queue<'_>, news: &mut News) -> Result<(), PackError> {
        if queue.tell(news)? {
            return Err(refused(self.tree, Refusal::TooMany));
        }
        Ok(())
    }

    fn list(
        &self,
        below: &str,
        found: &mut dyn FnMut(&str, &EntryKind, &Stamp) -> Result<(), PackError>,
    ) -> Result<(), PackError> {
        let dir = self.tree.join(below);
        let mut path = below.to_owned();
        if !below.is_empty() {
            path.push('/');
        }
        let directory = path.len();
        for file in fs::read_dir(&dir).map_err(|error| unreadable(&dir, error))? {
            let file = file.map_err(|error| unreadable(&dir, error))?;
            let name = file.file_name();
            let Some(name) = name.to_str() else {
                let path = Path::new(below).join(name);
                let is_dir = file.file_type().is_ok_and(|kind| kind.is_dir());
                if self.ignored.matched(&path, is_dir).is_ignore() {
                    continue;
                }
                return Err(refused(path, Refusal::NotUtf8));
            };
            path.truncate(directory);
            path.push_str(name);
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
            found(&path, &kind, &Stamp::of(&metadata))?;
        }
        Ok(())
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

pub(super) fn changed(path: &str, how: &'static str) -> PackError {
    let path = PathBuf::from(path);
    PackError::Changed { path, how }
}

pub(super) fn unreadable(path: &Path, source: io::Error) -> PackError {
    let path = path.to_owned();
    PackError::Io { path, source }
}

#[cfg(test)]
impl Tree {
    /// Of entries that are sorted.
    pub(super) fn of(entries: &[pipeline_core::ArtifactEntry], lease: &Lease, room: Room) -> Self {
        let mut listing = ListingWriter::new(lease, room.listing);
        let mut totals = Totals::default();
        for entry in entries {
            totals.add(entry);
            let (entry, stamp) = (entry.clone(), Stamp::default());
            listing.add(&Record { entry, stamp }).unwrap();
        }
        Self {
            listing: listing.finish().unwrap(),
            totals,
            fingerprint: Fingerprint::default(),
        }
    }
}
