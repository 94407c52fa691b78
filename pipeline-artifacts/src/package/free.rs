use std::collections::BTreeMap;

use pipeline_core::{Configuration, ConfigurationValue, EnvironmentName, SourcePath, StageContext};
use serde::{Deserialize, Serialize};

use super::PackageError;
use crate::EnvironmentFree;

/// Has a [`Package`](super::Package) stage refuse to publish what holds values of environments' configurations.
///
/// ```
/// # use pipeline_artifacts::PackageSettings;
/// # fn parse(text: &str) -> Result<PackageSettings, toml::de::Error> { toml::from_str(text) }
/// # let settings = parse(r#"
/// name = "shop"
/// version = "1.4.0"
///
/// [environment-free]
/// configurations = { staging = "config/staging.toml", production = "config/production.toml" }
/// min-length = 6
/// allow = ["localhost"]
/// # "#)?;
/// # assert_eq!(settings.environment_free.unwrap().configurations.len(), 2);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EnvironmentFreeSettings {
    /// The file with the configuration of each environment, below the source's root.
    pub configurations: BTreeMap<EnvironmentName, SourcePath>,
    /// Shorter values are not looked for; [`DEFAULT_MIN_LENGTH`](crate::DEFAULT_MIN_LENGTH).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_length: Option<usize>,
    /// Values that are not looked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// Whether to look for the values of secrets, too. The worker that packages must be able to resolve them then, and
    /// the stage's outcome is not reused: a secret may have changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secrets: bool,
}

impl EnvironmentFreeSettings {
    /// The check, with the values as the source and the worker have them.
    pub(super) async fn check(&self, cx: &StageContext) -> Result<EnvironmentFree, PackageError> {
        let mut check = EnvironmentFree::new().allow(self.allow.iter().cloned());
        if let Some(bytes) = self.min_length {
            check = check.min_length(bytes);
        }
        for (environment, path) in &self.configurations {
            let text = cx.source().read(path).await?;
            let text = String::from_utf8_lossy(&text);
            let configuration = Configuration::parse(environment.clone(), &text, path.as_str())?;
            check = check.configuration(&configuration);
            if !self.secrets {
                continue;
            }
            for key in configuration.keys() {
                if let Some(ConfigurationValue::Secret(reference)) = configuration.get(&key) {
                    check = check.secret(environment, key, &cx.secret(&reference).await?);
                }
            }
        }
        Ok(check)
    }
}
