//! Envelopes: read strictly, signed by several keys, verified over the bytes.

use pipeline_core::attestation::{
    Algorithm, Envelope, MAX_ENVELOPE_BYTES, MAX_SIGNATURES, PublicKey, SignError, Signature, Signer,
    Verifier, VerifyError, pae,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ed25519, key, number, signed, verifiers};

const KIND: &str = "text/plain";

#[tokio::test]
async fn as_many_different_keys_as_asked_must_have_signed() {
    let (a, b, c) = (ed25519(1), key(Algorithm::EcdsaP256, 2), ed25519(3));
    let envelope = signed(Envelope::new(KIND, "hello"), &[&a, &b]).await;
    let envelope = Envelope::parse(envelope.to_json().as_bytes()).unwrap();
    let keys: [&PublicKey; 3] = [a.public(), b.public(), c.public()];
    let verified = envelope.verify(KIND, verifiers(&keys), number(2)).unwrap();
    assert_eq!(verified.payload, b"hello");
    assert_eq!(verified.keys.len(), 2);

    let missing = envelope.verify(KIND, verifiers(&keys), number(3)).unwrap_err();
    assert_eq!(
        missing,
        VerifyError::Threshold {
            needed: 3,
            found: 2,
            signatures: 2
        }
    );
    assert!(
        envelope
            .verify(KIND, verifiers(&[c.public()]), number(1))
            .is_err()
    );
    assert!(envelope.verify(KIND, verifiers(&[]), number(1)).is_err());

    // One key that signs twice, or is offered twice, is one key.
    let twice = signed(Envelope::new(KIND, "hello"), &[&a, &a]).await;
    let same = [a.public(), a.public()];
    let missing = twice.verify(KIND, verifiers(&same), number(2)).unwrap_err();
    assert_eq!(
        missing,
        VerifyError::Threshold {
            needed: 2,
            found: 1,
            signatures: 2
        }
    );

    let unsigned = Envelope::new(KIND, "hello");
    assert!(unsigned.verify(KIND, verifiers(&keys), number(1)).is_err());
}

#[tokio::test]
async fn payload_type_and_signature_are_bound_together() {
    for algorithm in Algorithm::ALL {
        let key = key(algorithm, 1);
        let envelope = signed(Envelope::new(KIND, "hello"), &[&key]).await;
        let good: Value = serde_json::from_str(&envelope.to_json()).unwrap();
        let verify = |json: &Value, kind: &str| {
            let envelope = Envelope::parse(json.to_string().as_bytes()).unwrap();
            envelope
                .verify(kind, verifiers(&[key.public()]), number(1))
                .is_ok()
        };
        assert!(verify(&good, KIND));
        assert!(!verify(&good, "text/html"));
        let mut other = good.clone();
        other["payloadType"] = json!("text/html");
        assert!(!verify(&other, "text/html"));
        let mut other = good.clone();
        other["payload"] = json!("aGVsbG8K");
        assert!(!verify(&other, KIND));

        // The lengths keep a byte from moving between the two.
        let moved = signed(Envelope::new("text/plain 5", "hello"), &[&key]).await;
        let mut moved: Value = serde_json::from_str(&moved.to_json()).unwrap();
        moved["payloadType"] = json!("text/plain");
        assert!(!verify(&moved, KIND));

        // What a signature says of its key decides nothing.
        for hint in [json!("another key"), json!(""), Value::Null] {
            let mut other = good.clone();
            other["signatures"][0]["keyid"] = hint;
            assert!(verify(&other, KIND));
        }

        // No byte of a signature is free.
        let bytes = &envelope.signatures()[0].bytes;
        let message = pae(KIND, b"hello");
        assert!(key.public().verify(&message, bytes));
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1 << (at % 8);
            assert!(!key.public().verify(&message, &other), "{algorithm}: byte {at}");
        }
        assert!(!key.public().verify(&message, &bytes[1..]));
        assert!(!key.public().verify(&message, &[bytes, &[0][..]].concat()));
        assert!(!key.public().verify(&message, b""));
    }
}

#[test]
fn what_is_no_envelope_is_refused() {
    let good = json!({"payload": "aGVsbG8=", "payloadType": KIND, "signatures": [{"sig": "AA=="}]});
    let parse = |json: &Value| Envelope::parse(json.to_string().as_bytes());
    assert_eq!(parse(&good).unwrap().unverified_payload(), b"hello");
    let mut url = good.clone();
    url["payload"] = json!("-_8=");
    assert_eq!(parse(&url).unwrap().unverified_payload(), b"\xfb\xff");
    for (field, value, said) in [
        ("payload", json!("aGVsbG8"), "`payload` is not padded base64"),
        ("payload", json!("aGVs\nbG8="), "`payload` is not padded base64"),
        ("payload", json!("aGVsbG9="), "`payload` is not padded base64"),
        ("payload", json!("+_8="), "`payload` is not padded base64"),
        ("payload", json!(1), "invalid type"),
        ("payloadType", json!(""), "`payloadType` is empty"),
        ("payloadType", Value::Null, "invalid type"),
        ("signatures", json!([{}]), "missing field `sig`"),
        (
            "signatures",
            json!([{"sig": "AA=="}, {"sig": "%"}]),
            "`signatures[1].sig` is not padded base64",
        ),
        ("signatures", json!({}), "invalid type"),
        (
            "signatures",
            json!(vec![json!({"sig": ""}); MAX_SIGNATURES + 1]),
            "more than 50 signatures",
        ),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        let found = parse(&bad).unwrap_err().to_string();
        assert!(found.contains(said), "{found}; expected {said}");
    }
    for field in ["payload", "payloadType", "signatures"] {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(field);
        assert!(parse(&bad).is_err());
    }
    let twice = good
        .to_string()
        .replacen("\"payload\"", "\"payload\":\"\",\"payload\"", 1);
    assert!(
        Envelope::parse(twice.as_bytes())
            .unwrap_err()
            .to_string()
            .contains("duplicate")
    );
    let large = vec![b' '; MAX_ENVELOPE_BYTES + 1];
    assert!(
        Envelope::parse(&large)
            .unwrap_err()
            .to_string()
            .contains("more than 16777216 bytes")
    );
}

#[derive(Debug)]
struct Broken;

#[async_trait::async_trait]
impl Signer for Broken {
    async fn sign(&self, _: &[u8]) -> Result<Signature, SignError> {
        let source = "the service is away".into();
        Err(SignError {
            signer: "the key service".into(),
            source,
        })
    }
}

#[tokio::test]
async fn a_signer_that_fails_leaves_the_envelope_as_it_was() {
    let mut envelope = signed(Envelope::new(KIND, "hello"), &[&ed25519(1)]).await;
    let before = envelope.clone();
    assert_eq!(
        envelope.sign(&Broken).await.unwrap_err().to_string(),
        "the key service did not sign"
    );
    assert_eq!(envelope, before);
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        kind in ".{1,20}",
        payload in prop::collection::vec(any::<u8>(), 0..100),
        signatures in prop::collection::vec((prop::option::of(".{1,9}"), prop::collection::vec(any::<u8>(), 0..80)), 0..4),
    ) {
        use base64ct::{Base64, Base64Url, Encoding};
        let signature = |(keyid, sig): &(Option<String>, Vec<u8>)| json!({"keyid": keyid, "sig": Base64::encode_string(sig)});
        let signatures: Vec<_> = signatures.iter().map(signature).collect();
        let json = |payload: String| {
            json!({"payload": payload, "payloadType": kind, "signatures": signatures}).to_string()
        };
        let envelope = Envelope::parse(json(Base64::encode_string(&payload)).as_bytes()).unwrap();
        prop_assert_eq!(envelope.unverified_payload(), &payload[..]);
        prop_assert_eq!(&Envelope::parse(envelope.to_json().as_bytes()).unwrap(), &envelope);
        prop_assert_eq!(&Envelope::parse(json(Base64Url::encode_string(&payload)).as_bytes()).unwrap(), &envelope);
        // Nobody's signature counts.
        prop_assert!(envelope.verify(&kind, verifiers(&[ed25519(1).public()]), number(1)).is_err());
    }

    #[test]
    fn two_different_things_are_never_signed_as_one(a in ("[ 0-9a-z]{0,9}", "[ 0-9a-z]{0,9}"), b in ("[ 0-9a-z]{0,9}", "[ 0-9a-z]{0,9}")) {
        let same = pae(&a.0, a.1.as_bytes()) == pae(&b.0, b.1.as_bytes());
        prop_assert_eq!(same, a == b);
    }
}
