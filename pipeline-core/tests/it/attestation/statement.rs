//! Statements: read strictly, written in one way.

use pipeline_core::Digest;
use pipeline_core::attestation::{Predicate, ResourceDescriptor, Statement};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Tested {
    result: String,
}

impl Predicate for Tested {
    const TYPE: &'static str = "https://example.com/tested/v1";

    fn check(&self) -> Result<(), String> {
        match self.result.as_str() {
            "" => Err("`result` is empty".to_owned()),
            _ => Ok(()),
        }
    }
}

fn good() -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "shop", "digest": {"sha256": Digest::of("x").hex()}}],
        "predicateType": Tested::TYPE,
        "predicate": {"result": "passed"},
    })
}

fn refused(statement: &Value) -> String {
    Statement::parse(statement.to_string().as_bytes())
        .unwrap_err()
        .to_string()
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    assert!(Statement::parse(good().to_string().as_bytes()).is_ok());
    let digest = |name: &str, value: &str| json!([{"digest": {name: value}}]);
    let upper = Digest::of("x").hex().to_uppercase();
    for (field, value, said) in [
        (
            "_type",
            json!("https://in-toto.io/Statement/v0.1"),
            "expected `https://in-toto.io/Statement/v1`",
        ),
        ("_type", Value::Null, "`_type`: invalid type: null"),
        ("subject", json!([]), "`subject` is empty"),
        (
            "subject",
            json!([{"name": "a", "uri": "b"}]),
            "`subject[0]` has no `digest`",
        ),
        (
            "subject",
            json!([{"name": "a"}]),
            "`subject[0]`: it needs a `uri`",
        ),
        (
            "subject",
            digest("sha256", "ab"),
            "`subject[0]`: `ab` is no digest of kind `sha256`",
        ),
        (
            "subject",
            digest("sha256", &upper),
            "is no digest of kind `sha256`",
        ),
        (
            "subject",
            digest("sha512", &Digest::of("x").hex()),
            "is no digest of kind `sha512`",
        ),
        (
            "subject",
            digest("gitCommit", "main"),
            "is no digest of kind `gitCommit`",
        ),
        ("subject", digest("own", ""), "is no digest of kind `own`"),
        (
            "subject",
            json!([{"digest": {"sha256": 1}}]),
            "`subject[0].digest.sha256`: invalid type",
        ),
        (
            "subject",
            json!([{"digest": {"x": "y"}, "content": "a"}]),
            "`subject[0].content`: expected padded base64",
        ),
        ("predicateType", json!(""), "`predicateType` is empty"),
        ("predicate", Value::Null, "`predicate`: invalid type: null"),
        ("predicate", json!([]), "`predicate`: invalid type: sequence"),
    ] {
        let mut statement = good();
        statement[field] = value;
        let found = refused(&statement);
        assert!(found.contains(said), "{found}; expected {said}");
        let mut statement = good();
        statement.as_object_mut().unwrap().remove(field);
        assert!(refused(&statement).contains(&format!("missing field `{field}`")));
    }
    let twice = good()
        .to_string()
        .replacen("\"result\"", "\"result\":\"failed\",\"result\"", 1);
    let found = Statement::parse(twice.as_bytes()).unwrap_err().to_string();
    assert!(found.contains("the key `result` is there twice"), "{found}");
    let mut more = good();
    more["later"] = json!({"x": 1});
    more["subject"][0]["later"] = json!(true);
    assert!(Statement::parse(more.to_string().as_bytes()).is_ok());
}

#[test]
fn a_claim_is_read_as_its_kind_only() {
    let subject = || [ResourceDescriptor::sha256("shop", Digest::of("x"))];
    let claim = Tested {
        result: "passed".into(),
    };
    let statement = Statement::new(subject(), &claim).unwrap();
    assert_eq!(serde_json::to_value(&statement).unwrap(), good());
    assert_eq!(statement.predicate::<Tested>().unwrap(), claim);
    // Canonical: keys in the order of RFC 8785, no white space.
    let text = String::from_utf8(statement.to_bytes().unwrap()).unwrap();
    assert!(
        text.starts_with(r#"{"_type":"https://in-toto.io/Statement/v1","predicate":{"result":"passed"},"#)
    );

    let other = Statement {
        predicate_type: "https://example.com/tested/v2".into(),
        ..statement.clone()
    };
    let said = other.predicate::<Tested>().unwrap_err().to_string();
    assert!(
        said.contains("expected `https://example.com/tested/v1`"),
        "{said}"
    );
    let mut empty = statement;
    empty.predicate["result"] = json!("");
    assert!(
        empty
            .predicate::<Tested>()
            .unwrap_err()
            .to_string()
            .contains("`result` is empty")
    );
    empty.predicate["result"] = json!(1);
    let said = empty.predicate::<Tested>().unwrap_err().to_string();
    assert!(said.contains("`predicate.result`"), "{said}");
    assert!(
        Statement::new(
            subject(),
            &Tested {
                result: String::new()
            }
        )
        .is_err()
    );
    assert!(Statement::new([], &claim).is_err());
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        names in prop::collection::vec(prop::option::of(".{1,12}"), 1..4),
        predicate in prop::collection::btree_map(".{0,8}", json_value(), 0..4),
        kind in ".{1,20}",
    ) {
        let subject = |name: Option<String>| {
            ResourceDescriptor { name, ..ResourceDescriptor::sha256("", Digest::of("x")) }
        };
        let statement = Statement {
            subjects: names.into_iter().map(subject).collect(),
            predicate_type: kind,
            predicate: predicate.into_iter().collect(),
        };
        let bytes = statement.to_bytes().unwrap();
        let read = Statement::parse(&bytes).unwrap();
        prop_assert_eq!(&read, &statement);
        prop_assert_eq!(read.to_bytes().unwrap(), bytes);
    }

    #[test]
    fn any_json_and_any_bytes_are_read_or_refused(value in json_value(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for field in ["subject", "predicate", "_type", "predicateType"] {
            let mut statement = good();
            statement[field] = value.clone();
            let _ = Statement::parse(statement.to_string().as_bytes());
        }
        prop_assert!(Statement::parse(&bytes).is_err());
    }
}
