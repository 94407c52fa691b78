use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::hash::Hash;
use std::sync::Arc;

use serde::Serialize;

use crate::{Change, Deployment, Fact, FactId, FactSource, Incident, Recovery, Rollback, Window};

/// Something that could not be read, and so is in no number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where.
    pub source: FactSource,
    /// Why, outermost cause first.
    pub reason: String,
}

/// The facts that metrics are computed from.
///
/// A set: the order in which facts arrive never matters, and a fact that arrives again counts once. When
/// two facts with the same name say different things, the one with the earliest time wins, for later
/// times are mostly those of an update; of two recoveries the latest wins, for an incident that was opened
/// again is over when it is over for good. Between equal times, the rest of the fact decides by value.
///
/// Everything here can be rebuilt from the journal or the logs; it is a source of truth of nothing.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// By component, then by sha.
    pub(crate) changes: HashMap<Arc<str>, HashMap<Arc<str>, Change>>,
    pub(crate) deployments: HashMap<FactId, Deployment>,
    pub(crate) incidents: HashMap<FactId, Incident>,
    /// By incident.
    pub(crate) recoveries: HashMap<FactId, Recovery>,
    pub(crate) rollbacks: HashMap<FactId, Rollback>,
    problems: BTreeMap<FactSource, Problem>,
}

impl Facts {
    /// No facts yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fact.
    pub fn add(&mut self, fact: Fact) {
        match fact {
            Fact::Change(change) => {
                let of_component = match self.changes.get_mut(&change.component) {
                    Some(changes) => changes,
                    None => self.changes.entry(Arc::clone(&change.component)).or_default(),
                };
                keep(of_component, Arc::clone(&change.sha), change, |new, old| {
                    (new.at, &new.source) < (old.at, &old.source)
                });
            }
            Fact::Deployment(deployment) => {
                keep(
                    &mut self.deployments,
                    deployment.id.clone(),
                    deployment,
                    |new, old| rank_deployment(new) < rank_deployment(old),
                );
            }
            Fact::Incident(incident) => {
                keep(&mut self.incidents, incident.id.clone(), incident, |new, old| {
                    rank_incident(new) < rank_incident(old)
                });
            }
            Fact::Recovery(recovery) => {
                let incident = recovery.incident.clone();
                keep(&mut self.recoveries, incident, recovery, |new, old| {
                    (new.at, &old.source) > (old.at, &new.source)
                });
            }
            Fact::Rollback(rollback) => {
                keep(&mut self.rollbacks, rollback.id.clone(), rollback, |new, old| {
                    rank_rollback(new) < rank_rollback(old)
                });
            }
        }
    }

    /// Adds a problem; one for each source.
    pub(crate) fn add_problem(&mut self, source: FactSource, error: &dyn Error) {
        let mut reason = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            reason.push_str(": ");
            reason.push_str(&error.to_string());
            cause = error.source();
        }
        let problem = Problem {
            source: source.clone(),
            reason,
        };
        self.problems.insert(source, problem);
    }

    pub(crate) fn insert_problem(&mut self, problem: Problem) {
        self.problems.insert(problem.source.clone(), problem);
    }

    /// The changes, in no particular order.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.changes.values().flat_map(HashMap::values)
    }

    /// The deployments, in no particular order.
    pub fn deployments(&self) -> impl Iterator<Item = &Deployment> {
        self.deployments.values()
    }

    /// The incidents, in no particular order.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values()
    }

    /// The ends of incidents, in no particular order.
    pub fn recoveries(&self) -> impl Iterator<Item = &Recovery> {
        self.recoveries.values()
    }

    /// The rollbacks, in no particular order.
    pub fn rollbacks(&self) -> impl Iterator<Item = &Rollback> {
        self.rollbacks.values()
    }

    /// What could not be read, in the order of the sources.
    pub fn problems(&self) -> impl ExactSizeIterator<Item = &Problem> {
        self.problems.values()
    }

    /// The shortest row of whole ISO weeks with all deployments that went live in production: the window
    /// for "everything". `None` when there is none.
    pub fn weeks(&self) -> Option<Window> {
        let live = || self.deployments().filter(|deployment| deployment.is_live());
        let first = live().map(|deployment| deployment.finished).min()?;
        let last = live().map(|deployment| deployment.finished).max()?;
        Window::new(Window::week_of(first).start(), Window::week_of(last).end()).ok()
    }
}

impl Extend<Fact> for Facts {
    fn extend<I: IntoIterator<Item = Fact>>(&mut self, facts: I) {
        for fact in facts {
            self.add(fact);
        }
    }
}

impl FromIterator<Fact> for Facts {
    fn from_iter<I: IntoIterator<Item = Fact>>(facts: I) -> Self {
        let mut all = Self::new();
        all.extend(facts);
        all
    }
}

fn keep<K: Eq + Hash, V>(map: &mut HashMap<K, V>, key: K, new: V, wins: impl Fn(&V, &V) -> bool) {
    match map.entry(key) {
        Entry::Vacant(place) => {
            place.insert(new);
        }
        Entry::Occupied(mut place) => {
            if wins(&new, place.get()) {
                place.insert(new);
            }
        }
    }
}

// Total orders over whole facts, the time first, so that no order of arrival shows.

fn rank_deployment(deployment: &Deployment) -> impl Ord {
    let Deployment {
        id: _,
        component,
        environment,
        production,
        finished,
        started,
        result,
        kind,
        revisions,
        release,
        source,
    } = deployment;
    let what = (component, environment, production, result, kind);
    (finished, what, started, revisions, release, source)
}

fn rank_incident(incident: &Incident) -> impl Ord {
    let Incident {
        id: _,
        component,
        environment,
        opened,
        deployment,
        source,
    } = incident;
    (opened, component, environment, deployment, source)
}

fn rank_rollback(rollback: &Rollback) -> impl Ord {
    let Rollback {
        id: _,
        component,
        environment,
        production,
        at,
        release,
        source,
    } = rollback;
    (at, component, environment, production, release, source)
}
