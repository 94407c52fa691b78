use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::{Client, Reference, RegistryOperation};
use pipeline_core::Digest;
use semver::{BuildMetadata, Version};

use super::error::{is_missing, is_unknown_name};
use super::{Credentials, OciError};
use crate::form::media;
use crate::limits;

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
}

impl Default for RemoteOptions {
    /// Anonymous, encrypted, with the system's authorities, four blobs at once.
    fn default() -> Self {
        Self {
            credentials: Credentials::Anonymous,
            plain_http: false,
            roots: String::new(),
            parallel: 4,
        }
    }
}

/// A repository of an OCI registry (distribution specification 1.1), with a connection to it. Cloning is cheap.
///
/// A version is the tag without its build metadata. What was moved before is not moved again, so a push or pull that broke
/// off is done again from the start and goes on where it was. All that is pulled is verified against its digest. Memory
/// does not depend on the size of the artifact: blobs travel in pieces. Manifests and lists of attachments are held whole, and
/// their size is the registry's to say; so is it whether tags can be moved.
///
/// It needs a tokio runtime. TLS is done by rustls with ring, and trusts what the system trusts, and
/// [`roots`](RemoteOptions::roots); a program that wants another provider of cryptography installs it before the first one of
/// these is made.
///
/// What is attached is listed by the registry itself, or where it does not, under a tag of the digest. Of a list in pages
/// the first is read.
#[derive(Clone)]
pub struct Remote {
    client: Client,
    name: RemoteName,
    place: Reference,
    options: RemoteOptions,
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
        // One that is installed already is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let protocol = match options.plain_http {
            true => ClientProtocol::Http,
            false => ClientProtocol::Https,
        };
        let config = ClientConfig {
            protocol,
            use_monolithic_push: true,
            extra_root_certificates: certificates(&options.roots)?,
            connect_timeout: Some(Duration::from_secs(30)),
            read_timeout: Some(Duration::from_secs(120)),
            user_agent: concat!("pipeline-artifacts/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).map_err(OciError::registry("make a client"))?;
        let place = Reference::with_tag(
            name.registry.clone(),
            name.repository.clone(),
            "latest".to_owned(),
        );
        Ok(Self {
            client,
            place,
            name,
            options,
        })
    }

    /// The repository.
    pub fn name(&self) -> &RemoteName {
        &self.name
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The repository, for what has no tag.
    pub(super) fn place(&self) -> &Reference {
        &self.place
    }

    pub(super) fn parallel(&self) -> usize {
        self.options.parallel.max(1)
    }

    /// Proves who asks, once for all that follows.
    pub(super) async fn log_in(&self, operation: RegistryOperation) -> Result<(), OciError> {
        let auth = self.options.credentials.to_auth();
        let token = self.client.auth(&self.place, &auth, operation).await;
        token.map_err(OciError::registry(format!("log in to {}", self.name)))?;
        Ok(())
    }

    /// Whether the registry says that there are no tags here, or no such repository. One that does not tell may have some.
    pub(super) async fn has_no_tags(&self) -> bool {
        let auth = self.options.credentials.to_auth();
        match self.client.list_tags(&self.place, &auth, Some(1), None).await {
            Ok(found) => found.tags.is_empty(),
            Err(error) => is_unknown_name(&error),
        }
    }

    /// The manifest of a tag or digest, if there is one, as it is.
    pub(super) async fn manifest(&self, which: &str) -> Result<Option<Vec<u8>>, OciError> {
        let auth = self.options.credentials.to_auth();
        let found = self
            .client
            .pull_manifest_raw(&self.by(which), &auth, &[media::MANIFEST, media::INDEX])
            .await;
        let what = format!("{}:{which}", self.name);
        let bytes = match found {
            Ok((bytes, _)) => bytes.to_vec(),
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(OciError::registry(format!("pull {what}"))(error)),
        };
        if bytes.len() as u64 > limits::MAX_MANIFEST {
            let most = limits::MAX_MANIFEST;
            return Err(OciError::refused(
                what,
                format!("its manifest is larger than {most} bytes"),
            ));
        }
        if let Ok(digest) = which.parse::<Digest>()
            && Digest::of(&bytes) != digest
        {
            return Err(OciError::refused(what, "the registry gave another manifest"));
        }
        Ok(Some(bytes))
    }

    /// Puts a manifest under a tag or its digest.
    pub(super) async fn put_manifest(&self, which: &str, bytes: Vec<u8>, kind: &str) -> Result<(), OciError> {
        let doing = || format!("push the manifest of {}:{which}", self.name);
        let kind = kind
            .parse()
            .map_err(|_| OciError::refused("a media type", "it is no header"))?;
        let put = self.client.push_manifest_raw(&self.by(which), bytes, kind).await;
        put.map(drop).map_err(OciError::registry(doing()))
    }

    /// A tag or a digest of this repository. Also a digest is given as a tag: both stand in the same place of the address,
    /// and the client counts on a tag where a registry does not say where it put a manifest.
    fn by(&self, which: &str) -> Reference {
        let (registry, repository) = (self.name.registry.clone(), self.name.repository.clone());
        Reference::with_tag(registry, repository, which.to_owned())
    }
}

/// The certificates in a text.
fn certificates(pem: &str) -> Result<Vec<Certificate>, OciError> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let refused = |reason| OciError::refused("`roots`", reason);
    // What stands between them is for people.
    let mut parts = pem.split(BEGIN);
    let before = parts.next().unwrap_or_default();
    let certificates = parts.map(|part| {
        let end = part
            .find(END)
            .ok_or_else(|| refused("a certificate in it has no end"))?;
        Ok(Certificate {
            encoding: CertificateEncoding::Pem,
            data: format!("{BEGIN}{}{END}\n", &part[..end]).into_bytes(),
        })
    });
    let certificates = certificates.collect::<Result<Vec<_>, OciError>>()?;
    match certificates.is_empty() && !before.trim().is_empty() {
        true => Err(refused("there is no certificate in it; expected PEM")),
        false => Ok(certificates),
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
