use std::sync::Arc;

use async_trait::async_trait;
use pipeline_core::{
    Clock, Digest, Evidence, EvidenceError, EvidenceKind, EvidenceNeed, EvidenceSource, GateRequest,
    SignedDuration,
};
use serde::{Deserialize, Serialize};

use crate::{ChangeId, ChangeLog, ChangeRecord, ChangeState, ChangeType, PlannedWindow};

/// What [`ChangeEvidence`] finds out: where a change stands. It is the content of the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ChangeFinding {
    /// The change.
    pub id: ChangeId,
    /// Its type.
    pub change_type: ChangeType,
    /// Where it stands.
    pub state: ChangeState,
    /// The digest of the action plan that it is about.
    pub action_plan: Digest,
    /// When it is planned to be carried out.
    #[serde(default)]
    pub window: PlannedWindow,
}

impl From<&ChangeRecord> for ChangeFinding {
    fn from(record: &ChangeRecord) -> Self {
        Self {
            id: record.id.clone(),
            change_type: record.change_type,
            state: record.state,
            action_plan: record.action_plan,
            window: record.window,
        }
    }
}

/// Tells a [`ChangeGate`](crate::ChangeGate) where the change of its stage stands.
///
/// It brings the [`ChangeLog`] up to date first. A record of another action plan is no evidence, and neither is a
/// record of another stage. What it finds holds for a minute.
#[derive(Debug)]
pub struct ChangeEvidence {
    kind: EvidenceKind,
    log: Arc<ChangeLog>,
    clock: Arc<dyn Clock>,
}

impl ChangeEvidence {
    /// The kind of the evidence.
    pub const KIND: &'static str = "change";

    /// How long a finding holds.
    pub const HOLDS: SignedDuration = SignedDuration::from_secs(60);

    /// Evidence out of a log.
    pub fn new(log: Arc<ChangeLog>, clock: Arc<dyn Clock>) -> Self {
        Self {
            kind: Self::kind_name(),
            log,
            clock,
        }
    }

    #[expect(clippy::expect_used, reason = "the constant is a name")]
    pub(crate) fn kind_name() -> EvidenceKind {
        EvidenceKind::new(Self::KIND).expect("a name")
    }
}

#[async_trait]
impl EvidenceSource for ChangeEvidence {
    fn kind(&self) -> &EvidenceKind {
        &self.kind
    }

    async fn gather(
        &self,
        need: &EvidenceNeed,
        request: &GateRequest,
    ) -> Result<Option<Evidence>, EvidenceError> {
        if need.kind != self.kind {
            return Ok(None);
        }
        let now = self.clock.now();
        let failed = |reason: &str, source: Box<dyn std::error::Error + Send + Sync>| EvidenceError {
            need: need.clone(),
            reason: reason.to_owned(),
            source: Some(source),
        };
        self.log
            .sync(now)
            .await
            .map_err(|error| failed("the change records are not up to date", error.into()))?;
        let record = self.log.record(&request.run, &request.stage);
        let Some(record) = record.filter(|record| record.action_plan == need.subject) else {
            return Ok(None);
        };
        let content = serde_json::to_value(ChangeFinding::from(&record))
            .map_err(|error| failed("the finding has no JSON form", error.into()))?;
        Ok(Some(Evidence {
            kind: self.kind.clone(),
            subject: need.subject,
            source: record.id.stream().to_string(),
            observed_at: now,
            valid_until: Some(now.saturating_add(Self::HOLDS).unwrap_or(now)),
            content,
        }))
    }
}
