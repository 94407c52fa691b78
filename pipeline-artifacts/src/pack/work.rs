use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Mutex, PoisonError};

use pipeline_core::digest::DigestBuilder;
use pipeline_core::{Digest, EntryKind};
use rustix::fs::OFlags;

use super::plan::{LayerPlan, Piece, Plan};
use super::scan::{Tree, changed, unreadable};
use super::{PackError, Progress};
use crate::LocalStore;
use crate::form::{END, header, padding};
use crate::store::{BlobId, BlobWriter, Lease, Unplaced};

/// What several threads do together: they take one layer of the plan after another and make a blob of it.
pub(super) struct Work<'a, W> {
    pub(super) root: &'a Path,
    pub(super) tree: &'a Tree,
    pub(super) plan: &'a Plan,
    pub(super) store: &'a LocalStore,
    pub(super) lease: &'a Lease,
    pub(super) watch: Mutex<Watch<W>>,
    pub(super) next: AtomicUsize,
    pub(super) stop: AtomicBool,
}

/// Whoever watches, and what to tell next.
pub(super) struct Watch<W> {
    pub(super) call: W,
    pub(super) done: u64,
    pub(super) total: u64,
}

/// What one thread made.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// The blobs of each layer of the plan that it took.
    pub(super) layers: Vec<(usize, BlobId)>,
    /// The digests of files, by the index of their entry.
    pub(super) digests: Vec<(u32, Digest)>,
}

impl<W> Work<'_, W>
where
    W: FnMut(Progress<'_>) -> ControlFlow<()> + Send,
{
    /// Makes layers until there are no more. Blobs that are complete go to `place`, which flushes them while the next
    /// ones are made; when nobody takes them any more, it ends, and that one says why.
    pub(super) fn run(&self, place: &SyncSender<Unplaced>) -> Result<Made, PackError> {
        let result = self.layers(place);
        if result.is_err() {
            self.stop.store(true, Ordering::Relaxed);
        }
        result
    }

    fn layers(&self, place: &SyncSender<Unplaced>) -> Result<Made, PackError> {
        let mut made = Made::default();
        let mut buffer = Vec::new();
        // The large ones first: they take longest.
        let is_large = |layer: &LayerPlan| matches!(layer, LayerPlan::Large(_));
        let layers = || self.plan.layers.iter().enumerate();
        let large = layers().filter(|(_, layer)| is_large(layer));
        let mut tasks = large.chain(layers().filter(|(_, layer)| !is_large(layer)));
        let mut taken = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let take = self.next.fetch_add(1, Ordering::Relaxed);
            let Some((number, layer)) = tasks.nth(take - taken) else {
                break;
            };
            taken = take + 1;
            let unplaced = match layer {
                LayerPlan::Bundle(pieces) => {
                    let given = std::mem::take(&mut buffer);
                    let (unplaced, back) = self.bundle(pieces, given, &mut made.digests)?;
                    buffer = back;
                    unplaced
                }
                LayerPlan::Large(index) => {
                    let unplaced = self.large(*index)?;
                    made.digests.push((*index, unplaced.blob().digest));
                    unplaced
                }
            };
            made.layers.push((number, unplaced.blob()));
            if place.send(unplaced).is_err() {
                break;
            }
        }
        Ok(made)
    }

    fn bundle(
        &self,
        pieces: &[Piece],
        buffer: Vec<u8>,
        digests: &mut Vec<(u32, Digest)>,
    ) -> Result<(Unplaced, Vec<u8>), PackError> {
        let mut writer = BlobWriter::new(self.store, self.lease, buffer);
        for piece in pieces {
            match piece {
                Piece::Whole(index) | Piece::Header(index) => {
                    let entry = &self.tree.entries[*index as usize];
                    writer.write_all(&header(entry))?;
                    if let (Piece::Whole(_), EntryKind::File { size, .. }) = (piece, &entry.kind) {
                        digests.push((*index, self.file(*index, *size, &mut writer)?));
                        writer.write_all(&END[..padding(*size)])?;
                    }
                }
                Piece::Padding(index) => {
                    let size = self.size(*index);
                    writer.write_all(&END[..padding(size)])?;
                }
                Piece::End => writer.write_all(&END)?,
            }
        }
        Ok(writer.finish()?)
    }

    /// Copies a file into a bundle, straight from the system into its buffer.
    fn file(&self, index: u32, size: u64, writer: &mut BlobWriter) -> Result<Digest, PackError> {
        let mut source = self.open(index)?;
        let mut hasher = DigestBuilder::new();
        let mut left = size;
        while left > 0 {
            let spare = writer.spare()?;
            let most = spare.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = source.read(&mut spare[..most])?;
            if read == 0 {
                return Err(changed(source.path, "it became shorter"));
            }
            hasher.update(&spare[..read]);
            writer.advance(read);
            left -= read as u64;
        }
        Ok(hasher.finish())
    }

    fn large(&self, index: u32) -> Result<Unplaced, PackError> {
        let mut source = self.open(index)?;
        let mut left = self.size(index);
        self.store.write_large(self.lease, |buffer| {
            let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let mut filled = 0;
            while filled < most {
                match source.read(&mut buffer[filled..most])? {
                    0 => return Err(changed(source.path, "it became shorter")),
                    read => filled += read,
                }
            }
            left -= filled as u64;
            Ok(filled)
        })
    }

    fn size(&self, index: u32) -> u64 {
        match self.tree.entries[index as usize].kind {
            EntryKind::File { size, .. } => size,
            _ => 0,
        }
    }

    /// Opens a file, which must be the one that was found. Whether it still is afterwards, the second scan tells.
    fn open(&self, index: u32) -> Result<Source<'_>, PackError> {
        let entry = &self.tree.entries[index as usize];
        let path = entry.path.as_str();
        self.tell(path, self.size(index))?;
        let full = self.root.join(path);
        // What was put in its place meanwhile is not waited for, and a link is not followed.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(flags.cast_signed())
            .open(&full);
        let file = opened.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => changed(path, "it is gone"),
            io::ErrorKind::PermissionDenied => unreadable(&full, error),
            _ if full.symlink_metadata().is_ok_and(|found| !found.is_file()) => {
                changed(path, "it is not what it was")
            }
            _ => unreadable(&full, error),
        })?;
        let metadata = file.metadata().map_err(|error| unreadable(&full, error))?;
        if !self.tree.stamps[index as usize].is(&entry.kind, &metadata) {
            return Err(changed(path, "it is not what it was"));
        }
        Ok(Source {
            path,
            root: self.root,
            file,
        })
    }

    fn tell(&self, path: &str, size: u64) -> Result<(), PackError> {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let Watch { call, done, total } = &mut *watch;
        let progress = Progress {
            path,
            done: *done,
            total: *total,
        };
        if call(progress).is_break() {
            return Err(PackError::Stopped);
        }
        *done = done.saturating_add(size);
        Ok(())
    }
}

struct Source<'a> {
    path: &'a str,
    root: &'a Path,
    file: File,
}

impl Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, PackError> {
        loop {
            match self.file.read(buffer) {
                Ok(read) => return Ok(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(&self.root.join(self.path), error)),
            }
        }
    }
}
