use pipeline_core::{
    DecodeError, DeploymentFailed, EnvironmentEvent, Event, IncidentEvent, RolledBack, Tier,
};

use super::delivered::Delivered;
use super::deployed_text;
use crate::facts::{DeploymentRow, Key, SourceId};
use crate::moment::micros;
use crate::{
    Deployment, DeploymentKind, DeploymentResult, Fact, FactSource, Facts, Incident, Phases, Recovery,
    Rollback,
};

impl Facts {
    /// Adds what an event of a journal says. Most events say nothing about delivery and are ignored.
    ///
    /// | event | fact |
    /// |---|---|
    /// | `environment.deployed`, unless `unchanged` | a successful [`Deployment`], and a [`Change`](crate::Change) for each revision |
    /// | `environment.deployment-failed` | a failed [`Deployment`] |
    /// | `environment.rolled-back` | a [`Rollback`] |
    /// | `incident.opened` | an [`Incident`] |
    /// | `incident.resolved` | a [`Recovery`] |
    ///
    /// An event of these families that cannot be read, because it was erased or a newer program wrote it,
    /// becomes a [`Problem`](crate::Problem). Of a deployment only what its facts need is read: what is wrong with its
    /// configuration is no problem here. An event that was read before changes nothing, so a caller may
    /// read a journal again from any cursor. Facts are named by the event alone, as `stream#position`, and incidents
    /// by their stream: journals of several hosts whose environments have equal names need a [`Facts`] each.
    pub fn add_event(&mut self, event: &Event) {
        let told = match &*event.kind {
            // They say nothing about delivery, so it does not matter whether they can be read.
            "environment.locked" | "environment.released" | "environment.verified" => Ok(()),
            "environment.deployed" => self.add_deployed(event),
            kind if kind.starts_with("environment.") => self.add_environment(event),
            kind if kind.starts_with("incident.") => self.add_incident(event),
            _ => Ok(()),
        };
        if let Err(error) = told {
            self.add_problem(source(event), &error);
        }
    }

    /// Adds what some events of a journal say; see [`add_event`](Self::add_event).
    pub fn add_events<'e>(&mut self, events: impl IntoIterator<Item = &'e Event>) {
        for event in events {
            self.add_event(event);
        }
    }

    fn add_deployed(&mut self, event: &Event) -> Result<(), DecodeError> {
        let text = event.payload.as_json();
        if let Some(delivered) = text.and_then(|text| deployed_text::read(event.version, text)) {
            self.add_delivered(event, &delivered);
            return Ok(());
        }
        self.add_environment(event)
    }

    fn add_environment(&mut self, event: &Event) -> Result<(), DecodeError> {
        match event.read::<EnvironmentEvent>()?.as_deref() {
            Some(EnvironmentEvent::Deployed(deployed)) => self.add_delivered(event, &deployed.into()),
            Some(EnvironmentEvent::DeploymentFailed(attempt)) => self.add_failed(event, attempt),
            Some(EnvironmentEvent::RolledBack(back)) => self.add_rolled_back(event, back),
            _ => {}
        }
        Ok(())
    }

    /// Adds a deployment and its revisions, each of which is a change.
    fn add_delivered(&mut self, event: &Event, delivered: &Delivered<'_>) {
        if delivered.unchanged {
            return;
        }
        let component = self.names.intern(&delivered.component);
        let source = SourceId::new(source(event), &mut self.names);
        let keys: Vec<_> = delivered
            .revisions()
            .map(|brought| {
                let key = Key::new(component, brought.sha, &mut self.names);
                (key, key.hash())
            })
            .collect();
        let first = self.deployments.lists.len();
        self.revisions.intern_all(&keys, &mut self.deployments.lists);
        for (row, brought) in (first..).zip(delivered.revisions()) {
            let revision = self.deployments.lists[row];
            self.set_change(revision, brought.at, Phases::default(), source);
        }
        let row = self.deployments.intern(&id(event));
        let fresh = DeploymentRow {
            finished: micros(event.at),
            started: delivered.started,
            source,
            component,
            environment: self.names.intern(event.stream.name()),
            version: self.names.intern(&delivered.version),
            release: self.names.intern(&delivered.release),
            first: first as u32,
            count: keys.len() as u32,
            production: Some(delivered.production),
            result: DeploymentResult::Success,
            kind: delivered.kind,
            ..DeploymentRow::NAMED
        };
        self.set_deployment(row, fresh);
    }

    fn add_failed(&mut self, event: &Event, attempt: &DeploymentFailed) {
        let release = attempt.release_digest.as_ref().map(ToString::to_string);
        self.add(Fact::Deployment(Deployment {
            id: &id(event),
            component: attempt.component.as_str(),
            environment: event.stream.name(),
            production: Some(attempt.tier == Tier::Production),
            started: Some(attempt.started_at),
            finished: event.at,
            result: DeploymentResult::Failure,
            // The event does not say why it was tried, and a failed attempt is in no rate of rework.
            kind: DeploymentKind::Planned,
            version: None,
            release: release.as_deref(),
            team: None,
            changes: Vec::new(),
            source: source(event),
        }));
    }

    fn add_rolled_back(&mut self, event: &Event, back: &RolledBack) {
        self.add(Fact::Rollback(Rollback {
            id: &id(event),
            component: back.component.as_str(),
            environment: event.stream.name(),
            production: Some(back.tier == Tier::Production),
            at: event.at,
            release: &back.from.to_string(),
            source: source(event),
        }));
    }

    fn add_incident(&mut self, event: &Event) -> Result<(), DecodeError> {
        let id = event.stream.as_str();
        match event.read::<IncidentEvent>()?.as_deref() {
            Some(IncidentEvent::Opened(opened)) => {
                let deployment = opened.deployment.as_ref().map(ToString::to_string);
                self.add(Fact::Incident(Incident {
                    id,
                    component: opened.component.as_str(),
                    environment: opened.environment.as_ref().map(|name| name.as_str()),
                    opened: event.at,
                    deployment: deployment.as_deref(),
                    changes: Vec::new(),
                    source: source(event),
                }));
            }
            Some(IncidentEvent::Resolved(_)) => self.add(Fact::Recovery(Recovery {
                incident: id,
                at: event.at,
                source: source(event),
            })),
            _ => {}
        }
        Ok(())
    }
}

fn source(event: &Event) -> FactSource<'_> {
    FactSource::Event {
        stream: event.stream.as_str(),
        position: event.position,
    }
}

/// The event's name, as `stream#position`.
fn id(event: &Event) -> String {
    event.reference().to_string()
}
