//! What others wrote: in-toto's vectors and examples, the vector of DSSE, statements that were really signed.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use pipeline_core::attestation::{
    Accepted, AcceptedKey, Algorithm, Envelope, Policy, PrivateKey, Provenance, ProvenanceRules, PublicKey,
    Rule, Statement, Subject, Verifier, pae,
};
use pipeline_core::{Digest, Timestamp};
use serde_json::{Value, json};

use super::{fixtures, number, signed, verifiers};

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

/// The DER that stands before the 65 bytes of a point on P-256 in a public key, and wherever one is embedded (RFC 5480).
const P256: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";

/// A public key out of DER.
fn public_key(der: &[u8]) -> PublicKey {
    PublicKey::from_pem(&pem("PUBLIC", der)).unwrap()
}

fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

#[test]
fn the_vectors_of_in_toto_are_taken_and_refused_alike() {
    let Some(folder) = fixtures("in-toto") else { return };
    let vectors = read(&folder.join("vectors/go-test-vectors.json"));
    let vectors = vectors.as_array().unwrap();
    assert_eq!(vectors.len(), 22);
    let mut wrong = Vec::new();
    for vector in vectors {
        let (json, source) = (&vector["json"], vector["source"].as_str().unwrap());
        let around = |subject: Value, kind: &str, predicate: Value| {
            let statement = json!({
                "_type": "https://in-toto.io/Statement/v1",
                "subject": [subject],
                "predicateType": kind,
                "predicate": predicate,
            });
            Statement::parse(statement.to_string().as_bytes())
        };
        let good = json!({"digest": {"alg1": "abc123"}});
        let taken = if source.ends_with("resource_descriptor_test.go") {
            around(json.clone(), "thePredicate", json!({})).is_ok()
        } else if source.ends_with("statement_test.go") {
            Statement::parse(json.to_string().as_bytes()).is_ok()
        } else {
            assert!(source.ends_with("provenance_test.go"), "{source}");
            let statement = around(good, "https://slsa.dev/provenance/v1", json.clone()).unwrap();
            statement.predicate::<Provenance>().is_ok()
        };
        if taken != (vector["expect"] == "accept") {
            wrong.push(format!("{source} {}", vector["name"]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn the_examples_of_in_toto_are_taken_where_their_digests_are_whole() {
    let Some(folder) = fixtures("in-toto") else { return };
    let (mut taken, mut refused) = (0, 0);
    for entry in fs::read_dir(folder.join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let text = if path.to_string_lossy().contains("resource_descriptor") {
            let mut descriptor: Value = serde_json::from_str(&text).unwrap();
            // Not every descriptor is a subject; a subject has a digest.
            if descriptor.get("digest").is_none() {
                descriptor["digest"] = json!({"x": "y"});
            }
            let statement = json!({
                "_type": "https://in-toto.io/Statement/v1",
                "subject": [descriptor],
                "predicateType": "x",
                "predicate": {},
            });
            statement.to_string()
        } else {
            text
        };
        let statement: Value = serde_json::from_str(&text).unwrap();
        // The examples shorten digests, as in `abc...`.
        let whole = !statement["subject"].to_string().contains("...\"");
        let parsed = Statement::parse(text.as_bytes());
        assert_eq!(parsed.is_ok(), whole, "{}: {parsed:?}", path.display());
        if let Ok(parsed) = parsed {
            assert_eq!(Statement::parse(&parsed.to_bytes().unwrap()).unwrap(), parsed);
            taken += 1;
        } else {
            refused += 1;
        }
    }
    assert_eq!((taken, refused), (5, 9));
}

#[tokio::test]
async fn the_vector_of_dsse_is_signed_and_verified_alike() {
    let Some(folder) = fixtures("dsse") else { return };
    let vector = read(&folder.join("vector.json"));
    let text = |name: &str| vector[name].as_str().unwrap();
    let (kind, body) = (text("payload_type"), text("serialized_body_utf8"));
    assert_eq!(pae(kind, body.as_bytes()), bytes(text("pae_hex")));

    let der = bytes(&format!("{P256}04{}{}", text("x_hex"), text("y_hex")));
    let key = public_key(&der);
    assert_eq!(key.algorithm(), Algorithm::EcdsaP256);
    assert_eq!(key.key_id(), Digest::of(&der));
    let envelope = Envelope::parse(&fs::read(folder.join("envelope.json")).unwrap()).unwrap();
    assert_eq!(
        envelope,
        Envelope::parse(vector["envelope"].to_string().as_bytes()).unwrap()
    );
    let verified = envelope.verify(kind, verifiers(&[&key]), number(1)).unwrap();
    assert_eq!(verified.payload, body.as_bytes());

    // The private key of the vector, as PKCS#8: the version, the algorithm, the key (RFC 5915).
    let d = decimal(text("d_dec"));
    let pkcs8 = format!(
        "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420{d}",
        d = d.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    );
    let pkcs8 = pem("PRIVATE", &bytes(&pkcs8));
    let private = PrivateKey::from_pem(&pkcs8).unwrap();
    assert_eq!(private.public(), &key);
    let ours = signed(Envelope::new(kind, body), &[&private]).await;
    // Ours is DER: the same two numbers, with a head each and a zero before those that begin with a set bit.
    let (r, s) = envelope.signatures()[0].bytes.split_at(32);
    let number = |bytes: &[u8]| match bytes[0] & 0x80 {
        0 => [&[2, 32], bytes].concat(),
        _ => [&[2, 33, 0], bytes].concat(),
    };
    let numbers = [number(r), number(s)].concat();
    let der = [&[0x30, numbers.len() as u8], &numbers[..]].concat();
    assert_eq!(ours.signatures()[0].bytes, der);
}

fn pem(what: &str, der: &[u8]) -> String {
    let json: Value = serde_json::from_str(&Envelope::new("x", der).to_json()).unwrap();
    let base64 = json["payload"].as_str().unwrap();
    let lines: Vec<_> = base64
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    let body = lines.join("\n");
    format!("-----BEGIN {what} KEY-----\n{body}\n-----END {what} KEY-----\n")
}

/// A decimal number in 32 bytes.
fn decimal(digits: &str) -> [u8; 32] {
    let mut bytes = [0_u8; 32];
    for digit in digits.bytes() {
        let mut carry = u32::from(digit - b'0');
        for byte in bytes.iter_mut().rev() {
            carry += u32::from(*byte) * 10;
            *byte = carry as u8;
            carry >>= 8;
        }
    }
    bytes
}

#[test]
fn a_summary_that_was_really_signed_is_verified() {
    let Some(folder) = fixtures("slsa/vsa-gce") else {
        return;
    };
    let bytes = fs::read(folder.join("gke-gce-pre.bcid-vsa.jsonl")).unwrap();
    let envelope = Envelope::parse(bytes.trim_ascii()).unwrap();
    let key = PublicKey::read(folder.join("vsa_signing_public_key.pem")).unwrap();
    let kind = "application/vnd.in-toto+json";
    let verified = envelope.verify(kind, verifiers(&[&key]), number(1)).unwrap();
    let statement = Statement::parse(verified.payload).unwrap();
    let summary = "https://slsa.dev/verification_summary/v1";
    assert_eq!(statement.predicate_type, summary);

    // What it is about has no SHA-256, so it proves nothing of what has one.
    let policy = Policy {
        predicate_types: vec![summary.to_owned()],
        keys: vec![AcceptedKey::new("bcid", Arc::new(key))],
        threshold: number(1),
        provenance: None,
    };
    let report = policy.verify(&[envelope], &Subject::digest(Digest::of("x")), now());
    assert!(!report.allowed());
    let failed: Vec<_> = report.attestations[0]
        .checks
        .iter()
        .filter(|check| !check.holds)
        .collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].rule, Rule::Subject);
    assert!(
        failed[0].found.contains("gce_image_id:8970095005306000053"),
        "{report}"
    );
}

#[test]
fn provenance_that_was_really_signed_is_held_against_a_policy() {
    let Some(folder) = fixtures("slsa/provenance-v1-bundle") else {
        return;
    };
    // Bundles hold the envelope and the certificate of a key that signed only this.
    let bundle = |name: &str| {
        let bundle = read(&folder.join(name));
        let envelope = Envelope::parse(bundle["dsseEnvelope"].to_string().as_bytes()).unwrap();
        let raw = &bundle["verificationMaterial"]["certificate"]["rawBytes"];
        let carrier = json!({"payload": raw, "payloadType": "x", "signatures": []});
        let carrier = Envelope::parse(carrier.to_string().as_bytes()).unwrap();
        let der = carrier.unverified_payload();
        let head = bytes(P256);
        let at = der.windows(head.len()).position(|window| window == head).unwrap();
        (envelope, public_key(&der[at..at + head.len() + 65]))
    };
    let (envelope, key) = bundle("MODULE.bazel.intoto.jsonl");
    let (other_envelope, other_key) = bundle("MODULE-wrong-signer.bazel.intoto.jsonl");
    assert_ne!(key.key_id(), other_key.key_id());

    let rules = |builder: &str, source: &str, reference: &str| ProvenanceRules {
        build_types: vec!["https://actions.github.io/buildtypes/workflow/v1".to_owned()],
        ..ProvenanceRules::new([builder], Accepted::only([source]), Accepted::only([reference]))
    };
    let builder =
        "https://github.com/bazel-contrib/publish-to-bcr/.github/workflows/publish.yaml@refs/tags/v0.0.1";
    let source = "https://github.com/aspect-build/*";
    let policy = Policy::for_provenance(
        [AcceptedKey::new("publisher", Arc::new(key.clone()))],
        rules(builder, source, "refs/heads/publish-to-bcr"),
    );
    let subject = Subject::digest(Digest::of(fs::read(folder.join("MODULE.bazel")).unwrap()));
    let report = policy.verify(&[other_envelope.clone(), envelope.clone()], &subject, now());
    assert!(report.allowed(), "{report}");
    assert_eq!(report.requirements[0].proven_by, Some(1));
    assert!(!policy.verify(&[other_envelope], &subject, now()).allowed());

    for (rule, rules) in [
        (
            Rule::Builder,
            rules(
                "https://github.com/bazel-contrib/*",
                source,
                "refs/heads/publish-to-bcr",
            ),
        ),
        (
            Rule::Source,
            rules(builder, "https://github.com/*", "refs/heads/publish-to-bcr"),
        ),
        (Rule::Ref, rules(builder, source, "refs/heads/main")),
    ] {
        let strict = Policy {
            provenance: Some(rules),
            ..policy.clone()
        };
        let report = strict.verify(std::slice::from_ref(&envelope), &subject, now());
        let failed: Vec<_> = report.attestations[0]
            .checks
            .iter()
            .filter(|check| !check.holds)
            .collect();
        assert_eq!(failed.len(), 1, "{report}");
        assert_eq!(failed[0].rule, rule);
    }
}
