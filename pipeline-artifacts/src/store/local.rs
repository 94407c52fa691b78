use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use async_trait::async_trait;
use pipeline_core::{Artifact, ArtifactName, ArtifactRef, ArtifactStore, Digest, StoreError};
use semver::Version;
use tempfile::NamedTempFile;

use super::disk::{failed, make_dir, seal, sync_dir};
use super::gate::GATE;
use super::temp::Session;
use super::{Lease, blocking};
use crate::Limits;
use crate::catalog::View;

/// A store in a directory. Cloning is cheap; clones are the same store. Any number of threads and processes
/// may use one directory at the same time.
///
/// A source of truth: the blobs and the catalog cannot be rebuilt from anything else.
///
/// | [`ArtifactStore`](pipeline_core::ArtifactStore), async | here, blocking |
/// |---|---|
/// | `resolve` | [`find`](Self::find) |
/// | `open` | [`artifact`](Self::artifact) |
/// | `put_blob` | [`add_blob`](Self::add_blob) |
/// | `blob` | [`read_blob`](Self::read_blob) |
///
/// ```
/// use pipeline_artifacts::LocalStore;
///
/// # let dir = tempfile::tempdir()?;
/// let store = LocalStore::open(dir.path().join("store"))?;
/// let digest = store.add_blob(b"immutable")?;
/// assert_eq!(store.read_blob(&digest)?, b"immutable");
/// assert!(store.verify()?.is_good());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct LocalStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    recheck: Recheck,
    tocs: HeldTocs,
    limits: Limits,
    /// The directory for what this store writes, while a [`Lease`] on it lives; begun by the first write, so that
    /// reading needs no right to write.
    session: Arc<Mutex<Weak<Session>>>,
    /// What is known of the catalog.
    view: Arc<View>,
}

/// What is asked of a blob that is there already before it is taken for what is to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Recheck {
    /// Its size and its hash, so that storing again heals whatever is damaged. Costs reading it.
    #[default]
    Hash,
    /// Its size alone. Storing again heals what is missing or has another size; the rest is for
    /// [`verify`](LocalStore::verify).
    Size,
}

/// How tables of contents are held while artifacts are open.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeldTocs {
    /// One of up to so many bytes stays in memory.
    pub(super) whole: u64,
    /// Of a larger one, each reader holds about so many bytes.
    pub(super) window: usize,
}

impl Default for HeldTocs {
    /// That of 50,000 files stays in memory. An entry that is read again costs hashing a window, and a million links may each
    /// cost one; of each window, what was hashed before it is kept, some hundred bytes.
    fn default() -> Self {
        Self {
            whole: 16 * 1024 * 1024,
            window: 8 * 1024,
        }
    }
}

/// Names the form of the tree on disk.
pub(super) const MARK_FILE: &str = "store.json";
/// What is in it.
pub(super) const MARK: &[u8] = br#"{"format":2}"#;

/// The directories in the root of a store.
const DIRECTORIES: [&str; 9] = [
    "blobs",
    "blobs/sha256",
    "cache",
    "catalog",
    "layouts",
    "quarantine",
    "referrers",
    "tmp",
    "trash",
];

/// What may lie in the root of a store; `lost+found` when it is a file system of its own.
pub(super) fn in_root(name: &OsStr) -> bool {
    [MARK_FILE, GATE, "lost+found"]
        .iter()
        .chain(&DIRECTORIES)
        .any(|known| name == *known)
}

impl LocalStore {
    /// Opens the store in a directory; makes one where there is nothing.
    ///
    /// # Errors
    ///
    /// When the directory holds other things and no store, or a store of a form that this version does not
    /// know; when it cannot be created.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, StoreError> {
        let root = root.as_ref();
        let store = Self(Arc::new(Inner {
            root: root.to_owned(),
            recheck: Recheck::default(),
            tocs: HeldTocs::default(),
            limits: Limits::default(),
            session: Arc::default(),
            view: Arc::new(View::open(root.join("catalog"), root.join("cache"))),
        }));
        let mark = root.join(MARK_FILE);
        match fs::read(&mark) {
            Ok(found) if found == MARK => Ok(store),
            Ok(found) => Err(StoreError::Refused {
                what: format!("the store {}", root.display()),
                reason: unknown_mark(&found),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                store.create()?;
                Ok(store)
            }
            Err(error) => Err(failed("cannot read", &mark)(error)),
        }
    }

    /// The same store, with another policy for blobs that are there already.
    #[must_use]
    pub fn rechecking(&self, recheck: Recheck) -> Self {
        self.with(recheck, self.0.tocs, self.0.limits)
    }

    /// The same store, taking another amount of each artifact that is read through it, written somewhere, or pulled into it.
    #[must_use]
    pub fn limiting(&self, limits: Limits) -> Self {
        self.with(self.0.recheck, self.0.tocs, limits)
    }

    /// The same store, holding tables of contents in another way.
    #[cfg(test)]
    pub(super) fn holding(&self, tocs: HeldTocs) -> Self {
        self.with(self.0.recheck, tocs, self.0.limits)
    }

    fn with(&self, recheck: Recheck, tocs: HeldTocs, limits: Limits) -> Self {
        Self(Arc::new(Inner {
            root: self.root().to_owned(),
            recheck,
            tocs,
            limits,
            session: Arc::clone(&self.0.session),
            view: Arc::clone(&self.0.view),
        }))
    }

    /// Makes the directories, and the mark last: so a store that was begun is finished by the next one.
    fn create(&self) -> Result<(), StoreError> {
        let root = self.root();
        fs::create_dir_all(root).map_err(failed("cannot create the directory", root))?;
        for file in fs::read_dir(root).map_err(failed("cannot read", root))? {
            let name = file.map_err(failed("cannot read", root))?.file_name();
            if !in_root(&name) {
                return Err(StoreError::Refused {
                    what: format!("a store in {}", root.display()),
                    reason: format!("the directory is not empty: it holds {name:?}"),
                });
            }
        }
        for dir in DIRECTORIES {
            make_dir(&root.join(dir))?;
        }
        let gate = root.join(GATE);
        let created = OpenOptions::new().create(true).append(true).open(&gate);
        created.map_err(failed("cannot create", &gate))?;
        self.write_new(MARK, &root.join(MARK_FILE))?;
        root.parent().map_or(Ok(()), sync_dir)
    }

    /// The directory of the store.
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    /// What is asked of a blob that is there already.
    pub fn recheck(&self) -> Recheck {
        self.0.recheck
    }

    /// How much of an artifact is taken.
    pub fn limits(&self) -> Limits {
        self.0.limits
    }

    pub(super) fn tocs(&self) -> HeldTocs {
        self.0.tocs
    }

    /// Whether a directory is this store, whatever it is called.
    pub(crate) fn is_at(&self, other: &rustix::fs::Stat) -> bool {
        let own = rustix::fs::stat(self.root());
        own.is_ok_and(|own| (own.st_dev, own.st_ino) == (other.st_dev, other.st_ino))
    }

    pub(crate) fn view(&self) -> &View {
        &self.0.view
    }

    pub(super) fn session(&self) -> &Mutex<Weak<Session>> {
        &self.0.session
    }

    pub(super) fn temp(&self) -> PathBuf {
        self.root().join("tmp")
    }

    /// Writes a file that is not there yet, whole and durable, and tells whether it did; `false` when there is
    /// one already, which stays as it is.
    pub(crate) fn write_new(&self, bytes: &[u8], path: &Path) -> Result<bool, StoreError> {
        let lease = self.lease()?;
        let written = match written(&lease, bytes, path)?.persist_noclobber(path) {
            Ok(_) => true,
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(failed("cannot store", path)(error.error)),
        };
        path.parent().map_or(Ok(()), sync_dir)?;
        Ok(written)
    }

    /// Writes a file, whole and durable, in the place of one that is there.
    pub(crate) fn write_over(&self, bytes: &[u8], path: &Path) -> Result<(), StoreError> {
        let lease = self.lease()?;
        let file = written(&lease, bytes, path)?.persist(path);
        file.map_err(|error| failed("cannot store", path)(error.error))?;
        path.parent().map_or(Ok(()), sync_dir)
    }
}

/// A file with these bytes, which are durable before it has a name.
fn written(lease: &Lease, bytes: &[u8], path: &Path) -> Result<NamedTempFile, StoreError> {
    let mut file = lease.file()?;
    file.write_all(bytes)
        .and_then(|()| seal(file.as_file()))
        .map_err(failed("cannot write a new", path))?;
    Ok(file)
}

/// Why a store is not opened whose mark is not ours.
fn unknown_mark(found: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Mark {
        format: u32,
    }
    match serde_json::from_slice(found) {
        Ok(Mark { format: 1 }) => "store.json says format 1, of a version that was never released, with one tar for each artifact; this version \
            reads format 2: pack into a new store"
            .to_owned(),
        Ok(Mark { format }) => format!("{MARK_FILE} says format {format}; this version reads format 2"),
        Err(_) => format!("{MARK_FILE} does not say which format it has; this version reads format 2"),
    }
}

#[async_trait]
impl ArtifactStore for LocalStore {
    async fn resolve(
        &self,
        name: &ArtifactName,
        version: &Version,
    ) -> Result<Option<ArtifactRef>, StoreError> {
        let (store, name, version) = (self.clone(), name.clone(), version.clone());
        blocking(move || store.find(&name, &version)).await?
    }

    async fn open(&self, artifact: &ArtifactRef) -> Result<Box<dyn Artifact>, StoreError> {
        let (store, artifact) = (self.clone(), artifact.clone());
        let opened = blocking(move || store.artifact(&artifact)).await??;
        Ok(Box::new(opened))
    }

    async fn put_blob(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let (store, bytes) = (self.clone(), bytes.to_vec());
        blocking(move || store.add_blob(&bytes)).await?
    }

    async fn blob(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let (store, digest) = (self.clone(), *digest);
        blocking(move || store.read_blob(&digest)).await?
    }
}
