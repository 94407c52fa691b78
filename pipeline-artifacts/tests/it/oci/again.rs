//! What passes is asked again, after a pause that is zero here; `src/oci/retries.rs` has the tests of the pauses.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pipeline_artifacts::oci::{Credentials, OciError, Remote, RemoteOptions};
use pipeline_artifacts::{LocalStore, NewAttachment};
use pipeline_core::ArtifactRef;

use super::http::{Request, answer, serve, with};
use super::{Registry, in_time, now, published, remote};
use crate::{Bench, shop, text, v};

/// How often what was asked.
type Asked = Arc<Mutex<BTreeMap<String, usize>>>;

/// What a request is about: that of an upload does not know its place before.
fn about(request: &Request) -> String {
    let target = request.target.split_once("/infra/shop/");
    let target = target.map_or(request.target.as_str(), |(_, rest)| rest);
    let what = match target.split_once("digest=") {
        Some((_, digest)) => format!("blobs/uploads/{digest}"),
        None => target.to_owned(),
    };
    format!("{} {what}", request.method)
}

/// In front of a registry; tells how often it was asked before for the same.
fn before(
    port: u16,
    asked: &Asked,
    answer: impl Fn(&Request, usize) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> u16 {
    let asked = Arc::clone(asked);
    serve(move |request| {
        let times = {
            let mut asked = asked.lock().unwrap();
            let times = asked.entry(about(request)).or_default();
            *times += 1;
            *times
        };
        answer(request, times).unwrap_or_else(|| request.forward(port))
    })
}

fn with_again(port: u16, again: u32) -> Remote {
    let mut options = RemoteOptions::default();
    options.plain_http = true;
    options.retries.first = Duration::ZERO;
    options.retries.again = again;
    options.parallel = 1;
    let name = format!("127.0.0.1:{port}/infra/shop").parse().unwrap();
    Remote::new(name, options).unwrap()
}

fn noted(bench: &Bench) -> ArtifactRef {
    let artifact = published(bench, "1.4.0", "first");
    let note = NewAttachment::note("# Hi\n");
    bench.store.attach(&artifact.digest, &note).unwrap();
    artifact
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_made_again_when_what_is_wrong_passes() {
    let bench = Bench::new();
    let Some(registry) = Registry::start(&bench, "").await else {
        return;
    };
    let artifact = noted(&bench);
    let asked = Asked::default();
    // The first time, each comes to nothing: in one of four ways.
    let port = before(registry.port, &asked, |request, times| {
        let busy = |status| with(answer(status, "text/plain", "later"), "Retry-After: 0");
        (times == 1).then(|| match about(request).len() % 4 {
            0 => busy("429 Too Many Requests"),
            1 => busy("503 Service Unavailable"),
            // Of what is read, the head alone is no answer.
            2 if request.method == "GET" => b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbroken".to_vec(),
            _ => Vec::new(),
        })
    });
    // A blob is pushed by two requests, and begins anew with the first.
    let pushed = with_again(port, 2).push(&bench.store, &artifact).await;
    let kinds = |asked: &Asked| {
        let asked = asked.lock().unwrap();
        let kinds = asked
            .keys()
            .map(|what| what.split_once('/').unwrap().0.to_owned());
        kinds.collect::<std::collections::BTreeSet<_>>()
    };
    if let Err(error) = &pushed {
        panic!("{}", text(error, bench.dir.path()));
    }
    let expected = [
        "GET manifests",
        "GET referrers",
        "HEAD blobs",
        "POST blobs",
        "PUT blobs",
        "PUT manifests",
    ];
    for kind in expected {
        assert!(kinds(&asked).contains(kind), "{kind}: {:?}", kinds(&asked));
    }
    asked.lock().unwrap().clear();
    let store = LocalStore::open(bench.path("other")).unwrap();
    let pulled = with_again(port, 1)
        .pull(&store, &shop(), &v("1.4.0"), None, now())
        .await
        .unwrap();
    assert_eq!((pulled.artifact, pulled.attachments.len()), (artifact, 1));
    for kind in ["GET manifests", "GET referrers", "GET blobs"] {
        assert!(kinds(&asked).contains(kind), "{kind}: {:?}", kinds(&asked));
    }
    assert!(store.verify().unwrap().is_good());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_is_given_up_after_so_many_times() {
    let bench = Bench::in_dir(crate::memory_dir());
    let Some(registry) = Registry::start(&bench, "").await else {
        return;
    };
    let artifact = noted(&bench);
    registry.remote().push(&bench.store, &artifact).await.unwrap();
    let mut tries = 0;
    let all = [
        (true, "PUT manifests/1.5."),
        (true, "GET manifests/1.5."),
        (true, "HEAD blobs/"),
        (true, "POST blobs/uploads/"),
        (true, "PUT blobs/uploads/"),
        (false, "GET manifests/1.4.0"),
        (false, "GET blobs/"),
        (false, "GET referrers/"),
    ];
    for (line, again, times, requests) in [
        ("X: y", 0, 1, &all[..1]),
        ("X: y", 3, 4, &all[..]),
        ("Retry-After: 0", 2, 3, &all[..1]),
        // Nobody waits longer than the longest pause.
        ("Retry-After: 61", 3, 1, &all[..]),
        (
            "Date: Thu, 26 Nov 2026 11:00:00 GMT\r\nRetry-After: Thu, 26 Nov 2026 12:00:00 GMT",
            3,
            1,
            &all[..1],
        ),
        (
            "Date: Thu, 26 Nov 2026 11:00:00 GMT\r\nRetry-After: Thu, 26 Nov 2026 11:00:00 GMT",
            1,
            2,
            &all[..1],
        ),
    ] {
        for &(push, what) in requests {
            let asked = Asked::default();
            let port = before(registry.port, &asked, move |request, _| {
                let busy = || answer("503 Service Unavailable", "text/plain", "later");
                about(request).starts_with(what).then(|| with(busy(), line))
            });
            let remote = with_again(port, again);
            tries += 1;
            let version = format!("1.5.{tries}");
            let error = if push {
                // One that is new there.
                let new = bench.publish(&bench.tree(&version).file("new", &*version), &version);
                in_time(remote.push(&bench.store, &new)).await.unwrap_err()
            } else {
                let store = LocalStore::open(bench.path(&version)).unwrap();
                let (name, version) = (shop(), v("1.4.0"));
                let pull = remote.pull(&store, &name, &version, None, now());
                in_time(pull).await.unwrap_err()
            };
            assert!(matches!(error, OciError::Registry { .. }), "{what}: {error:?}");
            let asked = asked.lock().unwrap();
            let most = asked.iter().filter(|(about, _)| about.starts_with(what));
            assert_eq!(most.map(|(_, times)| *times).max(), Some(times), "{line}, {what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_arrived_is_not_put_again() {
    let bench = Bench::new();
    let Some(registry) = Registry::start(&bench, "").await else {
        return;
    };
    let artifact = published(&bench, "1.4.0", "first");
    let asked = Asked::default();
    // It arrives, and nobody hears of it.
    let there = registry.port;
    let port = before(there, &asked, move |request, times| {
        (times == 1 && about(request) == "PUT manifests/1.4.0").then(|| {
            request.forward(there);
            Vec::new()
        })
    });
    with_again(port, 1).push(&bench.store, &artifact).await.unwrap();
    assert_eq!(asked.lock().unwrap()["PUT manifests/1.4.0"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_somebody_else_sets_meanwhile_stays() {
    let bench = Bench::new();
    let Some(registry) = Registry::start(&bench, "").await else {
        return;
    };
    let (ours, theirs) = (
        published(&bench, "1.4.0", "ours"),
        published(&bench, "1.5.0", "theirs"),
    );
    let theirs = ArtifactRef {
        version: ours.version.clone(),
        ..theirs
    };
    // Between two tries, too: the first one is answered with nothing.
    for at in ["POST blobs/uploads/", "PUT manifests/1.4.0"] {
        let fresh = Bench::new();
        let Some(registry) = Registry::start(&fresh, "").await else {
            return;
        };
        let (asked, there) = (Asked::default(), registry.port);
        let (store, other) = (bench.store.clone(), theirs.clone());
        let port = before(there, &asked, move |request, times| {
            let is_now = times == 1 && about(request) == at;
            if is_now {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                let direct = remote(there, Credentials::Anonymous);
                runtime.block_on(direct.push(&store, &other)).unwrap();
            }
            (is_now && at.starts_with("PUT")).then(Vec::new)
        });
        let error = with_again(port, 1).push(&bench.store, &ours).await.unwrap_err();
        match error {
            OciError::Taken { published, .. } => assert_eq!(published, theirs.digest, "{at}"),
            other => panic!("{at}: {other:?}"),
        }
        let store = LocalStore::open(fresh.path("other")).unwrap();
        let remote = registry.remote();
        let pulled = remote
            .pull(&store, &shop(), &v("1.4.0"), None, now())
            .await
            .unwrap();
        assert_eq!(pulled.artifact.digest, theirs.digest, "{at}");
    }
    drop(registry);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_registry_with_a_body_of_its_own_is_asked_again() {
    let bench = Bench::new();
    let Some(registry) = Registry::start(&bench, "").await else {
        return;
    };
    let artifact = published(&bench, "1.4.0", "first");
    let asked = Asked::default();
    // Its code says something else than the status; or it does not see yet what was pushed just before.
    let port = before(registry.port, &asked, |request, times| {
        let (status, code) = match about(request) == "PUT manifests/1.4.0" {
            true => ("400 Bad Request", "MANIFEST_BLOB_UNKNOWN"),
            false => ("429 Too Many Requests", "DENIED"),
        };
        let said = format!(r#"{{"errors":[{{"code":"{code}","message":"later"}}]}}"#);
        (times == 1).then(|| answer(status, "application/json", &said))
    });
    with_again(port, 2).push(&bench.store, &artifact).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_yes_to_everything_is_not_believed() {
    let bench = Bench::new();
    let Some(registry) = Registry::start(&bench, "").await else {
        return;
    };
    let artifact = published(&bench, "1.4.0", "first");
    // As what stands between a registry and the world may: the page of a hotel.
    for what in ["POST blobs/uploads/", "PUT blobs/uploads/", "PUT manifests/1.4.0"] {
        let asked = Asked::default();
        let port = before(registry.port, &asked, move |request, _| {
            let is_it = about(request).starts_with(what);
            is_it.then(|| answer("200 OK", "text/html", "<html>"))
        });
        let error = with_again(port, 3)
            .push(&bench.store, &artifact)
            .await
            .unwrap_err();
        let said = text(&error, bench.dir.path());
        assert!(
            said.contains("expected the status 20") && said.contains("found 200 OK"),
            "{what}: {said}"
        );
        let asked = asked.lock().unwrap();
        let mut times = asked.iter().filter(|(about, _)| about.starts_with(what));
        assert!(times.all(|(_, times)| *times == 1), "{what}: {asked:?}");
    }
}
