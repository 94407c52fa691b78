use std::collections::BTreeMap;

use pipeline_core::FactName;
use serde_json::Value;

/// How a line begins that reports a fact.
const MARK: &str = "::fact ";

/// How many facts one program may report.
const MOST: usize = 64;

/// How many bytes the value of a fact may have that is a text.
const LONGEST: usize = 1024;

/// How many bytes the JSON of a fact may have: lists for later stages are longer than a text. It is on one line, which is
/// [cut](super::lines) behind 8 KiB.
const LONGEST_JSON: usize = 7 * 1024;

/// The facts that a program reports on its standard output, in lines of the form `::fact name=value`, a text, or
/// `::fact name:=value`, JSON.
#[derive(Debug, Default)]
pub(super) struct Facts(BTreeMap<FactName, Value>);

impl Facts {
    /// Whether a line, or the first piece of one, is meant to be a fact.
    pub(super) fn is_meant(line: &str) -> bool {
        line.starts_with(MARK)
    }

    /// Takes a line; what looks like a fact and is none comes back as a warning.
    pub(super) fn take(&mut self, line: &str, mask: impl Fn(&str) -> String) -> Result<(), String> {
        let Some(fact) = line.strip_prefix(MARK) else {
            return Ok(());
        };
        let Some((name, value)) = fact.split_once('=') else {
            return Err("expected `::fact name=text` or `::fact name:=json`".to_owned());
        };
        let (name, value) = (name.trim(), value.trim());
        let (name, json) = match name.strip_suffix(':') {
            Some(name) => (name.trim_end(), true),
            None => (name, false),
        };
        let name = FactName::new(mask(name)).map_err(|error| error.to_string())?;
        let longest = if json { LONGEST_JSON } else { LONGEST };
        if value.len() > longest {
            return Err(format!("fact `{name}` is longer than {longest} bytes"));
        }
        let value = if json {
            // The error tells places only, nothing of the value.
            let value = serde_json::from_str(value)
                .map_err(|error| format!("the value of fact `{name}` is no JSON: {error}"))?;
            masked(value, &mask)
        } else {
            Value::String(mask(value))
        };
        if self.0.len() >= MOST && !self.0.contains_key(&name) {
            return Err(format!("fact `{name}` is one too many: {MOST} are kept"));
        }
        self.0.insert(name, value);
        Ok(())
    }

    pub(super) fn into_inner(self) -> BTreeMap<FactName, Value> {
        self.0
    }
}

/// The value with every text in it masked, names of fields included.
fn masked(value: Value, mask: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(mask(&text)),
        Value::Array(items) => items.into_iter().map(|item| masked(item, mask)).collect(),
        Value::Object(fields) => {
            let fields = fields
                .into_iter()
                .map(|(name, value)| (mask(&name), masked(value, mask)));
            Value::Object(fields.collect())
        }
        other => {
            let text = other.to_string();
            let hidden = mask(&text);
            if hidden == text {
                other
            } else {
                Value::String(hidden)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_bounded_in_number_and_length() {
        let mut facts = Facts::default();
        let mut take = |line: &str| facts.take(line, str::to_owned);
        for i in 0..MOST {
            take(&format!("::fact f{i}=1")).unwrap();
        }
        assert!(take("::fact more=1").unwrap_err().contains("one too many"));
        take("::fact f0=2").unwrap();
        assert!(take(&format!("::fact f0={}", "x".repeat(1025))).is_err());
        assert_eq!(facts.into_inner()["f0"], "2");
    }

    #[test]
    fn a_name_that_holds_a_secret_is_none() {
        let mut facts = Facts::default();
        let mask = |text: &str| text.replace("hunter2", "***");
        let refused = facts.take("::fact hunter2=x", mask).unwrap_err();
        assert!(!refused.contains("hunter2"), "{refused}");
        assert!(facts.into_inner().is_empty());
    }

    #[test]
    fn json_is_taken_as_it_is_and_masked() {
        let mut facts = Facts::default();
        let mask = |text: &str| text.replace("hunter2", "***").replace("4711", "***");
        for line in [
            r#"::fact regions:=["eu", "us"]"#,
            r#"::fact deep := {"a hunter2": [1, "\u0068unter2", null, 4711]}"#,
            "::fact text=[1]",
        ] {
            facts.take(line, mask).unwrap();
        }
        let broken = facts.take("::fact list:=[1, hunter2]", mask).unwrap_err();
        assert!(
            broken.contains("no JSON") && !broken.contains("hunter2"),
            "{broken}"
        );
        let long = format!("::fact list:=\"{}\"", "x".repeat(LONGEST_JSON));
        assert!(facts.take(&long, mask).unwrap_err().contains("longer than"));
        let facts = facts.into_inner();
        assert_eq!(facts["regions"], serde_json::json!(["eu", "us"]));
        assert_eq!(
            facts["deep"],
            serde_json::json!({"a ***": [1, "***", null, "***"]})
        );
        assert_eq!(facts["text"], "[1]");
        assert_eq!(facts.len(), 3);
    }
}
