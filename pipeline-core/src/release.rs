//! Releases and configurations: what is deployed, and what an environment adds to it.

use std::collections::BTreeMap;
use std::fmt;

use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::CanonicalError;
use crate::{ArtifactName, ArtifactRef, ComponentName, Digest, EnvironmentName, SecretRef};

/// A named, versioned bundle of artifacts that travels as one, from environment to environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The component that it is a release of.
    pub component: ComponentName,
    /// Its version.
    pub version: Version,
    /// Its artifacts.
    pub artifacts: BTreeMap<ArtifactName, ArtifactRef>,
}

impl Release {
    /// The digest of the release: of its component, version and the digests of its artifacts.
    ///
    /// # Errors
    ///
    /// Never in practice: a release has a canonical form.
    pub fn digest(&self) -> Result<Digest, CanonicalError> {
        Digest::of_data(self)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.component, self.version)
    }
}

/// The configuration of one environment: a tree of values, read at deployment time and never part of an
/// artifact. A secret stands in it as a reference, written `{ secret = "env:NAME" }` in TOML.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// The environment that it belongs to.
    pub environment: EnvironmentName,
    /// The values.
    pub values: serde_json::Map<String, Value>,
}

/// One value of a configuration.
#[derive(Debug, Clone, PartialEq)]
pub enum ConfigurationValue {
    /// A text, number or truth value, as text.
    Text(String),
    /// A secret, by reference.
    Secret(SecretRef),
}

/// A file that is no configuration.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct ConfigurationError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

impl Configuration {
    /// Reads a configuration written in TOML. Dates and times become text.
    ///
    /// ```
    /// use pipeline_core::{Configuration, ConfigurationValue, EnvironmentName};
    ///
    /// let text = "port = 80\n[database]\npassword = { secret = \"env:DB_PASSWORD\" }\n";
    /// let configuration = Configuration::parse(EnvironmentName::new("test")?, text, "config/test.toml")?;
    /// assert_eq!(configuration.get("port"), Some(ConfigurationValue::Text("80".into())));
    /// assert_eq!(configuration.keys(), ["database.password", "port"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the text is no TOML, holds a number that is not finite, or a secret that is no reference; the error
    /// names file, line and column.
    pub fn parse(environment: EnvironmentName, text: &str, file: &str) -> Result<Self, ConfigurationError> {
        let at = |offset: usize, message: String| {
            let before = text.get(..offset.min(text.len())).unwrap_or(text);
            let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
            ConfigurationError {
                file: file.to_owned(),
                line: before.matches('\n').count() + 1,
                column: before[line_start..].chars().count() + 1,
                message,
            }
        };
        let table = toml::de::DeTable::parse(text).map_err(|error| {
            at(
                error.span().map_or(0, |span| span.start),
                error.message().to_owned(),
            )
        })?;
        let values = from_toml(table.get_ref()).map_err(|(offset, message)| at(offset, message))?;
        Ok(Self { environment, values })
    }

    /// A configuration without values.
    pub fn empty(environment: EnvironmentName) -> Self {
        Self {
            environment,
            values: serde_json::Map::new(),
        }
    }

    /// The digest of the configuration: the name of the environment and the values, secrets by reference.
    ///
    /// # Errors
    ///
    /// Never in practice: a configuration has a canonical form.
    pub fn digest(&self) -> Result<Digest, CanonicalError> {
        Digest::of_data(self)
    }

    /// The value under a dotted key, such as `server.port`. `None` when there is none, or a table or list.
    pub fn get(&self, key: &str) -> Option<ConfigurationValue> {
        let mut parts = key.split('.');
        let mut value = self.values.get(parts.next()?)?;
        for part in parts {
            value = value.as_object()?.get(part)?;
        }
        match value {
            Value::String(text) => Some(ConfigurationValue::Text(text.clone())),
            Value::Number(number) => Some(ConfigurationValue::Text(number.to_string())),
            Value::Bool(truth) => Some(ConfigurationValue::Text(truth.to_string())),
            Value::Object(table) if table.len() == 1 => {
                let reference = table.get("secret")?.as_str()?;
                reference.parse().ok().map(ConfigurationValue::Secret)
            }
            Value::Object(_) | Value::Array(_) | Value::Null => None,
        }
    }

    /// Every dotted key that [`get`](Self::get) answers, sorted.
    pub fn keys(&self) -> Vec<String> {
        fn walk(prefix: &str, table: &serde_json::Map<String, Value>, keys: &mut Vec<String>) {
            for (key, value) in table {
                let path = if prefix.is_empty() {
                    key.clone()
                } else {
                    format!("{prefix}.{key}")
                };
                match value {
                    Value::Object(inner) if !(inner.len() == 1 && inner.contains_key("secret")) => {
                        walk(&path, inner, keys);
                    }
                    Value::Array(_) | Value::Null => {}
                    _ => keys.push(path),
                }
            }
        }
        let mut keys = Vec::new();
        walk("", &self.values, &mut keys);
        keys.sort();
        keys
    }
}

/// A table as JSON, or the offset of what has no JSON form, and why.
fn from_toml(table: &toml::de::DeTable<'_>) -> Result<serde_json::Map<String, Value>, (usize, String)> {
    let mut values = serde_json::Map::new();
    for (key, value) in table {
        values.insert(key.get_ref().to_string(), value_from_toml(value)?);
    }
    Ok(values)
}

fn value_from_toml(value: &toml::Spanned<toml::de::DeValue<'_>>) -> Result<Value, (usize, String)> {
    use toml::de::DeValue;
    let refuse = |message: &str| Err((value.span().start, message.to_owned()));
    Ok(match value.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::from(number),
            Err(_) => return refuse("this number is too large"),
        },
        DeValue::Float(number) => {
            match number
                .as_str()
                .parse::<f64>()
                .ok()
                .and_then(serde_json::Number::from_f64)
            {
                Some(number) => Value::Number(number),
                None => return refuse("only finite numbers are allowed"),
            }
        }
        DeValue::Boolean(truth) => Value::Bool(*truth),
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Array(items) => Value::Array(items.iter().map(value_from_toml).collect::<Result<_, _>>()?),
        DeValue::Table(table) => {
            let table = from_toml(table)?;
            if let (1, Some(secret)) = (table.len(), table.get("secret")) {
                let reference = secret.as_str().and_then(|text| text.parse::<SecretRef>().ok());
                if reference.is_none() {
                    return refuse("a secret is a reference such as `{ secret = \"env:NAME\" }`");
                }
            }
            Value::Object(table)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_named_by_line_and_column() {
        let parse = |text| Configuration::parse(EnvironmentName::new("test").unwrap(), text, "c.toml");
        let message = |text| parse(text).unwrap_err().to_string();
        assert!(
            message("a = 1\nb = \n").starts_with("c.toml:2:"),
            "{}",
            message("a = 1\nb = \n")
        );
        assert_eq!(
            message("\"ä\" = 1\n  b = inf"),
            "c.toml:2:7: only finite numbers are allowed"
        );
        assert!(message("t = { secret = \"hunter2\" }").starts_with("c.toml:1:5: a secret is a reference"));
        assert_eq!(parse("n = 0x10\nf = 1_000").unwrap().keys(), ["f", "n"]);
    }

    #[test]
    fn values_are_found_by_dotted_key() {
        let values = serde_json::json!({
            "port": 80, "server": {"name": "a"}, "token": {"secret": "env:TOKEN"}, "list": [1],
        });
        let configuration = Configuration {
            environment: EnvironmentName::new("test").unwrap(),
            values: values.as_object().unwrap().clone(),
        };
        assert_eq!(configuration.keys(), ["port", "server.name", "token"]);
        assert_eq!(
            configuration.get("port"),
            Some(ConfigurationValue::Text("80".into()))
        );
        assert_eq!(
            configuration.get("server.name"),
            Some(ConfigurationValue::Text("a".into()))
        );
        assert_eq!(
            configuration.get("token"),
            Some(ConfigurationValue::Secret("env:TOKEN".parse().unwrap()))
        );
        assert_eq!(configuration.get("list"), None);
        assert_eq!(configuration.get("server"), None);
        assert_eq!(configuration.get("nothing.there"), None);
    }
}
