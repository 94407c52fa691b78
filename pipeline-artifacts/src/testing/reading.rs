//! What is there, and what is not.

use super::calls::{absent, failed, listed, put, put_in, read, text};
use super::{Report, promises as p};
use crate::{BlobId, BlobStore, MAX_PIECE};

/// Small ones, odd ones, and one of several pieces; in pieces of which size each is sent.
fn samples() -> Vec<(Vec<u8>, usize)> {
    let odd: Vec<u8> = (0..=255).collect();
    let large: Vec<u8> = (0..3 * MAX_PIECE + 1)
        .map(|number| (number % 251) as u8)
        .collect();
    vec![
        (Vec::new(), 1),
        (vec![0], 1),
        (b"text\r\n".to_vec(), 1),
        (odd, 100),
        (large, MAX_PIECE),
    ]
}

/// A blob that nobody stores.
pub(super) fn nobodys() -> BlobId {
    BlobId::of(text("nobody stored this", 64))
}

pub(super) async fn absent_blobs(report: &mut Report, store: &dyn BlobStore) {
    let blob = nobodys();
    report.check(p::ABSENT_IS_NOT_FOUND, absent(store, &blob).await);
}

pub(super) async fn given(report: &mut Report, store: &dyn BlobStore) {
    let mut blobs = Vec::new();
    for (bytes, piece) in samples() {
        match put_in(store, &bytes, piece).await {
            Ok(blob) => {
                report.check(p::VISIBLE_AT_ONCE, visible(store, &blob).await);
                blobs.push((blob, bytes));
            }
            Err(why) => report.check(p::RETURNS_THE_SAME, Err(why)),
        }
    }
    for (blob, bytes) in &blobs {
        returned(report, store, blob, bytes).await;
    }
    let blobs: Vec<BlobId> = blobs.into_iter().map(|(blob, _)| blob).collect();
    match store.flush(&blobs).await {
        Ok(()) => report.check(p::TELLS_MISSING, missing(store, &blobs).await),
        Err(error) => report.not_tried(&[p::TELLS_MISSING], &failed("a flush")(error)),
    }
}

/// Reads a blob, and checks it and its pieces.
pub(super) async fn returned(report: &mut Report, store: &dyn BlobStore, blob: &BlobId, bytes: &[u8]) {
    let len = bytes.len();
    match read(store, &blob.digest).await {
        Ok(given) => {
            let same = given.bytes == bytes;
            let found = same.then_some(()).ok_or_else(|| {
                let back = given.bytes.len();
                format!("{len} bytes come back as {back} others")
            });
            report.check(p::RETURNS_THE_SAME, found);
            let odd = given.odd.map(|why| format!("of {len} bytes, {why}"));
            report.check(p::GIVES_PIECES, odd.map_or(Ok(()), Err));
        }
        Err(error) => {
            let why = failed(format!("{len} bytes that are stored are not given"))(error);
            report.check(p::RETURNS_THE_SAME, Err(why));
        }
    }
}

pub(super) async fn visible(store: &dyn BlobStore, blob: &BlobId) -> Result<(), String> {
    let wanted = blob.size;
    match store.size(&blob.digest).await {
        Ok(Some(size)) if size == wanted => {}
        found => return Err(format!("the size of {wanted} bytes is {found:?}")),
    }
    match store.missing(&[*blob]).await {
        Ok(missing) if missing.is_empty() => {}
        found => return Err(format!("{wanted} bytes that are there are missing: {found:?}")),
    }
    match listed(store).await?.contains(blob) {
        true => Ok(()),
        false => Err(format!("{wanted} bytes that are there are not listed")),
    }
}

/// Asks for what is there, what is not, and what has another size, mixed.
pub(super) async fn missing(store: &dyn BlobStore, there: &[BlobId]) -> Result<(), String> {
    let nobodys = nobodys();
    let (mut asked, mut wanted) = (vec![nobodys], vec![nobodys]);
    for blob in there {
        let size = blob.size + 1;
        let other = BlobId { size, ..*blob };
        asked.extend([*blob, other]);
        wanted.push(other);
    }
    asked.push(nobodys);
    wanted.push(nobodys);
    let found = store.missing(&asked).await;
    let found = found.map_err(failed("it does not tell what is missing"))?;
    if found != wanted {
        return Err(difference(&wanted, &found));
    }
    match store.missing(&[]).await {
        Ok(none) if none.is_empty() => Ok(()),
        found => Err(format!("of none, it says that {found:?} are missing")),
    }
}

/// The first blob that is told wrongly.
fn difference(wanted: &[BlobId], found: &[BlobId]) -> String {
    let differs = |at: &usize| wanted.get(*at) != found.get(*at);
    let at = (0..wanted.len().max(found.len()))
        .find(differs)
        .unwrap_or_default();
    let text = |blobs: &[BlobId]| match blobs.get(at) {
        Some(blob) => format!("{} of {} bytes", blob.digest, blob.size),
        None => "none".to_owned(),
    };
    let (wanted, found) = (text(wanted), text(found));
    format!("missing at place {at}, counted from 0: expected {wanted}, found {found}")
}

pub(super) async fn list_of_new(report: &mut Report, store: &dyn BlobStore) {
    let stored = async {
        let mut blobs = Vec::new();
        for number in 0..10 {
            blobs.push(put(store, &text(&format!("list {number}"), 100)).await?);
        }
        let flushed = store.flush(&blobs).await;
        flushed.map(|()| blobs).map_err(failed("a flush"))
    };
    match stored.await {
        Ok(blobs) => report.check(p::LISTS, lists(store, blobs).await),
        Err(why) => report.not_tried(&[p::LISTS], &why),
    }
}

/// Lists what is there, in pages of any size.
pub(super) async fn lists(store: &dyn BlobStore, mut there: Vec<BlobId>) -> Result<(), String> {
    there.sort();
    there.dedup();
    for most in [1, 3, there.len(), 1000] {
        let mut all: Vec<BlobId> = Vec::new();
        while all.len() <= there.len() {
            let after = all.last().map(|blob| blob.digest);
            let page = store.list(after.as_ref(), most).await.map_err(failed("a list"))?;
            if page.is_empty() {
                break;
            }
            if page.len() > most {
                return Err(format!("of at most {most}, {} are listed", page.len()));
            }
            all.extend(page);
        }
        if all != there {
            let (found, wanted) = (all.len(), there.len());
            return Err(format!(
                "in pages of {most}, other blobs are listed, or not in their order: {found} of {wanted}"
            ));
        }
    }
    // After one that is not there.
    let nobodys = nobodys().digest;
    let rest: Vec<BlobId> = there.into_iter().filter(|blob| blob.digest > nobodys).collect();
    let found = store.list(Some(&nobodys), 1000).await.map_err(failed("a list"))?;
    match rest.starts_with(&found) && (rest.is_empty() || !found.is_empty()) {
        true => Ok(()),
        false => {
            Err("after a digest that is not there, other blobs are listed than those that follow".to_owned())
        }
    }
}
