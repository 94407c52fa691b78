use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use semver::Version;

use crate::{
    Artifact, ArtifactEntry, ArtifactName, ArtifactRef, ArtifactStore, Digest, EntryKind, StoreError,
};

/// A store of artifacts in memory. Clones are the same store.
///
/// ```
/// use pipeline_core::ArtifactStore;
/// use pipeline_core::testing::MemoryArtifacts;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), pipeline_core::StoreError> {
/// let store = MemoryArtifacts::new();
/// let app = store.add("app", "1.0.0", &[("bin/app", b"#!/bin/sh\n".as_slice(), true)]);
/// assert_eq!(store.open(&app).await?.read("bin/app").await?, b"#!/bin/sh\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryArtifacts(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    blobs: BTreeMap<Digest, Vec<u8>>,
    manifests: BTreeMap<Digest, Vec<ArtifactEntry>>,
    published: BTreeMap<(ArtifactName, Version), ArtifactRef>,
}

impl MemoryArtifacts {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an artifact: for each file its path, its bytes, and whether it may be executed.
    ///
    /// # Panics
    ///
    /// When the name or the version is none, or they stand for another artifact already: this is for tests.
    #[expect(clippy::expect_used, reason = "for tests, which state their own names")]
    pub fn add(&self, name: &str, version: &str, files: &[(&str, &[u8], bool)]) -> ArtifactRef {
        let mut state = self.state();
        let mut entries: Vec<ArtifactEntry> = Vec::new();
        for &(path, bytes, executable) in files {
            let digest = Digest::of(bytes);
            state.blobs.insert(digest, bytes.to_vec());
            entries.push(ArtifactEntry {
                path: path.to_owned(),
                kind: EntryKind::File {
                    size: bytes.len() as u64,
                    digest,
                    executable,
                },
            });
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        let artifact = ArtifactRef {
            name: ArtifactName::new(name).expect("an artifact's name"),
            version: version.parse().expect("a semantic version"),
            digest: Digest::of_data(&entries).expect("entries have a canonical form"),
        };
        state.manifests.insert(artifact.digest, entries);
        let key = (artifact.name.clone(), artifact.version.clone());
        let published = state.published.entry(key).or_insert_with(|| artifact.clone());
        assert_eq!(
            *published, artifact,
            "one name and version stand for one artifact"
        );
        artifact
    }

    /// Lets a name and a version stand for an artifact of this store, once and for ever.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when it is not in the store, [`StoreError::Taken`] when they stand for another one.
    pub fn publish(&self, artifact: &ArtifactRef) -> Result<ArtifactRef, StoreError> {
        let mut state = self.state();
        if !state.manifests.contains_key(&artifact.digest) {
            return Err(StoreError::NotFound {
                what: format!("artifact {artifact}"),
            });
        }
        let key = (artifact.name.clone(), artifact.version.clone());
        let published = state.published.entry(key).or_insert_with(|| artifact.clone());
        if published.digest != artifact.digest {
            return Err(StoreError::Taken {
                name: artifact.name.clone(),
                version: artifact.version.clone(),
                standing: Box::new(published.version.clone()),
                published: published.digest,
                offered: artifact.digest,
            });
        }
        Ok(published.clone())
    }

    /// Spoils the bytes of a blob or of a file, so that reading them is an error. Storing them again heals.
    ///
    /// # Panics
    ///
    /// When there is no such blob: this is for tests.
    #[expect(clippy::expect_used, reason = "for tests, which know what they stored")]
    pub fn damage(&self, blob: &Digest) {
        let mut state = self.state();
        let bytes = state.blobs.get_mut(blob).expect("a blob of this store");
        bytes.push(b'!');
    }

    fn verified(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let state = self.state();
        let what = || format!("blob {digest}");
        let bytes = state.blobs.get(digest);
        let bytes = bytes.ok_or_else(|| StoreError::NotFound { what: what() })?;
        let found = Digest::of(bytes);
        if found == *digest {
            Ok(bytes.clone())
        } else {
            Err(StoreError::Damaged {
                what: what(),
                reason: format!("its bytes have the digest {found}"),
            })
        }
    }
}

#[async_trait]
impl ArtifactStore for MemoryArtifacts {
    async fn resolve(
        &self,
        name: &ArtifactName,
        version: &Version,
    ) -> Result<Option<ArtifactRef>, StoreError> {
        let key = (name.clone(), version.clone());
        Ok(self.state().published.get(&key).cloned())
    }

    async fn open(&self, artifact: &ArtifactRef) -> Result<Box<dyn Artifact>, StoreError> {
        let entries = self.state().manifests.get(&artifact.digest).cloned();
        let entries = entries.ok_or_else(|| StoreError::NotFound {
            what: format!("artifact {artifact}"),
        })?;
        Ok(Box::new(MemoryArtifact {
            store: self.clone(),
            reference: artifact.clone(),
            entries,
        }))
    }

    async fn put_blob(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        self.state().blobs.insert(digest, bytes.to_vec());
        Ok(digest)
    }

    async fn blob(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        self.verified(digest)
    }
}

/// An artifact of a [`MemoryArtifacts`].
#[derive(Debug)]
struct MemoryArtifact {
    store: MemoryArtifacts,
    reference: ArtifactRef,
    entries: Vec<ArtifactEntry>,
}

#[async_trait]
impl Artifact for MemoryArtifact {
    fn reference(&self) -> &ArtifactRef {
        &self.reference
    }

    async fn entries(&self, after: Option<&str>, most: usize) -> Result<Vec<ArtifactEntry>, StoreError> {
        let comes_after = |entry: &&ArtifactEntry| after.is_none_or(|after| entry.path.as_str() > after);
        Ok(self
            .entries
            .iter()
            .filter(comes_after)
            .take(most)
            .cloned()
            .collect())
    }

    async fn entry(&self, path: &str) -> Result<Option<ArtifactEntry>, StoreError> {
        Ok(self.entries.iter().find(|entry| entry.path == path).cloned())
    }

    async fn read(&self, path: &str) -> Result<Vec<u8>, StoreError> {
        let entry = self.entries.iter().find(|entry| entry.path == path);
        match entry.map(|entry| &entry.kind) {
            Some(EntryKind::File { digest, .. }) => self.store.verified(digest),
            _ => Err(StoreError::NotFound {
                what: format!("file `{path}` of {}", self.reference),
            }),
        }
    }

    async fn materialise(&self, into: &Path) -> Result<(), StoreError> {
        let io = |source| StoreError::Io {
            what: format!("cannot write {} into `{}`", self.reference, into.display()),
            source,
        };
        fs::create_dir_all(into).map_err(io)?;
        if fs::read_dir(into).map_err(io)?.next().is_some() {
            return Err(io(io::ErrorKind::DirectoryNotEmpty.into()));
        }
        for entry in &self.entries {
            let EntryKind::File {
                digest, executable, ..
            } = &entry.kind
            else {
                continue; // `add` makes files only
            };
            let bytes = self.store.verified(digest)?;
            write(&into.join(&entry.path), &bytes, *executable).map_err(io)?;
        }
        Ok(())
    }
}

fn write(path: &Path, bytes: &[u8], executable: bool) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(path, bytes)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = if executable { 0o755 } else { 0o644 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    #[cfg(not(unix))]
    let _ = executable;
    Ok(())
}
