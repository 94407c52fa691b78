//! What is attached to artifacts.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use pipeline_artifacts::{AttachmentKind, LocalStore, NewAttachment, SbomForm, limits};
use pipeline_core::attestation::{
    Accepted, AcceptedKey, Algorithm, Envelope, Policy, PrivateKey, Provenance, ProvenanceRules,
    RUN_BUILD_TYPE, Statement,
};
use pipeline_core::testing::RepeatableEntropy;
use pipeline_core::{ArtifactRef, StoreError, Timestamp};
use serde_json::json;

use crate::{Bench, damage, shop, v};

const BUILDER: &str = "https://ci.example.com/release";

fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn key(seed: u64) -> PrivateKey {
    PrivateKey::generate(Algorithm::Ed25519, &RepeatableEntropy::new(seed))
}

pub(crate) fn policy(key: &PrivateKey) -> Policy {
    let rules = ProvenanceRules::new(
        [BUILDER],
        Accepted::only(["git+https://git.example.com/*"]),
        Accepted::only(["refs/heads/main"]),
    );
    Policy::for_provenance([AcceptedKey::new("ci", Arc::new(key.public().clone()))], rules)
}

pub(crate) fn statement(artifact: &ArtifactRef, run: &str, finished: &str) -> Statement {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{
            "name": format!("{}@{}", artifact.name, artifact.version),
            "digest": {"sha256": artifact.digest.hex()},
        }],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": RUN_BUILD_TYPE,
                "externalParameters": {
                    "pipeline": "shop",
                    "component": "shop",
                    "source": {"uri": "git+https://git.example.com/shop", "ref": "refs/heads/main"},
                    "stages": ["package"],
                },
                "resolvedDependencies": [{"name": "source", "digest": {"gitCommit": "a".repeat(40)}}],
            },
            "runDetails": {
                "builder": {"id": BUILDER},
                "metadata": {"invocationId": run, "finishedOn": finished},
            },
        },
    });
    let statement = Statement::parse(statement.to_string().as_bytes()).unwrap();
    statement.predicate::<Provenance>().unwrap();
    statement
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn signed(statement: &Statement, key: Option<&PrivateKey>) -> Envelope {
    let mut envelope = Envelope::of(statement).unwrap();
    if let Some(key) = key {
        envelope.sign(key).await.unwrap();
    }
    envelope
}

fn published(bench: &Bench) -> ArtifactRef {
    bench.publish(&bench.tree("dist").file("app", "12345"), "1.4.0")
}

#[test]
fn what_is_attached_is_listed_and_read_as_it_is() {
    let bench = Bench::new();
    let artifact = published(&bench);
    let before = bench.store.artifact(&artifact).unwrap().tree().unwrap();
    assert_eq!(bench.store.attachments(&artifact.digest).unwrap(), []);

    let cyclone = "{ \"bomFormat\" : \"CycloneDX\",\n \"specVersion\": \"1.6\" }\n";
    let spdx = "SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\n";
    let attach = |new: &NewAttachment| bench.store.attach(&artifact.digest, new).unwrap();
    let first = attach(&NewAttachment::recognise(cyclone).unwrap());
    attach(
        &NewAttachment::recognise(spdx)
            .unwrap()
            .annotation("made-by", "a tool"),
    );
    attach(&NewAttachment::note("# Know this\n"));
    attach(&NewAttachment::test_result("application/xml", "<testsuites/>"));
    attach(&NewAttachment::new(
        "application/vnd.example.thing",
        "text/plain",
        "thing",
    ));
    attach(&NewAttachment::envelope(&signed(
        &statement(&artifact, "r1", "2026-11-20T11:00:00Z"),
        None,
    )));
    // The same again is the same.
    assert_eq!(attach(&NewAttachment::recognise(cyclone).unwrap()), first);

    let reopened = LocalStore::open(bench.store.root()).unwrap();
    let attached = reopened.attachments(&artifact.digest).unwrap();
    let mut kinds: Vec<_> = attached.iter().map(|one| one.kind()).collect();
    kinds.sort();
    assert_eq!(
        kinds,
        [
            AttachmentKind::Provenance,
            AttachmentKind::Sbom(SbomForm::CycloneDx),
            AttachmentKind::Sbom(SbomForm::Spdx),
            AttachmentKind::TestResult,
            AttachmentKind::Note,
            AttachmentKind::Other,
        ]
    );
    assert!(attached.windows(2).all(|pair| pair[0].digest < pair[1].digest));
    let bytes = |kind| {
        let one = attached.iter().find(|one| one.kind() == kind).unwrap();
        (reopened.read_attachment(one).unwrap(), one.annotations.clone())
    };
    assert_eq!(
        bytes(AttachmentKind::Sbom(SbomForm::CycloneDx)).0,
        cyclone.as_bytes()
    );
    let (text, annotations) = bytes(AttachmentKind::Sbom(SbomForm::Spdx));
    assert_eq!(text, spdx.as_bytes());
    assert_eq!(annotations["made-by"], "a tool");

    // Programs that read the layout find them without being told.
    let index = fs::read(bench.path("store/layouts/shop/index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    let listed = index["manifests"].as_array().unwrap();
    assert_eq!(listed.len(), 1 + attached.len());
    for (one, listed) in attached.iter().zip(&listed[1..]) {
        assert_eq!(listed["digest"], one.digest.to_string());
        assert_eq!(listed["artifactType"], one.artifact_type);
    }

    // The artifact is what it was, and the store is whole.
    assert_eq!(
        reopened.find(&shop(), &artifact.version).unwrap().as_ref(),
        Some(&artifact)
    );
    assert_eq!(reopened.artifact(&artifact).unwrap().tree().unwrap(), before);
    let report = reopened.verify().unwrap();
    assert!(report.is_good(), "{report}");
}

#[test]
fn what_cannot_be_attached_leaves_nothing() {
    let bench = Bench::new();
    let artifact = published(&bench);
    let refused = |new: &NewAttachment| match bench.store.attach(&artifact.digest, new) {
        Err(StoreError::Refused { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    for (new, expected) in [
        (
            NewAttachment::new("text", "text/plain", "x"),
            "\"text\" is no media type",
        ),
        (
            NewAttachment::new("text/plain", "text/plain; charset=utf-8", "x"),
            "is no media type",
        ),
        (NewAttachment::note(""), "it is empty"),
        (
            NewAttachment::note("x").annotation("k", "v".repeat(limits::MAX_ANNOTATIONS)),
            "its annotations have more than",
        ),
        (
            NewAttachment::note("x").annotation("a\nb", "v"),
            "is no name of an annotation",
        ),
        (
            NewAttachment::new("application/vnd.release-pipeline.artifact.v1", "text/plain", "x"),
            "it says to be an artifact",
        ),
        (
            NewAttachment::new("a/b", "a/b", vec![0; limits::MAX_ATTACHMENT_BYTES as usize + 1]),
            "it is larger than",
        ),
    ] {
        let reason = refused(&new);
        assert!(reason.contains(expected), "{reason}");
    }
    assert!(NewAttachment::recognise("hello").is_err());
    assert!(NewAttachment::recognise(r#"{"payload":"!","payloadType":"x","signatures":[]}"#).is_err());
    assert_eq!(bench.store.attachments(&artifact.digest).unwrap(), []);

    let nothing = pipeline_core::Digest::of("nothing");
    let error = bench
        .store
        .attach(&nothing, &NewAttachment::note("x"))
        .unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error}");
}

/// What is attached keeps all of the artifact, so all of it must be there.
#[test]
fn nothing_is_attached_to_what_is_not_whole() {
    let bench = Bench::new();
    let artifact = published(&bench);
    let layer = bench.store.artifact(&artifact).unwrap().layers()[1];
    let path = bench.path("store/blobs/sha256").join(layer.digest.hex());
    let attach = || bench.store.attach(&artifact.digest, &NewAttachment::note("x"));
    damage(&path, b"short");
    let error = attach().unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    fs::remove_file(&path).unwrap();
    let error = attach().unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error}");
    assert_eq!(bench.store.attachments(&artifact.digest).unwrap(), []);
}

#[test]
fn an_artifact_is_accepted_only_when_its_origin_is_proven() {
    let bench = Bench::new();
    let artifact = published(&bench);
    let (ours, theirs) = (key(1), key(2));
    let policy = policy(&ours);
    let check = |artifact: &ArtifactRef| bench.store.check_origin(artifact, &policy, now());
    let attach = |envelope: &Envelope| {
        bench
            .store
            .attach(&artifact.digest, &NewAttachment::envelope(envelope))
            .unwrap()
    };
    assert!(!check(&artifact).allowed(), "nothing is attached");
    let claim = statement(&artifact, "r1", "2026-11-20T11:00:00Z");
    attach(&signed(&claim, None));
    assert!(!check(&artifact).allowed(), "nobody signed it");
    attach(&signed(&claim, Some(&theirs)));
    assert!(!check(&artifact).allowed(), "somebody else signed it");
    let proof = attach(&signed(&claim, Some(&ours)));
    let report = check(&artifact);
    assert!(report.allowed(), "{report}");
    assert_eq!(report.envelopes.len(), 3);
    let proven_by = report.report.requirements[0].proven_by.unwrap();
    assert_eq!(report.envelopes[proven_by], proof.digest);

    // It is proof of this version, and of no other that has the same bytes.
    let again = bench
        .store
        .publish(&shop(), &v("1.5.0"), &artifact.digest)
        .unwrap();
    assert!(!check(&again).allowed());

    // What is damaged proves nothing, and the report says so.
    let blob = bench.path(&format!("store/blobs/sha256/{}", proof.parts[0].digest.hex()));
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, "{}").unwrap();
    let report = check(&artifact);
    assert!(!report.allowed());
    assert_eq!(report.unreadable.len(), 1);
    assert_eq!(report.unreadable[0].attachment, proof.digest);
    assert!(report.to_string().contains("cannot be read: blob"), "{report}");
}

#[test]
fn attachments_survive_a_foreign_file_beside_them() {
    let bench = Bench::new();
    let artifact = published(&bench);
    bench
        .store
        .attach(&artifact.digest, &NewAttachment::note("x"))
        .unwrap();
    let dir = bench.path(&format!("store/referrers/{}", artifact.digest.hex()));
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
    fs::write(dir.join("README"), "hello").unwrap();
    assert_eq!(bench.store.attachments(&artifact.digest).unwrap().len(), 1);

    // One whose manifest is attached to something else is damage.
    let other = bench.publish(&bench.tree("other").file("app", "other"), "2.0.0");
    let note = bench
        .store
        .attach(&other.digest, &NewAttachment::note("y"))
        .unwrap();
    fs::write(dir.join(note.digest.hex()), "").unwrap();
    let error = bench.store.attachments(&artifact.digest).unwrap_err();
    assert!(error.to_string().contains("it is attached to"), "{error}");

    // `verify` names all of that, and what an attachment lacks.
    let first = bench.store.attachments(&other.digest).unwrap().remove(0);
    fs::remove_file(bench.path(&format!("store/blobs/sha256/{}", first.parts[0].digest.hex()))).unwrap();
    let report = bench.store.verify().unwrap().to_string();
    for part in [
        "it names nothing that is attached",
        "it is no attachment of",
        "missing blobs/sha256/",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
}

/// What is published is missed together with what is attached to it, so that one look tells all that is to be healed.
#[test]
fn what_is_attached_to_something_lost_is_missed_too() {
    let bench = Bench::new();
    let artifact = published(&bench);
    let note = NewAttachment::note("x");
    let note = bench.store.attach(&artifact.digest, &note).unwrap();
    let lost = [artifact.digest, note.digest];
    for digest in lost {
        fs::remove_file(bench.path(&format!("store/blobs/sha256/{}", digest.hex()))).unwrap();
    }
    let report = bench.store.verify().unwrap();
    for digest in lost {
        let missing = format!("missing blobs/sha256/{}", digest.hex());
        assert!(report.to_string().contains(&missing), "{report}");
    }
}

#[test]
fn the_manifest_of_an_attachment_is_one_of_oci() {
    let bench = Bench::new();
    let artifact = published(&bench);
    let note = bench
        .store
        .attach(&artifact.digest, &NewAttachment::note("# Hi\n"))
        .unwrap();
    let manifest = bench.store.read_blob(&note.digest).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let text = serde_json::to_string_pretty(&manifest).unwrap();
    let size = format!(
        "\"size\": {}",
        bench.store.read_blob(&artifact.digest).unwrap().len()
    );
    let text = text
        .replace(&artifact.digest.to_string(), "<artifact>")
        .replace(&size, "\"size\": <size>");
    insta::assert_snapshot!(text);
}

#[test]
fn a_damaged_record_keeps_nobody_from_attaching() {
    let bench = Bench::new();
    let shop_1 = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let other = bench
        .store
        .publish(&"other".parse().unwrap(), &v("1.0.0"), &shop_1.digest)
        .unwrap();
    bench.publish(&bench.tree("two").file("a", "2"), "2.0.0");
    for record in ["other/1.0.0.json", "shop/2.0.0.json"] {
        damage(&bench.path("store/catalog").join(record), b"x");
        let note = NewAttachment::note(record);
        // One that has not read them before.
        let store = LocalStore::open(bench.path("store")).unwrap();
        let attached = store.attach(&other.digest, &note).unwrap();
        assert!(store.attachments(&other.digest).unwrap().contains(&attached));
    }
}

#[test]
fn many_processes_attach_at_once() {
    let bench = Bench::new();
    let artifact = published(&bench);
    let store = &bench.store;
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let digest = artifact.digest;
            scope.spawn(move || {
                let own = LocalStore::open(store.root()).unwrap();
                for number in 0..5 {
                    // Every second one is the same for all.
                    let text = if number % 2 == 0 {
                        format!("{writer} {number}")
                    } else {
                        number.to_string()
                    };
                    own.attach(&digest, &NewAttachment::note(text)).unwrap();
                }
            });
        }
    });
    assert_eq!(store.attachments(&artifact.digest).unwrap().len(), 4 * 3 + 2);
    // Nothing is left that would be in the way of other programs.
    let left = Command::new("find")
        .arg(store.root().join("tmp"))
        .args(["-type", "f"])
        .output()
        .unwrap();
    assert!(
        left.stdout.is_empty(),
        "{}",
        String::from_utf8_lossy(&left.stdout)
    );
}

/// What is no statement says nothing of what it is, whatever words are in it.
#[test]
fn only_a_statement_is_listed_by_its_predicate() {
    let bench = Bench::new();
    let artifact = bench.publish(&bench.tree("one").file("a", "1"), "1.0.0");
    let claim = "eyJwcmVkaWNhdGVUeXBlIjoiaHR0cHM6Ly9zbHNhLmRldi9wcm92ZW5hbmNlL3YxIn0="; // {"predicateType":"https://slsa.dev/provenance/v1"}
    let statement = "application/vnd.in-toto+json";
    for (kind, payload, predicate) in [
        (statement, claim, Some("https://slsa.dev/provenance/v1")),
        ("application/json", claim, None),
        (statement, "WzFd", None), // [1]
    ] {
        let envelope =
            format!(r#"{{"payload":"{payload}","payloadType":"{kind}","signatures":[{{"sig":"AAAA"}}]}}"#);
        let new = NewAttachment::recognise(envelope).unwrap();
        let attached = bench.store.attach(&artifact.digest, &new).unwrap();
        assert_eq!(attached.predicate_type(), predicate, "{kind}, {payload}");
        let is_provenance = attached.kind() == AttachmentKind::Provenance;
        assert_eq!(is_provenance, predicate.is_some(), "{kind}, {payload}");
    }
}
