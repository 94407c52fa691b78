//! Envelopes, statements and keys of strangers: reading never panics, what is read is written so that it is read again,
//! and nothing is accepted but what was signed.

use pipeline_core::attestation::{
    Envelope, Policy, PolicyError, PrivateKey, Provenance, PublicKey, Statement, Subject,
};
use pipeline_core::{Digest, Timestamp};

/// An envelope that the policy accepts.
const GOOD: &[u8] = include_bytes!("../../../../fuzz/seeds/envelope/good");

const POLICY: &str = r#"
format = 1

[keys.ed25519]
pem = """
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAedkQdEchQ3GwfmSua8Fh8PzXeAoZHrHtT6J5fDGTeUk=
-----END PUBLIC KEY-----
"""

[keys.p256]
pem = """
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZhdyxM9H/HZQdu2auRuULkLbx8jL
8R7KSngELGFGsiCbaoMJhSbhRGnQy8lNsUXQZH/COm02zuQWajt19R43fA==
-----END PUBLIC KEY-----
"""

[provenance]
builders = ["https://ci.example.com/release"]
sources = ["git+https://git.example.com/*"]
refs = ["refs/heads/main"]
"#;

/// The input is an envelope, a statement, a policy or a key.
pub(crate) fn run(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        key(text);
        policy(text);
    }
    statement(data);
    let Ok(envelope) = Envelope::parse(data) else {
        return;
    };
    let written = envelope.to_json();
    assert_eq!(
        Envelope::parse(written.as_bytes()).expect("it is read again"),
        envelope
    );
    statement(envelope.unverified_payload());

    let policy = Policy::parse(POLICY, "policy.toml", |file| PublicKey::read(file)).expect("a policy");
    let subject = Subject::digest(Digest::of("the manifest"));
    let report = policy.verify(std::slice::from_ref(&envelope), &subject, Timestamp::UNIX_EPOCH);
    if report.allowed() {
        let good = Envelope::parse(GOOD).expect("a seed");
        assert_eq!(envelope.payload_type(), good.payload_type());
        assert_eq!(envelope.unverified_payload(), good.unverified_payload());
    } else {
        assert_ne!(data, GOOD, "{report}");
    }
    let shown = report.to_string().replace('\n', "");
    assert!(!shown.contains(char::is_control), "{shown:?}");
}

fn statement(data: &[u8]) {
    let statement = match Statement::parse(data) {
        Ok(statement) => statement,
        Err(error) => return assert!(!error.reason().is_empty()),
    };
    // A number beyond what canonical JSON can write is no error to read.
    let Ok(written) = statement.to_bytes() else {
        return;
    };
    let again = Statement::parse(&written).expect("it is read again");
    assert_eq!(again.to_bytes().expect("it is written again"), written);
    if let Ok(provenance) = statement.predicate::<Provenance>() {
        let again = Statement::new(statement.subjects, &provenance).expect("it is stated again");
        assert_eq!(
            again.predicate::<Provenance>().expect("it is read again"),
            provenance
        );
    }
}

fn key(text: &str) {
    if let Ok(key) = PublicKey::from_pem(text) {
        assert_eq!(PublicKey::from_pem(key.to_pem()).expect("it is read again"), key);
    }
    if let Ok(key) = PrivateKey::from_pem(text) {
        let written = key.to_pem().expect("a key has a form");
        let again = PrivateKey::from_pem(&written).expect("it is read again");
        assert_eq!(again.public(), key.public());
    }
}

fn policy(text: &str) {
    let never = |_: &str| PublicKey::from_pem("");
    if let Err(PolicyError::Invalid { line, column, .. }) = Policy::parse(text, "policy.toml", never) {
        let lines: Vec<_> = text.split('\n').collect();
        assert!(
            (1..=lines.len()).contains(&line),
            "there are {} lines, not {line}",
            lines.len()
        );
        let columns = lines[line - 1].chars().count() + 1;
        assert!(
            (1..=columns).contains(&column),
            "there are {columns} columns, not {column}"
        );
    }
}
