//! Policies: nothing is accepted but what is proven, and the report says what is missing.

use std::num::NonZeroUsize;
use std::sync::Arc;

use pipeline_core::attestation::{
    Accepted, AcceptedKey, Algorithm, Check, Envelope, Policy, PrivateKey, Provenance, ProvenanceRules,
    RUN_BUILD_TYPE, Report, ResourceDescriptor, Rule, Statement, Subject, Verifier,
};
use pipeline_core::{ArtifactRef, Digest, Timestamp};
use serde_json::{Value, json};

use super::provenance::artifact;
use super::{ed25519, key, number, public, signed};

const BUILDER: &str = "https://ci.example.com/release";

fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn shop() -> ArtifactRef {
    artifact("shop", "1.2.3")
}

fn tree() -> Digest {
    Digest::of("tree")
}

/// Provenance of `shop` as its builder states it.
fn good() -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": "shop@1.2.3", "digest": {"sha256": shop().digest.hex()}},
            {"name": "shop@1.2.3#tree", "digest": {"sha256": tree().hex()}},
        ],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": RUN_BUILD_TYPE,
                "externalParameters": {
                    "pipeline": "shop",
                    "component": "shop",
                    "source": {"uri": "git+https://git.example.com/shop", "ref": "refs/heads/main"},
                    "stages": ["build"],
                },
            },
            "runDetails": {"builder": {"id": BUILDER}},
        },
    })
}

fn envelope(statement: &Value) -> Envelope {
    Envelope::new("application/vnd.in-toto+json", statement.to_string())
}

fn accepted(name: &str, key: &PrivateKey) -> AcceptedKey {
    AcceptedKey::new(name, public(key))
}

fn policy(keys: &[AcceptedKey], threshold: usize) -> Policy {
    let rules = ProvenanceRules::new(
        [BUILDER],
        Accepted::only(["git+https://git.example.com/*"]),
        Accepted::only(["refs/heads/main", "refs/tags/v*"]),
    );
    Policy {
        threshold: number(threshold),
        ..Policy::for_provenance(keys.iter().cloned(), rules)
    }
}

fn verify(policy: &Policy, envelopes: &[Envelope]) -> Report {
    policy.verify(envelopes, &Subject::artifact(&shop()).tree(tree()), now())
}

fn failed(report: &Report) -> Vec<&Check> {
    let checks = report
        .attestations
        .iter()
        .flat_map(|attestation| &attestation.checks);
    checks.filter(|check| !check.holds).collect()
}

/// The report denies, and the only rule that does not hold is this one.
fn denied_by(report: &Report, rule: Rule, found: &str) {
    assert!(!report.allowed(), "{report}");
    let failed = failed(report);
    assert_eq!(failed.len(), 1, "{report}");
    assert_eq!(failed[0].rule, rule, "{report}");
    assert!(failed[0].found.contains(found), "{report}");
    assert!(!failed[0].expected.is_empty());
}

#[tokio::test]
async fn what_is_proven_is_accepted() {
    for algorithm in Algorithm::ALL {
        let ci = key(algorithm, 1);
        let envelope = signed(envelope(&good()), &[&ci]).await;
        let report = verify(&policy(&[accepted("ci", &ci)], 1), &[envelope]);
        assert!(report.allowed(), "{report}");
        assert_eq!(report.attestations[0].keys, ["ci"]);
        assert_eq!(report.requirements[0].proven_by, Some(0));
        assert_eq!(report.clone().into_result().unwrap(), report);
    }
}

#[tokio::test]
async fn each_claim_that_is_not_accepted_denies_by_its_own_rule() {
    let ci = ed25519(1);
    let policy = policy(&[accepted("ci", &ci)], 1);
    let build = "/predicate/buildDefinition";
    let source = "/predicate/buildDefinition/externalParameters/source";
    for (at, value, rule, found) in [
        (
            "/subject/0/digest/sha256".to_owned(),
            json!(Digest::of("other").hex()),
            Rule::Subject,
            "shop@1.2.3 (sha256:",
        ),
        (
            "/subject/0/digest".to_owned(),
            json!({"sha1": "a".repeat(40)}),
            Rule::Subject,
            "sha1:aaaa",
        ),
        (
            "/subject/0/name".to_owned(),
            json!("shop@1.2.2"),
            Rule::Subject,
            "shop@1.2.2",
        ),
        (
            "/subject/0/name".to_owned(),
            Value::Null,
            Rule::Subject,
            "? (sha256:",
        ),
        (
            "/subject/1/digest/sha256".to_owned(),
            json!(Digest::of("other").hex()),
            Rule::Tree,
            "shop@1.2.3#tree",
        ),
        (
            "/predicateType".to_owned(),
            json!("https://slsa.dev/provenance/v0.2"),
            Rule::PredicateType,
            "v0.2",
        ),
        (
            "/predicate/runDetails/builder/id".to_owned(),
            json!("https://ci.example.com/release/"),
            Rule::Builder,
            "release/",
        ),
        (
            format!("{build}/buildType"),
            json!("https://example.com/x"),
            Rule::BuildType,
            "https://example.com/x",
        ),
        (
            format!("{source}/uri"),
            json!("git+https://git.example.com/a/b"),
            Rule::Source,
            "a/b",
        ),
        (
            format!("{source}/uri"),
            json!("git+https://git.example.org/shop"),
            Rule::Source,
            "example.org",
        ),
        (
            format!("{source}/ref"),
            json!("refs/heads/main2"),
            Rule::Ref,
            "main2",
        ),
        (format!("{source}/ref"), Value::Null, Rule::Ref, "nothing is said"),
        (
            "/predicate/runDetails".to_owned(),
            json!({}),
            Rule::Provenance,
            "`predicate.runDetails`",
        ),
    ] {
        let mut statement = good();
        *statement.pointer_mut(&at).unwrap() = value;
        let envelope = signed(envelope(&statement), &[&ci]).await;
        let report = verify(&policy, std::slice::from_ref(&envelope));
        if rule == Rule::BuildType {
            // Nobody knows what the parameters of another build type mean, either.
            let rules: Vec<_> = failed(&report).iter().map(|check| check.rule).collect();
            assert_eq!(
                rules,
                [Rule::BuildType, Rule::Parameters, Rule::Source, Rule::Ref]
            );
            assert!(!report.allowed());
            assert!(report.to_string().contains(found));
        } else {
            denied_by(&report, rule, found);
        }
        // A good one beside it proves what there is to prove.
        let good = signed(self::envelope(&good()), &[&ci]).await;
        assert!(verify(&policy, &[envelope, good]).allowed());
    }
    let mut statement = good();
    statement["predicate"]["buildDefinition"]["externalParameters"]["patch"] = json!("x");
    let report = verify(&policy, &[signed(envelope(&statement), &[&ci]).await]);
    assert!(!report.allowed());
    assert!(
        failed(&report)[0].found.contains("unknown field `patch`"),
        "{report}"
    );
    assert_eq!(failed(&report)[0].rule, Rule::Parameters);
}

#[tokio::test]
async fn nothing_proves_nothing() {
    let ci = ed25519(1);
    let good_envelope = signed(envelope(&good()), &[&ci]).await;
    let policy = policy(&[accepted("ci", &ci)], 1);
    let none = verify(&policy, &[]);
    assert!(!none.allowed());
    assert!(
        none.into_result()
            .unwrap_err()
            .to_string()
            .contains("there is no attestation")
    );

    let no_types = Policy {
        predicate_types: Vec::new(),
        ..policy.clone()
    };
    assert!(!verify(&no_types, std::slice::from_ref(&good_envelope)).allowed());
    assert!(!verify(&no_types, &[]).allowed());
    let no_keys = Policy {
        keys: Vec::new(),
        ..policy.clone()
    };
    assert!(!verify(&no_keys, std::slice::from_ref(&good_envelope)).allowed());
    let no_rules = Policy {
        provenance: None,
        ..policy.clone()
    };
    denied_by(
        &verify(&no_rules, std::slice::from_ref(&good_envelope)),
        Rule::Provenance,
        "none",
    );

    // Every kind that is asked for must be there.
    let tested = "https://example.com/tested/v1".to_owned();
    let two = Policy {
        predicate_types: [policy.predicate_types.clone(), vec![tested.clone()]].concat(),
        ..policy
    };
    let report = verify(&two, std::slice::from_ref(&good_envelope));
    assert!(!report.allowed());
    assert_eq!(report.requirements[1].proven_by, None);
    let mut test = good();
    test["predicateType"] = json!(tested);
    test["predicate"] = json!({"result": "passed"});
    let test = signed(envelope(&test), &[&ci]).await;
    assert!(!verify(&two, std::slice::from_ref(&test)).allowed());
    assert!(verify(&two, &[good_envelope, test]).allowed());
}

#[tokio::test]
async fn signatures_count_only_where_they_should() {
    let (ci, rm, stranger) = (ed25519(1), key(Algorithm::EcdsaP256, 2), ed25519(3));
    let one = policy(&[accepted("ci", &ci), accepted("rm", &rm)], 1);
    let two = policy(&[accepted("ci", &ci), accepted("rm", &rm)], 2);
    let by = async |keys: &[&PrivateKey]| signed(envelope(&good()), keys).await;

    denied_by(&verify(&one, &[by(&[]).await]), Rule::Signatures, "no signature");
    let unknown = "1 signature, by no accepted key or of other bytes";
    denied_by(
        &verify(&one, &[by(&[&stranger]).await]),
        Rule::Signatures,
        unknown,
    );
    assert!(verify(&one, &[by(&[&stranger, &rm]).await]).allowed());

    denied_by(&verify(&two, &[by(&[&ci]).await]), Rule::Signatures, "key `ci`");
    denied_by(
        &verify(&two, &[by(&[&ci, &ci]).await]),
        Rule::Signatures,
        "key `ci`",
    );
    denied_by(
        &verify(&two, &[by(&[&ci, &stranger]).await]),
        Rule::Signatures,
        "key `ci`",
    );
    assert!(verify(&two, &[by(&[&rm, &ci]).await]).allowed());
    // Signatures of two envelopes do not add up.
    let apart = verify(&two, &[by(&[&ci]).await, by(&[&rm]).await]);
    assert!(!apart.allowed());
    // One key under two names is one key.
    let same = policy(&[accepted("ci", &ci), accepted("ci-too", &ci)], 2);
    denied_by(
        &verify(&same, &[by(&[&ci, &ci]).await]),
        Rule::Signatures,
        "key `ci`",
    );
}

#[tokio::test]
async fn other_bytes_than_those_signed_are_not_even_read() {
    let ci = ed25519(1);
    let policy = policy(&[accepted("ci", &ci)], 1);
    let honest = signed(envelope(&good()), &[&ci]).await;
    let forged = envelope(&good());
    let mut json: Value = serde_json::from_str(&honest.to_json()).unwrap();
    let mut statement = good();
    statement["predicate"]["runDetails"]["builder"]["id"] = json!("https://evil.example.com");
    let other: Value = serde_json::from_str(&envelope(&statement).to_json()).unwrap();
    json["payload"] = other["payload"].clone();
    let tampered = Envelope::parse(json.to_string().as_bytes()).unwrap();
    let report = verify(&policy, &[tampered, forged]);
    assert!(!report.allowed());
    for attestation in &report.attestations {
        assert_eq!(attestation.checks.len(), 1, "{report}");
        assert_eq!(attestation.checks[0].rule, Rule::Signatures);
        assert_eq!(attestation.predicate_type, None);
    }
    assert!(!report.to_string().contains("evil"), "{report}");

    // A payload of another type is not read as a statement, even if it looks like one.
    let other = signed(Envelope::new("application/json", good().to_string()), &[&ci]).await;
    denied_by(&verify(&policy, &[other]), Rule::PayloadType, "application/json");
    let other = signed(Envelope::new("application/vnd.in-toto+json", "{}"), &[&ci]).await;
    denied_by(&verify(&policy, &[other]), Rule::Statement, "missing field");
}

#[tokio::test]
async fn a_key_counts_only_while_it_is_valid() {
    let ci = ed25519(1);
    let envelope = [signed(envelope(&good()), &[&ci]).await];
    let at = |text: &str| -> Timestamp { text.parse().unwrap() };
    let key = AcceptedKey {
        valid_from: Some(at("2026-01-01T00:00:00Z")),
        valid_until: Some(at("2027-01-01T00:00:00Z")),
        ..accepted("ci", &ci)
    };
    let policy = policy(&[key], 1);
    let subject = Subject::artifact(&shop());
    for (now, valid) in [
        ("2025-12-31T23:59:59.999Z", false),
        ("2026-01-01T00:00:00Z", true),
        ("2026-12-31T23:59:59.999Z", true),
        ("2027-01-01T00:00:00Z", false),
    ] {
        let report = policy.verify(&envelope, &subject, at(now));
        if valid {
            assert!(report.allowed(), "{report}");
        } else {
            denied_by(&report, Rule::Signatures, "key `ci`, which is not valid at");
        }
    }
}

#[tokio::test]
async fn a_key_speaks_only_for_its_own_builders() {
    let (ci, lab) = (ed25519(1), ed25519(2));
    let own = |name: &str, key: &PrivateKey, builder: &str| AcceptedKey {
        builders: Some(vec![builder.to_owned()]),
        ..accepted(name, key)
    };
    let keys = [
        own("ci", &ci, BUILDER),
        own("lab", &lab, "https://lab.example.com"),
    ];
    let mut policy = policy(&keys, 1);
    let lab_too = policy.provenance.as_mut().unwrap();
    lab_too.builders.push("https://lab.example.com".to_owned());
    assert!(verify(&policy, &[signed(envelope(&good()), &[&ci]).await]).allowed());
    let other = signed(envelope(&good()), &[&lab]).await;
    denied_by(
        &verify(&policy, std::slice::from_ref(&other)),
        Rule::KeysOfBuilder,
        "none",
    );
    policy.threshold = NonZeroUsize::new(2).unwrap();
    let both = signed(envelope(&good()), &[&ci, &lab]).await;
    denied_by(&verify(&policy, &[both]), Rule::KeysOfBuilder, "`ci`");
}

#[tokio::test]
async fn a_subject_may_be_asked_for_by_digest_alone() {
    let ci = ed25519(1);
    let policy = policy(&[accepted("ci", &ci)], 1);
    let envelope = [signed(envelope(&good()), &[&ci]).await];
    for (subject, good) in [
        (Subject::digest(shop().digest), true),
        (Subject::digest(shop().digest).tree(tree()), true),
        (Subject::digest(tree()), true),
        (Subject::digest(shop().digest).tree(Digest::of("other")), false),
        (Subject::digest(Digest::of("other")), false),
        (Subject::artifact(&artifact("shop", "1.2.2")), false),
        // The name of one with the digest of another.
        (
            Subject::artifact(&ArtifactRef {
                digest: tree(),
                ..shop()
            }),
            false,
        ),
        (Subject::artifact(&shop()).tree(shop().digest), false),
    ] {
        assert_eq!(
            policy.verify(&envelope, &subject, now()).allowed(),
            good,
            "{subject:?}"
        );
    }
}

#[tokio::test]
async fn build_metadata_is_no_part_of_the_version_that_is_asked_for() {
    let ci = ed25519(1);
    let policy = policy(&[accepted("ci", &ci)], 1);
    for (said, asked, good) in [
        ("1.2.3", "1.2.3+build.5", true),
        ("1.2.3+build.5", "1.2.3", true),
        ("1.2.3+a", "1.2.3+b", true),
        ("1.2.3-rc.1+a", "1.2.3-rc.1", true),
        ("1.2.3-rc.1+a", "1.2.3", false),
        ("1.2.4+a", "1.2.3+a", false),
    ] {
        let text = self::good()
            .to_string()
            .replace("shop@1.2.3", &format!("shop@{said}"));
        let statement = serde_json::from_str(&text).unwrap();
        let envelope = [signed(envelope(&statement), &[&ci]).await];
        let asked_for = ArtifactRef {
            version: asked.parse().unwrap(),
            ..shop()
        };
        let subject = Subject::artifact(&asked_for).tree(tree());
        let report = policy.verify(&envelope, &subject, now());
        assert_eq!(report.allowed(), good, "{said} for {asked}: {report}");
    }
}

/// A verifier of somebody else's, which says yes to everything.
#[derive(Debug)]
struct Credulous;

impl Verifier for Credulous {
    fn key_id(&self) -> Digest {
        Digest::of("credulous")
    }

    fn verify(&self, _: &[u8], _: &[u8]) -> bool {
        true
    }
}

#[test]
fn what_is_shown_is_fit_for_a_terminal_and_for_programs() {
    let mut statement = good();
    statement["predicate"]["runDetails"]["builder"]["id"] = json!("\u{1b}[31m".repeat(1000));
    let carrier = json!({"payload": "", "payloadType": "x", "signatures": [{"sig": ""}]});
    let mut carrier: Value = carrier;
    let payload: Value = serde_json::from_str(&envelope(&statement).to_json()).unwrap();
    carrier["payload"] = payload["payload"].clone();
    carrier["payloadType"] = payload["payloadType"].clone();
    let envelope = Envelope::parse(carrier.to_string().as_bytes()).unwrap();
    let policy = policy(&[AcceptedKey::new("credulous", Arc::new(Credulous))], 1);
    let report = verify(&policy, &[envelope]);
    let text = report.to_string();
    assert!(!text.contains('\u{1b}') && text.len() < 5000, "{text}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["attestations"][0]["checks"][0]["rule"], "signatures");
    assert_eq!(json["requirements"][0]["proven_by"], Value::Null);
}

#[tokio::test]
async fn a_report_is_a_table_for_a_person() {
    let (ci, stranger) = (ed25519(1), ed25519(3));
    let policy = policy(&[accepted("ci", &ci)], 1);
    let mut statement = good();
    statement["predicate"]["buildDefinition"]["externalParameters"]["source"]["ref"] =
        json!("refs/heads/fix");
    let wrong = signed(envelope(&statement), &[&ci]).await;
    let foreign = signed(envelope(&good()), &[&stranger]).await;
    insta::assert_snapshot!(verify(&policy, &[wrong, foreign]));
}

#[tokio::test]
async fn provenance_made_here_is_what_the_policy_reads() {
    let statement = Statement::parse(good().to_string().as_bytes()).unwrap();
    let provenance: Provenance = statement.predicate().unwrap();
    let subjects = [ResourceDescriptor::sha256("shop@1.2.3", shop().digest)];
    let again = Statement::new(subjects, &provenance).unwrap();
    let ci = ed25519(1);
    let envelope = signed(Envelope::of(&again).unwrap(), &[&ci]).await;
    let policy = policy(&[accepted("ci", &ci)], 1);
    assert!(
        policy
            .verify(&[envelope], &Subject::artifact(&shop()), now())
            .allowed()
    );
}

#[tokio::test]
async fn a_result_proves_something_only_when_it_was_passed() {
    let key = ed25519(1);
    for (kind, field) in [
        ("https://in-toto.io/attestation/test-result/v0.1", "result"),
        (
            "https://slsa.dev/verification_summary/v0.2",
            "verification_result",
        ),
        ("https://slsa.dev/verification_summary/v1", "verificationResult"),
    ] {
        let policy = Policy {
            predicate_types: vec![kind.to_owned()],
            provenance: None,
            ..policy(&[accepted("ci", &key)], 1)
        };
        for (said, allowed) in [
            (json!("PASSED"), true),
            (json!("WARNED"), false),
            (json!("FAILED"), false),
            (json!("passed"), false),
            (json!(true), false),
            (Value::Null, false),
        ] {
            let mut statement = good();
            statement["predicateType"] = json!(kind);
            statement["predicate"] = json!({ field: said });
            let envelope = signed(envelope(&statement), &[&key]).await;
            let report = verify(&policy, &[envelope]);
            assert_eq!(report.allowed(), allowed, "{kind} {said}: {report}");
            let failed: Vec<_> = failed(&report).iter().map(|check| check.rule).collect();
            assert_eq!(failed, if allowed { vec![] } else { vec![Rule::Result] });
        }
    }
}
