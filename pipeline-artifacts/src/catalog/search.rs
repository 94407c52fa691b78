use pipeline_core::{ArtifactName, ArtifactRef, Digest};
use semver::Version;

use super::{ArtifactQuery, Catalog, CatalogEntry, DigestPrefix, SelectError, Selection};

impl Catalog {
    /// The one artifact that a query means.
    ///
    /// One digest may stand under several names and versions; then it is the newest version of the first name.
    ///
    /// # Errors
    ///
    /// When there is none, when it was removed, when several fit that differ, or the catalog cannot be read.
    ///
    /// ```
    /// use pipeline_artifacts::{LocalStore, Packer, SelectError};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let dist = dir.path().join("dist");
    /// # std::fs::create_dir(&dist)?;
    /// # std::fs::write(dist.join("app.conf"), "threads = 4\n")?;
    /// # let store = LocalStore::open(dir.path().join("store"))?;
    /// let packed = Packer::new(&dist).pack(&store)?;
    /// for version in ["1.4.0", "1.5.0", "2.0.0-rc.1"] {
    ///     store.publish(&"shop".parse()?, &version.parse()?, &packed.digest)?;
    /// }
    /// let catalog = store.catalog();
    /// let version = |query: &str| -> Result<String, Box<dyn std::error::Error>> {
    ///     Ok(catalog.select(&query.parse()?)?.version.to_string())
    /// };
    /// assert_eq!(version("shop")?, "1.5.0");
    /// assert_eq!(version("shop@~1.4")?, "1.4.0");
    /// assert_eq!(version("shop@2.0.0-rc.1")?, "2.0.0-rc.1");
    /// assert!(matches!(catalog.select(&"shop@^3".parse()?), Err(SelectError::NoMatch { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn select(&self, query: &ArtifactQuery) -> Result<ArtifactRef, SelectError> {
        match query {
            ArtifactQuery::Exact(name, version) => self.exact(query, name, version),
            ArtifactQuery::Newest(name, selection) => self.newest(name, selection),
            ArtifactQuery::Digest(..) | ArtifactQuery::Revision(..) => self.only(query),
        }
    }

    /// Everything that fits a query, by name, then the oldest version first; what was yanked only when it is asked
    /// for by version, digest or revision.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read.
    pub fn search(&self, query: &ArtifactQuery) -> Result<Vec<ArtifactRef>, SelectError> {
        match query {
            ArtifactQuery::Exact(name, version) => Ok(self.find(name, version)?.into_iter().collect()),
            ArtifactQuery::Newest(name, selection) => {
                let versions = self.versions(name)?;
                Ok(versions
                    .select(selection)
                    .map(|entry| entry.reference(name))
                    .collect())
            }
            ArtifactQuery::Digest(name, prefix) => {
                self.matching(name.as_ref(), |entry| prefix.is_of(&entry.digest))
            }
            ArtifactQuery::Revision(name, id) => self.matching(name.as_ref(), |entry| {
                entry
                    .revision
                    .as_ref()
                    .is_some_and(|revision| revision.starts_with(id.as_str()))
            }),
        }
    }

    /// The newest version of a name that a selection allows, by its record.
    ///
    /// # Errors
    ///
    /// As for [`Catalog::select`].
    pub fn newest(&self, name: &ArtifactName, selection: &Selection) -> Result<ArtifactRef, SelectError> {
        let versions = self.versions(name)?;
        if let Some(found) = versions.newest(selection) {
            return Ok(found.reference(name));
        }
        if versions.entries().is_empty() {
            return Err(SelectError::UnknownName { name: name.clone() });
        }
        let fits = |entry: &&CatalogEntry| selection.includes(&entry.version);
        let hint = if let Some(yanked) = versions.kept().rev().filter(|entry| entry.yanked).find(fits) {
            Some(format!("{} was yanked", yanked.version))
        } else if let Some(removed) = versions
            .entries()
            .iter()
            .rev()
            .filter(|entry| entry.removed)
            .find(fits)
        {
            Some(format!("{} was removed", removed.version))
        } else {
            let wider = selection.clone().with_pre_releases();
            match (
                versions.newest(&wider),
                versions.newest(&Selection::any().with_pre_releases()),
            ) {
                (Some(found), _) => Some(format!("{} is a pre-release; ask for it", found.version)),
                (None, Some(newest)) => Some(format!("the newest is {}", newest.version)),
                (None, None) => None,
            }
        };
        Err(SelectError::NoMatch {
            query: ArtifactQuery::Newest(name.clone(), selection.clone()).to_string(),
            hint,
        })
    }

    /// Every artifact whose digest begins so.
    ///
    /// # Errors
    ///
    /// [`SelectError::Ambiguous`], with the list, when there are several digests.
    pub fn by_digest(&self, prefix: &DigestPrefix) -> Result<Vec<ArtifactRef>, SelectError> {
        let query = ArtifactQuery::Digest(None, prefix.clone());
        let found = self.search(&query)?;
        same_digest(&query, &found)?;
        Ok(found)
    }

    fn exact(
        &self,
        query: &ArtifactQuery,
        name: &ArtifactName,
        version: &Version,
    ) -> Result<ArtifactRef, SelectError> {
        let Some(record) = self.record(name, version)? else {
            let versions = self.versions(name)?;
            return Err(match versions.kept().next_back() {
                None if versions.entries().is_empty() => SelectError::UnknownName { name: name.clone() },
                newest => SelectError::NoMatch {
                    query: query.to_string(),
                    hint: newest.map(|newest| format!("the newest is {}", newest.version)),
                },
            });
        };
        match self.standing(name, version)?.removed {
            None => Ok(record.artifact),
            Some(mark) => Err(SelectError::Removed {
                artifact: record.artifact,
                mark: Box::new(mark),
            }),
        }
    }

    fn only(&self, query: &ArtifactQuery) -> Result<ArtifactRef, SelectError> {
        let found = self.search(query)?;
        same_digest(query, &found)?;
        let first = found.first().map(|artifact| artifact.name.clone());
        let newest = found
            .into_iter()
            .rev()
            .find(|artifact| Some(&artifact.name) == first.as_ref());
        newest.ok_or_else(|| SelectError::NoMatch {
            query: query.to_string(),
            hint: None,
        })
    }

    fn matching(
        &self,
        name: Option<&ArtifactName>,
        fits: impl Fn(&CatalogEntry) -> bool,
    ) -> Result<Vec<ArtifactRef>, SelectError> {
        let all = match name {
            Some(name) => vec![self.versions(name)?],
            None => self.all()?,
        };
        let mut found = Vec::new();
        for versions in all {
            let fitting = versions.kept().filter(|entry| fits(entry));
            found.extend(fitting.map(|entry| entry.reference(versions.name())));
        }
        Ok(found)
    }
}

/// Whether all of these are one thing.
fn same_digest(query: &ArtifactQuery, found: &[ArtifactRef]) -> Result<(), SelectError> {
    let digests: Vec<&Digest> = found.iter().map(|artifact| &artifact.digest).collect();
    if digests.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(());
    }
    Err(SelectError::Ambiguous {
        query: query.to_string(),
        candidates: found.to_vec(),
    })
}
