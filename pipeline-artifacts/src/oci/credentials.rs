use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use oci_client::secrets::RegistryAuth;

use super::docker_config::DockerConfig;
use super::helper;

/// How to prove to a registry who asks. `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Credentials {
    /// Not at all.
    #[default]
    Anonymous,
    /// A name and a password, or what a registry takes in its place.
    Basic {
        /// The name.
        username: String,
        /// The password.
        password: String,
    },
    /// A token that the registry itself takes.
    Bearer(String),
}

/// Credentials that cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no configuration of docker.
    #[error("`{}` is no configuration of docker: {reason}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Why not; never what it says.
        reason: String,
    },
    /// The program that knows the credentials does not tell them.
    #[error("`{helper}` does not tell the credentials of {registry}: {reason}")]
    Helper {
        /// The program.
        helper: String,
        /// The registry.
        registry: String,
        /// Why not; never what it printed on standard output.
        reason: String,
    },
}

impl Credentials {
    /// What the configuration of docker says for a registry, such as `registry.example.com` or `localhost:5000`: the file
    /// `config.json` in `$DOCKER_CONFIG` or in `~/.docker`, or podman's `auth.json`, which has the same form. No file, or
    /// none with the registry, is no credentials.
    ///
    /// | key | what |
    /// |---|---|
    /// | `credHelpers.REGISTRY` | the program `docker-credential-NAME` is asked; found by `PATH` |
    /// | `auths.REGISTRY.auth` | name and password as base64; with a path below the registry, as podman writes, the longest that fits the repository counts |
    /// | `auths.REGISTRY.username`, `.password` | the same as they stand |
    /// | `credsStore` | the program for all others |
    ///
    /// Docker's own hub, `docker.io`, is `https://index.docker.io/v1/` there.
    ///
    /// Blocks: a helper may ask a person, and has 60 seconds.
    ///
    /// # Errors
    ///
    /// When the file is there and cannot be used, or a helper fails. That a helper has nothing is no error.
    pub fn from_docker_config(
        path: impl AsRef<Path>,
        registry: &str,
        repository: &str,
    ) -> Result<Self, CredentialsError> {
        let path = path.as_ref();
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Anonymous),
            Err(source) => {
                let path = path.to_owned();
                return Err(CredentialsError::Read { path, source });
            }
        };
        let form = |reason| CredentialsError::Form {
            path: path.to_owned(),
            reason,
        };
        let config = DockerConfig::parse(&bytes).map_err(form)?;
        if let Some(program) = config.helper(registry) {
            return helper::ask(program, registry);
        }
        if let Some(found) = config.auth(registry, repository).map_err(form)? {
            return Ok(found);
        }
        match config.store() {
            Some(program) => helper::ask(program, registry),
            None => Ok(Self::Anonymous),
        }
    }

    pub(super) fn to_auth(&self) -> RegistryAuth {
        match self {
            Self::Anonymous => RegistryAuth::Anonymous,
            Self::Basic { username, password } => RegistryAuth::Basic(username.clone(), password.clone()),
            Self::Bearer(token) => RegistryAuth::Bearer(token.clone()),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Basic { username, .. } => f
                .debug_struct("Basic")
                .field("username", username)
                .finish_non_exhaustive(),
            Self::Bearer(_) => f.write_str("Bearer(..)"),
        }
    }
}
