use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Mutex, PoisonError};

use pipeline_core::digest::DigestBuilder;
use pipeline_core::{ArtifactEntry, StoreError};

use super::digests::{DigestWriter, Digests};
use super::plan::{LayerPlan, Piece, Plan};
use super::record::Record;
use super::root::Root;
use super::scan::Tree;
use super::source::{Opener, Source};
use super::{PackError, Progress};
use crate::LocalStore;
use crate::form::{END, header, padding};
use crate::store::{BlobId, BlobWriter, Lease, Unplaced};

/// What several threads do together: they take one layer of the plan after another and make a blob of it.
pub(super) struct Work<'a, W> {
    pub(super) root: &'a Root,
    pub(super) tree: &'a Tree,
    pub(super) plan: &'a Plan,
    pub(super) digests: &'a Digests,
    pub(super) store: &'a LocalStore,
    pub(super) lease: &'a Lease,
    #[cfg(any(feature = "chunking", feature = "zstd"))]
    pub(super) form: Form,
    pub(super) watch: Mutex<Watch<W>>,
    pub(super) next: AtomicUsize,
    pub(super) stop: AtomicBool,
}

/// How the bytes of layers are stored.
#[cfg(any(feature = "chunking", feature = "zstd"))]
#[derive(Debug, Default)]
pub(super) struct Form {
    /// Where large files are cut, if they are.
    #[cfg(feature = "chunking")]
    pub(super) chunks: Option<super::chunks::Chunks>,
    /// The level of compression, if there is one.
    #[cfg(feature = "zstd")]
    pub(super) level: Option<i32>,
}

/// A layer that was made.
#[derive(Debug, Clone, Copy)]
pub(super) struct MadeLayer {
    /// Which one of the plan.
    pub(super) number: usize,
    pub(super) blob: BlobId,
    /// How many bytes it has before compression.
    pub(super) size: u64,
}

/// Whoever watches, and what to tell next.
pub(super) struct Watch<W> {
    pub(super) call: W,
    pub(super) done: u64,
    pub(super) total: u64,
}

/// What one thread holds from layer to layer.
struct Hand<'a> {
    /// Of bundles.
    buffer: Vec<u8>,
    opener: Opener<'a>,
    digests: DigestWriter<'a>,
}

impl<W> Work<'_, W>
where
    W: FnMut(Progress<'_>) -> ControlFlow<()> + Send,
{
    /// Makes layers until there are no more. Blobs that are complete go to `place`, which flushes them while the next
    /// ones are made; when nobody takes them any more, it ends, and that one says why. The layers that it made; several of
    /// one number are the pieces of one file, in their order.
    pub(super) fn run(&self, place: &SyncSender<Unplaced>) -> Result<Vec<MadeLayer>, PackError> {
        let result = self.layers(place);
        if result.is_err() {
            self.stop.store(true, Ordering::Relaxed);
        }
        result
    }

    /// Flushes and names blobs that are complete, until there are no more. When one cannot be, no more are made.
    pub(super) fn place(&self, blobs: &Mutex<Receiver<Unplaced>>) -> Result<(), StoreError> {
        let next = || blobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        while let Ok(blob) = next() {
            if let Err(error) = self.store.place(blob) {
                self.stop.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
        Ok(())
    }

    fn layers(&self, place: &SyncSender<Unplaced>) -> Result<Vec<MadeLayer>, PackError> {
        let mut made = Vec::new();
        let mut hand = Hand {
            buffer: Vec::new(),
            opener: Opener::new(self.root),
            digests: DigestWriter::new(self.digests),
        };
        // The large ones first: they take longest.
        let is_large = |layer: &LayerPlan| matches!(layer, LayerPlan::Large { .. });
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
            let mut give = |unplaced: Unplaced| {
                made.push(MadeLayer {
                    number,
                    blob: unplaced.blob(),
                    size: unplaced.plain(),
                });
                place.send(unplaced).is_ok()
            };
            let taken = match layer {
                LayerPlan::Bundle(pieces) => give(self.bundle(pieces, &mut hand)?),
                #[cfg(feature = "chunking")]
                LayerPlan::Large { index, .. } if self.form.chunks.is_some() => {
                    self.chunked(*index, &mut hand, give)?
                }
                #[cfg(feature = "zstd")]
                LayerPlan::Large { index, .. } if self.form.level.is_some() => {
                    give(self.bundle(&[Piece::Content(*index)], &mut hand)?)
                }
                LayerPlan::Large { index, .. } => {
                    let unplaced = self.large(*index, &mut hand)?;
                    hand.digests.add(*index, &unplaced.blob().digest)?;
                    give(unplaced)
                }
            };
            if !taken {
                break;
            }
        }
        hand.digests.flush()?;
        Ok(made)
    }

    fn bundle(&self, pieces: &[Piece], hand: &mut Hand<'_>) -> Result<Unplaced, PackError> {
        let listing = &self.tree.listing;
        let mut writer = self.writer(std::mem::take(&mut hand.buffer))?;
        for piece in pieces {
            match piece {
                Piece::Whole(group, range) => {
                    let mut cursor = listing.from(range.start)?;
                    while let Some((index, record)) = cursor.next()?
                        && index < range.end
                    {
                        if !group.has(&record.entry.kind, self.plan.large) {
                            continue;
                        }
                        writer.write_all(&header(&record.entry))?;
                        if let Some(size) = record.entry.kind.size() {
                            self.file(index, record, &mut writer, hand)?;
                            writer.write_all(&END[..padding(size)])?;
                        }
                    }
                }
                Piece::Header(index) => writer.write_all(&header(&listing.get(*index)?.entry))?,
                #[cfg(feature = "zstd")]
                Piece::Content(index) => self.file(*index, &listing.get(*index)?, &mut writer, hand)?,
                Piece::Padding(zeros) => writer.write_all(&END[..*zeros])?,
                Piece::End => writer.write_all(&END)?,
            }
        }
        let (unplaced, buffer) = writer.finish()?;
        hand.buffer = buffer;
        Ok(unplaced)
    }

    fn writer(&self, buffer: Vec<u8>) -> Result<BlobWriter, PackError> {
        let writer = BlobWriter::new(self.store, self.lease, buffer);
        #[cfg(feature = "zstd")]
        if let Some(level) = self.form.level {
            return Ok(writer.compressed(level)?);
        }
        Ok(writer)
    }

    /// Copies a file into a bundle.
    fn file(
        &self,
        index: u32,
        record: &Record,
        writer: &mut BlobWriter,
        hand: &mut Hand<'_>,
    ) -> Result<(), PackError> {
        let mut source = self.open(record, hand)?;
        let mut hasher = DigestBuilder::new();
        copy(
            &mut source,
            record.entry.kind.size().unwrap_or(0),
            writer,
            &mut hasher,
        )?;
        Ok(hand.digests.add(index, &hasher.finish())?)
    }

    fn large(&self, index: u32, hand: &mut Hand<'_>) -> Result<Unplaced, PackError> {
        let record = self.tree.listing.get(index)?;
        let mut source = self.open(&record, hand)?;
        let size = record.entry.kind.size().unwrap_or(0);
        self.store.write_large(self.lease, size, |buffer| {
            let mut filled = 0;
            while filled < buffer.len() {
                filled += source.read(&mut buffer[filled..])?;
            }
            Ok(())
        })
    }

    /// Makes a layer of each piece of a large file; whether all were taken.
    #[cfg(feature = "chunking")]
    fn chunked(
        &self,
        index: u32,
        hand: &mut Hand<'_>,
        mut give: impl FnMut(Unplaced) -> bool,
    ) -> Result<bool, PackError> {
        let chunks = self.form.chunks.as_ref();
        let pieces = chunks.map(|chunks| chunks.of(index)).unwrap_or_default();
        let record = self.tree.listing.get(index)?;
        let mut source = self.open(&record, hand)?;
        let mut hasher = DigestBuilder::new();
        for size in pieces {
            let mut writer = self.writer(std::mem::take(&mut hand.buffer))?;
            copy(&mut source, *size, &mut writer, &mut hasher)?;
            let (unplaced, buffer) = writer.finish()?;
            hand.buffer = buffer;
            if !give(unplaced) {
                return Ok(false);
            }
        }
        hand.digests.add(index, &hasher.finish())?;
        Ok(true)
    }

    fn open<'a, 'b>(&self, record: &'b Record, hand: &mut Hand<'a>) -> Result<Source<'b>, PackError>
    where
        'a: 'b,
    {
        self.tell(&record.entry)?;
        hand.opener.open(record)
    }

    fn tell(&self, entry: &ArtifactEntry) -> Result<(), PackError> {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let Watch { call, done, total } = &mut *watch;
        let progress = Progress {
            path: &entry.path,
            done: *done,
            total: *total,
        };
        if call(progress).is_break() {
            return Err(PackError::Stopped);
        }
        *done = done.saturating_add(entry.kind.size().unwrap_or(0));
        Ok(())
    }
}

/// Copies bytes of a file into a layer, straight from the system into its buffer.
fn copy(
    source: &mut Source<'_>,
    mut left: u64,
    writer: &mut BlobWriter,
    hasher: &mut DigestBuilder,
) -> Result<(), PackError> {
    while left > 0 {
        let spare = writer.spare()?;
        let most = spare.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = source.read(&mut spare[..most])?;
        hasher.update(&spare[..read]);
        writer.advance(read);
        left -= read as u64;
    }
    Ok(())
}
