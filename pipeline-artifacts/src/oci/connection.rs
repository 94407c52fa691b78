use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64ct::{Base64, Encoding};
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use reqwest::Url;
use reqwest::header::HeaderValue;
use reqwest::redirect::{Attempt, Policy};

use super::certificates::certificates;
use super::failure::Failure;
use super::{OciError, RemoteName, RemoteOptions};

/// How long it may take to be connected.
const CONNECTING: Duration = Duration::from_secs(30);

/// How long nothing at all may come, or go.
pub(super) const SILENCE: Duration = Duration::from_secs(120);

/// How long it may take to prove who asks.
const PROVING: Duration = Duration::from_secs(60);

/// So many times in a row one is sent elsewhere.
const MOST_REDIRECTIONS: usize = 10;

const USER_AGENT: &str = concat!("pipeline-artifacts/", env!("CARGO_PKG_VERSION"));

/// The way to a registry. What must be proved to it, and by what, `oci-client` finds out; the requests are made here, where
/// all headers are seen and no more is read than is wanted.
pub(super) struct Connection {
    client: Client,
    pub(super) http: reqwest::Client,
    /// For blobs that go there: the other one takes the time of all that goes for the time in which nothing comes.
    pub(super) sender: reqwest::Client,
    /// The registry.
    pub(super) root: Url,
    place: Reference,
    auth: RegistryAuth,
    /// What was asked for before, to read or to write.
    proofs: Mutex<BTreeMap<RegistryOperation, HeaderValue>>,
    /// Held by who asks for another one.
    proving: tokio::sync::Mutex<()>,
}

impl Connection {
    pub(super) fn new(name: &RemoteName, options: &RemoteOptions) -> Result<Self, OciError> {
        // One that is installed already is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let roots = certificates(&options.roots)?;
        let cannot =
            |error: reqwest::Error| -> OciError { OciError::registry("make a client")(error.into()) };
        let trusted = roots
            .iter()
            .map(|pem| reqwest::Certificate::from_pem(pem.as_bytes()));
        let trusted = trusted.collect::<Result<Vec<_>, _>>().map_err(cannot)?;
        let client = || {
            reqwest::Client::builder()
                .tls_certs_merge(trusted.clone())
                .connect_timeout(CONNECTING)
                .user_agent(USER_AGENT)
                .redirect(Policy::custom(redirected))
        };
        let http = client().read_timeout(SILENCE).build().map_err(cannot)?;
        let sender = client().build().map_err(cannot)?;
        let (protocol, scheme) = match options.plain_http {
            true => (ClientProtocol::Http, "http"),
            false => (ClientProtocol::Https, "https"),
        };
        let place = Reference::with_tag(
            name.registry().to_owned(),
            name.repository().to_owned(),
            "latest".to_owned(),
        );
        let root = format!("{scheme}://{}/", place.resolve_registry());
        let root = Url::parse(&root)
            .map_err(|error| OciError::refused(format!("`{name}`"), format!("it has no address: {error}")))?;
        let config = ClientConfig {
            protocol,
            extra_root_certificates: roots.into_iter().map(certificate).collect(),
            connect_timeout: Some(CONNECTING),
            read_timeout: Some(SILENCE),
            user_agent: USER_AGENT,
            ..ClientConfig::default()
        };
        Ok(Self {
            client: Client::try_from(config).map_err(OciError::registry("make a client"))?,
            http,
            sender,
            root,
            place,
            auth: options.credentials.to_auth(),
            proofs: Mutex::default(),
            proving: tokio::sync::Mutex::default(),
        })
    }

    /// What is shown to who is at an address: nothing to anybody but the registry.
    pub(super) fn proof(&self, of: RegistryOperation, to: &Url) -> Option<HeaderValue> {
        self.known(of, to).flatten()
    }

    /// What the registry is shown, if that is who is at an address.
    fn known(&self, of: RegistryOperation, to: &Url) -> Option<Option<HeaderValue>> {
        let proofs = self.proofs();
        // Who may write may read.
        let proof = proofs.get(&of).or_else(|| proofs.get(&RegistryOperation::Push));
        (to.origin() == self.root.origin()).then(|| proof.cloned())
    }

    /// Asks what has to be proved, and proves it. What one may do without is none.
    pub(super) async fn prove(&self, of: RegistryOperation) -> Result<(), Failure> {
        if let Some(token) = self.token(of).await? {
            self.proofs().insert(of, token);
        }
        Ok(())
    }

    /// Proves it anew after somebody did not take what was shown; whether there is something else to show there. Of several
    /// who showed the same one asks, and the others wait for what comes of it.
    pub(super) async fn prove_again(
        &self,
        of: RegistryOperation,
        shown: Option<&HeaderValue>,
        to: &Url,
    ) -> Result<bool, Failure> {
        let _alone = self.proving.lock().await;
        let Some(known) = self.known(of, to) else {
            return Ok(false);
        };
        if known.as_ref().is_some_and(|known| Some(known) != shown) {
            return Ok(true);
        }
        let proof = match (self.token(of).await?, &self.auth) {
            (None, RegistryAuth::Basic(name, password)) => {
                let both = Base64::encode_string(format!("{name}:{password}").as_bytes());
                Some(header(format!("Basic {both}"))?)
            }
            (token, _) => token,
        };
        let is_other = proof.as_ref().is_some_and(|proof| Some(proof) != shown);
        match proof {
            // Until then others go on with what they have.
            Some(proof) => self.proofs().insert(of, proof),
            None => self.proofs().remove(&of),
        };
        Ok(is_other)
    }

    async fn token(&self, of: RegistryOperation) -> Result<Option<HeaderValue>, Failure> {
        let asked = self.client.auth(&self.place, &self.auth, of);
        let asked = tokio::time::timeout(PROVING, asked).await;
        let late = |_| {
            let reason = format!("it takes longer than {} seconds", PROVING.as_secs());
            OciDistributionError::AuthenticationFailure(reason)
        };
        let token = asked.map_err(late)??;
        token.map(|token| header(format!("Bearer {token}"))).transpose()
    }

    fn proofs(&self) -> MutexGuard<'_, BTreeMap<RegistryOperation, HeaderValue>> {
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is shown, which no log tells.
fn header(proof: String) -> Result<HeaderValue, Failure> {
    let mut proof = HeaderValue::try_from(proof)
        .map_err(|_| OciError::refused("the token", "it has characters that no token has"))?;
    proof.set_sensitive(true);
    Ok(proof)
}

fn certificate(pem: String) -> Certificate {
    Certificate {
        encoding: CertificateEncoding::Pem,
        data: pem.into_bytes(),
    }
}

/// Registries keep their blobs elsewhere, and send those who ask. No proof goes there, which `reqwest` sees to, and nobody
/// is sent from an encrypted place to one that is not.
fn redirected(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    if attempt.previous().len() > MOST_REDIRECTIONS {
        return attempt.error("it leads elsewhere again and again");
    }
    let was_encrypted = attempt.previous().iter().any(|url| url.scheme() == "https");
    match was_encrypted && attempt.url().scheme() != "https" {
        true => attempt.error("it leads to a place that is not encrypted"),
        false => attempt.follow(),
    }
}
