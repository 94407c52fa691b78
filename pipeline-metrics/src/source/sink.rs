use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    Change, Deployment, DeploymentKind, DeploymentResult, Fact, FactId, FactSource, Facts, Incident, Origin,
    Problem, Recovery, Rollback,
};

/// A deployment, as a reader hands it over.
#[derive(Debug)]
pub(crate) struct DeploymentRecord<'r> {
    pub(crate) id: &'r str,
    pub(crate) component: &'r str,
    pub(crate) environment: &'r str,
    pub(crate) started: Option<Timestamp>,
    pub(crate) finished: Timestamp,
    pub(crate) result: DeploymentResult,
    pub(crate) kind: DeploymentKind,
    pub(crate) version: Option<&'r str>,
    pub(crate) release: Option<&'r str>,
    pub(crate) team: Option<&'r str>,
    pub(crate) changes: Vec<&'r str>,
}

/// When a change came how far, where that is known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PhaseTimes {
    pub(crate) first_commit: Option<Timestamp>,
    pub(crate) opened: Option<Timestamp>,
    pub(crate) reviewed: Option<Timestamp>,
    pub(crate) merged: Option<Timestamp>,
}

fn source(origin: &Origin) -> FactSource {
    match origin {
        Origin::Line { file, line } => FactSource::Line {
            file: Arc::clone(file),
            line: *line,
        },
        Origin::Event { stream, position } => FactSource::Line {
            file: Arc::clone(stream),
            line: *position,
        },
    }
}

/// What readers hand over, whatever it was read from.
impl Facts {
    pub(crate) fn put_change(
        &mut self,
        component: &str,
        sha: &str,
        at: Timestamp,
        _phases: PhaseTimes,
        origin: &Origin,
    ) {
        self.add(Fact::Change(Change {
            component: component.into(),
            sha: sha.into(),
            at,
            source: source(origin),
        }));
    }

    pub(crate) fn put_deployment(&mut self, record: DeploymentRecord<'_>, origin: &Origin) {
        self.add(Fact::Deployment(Deployment {
            id: FactId::from(record.id),
            component: record.component.into(),
            environment: record.environment.into(),
            production: record.environment == "production",
            finished: record.finished,
            started: record.started,
            result: record.result,
            kind: record.kind,
            revisions: record.changes.into_iter().map(Arc::from).collect(),
            release: record.release.or(record.version).map(Arc::from),
            source: source(origin),
        }));
    }

    pub(crate) fn put_incident(
        &mut self,
        id: &str,
        component: &str,
        environment: Option<&str>,
        opened: Timestamp,
        deployment: Option<&str>,
        origin: &Origin,
    ) {
        self.add(Fact::Incident(Incident {
            id: FactId::from(id),
            component: component.into(),
            environment: environment.map(Arc::from),
            opened,
            deployment: deployment.map(FactId::from),
            source: source(origin),
        }));
    }

    pub(crate) fn put_recovery(&mut self, incident: &str, at: Timestamp, origin: &Origin) {
        self.add(Fact::Recovery(Recovery {
            incident: FactId::from(incident),
            at,
            source: source(origin),
        }));
    }

    pub(crate) fn put_rollback(
        &mut self,
        id: &str,
        component: &str,
        environment: &str,
        at: Timestamp,
        release: &str,
        origin: &Origin,
    ) {
        self.add(Fact::Rollback(Rollback {
            id: FactId::from(id),
            component: component.into(),
            environment: environment.into(),
            production: environment == "production",
            at,
            release: release.into(),
            source: source(origin),
        }));
    }

    pub(crate) fn add_problem_at(&mut self, origin: &Origin, reason: &str) {
        self.insert_problem(Problem {
            source: source(origin),
            reason: reason.to_owned(),
        });
    }
}
