//! The suite for sources of secrets.

use super::Report;
use crate::chain::error_chain;
use crate::{SecretRef, SecretSource};

mod p {
    use crate::testing::conformance::promises::promises;

    promises! {
        RESOLVES = "resolves": "a secret that it knows is returned, each time the same";
        NAMES_THE_UNKNOWN = "names-the-unknown": "an unknown name is an error that names it";
        KEEPS_QUIET = "keeps-quiet": "no value is in an error or in its `Debug`";
    }
}

/// Checks a source of secrets against the contract of [`SecretSource`], with a secret that it knows, its value, and a
/// reference that it does not know.
///
/// ```
/// use pipeline_core::testing::conformance;
/// use pipeline_core::{NoSecrets, Secret};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let report = conformance::secrets(&NoSecrets, None, &"env:TOKEN".parse()?).await;
/// report.assert_kept();
/// assert_eq!(report.not_tried_names(), ["resolves"]);
/// # Ok::<(), pipeline_core::SecretRefError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn secrets(
    source: &dyn SecretSource,
    known: Option<(&SecretRef, &str)>,
    unknown: &SecretRef,
) -> Report {
    let mut report = Report::new("source of secrets", p::ALL);
    let quiet = |text: &str, what: &str| match known {
        Some((_, value)) if text.contains(value) => Err(format!("the value is in {what}")),
        _ => Ok(()),
    };
    match known {
        Some((reference, value)) => {
            for _ in 0..2 {
                let found = match source.resolve(reference).await {
                    Ok(secret) if secret.expose() == value => Ok(()),
                    Ok(_) => Err("another value is returned".to_owned()),
                    Err(error) => Err(error.to_string()),
                };
                report.check(p::RESOLVES, found);
            }
        }
        None => report.not_tried(&[p::RESOLVES], "no secret is known"),
    }
    let found = match source.resolve(unknown).await {
        Ok(_) => Err("an unknown name has a value".to_owned()),
        Err(error) => {
            let text = error_chain(&error).join(": ");
            report.check(p::KEEPS_QUIET, quiet(&text, "an error"));
            match error.reference == *unknown && text.contains(&unknown.to_string()) {
                true => Ok(()),
                false => Err(format!("the error is `{text}`")),
            }
        }
    };
    report.check(p::NAMES_THE_UNKNOWN, found);
    report.check(p::KEEPS_QUIET, quiet(&format!("{source:?}"), "its `Debug`"));
    report
}
