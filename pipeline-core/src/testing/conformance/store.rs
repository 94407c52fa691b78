//! The suite for stores of artifacts.

use std::any::Any;
use std::fmt::{self, Debug};
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::Report;
use super::watch::{AwaitPoint, Disturbance, End, watch};
use crate::testing::block_on::Runtime;
use crate::{Artifact, ArtifactRef, ArtifactStore, Digest, EntryKind, StoreError};

mod p {
    use crate::testing::conformance::promises::promises;

    promises! {
        NAMES_BY_DIGEST = "names-by-digest": "bytes are stored under their digest";
        RETURNS_THE_SAME = "returns-the-same": "what was stored is returned, byte for byte";
        STORES_TWICE = "stores-twice": "storing the same bytes again is no error and changes nothing";
        MISSING_IS_NOT_FOUND = "missing-is-not-found": "what was never stored is not found, and its version stands for nothing";
        MANY_AT_ONCE = "many-at-once": "many calls at the same time come to the same as one after the other";
        DROPS_WHOLE = "drops-whole": "storing that is dropped leaves the whole bytes or none, and can be done again";
        VERIFIES_READS = "verifies-reads": "bytes that are not what was stored are an error and never data";
        HEALS = "heals": "storing the same bytes again heals a damaged copy";
        RESOLVES = "resolves": "a name and a version stand for their artifact";
        OPENS = "opens": "an artifact tells its reference and its entries, sorted, each path once, and reads each file as its entry says";
        OPENS_BY_DIGEST = "opens-by-digest": "the digest alone decides what is opened";
        MATERIALISES = "materialises": "an artifact is written as its entries say, and only where nothing is";
    }
}

type Damage = Arc<dyn Fn(Digest) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A store for one check, and what the check may use.
///
/// A blob is put through the trait. An artifact gets into a store in the store's own way, so a world brings one.
pub struct StoreWorld {
    store: Arc<dyn ArtifactStore>,
    artifact: Option<ArtifactRef>,
    damage: Option<Damage>,
    scratch: Option<PathBuf>,
    _keep: Vec<Box<dyn Any>>,
}

impl StoreWorld {
    /// A world with a store.
    pub fn new(store: impl ArtifactStore) -> Self {
        Self {
            store: Arc::new(store),
            artifact: None,
            damage: None,
            scratch: None,
            _keep: Vec::new(),
        }
    }

    /// An artifact of the store, published under its name and version, with at least one file.
    #[must_use]
    pub fn artifact(mut self, artifact: ArtifactRef) -> Self {
        self.artifact = Some(artifact);
        self
    }

    /// How the bytes behind a digest are spoilt, behind the store's back: the digest of a blob, or that of a file of
    /// the artifact.
    #[must_use]
    pub fn damage<F, Fut>(mut self, damage: F) -> Self
    where
        F: Fn(Digest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.damage = Some(Arc::new(move |digest| Box::pin(damage(digest))));
        self
    }

    /// An empty directory to write the artifact to, outside the store.
    #[must_use]
    pub fn scratch(mut self, directory: impl Into<PathBuf>) -> Self {
        self.scratch = Some(directory.into());
        self
    }

    /// Keeps something as long as the world lasts, such as a temporary directory.
    #[must_use]
    pub fn keep(mut self, value: impl Any) -> Self {
        self._keep.push(Box::new(value));
        self
    }
}

impl Debug for StoreWorld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreWorld")
            .field("store", &self.store)
            .field("artifact", &self.artifact)
            .field("damage", &self.damage.is_some())
            .field("scratch", &self.scratch)
            .finish_non_exhaustive()
    }
}

/// How long one call may take by the computer's time.
const LIMIT: Duration = Duration::from_secs(30);
/// How many await points of a call are tried.
const POINTS: usize = 100;

/// Checks a store against the contract of [`ArtifactStore`]. `fresh` makes a store; each check takes its own.
///
/// ```
/// use pipeline_core::testing::MemoryArtifacts;
/// use pipeline_core::testing::conformance::{self, StoreWorld};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let report = conformance::store(|| async {
///     let store = MemoryArtifacts::new();
///     let app = store.add("app", "1.0.0", &[("bin/app", b"#!/bin/sh\n".as_slice(), true)]);
///     let damaged = store.clone();
///     StoreWorld::new(store)
///         .artifact(app)
///         .damage(move |digest| { damaged.damage(&digest); async {} })
/// })
/// .await;
/// report.assert_kept();
/// assert_eq!(report.not_tried_names(), ["materialises"], "there is no directory to write to");
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn store<F, Fut>(fresh: F) -> Report
where
    F: Fn() -> Fut,
    Fut: Future<Output = StoreWorld>,
{
    let mut report = Report::new("artifact store", p::ALL);
    blobs(&mut report, &*fresh().await.store).await;
    twice(&mut report, &*fresh().await.store).await;
    missing(&mut report, &*fresh().await.store).await;
    many(&mut report, &fresh().await.store);
    dropped(&mut report, &fresh).await;
    damaged(&mut report, fresh().await).await;
    let world = fresh().await;
    match &world.artifact {
        Some(artifact) => artifacts(&mut report, &world, artifact).await,
        None => {
            let promises = [p::RESOLVES, p::OPENS, p::OPENS_BY_DIGEST, p::MATERIALISES];
            report.not_tried(&promises, "the world brings no artifact: `StoreWorld::artifact`");
        }
    }
    report
}

fn failed(what: &str) -> impl Fn(StoreError) -> String {
    let what = what.to_owned();
    move |error| format!("{what}: {error}")
}

/// Small ones, odd ones, and one that is larger than any buffer.
fn samples() -> Vec<Vec<u8>> {
    let odd: Vec<u8> = (0..=255).collect();
    let large: Vec<u8> = (0..1_000_003_u32).map(|number| (number % 251) as u8).collect();
    vec![Vec::new(), vec![0], b"text\r\n".to_vec(), odd, large]
}

async fn blobs(report: &mut Report, store: &dyn ArtifactStore) {
    let mut digests = Vec::new();
    for bytes in samples() {
        let put = store.put_blob(&bytes).await;
        let found = put.map_err(failed("cannot be stored")).and_then(|digest| {
            let right = digest == Digest::of(&bytes);
            digests.push((digest, bytes.clone()));
            right
                .then_some(())
                .ok_or_else(|| format!("{} bytes are stored under {digest}", bytes.len()))
        });
        report.check(p::NAMES_BY_DIGEST, found);
    }
    for (digest, bytes) in digests {
        report.check(p::RETURNS_THE_SAME, returned(store, &digest, &bytes).await);
    }
}

async fn returned(store: &dyn ArtifactStore, digest: &Digest, bytes: &[u8]) -> Result<(), String> {
    let read = store.blob(digest).await;
    let read = read.map_err(failed("what was stored is not returned"))?;
    let is = |right: bool| right.then_some(()).ok_or(());
    is(read == bytes).map_err(|()| format!("{} bytes come back as {} others", bytes.len(), read.len()))
}

async fn twice(report: &mut Report, store: &dyn ArtifactStore) {
    let found = async {
        let first = store.put_blob(b"twice").await.map_err(failed("the first time"))?;
        let second = store
            .put_blob(b"twice")
            .await
            .map_err(failed("the second time"))?;
        if first != second {
            return Err(format!("the same bytes are stored under {first} and {second}"));
        }
        returned(store, &first, b"twice").await
    };
    report.check(p::STORES_TWICE, found.await);
}

async fn missing(report: &mut Report, store: &dyn ArtifactStore) {
    let digest = Digest::of(b"nobody stored this");
    let artifact = ArtifactRef {
        name: absent(),
        version: semver::Version::new(0, 0, 1),
        digest,
    };
    let not_found = |error: &StoreError| matches!(error, StoreError::NotFound { .. });
    let blob = match store.blob(&digest).await {
        Err(error) if not_found(&error) => Ok(()),
        other => Err(format!("a blob that nobody stored: {other:?}")),
    };
    report.check(p::MISSING_IS_NOT_FOUND, blob);
    let opened = match store.open(&artifact).await {
        Err(error) if not_found(&error) => Ok(()),
        other => Err(format!("an artifact that nobody stored: {other:?}")),
    };
    report.check(p::MISSING_IS_NOT_FOUND, opened);
    let resolved = match store.resolve(&artifact.name, &artifact.version).await {
        Ok(None) => Ok(()),
        other => Err(format!("a version that nobody published: {other:?}")),
    };
    report.check(p::MISSING_IS_NOT_FOUND, resolved);
}

#[expect(clippy::expect_used, reason = "the constant is a name")]
fn absent() -> crate::ArtifactName {
    crate::ArtifactName::new("conformance-absent").expect("a name")
}

/// Threads that store shared and own bytes, and read them back.
fn many(report: &mut Report, store: &Arc<dyn ArtifactStore>) {
    const THREADS: usize = 8;
    const BLOBS: usize = 8;
    let runtime = Runtime::current();
    let work = |thread: usize| async move {
        for number in 0..BLOBS {
            for bytes in [format!("shared {number}"), format!("{thread} own {number}")] {
                let digest = store.put_blob(bytes.as_bytes()).await;
                let digest = digest.map_err(failed("cannot be stored"))?;
                returned(&**store, &digest, bytes.as_bytes()).await?;
            }
        }
        Ok(())
    };
    let found: Vec<Result<(), String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (runtime, future) = (runtime.clone(), work(thread));
                scope.spawn(move || runtime.block_on(future))
            })
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined
            .map(|ended| ended.unwrap_or_else(|_| Err("a call panicked".to_owned())))
            .collect()
    });
    for one in found {
        report.check(p::MANY_AT_ONCE, one);
    }
}

async fn dropped<F, Fut>(report: &mut Report, fresh: &F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = StoreWorld>,
{
    let bytes = vec![7; 100_000];
    let digest = Digest::of(&bytes);
    for polls in 0..POINTS {
        for woken in [false, true] {
            let world = fresh().await;
            let at = AwaitPoint { polls, woken };
            let watched = watch(world.store.put_blob(&bytes), Disturbance::Drop(at), LIMIT).await;
            match watched.end {
                End::Dropped => {}
                End::Done(Ok(_)) => {
                    report.check(p::DROPS_WHOLE, Ok(()));
                    return;
                }
                end => {
                    let why = end
                        .done()
                        .and_then(|stored| stored.map_err(|error| error.to_string()));
                    report.check(p::DROPS_WHOLE, why.map(drop));
                    return;
                }
            }
            let found = async {
                match world.store.blob(&digest).await {
                    Err(StoreError::NotFound { .. }) => {}
                    Ok(read) if read == bytes => {}
                    other => return Err(format!("a part is there: {:?}", other.map(|read| read.len()))),
                }
                let again = world.store.put_blob(&bytes).await;
                again.map_err(failed("it cannot be stored again"))?;
                returned(&*world.store, &digest, &bytes).await
            };
            let found = found.await;
            report.check(
                p::DROPS_WHOLE,
                found.map_err(|why| format!("dropped {}: {why}", at.text())),
            );
        }
    }
}

async fn damaged(report: &mut Report, world: StoreWorld) {
    let Some(damage) = &world.damage else {
        let why = "nobody says how bytes are spoilt: `StoreWorld::damage`";
        report.not_tried(&[p::VERIFIES_READS, p::HEALS], why);
        return;
    };
    let bytes = b"precious";
    let digest = match world.store.put_blob(bytes).await {
        Ok(digest) => digest,
        Err(error) => {
            report.not_tried(
                &[p::VERIFIES_READS, p::HEALS],
                &format!("nothing can be stored: {error}"),
            );
            return;
        }
    };
    damage(digest).await;
    let found = match world.store.blob(&digest).await {
        Ok(read) if read == bytes => Err("`StoreWorld::damage` did not spoil a blob".to_owned()),
        Ok(_) => Err("a spoilt blob is returned".to_owned()),
        Err(_) => Ok(()),
    };
    report.check(p::VERIFIES_READS, found);
    let again = world.store.put_blob(bytes).await;
    let found = match again {
        Ok(_) => returned(&*world.store, &digest, bytes).await,
        Err(error) => Err(format!("it cannot be stored again: {error}")),
    };
    report.check(p::HEALS, found);

    let Some(artifact) = &world.artifact else { return };
    let Ok(opened) = world.store.open(artifact).await else {
        return;
    };
    let file = opened.entries().iter().find_map(|entry| match &entry.kind {
        EntryKind::File { digest, .. } => Some((entry.path.clone(), *digest)),
        _ => None,
    });
    let Some((path, digest)) = file else { return };
    damage(digest).await;
    let read = async { world.store.open(artifact).await?.read(&path).await };
    let found = match read.await {
        Ok(_) => Err(format!("the spoilt file `{path}` of an artifact is returned")),
        Err(_) => Ok(()),
    };
    report.check(p::VERIFIES_READS, found);
}

async fn artifacts(report: &mut Report, world: &StoreWorld, artifact: &ArtifactRef) {
    let resolved = world.store.resolve(&artifact.name, &artifact.version).await;
    let found = match resolved {
        Ok(Some(found)) if found == *artifact => Ok(()),
        other => Err(format!("{artifact} resolves to {other:?}")),
    };
    report.check(p::RESOLVES, found);
    let opened = match world.store.open(artifact).await {
        Ok(opened) => opened,
        Err(error) => {
            report.check(p::OPENS, Err(error.to_string()));
            report.not_tried(
                &[p::OPENS_BY_DIGEST, p::MATERIALISES],
                "the artifact does not open",
            );
            return;
        }
    };
    report.check(p::OPENS, as_its_entries_say(artifact, &*opened).await);
    let renamed = ArtifactRef {
        name: absent(),
        ..artifact.clone()
    };
    let found = match world.store.open(&renamed).await {
        Ok(same) if same.entries() == opened.entries() => Ok(()),
        Ok(_) => Err("under another name, the same digest has other entries".to_owned()),
        Err(error) => Err(format!(
            "under another name, the same digest does not open: {error}"
        )),
    };
    report.check(p::OPENS_BY_DIGEST, found);
    match &world.scratch {
        Some(into) => {
            let (missing, empty) = (into.join("new/one"), into.join("empty"));
            let found = materialised(&*opened, &missing, &empty).await;
            report.check(p::MATERIALISES, found);
        }
        None => report.not_tried(
            &[p::MATERIALISES],
            "there is no directory to write to: `StoreWorld::scratch`",
        ),
    }
}

async fn as_its_entries_say(artifact: &ArtifactRef, opened: &dyn Artifact) -> Result<(), String> {
    if opened.reference() != artifact {
        return Err(format!("it says that it is {}", opened.reference()));
    }
    let entries = opened.entries();
    if let Some(pair) = entries
        .windows(2)
        .find(|pair| pair[0].path.as_bytes() >= pair[1].path.as_bytes())
    {
        return Err(format!("`{}` stands before `{}`", pair[0].path, pair[1].path));
    }
    for entry in entries {
        if let EntryKind::File { size, digest, .. } = &entry.kind {
            let read = opened.read(&entry.path).await;
            let read = read.map_err(|error| format!("`{}` cannot be read: {error}", entry.path))?;
            if read.len() as u64 != *size || Digest::of(&read) != *digest {
                return Err(format!("`{}` is not what its entry says", entry.path));
            }
        }
    }
    match opened.read("no/such/file").await {
        Err(StoreError::NotFound { .. }) => Ok(()),
        other => Err(format!("a file that is not in it: {other:?}")),
    }
}

async fn materialised(opened: &dyn Artifact, missing: &PathBuf, empty: &PathBuf) -> Result<(), String> {
    let io = |error: std::io::Error| format!("the directory of the world: {error}");
    std::fs::create_dir_all(empty).map_err(io)?;
    for into in [missing, empty] {
        opened
            .materialise(into)
            .await
            .map_err(failed("it cannot be written"))?;
        for entry in opened.entries() {
            let path = into.join(&entry.path);
            let right = match &entry.kind {
                EntryKind::File {
                    digest, executable, ..
                } => {
                    let read = std::fs::read(&path).unwrap_or_default();
                    Digest::of(read) == *digest
                        && is_executable(&path).is_none_or(|found| found == *executable)
                }
                EntryKind::Directory => path.is_dir(),
                EntryKind::Symlink { target } => {
                    std::fs::read_link(&path).is_ok_and(|found| found.as_os_str() == target.as_str())
                }
            };
            if !right {
                return Err(format!("`{}` is not written as its entry says", entry.path));
            }
        }
    }
    match opened.materialise(empty).await {
        Err(_) => Ok(()),
        Ok(()) => Err("it is written into a directory that is not empty".to_owned()),
    }
}

#[cfg(unix)]
fn is_executable(path: &std::path::Path) -> Option<bool> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::symlink_metadata(path).ok()?;
    Some(metadata.permissions().mode() & 0o100 != 0)
}

#[cfg(not(unix))]
fn is_executable(_: &std::path::Path) -> Option<bool> {
    None
}
