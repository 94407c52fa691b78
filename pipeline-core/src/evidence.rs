//! Evidence: what gates decide on, recorded with where it comes from and how long it holds.

use std::fmt::{self, Debug};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::gate::GateRequest;
use crate::{Digest, EvidenceKind, Timestamp};

/// What a gate wants to know before it decides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EvidenceNeed {
    /// Which kind of evidence.
    pub kind: EvidenceKind,
    /// What it must be about, mostly the digest of the action plan or the release.
    pub subject: Digest,
}

impl fmt::Display for EvidenceNeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` about {}", self.kind, self.subject.short())
    }
}

/// Something that was found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Which kind.
    pub kind: EvidenceKind,
    /// What it is about.
    pub subject: Digest,
    /// Who says so.
    pub source: String,
    /// When it was found out.
    pub observed_at: Timestamp,
    /// From when on it is stale; `None` when it does not become so.
    pub valid_until: Option<Timestamp>,
    /// What was found out; the form belongs to the kind.
    pub content: Value,
}

/// Finds evidence out. This is the part of a gate that does I/O.
///
/// # Contract
///
/// The engine asks whenever a gate that needs the kind is evaluated, at least once before the environment's
/// lock and once after. A source answers `None` when there is nothing, and an error when it could not look;
/// neither ever opens a gate.
#[async_trait]
pub trait EvidenceSource: Debug + Send + Sync + 'static {
    /// The kind that it knows about.
    fn kind(&self) -> &EvidenceKind;

    /// What is known about a subject now.
    ///
    /// # Errors
    ///
    /// When the source could not look.
    async fn gather(
        &self,
        need: &EvidenceNeed,
        request: &GateRequest,
    ) -> Result<Option<Evidence>, EvidenceError>;
}

/// Evidence that could not be looked for.
#[derive(Debug, thiserror::Error)]
#[error("evidence {need} cannot be had: {reason}")]
pub struct EvidenceError {
    /// What was asked for.
    pub need: EvidenceNeed,
    /// Why there is no answer.
    pub reason: String,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The evidence that was gathered for one evaluation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EvidenceSet(Vec<Evidence>);

/// Why there is no evidence to decide on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoEvidence {
    /// Nobody knows anything.
    #[error("there is no evidence {0}")]
    Missing(EvidenceNeed),
    /// It was true once.
    #[error("the evidence {need} is stale since {since}")]
    Stale {
        /// What was asked for.
        need: EvidenceNeed,
        /// Since when.
        since: Timestamp,
    },
}

impl EvidenceSet {
    /// A set of what was gathered.
    pub fn new(evidence: Vec<Evidence>) -> Self {
        Self(evidence)
    }

    /// Evidence of the kind and about the subject that holds now; the newest, if there are several.
    ///
    /// # Errors
    ///
    /// When there is none, or it is stale: a gate that gets no evidence must not allow.
    pub fn find(&self, need: &EvidenceNeed, now: Timestamp) -> Result<&Evidence, NoEvidence> {
        let fitting = self
            .0
            .iter()
            .filter(|one| one.kind == need.kind && one.subject == need.subject);
        let newest = fitting.max_by_key(|one| one.observed_at);
        let newest = newest.ok_or_else(|| NoEvidence::Missing(need.clone()))?;
        match newest.valid_until {
            Some(until) if until <= now => Err(NoEvidence::Stale {
                need: need.clone(),
                since: until,
            }),
            _ => Ok(newest),
        }
    }

    /// All of it.
    pub fn iter(&self) -> impl Iterator<Item = &Evidence> {
        self.0.iter()
    }

    /// Whether nothing was gathered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
