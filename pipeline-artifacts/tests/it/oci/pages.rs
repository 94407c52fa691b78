//! Lists of what is attached that come in pages.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pipeline_artifacts::limits::{MAX_LIST_PAGES, MAX_LISTED};
use pipeline_artifacts::oci::{Credentials, OciError, PullReport};
use pipeline_artifacts::{LocalStore, NewAttachment};
use pipeline_core::{ArtifactRef, Digest};
use serde_json::json;

use super::http::{answer, serve, with};
use super::strange::{INDEX, MANIFEST, Strange};
use super::{in_time, now, published, remote};
use crate::{Bench, shop, text, v};

/// The page of a list.
fn page(digests: &[String]) -> Vec<u8> {
    let listed: Vec<_> = digests
        .iter()
        .map(|digest| json!({ "mediaType": MANIFEST, "digest": digest, "size": 1 }))
        .collect();
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": listed });
    answer("200 OK", INDEX, &index.to_string())
}

/// Pulls from a registry that lists in its own way: it is told which page is asked for, from 0.
async fn pulled(
    bench: &Bench,
    artifact: &ArtifactRef,
    into: &str,
    list: impl Fn(usize, &str) -> Vec<u8> + Send + Sync + 'static,
) -> (Result<PullReport, OciError>, usize) {
    let (strange, asked) = (Strange::new(bench), Arc::new(AtomicUsize::new(0)));
    let (counted, base) = (
        Arc::clone(&asked),
        format!("/v2/infra/shop/referrers/{}", artifact.digest),
    );
    let port = serve(move |request| {
        let Some(rest) = request.target.strip_prefix(&base) else {
            return strange.answer(request);
        };
        counted.fetch_add(1, Ordering::SeqCst);
        let number = rest
            .strip_prefix("?page=")
            .map_or(0, |page| page.parse().unwrap());
        list(number, &base)
    });
    let store = LocalStore::open(bench.path(into)).unwrap();
    let remote = remote(port, Credentials::Anonymous);
    let (name, version) = (shop(), v("1.4.0"));
    let pull = remote.pull(&store, &name, &version, Some(&artifact.digest), now());
    let pulled = in_time(pull).await;
    (pulled, asked.load(Ordering::SeqCst))
}

fn link(base: &str, number: usize) -> String {
    format!("Link: <{base}?page={number}>; rel=\"next\"")
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pages_of_a_list_are_read() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", "first");
    let notes = ["# One\n", "# Two\n", "# Three\n"].map(|text| {
        let note = NewAttachment::note(text);
        bench.store.attach(&artifact.digest, &note).unwrap().digest
    });
    let (found, asked) = pulled(&bench, &artifact, "other", move |number, base| {
        let page = page(
            &notes
                .get(number)
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
        );
        match number {
            // The last one but one has nothing on it.
            0..=3 => with(page, &link(base, number + 1)),
            _ => page,
        }
    })
    .await;
    let found = found.unwrap();
    assert_eq!((found.attachments.len(), found.skipped.len(), asked), (3, 0, 5));
    assert!(!found.more_are_listed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_sees_what_stands_on_a_later_page() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", "first");
    let note = NewAttachment::note("# One\n");
    let note = bench.store.attach(&artifact.digest, &note).unwrap().digest;
    let (strange, puts) = (Strange::new(&bench), Arc::new(AtomicUsize::new(0)));
    let (counted, own) = (Arc::clone(&puts), artifact.digest);
    let base = format!("/v2/infra/shop/referrers/{own}");
    let port = serve(move |request| {
        match request.target.strip_prefix(&base) {
            Some("") => return with(page(&[]), &link(&base, 1)),
            Some(_) => return page(&[note.to_string()]),
            None => {}
        }
        if request.method == "PUT" {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        let mut request = request.clone();
        if request.target.ends_with("/manifests/1.4.0") {
            request.target = format!("/v2/infra/shop/manifests/{own}");
        }
        strange.answer(&request)
    });
    let pushed = remote(port, Credentials::Anonymous)
        .push(&bench.store, &artifact)
        .await;
    assert_eq!(pushed.unwrap().attachments, 1);
    assert_eq!(puts.load(Ordering::SeqCst), 0, "it is listed already");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_without_end_is_cut() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", "first");
    let digest = |number: usize| Digest::of(number.to_string()).to_string();
    let (in_circles, asked) = pulled(&bench, &artifact, "circle", move |number, base| {
        with(page(&[digest(number)]), &link(base, 1 - number.min(1)))
    })
    .await;
    let in_circles = in_circles.unwrap();
    // The first has two names.
    assert_eq!((in_circles.skipped.len(), asked), (2, 3));
    assert!(in_circles.more_are_listed);

    let (empty, asked) = pulled(&bench, &artifact, "empty", |number, base| {
        with(page(&[]), &link(base, number + 1))
    })
    .await;
    assert!(empty.unwrap().more_are_listed);
    assert_eq!(asked, MAX_LIST_PAGES);

    // More and more, also what is no digest, which is not kept as it is.
    let long = "\u{1b}[2J".repeat(1000);
    let (full, asked) = pulled(&bench, &artifact, "full", move |number, base| {
        let mut entries: Vec<_> = (0..3000).map(|at| digest(number * 3000 + at)).collect();
        entries[0] = format!("{number}{long}");
        with(page(&entries), &link(base, number + 1))
    })
    .await;
    let full = full.unwrap();
    assert!(full.more_are_listed);
    assert_eq!((full.skipped.len(), asked), (MAX_LISTED, 4));
    let names = full.skipped.iter().map(|skipped| &skipped.digest);
    assert!(
        names
            .clone()
            .all(|name| name.len() < 400 && !name.contains('\u{1b}'))
    );
    assert_eq!(names.filter(|name| !name.starts_with("sha256:")).count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_leads_nowhere_else_and_has_no_gaps() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", "first");
    let elsewhere = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&elsewhere);
    let other = serve(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        page(&[])
    });
    let away = format!("Link: <http://127.0.0.1:{other}/v2/infra/shop/referrers/x>; rel=next");
    let huge = "x".repeat(4 * 1024 * 1024 + 1);
    for (first, second, said) in [
        (
            with(page(&[]), &away),
            page(&[]),
            "its next page is on another server",
        ),
        (
            with(page(&[]), "Link: <?page=1>; rel=next"),
            answer("404 Not Found", "text/plain", ""),
            "one of its pages is not there",
        ),
        (
            with(page(&[]), "Link: <?page=1>; rel=next"),
            answer("200 OK", "text/html", "<html>"),
            "it is no list: ",
        ),
        (
            answer("200 OK", INDEX, &huge),
            page(&[]),
            "one of its pages is larger than 4194304 bytes",
        ),
        (
            answer("200 OK", INDEX, r#"{"manifests":{}}"#),
            page(&[]),
            "it is no list: ",
        ),
    ] {
        let (found, _) = pulled(&bench, &artifact, "other", move |number, _| match number {
            0 => first.clone(),
            _ => second.clone(),
        })
        .await;
        let error = found.unwrap_err();
        let text = text(&error, bench.dir.path());
        assert!(
            matches!(error, OciError::Refused { .. }) && text.contains(said),
            "{text}"
        );
        assert!(text.contains("the list of what is attached to sha256:"), "{text}");
    }
    assert_eq!(elsewhere.load(Ordering::SeqCst), 0, "nobody was asked there");
    let store = LocalStore::open(bench.path("other")).unwrap();
    assert_eq!(store.catalog().all().unwrap().len(), 0, "nothing was published");
}
