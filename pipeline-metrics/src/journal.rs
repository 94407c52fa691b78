use pipeline_core::{
    DecodeError, Deployed, DeploymentFailed, EnvironmentEvent, Event, IncidentEvent, Purpose, Revision,
    RolledBack, Tier,
};

use crate::{
    Change, Deployment, DeploymentKind, DeploymentResult, Fact, FactId, FactSource, Facts, Incident,
    Recovery, Rollback,
};

impl Facts {
    /// Adds what an event of a journal says. Most events say nothing about delivery and are ignored.
    ///
    /// | event | fact |
    /// |---|---|
    /// | `environment.deployed`, unless `unchanged` | a successful [`Deployment`], and a [`Change`] for each revision |
    /// | `environment.deployment-failed` | a failed [`Deployment`] |
    /// | `environment.rolled-back` | a [`Rollback`] |
    /// | `incident.opened` | an [`Incident`] |
    /// | `incident.resolved` | a [`Recovery`] |
    ///
    /// An event of these families that cannot be read, because it was erased or a newer program wrote it,
    /// becomes a [`Problem`](crate::Problem). An event that was read before changes nothing, so a caller may
    /// read a journal again from any cursor. Facts are named by the event alone: journals of several hosts
    /// whose environments have equal names need a [`Facts`] each.
    pub fn add_event(&mut self, event: &Event) {
        let added = match &*event.kind {
            // They say nothing about delivery, so it does not matter whether they can be read.
            "environment.locked" | "environment.released" | "environment.verified" => Ok(()),
            kind if kind.starts_with("environment.") => self.add_environment_event(event),
            kind if kind.starts_with("incident.") => self.add_incident_event(event),
            _ => Ok(()),
        };
        if let Err(error) = added {
            self.add_problem(FactSource::Event(event.reference()), &error);
        }
    }

    /// Adds what some events of a journal say; see [`add_event`](Self::add_event).
    pub fn add_events<'e>(&mut self, events: impl IntoIterator<Item = &'e Event>) {
        for event in events {
            self.add_event(event);
        }
    }

    fn add_environment_event(&mut self, event: &Event) -> Result<(), DecodeError> {
        match event.read::<EnvironmentEvent>()?.as_deref() {
            Some(EnvironmentEvent::Deployed(deployed)) if !deployed.unchanged => {
                self.extend(changes(event, deployed));
                self.add(Fact::Deployment(succeeded(event, deployed)));
            }
            Some(EnvironmentEvent::DeploymentFailed(attempt)) => {
                self.add(Fact::Deployment(failed(event, attempt)));
            }
            Some(EnvironmentEvent::RolledBack(back)) => self.add(Fact::Rollback(rolled_back(event, back))),
            _ => {}
        }
        Ok(())
    }

    fn add_incident_event(&mut self, event: &Event) -> Result<(), DecodeError> {
        let id = FactId::Text(event.stream.as_str().into());
        let source = FactSource::Event(event.reference());
        match event.read::<IncidentEvent>()?.as_deref() {
            Some(IncidentEvent::Opened(opened)) => self.add(Fact::Incident(Incident {
                id,
                component: opened.component.as_str().into(),
                environment: opened.environment.as_ref().map(|name| name.as_str().into()),
                opened: event.at,
                deployment: opened.deployment.clone().map(FactId::Event),
                source,
            })),
            Some(IncidentEvent::Resolved(_)) => self.add(Fact::Recovery(Recovery {
                incident: id,
                at: event.at,
                source,
            })),
            _ => {}
        }
        Ok(())
    }
}

/// The revisions that a deployment brought. That of the run is mostly one of the list; not where the host
/// does not say what is new.
fn revisions(deployed: &Deployed) -> impl Iterator<Item = &Revision> {
    let listed = |revision: &&Revision| deployed.revisions.iter().any(|other| other.id == revision.id);
    let own = deployed.revision.iter().filter(move |revision| !listed(revision));
    own.chain(&deployed.revisions)
}

fn changes<'d>(event: &'d Event, deployed: &'d Deployed) -> impl Iterator<Item = Fact> + 'd {
    revisions(deployed).map(|revision| {
        Fact::Change(Change {
            component: deployed.release.component.as_str().into(),
            sha: revision.id.as_str().into(),
            at: revision.at,
            source: FactSource::Event(event.reference()),
        })
    })
}

fn succeeded(event: &Event, deployed: &Deployed) -> Deployment {
    Deployment {
        id: FactId::Event(event.reference()),
        component: deployed.release.component.as_str().into(),
        environment: event.stream.name().into(),
        production: deployed.tier == Tier::Production,
        finished: event.at,
        started: Some(deployed.started_at),
        result: DeploymentResult::Success,
        kind: match deployed.purpose {
            Purpose::Planned => DeploymentKind::Planned,
            Purpose::Rework => DeploymentKind::Rework,
        },
        revisions: revisions(deployed)
            .map(|revision| revision.id.as_str().into())
            .collect(),
        release: Some(deployed.release_digest.to_string().into()),
        source: FactSource::Event(event.reference()),
    }
}

fn failed(event: &Event, attempt: &DeploymentFailed) -> Deployment {
    Deployment {
        id: FactId::Event(event.reference()),
        component: attempt.component.as_str().into(),
        environment: event.stream.name().into(),
        production: attempt.tier == Tier::Production,
        finished: event.at,
        started: Some(attempt.started_at),
        result: DeploymentResult::Failure,
        // The event does not say why it was tried, and a failed attempt is in no rate.
        kind: DeploymentKind::Planned,
        revisions: Vec::new(),
        release: attempt
            .release_digest
            .as_ref()
            .map(|digest| digest.to_string().into()),
        source: FactSource::Event(event.reference()),
    }
}

fn rolled_back(event: &Event, back: &RolledBack) -> Rollback {
    Rollback {
        id: FactId::Event(event.reference()),
        component: back.component.as_str().into(),
        environment: event.stream.name().into(),
        production: back.tier == Tier::Production,
        at: event.at,
        release: back.from.to_string().into(),
        source: FactSource::Event(event.reference()),
    }
}
