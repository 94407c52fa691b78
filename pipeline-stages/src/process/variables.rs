use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::str::FromStr;

use pipeline_core::{Secret, StageContext};
use serde::{Deserialize, Serialize};

use super::{Program, ProgramError, leftovers};
use crate::secrets::worker_variable;

/// The `PATH` of a program whose settings neither set nor inherit one.
pub const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What the names of the engine's own variables begin with.
const OURS: &str = "PIPELINE_";

/// The name of an environment variable: not empty, without `=`, white space and control characters, and
/// not beginning with `PIPELINE_`, which belongs to the engine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VariableName(String);

impl VariableName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VariableName {
    type Err = VariableNameError;

    fn from_str(name: &str) -> Result<Self, VariableNameError> {
        let reason = if name.is_empty() {
            "it is empty"
        } else if name.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control()) {
            "`=`, white space and control characters are not allowed"
        } else if name.starts_with(OURS) {
            "names that begin with `PIPELINE_` belong to the engine"
        } else {
            return Ok(Self(name.to_owned()));
        };
        Err(VariableNameError {
            name: name.chars().take(100).collect(),
            reason,
        })
    }
}

impl TryFrom<String> for VariableName {
    type Error = VariableNameError;

    fn try_from(name: String) -> Result<Self, VariableNameError> {
        name.parse()
    }
}

impl From<VariableName> for String {
    fn from(name: VariableName) -> String {
        name.0
    }
}

impl fmt::Display for VariableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A text that cannot name an environment variable here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` cannot name an environment variable: {reason}")]
pub struct VariableNameError {
    name: String,
    reason: &'static str,
}

/// The whole environment of a program, and the secrets in it.
pub(super) struct Variables {
    pub(super) values: BTreeMap<OsString, OsString>,
    pub(super) secrets: Vec<Secret>,
}

impl Variables {
    /// Later ones replace earlier ones: default `PATH`, inherited, given, secret, the engine's own.
    pub(super) async fn of(program: &Program<'_>, cx: &StageContext) -> Result<Self, ProgramError> {
        let mut values: BTreeMap<OsString, OsString> = BTreeMap::new();
        values.insert("PATH".into(), DEFAULT_PATH.into());
        for name in program.inherit {
            if let Some(value) = worker_variable(name.as_str()) {
                values.insert(name.as_str().into(), value);
            }
        }
        for (name, value) in program.env {
            values.insert(name.as_str().into(), value.into());
        }
        let mut secrets = Vec::new();
        for (name, reference) in program.secrets {
            let secret = cx
                .secret(reference)
                .await
                .map_err(|source| ProgramError::Secret {
                    program: program.program.to_owned(),
                    variable: name.clone(),
                    source,
                })?;
            values.insert(name.as_str().into(), secret.expose().into());
            secrets.push(secret);
        }
        for (name, value) in ours(cx).into_iter().chain(program.more.iter().cloned()) {
            values.insert(format!("{OURS}{name}").into(), value.into());
        }
        Ok(Self { values, secrets })
    }
}

/// The engine's own variables, without their common beginning. The table stands in the docs of `Command`.
fn ours(cx: &StageContext) -> Vec<(String, String)> {
    let call = cx.call();
    let mut ours = vec![
        ("RUN".to_owned(), call.run.to_string()),
        ("STAGE".to_owned(), call.stage.to_string()),
        ("COMPONENT".to_owned(), call.component.to_string()),
        ("KEY".to_owned(), call.key().to_string()),
        ("ATTEMPT".to_owned(), call.attempt.to_string()),
        (leftovers::WORKER.to_owned(), std::process::id().to_string()),
    ];
    for (name, artifact) in &call.artifacts {
        let name = name.as_str().to_ascii_uppercase().replace(['-', '.'], "_");
        ours.push((format!("ARTIFACT_{name}"), artifact.digest.to_string()));
    }
    if let Some(item) = cx.item() {
        let text = item.as_str().map_or_else(|| item.to_string(), ToOwned::to_owned);
        ours.push(("ITEM".to_owned(), text));
    }
    if let Some(target) = cx.target() {
        ours.push(("ENVIRONMENT".to_owned(), target.descriptor.name.to_string()));
        if let Some(fence) = target.fence {
            ours.push(("FENCE".to_owned(), fence.to_string()));
        }
    }
    if let Some(location) = cx.environment().and_then(|environment| environment.location()) {
        ours.push(("LOCATION".to_owned(), location));
    }
    ours
}
