use std::collections::BTreeMap;

use pipeline_core::FactName;
use serde_json::Value;

/// How a line begins that reports a fact.
const MARK: &str = "::fact ";

/// How many facts one program may report.
const MOST: usize = 64;

/// How many bytes the value of a fact may have.
const LONGEST: usize = 1024;

/// The facts that a program reports on its standard output, in lines of the form `::fact name=value`.
#[derive(Debug, Default)]
pub(super) struct Facts(BTreeMap<FactName, Value>);

impl Facts {
    /// Takes a line; what looks like a fact and is none comes back as a warning.
    pub(super) fn take(&mut self, line: &str, mask: impl Fn(&str) -> String) -> Result<(), String> {
        let Some(fact) = line.strip_prefix(MARK) else {
            return Ok(());
        };
        let Some((name, value)) = fact.split_once('=') else {
            return Err("expected `::fact name=value`".to_owned());
        };
        let name = FactName::new(mask(name.trim())).map_err(|error| error.to_string())?;
        let value = mask(value.trim());
        if value.len() > LONGEST {
            return Err(format!("fact `{name}` is longer than {LONGEST} bytes"));
        }
        if self.0.len() >= MOST && !self.0.contains_key(&name) {
            return Err(format!("fact `{name}` is one too many: {MOST} are kept"));
        }
        self.0.insert(name, Value::String(value));
        Ok(())
    }

    pub(super) fn into_inner(self) -> BTreeMap<FactName, Value> {
        self.0
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
}
