//! Secrets by reference, and the masking of what is printed.

use std::collections::BTreeSet;
use std::fmt::{self, Debug};
use std::str::FromStr;
use std::sync::{Arc, RwLock};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// Where a secret is found: a scheme and a name, as in `env:DEPLOY_TOKEN`. Definitions, plans and journals
/// hold references and never values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretRef {
    scheme: String,
    name: String,
}

impl SecretRef {
    /// The part before the colon: which source knows the secret.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The part after the colon: what the source calls it.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for SecretRef {
    type Err = SecretRefError;

    fn from_str(text: &str) -> Result<Self, SecretRefError> {
        let refuse = || SecretRefError {
            text: text.to_owned(),
        };
        let (scheme, name) = text.split_once(':').ok_or_else(refuse)?;
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if scheme.is_empty()
            || name.is_empty()
            || !scheme.chars().all(word)
            || name.contains(char::is_control)
        {
            return Err(refuse());
        }
        Ok(Self {
            scheme: scheme.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl TryFrom<String> for SecretRef {
    type Error = SecretRefError;

    fn try_from(text: String) -> Result<Self, SecretRefError> {
        text.parse()
    }
}

impl From<SecretRef> for String {
    fn from(reference: SecretRef) -> String {
        reference.to_string()
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scheme, self.name)
    }
}

/// A text that is no reference to a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a secret reference: expected `scheme:name`, such as `env:DEPLOY_TOKEN`")]
pub struct SecretRefError {
    text: String,
}

/// A secret's value. It has no `Display`, its `Debug` shows nothing, and it cannot be serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self(value.into())
    }

    /// The value itself: hand it to the program that needs it, and to nothing that is written down.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Resolves references to secrets, on the worker that needs them.
///
/// # Contract
///
/// The engine asks once per attempt and masks the value in everything the attempt says. An implementer
/// neither stores nor logs a value, and answers an unknown name with an error that names it.
#[async_trait]
pub trait SecretSource: Debug + Send + Sync + 'static {
    /// The value behind a reference.
    ///
    /// # Errors
    ///
    /// When the source does not know the secret or cannot be reached.
    async fn resolve(&self, reference: &SecretRef) -> Result<Secret, SecretError>;
}

/// A secret that could not be had.
#[derive(Debug, thiserror::Error)]
#[error("secret `{reference}` cannot be had: {reason}")]
pub struct SecretError {
    /// Which secret.
    pub reference: SecretRef,
    /// Why, without the value.
    pub reason: String,
}

/// A source that knows no secrets: the default.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSecrets;

#[async_trait]
impl SecretSource for NoSecrets {
    async fn resolve(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        Err(SecretError {
            reference: reference.clone(),
            reason: "this host has no source of secrets".to_owned(),
        })
    }
}

/// Replaces secrets in text by `***`. Clones share what they know.
///
/// A secret of several lines is masked line by line too, because programs print line by line. Values
/// that a program transforms (encodes, splits) are beyond it.
#[derive(Clone, Default)]
pub struct Masker {
    values: Arc<RwLock<BTreeSet<MaskedValue>>>,
}

/// Longest first, so that a secret that contains another is replaced whole.
#[derive(PartialEq, Eq)]
struct MaskedValue(Arc<str>);

impl Ord for MaskedValue {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.0.len(), &self.0).cmp(&(self.0.len(), &other.0))
    }
}

impl PartialOrd for MaskedValue {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Masker {
    /// What stands in a secret's place.
    pub const MASK: &'static str = "***";

    /// The shortest line of a secret of several lines that is masked by itself, in bytes.
    pub const SHORTEST_LINE: usize = 4;

    /// Whether it knows no secret.
    pub fn is_empty(&self) -> bool {
        self.values
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .is_empty()
    }

    /// A masker that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on, masks this value.
    pub fn add(&self, secret: &Secret) {
        let mut values = self
            .values
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let value = secret.expose();
        // A short line of a long secret, such as a brace, is no secret and stands everywhere.
        let lines = value
            .lines()
            .filter(|line| line.trim().len() >= Self::SHORTEST_LINE);
        for part in std::iter::once(value).chain(lines).map(str::trim) {
            if !part.is_empty() {
                values.insert(MaskedValue(part.into()));
            }
        }
    }

    /// The text with every known secret replaced.
    ///
    /// ```
    /// use pipeline_core::{Masker, Secret};
    ///
    /// let masker = Masker::new();
    /// masker.add(&Secret::new("hunter2"));
    /// assert_eq!(masker.mask("password=hunter2"), "password=***");
    /// ```
    pub fn mask(&self, text: &str) -> String {
        let values = self
            .values
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut text = text.to_owned();
        for value in values.iter() {
            if text.contains(&*value.0) {
                text = text.replace(&*value.0, Self::MASK);
            }
        }
        text
    }

    /// Masks every text inside anything that has a JSON form. A masker that knows no secret gives it back as it is.
    ///
    /// # Errors
    ///
    /// When the value has no JSON form, or is nothing of its kind once it is masked.
    pub fn mask_value<T: Serialize + serde::de::DeserializeOwned>(
        &self,
        value: T,
    ) -> Result<T, serde_json::Error> {
        if self.is_empty() {
            return Ok(value);
        }
        let mut data = serde_json::to_value(&value)?;
        self.mask_data(&mut data);
        serde_json::from_value(data)
    }

    /// Masks every text inside some data, keys included.
    pub fn mask_data(&self, data: &mut serde_json::Value) {
        use serde_json::Value;
        match data {
            Value::String(text) => *text = self.mask(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask_data(item)),
            Value::Object(fields) => {
                let masked = std::mem::take(fields).into_iter().map(|(key, mut value)| {
                    self.mask_data(&mut value);
                    (self.mask(&key), value)
                });
                *fields = masked.collect();
            }
            // A secret made of digits would be a number here.
            Value::Number(number) => {
                let text = number.to_string();
                let masked = self.mask(&text);
                if masked != text {
                    *data = Value::String(masked);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
}

impl Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Masker(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_inside_another_does_not_uncover_it() {
        let masker = Masker::new();
        masker.add(&Secret::new("abc"));
        masker.add(&Secret::new("xabcx"));
        assert_eq!(masker.mask("1 xabcx 2 abc 3"), "1 *** 2 *** 3");
    }

    #[test]
    fn a_secret_of_lines_is_masked_by_line() {
        let masker = Masker::new();
        masker.add(&Secret::new("-----KEY\nAAAA\n-----END\n"));
        assert_eq!(masker.mask("line: AAAA"), "line: ***");
    }

    #[test]
    fn data_is_masked_in_keys_texts_and_numbers() {
        let masker = Masker::new();
        masker.add(&Secret::new("4711"));
        let mut data = serde_json::json!({"k4711": ["x4711", 4711, 12, null]});
        masker.mask_data(&mut data);
        assert_eq!(data, serde_json::json!({"k***": ["x***", "***", 12, null]}));
    }

    #[test]
    fn references_have_one_form() {
        assert_eq!("env:TOKEN".parse::<SecretRef>().unwrap().to_string(), "env:TOKEN");
        for bad in ["", "TOKEN", ":x", "env:", "Env:x", "env:a\nb"] {
            assert!(bad.parse::<SecretRef>().is_err(), "{bad:?} was taken");
        }
    }
}
