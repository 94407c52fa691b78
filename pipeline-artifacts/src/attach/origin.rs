use std::fmt;

use pipeline_core::attestation::{Envelope, Policy, Report, Subject};
use pipeline_core::{ArtifactRef, ChainDisplay, Digest, Timestamp};
use serde::Serialize;

use super::kind::ENVELOPE;
use crate::LocalStore;

/// What a policy says of an artifact, by what is attached to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
#[must_use = "an artifact is believed only if the report allows it"]
pub struct OriginReport {
    /// What the policy found in the envelopes.
    #[serde(flatten)]
    pub report: Report,
    /// The attachment that each envelope of the report came from, in the same order.
    pub envelopes: Vec<Digest>,
    /// The attachments that could not be read. They prove nothing.
    pub unreadable: Vec<Unreadable>,
}

/// An attachment that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Unreadable {
    /// Which one.
    pub attachment: Digest,
    /// Why not.
    pub reason: String,
}

impl OriginReport {
    /// Whether everything that the policy asks for is proven.
    #[must_use]
    pub fn allowed(&self) -> bool {
        self.report.allowed()
    }
}

impl fmt::Display for OriginReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.report)?;
        for Unreadable { attachment, reason } in &self.unreadable {
            write!(f, "\n\nattachment {attachment} cannot be read: {reason}")?;
        }
        Ok(())
    }
}

impl LocalStore {
    /// Holds what is attached to an artifact against a policy, with the keys that are valid at a time. It denies unless
    /// proven: a store that cannot be read, an attachment that is damaged, and one that is missing prove nothing.
    ///
    /// That the bytes of the artifact are those of its digest is not asked here; every read does.
    ///
    /// [`Package`](crate::Package) with an [`Attestor`](crate::Attestor) attaches such proof of its run, and
    /// [`RunProvenance`](pipeline_core::attestation::RunProvenance) makes it of any run. Keys need the feature `signing` of
    /// `pipeline-core`.
    ///
    /// ```
    /// use pipeline_artifacts::{LocalStore, NewAttachment, Packer};
    /// use pipeline_core::attestation::{Algorithm, Envelope, Policy, PrivateKey, PublicKey, RUN_BUILD_TYPE, Statement};
    /// # use pipeline_core::{Clock, SystemClock, SystemEntropy};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let dist = dir.path().join("dist");
    /// # std::fs::create_dir(&dist)?;
    /// # let now = SystemClock.now();
    /// let store = LocalStore::open(dir.path().join("store"))?;
    /// let packed = Packer::new(&dist).pack(&store)?;
    /// let shop = store.publish(&"shop".parse()?, &"1.4.0".parse()?, &packed.digest)?;
    ///
    /// // Who built it says so, and signs: as here, out of a run, or in any other program.
    /// let key = PrivateKey::generate(Algorithm::Ed25519, &SystemEntropy);
    /// let statement = format!(
    ///     r#"{{
    ///         "_type": "https://in-toto.io/Statement/v1",
    ///         "subject": [{{"name": "shop@1.4.0", "digest": {{"sha256": "{}"}}}}],
    ///         "predicateType": "https://slsa.dev/provenance/v1",
    ///         "predicate": {{
    ///             "buildDefinition": {{
    ///                 "buildType": "{RUN_BUILD_TYPE}",
    ///                 "externalParameters": {{
    ///                     "pipeline": "shop", "component": "shop", "stages": ["package"],
    ///                     "source": {{"uri": "git+https://git.example.com/shop", "ref": "refs/heads/main"}}
    ///                 }}
    ///             }},
    ///             "runDetails": {{"builder": {{"id": "https://ci.example.com"}}}}
    ///         }}
    ///     }}"#,
    ///     shop.digest.hex()
    /// );
    /// let mut envelope = Envelope::of(&Statement::parse(statement.as_bytes())?)?;
    /// envelope.sign(&key).await?;
    /// store.attach(&shop.digest, &NewAttachment::envelope(&envelope))?;
    ///
    /// // Who deploys it asks for proof.
    /// let policy = format!(
    ///     r#"
    ///     format = 1
    ///     keys.ci.pem = """{}"""
    ///
    ///     [provenance]
    ///     builders = ["https://ci.example.com"]
    ///     sources = ["git+https://git.example.com/*"]
    ///     refs = ["refs/heads/main"]
    ///     "#,
    ///     key.public().to_pem()
    /// );
    /// let policy = Policy::parse(&policy, "policy.toml", |file| PublicKey::read(file))?;
    /// let report = store.check_origin(&shop, &policy, now);
    /// assert!(report.allowed(), "{report}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn check_origin(&self, artifact: &ArtifactRef, policy: &Policy, at: Timestamp) -> OriginReport {
        let (mut envelopes, mut from, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
        let mut note = |attachment, reason| unreadable.push(Unreadable { attachment, reason });
        let referrers = self.attached_to(&artifact.digest).unwrap_or_else(|error| {
            note(artifact.digest, ChainDisplay(&error).to_string());
            Vec::new()
        });
        for digest in referrers {
            match self.read_envelope(&artifact.digest, &digest) {
                Ok(Some(envelope)) => {
                    envelopes.push(envelope);
                    from.push(digest);
                }
                Ok(None) => {}
                Err(reason) => note(digest, reason),
            }
        }
        OriginReport {
            report: policy.verify(&envelopes, &Subject::artifact(artifact), at),
            envelopes: from,
            unreadable,
        }
    }

    /// The envelopes that are attached to an artifact, whoever signed them; those that cannot be read are left out.
    pub(crate) fn envelopes(&self, artifact: &Digest) -> Vec<Envelope> {
        let referrers = self.attached_to(artifact).unwrap_or_default();
        let read = |digest: &Digest| self.read_envelope(artifact, digest).ok().flatten();
        referrers.iter().filter_map(read).collect()
    }

    /// The envelope of an attachment, if it is one.
    fn read_envelope(&self, artifact: &Digest, digest: &Digest) -> Result<Option<Envelope>, String> {
        let text = |error| ChainDisplay(&error).to_string();
        let attachment = self.attachment(artifact, digest).map_err(text)?;
        if attachment.artifact_type != ENVELOPE {
            return Ok(None);
        }
        let bytes = self.read_attachment(&attachment).map_err(text)?;
        Envelope::parse(&bytes)
            .map(Some)
            .map_err(|error| error.to_string())
    }
}
