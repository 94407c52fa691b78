use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::world::StoreWorld;
use super::{artifacts, promises as p, publish};
use crate::testing::block_on::Runtime;
use crate::testing::conformance::Report;
use crate::testing::conformance::watch::{AwaitPoint, Disturbance, End, watch};
use crate::{ArtifactRef, ArtifactStore, Digest, EntryKind, StoreError};

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
///     let other = store.add("app", "1.1.0", &[("bin/app", b"#!/bin/bash\n".as_slice(), true)]);
///     let (damaged, catalog) = (store.clone(), store.clone());
///     StoreWorld::new(store)
///         .artifact(app)
///         .damage(move |digest| { damaged.damage(&digest); async {} })
///         .publish(other.digest, move |artifact| { let done = catalog.publish(&artifact); async { done } })
/// })
/// .await;
/// report.assert_kept();
/// let nowhere = ["materialises", "writes-no-damage"];
/// assert_eq!(report.not_tried_names(), nowhere, "there is no directory to write to");
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
        Some(artifact) => {
            artifacts::artifacts(&mut report, &world, artifact).await;
            if report.broken().contains(&p::RESOLVES.name) {
                report.stop("a version cannot be resolved");
            } else {
                publish::versions(&mut report, &fresh).await;
            }
        }
        None => report.stop("the world brings no artifact: `StoreWorld::artifact`"),
    }
    report
}

pub(super) fn failed(what: &str) -> impl Fn(StoreError) -> String {
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
pub(super) fn absent() -> crate::ArtifactName {
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
        report.not_tried(&[p::VERIFIES_READS, p::HEALS, p::WRITES_NO_DAMAGE], why);
        return;
    };
    let bytes = b"precious";
    let digest = match world.store.put_blob(bytes).await {
        Ok(digest) => digest,
        Err(error) => {
            report.not_tried(
                &[p::VERIFIES_READS, p::HEALS, p::WRITES_NO_DAMAGE],
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
    let entries = artifacts::entries(&*opened).await.unwrap_or_default();
    let file = entries.into_iter().find_map(|entry| match entry.kind {
        EntryKind::File { digest, .. } => Some((entry.path, digest)),
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
    artifacts::spoilt(report, &world, artifact, &path).await;
}
