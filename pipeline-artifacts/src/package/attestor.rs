use std::error::Error;
use std::sync::Arc;

use pipeline_core::attestation::{Built, Envelope, ProvenanceError, RunProvenance, SignError, Signer};
use pipeline_core::{
    ArtifactRef, CanonicalError, Digest, Revision, RunId, RunState, StageContext, StoreError,
};

use super::Origin;
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

    /// What is known of an artifact that the stage at work is about to publish.
    pub(super) async fn facts(
        &self,
        store: &LocalStore,
        cx: &StageContext,
        artifact: &ArtifactRef,
    ) -> Result<Facts, AttestError> {
        let run = self.origin.run(cx.run()).await;
        let run = run.map_err(|source| AttestError::Run {
            run: cx.run().clone(),
            source,
        })?;
        let (of, own) = (store.clone(), artifact.clone());
        let before = blocking(move || before(&of, &own)).await??;
        let before = before.and_then(|(before, since)| Some((before, self.origin.revisions(&run, &since)?)));
        Ok(Facts { run, before })
    }

    /// Attaches to an artifact that the stage at work has just published where it comes from.
    pub(super) async fn attest(
        &self,
        store: &LocalStore,
        cx: &StageContext,
        facts: Facts,
        artifact: &ArtifactRef,
        tree: Digest,
    ) -> Result<Attachment, AttestError> {
        let Facts { run, before } = facts;
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
        if let Some((before, revisions)) = before {
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

/// What is known of an artifact before it is published.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) run: RunState,
    /// The version before it, and the revisions that are new since then.
    pub(super) before: Option<(ArtifactRef, Vec<Revision>)>,
}

/// The version before an artifact's, and the revision that it was built from, where that is known.
fn before(store: &LocalStore, artifact: &ArtifactRef) -> Result<Option<(ArtifactRef, String)>, StoreError> {
    let catalog = store.catalog();
    let versions = catalog.versions(&artifact.name)?;
    let Some(before) = versions.before(&artifact.version) else {
        return Ok(None);
    };
    let before = before.reference(&artifact.name);
    let record = catalog.record(&before.name, &before.version)?;
    let revision = record.and_then(|record| record.revision);
    Ok(revision.map(|revision| (before, revision.id)))
}
