use pipeline_core::attestation::{
    Envelope, Policy, Provenance, RUN_BUILD_TYPE, RunParameters, Statement, Subject,
};
use pipeline_core::{ArtifactRef, Digest, Revision, RunId, Timestamp};
use serde::Serialize;
use serde_json::Value;

use crate::LocalStore;

/// How a run built an artifact, as the provenance says that is attached to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RecordedBuild {
    /// What was built.
    pub artifact: ArtifactRef,
    /// The pipeline, the source, and the stages that built it.
    pub parameters: RunParameters,
    /// The run.
    pub run: RunId,
    /// The revision that the run released.
    pub revision: Option<String>,
    /// The digest of the run's plan.
    pub plan: Option<Digest>,
    /// The digest of the source as the run began with it.
    pub source: Option<Digest>,
    /// Who says so. Nobody has checked that yet, unless a policy did.
    pub builder: String,
    /// When it was built.
    pub finished_at: Option<Timestamp>,
    /// The revision, with when it was committed.
    #[serde(skip)]
    pub(crate) committed: Option<Revision>,
    /// The revisions that were new since the version before, the newest first.
    #[serde(skip)]
    pub(crate) revisions: Vec<Revision>,
}

impl RecordedBuild {
    /// The builds of an artifact, the newest first, whoever claims them.
    pub fn claimed(store: &LocalStore, artifact: &ArtifactRef) -> Vec<Self> {
        Self::of(artifact, store.envelopes(&artifact.digest).iter())
    }

    /// The builds of an artifact that a policy finds proven, the newest first.
    pub fn proven(store: &LocalStore, artifact: &ArtifactRef, policy: &Policy, at: Timestamp) -> Vec<Self> {
        let envelopes = store.envelopes(&artifact.digest);
        let subject = Subject::artifact(artifact);
        let alone = |envelope: &&Envelope| {
            let envelope = std::slice::from_ref(*envelope);
            // Each must do by itself; that others prove other kinds of statement is for `check_origin`.
            policy
                .verify(envelope, &subject, at)
                .attestations
                .iter()
                .all(|report| report.holds())
        };
        Self::of(artifact, envelopes.iter().filter(alone))
    }

    fn of<'a>(artifact: &ArtifactRef, envelopes: impl Iterator<Item = &'a Envelope>) -> Vec<Self> {
        let mut builds: Vec<_> = envelopes
            .filter_map(|envelope| Self::read(artifact, envelope))
            .collect();
        builds.sort_by_key(|build| std::cmp::Reverse(build.finished_at));
        builds
    }

    /// What one envelope says, if it is provenance of this artifact by a run of ours.
    fn read(artifact: &ArtifactRef, envelope: &Envelope) -> Option<Self> {
        let statement = Statement::parse(envelope.unverified_payload()).ok()?;
        if !Subject::artifact(artifact).is_in(&statement) {
            return None;
        }
        let provenance: Provenance = statement.predicate().ok()?;
        let build = &provenance.build_definition;
        if build.build_type != RUN_BUILD_TYPE {
            return None;
        }
        let parameters: RunParameters =
            serde_json::from_value(Value::Object(build.external_parameters.clone())).ok()?;
        let named = |name: &str| {
            let mut used = build.resolved_dependencies.iter();
            used.find(|used| used.name.as_deref() == Some(name))
        };
        let used = |name: &str, algorithm: &str| named(name)?.digest.get(algorithm);
        let revision = used("source", "gitCommit").or_else(|| used("source", "revision"));
        let noted = |what: &str| named("source")?.annotations.get(what).cloned();
        let revisions: Vec<Revision> = noted("revisions")
            .and_then(|revisions| serde_json::from_value(revisions).ok())
            .unwrap_or_default();
        let committed: Option<Revision> = noted("revision")
            .and_then(|revision| serde_json::from_value(revision).ok())
            // Provenance of versions before said nothing more of the revision itself.
            .or_else(|| {
                let own = revisions.iter().find(|new| Some(&new.id) == revision);
                own.cloned()
            });
        let sha256 = |name: &str| format!("sha256:{}", used(name, "sha256")?).parse().ok();
        let details = &provenance.run_details;
        Some(Self {
            artifact: artifact.clone(),
            run: RunId::new(details.metadata.invocation_id.clone()?).ok()?,
            committed: committed.filter(|committed| Some(&committed.id) == revision),
            revisions,
            revision: revision.cloned(),
            plan: sha256("plan"),
            source: sha256("source-tree"),
            builder: details.builder.id.clone(),
            finished_at: details.metadata.finished_on,
            parameters,
        })
    }
}
