use serde_json::Value;

use crate::attestation::Statement;

/// The kinds of statement that say how something went, and the field that says it: in-toto's
/// [test result](https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md) and SLSA's
/// [verification summary](https://slsa.dev/spec/v1.0/verification_summary) in both of its versions.
const RESULTS: [(&str, &str); 3] = [
    ("https://in-toto.io/attestation/test-result/v0.1", "result"),
    (
        "https://slsa.dev/verification_summary/v0.2",
        "verification_result",
    ),
    ("https://slsa.dev/verification_summary/v1", "verificationResult"),
];

/// What they say when it went well. A test that warns has not passed.
pub(super) const PASSED: &str = "PASSED";

/// What a statement says of how it went, if it is of a kind that does; empty when it is, and says nothing.
pub(super) fn result(statement: &Statement) -> Option<&str> {
    let known = |(kind, field): &(&str, &'static str)| (*kind == statement.predicate_type).then_some(*field);
    let field = RESULTS.iter().find_map(known)?;
    Some(
        statement
            .predicate
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default(),
    )
}
