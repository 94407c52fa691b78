use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::resource::{self, ResourceDescriptor};
use super::strict;
use crate::digest::{CanonicalError, canonical_json};

/// The version of in-toto's form that this is.
const TYPE: &str = "https://in-toto.io/Statement/v1";

/// A claim about some subjects, as an in-toto
/// [Statement v1](https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md): the subjects by digest, and a
/// predicate whose type says what is claimed.
///
/// Whoever is shown one must first know who signed it: see [`Envelope`](super::Envelope).
///
/// ```
/// use pipeline_core::Digest;
/// use pipeline_core::attestation::{ResourceDescriptor, Statement};
///
/// let text = r#"{
///     "_type": "https://in-toto.io/Statement/v1",
///     "subject": [{"name": "hello", "digest": {
///         "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}}],
///     "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
///     "predicate": {"result": "PASSED"}
/// }"#;
/// let statement = Statement::parse(text.as_bytes())?;
/// assert_eq!(statement.subjects, [ResourceDescriptor::sha256("hello", Digest::of("hello"))]);
/// assert_eq!(Statement::parse(&statement.to_bytes()?)?, statement);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(into = "Form")]
pub struct Statement {
    /// What it is about; each has a digest.
    pub subjects: Vec<ResourceDescriptor>,
    /// What is claimed: a URI.
    pub predicate_type: String,
    /// The claim, in the form that its type says.
    pub predicate: Map<String, Value>,
}

/// A kind of claim.
///
/// # Contract
///
/// `TYPE` names one form for ever: a change that an old reader would misunderstand is another type. A reader ignores
/// fields that it does not know, so no field that is left out may make a claim stronger.
pub trait Predicate: Serialize + DeserializeOwned {
    /// The URI that names the form.
    const TYPE: &'static str;

    /// What must hold beyond the form.
    ///
    /// # Errors
    ///
    /// What does not hold, in a sentence that names the field.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// A text that is no statement, or a claim that is not of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the statement is refused: {reason}")]
pub struct StatementError {
    reason: String,
}

impl StatementError {
    fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }

    /// What is wrong, with the field.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

#[derive(Serialize, Deserialize)]
struct Form {
    #[serde(rename = "_type")]
    form: String,
    subject: Vec<ResourceDescriptor>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Map<String, Value>,
}

impl From<Statement> for Form {
    fn from(statement: Statement) -> Self {
        Self {
            form: TYPE.to_owned(),
            subject: statement.subjects,
            predicate_type: statement.predicate_type,
            predicate: statement.predicate,
        }
    }
}

impl Statement {
    /// A statement that claims something about some subjects.
    ///
    /// # Errors
    ///
    /// When there is no subject, a subject has no digest, or the claim is not sound.
    pub fn new<P: Predicate>(
        subjects: impl IntoIterator<Item = ResourceDescriptor>,
        predicate: &P,
    ) -> Result<Self, StatementError> {
        predicate.check().map_err(StatementError::new)?;
        let value =
            serde_json::to_value(predicate).map_err(|error| StatementError::new(error.to_string()))?;
        let Value::Object(predicate) = value else {
            return Err(StatementError::new("`predicate`: expected an object"));
        };
        let statement = Self {
            subjects: subjects.into_iter().collect(),
            predicate_type: P::TYPE.to_owned(),
            predicate,
        };
        statement.check()?;
        Ok(statement)
    }

    /// Reads a statement. Fields that the specification does not know are left out; an object with a key twice is
    /// refused.
    ///
    /// # Errors
    ///
    /// When the bytes are no JSON, or no statement of this version.
    pub fn parse(bytes: &[u8]) -> Result<Self, StatementError> {
        let value = strict::json(bytes).map_err(|error| StatementError::new(error.to_string()))?;
        let form: Form = typed(value, "")?;
        if form.form != TYPE {
            let found: String = form.form.escape_debug().take(140).collect();
            return Err(StatementError::new(format!(
                "`_type` is `{found}`; expected `{TYPE}`"
            )));
        }
        let statement = Self {
            subjects: form.subject,
            predicate_type: form.predicate_type,
            predicate: form.predicate,
        };
        statement.check()?;
        Ok(statement)
    }

    /// The bytes to sign: canonical JSON (RFC 8785).
    ///
    /// # Errors
    ///
    /// Never in practice: a statement has a canonical form.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        canonical_json(self)
    }

    /// The claim, if it is of this kind.
    ///
    /// # Errors
    ///
    /// When it is of another kind, or not as its kind asks.
    pub fn predicate<P: Predicate>(&self) -> Result<P, StatementError> {
        if self.predicate_type != P::TYPE {
            let found: String = self.predicate_type.escape_debug().take(140).collect();
            let reason = format!("`predicateType` is `{found}`; expected `{}`", P::TYPE);
            return Err(StatementError::new(reason));
        }
        let predicate: P = typed(Value::Object(self.predicate.clone()), "predicate.")?;
        predicate.check().map_err(StatementError::new)?;
        Ok(predicate)
    }

    fn check(&self) -> Result<(), StatementError> {
        if self.subjects.is_empty() {
            return Err(StatementError::new("`subject` is empty"));
        }
        resource::check_all("subject", &self.subjects).map_err(StatementError::new)?;
        if let Some(index) = self.subjects.iter().position(|subject| subject.digest.is_empty()) {
            return Err(StatementError::new(format!("`subject[{index}]` has no `digest`")));
        }
        if self.predicate_type.is_empty() {
            return Err(StatementError::new("`predicateType` is empty"));
        }
        Ok(())
    }
}

fn typed<T: DeserializeOwned>(value: Value, below: &str) -> Result<T, StatementError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path: String = path.escape_debug().take(140).collect();
        StatementError::new(match path.as_str() {
            "." => error.inner().to_string(),
            path => format!("`{below}{path}`: {}", error.inner()),
        })
    })
}
