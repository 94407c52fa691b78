use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::CdEvents;
use super::event::CdEvent;
use crate::source::RecordError;
use crate::{
    Change, Deployment, DeploymentKind, DeploymentResult, EnvironmentChange, EnvironmentFact, Fact, Facts,
    Flow, FlowFact, Incident, Origin, Phases, Recovery, Removal, Rollback, Sha, StageTime, Wait, WaitCause,
};

/// A service in an environment.
type Place<'e> = (&'e str, &'e str);

/// What is known of a change.
#[derive(Default)]
struct ChangeTimes<'e> {
    phases: Phases,
    repository: Option<&'e str>,
    origin: Option<&'e Origin>,
}

/// What some events say together.
#[derive(Default)]
struct Joined<'e> {
    changes: BTreeMap<&'e str, ChangeTimes<'e>>,
    /// The changes in an artifact.
    packaged: BTreeMap<&'e str, BTreeSet<&'e str>>,
    /// What went live where, by time.
    live: BTreeMap<Place<'e>, Vec<(Timestamp, &'e CdEvent, &'e Origin)>>,
}

impl CdEvents {
    /// Puts together what events say of one another.
    pub(super) fn join(&self, facts: &mut Facts, flow: &mut Flow) {
        let joined = self.joined();
        joined.deployments(facts);
        joined.changes(facts);
        for (event, origin) in &self.events {
            match (&*event.kind, &*event.predicate) {
                ("incident", "resolved") => facts.add(Fact::Recovery(Recovery {
                    incident: &event.subject,
                    at: event.at,
                    source: origin.as_source(),
                })),
                ("incident", _) => self.incident(event, origin, &joined, facts),
                ("service", "removed") => flow.add(FlowFact::Removal(Removal {
                    component: event.subject.as_str().into(),
                    environment: environment(event).into(),
                    at: event.at,
                    origin: origin.clone(),
                })),
                ("environment", predicate) => flow.add(FlowFact::Environment(EnvironmentFact {
                    environment: event.subject.as_str().into(),
                    at: event.at,
                    change: match predicate {
                        "created" => EnvironmentChange::Created,
                        "deleted" => EnvironmentChange::Deleted,
                        _ => EnvironmentChange::Modified,
                    },
                    origin: origin.clone(),
                })),
                ("approval", _) => flow.add(FlowFact::Wait(approval(event, origin))),
                _ => {}
            }
        }
        self.runs(flow);
    }

    fn joined(&self) -> Joined<'_> {
        let mut joined = Joined::default();
        for (event, origin) in &self.events {
            match (&*event.kind, &*event.predicate) {
                ("change", predicate) => {
                    let change = joined.changes.entry(&event.subject).or_default();
                    let phase = match predicate {
                        "created" => &mut change.phases.opened,
                        "reviewed" => &mut change.phases.reviewed,
                        _ => &mut change.phases.merged,
                    };
                    *phase = Some(phase.map_or(event.at, |at| at.min(event.at)));
                    let repository = event.content.repository.as_ref().map(|one| &*one.id);
                    change.repository = change.repository.or(repository);
                    if predicate == "merged" {
                        change.origin = change.origin.into_iter().chain([origin]).min();
                    }
                }
                ("artifact", _) => {
                    if let Some(change) = &event.content.change {
                        joined
                            .packaged
                            .entry(&event.subject)
                            .or_default()
                            .insert(&change.id);
                    }
                }
                ("service", "deployed" | "upgraded" | "rolledback" | "published") => {
                    let live = joined
                        .live
                        .entry((&event.subject, environment(event)))
                        .or_default();
                    live.push((event.at, event, origin));
                }
                _ => {}
            }
        }
        for live in joined.live.values_mut() {
            live.sort_by_key(|(at, event, _)| (*at, *event));
        }
        joined
    }

    fn incident(&self, event: &CdEvent, origin: &Origin, joined: &Joined<'_>, facts: &mut Facts) {
        let place = event.content.environment.as_ref().map(|one| &*one.id);
        let artifact = event.content.artifact_id.as_deref();
        let service = event.content.service.as_ref().map(|one| &*one.id);
        // Whose artifact it is, if one service alone has it.
        let of_artifact = || {
            let mut with = joined.live.iter().filter(|(_, live)| {
                let has = |(_, event, _): &(_, &CdEvent, _)| event.content.artifact_id.as_deref() == artifact;
                artifact.is_some() && live.iter().any(has)
            });
            let ((service, _), _) = with.next()?;
            with.all(|((other, _), _)| other == service).then_some(*service)
        };
        let component = service.or_else(of_artifact).or(self.options.component.as_deref());
        let Some(component) = component else {
            let error = RecordError::Missing {
                kind: format!("incident.{}", event.predicate),
                field: "service",
            };
            facts.add_problem(origin.as_source(), &error);
            return;
        };
        let live = place.and_then(|place| joined.live.get(&(component, place)));
        let cause = live.into_iter().flatten().rev().find(|(at, one, _)| {
            let same = artifact.is_some() && one.content.artifact_id.as_deref() == artifact;
            *at <= event.at && same && one.predicate != "rolledback"
        });
        let deployment = cause.map(|(_, event, _)| id(event));
        facts.add(Fact::Incident(Incident {
            id: &event.subject,
            component,
            environment: place,
            opened: event.at,
            deployment: deployment.as_deref(),
            changes: Vec::new(),
            source: origin.as_source(),
        }));
    }

    /// Runs, their tasks and the like.
    fn runs(&self, flow: &mut Flow) {
        let has_tasks: BTreeSet<&str> = self
            .events
            .keys()
            .filter(|event| event.kind == "taskrun")
            .filter_map(|event| event.content.pipeline_run.as_ref().map(|run| &*run.id))
            .collect();
        // A start alone says nothing about a queue.
        let queued: BTreeSet<(&str, &str)> = self
            .events
            .keys()
            .filter(|event| event.predicate == "queued")
            .map(|event| (&*event.kind, &*event.subject))
            .collect();
        for (event, origin) in &self.events {
            let content = &event.content;
            let stage = match &*event.kind {
                "taskrun" => content.task_name.as_deref(),
                "pipelinerun" => content.pipeline_name.as_deref(),
                "build" => Some("build"),
                "testsuiterun" => {
                    let suite = content.test_suite.as_ref();
                    Some(suite.map_or("test", |suite| suite.name.as_deref().unwrap_or(&suite.id)))
                }
                _ => continue,
            };
            let run = content.pipeline_run.as_ref().map(|run| &*run.id);
            let own = (event.kind == "pipelinerun").then_some(&*event.subject);
            let item: Option<Arc<str>> = run.or(own).or(event.chain.as_deref()).map(Arc::from);
            let name = format!("{}/{}", event.kind, event.subject);
            let has_queue = queued.contains(&(&*event.kind, &*event.subject));
            if has_queue && event.predicate != "finished" {
                let mut wait = Wait::new(format!("{name}/queue"), WaitCause::Queue, origin.clone());
                wait.item = item.clone();
                wait.stage = stage.map(Arc::from);
                match &*event.predicate {
                    "queued" => wait.since = Some(event.at),
                    _ => wait.until = Some(event.at),
                }
                flow.add(FlowFact::Wait(wait));
            }
            if own.is_some_and(|run| has_tasks.contains(run)) {
                continue;
            }
            let mut time = StageTime::new(name, origin.clone());
            time.item = item;
            time.stage = stage.map(Arc::from);
            match &*event.predicate {
                "queued" => time.ready = Some(event.at),
                "started" => time.started = Some(event.at),
                _ => time.finished = Some(event.at),
            }
            flow.add(FlowFact::StageTime(time));
        }
    }
}

impl Joined<'_> {
    fn deployments(&self, facts: &mut Facts) {
        for ((service, environment), live) in &self.live {
            let mut before: Option<&str> = None;
            for (at, event, origin) in live {
                let artifact = event.content.artifact_id.as_deref();
                if event.predicate == "rolledback" {
                    // What it was before is not known when nothing was deployed: then the link leads nowhere, and
                    // is reported so.
                    facts.add(Fact::Rollback(Rollback {
                        id: &id(event),
                        component: service,
                        environment,
                        production: None,
                        at: *at,
                        release: before.unwrap_or(""),
                        source: origin.as_source(),
                    }));
                } else {
                    let changes = artifact.and_then(|name| self.packaged.get(name));
                    facts.add(Fact::Deployment(Deployment {
                        id: &id(event),
                        component: service,
                        environment,
                        production: None,
                        started: None,
                        finished: *at,
                        result: DeploymentResult::Success,
                        kind: DeploymentKind::Planned,
                        version: artifact,
                        release: artifact,
                        team: None,
                        changes: changes.into_iter().flatten().map(|sha| Sha::new(sha)).collect(),
                        source: origin.as_source(),
                    }));
                }
                before = artifact.or(before);
            }
        }
    }

    /// Each change, for every service that it came to; for its repository, if it came to none.
    fn changes(&self, facts: &mut Facts) {
        let mut services: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for ((service, _), live) in &self.live {
            for (_, event, _) in live {
                let artifact = event.content.artifact_id.as_deref();
                for change in artifact
                    .and_then(|name| self.packaged.get(name))
                    .into_iter()
                    .flatten()
                {
                    services.entry(change).or_default().insert(service);
                }
            }
        }
        for (sha, change) in &self.changes {
            let (Some(merged), Some(origin)) = (change.phases.merged, change.origin) else {
                continue;
            };
            let repository = [change.repository.unwrap_or("unknown")];
            let components: Vec<&str> = match services.get(sha) {
                Some(services) => services.iter().copied().collect(),
                None => repository.to_vec(),
            };
            for component in components {
                facts.add(Fact::Change(Change {
                    component,
                    sha: Sha::new(sha),
                    at: merged,
                    phases: change.phases,
                    source: origin.as_source(),
                }));
            }
        }
    }
}

fn environment(event: &CdEvent) -> &str {
    event.content.environment.as_ref().map_or("", |one| &one.id)
}

/// An event is told by who sent it and its id there; the kind is part of it for senders that number each kind.
fn id(event: &CdEvent) -> String {
    format!(
        "{}.{}:{}#{}",
        event.kind, event.predicate, event.context_source, event.context_id
    )
}

fn approval(event: &CdEvent, origin: &Origin) -> Wait {
    let mut wait = Wait::new(
        format!("approval/{}", event.subject),
        WaitCause::Approval,
        origin.clone(),
    );
    wait.item = event.chain.as_deref().map(Arc::from);
    wait.on = event.content.responder.as_deref().map(Arc::from);
    match &*event.predicate {
        "created" => wait.since = Some(event.at),
        "closed" => wait.until = Some(event.at),
        _ => {}
    }
    wait
}
