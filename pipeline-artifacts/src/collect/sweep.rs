use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use pipeline_core::{Digest, SignedDuration, StoreError, Timestamp};

use super::{Collection, Live};
use crate::form::Manifest;
use crate::store::disk::{failed, make_dir, sync_dir};
use crate::store::{Gate, begins_as_manifest, digest_of};
use crate::{BlobId, LocalStore, limits};

/// So many blobs are moved before writers get their turn.
const BATCH: usize = 256;

/// The part of a collection that changes something.
#[derive(Debug)]
pub(super) struct Sweep<'a> {
    store: &'a LocalStore,
    how: &'a Collection,
    /// What was stored or reused since then may be needed by somebody who has not said so yet.
    since: SystemTime,
}

/// What became of a blob that is not needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Moved,
    Young,
    Orphan,
    Gone,
}

impl<'a> Sweep<'a> {
    /// Notes the moment. Call it before looking for what is needed.
    pub(super) fn begin(store: &'a LocalStore, how: &'a Collection) -> Result<Self, StoreError> {
        let gate = gate(store, how)?;
        let now = match how.dry_run {
            true => how.now.into(),
            false => file_system_time(store)?,
        };
        let since = store.needed_since(now)?;
        drop(gate);
        Ok(Self { store, how, since })
    }

    fn gate(&self) -> Result<Option<Gate>, StoreError> {
        gate(self.store, self.how)
    }

    /// Brings back from the trash what is needed; how many blobs.
    pub(super) fn restore(&self, live: &Live) -> Result<u64, StoreError> {
        let mut restored = 0;
        for (_, dir) in self.store.epochs()? {
            for (digest, _) in trashed(&dir)? {
                let needed = live.has(&digest) && !self.store.blob_path(&digest).exists();
                if needed && (self.how.dry_run || self.store.restore(&digest)?) {
                    restored += 1;
                }
            }
        }
        Ok(restored)
    }

    /// Moves to the trash what may be taken, and tells of each what became of it.
    ///
    /// Manifests go first, and that is on disk before the rest follows; what those need that stay, stays as well. So
    /// whenever this ends, by whatever, no manifest stays that misses a blob.
    pub(super) fn take(&self, candidates: &[BlobId], once: &Live) -> Result<Vec<(BlobId, Fate)>, StoreError> {
        let (manifests, others): (Vec<BlobId>, Vec<BlobId>) = candidates
            .iter()
            .partition(|blob| begins_as_manifest(&self.store.blob_path(&blob.digest)));
        let mut fates = self.take_part(&manifests, once, |_| None)?;
        let (mut young, mut orphans) = (Live::default(), Live::default());
        for (manifest, fate) in &fates {
            match fate {
                Fate::Young => young.with(self.store, manifest.digest)?,
                Fate::Orphan => orphans.with(self.store, manifest.digest)?,
                Fate::Moved | Fate::Gone => {}
            }
        }
        let stays = |digest: &Digest| {
            let young = young.has(digest).then_some(Fate::Young);
            young.or_else(|| orphans.has(digest).then_some(Fate::Orphan))
        };
        fates.extend(self.take_part(&others, once, stays)?);
        Ok(fates)
    }

    fn take_part(
        &self,
        part: &[BlobId],
        once: &Live,
        stays: impl Fn(&Digest) -> Option<Fate>,
    ) -> Result<Vec<(BlobId, Fate)>, StoreError> {
        let mut fates = Vec::with_capacity(part.len());
        for batch in part.chunks(BATCH) {
            let _gate = self.gate()?;
            for blob in batch {
                let fate = match stays(&blob.digest) {
                    Some(fate) => fate,
                    None => self.take_one(blob, once.has(&blob.digest))?,
                };
                fates.push((*blob, fate));
            }
        }
        if !self.how.dry_run && !part.is_empty() {
            sync_dir(&self.store.blobs_dir())?;
        }
        Ok(fates)
    }

    fn take_one(&self, blob: &BlobId, once: bool) -> Result<Fate, StoreError> {
        let age = match (once, self.how.orphans_after) {
            (true, _) => self.how.grace,
            (false, Some(age)) => age,
            (false, None) => return Ok(Fate::Orphan),
        };
        let path = self.store.blob_path(&blob.digest);
        let used = match fs::symlink_metadata(&path).and_then(|found| found.modified()) {
            Ok(used) => used,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Fate::Gone),
            Err(error) => return Err(failed("cannot read", &path)(error)),
        };
        if used >= self.since || !self.is_past(used, age) {
            return Ok(Fate::Young);
        }
        if self.how.dry_run
            || self
                .store
                .to_trash(&blob.digest, self.epoch(SignedDuration::ZERO))?
        {
            return Ok(Fate::Moved);
        }
        Ok(Fate::Gone)
    }

    /// Deletes what lies in the trash for longer than the grace period; how many blobs, and how many bytes.
    ///
    /// Manifests go first, each while nobody reads its artifact. What those need that stay, because one is read or lies
    /// there for less long, stays as well, whenever it was moved. Nobody can read the rest any more.
    pub(super) fn delete(&self) -> Result<(u64, u64), StoreError> {
        let before = self.epoch(self.how.grace);
        self.date_trash()?;
        let mut deleted = (0, 0);
        let mut staying = Live::default();
        let mut past = Vec::new();
        for (epoch, dir) in self.store.epochs()? {
            let _gate = self.gate()?;
            let (manifests, others): (Vec<_>, Vec<_>) = trashed(&dir)?
                .into_iter()
                .partition(|(digest, _)| begins_as_manifest(&dir.join(digest.hex())));
            for manifest in manifests {
                if epoch < before
                    && let Some(_claim) = self.store.claim_manifest(&manifest.0)?
                {
                    self.delete_one(&dir, manifest, &mut deleted)?;
                } else {
                    staying.with(self.store, manifest.0)?;
                }
            }
            if epoch < before {
                past.push((dir, others));
            }
        }
        for (dir, others) in past {
            let _gate = self.gate()?;
            let (stay, go): (Vec<_>, Vec<_>) =
                others.into_iter().partition(|(digest, _)| staying.has(digest));
            for blob in go {
                self.delete_one(&dir, blob, &mut deleted)?;
            }
            if !self.how.dry_run && stay.is_empty() && trashed(&dir)?.is_empty() {
                remove_dir(&dir)?;
            }
        }
        Ok(deleted)
    }

    /// What was moved by a clock that was ahead would lie there until that time comes: it counts from now on.
    fn date_trash(&self) -> Result<(), StoreError> {
        let now = self.epoch(SignedDuration::ZERO);
        let epochs = self.store.epochs()?.into_iter();
        let mut ahead = epochs.filter(|(epoch, _)| *epoch > now).peekable();
        if self.how.dry_run || ahead.peek().is_none() {
            return Ok(());
        }
        let _gate = self.gate()?;
        ahead.try_for_each(|(_, dir)| self.store.date_trash(&dir, now))
    }

    /// To be called before a blob is deleted: when it is attached to something, that may be there, or come back.
    fn forget_attached(&self, path: &Path, (digest, size): (Digest, u64)) -> Result<(), StoreError> {
        // It may have been attached again, and lie in the trash besides.
        if size > limits::MAX_MANIFEST || self.store.blob_path(&digest).exists() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|mut file| {
            (&mut file).take(1).read_to_end(&mut bytes)?;
            if bytes == b"{" {
                file.take(size).read_to_end(&mut bytes)?;
            }
            Ok(())
        });
        match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            read => read.map_err(failed("cannot read", path))?,
        }
        match Manifest::parse(&bytes).ok().and_then(|manifest| manifest.subject) {
            Some(subject) => self.store.remove_referrer(&subject.digest, &digest),
            None => Ok(()),
        }
    }

    fn delete_one(
        &self,
        dir: &Path,
        (digest, size): (Digest, u64),
        deleted: &mut (u64, u64),
    ) -> Result<(), StoreError> {
        let path = dir.join(digest.hex());
        if !self.how.dry_run {
            self.forget_attached(&path, (digest, size))?;
            match fs::remove_file(&path) {
                // Somebody needed it, and brought it back.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                gone => gone.map_err(failed("cannot delete", &path))?,
            }
        }
        deleted.0 += 1;
        deleted.1 += size;
        Ok(())
    }

    /// Whether something happened at least so long ago.
    fn is_past(&self, then: SystemTime, age: SignedDuration) -> bool {
        let then = Timestamp::try_from(then);
        then.is_ok_and(|then| self.how.now.duration_since(then) >= age)
    }

    /// An epoch is the second in which a collection began.
    fn epoch(&self, ago: SignedDuration) -> u64 {
        let second = self.how.now.as_second().saturating_sub(ago.as_secs());
        u64::try_from(second).unwrap_or(0)
    }
}

/// Writers wait while something is taken away; who only looks waits for that as they do.
fn gate(store: &LocalStore, how: &Collection) -> Result<Option<Gate>, StoreError> {
    match how.dry_run {
        true => store.look_lock(),
        false => store.sweep_lock().map(Some),
    }
}

/// What lies in the trash of an epoch, with sizes.
fn trashed(dir: &PathBuf) -> Result<Vec<(Digest, u64)>, StoreError> {
    let mut found = Vec::new();
    for file in fs::read_dir(dir).map_err(failed("cannot read", dir))? {
        let file = file.map_err(failed("cannot read", dir))?;
        let digest = digest_of(&file.file_name());
        let is = file.metadata().ok().filter(fs::Metadata::is_file);
        found.extend(digest.zip(is).map(|(digest, is)| (digest, is.len())));
    }
    Ok(found)
}

/// Removes the directory of an epoch, unless it holds what nobody knows.
fn remove_dir(dir: &Path) -> Result<(), StoreError> {
    match fs::remove_dir(dir) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound
            ) =>
        {
            Ok(())
        }
        removed => removed.map_err(failed("cannot delete", dir)),
    }
}

/// What time it is by the clock that stamps the blobs, read off a file that is written for it.
fn file_system_time(store: &LocalStore) -> Result<SystemTime, StoreError> {
    let path = store.root().join("cache/pulse");
    path.parent().map_or(Ok(()), make_dir)?;
    let open = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    open.and_then(|file| {
        file.write_all_at(b".", 0)?;
        file.metadata()?.modified()
    })
    .map_err(failed("cannot write", &path))
}
