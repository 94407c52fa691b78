use std::error::Error;
use std::sync::Arc;

use pipeline_core::attestation::{Built, Envelope, ProvenanceError, RunProvenance, SignError, Signer};
use pipeline_core::{ArtifactRef, CanonicalError, Digest, RunId, StageContext, StoreError};

use super::Origin;
use crate::rebuild::RecordedBuild;
use crate::store::blocking;
use crate::{Attachment, LocalStore, NewAttachment};

/// Says where packages come from: attaches SLSA provenance of the run to each, in an envelope, signed by the keys that it is
/// given. Without a key the envelope says so, and proves nothing.
///
/// In the provenance are the run, its plan, its revision and, where the [`Origin`] tells, the repository, the revisions
/// since the version before, and tools. None of that is in the artifact, so that building it again gives the same digest.
#[derive(Debug, Clone)]
pub struct Attestor {
    builder: String,
    origin: Arc<dyn Origin>,
    signers: Vec<Arc<dyn Signer>>,
    versions: Vec<(String, String)>,
}

/// An artifact whose origin was not attached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttestError {
    /// The run cannot be read.
    #[error("run {run} cannot be read")]
    Run {
        /// The run.
        run: RunId,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The run does not prove it.
    #[error("the origin cannot be stated")]
    Provenance(#[from] ProvenanceError),
    /// It has no form.
    #[error("the provenance has no form")]
    Form(#[from] CanonicalError),
    /// A key cannot be used.
    #[error("the provenance is not signed")]
    Sign(#[from] SignError),
    /// The store does not take it.
    #[error("the provenance is not stored")]
    Store(#[from] StoreError),
}

impl Attestor {
    /// One that speaks for a builder: a URI for the host, which policies name.
    pub fn new(builder: impl Into<String>, origin: Arc<dyn Origin>) -> Self {
        Self {
            builder: builder.into(),
            origin,
            signers: Vec::new(),
            versions: vec![(
                "pipeline-artifacts".to_owned(),
                env!("CARGO_PKG_VERSION").to_owned(),
            )],
        }
    }

    /// With a key that signs.
    #[must_use]
    pub fn signer(mut self, signer: Arc<dyn Signer>) -> Self {
        self.signers.push(signer);
        self
    }

    /// With the version of a part of the builder, such as the host program's.
    #[must_use]
    pub fn version(mut self, part: impl Into<String>, version: impl Into<String>) -> Self {
        self.versions.push((part.into(), version.into()));
        self
    }

    /// Attaches to an artifact that the stage at work has just published where it comes from.
    pub(super) async fn attest(
        &self,
        store: &LocalStore,
        cx: &StageContext,
        artifact: &ArtifactRef,
        tree: Digest,
    ) -> Result<Attachment, AttestError> {
        let run = self.origin.run(cx.run()).await;
        let run = run.map_err(|source| AttestError::Run {
            run: cx.run().clone(),
            source,
        })?;
        let mut provenance = RunProvenance::new(&run, &self.builder).at_work(cx.stage().clone(), cx.now());
        for (part, version) in &self.versions {
            provenance = provenance.builder_version(part, version);
        }
        if let Some((repository, reference)) = self.origin.repository(&run) {
            provenance = provenance.source(repository, reference.as_deref());
        }
        for tool in self.origin.tools(&run) {
            provenance = provenance.dependency(tool);
        }
        let (of, own) = (store.clone(), artifact.clone());
        if let Some((before, since)) = blocking(move || before(&of, &own)).await??
            && let Some(revisions) = self.origin.revisions(&run, &since)
        {
            provenance = provenance.since(before, revisions);
        }
        let statement = provenance.statement([Built::new(artifact.clone()).tree(tree)])?;
        let mut envelope = Envelope::of(&statement)?;
        for signer in &self.signers {
            envelope.sign(signer.as_ref()).await?;
        }
        let notes = self.origin.notes(&run, artifact).map(NewAttachment::note);
        let (store, digest) = (store.clone(), artifact.digest);
        let attached = blocking(move || {
            if let Some(notes) = notes {
                store.attach(&digest, &notes)?;
            }
            store.attach(&digest, &NewAttachment::envelope(&envelope))
        });
        Ok(attached.await??)
    }
}

/// The version before an artifact's, and the revision that it was built from, where that is known.
fn before(store: &LocalStore, artifact: &ArtifactRef) -> Result<Option<(ArtifactRef, String)>, StoreError> {
    let versions = store.versions(&artifact.name)?;
    let before = versions
        .into_iter()
        .filter(|found| found.version < artifact.version);
    let Some(before) = before.max_by(|a, b| a.version.cmp(&b.version)) else {
        return Ok(None);
    };
    let builds = RecordedBuild::claimed(store, &before);
    let revision = builds.into_iter().find_map(|build| build.revision);
    Ok(revision.map(|revision| (before, revision)))
}
