//! What lasts: through damage, through being opened again, and in a store that is only read.

use pipeline_core::{ChainDisplay, StoreError};

use super::calls::{absent, failed, put, read, text, whole};
use super::reading::{lists, missing, returned, visible};
use super::sources::Pieces;
use super::world::{BlobWorld, Damage};
use super::{Report, promises as p};
use crate::{BlobId, BlobStore};

const NO_DAMAGE: &str = "nobody says how bytes are spoilt: `BlobWorld::damage`";

pub(super) async fn damaged(report: &mut Report, world: BlobWorld) {
    let Some(damage) = &world.damage else {
        return report.not_tried(&[p::VERIFIES_READS, p::HEALS], NO_DAMAGE);
    };
    let bytes = text("precious", 1000);
    if let Err(why) = put(&*world.store, &bytes).await {
        return report.not_tried(&[p::VERIFIES_READS, p::HEALS], &why);
    }
    spoil(report, &*world.store, damage, &bytes).await;
    let found = async {
        put(&*world.store, &bytes).await?;
        whole(&*world.store, &bytes).await
    };
    report.check(p::HEALS, found.await);
}

/// Spoils a blob, and reads it.
async fn spoil(report: &mut Report, store: &dyn BlobStore, damage: &Damage, bytes: &[u8]) {
    let digest = BlobId::of(bytes).digest;
    damage(digest).await;
    let found = match read(store, &digest).await {
        Err(StoreError::Damaged { .. } | StoreError::NotFound { .. }) => Ok(()),
        Err(error) => Err(format!("of a spoilt blob, it says `{}`", ChainDisplay(&error))),
        Ok(given) if given.bytes == bytes => Err("`BlobWorld::damage` did not spoil a blob".to_owned()),
        Ok(given) => Err(format!("{} spoilt bytes are given to the end", given.bytes.len())),
    };
    report.check(p::VERIFIES_READS, found);
}

pub(super) async fn flushed(report: &mut Report, world: BlobWorld) {
    let all = [text("flushed", 1000), text("flushed, too", 2000)];
    let flushed = async {
        let flush = failed("a flush of none");
        world.store.flush(&[]).await.map_err(flush)?;
        let mut blobs = Vec::new();
        for bytes in &all {
            blobs.push(put(&*world.store, bytes).await?);
        }
        for _ in 0..2 {
            world.store.flush(&blobs).await.map_err(failed("a flush"))?;
        }
        Ok(())
    };
    if let Err(why) = flushed.await {
        return report.check(p::FLUSHED_STAYS, Err(why));
    }
    let Some(reopen) = &world.reopen else {
        let why = "nobody says how the store is opened again: `BlobWorld::reopen`";
        return report.not_tried(&[p::FLUSHED_STAYS], why);
    };
    let again = reopen().await;
    for bytes in &all {
        let found = async {
            visible(&*again, &BlobId::of(bytes)).await?;
            whole(&*again, bytes).await
        };
        report.check(p::FLUSHED_STAYS, found.await);
    }
}

/// A store that is only read, with these blobs.
pub(super) async fn held(report: &mut Report, world: &BlobWorld, held: &[Vec<u8>]) {
    let store = &*world.store;
    let blobs: Vec<BlobId> = held.iter().map(BlobId::of).collect();
    for (blob, bytes) in blobs.iter().zip(held) {
        returned(report, store, blob, bytes).await;
    }
    report.check(p::TELLS_MISSING, missing(store, &blobs).await);
    report.check(p::LISTS, lists(store, blobs.clone()).await);
    report.check(p::REFUSES_WRITES, refuses(store, held).await);
    match (&world.damage, held.iter().max_by_key(|bytes| bytes.len())) {
        (Some(damage), Some(bytes)) => spoil(report, store, damage, bytes).await,
        (None, _) => report.not_tried(&[p::VERIFIES_READS], NO_DAMAGE),
        (_, None) => {}
    }
    report.stop("the store has no blob: `BlobWorld::read_only`");
    let writes = [
        p::VISIBLE_AT_ONCE,
        p::STORES_TWICE,
        p::NOTHING_HALF,
        p::REFUSES_OTHER_BYTES,
        p::PASSES_ERRORS,
        p::FAILURES_LEAVE_NOTHING,
        p::STOPS_AT_THE_SIZE,
        p::DROPS_WHOLE,
        p::MANY_AT_ONCE,
        p::HEALS,
        p::FLUSHED_STAYS,
        p::TRASHES,
        p::FULL_LOSES_NOTHING,
    ];
    report.not_promised(&writes, "the store is only read");
}

async fn refuses(store: &dyn BlobStore, held: &[Vec<u8>]) -> Result<(), String> {
    let new = text("for a store that is only read", 1000);
    let mut source = Pieces::of(&new, 300);
    if store.put(&BlobId::of(&new), &mut source).await.is_ok() {
        return Err("a blob is stored".to_owned());
    }
    absent(store, &BlobId::of(&new)).await?;
    for bytes in held {
        let digest = BlobId::of(bytes).digest;
        if store.trash(&digest, 1).await.is_ok() {
            return Err("a blob may be taken away".to_owned());
        }
        read(store, &digest)
            .await
            .map_err(failed("what may not be taken away"))?;
        visible(store, &BlobId::of(bytes)).await?;
    }
    Ok(())
}
