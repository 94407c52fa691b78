use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pipeline_core::{ArtifactName, ArtifactRef, Digest, StoreError};
use semver::{Version, VersionReq};

use super::LocalStore;
use super::disk::{failed, make_dir, sync_dir};
use super::record;
use crate::limits;

/// Fewer hexadecimal digits than this name nothing.
const MIN_PREFIX: usize = 4;

impl LocalStore {
    /// Lets a name and version stand for a manifest, for ever. Doing it twice is fine. When this returns, it
    /// is on disk.
    ///
    /// Versions that differ only in build metadata are one version, as for Cargo: semantic versioning does
    /// not order them, so "the newest" would be ambiguous, and a registry's tag has no `+`. The reference that is returned
    /// spells the version as it was published first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] when it stands for another manifest already; [`StoreError::NotFound`] or
    /// [`StoreError::Damaged`] when the artifact is not in the store with all its blobs (their sizes are
    /// checked, not their bytes); [`StoreError::Refused`] when the version is longer than
    /// [`limits::MAX_VERSION`].
    pub fn publish(
        &self,
        name: &ArtifactName,
        version: &Version,
        manifest: &Digest,
    ) -> Result<ArtifactRef, StoreError> {
        let artifact = ArtifactRef {
            name: name.clone(),
            version: version.clone(),
            digest: *manifest,
        };
        if version.to_string().len() > limits::MAX_VERSION {
            return Err(StoreError::Refused {
                what: format!("{name} {version}"),
                reason: format!("the version is longer than {} bytes", limits::MAX_VERSION),
            });
        }
        self.artifact(&artifact)?;
        let bytes = record::write(&artifact).map_err(|error| StoreError::Other(Box::new(error)))?;
        make_dir(&self.catalog().join(name.as_str()))?;
        // Also for a directory that was there: whoever made it may not have made its name durable yet.
        sync_dir(&self.catalog())?;
        if self.write_new(&bytes, &self.record_path(name, version))? {
            return Ok(artifact);
        }
        match self.find(name, version)? {
            Some(published) if published.digest == *manifest => Ok(published),
            Some(published) => Err(StoreError::Taken {
                name: name.clone(),
                version: version.clone(),
                published: published.digest,
                offered: *manifest,
            }),
            None => Err(StoreError::NotFound {
                what: format!("the record of {name} {version}, which was there just now,"),
            }),
        }
    }

    /// The artifact that a name and version stand for. The blocking twin of
    /// [`resolve`](pipeline_core::ArtifactStore::resolve). Build metadata is not compared.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when the record is not what was written.
    pub fn find(&self, name: &ArtifactName, version: &Version) -> Result<Option<ArtifactRef>, StoreError> {
        let path = self.record_path(name, version);
        match fs::read(&path) {
            Ok(bytes) => {
                let damaged = |reason| StoreError::Damaged {
                    what: format!("record {}", path.display()),
                    reason,
                };
                let found = record::read(&bytes).map_err(damaged)?;
                record::check_place(&found, name, version).map_err(damaged)?;
                Ok(Some(found))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            // No record has a name that the system refuses for its length.
            Err(error) if error.kind() == io::ErrorKind::InvalidFilename => Ok(None),
            Err(error) => Err(failed("cannot read", &path)(error)),
        }
    }

    /// All names in the catalog, sorted.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read.
    pub fn names(&self) -> Result<Vec<ArtifactName>, StoreError> {
        let mut names: Vec<_> = file_names(&self.catalog())?
            .into_iter()
            .filter_map(|name| ArtifactName::new(name).ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// All versions of a name, the oldest first by the precedence of semantic versioning.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read, or a record in it is damaged: a list with a gap would be wrong.
    pub fn versions(&self, name: &ArtifactName) -> Result<Vec<ArtifactRef>, StoreError> {
        let mut versions: Vec<_> = file_names(&self.catalog().join(name.as_str()))?
            .iter()
            .filter_map(|file| record::version_of(file))
            .collect();
        versions.sort();
        let found = versions
            .iter()
            .filter_map(|version| self.find(name, version).transpose());
        found.collect()
    }

    /// The newest version of a name that a requirement allows. A pre-release is allowed
    /// only by a requirement that names one of the same version.
    ///
    /// # Errors
    ///
    /// As for [`LocalStore::versions`].
    pub fn newest(&self, name: &ArtifactName, of: &VersionReq) -> Result<Option<ArtifactRef>, StoreError> {
        let versions = self.versions(name)?;
        Ok(versions
            .into_iter()
            .rev()
            .find(|found| of.matches(&found.version)))
    }

    /// Every published artifact whose digest begins so: at least four hexadecimal digits, with or without
    /// `sha256:`. One manifest may stand under several names and versions.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] when the prefix is too short or is none; as for [`LocalStore::versions`].
    pub fn by_digest(&self, prefix: &str) -> Result<Vec<ArtifactRef>, StoreError> {
        let hex = prefix.strip_prefix("sha256:").unwrap_or(prefix);
        let digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if hex.len() < MIN_PREFIX || !hex.chars().all(digit) {
            return Err(StoreError::Refused {
                what: format!("the digest prefix {prefix:?}"),
                reason: format!("expected {MIN_PREFIX} to 64 lower-case hexadecimal digits"),
            });
        }
        let mut found = Vec::new();
        for name in self.names()? {
            let versions = self.versions(&name)?.into_iter();
            found.extend(versions.filter(|artifact| artifact.digest.hex().starts_with(hex)));
        }
        Ok(found)
    }

    pub(super) fn catalog(&self) -> PathBuf {
        self.root().join("catalog")
    }

    fn record_path(&self, name: &ArtifactName, version: &Version) -> PathBuf {
        self.catalog()
            .join(name.as_str())
            .join(record::file_name(version))
    }
}

/// The names in a directory that are text, in no order; none when there is no directory.
fn file_names(dir: &Path) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    let files = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
        files => files.map_err(failed("cannot read", dir))?,
    };
    for file in files {
        let name = file.map_err(failed("cannot read", dir))?.file_name();
        names.extend(name.into_string());
    }
    Ok(names)
}
