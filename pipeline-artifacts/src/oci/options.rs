use super::{Credentials, Retries};

/// How to talk to a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteOptions {
    /// How to prove who asks.
    pub credentials: Credentials,
    /// Without encryption: for registries on this computer.
    pub plain_http: bool,
    /// Certificates of authorities in PEM, one after another, that are trusted besides those that the system trusts: for a
    /// registry with an authority of its own.
    pub roots: String,
    /// How many blobs travel at once.
    pub parallel: usize,
    /// How often it is asked again when it does not answer, and after which pauses.
    pub retries: Retries,
}

impl Default for RemoteOptions {
    /// Anonymous, encrypted, with the system's authorities, four blobs at once, the default retries.
    fn default() -> Self {
        Self {
            credentials: Credentials::Anonymous,
            plain_http: false,
            roots: String::new(),
            parallel: 4,
            retries: Retries::default(),
        }
    }
}
