use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;

use super::LineError;
use crate::{
    Change, Deployment, DeploymentKind, DeploymentResult, Fact, FactSource, Incident, Phases, Recovery, Sha,
};

/// The fields of all types of lines; which of them must be there depends on the type.
#[derive(Deserialize)]
pub(super) struct Line<'a> {
    #[serde(rename = "type")]
    kind: Kind,
    ts: Timestamp,
    #[serde(borrow)]
    service: Text<'a>,
    #[serde(borrow)]
    sha: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    environment: Option<Text<'a>>,
    result: Option<DeploymentResult>,
    #[serde(rename = "kind")]
    purpose: Option<DeploymentKind>,
    started: Option<Timestamp>,
    #[serde(borrow)]
    changes: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    deployment: Option<Text<'a>>,
    #[serde(borrow)]
    version: Option<Text<'a>>,
    #[serde(borrow)]
    release: Option<Text<'a>>,
    #[serde(borrow)]
    team: Option<Text<'a>>,
    first_commit: Option<Timestamp>,
    opened: Option<Timestamp>,
    reviewed: Option<Timestamp>,
    merged: Option<Timestamp>,
}

/// A text that is copied only when it has escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Change,
    Deployment,
    IncidentOpened,
    IncidentResolved,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Deployment => "deployment",
            Self::IncidentOpened => "incident_opened",
            Self::IncidentResolved => "incident_resolved",
        }
    }
}

/// Reads any line, without its end.
pub(super) fn parse(bytes: &[u8]) -> Result<Line<'_>, LineError> {
    let bytes = bytes.trim_ascii_end();
    // Serde would take an array for the fields in their order here.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(LineError::NoObject);
    }
    serde_json::from_slice(bytes).map_err(LineError::Form)
}

impl Line<'_> {
    /// The fact that the line tells.
    pub(super) fn fact<'s>(&'s self, source: FactSource<'s>) -> Result<Fact<'s>, LineError> {
        let component = &*self.service.0;
        let missing = |field| LineError::Missing {
            kind: self.kind.name(),
            field,
        };
        let need = |text: &'s Option<Text<'_>>, field| {
            text.as_ref().map(|text| &*text.0).ok_or_else(|| missing(field))
        };
        let text = |text: &'s Option<Text<'_>>| text.as_ref().map(|text| &*text.0);
        let shas = || {
            self.changes
                .iter()
                .flatten()
                .map(|sha| Sha::new(&sha.0))
                .collect()
        };
        Ok(match self.kind {
            Kind::Change => Fact::Change(Change {
                component,
                sha: Sha::new(need(&self.sha, "sha")?),
                at: self.ts,
                phases: Phases {
                    first_commit: self.first_commit,
                    opened: self.opened,
                    reviewed: self.reviewed,
                    merged: self.merged,
                },
                source,
            }),
            Kind::Deployment => Fact::Deployment(Deployment {
                id: need(&self.id, "id")?,
                component,
                environment: need(&self.environment, "environment")?,
                production: None,
                started: self.started,
                finished: self.ts,
                result: self.result.ok_or_else(|| missing("result"))?,
                kind: self.purpose.ok_or_else(|| missing("kind"))?,
                version: text(&self.version),
                release: text(&self.release),
                team: text(&self.team),
                changes: shas(),
                source,
            }),
            Kind::IncidentOpened => Fact::Incident(Incident {
                id: need(&self.id, "id")?,
                component,
                environment: text(&self.environment),
                opened: self.ts,
                deployment: text(&self.deployment),
                changes: shas(),
                source,
            }),
            Kind::IncidentResolved => Fact::Recovery(Recovery {
                incident: need(&self.id, "id")?,
                at: self.ts,
                source,
            }),
        })
    }
}
