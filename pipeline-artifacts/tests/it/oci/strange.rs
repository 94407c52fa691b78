//! Registries that answer what they should not.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use pipeline_artifacts::LocalStore;
use pipeline_artifacts::oci::{Credentials, OciError};
use pipeline_core::Digest;
use serde_json::json;

use super::http::{Request, answer, serve};
use super::{published, remote};
use crate::{Bench, shop, text, v};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A registry of the blobs of a store, which answers some requests in its own way.
struct Strange {
    blobs: PathBuf,
    /// By what the path of a request ends with.
    answers: BTreeMap<String, Vec<u8>>,
}

impl Strange {
    /// Where it listens.
    fn serve(bench: &Bench, answers: impl IntoIterator<Item = (String, Vec<u8>)>) -> u16 {
        let strange = Self {
            blobs: bench.store.root().join("blobs/sha256"),
            answers: answers.into_iter().collect(),
        };
        serve(move |request| strange.answer(request))
    }

    fn answer(&self, request: &Request) -> Vec<u8> {
        let target = request.target.as_str();
        if target == "/v2/" {
            return answer("200 OK", "application/json", "{}");
        }
        let own = self
            .answers
            .iter()
            .find(|(end, _)| target.ends_with(end.as_str()));
        if let Some((_, bytes)) = own {
            return body(bytes);
        }
        let blob = target
            .rsplit_once("sha256:")
            .map(|(_, digits)| self.blobs.join(digits));
        match blob.map(fs::read) {
            Some(Ok(bytes)) if !target.contains("/referrers/") => body(&bytes),
            _ => answer(
                "404 Not Found",
                "application/json",
                r#"{"errors":[{"code":"NOT_FOUND"}]}"#,
            ),
        }
    }
}

fn body(bytes: &[u8]) -> Vec<u8> {
    let mut all = answer("200 OK", MANIFEST, "");
    let head = String::from_utf8(all).unwrap();
    all = head
        .replace("Content-Length: 0", &format!("Content-Length: {}", bytes.len()))
        .into_bytes();
    all.extend(bytes);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_registry_gives_is_what_was_asked_for() {
    let bench = Bench::new();
    let (wanted, other) = (
        published(&bench, "1.4.0", "wanted"),
        published(&bench, "1.5.0", "other"),
    );
    let read = |digest: Digest| fs::read(bench.store.root().join("blobs/sha256").join(digest.hex())).unwrap();
    let mut padded = read(wanted.digest);
    padded.resize(4 * 1024 * 1024 + 1, b' ');
    let port = Strange::serve(
        &bench,
        [
            (format!("/manifests/{}", wanted.digest), read(other.digest)),
            ("/manifests/1.5.0".to_owned(), read(other.digest)),
            ("/manifests/1.6.0".to_owned(), padded),
            (
                "/manifests/1.7.0".to_owned(),
                json!({ "schemaVersion": 2 }).to_string().into_bytes(),
            ),
        ],
    );
    let (remote, store) = (
        remote(port, Credentials::Anonymous),
        LocalStore::open(bench.path("other")).unwrap(),
    );
    for (version, digest, said) in [
        (
            "1.4.0",
            Some(&wanted.digest),
            "the registry gave another manifest",
        ),
        ("1.6.0", None, "its manifest is larger than 4194304 bytes"),
        ("1.7.0", None, "it is no artifact"),
    ] {
        let error = remote
            .pull(&store, &shop(), &v(version), digest)
            .await
            .unwrap_err();
        assert!(matches!(error, OciError::Refused { .. }), "{error:?}");
        let text = text(&error, bench.dir.path());
        assert!(text.contains(said), "{text}");
    }
    assert_eq!(store.catalog().all().unwrap().len(), 0, "nothing was published");
    // The same one answers well, too.
    let pulled = remote
        .pull(&store, &shop(), &v("1.5.0"), Some(&other.digest))
        .await;
    assert_eq!(pulled.unwrap().artifact, other);
}
