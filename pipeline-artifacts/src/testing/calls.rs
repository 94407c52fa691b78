//! What the checks ask of a store again and again; each `Err` is what was observed.

use pipeline_core::{ChainDisplay, Digest, StoreError};

use super::sources::Pieces;
use crate::{BlobId, BlobStore, MAX_PIECE};

pub(super) fn failed(what: impl Into<String>) -> impl FnOnce(StoreError) -> String {
    let what = what.into();
    move |error| format!("{what}: {}", ChainDisplay(&error))
}

/// Bytes that name the check they are for, so that each check has its own, in any length.
pub(super) fn text(check: &str, len: usize) -> Vec<u8> {
    let line = format!("{check} of the conformance suite\n");
    line.bytes().cycle().take(len).collect()
}

/// Stores bytes as they should be stored.
pub(super) async fn put(store: &dyn BlobStore, bytes: &[u8]) -> Result<BlobId, String> {
    put_in(store, bytes, MAX_PIECE).await
}

/// The same, in pieces of a size.
pub(super) async fn put_in(store: &dyn BlobStore, bytes: &[u8], piece: usize) -> Result<BlobId, String> {
    let blob = BlobId::of(bytes);
    let stored = store.put(&blob, &mut Pieces::of(bytes, piece)).await;
    let what = format!("{} bytes cannot be stored", bytes.len());
    stored.map(|()| blob).map_err(failed(what))
}

/// What a source gave until its end.
pub(super) struct Given {
    pub(super) bytes: Vec<u8>,
    /// The first piece that is none.
    pub(super) odd: Option<String>,
}

/// Reads a blob to its end.
pub(super) async fn read(store: &dyn BlobStore, digest: &Digest) -> Result<Given, StoreError> {
    let mut source = store.get(digest).await?;
    let mut given = Given {
        bytes: Vec::new(),
        odd: None,
    };
    let mut empty = 0;
    while let Some(piece) = source.next().await? {
        let len = piece.len();
        if len == 0 || len > MAX_PIECE {
            given.odd.get_or_insert(format!("a piece has {len} bytes"));
        }
        empty += usize::from(len == 0);
        if empty > 1000 {
            break;
        }
        given.bytes.extend(piece);
    }
    Ok(given)
}

/// Whether bytes are given out as they were stored.
pub(super) async fn whole(store: &dyn BlobStore, bytes: &[u8]) -> Result<(), String> {
    let len = bytes.len();
    let given = read(store, &Digest::of(bytes)).await;
    let given = given.map_err(failed(format!(
        "a blob of {len} bytes that is stored is not given"
    )))?;
    match given.bytes == bytes {
        true => Ok(()),
        false => Err(format!("{len} bytes come back as {} others", given.bytes.len())),
    }
}

/// Every blob, however it is listed.
pub(super) async fn listed(store: &dyn BlobStore) -> Result<Vec<BlobId>, String> {
    let mut all: Vec<BlobId> = Vec::new();
    loop {
        let after = all.iter().map(|blob| blob.digest).max();
        let page = store.list(after.as_ref(), 1000).await;
        let page = page.map_err(failed("it cannot be listed"))?;
        let before = all.len();
        all.extend(
            page.into_iter()
                .filter(|blob| after.is_none_or(|after| blob.digest > after)),
        );
        if all.len() == before {
            return Ok(all);
        }
    }
}

/// What a `put` left that did not end as it should: the whole blob, or nothing. Whether it is there.
pub(super) async fn left_by(store: &dyn BlobStore, blob: &BlobId, bytes: &[u8]) -> Result<bool, String> {
    let wanted = Some(blob.size);
    // Asked in this order: one that becomes visible meanwhile is there from then on.
    let list = listed(store).await?;
    let list = list.iter().find(|one| one.digest == blob.digest);
    if let Some(found) = list.filter(|found| found.size != blob.size) {
        return Err(format!("of {} bytes, {} are listed", blob.size, found.size));
    }
    let size = store
        .size(&blob.digest)
        .await
        .map_err(failed("it tells no size"))?;
    if size.is_some() && size != wanted {
        return Err(format!("it has {size:?} bytes instead of {wanted:?}"));
    }
    let there = match read(store, &blob.digest).await {
        Ok(given) if given.bytes == bytes => true,
        Err(StoreError::NotFound { .. }) => false,
        Ok(given) => {
            return Err(format!(
                "of {} bytes, {} are given, or others",
                blob.size,
                given.bytes.len()
            ));
        }
        Err(error) => return Err(failed("it cannot be read")(error)),
    };
    match there || (size.is_none() && list.is_none()) {
        true => Ok(there),
        false => Err("it is listed or has a size, and is not given".to_owned()),
    }
}

/// Whether nothing of a blob is visible.
pub(super) async fn absent(store: &dyn BlobStore, blob: &BlobId) -> Result<(), String> {
    match store.size(&blob.digest).await {
        Ok(None) => {}
        found => return Err(format!("its size is {found:?}")),
    }
    match read(store, &blob.digest).await {
        Err(StoreError::NotFound { .. }) => {}
        Ok(given) => return Err(format!("{} bytes are given", given.bytes.len())),
        Err(error) => return Err(failed("it is not *not found*")(error)),
    }
    match store.missing(&[*blob]).await {
        Ok(missing) if missing == [*blob] => {}
        found => return Err(format!("asked whether it is missing, it says {found:?}")),
    }
    match listed(store).await?.iter().any(|one| one.digest == blob.digest) {
        true => Err("it is listed".to_owned()),
        false => Ok(()),
    }
}
