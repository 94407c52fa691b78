use super::{DeploymentRow, Facts, IncidentRow, NEVER, NONE};
use crate::moment::timestamp;
use crate::{Change, Deployment, FactRef, Incident, Recovery, Rollback, Sha};

impl Facts {
    /// The changes, in no particular order.
    pub fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        self.revisions.committed().map(|row| self.change(row))
    }

    /// The deployments, in no particular order.
    pub fn deployments(&self) -> impl Iterator<Item = Deployment<'_>> {
        let known = (0..)
            .zip(&self.deployments.rows)
            .filter(|(_, row)| row.is_known());
        known.map(|(number, _)| self.deployment(number))
    }

    /// The deployments that were told in different ways under one id, by id: an update, or two sources that chose the
    /// same ids. Each counts once, as the one that is named here, which ended first.
    pub fn retold_deployments(&self) -> impl ExactSizeIterator<Item = FactRef<'_>> {
        let mut retold: Vec<_> = self.deployments.retold.iter().copied().collect();
        retold.sort_unstable_by_key(|&number| self.deployments.ids.get(number));
        retold.into_iter().map(|number| self.deployment_ref(number))
    }

    /// The incidents, in no particular order.
    pub fn incidents(&self) -> impl Iterator<Item = Incident<'_>> {
        let known = (0..).zip(&self.incidents.rows).filter(|(_, row)| row.is_known());
        known.map(|(number, _)| self.incident(number))
    }

    /// The ends of incidents, in no particular order.
    pub fn recoveries(&self) -> impl Iterator<Item = Recovery<'_>> {
        let over = (0..)
            .zip(&self.incidents.rows)
            .filter(|(_, row)| row.resolved != NEVER);
        over.map(|(number, row)| Recovery {
            incident: self.incidents.ids.get(number),
            at: timestamp(row.resolved),
            source: row.resolved_source.get(&self.names),
        })
    }

    /// The rollbacks by engines, by id.
    pub fn rollbacks(&self) -> impl Iterator<Item = Rollback<'_>> {
        self.rollbacks.iter().map(|(id, row)| Rollback {
            id,
            component: self.names.get(row.component),
            environment: self.names.get(row.environment),
            production: row.production,
            at: timestamp(row.at),
            release: self.names.get(row.release),
            source: row.source.get(&self.names),
        })
    }

    pub(crate) fn change(&self, row: u32) -> Change<'_> {
        let key = self.revisions.key(row);
        Change {
            component: self.names.get(key.component()),
            sha: key.sha(&self.names),
            at: timestamp(self.revisions.at(row)),
            phases: self.revisions.phases.get(&row).copied().unwrap_or_default(),
            source: self.revisions.source(row).get(&self.names),
        }
    }

    pub(crate) fn text(&self, number: u32) -> Option<&str> {
        (number != NONE).then(|| self.names.get(number))
    }

    pub(crate) fn sha(&self, revision: u32) -> Sha<'_> {
        self.revisions.key(revision).sha(&self.names)
    }

    fn shas(&self, first: u32, count: u32) -> Vec<Sha<'_>> {
        let list = self.deployments.list(first, count);
        list.iter().map(|&revision| self.sha(revision)).collect()
    }

    pub(crate) fn deployment(&self, number: u32) -> Deployment<'_> {
        self.deployment_of(number, self.deployments.get(number))
    }

    pub(crate) fn deployment_of(&self, number: u32, row: &DeploymentRow) -> Deployment<'_> {
        Deployment {
            id: self.deployments.ids.get(number),
            component: self.names.get(row.component),
            environment: self.names.get(row.environment),
            production: row.production,
            started: (row.started != NEVER).then(|| timestamp(row.started)),
            finished: timestamp(row.finished),
            result: row.result,
            kind: row.kind,
            version: self.text(row.version),
            release: self.text(row.release),
            team: self.text(row.team),
            changes: self.shas(row.first, row.count),
            source: row.source.get(&self.names),
        }
    }

    pub(crate) fn incident(&self, number: u32) -> Incident<'_> {
        self.incident_of(number, self.incidents.get(number))
    }

    pub(crate) fn incident_of(&self, number: u32, row: &IncidentRow) -> Incident<'_> {
        Incident {
            id: self.incidents.ids.get(number),
            component: self.names.get(row.component),
            environment: self.text(row.environment),
            opened: timestamp(row.opened),
            deployment: (row.deployment != NONE).then(|| self.deployments.ids.get(row.deployment)),
            changes: self.shas(row.first, row.count),
            source: row.source.get(&self.names),
        }
    }

    pub(crate) fn deployment_ref(&self, number: u32) -> FactRef<'_> {
        let row = self.deployments.get(number);
        FactRef {
            kind: "deployment",
            id: Sha::new(self.deployments.ids.get(number)),
            at: timestamp(row.finished),
            source: row.source.get(&self.names),
        }
    }

    pub(crate) fn change_ref(&self, revision: u32) -> FactRef<'_> {
        FactRef {
            kind: "change",
            id: self.sha(revision),
            at: timestamp(self.revisions.at(revision)),
            source: self.revisions.source(revision).get(&self.names),
        }
    }

    pub(crate) fn incident_ref(&self, number: u32) -> FactRef<'_> {
        let row = self.incidents.get(number);
        FactRef {
            kind: "incident",
            id: Sha::new(self.incidents.ids.get(number)),
            at: timestamp(row.opened),
            source: row.source.get(&self.names),
        }
    }

    pub(crate) fn recovery_ref(&self, number: u32) -> FactRef<'_> {
        let row = self.incidents.get(number);
        FactRef {
            kind: "recovery",
            id: Sha::new(self.incidents.ids.get(number)),
            at: timestamp(row.resolved),
            source: row.resolved_source.get(&self.names),
        }
    }
}
