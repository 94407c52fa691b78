use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;

use pipeline_core::StoreError;

use super::sweep::{Fate, Sweep};
use super::{CollectError, Collected, Collection, Live};
use crate::LocalStore;
use crate::store::disk::{failed, make_dir};
use crate::store::{Locked, digest_of};

/// Held by the one collection that runs.
const LOCK: &str = "cache/collect.lock";

impl LocalStore {
    /// Takes away what nothing needs any more; others may write and read meanwhile. What it takes is moved to the trash,
    /// where readers still find it and writers bring it back from, and is deleted by a collection after the grace period.
    ///
    /// Why it takes nothing that a writer needs: it notes the moment when it begins, or when the oldest
    /// [lease](crate::Lease) began that lives then, and takes no blob that was stored or reused since. Whoever refers to
    /// a blob after the collection has looked holds a lease since before that moment, or stored, reused or published
    /// later than it; both give the blob a later time. Killed at any moment it leaves some blobs in the trash
    /// that nothing needs.
    ///
    /// A [dry run](Collection::dry_run) writes nothing and needs no right to write: somebody else's store, or one on a
    /// read-only file system, can be planned for. It goes by the time of the [`Collection`] where a collection asks the file
    /// system's clock, and knows nothing of what writers store, publish or remove after it has looked: the collection looks
    /// again.
    ///
    /// # Errors
    ///
    /// [`CollectError::Unknown`] when it cannot be known what is needed: nothing is taken then.
    /// [`CollectError::Busy`] when another one runs.
    ///
    /// ```
    /// use pipeline_artifacts::{Collection, InUse, LocalStore};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let now: pipeline_core::Timestamp = "2026-11-25T12:00:00Z".parse()?;
    /// let store = LocalStore::open(dir.path().join("store"))?;
    /// let plan = store.add_blob(b"the action plan of run 7")?;
    /// let collection = Collection::new(now).in_use([InUse::new(plan, "run 7 names it")]).dry_run();
    /// let collected = store.collect(&collection)?;
    /// assert_eq!((collected.live, collected.moved.len()), (1, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn collect(&self, how: &Collection) -> Result<Collected, CollectError> {
        let _alone = self.alone(how.dry_run)?;
        let sweep = Sweep::begin(self, how)?;
        let mut live = Live::of(self, &how.in_use)?;
        let once = live.once(self)?;
        let mut collected = Collected {
            dry_run: how.dry_run,
            live: live.blobs.len() as u64,
            ..Collected::default()
        };
        collected.restored = sweep.restore(&live)?;
        let candidates: Vec<_> = self
            .list_blobs()?
            .into_iter()
            .filter(|blob| !live.has(&blob.digest))
            .collect();
        for (blob, fate) in sweep.take(&candidates, &once)? {
            match fate {
                Fate::Moved => collected.moved.push(blob),
                Fate::Young => collected.young += 1,
                Fate::Orphan => collected.orphans += 1,
                Fate::Gone => {}
            }
        }
        (collected.deleted, collected.freed) = sweep.delete()?;
        if !how.dry_run {
            self.clean_leftovers();
            self.forget_referrers(&live)?;
        }
        Ok(collected)
    }

    /// Held by a collection, or together by those that only look. They make no lock where there is none, or none that they may
    /// read: then nothing says that a collection runs.
    fn alone(&self, dry_run: bool) -> Result<Option<Locked>, CollectError> {
        let path = self.root().join(LOCK);
        let lock = if dry_run {
            let Ok(lock) = File::open(&path) else {
                return Ok(None);
            };
            Locked::try_shared(lock)
        } else {
            path.parent().map_or(Ok(()), make_dir)?;
            let lock = File::options().create(true).append(true).open(&path);
            Locked::try_alone(lock.map_err(failed("cannot open", &path))?)
        };
        let lock = lock.map_err(failed("cannot lock", &path))?;
        lock.ok_or(CollectError::Busy).map(Some)
    }

    /// Removes what was attached to manifests that are gone, from the trash too.
    fn forget_referrers(&self, live: &Live) -> Result<(), StoreError> {
        let _gate = self.sweep_lock()?;
        let dir = self.root().join("referrers");
        let mut gone = BTreeSet::new();
        let files = match fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            files => files.map_err(failed("cannot read", &dir))?,
        };
        for file in files {
            let file = file.map_err(failed("cannot read", &dir))?;
            let is_dir = file.file_type().is_ok_and(|kind| kind.is_dir());
            let subject = digest_of(&file.file_name()).filter(|_| is_dir);
            if let Some(subject) = subject.filter(|subject| !live.has(subject))
                && self.blob_size(&subject)?.is_none()
            {
                gone.insert(self.referrers_dir(&subject));
            }
        }
        for dir in gone {
            fs::remove_dir_all(&dir).map_err(failed("cannot delete", &dir))?;
        }
        Ok(())
    }
}
