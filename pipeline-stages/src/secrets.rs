use std::ffi::OsString;

use async_trait::async_trait;
use pipeline_core::{Secret, SecretError, SecretRef, SecretSource};

/// The secrets in the worker's own environment variables: `env:DEPLOY_TOKEN` is the value of `DEPLOY_TOKEN`.
///
/// Nothing but what is asked for is read. A variable that is empty is no secret: an unset variable of a
/// build server often arrives so, and a login without a password may even succeed.
///
/// ```
/// use pipeline_core::SecretSource;
/// use pipeline_stages::EnvironmentSecrets;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let error = EnvironmentSecrets.resolve(&"env:NO_SUCH_TOKEN".parse()?).await.unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "secret `env:NO_SUCH_TOKEN` cannot be had: the worker has no variable of this name"
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct EnvironmentSecrets;

impl EnvironmentSecrets {
    /// The scheme of the references that it resolves.
    pub const SCHEME: &'static str = "env";
}

#[async_trait]
impl SecretSource for EnvironmentSecrets {
    async fn resolve(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        let secret = if reference.scheme() == Self::SCHEME {
            checked(worker_variable(reference.name()))
        } else {
            Err("only `env:NAME` is known here")
        };
        secret.map_err(|reason| SecretError {
            reference: reference.clone(),
            reason: reason.to_owned(),
        })
    }
}

fn checked(value: Option<OsString>) -> Result<Secret, &'static str> {
    let value = value.ok_or("the worker has no variable of this name")?;
    let value = value.into_string().map_err(|_| "its value is no text")?;
    if value.trim().is_empty() {
        return Err("its value is empty");
    }
    Ok(Secret::new(value))
}

/// A variable of the worker's environment.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment, for names that settings list"
)]
pub(crate) fn worker_variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_values_are_no_secrets() {
        assert_eq!(checked(Some("x y".into())), Ok(Secret::new("x y")));
        for (value, reason) in [(None, "no variable"), (Some(""), "empty"), (Some(" \n"), "empty")] {
            assert!(checked(value.map(Into::into)).unwrap_err().contains(reason));
        }
    }
}
