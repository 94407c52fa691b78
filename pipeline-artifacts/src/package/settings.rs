use pipeline_core::{ArtifactName, SourcePath};
use semver::Version;
use serde::{Deserialize, Serialize};

use super::EnvironmentFreeSettings;

/// The settings of a [`Package`](super::Package) stage.
///
/// ```
/// # use pipeline_artifacts::PackageSettings;
/// # fn parse(text: &str) -> Result<PackageSettings, toml::de::Error> { toml::from_str(text) }
/// # let settings = parse(r#"
/// name = "shop"
/// path = "dist"
/// version-file = "VERSION"
/// exclude = ["logs", "cache/tmp"]
/// # "#)?;
/// # assert_eq!(settings.exclude.len(), 2);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PackageSettings {
    /// The name to publish under.
    pub name: ArtifactName,
    /// The directory to pack, below the source's root.
    #[serde(default = "SourcePath::root")]
    pub path: SourcePath,
    /// The version to publish. Either this or `version-file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The file whose first line is the version, below the source's root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_file: Option<SourcePath>,
    /// What to leave out, below `path`: each with everything below it. Anything called `.git` is always left
    /// out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<SourcePath>,
    /// What must not be in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_free: Option<EnvironmentFreeSettings>,
}

impl PackageSettings {
    /// Settings that pack the whole source.
    pub fn new(name: ArtifactName, version: VersionSource) -> Self {
        let (version, version_file) = match version {
            VersionSource::Fixed(version) => (Some(version), None),
            VersionSource::File(path) => (None, Some(path)),
        };
        Self {
            name,
            path: SourcePath::root(),
            version,
            version_file,
            exclude: Vec::new(),
            environment_free: None,
        }
    }

    /// Where the version comes from.
    ///
    /// # Errors
    ///
    /// When the settings say it twice or not at all.
    pub fn version_source(&self) -> Result<VersionSource, PackageSettingsError> {
        match (&self.version, &self.version_file) {
            (Some(version), None) => Ok(VersionSource::Fixed(version.clone())),
            (None, Some(path)) => Ok(VersionSource::File(path.clone())),
            (None, None) => Err(PackageSettingsError::NoVersion),
            (Some(_), Some(_)) => Err(PackageSettingsError::TwoVersions),
        }
    }
}

/// Where the version of an artifact comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionSource {
    /// The settings say it.
    Fixed(Version),
    /// The first line of a file of the source says it.
    File(SourcePath),
}

/// Settings that do not fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackageSettingsError {
    /// No version.
    #[error("the version is missing: set `version` or `version-file`")]
    NoVersion,
    /// Two versions.
    #[error("`version` and `version-file` are both set: keep one of them")]
    TwoVersions,
    /// Nothing would be packed.
    #[error("`exclude` holds `.`, which is everything: exclude less")]
    AllExcluded,
}
