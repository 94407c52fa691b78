use std::fmt;
use std::sync::Arc;

use oci_client::RegistryOperation;
use semver::{BuildMetadata, Version};

use super::connection::Connection;
use super::{OciError, RemoteName, RemoteOptions};

/// A repository of an OCI registry (distribution specification 1.1), with a connection to it. Cloning is cheap.
///
/// A version is the tag without its build metadata. What was moved before is not moved again, so a push or pull that broke
/// off is done again from the start and goes on where it was. What breaks off for a moment is tried again by itself: see
/// [`Retries`](super::Retries). All that is pulled is verified against its digest. Memory does not depend on the size of the
/// artifact, nor on what the registry says: blobs travel in pieces, and of everything else no more is read than is allowed
/// ([`limits`](crate::limits)). Whether tags can be moved is the registry's to say.
///
/// It needs a tokio runtime with its timer. TLS is done by rustls with ring, and trusts what the system trusts, and
/// [`roots`](RemoteOptions::roots); a program that wants another provider of cryptography installs it before the first one of
/// these is made. What has to be proved to the registry is found out by `oci-client`.
///
/// A registry may send those who ask elsewhere, as to a store of objects: credentials and tokens do not go there, and from an
/// encrypted place nobody is sent to one that is not. When nothing comes or goes for two minutes, it counts as broken; how long it
/// takes all in all is not limited for blobs, and 5 minutes for everything else. To drop a future is safe: what was whole
/// stays, and nothing half is visible.
///
/// What is attached is listed by the registry itself, page by page, or where it does not, under a tag of the digest. No more
/// than [`MAX_LISTED`](crate::limits::MAX_LISTED) are read.
///
/// ```no_run
/// use pipeline_artifacts::LocalStore;
/// use pipeline_artifacts::oci::{Credentials, Remote, RemoteName, RemoteOptions};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (home, now) = (std::path::Path::new("/home/ci"), "2026-11-25T12:00:00Z".parse()?);
/// let name: RemoteName = "registry.example.com/infra/shop".parse()?;
/// let mut options = RemoteOptions::default();
/// let config = home.join(".docker/config.json");
/// options.credentials = Credentials::from_docker_config(config, name.registry(), name.repository())?;
/// let remote = Remote::new(name, options)?; // `plain_http` for a registry without TLS on this computer
///
/// // Where it was built: under the tag `1.4.0`, with all that is attached.
/// let built = LocalStore::open("built")?;
/// let shop = built.catalog().select(&"shop@1.4.0".parse()?)?;
/// remote.push(&built, &shop).await?;
///
/// // Where it is deployed; the digest, when it is known, leaves the tag no say.
/// let live = LocalStore::open("live")?;
/// let pulled = remote.pull(&live, &shop.name, &shop.version, Some(&shop.digest), now).await?;
/// assert_eq!(pulled.artifact, shop);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Remote {
    name: RemoteName,
    options: RemoteOptions,
    connection: Arc<Connection>,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("name", &self.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Remote {
    /// A repository; nothing is asked of it yet.
    ///
    /// # Errors
    ///
    /// When there is nothing to connect with: the system's certificates cannot be read, or those of the options are none.
    pub fn new(name: RemoteName, options: RemoteOptions) -> Result<Self, OciError> {
        let connection = Arc::new(Connection::new(&name, &options)?);
        Ok(Self {
            name,
            options,
            connection,
        })
    }

    /// The repository.
    pub fn name(&self) -> &RemoteName {
        &self.name
    }

    pub(super) fn options(&self) -> &RemoteOptions {
        &self.options
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn parallel(&self) -> usize {
        self.options.parallel.max(1)
    }

    /// Proves who asks, once for all that follows.
    pub(super) async fn log_in(&self, operation: RegistryOperation) -> Result<(), OciError> {
        let doing = format!("log in to {}", self.name);
        self.persist(&doing, || self.connection.prove(operation)).await
    }
}

/// The tag of a version.
pub(super) fn tag(version: &Version) -> String {
    let plain = Version {
        build: BuildMetadata::EMPTY,
        ..version.clone()
    };
    plain.to_string()
}
