//! Answers without an end.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pipeline_artifacts::LocalStore;
use pipeline_artifacts::oci::{Credentials, OciError};

use super::http::serve_stream;
use super::strange::Strange;
use super::{now, published, remote};
use crate::{Bench, shop, text, v};

/// More than anybody should read: the test fails before the machine is full.
const MOST: u64 = 96 * 1024 * 1024;

/// Begins an answer, and never ends it of its own; counts.
fn endless(head: &str, stream: &mut TcpStream, sent: &AtomicU64) {
    let _ = stream.write_all(format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").as_bytes());
    let piece = [b' '; 64 * 1024];
    while sent.fetch_add(piece.len() as u64, Ordering::SeqCst) < MOST {
        if stream.write_all(&piece).is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_read_than_is_wanted() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", "first");
    for (part, head, said) in [
        (
            "/manifests/",
            "200 OK",
            "its manifest is larger than 4194304 bytes",
        ),
        (
            "/manifests/",
            "200 OK\r\nContent-Length: 99999999999",
            "its manifest is larger than 4194304 bytes",
        ),
        ("/manifests/", "403 Forbidden", "code: 403"),
        (
            "/referrers/",
            "200 OK",
            "one of its pages is larger than 4194304 bytes",
        ),
        ("/blobs/", "200 OK", "it has more than "),
        ("/blobs/", "403 Forbidden", "code: 403"),
    ] {
        let (strange, sent) = (Strange::new(&bench), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&sent);
        let port = serve_stream(move |request, stream| match request.target.contains(part) {
            true => endless(head, stream, &counted),
            false => {
                let _ = stream.write_all(&strange.answer(request));
            }
        });
        let store = LocalStore::open(bench.path("other")).unwrap();
        let error = remote(port, Credentials::Anonymous)
            .pull(&store, &shop(), &v("1.4.0"), Some(&artifact.digest), now())
            .await
            .unwrap_err();
        let found = text(&error, bench.dir.path());
        assert!(found.contains(said), "{part}, {head}: {found}");
        assert!(sent.load(Ordering::SeqCst) < MOST, "{part}, {head}");
        std::fs::remove_dir_all(bench.path("other")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_registry_says_is_shown_as_text() {
    let bench = Bench::new();
    let long = "\u{1b}[2J\r\nall is well ".repeat(1000);
    let error = serde_json::json!({ "code": "DENIED", "message": long[..600] });
    let envelope = serde_json::json!({ "errors": vec![error; 50] }).to_string();
    // An envelope that is longer than what is read of it is text like any other.
    let cut = serde_json::json!({ "errors": [{ "code": "DENIED", "message": long.repeat(5) }] }).to_string();
    for body in [long, envelope, cut] {
        let port = super::http::serve(move |request| match request.target.as_str() {
            "/v2/" => super::http::answer("200 OK", "application/json", "{}"),
            _ => super::http::answer("403 Forbidden", "application/json", &body),
        });
        let store = LocalStore::open(bench.path("other")).unwrap();
        let error = remote(port, Credentials::Anonymous)
            .pull(&store, &shop(), &v("1.4.0"), None, now())
            .await
            .unwrap_err();
        assert!(matches!(error, OciError::Registry { .. }));
        let said = text(&error, bench.dir.path());
        assert!(said.contains("all is well"), "{said}");
        assert!(
            said.len() < 2500 && !said.contains('\u{1b}'),
            "{} {said:?}",
            said.len()
        );
    }
}
