use std::collections::BTreeSet;

use pipeline_core::{ArtifactName, Digest, StoreError};
use semver::Version;

use super::{CollectError, InUse};
use crate::form::Manifest;
use crate::{LocalStore, limits};

/// What is needed: everything that can be reached from some manifests.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub(super) blobs: BTreeSet<Digest>,
}

impl Live {
    /// Everything that is published and not removed, and everything that is in use.
    pub(crate) fn of(store: &LocalStore, in_use: &[InUse]) -> Result<Self, CollectError> {
        Self::without(store, in_use, &BTreeSet::new())
    }

    /// The same, as if these versions were removed already.
    pub(crate) fn without(
        store: &LocalStore,
        in_use: &[InUse],
        removed: &BTreeSet<(ArtifactName, Version)>,
    ) -> Result<Self, CollectError> {
        let mut live = Self::default();
        let unknown = |what: String| move |source| CollectError::Unknown { what, source };
        for versions in store.catalog().all()? {
            let name = versions.name();
            for entry in versions.kept() {
                if removed.contains(&(name.clone(), entry.version.clone())) {
                    continue;
                }
                let Err(error) = live.manifest(store, entry.digest) else {
                    continue;
                };
                // Somebody may have removed it since the list was read, and a collection have taken it.
                let standing = store.catalog().standing(name, &entry.version)?;
                if standing.removed.is_none() {
                    return Err(unknown(format!("{name} {}", entry.version))(error));
                }
            }
        }
        for used in in_use {
            let found = live.used(store, used.digest, Damage::Refuse);
            found.map_err(unknown(format!(
                "{}, which is in use ({}),",
                used.digest, used.reason
            )))?;
        }
        Ok(live)
    }

    /// What the removed versions had, whether others have it too or not. What is gone of it is no error: that is what
    /// removing is for. What somebody reads at this moment is needed as long.
    pub(super) fn once(&mut self, store: &LocalStore) -> Result<Self, StoreError> {
        let mut once = Self::default();
        for versions in store.catalog().all()? {
            for entry in versions.entries().iter().filter(|entry| entry.removed) {
                once.used(store, entry.digest, Damage::Ignore)?;
                match store.claim_manifest(&entry.digest) {
                    Ok(None) => self.used(store, entry.digest, Damage::Ignore)?,
                    Ok(Some(_)) | Err(StoreError::NotFound { .. } | StoreError::Damaged { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(once)
    }

    /// Adds what a manifest needs that stays without being needed itself: so that no manifest stays which misses a blob.
    pub(super) fn with(&mut self, store: &LocalStore, manifest: Digest) -> Result<(), StoreError> {
        self.used(store, manifest, Damage::Ignore)
    }

    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.blobs.contains(digest)
    }

    /// A manifest that must be there, whole: of one that cannot be read nobody knows what it needs.
    fn manifest(&mut self, store: &LocalStore, digest: Digest) -> Result<(), StoreError> {
        if !self.blobs.insert(digest) {
            return Ok(());
        }
        self.blobs
            .extend(store.needed(&digest)?.iter().map(|blob| blob.digest));
        // What is attached lives as long as what it is attached to.
        for attached in store.attached_to(&digest)? {
            self.used(store, attached, Damage::Refuse)?;
        }
        Ok(())
    }

    /// A digest of which it is not known what it is, or whether it is there.
    fn used(&mut self, store: &LocalStore, digest: Digest, damage: Damage) -> Result<(), StoreError> {
        if !self.blobs.insert(digest) {
            return Ok(());
        }
        // A manifest is small; what is larger is a blob.
        let small = store
            .blob_size(&digest)?
            .is_some_and(|size| size <= limits::MAX_MANIFEST);
        let bytes = if small {
            store.read_blob(&digest)
        } else {
            Ok(Vec::new())
        };
        match bytes.map(|bytes| Manifest::parse(&bytes)) {
            Ok(Ok(manifest)) => self.blobs.extend(manifest.blobs().map(|blob| blob.digest)),
            Ok(Err(_)) | Err(StoreError::NotFound { .. }) => {}
            Err(_) if damage == Damage::Ignore => {}
            Err(error) => return Err(error),
        }
        for attached in store.attached_to(&digest)? {
            self.used(store, attached, damage)?;
        }
        Ok(())
    }
}

/// What follows when a manifest is damaged: what it needs is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// Nothing may be taken.
    Refuse,
    /// It was given up anyway.
    Ignore,
}
