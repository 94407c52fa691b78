use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::event::StageResult;
use crate::{Failure, Outcome};

/// What most stages end with.
static PLAIN: LazyLock<Arc<Outcome>> = LazyLock::new(|| Arc::new(Outcome::succeeded()));

/// A success and nothing more.
pub(super) fn plain() -> Arc<Outcome> {
    Arc::clone(&PLAIN)
}

/// Shares an outcome; a plain one needs no place of its own.
pub(super) fn shared(outcome: Outcome) -> Arc<Outcome> {
    if outcome.is_plain() {
        plain()
    } else {
        Arc::new(outcome)
    }
}

/// Half of all events hold a result, and its kind is written first. Read so, nothing is kept aside until it is known;
/// what serde makes of an enum with a tag keeps everything.
impl<'de> Deserialize<'de> for StageResult {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Form)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Completed,
    Failed,
    Cancelled,
}

#[derive(Deserialize)]
struct Completed {
    outcome: Outcome,
}

#[derive(Deserialize)]
struct Failed {
    failure: Failure,
    error: Vec<String>,
}

#[derive(Deserialize)]
struct Cancelled {
    reason: String,
}

struct Form;

const KIND: &str = "kind";

impl<'de> Visitor<'de> for Form {
    type Value = StageResult;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the result of a stage, with its `kind`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StageResult, A::Error> {
        match map.next_key::<String>()? {
            Some(key) if key == KIND => {
                let kind = map.next_value()?;
                read(&kind, MapAccessDeserializer::new(map))
            }
            Some(first) => {
                let mut fields = Map::new();
                fields.insert(first, map.next_value()?);
                while let Some((key, value)) = map.next_entry()? {
                    fields.insert(key, value);
                }
                let kind = fields.remove(KIND).ok_or_else(|| Error::missing_field(KIND))?;
                let kind = Kind::deserialize(kind).map_err(Error::custom)?;
                read(&kind, Value::Object(fields)).map_err(Error::custom)
            }
            None => Err(Error::missing_field(KIND)),
        }
    }
}

fn read<'de, D: Deserializer<'de>>(kind: &Kind, fields: D) -> Result<StageResult, D::Error> {
    Ok(match kind {
        Kind::Completed => StageResult::Completed {
            outcome: shared(Completed::deserialize(fields)?.outcome),
        },
        Kind::Failed => {
            let Failed { failure, error } = Failed::deserialize(fields)?;
            StageResult::Failed { failure, error }
        }
        Kind::Cancelled => StageResult::Cancelled {
            reason: Cancelled::deserialize(fields)?.reason,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_may_stand_anywhere() {
        let results = [
            StageResult::Completed {
                outcome: Arc::new(Outcome::succeeded()),
            },
            StageResult::Completed {
                outcome: Arc::new(Outcome::unchanged("as it was").fact("count", 2)),
            },
            StageResult::Failed {
                failure: Failure::Unknown,
                error: vec!["lost".to_owned(), "sight".to_owned()],
            },
            StageResult::Cancelled {
                reason: "enough".to_owned(),
            },
        ];
        for result in results {
            let text = serde_json::to_string(&result).unwrap();
            assert!(text.starts_with(r#"{"kind":"#));
            assert_eq!(serde_json::from_str::<StageResult>(&text).unwrap(), result);
            let Ok(Value::Object(mut fields)) = serde_json::from_str(&text) else {
                panic!("{text} is no object");
            };
            let kind = fields.remove(KIND).unwrap();
            let rest = Value::Object(fields).to_string();
            let late = format!("{},\"kind\":{kind}}}", rest.strip_suffix('}').unwrap());
            assert_eq!(serde_json::from_str::<StageResult>(&late).unwrap(), result);
        }
    }

    #[test]
    fn what_is_no_result_is_refused() {
        for (text, expected) in [
            ("{}", "missing field `kind`"),
            (r#"{"reason":"enough"}"#, "missing field `kind`"),
            (r#"{"kind":"cancelled"}"#, "missing field `reason`"),
            (r#"{"kind":"vanished"}"#, "unknown variant `vanished`"),
            (r#"["cancelled"]"#, "expected the result of a stage"),
        ] {
            let error = serde_json::from_str::<StageResult>(text).unwrap_err();
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn plain_outcomes_share_their_place() {
        let read = |text| match serde_json::from_str(text).unwrap() {
            StageResult::Completed { outcome } => outcome,
            other => panic!("{other:?}"),
        };
        let text = r#"{"kind":"completed","outcome":{"status":"succeeded"}}"#;
        assert!(Arc::ptr_eq(&read(text), &read(text)));
        let text = r#"{"kind":"completed","outcome":{"status":"unchanged"}}"#;
        assert!(!Arc::ptr_eq(&read(text), &read(text)));
    }
}
