//! Who pushes several blobs at once proves who he is for each of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use pipeline_artifacts::oci::{Credentials, Remote, RemoteOptions};
use pipeline_core::Digest;
use serde_json::json;

use super::http::{Request, answer, serve, with};
use super::published;
use crate::Bench;

/// A registry that keeps nothing but the digests of what was put there.
#[derive(Default)]
struct Depot(Mutex<BTreeMap<String, Digest>>);

impl Depot {
    fn answer(&self, request: &Request) -> Vec<u8> {
        match request.method.as_str() {
            "POST" => with(
                answer("202 Accepted", "text/plain", ""),
                "Location: /v2/infra/shop/blobs/uploads/1",
            ),
            "PUT" => {
                let mut put = self.0.lock().unwrap();
                put.insert(request.target.clone(), Digest::of(&request.body));
                answer("201 Created", "text/plain", "")
            }
            _ if request.target == "/v2/" => answer("200 OK", "application/json", "{}"),
            _ => answer("404 Not Found", "text/plain", ""),
        }
    }

    /// Which blobs and manifests were put there whole.
    fn whole(&self) -> usize {
        let put = self.0.lock().unwrap();
        let blobs = put.iter().filter(|(at, digest)| {
            at.contains("/manifests/") || at.ends_with(&format!("digest=sha256%3A{}", digest.hex()))
        });
        assert_eq!(blobs.count(), put.len(), "{put:?}");
        put.len()
    }
}

fn remote(port: u16, credentials: Credentials, parallel: usize) -> Remote {
    let mut options = RemoteOptions::default();
    options.plain_http = true;
    options.parallel = parallel;
    options.credentials = credentials;
    options.retries.again = 0;
    Remote::new(format!("127.0.0.1:{port}/infra/shop").parse().unwrap(), options).unwrap()
}

/// What two uploads wait for.
#[derive(Default)]
struct Turns {
    bare: usize,
    proved: usize,
    asked_again: bool,
    put: bool,
    put_bare: bool,
}

struct Stage(Mutex<Turns>, Condvar);

impl Stage {
    /// Tells something, and waits until something is so, though not for ever.
    fn turn(&self, tell: impl Fn(&mut Turns), until: impl Fn(&Turns) -> bool) {
        let mut turns = self.0.lock().unwrap();
        tell(&mut turns);
        self.1.notify_all();
        let limit = Duration::from_secs(20);
        let _ = self
            .1
            .wait_timeout_while(turns, limit, |turns| !until(turns))
            .unwrap();
    }
}

/// Two uploads are refused because nothing was shown. The one has found out what to show and goes on, when the other is only
/// told.
#[tokio::test(flavor = "multi_thread")]
async fn who_finds_out_what_to_show_takes_it_from_nobody() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", "first");
    let depot = Arc::new(Depot::default());
    let turns = Arc::new(Stage(Mutex::default(), Condvar::new()));
    let (stage, there) = (Arc::clone(&turns), Arc::clone(&depot));
    let port = serve(move |request| {
        let is_proved = request.header("authorization").is_some();
        match (request.method.as_str(), is_proved) {
            ("POST", false) => {
                let mut own = 0;
                {
                    let mut turns = stage.0.lock().unwrap();
                    turns.bare += 1;
                    own += turns.bare;
                }
                stage.turn(
                    |_| (),
                    |turns| match own {
                        1 => turns.bare >= 2,
                        _ => turns.proved >= 1,
                    },
                );
            }
            ("POST", true) => stage.turn(
                |turns| turns.proved += 1,
                |turns| turns.proved >= 2 || turns.asked_again,
            ),
            // The other one asks what to show, though it is known.
            ("GET", _) if request.target == "/v2/" => stage.turn(
                |turns| turns.asked_again |= turns.proved >= 1,
                |turns| !turns.asked_again || turns.put,
            ),
            ("PUT", _) => stage.turn(
                |turns| {
                    turns.put = true;
                    turns.put_bare |= !is_proved;
                },
                |_| true,
            ),
            _ => {}
        }
        if !is_proved {
            return with(
                answer("401 Unauthorized", "text/plain", ""),
                "WWW-Authenticate: Basic realm=\"x\"",
            );
        }
        there.answer(request)
    });
    let alice = Credentials::Basic {
        username: "alice".to_owned(),
        password: "open sesame".to_owned(),
    };
    let remote = remote(port, alice, 2);
    let pushed = remote.push(&bench.store, &artifact).await.unwrap();
    assert_eq!(depot.whole(), pushed.moved.blobs + 1, "and the manifest");
    let turns = turns.0.lock().unwrap();
    assert_eq!((turns.bare, turns.put), (2, true));
    assert!(!turns.put_bare, "what was known was taken away");
    assert!(!turns.asked_again, "it was known already");
}

/// However short the life of a token, also when it ends between the question where to put a blob and the blob.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_may_end_before_any_request() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", "first");
    for life in 1..=5 {
        // The number of the token, and how many requests it is still good for.
        let state = Arc::new(Mutex::new((0_u32, 0_u32)));
        let given = Arc::clone(&state);
        let tokens = serve(move |_| {
            let mut state = given.lock().unwrap();
            *state = (state.0 + 1, life);
            let token = json!({ "token": format!("t{}", state.0) });
            answer("200 OK", "application/json", &token.to_string())
        });
        let depot = Arc::new(Depot::default());
        let (there, left) = (Arc::clone(&depot), Arc::clone(&state));
        let port = serve(move |request| {
            let mut state = left.lock().unwrap();
            let is_good = request.header("authorization") == Some(&format!("Bearer t{}", state.0));
            if !is_good || state.1 == 0 {
                let realm = format!("WWW-Authenticate: Bearer realm=\"http://127.0.0.1:{tokens}/\"");
                return with(answer("401 Unauthorized", "text/plain", ""), &realm);
            }
            state.1 -= 1;
            there.answer(request)
        });
        let remote = remote(port, Credentials::Anonymous, 1);
        let store = bench.store.clone();
        let reference = artifact.clone();
        // What is pushed may be pushed from another task.
        let pushed = tokio::spawn(async move { remote.push(&store, &reference).await });
        let pushed = pushed.await.unwrap().unwrap();
        assert_eq!(depot.whole(), pushed.moved.blobs + 1, "a life of {life}");
        assert!(state.lock().unwrap().0 > 1);
    }
}
