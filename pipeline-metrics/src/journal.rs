use pipeline_core::{
    DecodeError, Deployed, DeploymentFailed, EnvironmentEvent, Event, IncidentEvent, Purpose, Revision,
    RolledBack, Tier,
};

use crate::{
    Change, Deployment, DeploymentKind, DeploymentResult, Fact, FactSource, Facts, Incident, Phases,
    Recovery, Rollback, Sha,
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
    /// read a journal again from any cursor. Facts are named by the event alone, as `stream#position`, and incidents
    /// by their stream: journals of several hosts whose environments have equal names need a [`Facts`] each.
    pub fn add_event(&mut self, event: &Event) {
        if let Err(error) = facts_of(event, |fact| self.add(fact)) {
            self.add_problem(source(event), &error);
        }
    }

    /// Adds what some events of a journal say; see [`add_event`](Self::add_event).
    pub fn add_events<'e>(&mut self, events: impl IntoIterator<Item = &'e Event>) {
        for event in events {
            self.add_event(event);
        }
    }
}

fn source(event: &Event) -> FactSource<'_> {
    FactSource::Event {
        stream: event.stream.as_str(),
        position: event.position,
    }
}

/// Hands out what an event says.
pub(crate) fn facts_of(event: &Event, mut add: impl FnMut(Fact<'_>)) -> Result<(), DecodeError> {
    match &*event.kind {
        // They say nothing about delivery, so it does not matter whether they can be read.
        "environment.locked" | "environment.released" | "environment.verified" => Ok(()),
        kind if kind.starts_with("environment.") => environment(event, &mut add),
        kind if kind.starts_with("incident.") => incident(event, &mut add),
        _ => Ok(()),
    }
}

fn environment(event: &Event, add: &mut impl FnMut(Fact<'_>)) -> Result<(), DecodeError> {
    let id = event.reference().to_string();
    match event.read::<EnvironmentEvent>()?.as_deref() {
        Some(EnvironmentEvent::Deployed(deployed)) if !deployed.unchanged => {
            for revision in revisions(deployed) {
                add(Fact::Change(Change {
                    component: deployed.release.component.as_str(),
                    sha: Sha::new(revision.id.as_str()),
                    at: revision.at,
                    phases: Phases::default(),
                    source: source(event),
                }));
            }
            succeeded(event, &id, deployed, add);
        }
        Some(EnvironmentEvent::DeploymentFailed(attempt)) => failed(event, &id, attempt, add),
        Some(EnvironmentEvent::RolledBack(back)) => rolled_back(event, &id, back, add),
        _ => {}
    }
    Ok(())
}

fn incident(event: &Event, add: &mut impl FnMut(Fact<'_>)) -> Result<(), DecodeError> {
    let id = event.stream.as_str();
    match event.read::<IncidentEvent>()?.as_deref() {
        Some(IncidentEvent::Opened(opened)) => {
            let deployment = opened.deployment.as_ref().map(ToString::to_string);
            add(Fact::Incident(Incident {
                id,
                component: opened.component.as_str(),
                environment: opened.environment.as_ref().map(|name| name.as_str()),
                opened: event.at,
                deployment: deployment.as_deref(),
                changes: Vec::new(),
                source: source(event),
            }));
        }
        Some(IncidentEvent::Resolved(_)) => add(Fact::Recovery(Recovery {
            incident: id,
            at: event.at,
            source: source(event),
        })),
        _ => {}
    }
    Ok(())
}

/// The revisions that a deployment brought. That of the run is mostly one of the list; not where the host
/// does not say what is new.
fn revisions(deployed: &Deployed) -> impl Iterator<Item = &Revision> {
    let listed = |revision: &&Revision| deployed.revisions.iter().any(|other| other.id == revision.id);
    let own = deployed.revision.iter().filter(move |revision| !listed(revision));
    own.chain(&deployed.revisions)
}

fn succeeded(event: &Event, id: &str, deployed: &Deployed, add: &mut impl FnMut(Fact<'_>)) {
    let (version, release) = (
        deployed.release.version.to_string(),
        deployed.release_digest.to_string(),
    );
    add(Fact::Deployment(Deployment {
        id,
        component: deployed.release.component.as_str(),
        environment: event.stream.name(),
        production: Some(deployed.tier == Tier::Production),
        started: Some(deployed.started_at),
        finished: event.at,
        result: DeploymentResult::Success,
        kind: match deployed.purpose {
            Purpose::Planned => DeploymentKind::Planned,
            Purpose::Rework => DeploymentKind::Rework,
        },
        version: Some(&version),
        release: Some(&release),
        team: None,
        changes: revisions(deployed)
            .map(|revision| Sha::new(revision.id.as_str()))
            .collect(),
        source: source(event),
    }));
}

fn failed(event: &Event, id: &str, attempt: &DeploymentFailed, add: &mut impl FnMut(Fact<'_>)) {
    let release = attempt.release_digest.as_ref().map(ToString::to_string);
    add(Fact::Deployment(Deployment {
        id,
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

fn rolled_back(event: &Event, id: &str, back: &RolledBack, add: &mut impl FnMut(Fact<'_>)) {
    let release = back.from.to_string();
    add(Fact::Rollback(Rollback {
        id,
        component: back.component.as_str(),
        environment: event.stream.name(),
        production: Some(back.tier == Tier::Production),
        at: event.at,
        release: &release,
        source: source(event),
    }));
}
