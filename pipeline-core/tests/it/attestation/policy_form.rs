//! Policies as TOML: what is wrong is said with its place, and nothing is guessed.

use pipeline_core::attestation::{
    Accepted, KeyError, Policy, PolicyError, PublicKey, RUN_BUILD_TYPE, Verifier,
};

use super::ed25519;

fn text() -> String {
    let pem = ed25519(2).public().to_pem().to_owned();
    format!(
        r#"format = 1
threshold = 2

[keys.ci]
file = "ci.pub"
valid-until = 2027-01-01T00:00:00+01:00

[keys.rm]
pem = """
{pem}"""
builders = ["https://b"]

[provenance]
builders = ["https://a", "https://b"]
sources = ["git+https://git.example.com/**"]
refs = "any"
"#
    )
}

fn parse(text: &str) -> Result<Policy, PolicyError> {
    Policy::parse(text, "policy.toml", |file| match file {
        "ci.pub" => Ok(ed25519(1).public().clone()),
        other => PublicKey::read(other),
    })
}

#[test]
fn a_policy_is_read_as_it_is_written() {
    let policy = parse(&text()).unwrap();
    assert_eq!(policy.threshold.get(), 2);
    assert_eq!(policy.predicate_types, ["https://slsa.dev/provenance/v1"]);
    let rules = policy.provenance.as_ref().unwrap();
    assert_eq!(rules.builders, ["https://a", "https://b"]);
    assert_eq!(rules.build_types, [RUN_BUILD_TYPE]);
    assert_eq!(rules.sources, Accepted::only(["git+https://git.example.com/**"]));
    assert_eq!(rules.refs, Accepted::Any);
    let [ci, rm] = &policy.keys[..] else {
        panic!("two keys")
    };
    assert_eq!(
        (ci.name.as_str(), ci.verifier.key_id()),
        ("ci", ed25519(1).public().key_id())
    );
    assert_eq!(ci.valid_until, Some("2026-12-31T23:00:00Z".parse().unwrap()));
    assert_eq!(ci.valid_from, None);
    assert_eq!(ci.builders, None);
    assert_eq!(rm.verifier.key_id(), ed25519(2).public().key_id());
    assert_eq!(rm.builders, Some(vec!["https://b".to_owned()]));

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.toml"), text()).unwrap();
    let error = Policy::read(folder.path().join("policy.toml")).unwrap_err();
    assert!(
        matches!(
            &error,
            PolicyError::Invalid {
                source: Some(KeyError::Io { .. }),
                line: 5,
                ..
            }
        ),
        "{error}"
    );
    std::fs::write(folder.path().join("ci.pub"), ed25519(1).public().to_pem()).unwrap();
    assert_eq!(
        Policy::read(folder.path().join("policy.toml"))
            .unwrap()
            .keys
            .len(),
        2
    );
    let error = Policy::read(folder.path().join("x.toml")).unwrap_err();
    assert!(matches!(error, PolicyError::Read { .. }), "{error}");
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let provenance = text().split("[provenance]").nth(1).unwrap().to_owned();
    for (old, new, said) in [
        (
            "format = 1",
            "format = 2",
            "policy.toml:1:10: format 2 is not known",
        ),
        ("format = 1\n", "", "missing field `format`"),
        ("threshold = 2", "threshold = 0", "policy.toml:2:13: "),
        (
            "threshold = 2",
            "threshold = 3",
            "policy.toml:2:13: 3 keys must sign, but there are 2",
        ),
        (
            "threshold = 2",
            "treshold = 2",
            "policy.toml:2:1: unknown field `treshold`",
        ),
        ("refs = \"any\"\n", "", "missing field `refs`"),
        (
            "refs = \"any\"",
            "refs = \"refs/heads/main\"",
            "expected \"any\" or a list of patterns",
        ),
        (
            "refs = \"any\"",
            "refs = []",
            "`provenance.refs` is empty: to ask for nothing, say \"any\"",
        ),
        (
            "refs = \"any\"",
            "refs = 1",
            "expected \"any\" or a list of patterns",
        ),
        (
            "[\"https://a\", \"https://b\"]",
            "[]",
            "`provenance.builders` is empty",
        ),
        (
            "[\"https://a\", \"https://b\"]",
            "[\"https://a\"]",
            "`https://b` is not among `provenance.builders`",
        ),
        (
            "file = \"ci.pub\"",
            "",
            "policy.toml:4:1: key `ci` needs one of `file` and `pem`",
        ),
        (
            "file = \"ci.pub\"",
            "file = \"none.pub\"",
            "policy.toml:5:8: key `ci` cannot be used",
        ),
        (
            "file = \"ci.pub\"",
            "pem = \"x\"",
            "policy.toml:5:7: key `ci` cannot be used",
        ),
        (
            "00+01:00",
            "00",
            "policy.toml:6:15: `2027-01-01T00:00:00` is no moment",
        ),
        (
            "valid-until = ",
            "valid-from = 2028-01-01T00:00:00Z\nvalid-until = ",
            "key `ci` is never valid",
        ),
        (
            "format = 1",
            "format = 1\npredicate-types = []",
            "`predicate-types` is empty",
        ),
        (
            "format = 1",
            "format = 1\npredicate-types = [\"x\"]",
            "`provenance` has no use",
        ),
        (&provenance, "", "missing field"),
        (
            &format!("[provenance]{provenance}"),
            "",
            "there is no `[provenance]`",
        ),
        ("[keys.rm]", "[keys.rm]\nrole = 1", "unknown field `role`"),
    ] {
        let text = text().replacen(old, new, 1);
        let error = parse(&text).unwrap_err().to_string();
        assert!(
            error.starts_with("policy.toml:") && error.contains(said),
            "{error}; expected {said}"
        );
    }
    let same = text().replace(ed25519(2).public().to_pem(), ed25519(1).public().to_pem());
    let error = parse(&same).unwrap_err().to_string();
    assert!(error.contains("keys `ci` and `rm` are the same key"), "{error}");
    let none = "format = 1\npredicate-types = [\"x\"]\n[keys]\n";
    assert!(
        parse(none)
            .unwrap_err()
            .to_string()
            .contains("there are no `keys`")
    );
}
