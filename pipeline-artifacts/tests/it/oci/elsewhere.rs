//! Registries that send those who ask elsewhere, and what is shown there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use pipeline_artifacts::LocalStore;
use pipeline_artifacts::oci::{Credentials, OciError};
use serde_json::json;

use super::http::{Request, answer, serve, with};
use super::strange::Strange;
use super::{in_time, now, published, remote};
use crate::{Bench, shop, text, v};

/// `alice` with the password `open sesame`.
const ALICE: &str = "Basic YWxpY2U6b3BlbiBzZXNhbWU=";

fn alice() -> Credentials {
    Credentials::Basic {
        username: "alice".to_owned(),
        password: "open sesame".to_owned(),
    }
}

/// What was asked somewhere, and with which proof.
type Asked = Arc<Mutex<Vec<(String, Option<String>)>>>;

fn note(asked: &Asked, request: &Request) {
    let proof = request.header("authorization").map(str::to_owned);
    let what = format!("{} {}", request.method, request.target);
    asked.lock().unwrap().push((what, proof));
}

fn who() -> Vec<u8> {
    with(
        answer("401 Unauthorized", "text/plain", ""),
        "WWW-Authenticate: Basic realm=\"x\"",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shown_to_who_is_elsewhere() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", "first");
    let asked = Asked::default();
    let (strange, log) = (Strange::new(&bench), Arc::clone(&asked));
    let depot = serve(move |request| {
        note(&log, request);
        strange.answer(request)
    });
    let (strange, own) = (Strange::new(&bench), Asked::default());
    let log = Arc::clone(&own);
    let port = serve(move |request| {
        note(&log, request);
        if request.header("authorization") != Some(ALICE) {
            return who();
        }
        match request.target.contains("/blobs/") {
            true => with(
                answer("307 Temporary Redirect", "text/plain", ""),
                &format!(
                    "Location: http://127.0.0.1:{depot}{}?signature=secret",
                    request.target
                ),
            ),
            false => strange.answer(request),
        }
    });
    let store = LocalStore::open(bench.path("other")).unwrap();
    let pull = async |credentials| {
        remote(port, credentials)
            .pull(&store, &shop(), &v("1.4.0"), Some(&artifact.digest), now())
            .await
    };
    // What is there has another name, since the signature stands behind it.
    let error = pull(alice()).await.unwrap_err();
    let said = text(&error, bench.dir.path());
    assert!(
        said.contains("there is no blob") && !said.contains("secret"),
        "{said}"
    );
    let there = asked.lock().unwrap().clone();
    assert!(
        !there.is_empty() && there.iter().all(|(_, proof)| proof.is_none()),
        "{there:?}"
    );
    let shown = own.lock().unwrap().clone();
    // Once for the question what has to be proved, once for what is asked first.
    let bare = shown.iter().filter(|(_, proof)| proof.is_none());
    assert!(bare.clone().count() <= 3, "it is kept in mind: {shown:?}");

    let error = pull(Credentials::Anonymous).await.unwrap_err();
    let said = text(&error, bench.dir.path());
    assert!(said.contains("Not authorized"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_to_elsewhere_shows_nothing_there() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", "first");
    let asked = Asked::default();
    let log = Arc::clone(&asked);
    let is_full = Arc::new(AtomicBool::new(true));
    let full = Arc::clone(&is_full);
    let depot = serve(move |request| {
        note(&log, request);
        match full.load(Ordering::SeqCst) {
            true => answer("507 Insufficient Storage", "text/plain", "full \u{1b}[31m"),
            // It breaks off.
            false => Vec::new(),
        }
    });
    let port = serve(
        move |request| match (request.method.as_str(), request.target.as_str()) {
            _ if request.header("authorization") != Some(ALICE) => who(),
            ("POST", _) => with(
                answer("202 Accepted", "text/plain", ""),
                &format!("Location: http://127.0.0.1:{depot}/upload?signature=secret"),
            ),
            _ => answer("404 Not Found", "text/plain", ""),
        },
    );
    let push = async || {
        let error = remote(port, alice()).push(&bench.store, &artifact).await;
        text(&error.unwrap_err(), bench.dir.path())
    };
    let said = push().await;
    assert!(said.contains("507") && said.contains("full"), "{said}");
    assert!(!said.contains("secret") && !said.contains('\u{1b}'), "{said:?}");
    is_full.store(false, Ordering::SeqCst);
    let said = push().await;
    assert!(
        said.starts_with("cannot push blob sha256:") && !said.contains("secret"),
        "{said}"
    );
    let asked = asked.lock().unwrap();
    assert!(
        asked.iter().all(|(what, proof)| proof.is_none()
            && what.starts_with("PUT /upload?signature=secret&digest=sha256%3A")),
        "{asked:?}"
    );
    assert!(!asked.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_over_is_asked_for_again() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", "first");
    // Each token is good for two requests.
    let state = Arc::new(Mutex::new((0_u32, 0_u32)));
    let given = Arc::clone(&state);
    let tokens = serve(move |_| {
        let mut state = given.lock().unwrap();
        *state = (state.0 + 1, 2);
        answer(
            "200 OK",
            "application/json",
            &json!({ "token": format!("t{}", state.0) }).to_string(),
        )
    });
    let (strange, left) = (Strange::new(&bench), Arc::clone(&state));
    let port = serve(move |request| {
        let mut state = left.lock().unwrap();
        let is_good = request.header("authorization") == Some(&format!("Bearer t{}", state.0));
        if !is_good || state.1 == 0 {
            let realm =
                format!("WWW-Authenticate: Bearer realm=\"http://127.0.0.1:{tokens}/\",service=\"x\"");
            return with(answer("401 Unauthorized", "text/plain", ""), &realm);
        }
        state.1 -= 1;
        strange.answer(request)
    });
    let store = LocalStore::open(bench.path("other")).unwrap();
    let mut options = pipeline_artifacts::oci::RemoteOptions::default();
    options.plain_http = true;
    options.parallel = 1;
    let name = format!("127.0.0.1:{port}/infra/shop").parse().unwrap();
    let remote = pipeline_artifacts::oci::Remote::new(name, options).unwrap();
    let pulled = remote
        .pull(&store, &shop(), &v("1.4.0"), Some(&artifact.digest), now())
        .await
        .unwrap();
    assert_eq!(pulled.artifact, artifact);
    assert!(state.lock().unwrap().0 > 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_none_is_refused() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", "first");
    let refused = async |remote: pipeline_artifacts::oci::Remote| {
        let error = remote.push(&bench.store, &artifact).await.unwrap_err();
        let said = text(&error, bench.dir.path());
        assert!(matches!(error, OciError::Refused { .. }), "{said}");
        assert_eq!(said, "the token is refused: it has characters that no token has");
    };
    let nobody = serve(|_| answer("200 OK", "application/json", "{}"));
    refused(remote(nobody, Credentials::Bearer("secret\n".to_owned()))).await;
    let tokens = serve(|_| answer("200 OK", "application/json", r#"{"token":"a\nb"}"#));
    let registry = serve(move |_| {
        let realm = format!("WWW-Authenticate: Bearer realm=\"http://127.0.0.1:{tokens}/\"");
        with(answer("401 Unauthorized", "text/plain", ""), &realm)
    });
    refused(remote(registry, Credentials::Anonymous)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leads_in_circles_is_not_followed_for_ever() {
    let bench = Bench::new();
    let asked = Asked::default();
    let log = Arc::clone(&asked);
    let port = serve(move |request| {
        note(&log, request);
        match request.target.as_str() {
            "/v2/" => answer("200 OK", "application/json", "{}"),
            _ => with(
                answer("302 Found", "text/plain", ""),
                &format!("Location: {}/", request.target.trim_end_matches('/')),
            ),
        }
    });
    let store = LocalStore::open(bench.path("other")).unwrap();
    let remote = remote(port, Credentials::Anonymous);
    let error = in_time(remote.pull(&store, &shop(), &v("1.4.0"), None, now()))
        .await
        .unwrap_err();
    let said = text(&error, bench.dir.path());
    assert!(said.contains("it leads elsewhere again and again"), "{said}");
    // And it is not asked again, since that does not pass.
    let asked = asked.lock().unwrap().len();
    assert_eq!(asked, 1 + 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_registry_leads_nobody_to_one_that_is_not() {
    let bench = Bench::new();
    let Some((port, _server)) = super::tls::redirecting(&bench, "/v2/infra/shop/manifests/1.4.0") else {
        return;
    };
    let store = LocalStore::open(bench.path("other")).unwrap();
    let remote = super::tls::trusting(&bench, port);
    let error = in_time(remote.pull(&store, &shop(), &v("1.4.0"), None, now()))
        .await
        .unwrap_err();
    let said = text(&error, bench.dir.path());
    assert!(
        said.contains("it leads to a place that is not encrypted"),
        "{said}"
    );
}
