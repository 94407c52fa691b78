//! Blobs that come in parts.

use std::sync::{Arc, Mutex};

use pipeline_artifacts::LocalStore;
use pipeline_artifacts::oci::{OciError, PullReport};
use pipeline_core::ArtifactRef;

use super::http::{Request, answer, serve, with};
use super::strange::{Strange, body, one_by_one};
use super::{now, published};
use crate::{Bench, shop, text, v};

/// A blob, and how a registry gives it.
struct Given<'a> {
    bytes: &'a [u8],
    /// From which byte on it is asked for.
    from: Option<usize>,
}

impl Given<'_> {
    /// The bytes from one on, and no more than so many, as a part.
    fn part(&self, from: usize, most: usize) -> Vec<u8> {
        let end = self.bytes.len().min(from + most);
        let part = &self.bytes[from..end];
        let range = format!("Content-Range: bytes {from}-{}/{}", end - 1, self.bytes.len());
        let whole = String::from_utf8(with(answer("206 Partial Content", "x/y", ""), &range)).unwrap();
        let head = whole.replace("Content-Length: 0", &format!("Content-Length: {}", part.len()));
        [head.as_bytes(), part].concat()
    }

    /// Half of what is said to come.
    fn half(&self) -> Vec<u8> {
        let mut all = body(self.bytes);
        all.truncate(all.len() - self.bytes.len() / 2);
        all
    }
}

/// Pulls from a registry that gives blobs in its own way; tells from where on they were asked for.
async fn pulled(
    bench: &Bench,
    artifact: &ArtifactRef,
    into: &str,
    give: impl Fn(Given<'_>) -> Vec<u8> + Send + Sync + 'static,
) -> (Result<PullReport, OciError>, Vec<Option<usize>>) {
    let (strange, blobs) = (Strange::new(bench), bench.store.root().join("blobs/sha256"));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let port = serve(move |request: &Request| {
        let Some((_, digest)) = request.target.split_once("/blobs/sha256:") else {
            return strange.answer(request);
        };
        let bytes = std::fs::read(blobs.join(digest)).unwrap();
        let from = request.header("range").map(|range| {
            let from = range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap();
            from.parse().unwrap()
        });
        log.lock().unwrap().push(from);
        let bytes = bytes.as_slice();
        // The empty configuration cannot be halved.
        match bytes.len() {
            2 => body(bytes),
            _ => give(Given { bytes, from }),
        }
    });
    let store = LocalStore::open(bench.path(into)).unwrap();
    let pulled = one_by_one(port)
        .pull(&store, &shop(), &v("1.4.0"), Some(&artifact.digest), now())
        .await;
    if pulled.is_ok() {
        assert!(store.verify().unwrap().is_good());
    }
    let asked = asked.lock().unwrap().clone();
    (pulled, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_goes_on_where_it_was() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", "first");
    let (rest, asked) = pulled(&bench, &artifact, "rest", |blob| match blob.from {
        None => blob.half(),
        Some(from) => blob.part(from, usize::MAX / 2),
    })
    .await;
    assert_eq!(rest.unwrap().artifact, artifact);
    let again = asked.iter().flatten();
    assert!(
        again.clone().count() >= 2 && again.clone().all(|from| *from > 0),
        "{asked:?}"
    );

    // A part of the rest is no end; each goes on further than the one before, more often than is tried in vain.
    let (bit, asked) = pulled(&bench, &artifact, "bit", |blob| match blob.from {
        None => blob.half(),
        Some(from) => blob.part(from, blob.bytes.len() / 16 + 1),
    })
    .await;
    assert_eq!(bit.unwrap().artifact, artifact);
    assert!(asked.len() > 12, "{asked:?}");

    // Without a length, the end of a connection is no end.
    let (endless, _) = pulled(&bench, &artifact, "endless", |blob| match blob.from {
        None => {
            let half = String::from("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").into_bytes();
            [half.as_slice(), &blob.bytes[..blob.bytes.len() / 2]].concat()
        }
        Some(from) => blob.part(from, usize::MAX / 2),
    })
    .await;
    assert_eq!(endless.unwrap().artifact, artifact);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_registry_gives_instead_of_the_rest_is_said() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", "first");
    // There is nothing after what came: the blob is shorter than the manifest says.
    let (short, asked) = pulled(&bench, &artifact, "short", |blob| match blob.from {
        None => blob.half(),
        Some(_) => answer("416 Range Not Satisfiable", "text/plain", ""),
    })
    .await;
    let said = text(&short.unwrap_err(), bench.dir.path());
    assert!(said.contains("is refused: it has fewer than "), "{said}");
    assert_eq!(asked.len(), 2, "it is not asked again: {asked:?}");

    // From the beginning on, that is no answer to what was asked.
    let (none, asked) = pulled(&bench, &artifact, "none", |_| {
        answer("416 Range Not Satisfiable", "text/plain", "")
    })
    .await;
    let said = text(&none.unwrap_err(), bench.dir.path());
    assert!(
        said.starts_with("cannot pull blob sha256:") && said.contains("416"),
        "{said}"
    );
    assert_eq!(asked.len(), 1);

    let (other, _) = pulled(&bench, &artifact, "other", |blob| match blob.from {
        None => blob.half(),
        Some(from) => blob.part(from - 1, usize::MAX / 2),
    })
    .await;
    let said = text(&other.unwrap_err(), bench.dir.path());
    assert!(said.contains("is refused: it gives another part of it"), "{said}");

    // It gives the place, and other bytes there.
    let (lie, _) = pulled(&bench, &artifact, "lie", |blob| match blob.from {
        None => blob.half(),
        Some(from) => {
            let mut part = blob.part(from, usize::MAX / 2);
            *part.last_mut().unwrap() ^= 1;
            part
        }
    })
    .await;
    let error = lie.unwrap_err();
    let said = text(&error, bench.dir.path());
    assert!(
        matches!(error, OciError::Refused { .. }) && said.contains("another digest"),
        "{said}"
    );
}
