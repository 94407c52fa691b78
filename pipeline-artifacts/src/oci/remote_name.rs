use std::fmt;
use std::str::FromStr;

use oci_client::Reference;

/// A repository of a registry: `HOST[:PORT]/PATH`, such as `registry.example.com/infra/edge-routes`.
///
/// ```
/// use pipeline_artifacts::oci::RemoteName;
///
/// let name: RemoteName = "localhost:5000/edge-routes".parse()?;
/// assert_eq!((name.registry(), name.repository()), ("localhost:5000", "edge-routes"));
/// // No registry is meant by default.
/// assert!("infra/edge-routes".parse::<RemoteName>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RemoteName {
    registry: String,
    repository: String,
}

/// A text that names no repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` names no repository of a registry: expected something like `registry.example.com/infra/edge-routes`"
)]
pub struct RemoteNameError {
    text: String,
}

impl RemoteName {
    /// The registry: host, and port where one is said.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path below it.
    pub fn repository(&self) -> &str {
        &self.repository
    }
}

impl FromStr for RemoteName {
    type Err = RemoteNameError;

    fn from_str(text: &str) -> Result<Self, RemoteNameError> {
        let wrong = || RemoteNameError {
            text: text.escape_debug().take(200).collect(),
        };
        let (registry, repository) = text.split_once('/').ok_or_else(wrong)?;
        let is_host = registry == "localhost" || registry.contains(['.', ':']);
        // Tags and digests are said elsewhere.
        if !is_host || repository.contains([':', '@']) {
            return Err(wrong());
        }
        let read: Reference = text.parse().map_err(|_| wrong())?;
        if read.registry() != registry || read.repository() != repository {
            return Err(wrong());
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
        })
    }
}

impl fmt::Display for RemoteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)
    }
}
