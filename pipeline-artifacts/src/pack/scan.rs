use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ignore::gitignore::Gitignore;
use pipeline_core::{Digest, EntryKind, SourcePath};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Stat, readlinkat, statat};

use super::checks::{Folded, refuse_links_out, refused};
use super::error::{changed, unreadable};
use super::fingerprint::Fingerprint;
use super::ignore_file::IGNORE_FILE;
use super::listing::{Listing, ListingWriter};
use super::queue::{News, Queue};
use super::record::{Record, write_rest};
use super::room::Room;
use super::root::Root;
use super::sorter::{Sorter, merge};
use super::stamp::{Stamp, is, is_executable, size_of_file};
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
    pub(super) root: &'a Root,
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
        let tree = self.root.full("");
        if self.exclude.iter().any(|path| *path == SourcePath::root()) {
            return Err(refused(tree, Refusal::AllExcluded));
        }
        if self.store.is_at(&self.root.stat()?) {
            return Err(refused(tree, Refusal::Store));
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
            return Err(refused(self.root.full(""), Refusal::TooMany));
        }
        Ok(())
    }

    pub(super) fn list(
        &self,
        below: &str,
        found: &mut dyn FnMut(&str, &EntryKind, &Stamp) -> Result<(), PackError>,
    ) -> Result<(), PackError> {
        let (directory, list) = self.root.list(below)?;
        let mut path = below.to_owned();
        if !below.is_empty() {
            path.push('/');
        }
        let above = path.len();
        for file in list {
            let file = file.map_err(|error| unreadable(&self.root.full(below), error.into()))?;
            let name = match file.file_name().to_bytes() {
                b"." | b".." => continue,
                name => OsStr::from_bytes(name),
            };
            let full = || self.root.full(below).join(name);
            // Of the name itself: a link is not followed.
            let stat = || {
                let stat = statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW);
                stat.map_err(|error| unreadable(&full(), error.into()))
            };
            let Some(name) = name.to_str() else {
                let path = Path::new(below).join(name);
                if self.is_ignored(&path, &stat()?) {
                    continue;
                }
                return Err(refused(path, Refusal::NotUtf8));
            };
            path.truncate(above);
            path.push_str(name);
            if name == ALWAYS_EXCLUDED
                || path == IGNORE_FILE
                || self.exclude.iter().any(|excluded| excluded.as_str() == path)
            {
                continue;
            }
            let stat = stat()?;
            if self.is_ignored(Path::new(&path), &stat) {
                continue;
            }
            check_path(&path).map_err(|fault| refused(&path, Refusal::Path(fault)))?;
            let kind = kind(&path, &stat, || target(&path, &directory, name, full))?;
            if kind == EntryKind::Directory && self.store.is_at(&stat) {
                return Err(refused(&path, Refusal::Store));
            }
            found(&path, &kind, &Stamp::of(&stat))?;
        }
        Ok(())
    }

    fn is_ignored(&self, path: &Path, found: &Stat) -> bool {
        let is_dir = is(found, FileType::Directory);
        self.ignored.matched(path, is_dir).is_ignore()
    }
}

fn kind(
    path: &str,
    found: &Stat,
    target: impl FnOnce() -> Result<String, PackError>,
) -> Result<EntryKind, PackError> {
    let what = match FileType::from_raw_mode(found.st_mode) {
        FileType::Directory => return Ok(EntryKind::Directory),
        FileType::RegularFile if size_of_file(found) > limits::MAX_FILE => {
            return Err(refused(path, Refusal::TooLarge));
        }
        FileType::RegularFile => {
            return Ok(EntryKind::File {
                size: size_of_file(found),
                digest: Digest::ZERO,
                executable: is_executable(found),
            });
        }
        FileType::Symlink => return Ok(EntryKind::Symlink { target: target()? }),
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
        _ => "device",
    };
    Err(refused(path, Refusal::Special { what }))
}

/// What a link says.
fn target(
    path: &str,
    directory: &OwnedFd,
    name: &str,
    full: impl Fn() -> PathBuf,
) -> Result<String, PackError> {
    let target = readlinkat(directory, name, Vec::new());
    let target = target.map_err(|error| unreadable(&full(), error.into()))?;
    let fault = |fault: String| refused(path, Refusal::Target { fault });
    let Ok(target) = target.into_string() else {
        return Err(fault("the path is not UTF-8".to_owned()));
    };
    if target.starts_with('/') {
        return Err(refused(path, Refusal::AbsoluteLink { target }));
    }
    check_target(&target).map_err(|found| fault(found.to_string()))?;
    Ok(target)
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
