//! Tokens of somebody else than the registry.

use std::fs;
use std::sync::{Arc, Mutex};

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use pipeline_artifacts::LocalStore;
use pipeline_artifacts::oci::{Credentials, OciError};
use serde_json::json;

use super::http::{answer, serve};
use super::tls::{authority, openssl};
use super::{Registry, now, published, remote};
use crate::{Bench, shop, text, v};

/// `alice` with the password `open sesame`.
const ALICE: &str = "Basic YWxpY2U6b3BlbiBzZXNhbWU=";

/// A signed token (JWT, RS256) that allows so much (distribution, "Token Authentication Specification").
fn token(bench: &Bench, actions: &[&str]) -> String {
    let certificate = fs::read_to_string(bench.path("tokens.pem")).unwrap();
    let der: String = certificate
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    let header = json!({ "typ": "JWT", "alg": "RS256", "x5c": [der] });
    let claims = json!({
        "iss": "test", "sub": "alice", "aud": "registry", "jti": "1",
        "nbf": 0, "iat": 0, "exp": 4_102_444_800_u64,
        "access": [{ "type": "repository", "name": "infra/shop", "actions": actions }],
    });
    let part = |value: serde_json::Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(header), part(claims));
    let name = actions.join("-");
    fs::write(bench.path(&format!("{name}.signed")), &signed).unwrap();
    assert!(openssl(
        bench,
        &format!("dgst -sha256 -sign tokens.key -out {name}.signature {name}.signed")
    ));
    let signature = fs::read(bench.path(&format!("{name}.signature"))).unwrap();
    format!("{signed}.{}", Base64UrlUnpadded::encode_string(&signature))
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_fetched_where_the_registry_says() {
    let bench = Bench::new();
    if !authority(&bench, "tokens") {
        return;
    }
    let (all, read) = (token(&bench, &["pull", "push"]), token(&bench, &["pull"]));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (log, given) = (Arc::clone(&asked), all.clone());
    // Alice may write, whoever says no name may read, and nobody else anything.
    let tokens = serve(move |request| {
        log.lock().unwrap().push(request.target.clone());
        let given = match request.header("authorization") {
            Some(ALICE) if request.target.contains("push") => &given,
            Some(ALICE) | None => &read,
            Some(_) => return answer("401 Unauthorized", "text/plain", "who are you?"),
        };
        answer(
            "200 OK",
            "application/json",
            &json!({ "token": given }).to_string(),
        )
    });
    let auth = format!(
        "auth:\n  token:\n    realm: http://127.0.0.1:{tokens}/token\n    service: registry\n    issuer: test\n    rootcertbundle: {}\n",
        bench.path("tokens.pem").display()
    );
    let Some(registry) = Registry::start(&bench, &auth).await else {
        return;
    };
    let asked = || std::mem::take(&mut *asked.lock().unwrap());
    let alice = |password: &str| Credentials::Basic {
        username: "alice".to_owned(),
        password: password.to_owned(),
    };
    assert_eq!(Base64::encode_string(b"alice:open sesame"), ALICE[6..]);
    let artifact = published(&bench, "1.4.0", "first");

    // Nothing is written with a token that allows to read, or with none.
    for (credentials, said) in [
        (Credentials::Anonymous, "authorized"),
        (alice("wrong"), "who are you?"),
        (Credentials::Bearer("no.such.token".to_owned()), "authorized"),
    ] {
        let remote = remote(registry.port, credentials);
        let error = remote.push(&bench.store, &artifact).await.unwrap_err();
        let text = text(&error, bench.dir.path());
        assert!(matches!(error, OciError::Registry { .. }), "{text}");
        assert!(
            text.to_lowercase().contains(said) && !text.contains("sesame"),
            "{text}"
        );
    }
    assert!(registry.blobs(&bench).is_empty(), "nothing was written");
    asked();

    let alice = remote(registry.port, alice("open sesame"));
    alice.push(&bench.store, &artifact).await.unwrap();
    // Who may write may read: one, whatever the number of blobs.
    let found = asked();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found.iter().all(|target| target.contains("service=registry")
        && target.contains("scope=repository%3Ainfra%2Fshop%3Apull")));

    let other = LocalStore::open(bench.path("other")).unwrap();
    let pulled = registry
        .remote()
        .pull(&other, &shop(), &v("1.4.0"), None, now())
        .await
        .unwrap();
    assert_eq!((pulled.artifact, asked().len()), (artifact, 1));

    // Who has a token already needs nobody.
    let next = published(&bench, "1.5.0", "second");
    let bearer = remote(registry.port, Credentials::Bearer(all));
    bearer.push(&bench.store, &next).await.unwrap();
    assert_eq!(asked(), [""; 0]);
}
