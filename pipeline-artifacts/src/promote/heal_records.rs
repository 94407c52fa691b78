use std::path::PathBuf;

use pipeline_core::{ArtifactName, ArtifactRef, ChainDisplay, Digest, StoreError};
use semver::Version;

use crate::catalog::{Layout, as_far_as_known};
use crate::{CatalogEntry, LocalStore, Mark, StoreReport};

/// What healing the catalog did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealedRecords {
    /// What has a record again.
    pub healed: Vec<ArtifactRef>,
    /// The marks that are there again.
    pub marks: Vec<Mark>,
    /// The files of records and marks that stay as they are, relative to the root of the store, and why.
    pub left: Vec<(PathBuf, String)>,
}

impl LocalStore {
    /// Takes from another store each record that a [verification](LocalStore::verify) found damaged. A damaged record cannot
    /// say which artifact its version stands for. When the index in `cache/` still knows, the other store must say the same;
    /// otherwise it is believed: take a store that you trust as much as this one, and hold the answer against the journal of
    /// the releases, which names the digests, too. The blobs of the artifact must be here, or be
    /// [promoted](crate::Promotion) before.
    ///
    /// A damaged mark (`1.4.0~1.json`), or one that is gone, keeps every list of the name from being read, and a collection with
    /// it. What happened to a version differs from store to store, so a mark is taken only from what looks like a copy of this store:
    ///
    /// - the version stands for the same artifact there;
    /// - every mark of it that can be read both here and there is the same;
    /// - when the index in `cache/` still knows how the version stands, the marks there come to the same;
    /// - when nothing here speaks for it, neither the index nor a mark after it, the marks there do not come to a version
    ///   that was [removed](crate::MarkKind::Removed): bytes are not given up on the word of another store.
    ///
    /// Damaged files stay in the quarantine, named for the digest of their bytes.
    ///
    /// # Errors
    ///
    /// When this store cannot be written to. What the other one does not have, or has damaged itself, is in the answer.
    ///
    /// ```
    /// use pipeline_artifacts::LocalStore;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// let store = LocalStore::open(dir.path().join("store"))?;
    /// let mirror = LocalStore::open(dir.path().join("mirror"))?;
    /// let healed = store.heal_records(&store.verify()?, &mirror)?;
    /// assert!(healed.left.is_empty(), "nothing was wrong");
    /// # Ok(())
    /// # }
    /// ```
    pub fn heal_records(&self, report: &StoreReport, from: &Self) -> Result<HealedRecords, StoreError> {
        let mut done = HealedRecords::default();
        for problem in &report.problems {
            if let Some((name, version)) = problem.record() {
                match self.heal_record(&name, &version, from)? {
                    Ok(artifact) => done.healed.push(artifact),
                    Err(why) => done.left.push((problem.path.clone(), why)),
                }
            } else if let Some((name, version, number)) = problem.mark() {
                match self.heal_mark(&name, &version, number, from)? {
                    Ok(mark) => done.marks.push(mark),
                    Err(why) => done.left.push((problem.path.clone(), why)),
                }
            }
        }
        Ok(done)
    }

    /// The artifact whose record was taken, or why none was.
    fn heal_record(
        &self,
        name: &ArtifactName,
        version: &Version,
        from: &Self,
    ) -> Result<Result<ArtifactRef, String>, StoreError> {
        let theirs = match from.catalog().record(name, version) {
            Ok(Some(theirs)) => theirs,
            Ok(None) => return Ok(Err("the other store does not have it".to_owned())),
            Err(error) => return Ok(Err(ChainDisplay(&error).to_string())),
        };
        let digest = theirs.artifact.digest;
        // The index may know what the record said.
        if let Some(known) = self.known(name, version).filter(|known| *known != digest) {
            return Ok(Err(format!("the other store says {digest}; here it was {known}")));
        }
        let _lease = self.lease()?;
        let whole = |error: StoreError| {
            let why = ChainDisplay(&error);
            format!("{digest} is not whole here, promote it first: {why}")
        };
        let needed = match self.needed(&digest) {
            Ok(needed) => needed,
            Err(error) => return Ok(Err(whole(error))),
        };
        // Not before: a layout that was locked for nothing has lost its seal.
        let layout = Layout::of(self, name);
        let change = layout.lock()?;
        {
            let _gate = self.commit_lock()?;
            // Somebody else may have healed it.
            match self.catalog().record(name, version) {
                Ok(Some(found)) if found.artifact.digest == digest => return Ok(Ok(found.artifact)),
                Ok(Some(found)) => {
                    let found = found.artifact.digest;
                    return Ok(Err(format!("it is whole, and says {found} instead of {digest}")));
                }
                Ok(None) | Err(_) => {}
            }
            if let Err(error) = self.keep(&needed) {
                return Ok(Err(whole(error)));
            }
            if !self.catalog().replace(&theirs)? {
                return Ok(Err("it is no file: move it away first".to_owned()));
            }
        }
        as_far_as_known(change.anew())?;
        Ok(Ok(theirs.artifact))
    }

    /// What the index says of a version, if it says anything.
    fn known(&self, name: &ArtifactName, version: &Version) -> Option<Digest> {
        self.known_entry(name, version).map(|entry| entry.digest)
    }

    pub(super) fn known_entry(&self, name: &ArtifactName, version: &Version) -> Option<CatalogEntry> {
        self.catalog().known(name)?.get(version).cloned()
    }
}
