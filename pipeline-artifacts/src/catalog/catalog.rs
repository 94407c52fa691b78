use std::path::PathBuf;
use std::sync::Arc;

use pipeline_core::{ArtifactName, ArtifactRef, StoreError};
use semver::Version;

use super::file_name::FileName;
use super::listing::MarkGap;
use super::publication::plain;
use super::{Because, Layout, Mark, MarkKind, Publication, Standing, Versions, listing};
use crate::LocalStore;
use crate::store::disk::{make_dir, sync_dir};

/// Names and versions, and what they stand for: in a directory that any number of threads and processes share.
/// Cloning is cheap.
///
/// A source of truth: one small file for each version, created once and never changed, and one for each thing that
/// happened to it later ([`Mark`]). Everything else is derived: the lists in memory and the index on disk are
/// compared with the directories at every question (one `stat`), so what other processes published is seen at once,
/// and an index that is damaged, old or absent costs time and nothing else.
///
/// A version is published once, for ever: also one that was yanked, and one that retention removed. Versions that
/// differ only in build metadata are one version, as for Cargo: semantic versioning does not order them, so "the
/// newest" would be ambiguous, and a registry's tag has no `+`.
///
/// [`LocalStore::catalog`](crate::LocalStore::catalog) gives the one of a store.
#[derive(Debug, Clone)]
pub struct Catalog {
    store: LocalStore,
}

impl LocalStore {
    /// The names and versions of this store.
    pub fn catalog(&self) -> Catalog {
        Catalog { store: self.clone() }
    }
}

impl Catalog {
    /// Writes a record, which then stands for ever; tells the one that does. Whether the artifact is whole is
    /// the store's business. The layout of the name must be [locked](Layout::lock).
    pub(crate) fn insert(&self, publication: &Publication) -> Result<Publication, StoreError> {
        let ArtifactRef {
            name,
            version,
            digest,
        } = &publication.artifact;
        let bytes = publication.record()?;
        let dir = self.dir_of(name);
        make_dir(&dir)?;
        // Also for a directory that was there: whoever made it may not have made its name durable yet.
        dir.parent().map_or(Ok(()), sync_dir)?;
        if self
            .store
            .write_new(&bytes, &dir.join(FileName::record(version)))?
        {
            return Ok(publication.clone());
        }
        let Some(published) = self.record(name, version)? else {
            return Err(StoreError::NotFound {
                what: format!("the record of {name} {version}, which was there just now,"),
            });
        };
        if published.artifact.digest != *digest {
            return Err(StoreError::Taken {
                name: name.clone(),
                version: version.clone(),
                standing: Box::new(published.artifact.version),
                published: published.artifact.digest,
                offered: *digest,
            });
        }
        let again = Because::itself("the same content was published again", publication.published_at);
        self.write_mark(name, version, MarkKind::Restored, &again)?;
        Ok(published)
    }

    /// Writes a record in the place of one that cannot be read, which stays in the quarantine; `false` when there is
    /// something else than a file.
    pub(crate) fn replace(&self, publication: &Publication) -> Result<bool, StoreError> {
        let ArtifactRef { name, version, .. } = &publication.artifact;
        self.replace_file(name, &FileName::record(version), &publication.record()?)
    }

    /// The same of a mark.
    pub(crate) fn replace_mark(&self, mark: &Mark) -> Result<bool, StoreError> {
        let file = FileName::mark(&mark.version, mark.number);
        self.replace_file(&mark.name, &file, &mark.record()?)
    }

    fn replace_file(&self, name: &ArtifactName, file: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        let path = self.dir_of(name).join(file);
        if path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
            return Ok(false);
        }
        self.store.keep_record_aside(&path)?;
        self.store.write_over(bytes, &path)?;
        Ok(true)
    }

    /// One mark of a version, by its number.
    pub(crate) fn one_mark(
        &self,
        name: &ArtifactName,
        version: &Version,
        number: u32,
    ) -> Result<Option<Mark>, StoreError> {
        listing::mark(&self.dir_of(name), name, version, number)
    }

    /// What is known of the versions of a name already; not whether it is still so.
    pub(crate) fn known(&self, name: &ArtifactName) -> Option<Arc<Versions>> {
        self.store.view().known(name)
    }

    /// The marks that are missing of the versions of a name, or of one of them.
    pub(crate) fn gaps(
        &self,
        name: &ArtifactName,
        only: Option<&Version>,
    ) -> Result<Vec<MarkGap>, StoreError> {
        let known = self.known(name);
        let only = only.map(plain);
        listing::gaps(&self.dir_of(name), only.as_ref(), known.as_deref())
    }

    /// The record of a version, also of one that was yanked or removed. Build metadata is not compared.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when the record is not what was written.
    pub fn record(&self, name: &ArtifactName, version: &Version) -> Result<Option<Publication>, StoreError> {
        listing::record(&self.dir_of(name), name, version)
    }

    /// What happened to a version since it was published.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when a mark is not what was written, or is gone and a later one is there.
    pub fn standing(&self, name: &ArtifactName, version: &Version) -> Result<Standing, StoreError> {
        listing::standing(&self.dir_of(name), name, version)
    }

    /// The artifact that a name and version stand for, also when it was yanked; `None` when there is none, or
    /// retention removed it. Asks the record itself.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when the record is not what was written.
    pub fn find(&self, name: &ArtifactName, version: &Version) -> Result<Option<ArtifactRef>, StoreError> {
        let Some(record) = self.record(name, version)? else {
            return Ok(None);
        };
        let removed = self.standing(name, version)?.removed.is_some();
        Ok((!removed).then_some(record.artifact))
    }

    /// All names that something was published under, sorted.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read.
    pub fn names(&self) -> Result<Vec<ArtifactName>, StoreError> {
        let mut names = Vec::new();
        for versions in self.all()? {
            names.push(versions.name().clone());
        }
        Ok(names)
    }

    /// All versions of a name as they are now.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read, or a record in it is damaged: a list with a gap would be wrong. So it is when a mark
    /// is gone that a later one, or the index in `cache/`, shows to have been there.
    pub fn versions(&self, name: &ArtifactName) -> Result<Arc<Versions>, StoreError> {
        self.store.view().versions(name)
    }

    /// All versions of all names that have some, by name.
    ///
    /// # Errors
    ///
    /// As for [`Catalog::versions`].
    pub fn all(&self) -> Result<Vec<Arc<Versions>>, StoreError> {
        let mut all = Vec::new();
        for name in self.store.view().names()? {
            let versions = self.versions(&name)?;
            if !versions.entries().is_empty() {
                all.push(versions);
            }
        }
        Ok(all)
    }

    /// Reads everything that changed and writes the index anew, so that the next process need not. It is done
    /// now and then without being asked; where the index cannot be written, nothing happens.
    ///
    /// # Errors
    ///
    /// As for [`Catalog::versions`].
    pub fn refresh(&self) -> Result<(), StoreError> {
        self.all()?;
        self.store.view().flush();
        Ok(())
    }

    /// Yanks a version: no range selects it any more; who asks for it by name and version, or by digest, still
    /// gets it. Doing it twice changes nothing: the first reason stays.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no such version.
    pub fn yank(
        &self,
        name: &ArtifactName,
        version: &Version,
        why: &Because,
    ) -> Result<Standing, StoreError> {
        self.mark(name, version, MarkKind::Yanked, why)
    }

    /// Lets a version be selected again.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no such version.
    pub fn unyank(
        &self,
        name: &ArtifactName,
        version: &Version,
        why: &Because,
    ) -> Result<Standing, StoreError> {
        self.mark(name, version, MarkKind::Unyanked, why)
    }

    /// Writes a mark, unless it would change nothing. Whoever removes versions makes the layout anew afterwards.
    pub(crate) fn mark(
        &self,
        name: &ArtifactName,
        version: &Version,
        kind: MarkKind,
        why: &Because,
    ) -> Result<Standing, StoreError> {
        if self.record(name, version)?.is_none() {
            return Err(StoreError::NotFound {
                what: format!("{name} {version}"),
            });
        }
        let layout = Layout::of(&self.store, name);
        let change = layout.lock()?;
        match self.write_mark(name, version, kind, why) {
            Ok(standing) => {
                match kind {
                    MarkKind::Yanked | MarkKind::Unyanked => change.unseen()?,
                    // Its tag comes or goes; whoever removes many makes the index once.
                    MarkKind::Removed | MarkKind::Restored => drop(change),
                }
                Ok(standing)
            }
            Err(error) => {
                change.failed()?;
                Err(error)
            }
        }
    }

    fn write_mark(
        &self,
        name: &ArtifactName,
        version: &Version,
        kind: MarkKind,
        why: &Because,
    ) -> Result<Standing, StoreError> {
        loop {
            let mut standing = self.standing(name, version)?;
            if standing.is_already(kind) {
                return Ok(standing);
            }
            let mark = Mark::new(name, version, standing.marks + 1, kind, why);
            let path = self.dir_of(name).join(FileName::mark(version, mark.number));
            // Somebody else may have been faster: then it is decided again.
            if self.store.write_new(&mark.record()?, &path)? {
                standing.apply(mark);
                return Ok(standing);
            }
        }
    }

    fn dir_of(&self, name: &ArtifactName) -> PathBuf {
        self.store.view().dir_of(name)
    }
}
