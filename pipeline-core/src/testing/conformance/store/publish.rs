use std::future::Future;
use std::sync::Arc;

use super::promises as p;
use super::suite::{absent, failed};
use super::world::{Publish, StoreWorld};
use crate::testing::block_on::Runtime;
use crate::testing::conformance::Report;
use crate::{ArtifactRef, ArtifactStore, Digest, StoreError};

/// What a version stands for, once and for ever.
pub(super) async fn versions<F, Fut>(report: &mut Report, fresh: &F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = StoreWorld>,
{
    let world = fresh().await;
    let (Some(artifact), Some((other, publish))) = (&world.artifact, &world.publish) else {
        let why = "nobody says how a version is published: `StoreWorld::publish`";
        return report.not_tried(&[p::VERSIONS_STAY, p::ONE_WINNER, p::PUBLISHES_WHOLE], why);
    };
    let found = stay(&*world.store, artifact, *other, publish).await;
    report.check(p::VERSIONS_STAY, found);
    let found = whole(&*world.store, publish).await;
    report.check(p::PUBLISHES_WHOLE, found);
    // Each race has a version of its own.
    for patch in 0..8 {
        let versions = [artifact.digest, *other].map(|digest| ArtifactRef {
            version: semver::Version::new(7, 0, patch),
            digest,
            ..artifact.clone()
        });
        report.check(p::ONE_WINNER, race(&world.store, &versions, publish).await);
    }
}

async fn stay(
    store: &dyn ArtifactStore,
    artifact: &ArtifactRef,
    other: Digest,
    publish: &Publish,
) -> Result<(), String> {
    let again = publish(artifact.clone())
        .await
        .map_err(failed("the same content again"))?;
    if again.digest != artifact.digest {
        return Err(format!("the same content again is {again}"));
    }
    let offered = ArtifactRef {
        digest: other,
        ..artifact.clone()
    };
    match publish(offered).await {
        Err(StoreError::Taken {
            published, offered, ..
        }) if (published, offered) == (artifact.digest, other) => {}
        found => return Err(format!("other content under a version that is taken: {found:?}")),
    }
    match store.resolve(&artifact.name, &artifact.version).await {
        Ok(Some(found)) if found == *artifact => Ok(()),
        found => Err(format!(
            "after other content was offered, the version stands for {found:?}"
        )),
    }
}

async fn whole(store: &dyn ArtifactStore, publish: &Publish) -> Result<(), String> {
    let missing = ArtifactRef {
        name: absent(),
        version: semver::Version::new(1, 0, 0),
        digest: Digest::of(b"nobody stored this"),
    };
    let (name, version) = (missing.name.clone(), missing.version.clone());
    if let Ok(found) = publish(missing).await {
        return Err(format!(
            "an artifact that is not in the store is published: {found}"
        ));
    }
    match store.resolve(&name, &version).await {
        Ok(None) => Ok(()),
        found => Err(format!(
            "a version that could not be published stands for {found:?}"
        )),
    }
}

/// Threads that publish two contents under one version.
async fn race(
    store: &Arc<dyn ArtifactStore>,
    offers: &[ArtifactRef; 2],
    publish: &Publish,
) -> Result<(), String> {
    const THREADS: usize = 6;
    let runtime = Runtime::current();
    let ended: Vec<Result<(), String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (runtime, offer) = (runtime.clone(), offers[thread % 2].clone());
                scope.spawn(move || runtime.block_on(one(store, offer, publish)))
            })
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined
            .map(|ended| ended.unwrap_or_else(|_| Err("a call panicked".to_owned())))
            .collect()
    });
    ended.into_iter().collect()
}

/// Whoever published, or was refused, looks at once what the version stands for.
async fn one(store: &Arc<dyn ArtifactStore>, offer: ArtifactRef, publish: &Publish) -> Result<(), String> {
    let heard = match publish(offer.clone()).await {
        Ok(published) if published.digest == offer.digest => offer.digest,
        Err(StoreError::Taken { published, .. }) if published != offer.digest => published,
        found => return Err(format!("{offer} at the same time as others: {found:?}")),
    };
    match store.resolve(&offer.name, &offer.version).await {
        Ok(Some(found)) if found.digest == heard => Ok(()),
        found => Err(format!(
            "one heard that {} stands for {heard}, and found {found:?}",
            offer.version
        )),
    }
}
