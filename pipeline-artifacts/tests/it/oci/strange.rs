//! Registries that answer what they should not.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pipeline_artifacts::limits::{MAX_ATTACHMENT, MAX_PULLED_ATTACHMENTS, MAX_PULLED_BYTES};
use pipeline_artifacts::oci::{Credentials, OciError, PullReport, Remote, RemoteOptions};
use pipeline_artifacts::{CollectError, Collection, Limit, Limits, LocalStore, NewAttachment};
use pipeline_core::attestation::Envelope;
use pipeline_core::{ArtifactRef, Digest, SignedDuration, canonical_json};
use serde_json::json;

use super::http::{Request, answer, serve};
use super::{now, published, remote};
use crate::origin::release;
use crate::{Bench, attach, shop, text, v};

pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A registry of the blobs of a store, which answers some requests in its own way.
pub(crate) struct Strange {
    blobs: PathBuf,
    /// By what the path of a request ends with.
    pub(crate) answers: BTreeMap<String, Vec<u8>>,
    /// Called before a blob is given, with its size; how many bytes of it are.
    blob: Box<dyn Fn(usize) -> usize + Send + Sync>,
}

impl Strange {
    pub(super) fn new(bench: &Bench) -> Self {
        Self::of(bench.store.root())
    }

    /// Of the store in a directory.
    pub(crate) fn of(store: &Path) -> Self {
        Self {
            blobs: store.join("blobs/sha256"),
            answers: BTreeMap::new(),
            blob: Box::new(|size| size),
        }
    }

    /// Where it listens.
    pub(crate) fn serve(self) -> u16 {
        serve(move |request| self.answer(request))
    }

    pub(super) fn answer(&self, request: &Request) -> Vec<u8> {
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
            Some(Ok(bytes)) if target.contains("/manifests/") => body(&bytes),
            // Whatever range was asked for: that is allowed.
            Some(Ok(bytes)) if target.contains("/blobs/") => {
                let mut all = body(&bytes);
                all.truncate(all.len() - bytes.len() + (self.blob)(bytes.len()));
                all
            }
            _ => answer(
                "404 Not Found",
                "application/json",
                r#"{"errors":[{"code":"NOT_FOUND"}]}"#,
            ),
        }
    }
}

/// Asks for one blob when the one before is here.
pub(crate) fn one_by_one(port: u16) -> Remote {
    let mut options = RemoteOptions::default();
    options.plain_http = true;
    options.parallel = 1;
    options.retries.first = std::time::Duration::ZERO;
    let name = format!("127.0.0.1:{port}/infra/shop").parse().unwrap();
    Remote::new(name, options).unwrap()
}

pub(super) fn body(bytes: &[u8]) -> Vec<u8> {
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
    let port = Strange {
        answers: BTreeMap::from([
            (format!("/manifests/{}", wanted.digest), read(other.digest)),
            ("/manifests/1.5.0".to_owned(), read(other.digest)),
            ("/manifests/1.6.0".to_owned(), padded),
            (
                "/manifests/1.7.0".to_owned(),
                json!({ "schemaVersion": 2 }).to_string().into_bytes(),
            ),
        ]),
        ..Strange::new(&bench)
    }
    .serve();
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
            .pull(&store, &shop(), &v(version), digest, now())
            .await
            .unwrap_err();
        assert!(matches!(error, OciError::Refused { .. }), "{error:?}");
        let text = text(&error, bench.dir.path());
        assert!(text.contains(said), "{text}");
    }
    assert_eq!(store.catalog().all().unwrap().len(), 0, "nothing was published");
    // The same one answers well, too.
    let pulled = remote
        .pull(&store, &shop(), &v("1.5.0"), Some(&other.digest), now())
        .await;
    assert_eq!(pulled.unwrap().artifact, other);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_breaks_off_goes_on_where_nothing_but_the_whole_is_given() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", "first");
    let answered = AtomicUsize::new(0);
    let port = Strange {
        // More and more of it, so that each goes on further than the one before: more often than is tried in vain.
        blob: Box::new(move |size| size * (answered.fetch_add(1, Ordering::Relaxed) % 6 + 1) / 6),
        ..Strange::new(&bench)
    }
    .serve();
    let store = LocalStore::open(bench.path("other")).unwrap();
    let pulled = one_by_one(port)
        .pull(&store, &shop(), &v("1.4.0"), Some(&artifact.digest), now())
        .await
        .unwrap();
    assert_eq!(pulled.artifact, artifact);
    let report = store.verify().unwrap();
    assert!(report.problems.is_empty(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_busy_is_asked_again_and_one_that_says_no_is_not() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", "first");
    let (json, plain) = ("application/json", "text/plain");
    for (status, kind, body, is_asked_again) in [
        ("429 Too Many Requests", plain, "slow down", true),
        (
            "429 Too Many Requests",
            json,
            r#"{"errors":[{"code":"TOOMANYREQUESTS"}]}"#,
            true,
        ),
        ("503 Service Unavailable", plain, "", true),
        ("499 No", plain, "", false),
        ("403 Forbidden", json, r#"{"errors":[{"code":"DENIED"}]}"#, false),
    ] {
        let asked = Arc::new(AtomicUsize::new(0));
        let (strange, counted) = (Strange::new(&bench), Arc::clone(&asked));
        let port = serve(move |request| {
            let is_first = request.target.contains("/blobs/") && counted.fetch_add(1, Ordering::Relaxed) == 0;
            match is_first {
                true => answer(status, kind, body),
                false => strange.answer(request),
            }
        });
        let dir = bench.path(&format!("{status} {kind}"));
        let store = LocalStore::open(dir).unwrap();
        let pulled = one_by_one(port)
            .pull(&store, &shop(), &v("1.4.0"), Some(&artifact.digest), now())
            .await;
        if is_asked_again {
            assert_eq!(pulled.unwrap().artifact, artifact, "{status}, {kind}");
        } else {
            assert!(pulled.is_err(), "{status}");
            assert_eq!(asked.load(Ordering::Relaxed), 1, "{status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pulled_is_not_collected_before_it_has_a_name() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", "first");
    let path = bench.path("other");
    LocalStore::open(&path).unwrap();
    let (given, at) = (Arc::new(AtomicUsize::new(0)), path.clone());
    let counted = Arc::clone(&given);
    let port = Strange {
        blob: Box::new(move |size| {
            if counted.fetch_add(1, Ordering::Relaxed) % 2 != 1 {
                return size;
            }
            // Somebody else collects, twice: what was moved to the trash is deleted.
            let other = LocalStore::open(&at).unwrap();
            for year in [2100, 2101] {
                let now = format!("{year}-01-01T00:00:00Z").parse().unwrap();
                let how = Collection::new(now)
                    .grace(SignedDuration::ZERO)
                    .orphans_after(SignedDuration::ZERO);
                match other.collect(&how) {
                    Ok(_) | Err(CollectError::Busy) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
            size
        }),
        ..Strange::new(&bench)
    }
    .serve();
    let store = LocalStore::open(&path).unwrap();
    let pulled = one_by_one(port)
        .pull(&store, &shop(), &v("1.4.0"), Some(&artifact.digest), now())
        .await
        .unwrap();
    assert_eq!(pulled.artifact, artifact);
    assert!(given.load(Ordering::Relaxed) > 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_attachments_are_pulled_than_are_allowed() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", "first");
    let empty =
        json!({ "mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of("{}"), "size": 2 });
    let large = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "text/plain", "config": empty,
        "layers": [{ "mediaType": "text/plain", "digest": Digest::of("large"), "size": MAX_ATTACHMENT + 1 }],
        "subject": { "mediaType": MANIFEST, "digest": artifact.digest, "size": 1 },
    });
    let large = large.to_string().into_bytes();
    let digests = (1..=MAX_PULLED_ATTACHMENTS).map(|number| Digest::of(number.to_string()));
    let listed: Vec<_> = digests
        .chain([Digest::of(&large)])
        .map(|digest| json!({ "mediaType": MANIFEST, "digest": digest, "size": 1 }))
        .collect();
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": listed });
    let list = format!("/manifests/{}", artifact.digest.to_string().replace(':', "-"));
    let port = Strange {
        answers: BTreeMap::from([
            (list, index.to_string().into_bytes()),
            (format!("/manifests/{}", Digest::of(&large)), large),
        ]),
        ..Strange::new(&bench)
    }
    .serve();
    let store = LocalStore::open(bench.path("other")).unwrap();
    let pulled = remote(port, Credentials::Anonymous)
        .pull(&store, &shop(), &v("1.4.0"), Some(&artifact.digest), now())
        .await
        .unwrap();
    assert_eq!((pulled.artifact, pulled.attachments.len()), (artifact, 0));
    let because = |reason: &str| {
        pulled
            .skipped
            .iter()
            .filter(|skipped| skipped.reason.contains(reason))
            .count()
    };
    assert_eq!(pulled.skipped.len(), MAX_PULLED_ATTACHMENTS + 1);
    assert_eq!(
        (because("too many"), because("it is larger than")),
        (1, 1),
        "{:?}",
        pulled.skipped.last()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_always_breaks_off_in_one_place_is_given_up() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", "first");
    let port = Strange {
        blob: Box::new(|size| size / 2),
        ..Strange::new(&bench)
    }
    .serve();
    let store = LocalStore::open(bench.path("other")).unwrap();
    let (remote, shop, version) = (one_by_one(port), shop(), v("1.4.0"));
    let pull = remote.pull(&store, &shop, &version, Some(&artifact.digest), now());
    let pulled = tokio::time::timeout(std::time::Duration::from_secs(60), pull).await;
    let error = pulled.expect("it is given up").unwrap_err();
    let said = text(&error, bench.dir.path());
    assert!(said.starts_with("cannot pull blob sha256:"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_attachment_keeps_nobody_from_the_rest() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", "first");
    let good = bench
        .store
        .attach(&artifact.digest, &NewAttachment::note("good"))
        .unwrap();
    let (there, gone) = (bench.store.add_blob(b"there").unwrap(), Digest::of("gone"));
    let empty =
        json!({ "mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of("{}"), "size": 2 });
    let strange = |blob: Digest, size: u64| {
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "text/plain", "config": empty,
            "layers": [{ "mediaType": "text/plain", "digest": blob, "size": size }],
            "subject": { "mediaType": MANIFEST, "digest": artifact.digest, "size": 1 },
        });
        bench.store.add_blob(manifest.to_string().as_bytes()).unwrap()
    };
    let broken = [
        (strange(there, 3), "it has more than 3 bytes"),
        (strange(gone, 4), "there is no blob"),
        (strange(there, 9), "it has fewer than 9 bytes"),
    ];
    let listed = broken.iter().map(|(digest, _)| *digest).chain([good.digest]);
    let listed: Vec<_> = listed.collect();
    let pulled = pulled_with(&bench, &artifact, &listed).await;
    assert_eq!(pulled.attachments, [good.digest]);
    assert_eq!(pulled.skipped.len(), 3, "{:?}", pulled.skipped);
    for (digest, why) in broken {
        let digest = digest.to_string();
        let skipped = pulled.skipped.iter().find(|skipped| skipped.digest == digest);
        assert!(skipped.unwrap().reason.contains(why), "{skipped:?}");
    }
}

/// The manifest of a real artifact, changed.
fn changed(
    bench: &Bench,
    artifact: &ArtifactRef,
    change: impl FnOnce(&mut Vec<serde_json::Value>),
) -> Digest {
    let bytes = bench.store.read_blob(&artifact.digest).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    change(manifest["layers"].as_array_mut().unwrap());
    bench.store.add_blob(&canonical_json(&manifest).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_is_too_large_does_not_travel() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", "first");
    let opened = bench.store.artifact(&artifact).unwrap();
    let size = opened.export_tar(&mut std::io::sink()).unwrap();
    let entries = opened.entries().len() as u64;
    let huge = changed(&bench, &artifact, |layers| layers[1]["size"] = json!(1_u64 << 52));
    let huge_toc = changed(&bench, &artifact, |layers| layers[0]["size"] = json!(1_u64 << 40));
    let more = changed(&bench, &artifact, |layers| layers.push(layers[1].clone()));
    let moved = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&moved);
    let port = Strange {
        blob: Box::new(move |size| {
            counted.fetch_add(1, Ordering::Relaxed);
            size
        }),
        ..Strange::new(&bench)
    }
    .serve();
    let store = LocalStore::open(bench.path("other")).unwrap();
    let remote = one_by_one(port);
    let (all, some) = (Limits::default(), Limits::default().bytes(size - 1));
    // How many blobs travel until it is refused.
    for (limits, digest, blobs, said) in [
        (all, huge, 0, "bytes as a tar, at most 274877906944 are taken"),
        (some, artifact.digest, 0, "raise `Limits::bytes`"),
        (all, huge_toc, 0, "its table of contents has 1099511627776 bytes"),
        (
            all.entries(entries - 1),
            artifact.digest,
            1,
            "raise `Limits::entries`",
        ),
        (all, more, 1, "layers; the manifest names"),
    ] {
        moved.store(0, Ordering::Relaxed);
        let limited = store.limiting(limits);
        let error = remote
            .pull(&limited, &shop(), &v("1.4.0"), Some(&digest), now())
            .await
            .unwrap_err();
        let text = text(&error, bench.dir.path());
        assert!(text.contains(said), "{text}");
        // What travelled for one is there for the next.
        assert!(moved.load(Ordering::Relaxed) <= blobs, "{said}");
    }
    assert_eq!(store.catalog().all().unwrap().len(), 0, "nothing was published");
    let exact = store.limiting(all.bytes(size).entries(entries));
    let pulled = remote
        .pull(&exact, &shop(), &v("1.4.0"), Some(&artifact.digest), now())
        .await
        .unwrap();
    assert_eq!(pulled.artifact, artifact);
    let limited = store.limiting(all.entries(entries - 1));
    let error = remote
        .pull(&limited, &shop(), &v("1.5.0"), Some(&artifact.digest), now())
        .await
        .unwrap_err();
    match error {
        OciError::TooLarge { source, .. } => assert_eq!(
            (source.limit, source.found, source.most),
            (Limit::Entries, entries, entries - 1)
        ),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attachments_together_have_no_more_bytes_than_are_allowed() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", "first");
    let empty =
        json!({ "mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of("{}"), "size": 2 });
    let count = usize::try_from(MAX_PULLED_BYTES / MAX_ATTACHMENT).unwrap() + 1;
    let large = (0..count).map(|number| {
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "text/plain", "config": empty,
            "layers": [{ "mediaType": "text/plain", "digest": Digest::of(format!("gone {number}")), "size": MAX_ATTACHMENT - 2 }],
            "subject": { "mediaType": MANIFEST, "digest": artifact.digest, "size": 1 },
        });
        bench.store.add_blob(manifest.to_string().as_bytes()).unwrap()
    });
    let listed: Vec<_> = large.collect();
    let pulled = pulled_with(&bench, &artifact, &listed).await;
    let too_much = "all together are larger than 1073741824 bytes";
    let reasons = pulled.skipped.iter().map(|skipped| skipped.reason == too_much);
    assert_eq!(
        (reasons.clone().count(), reasons.filter(|is| *is).count()),
        (count, 1)
    );
}

/// What a store takes from a registry that lists these as attached to an artifact.
async fn pulled_with(bench: &Bench, artifact: &ArtifactRef, listed: &[Digest]) -> PullReport {
    let port = Strange {
        answers: listing(artifact, listed),
        ..Strange::new(bench)
    }
    .serve();
    let store = LocalStore::open(bench.path("other")).unwrap();
    remote(port, Credentials::Anonymous)
        .pull(&store, &shop(), &v("1.4.0"), Some(&artifact.digest), now())
        .await
        .unwrap()
}

/// What a registry lists as attached to an artifact.
pub(super) fn listing(artifact: &ArtifactRef, attached: &[Digest]) -> BTreeMap<String, Vec<u8>> {
    let listed: Vec<_> = attached
        .iter()
        .map(|digest| json!({ "mediaType": MANIFEST, "digest": digest, "size": 1 }))
        .collect();
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": listed });
    let list = format!("/manifests/{}", artifact.digest.to_string().replace(':', "-"));
    BTreeMap::from([(list, index.to_string().into_bytes())])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pulled_is_found_by_its_revision_and_grows_old() {
    let bench = Bench::new();
    bench.tree("src/dist").filled();
    for (version, revision) in [("1.0.0", "a"), ("1.1.0", "b")] {
        let settings = format!("name = 'shop'\npath = 'dist'\nversion = '{version}'");
        release(&bench, &settings, revision).await;
        bench.tree("src/dist").file("new", revision);
    }
    let other = LocalStore::open(bench.path("other")).unwrap();
    for version in ["1.0.0", "1.1.0"] {
        let own = bench
            .store
            .catalog()
            .record(&shop(), &v(version))
            .unwrap()
            .unwrap();
        let attached = bench.store.attachments(&own.artifact.digest).unwrap();
        let attached: Vec<_> = attached.iter().map(|one| one.digest).collect();
        let port = Strange {
            answers: listing(&own.artifact, &attached),
            ..Strange::new(&bench)
        }
        .serve();
        remote(port, Credentials::Anonymous)
            .pull(&other, &shop(), &v(version), Some(&own.artifact.digest), now())
            .await
            .unwrap();
        let pulled = other.catalog().record(&shop(), &v(version)).unwrap().unwrap();
        // All that was known there, and when it came here.
        assert!(pulled.run.is_some() && pulled.revision.is_some());
        assert_eq!(pulled, own.at(now()));
    }
    let found = other.catalog().select(&"revision:bbbb".parse().unwrap());
    assert_eq!(found.unwrap().version, v("1.1.0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_is_no_text_to_show_is_left_out() {
    let bench = Bench::new();
    for (version, id, summary, kept) in [
        ("1.0.0", "a".repeat(40), "Fine".to_owned(), true),
        ("1.1.0", "a".repeat(40), "\u{1b}[2J".to_owned(), false),
    ] {
        let artifact = bench.publish(&bench.tree("dist").file("version", version), version);
        let mut statement = attach::statement(&artifact, "r1", "2026-11-20T11:00:00Z");
        let source = &mut statement.predicate["buildDefinition"]["resolvedDependencies"][0];
        let revision = json!({ "id": id, "at": "2026-11-20T10:00:00Z", "summary": summary });
        source["digest"] = json!({ "gitCommit": id });
        source["annotations"] = json!({ "revision": revision });
        let envelope = Envelope::of(&statement).unwrap();
        let attached = bench
            .store
            .attach(&artifact.digest, &NewAttachment::envelope(&envelope))
            .unwrap();
        let port = Strange {
            answers: listing(&artifact, &[attached.digest]),
            ..Strange::new(&bench)
        }
        .serve();
        let store = LocalStore::open(bench.path("other")).unwrap();
        remote(port, Credentials::Anonymous)
            .pull(&store, &shop(), &v(version), Some(&artifact.digest), now())
            .await
            .unwrap();
        let pulled = store.catalog().record(&shop(), &v(version)).unwrap().unwrap();
        assert_eq!(pulled.revision.map(|revision| revision.id), kept.then_some(id));
        assert!(pulled.run.is_some() && pulled.published_at == Some(now()));
    }
}
