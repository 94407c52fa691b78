//! Storing: twice, wrongly, while somebody looks, many at once; and taking away.

use std::sync::Arc;

use pipeline_core::{ChainDisplay, StoreError};

use super::at_once::{Job, at_once};
use super::calls::{absent, failed, left_by, listed, put, put_in, read, text, whole};
use super::limit::in_time;
use super::sources::{FAILS, Pieces, TooMany, Watching};
use super::{Report, promises as p};
use crate::{BlobId, BlobStore, MAX_PIECE};

pub(super) async fn twice(report: &mut Report, store: &dyn BlobStore) {
    let bytes = text("twice", 1000);
    let found = async {
        let blob = put(store, &bytes).await?;
        let again = store.put(&blob, &mut Pieces::of(&bytes, 7)).await;
        again.map_err(failed("the second time"))?;
        whole(store, &bytes).await?;
        let count = listed(store).await?.len();
        (count <= 1)
            .then_some(())
            .ok_or_else(|| format!("it is listed {count} times"))
    };
    report.check(p::STORES_TWICE, found.await);
}

/// Looks while a blob is stored, and while it is stored again.
pub(super) async fn watched(report: &mut Report, store: &Arc<dyn BlobStore>) {
    let bytes = text("watched", 3000);
    let blob = BlobId::of(&bytes);
    for stays in [false, true] {
        let mut source = Watching::new(store, &bytes, stays);
        let stored = in_time(store.put(&blob, &mut source)).await;
        let when = match stays {
            true => "while it is stored again",
            false => "while it is stored",
        };
        let found = source.found.map_err(|why| format!("{when}: {why}"));
        report.check(p::NOTHING_HALF, found);
        match stored {
            Err(late) => return report.check(p::NOTHING_HALF, Err(format!("{when}: {late}"))),
            // Another check says so.
            Ok(Err(_)) => return,
            Ok(Ok(())) => {}
        }
    }
}

/// What `put` is told and what it is sent, when they differ.
fn lies(right: &[u8]) -> Vec<(&'static str, BlobId, Vec<u8>)> {
    let blob = BlobId::of(right);
    let mut other = right.to_vec();
    if let Some(last) = other.last_mut() {
        *last ^= 1;
    }
    let sized = |size| BlobId { size, ..blob };
    vec![
        ("other bytes", blob, other),
        ("fewer bytes", blob, right[..right.len() - 1].to_vec()),
        ("more bytes", blob, [right, b"!"].concat()),
        ("no bytes", blob, Vec::new()),
        ("a size that is too large", sized(blob.size + 1), right.to_vec()),
        ("a size that is too small", sized(blob.size - 1), right.to_vec()),
    ]
}

pub(super) async fn refused(report: &mut Report, store: &dyn BlobStore) {
    for there in [false, true] {
        for number in 0..6 {
            let right = text(&format!("lie {number} {there}"), 1000);
            let Some((what, blob, sent)) = lies(&right).into_iter().nth(number) else {
                continue;
            };
            if there && put(store, &right).await.is_err() {
                // Another check says so.
                return;
            }
            let what = match there {
                true => format!("{what} for a blob that is there"),
                false => what.to_owned(),
            };
            let found = match store.put(&blob, &mut Pieces::of(&sent, 300)).await {
                Err(StoreError::Damaged { .. }) => Ok(()),
                Err(error) => Err(format!("{what}: it says `{}`", ChainDisplay(&error))),
                Ok(()) => Err(format!("{what}: taken")),
            };
            report.check(p::REFUSES_OTHER_BYTES, found);
            left(report, store, &right, there, &what).await;
        }
        let right = text(&format!("failing {there}"), 1000);
        if there && put(store, &right).await.is_err() {
            return;
        }
        // At once, in the middle, and where the end should be.
        for sent in [0, 500, 1000] {
            let mut source = Pieces::of(&right[..sent], 250).failing();
            let found = match store.put(&BlobId::of(&right), &mut source).await {
                Err(error) if ChainDisplay(&error).to_string().contains(FAILS) => Ok(()),
                Err(error) => Err(format!("after {sent} bytes, it says `{}`", ChainDisplay(&error))),
                Ok(()) => Err(format!("after {sent} of 1000 bytes: taken")),
            };
            report.check(p::PASSES_ERRORS, found);
            let what = format!("a source that fails after {sent} of 1000 bytes");
            left(report, store, &right, there, &what).await;
        }
    }
}

/// What a `put` that failed left.
async fn left(report: &mut Report, store: &dyn BlobStore, right: &[u8], there: bool, what: &str) {
    let found = match there {
        true => whole(store, right).await,
        false => absent(store, &BlobId::of(right)).await,
    };
    let found = found.map_err(|why| format!("{what}: {why}"));
    report.check(p::FAILURES_LEAVE_NOTHING, found);
}

pub(super) async fn too_many(report: &mut Report, store: &dyn BlobStore) {
    let piece = text("too many", MAX_PIECE);
    let mut source = TooMany::of(piece.clone());
    // What is said of it is checked elsewhere.
    let _ = store.put(&BlobId::of(&piece), &mut source).await;
    let found = match source.taken {
        TooMany::PIECES => Err(format!(
            "of a source for one piece, all {} were taken",
            TooMany::PIECES
        )),
        _ => Ok(()),
    };
    report.check(p::STOPS_AT_THE_SIZE, found);
}

/// Threads that store shared and own bytes, and lies about the shared ones, and read them back.
pub(super) async fn many(report: &mut Report, store: &Arc<dyn BlobStore>) {
    const THREADS: usize = 8;
    const BLOBS: usize = 6;
    let shared = |number| text(&format!("shared {number}"), 10_000);
    let work = |thread: usize| {
        let store = Arc::clone(store);
        let job: Job = Box::pin(async move {
            for number in 0..BLOBS {
                let lie = text("a lie", 10_000);
                let told = BlobId::of(shared(number));
                if thread.is_multiple_of(4) {
                    // It must not count; what is said of it is checked elsewhere.
                    let _ = store.put(&told, &mut Pieces::of(&lie, 3000)).await;
                }
                for bytes in [shared(number), text(&format!("{thread} own {number}"), 10_000)] {
                    put_in(&*store, &bytes, 3000).await?;
                    whole(&*store, &bytes).await?;
                }
            }
            Ok(())
        });
        job
    };
    let found = in_time(at_once((0..THREADS).map(work).collect())).await;
    for one in found.unwrap_or_else(|late| vec![Err(late)]) {
        report.check(p::MANY_AT_ONCE, one);
    }
    for number in 0..BLOBS {
        let bytes = shared(number);
        let found = whole(&**store, &bytes).await;
        report.check(p::MANY_AT_ONCE, found.map_err(|why| format!("afterwards: {why}")));
    }
}

pub(super) async fn trashed(report: &mut Report, store: &dyn BlobStore) {
    let (gone, stays) = (text("trashed", 1000), text("stays", 1000));
    let stored = async {
        let blobs = [put(store, &gone).await?, put(store, &stays).await?];
        let flushed = store.flush(&blobs).await;
        flushed.map(|()| blobs[0]).map_err(failed("a flush"))
    };
    let blob = match stored.await {
        Ok(blob) => blob,
        Err(why) => return report.not_tried(&[p::TRASHES], &why),
    };
    let found = async {
        for epoch in [1, 2] {
            let when = format!("in epoch {epoch}");
            says(store, &blob, epoch, true).await?;
            if listed(store).await?.contains(&blob) {
                return Err(format!("{when}: what was taken away is listed"));
            }
            // Who knows of it may still find it, but not half of it.
            let given = read(store, &blob.digest).await;
            if given.is_ok_and(|given| given.bytes != gone) {
                return Err(format!("{when}: a part of what was taken away is given"));
            }
            says(store, &blob, epoch, false).await?;
            whole(store, &stays).await?;
            put(store, &gone).await?;
            let flushed = store.flush(&[blob]).await;
            flushed.map_err(failed("a flush after it was stored again"))?;
            let back = left_by(store, &blob, &gone).await?;
            if !back || !listed(store).await?.contains(&blob) {
                return Err(format!("{when}: what was stored again is not back"));
            }
        }
        says(store, &super::reading::nobodys(), 2, false).await
    };
    report.check(p::TRASHES, found.await);
}

async fn says(store: &dyn BlobStore, blob: &BlobId, epoch: u64, there: bool) -> Result<(), String> {
    match store.trash(&blob.digest, epoch).await {
        Ok(was) if was == there => Ok(()),
        Ok(was) => Err(format!("taking a blob away says {was} where {there} is true")),
        Err(error) => Err(failed("a blob cannot be taken away")(error)),
    }
}
