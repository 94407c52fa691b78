use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use pipeline_core::Timestamp;

use crate::{
    Change, Deployment, DeploymentResult, FactId, FactRef, Facts, Incident, LeftOut, Reason, Rollback, Window,
};

/// A deployment that brought changes to users for the first time, and one of these changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delivered<'f> {
    pub(crate) change: &'f Change,
    pub(crate) deployment: &'f Deployment,
}

/// What made a deployment a failed one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failure<'f> {
    /// The incident or rollback.
    pub(crate) fact: FactRef<'f>,
    pub(crate) deployment: &'f Deployment,
    /// When users were well again.
    pub(crate) recovered: Option<Timestamp>,
}

/// The facts of one component, linked; each list is sorted by the time that it is windowed by.
#[derive(Debug, Default)]
pub(crate) struct History<'f> {
    /// Went live in production, by finish.
    pub(crate) live: Vec<&'f Deployment>,
    /// Did not, by finish.
    pub(crate) not_live: Vec<LeftOut<'f>>,
    /// By the deployment's finish.
    pub(crate) delivered: Vec<Delivered<'f>>,
    /// Changes that were never delivered, by commit; revisions without a change, by the deployment's finish.
    pub(crate) undelivered: Vec<LeftOut<'f>>,
    /// By the deployment's finish, then by their own beginning.
    pub(crate) failures: Vec<Failure<'f>>,
    /// Incidents and rollbacks that no deployment of users is to blame for, by their own time.
    pub(crate) unattributed: Vec<LeftOut<'f>>,
    /// By their own time.
    pub(crate) rollbacks: Vec<&'f Rollback>,
}

/// Which part of the facts a measure looks at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice<'h, 'f> {
    pub(crate) histories: &'h [History<'f>],
    pub(crate) window: Window,
}

impl<'h, 'f> Slice<'h, 'f> {
    pub(crate) fn live(self) -> impl Iterator<Item = &'f Deployment> + 'h {
        self.each(|history| &history.live, |deployment| deployment.finished)
            .copied()
    }

    pub(crate) fn not_live(self) -> impl Iterator<Item = LeftOut<'f>> + 'h {
        self.left_out(|history| &history.not_live)
    }

    pub(crate) fn delivered(self) -> impl Iterator<Item = Delivered<'f>> + 'h {
        let at = |delivered: &Delivered<'f>| delivered.deployment.finished;
        self.each(|history| &history.delivered, at).copied()
    }

    pub(crate) fn undelivered(self) -> impl Iterator<Item = LeftOut<'f>> + 'h {
        self.left_out(|history| &history.undelivered)
    }

    pub(crate) fn failures(self) -> impl Iterator<Item = Failure<'f>> + 'h {
        let at = |failure: &Failure<'f>| failure.deployment.finished;
        self.each(|history| &history.failures, at).copied()
    }

    pub(crate) fn unattributed(self) -> impl Iterator<Item = LeftOut<'f>> + 'h {
        self.left_out(|history| &history.unattributed)
    }

    /// Rollbacks in production, as things that are no deployment.
    pub(crate) fn rollbacks(self) -> impl Iterator<Item = LeftOut<'f>> + 'h {
        self.each(|history| &history.rollbacks, |rollback| rollback.at)
            .filter(|rollback| rollback.production)
            .map(|rollback| LeftOut {
                fact: FactRef::Rollback(rollback),
                reason: Reason::RollbackDeliversNothing,
            })
    }

    fn left_out(
        self,
        list: impl Fn(&'h History<'f>) -> &'h Vec<LeftOut<'f>> + 'h,
    ) -> impl Iterator<Item = LeftOut<'f>> + 'h {
        self.each(list, |left| left.fact.at()).cloned()
    }

    fn each<T: 'h>(
        self,
        list: impl Fn(&'h History<'f>) -> &'h Vec<T> + 'h,
        at: impl Fn(&T) -> Timestamp + 'h,
    ) -> impl Iterator<Item = &'h T> + 'h {
        let Self { histories, window } = self;
        histories
            .iter()
            .flat_map(move |history| window.slice(list(history), &at))
    }
}

/// Links all facts: one history for each component.
pub(crate) fn link(facts: &Facts) -> BTreeMap<&str, History<'_>> {
    let mut histories: HashMap<&str, History<'_>> = HashMap::new();
    for deployment in facts.deployments() {
        let history = histories.entry(&deployment.component).or_default();
        match reason_not_live(deployment) {
            None => history.live.push(deployment),
            Some(reason) => history.not_live.push(LeftOut {
                fact: FactRef::Deployment(deployment),
                reason,
            }),
        }
    }
    for component in facts.changes.keys() {
        histories.entry(component).or_default();
    }
    for (component, history) in &mut histories {
        history.live.sort_by_key(|deployment| position(deployment));
        deliver(facts, component, history);
    }
    attribute(facts, &mut histories);
    for history in histories.values_mut() {
        for list in [
            &mut history.not_live,
            &mut history.undelivered,
            &mut history.unattributed,
        ] {
            list.sort_by(|a, b| (a.fact.rank(), &a.reason).cmp(&(b.fact.rank(), &b.reason)));
        }
        history
            .rollbacks
            .sort_by_key(|rollback| (rollback.at, &rollback.id));
    }
    histories.into_iter().collect()
}

fn reason_not_live(deployment: &Deployment) -> Option<Reason> {
    if !deployment.production {
        Some(Reason::NotProduction)
    } else if deployment.result == DeploymentResult::Failure {
        Some(Reason::NeverLive)
    } else {
        None
    }
}

/// Finds the deployment that brought each change to users first.
fn deliver<'f>(facts: &'f Facts, component: &str, history: &mut History<'f>) {
    let changes = facts.changes.get(component);
    let mut seen = HashSet::new();
    for &deployment in &history.live {
        for sha in &deployment.revisions {
            if !seen.insert(&**sha) {
                continue;
            }
            match changes.and_then(|changes| changes.get(sha)) {
                Some(change) => history.delivered.push(Delivered { change, deployment }),
                None => history.undelivered.push(LeftOut {
                    fact: FactRef::Deployment(deployment),
                    reason: Reason::UnknownRevision(Arc::clone(sha)),
                }),
            }
        }
    }
    let waiting = changes.into_iter().flat_map(HashMap::values);
    for change in waiting.filter(|change| !seen.contains(&*change.sha)) {
        history.undelivered.push(LeftOut {
            fact: FactRef::Change(change),
            reason: Reason::NotDelivered,
        });
    }
}

/// Finds the deployment that each incident and rollback is the fault of.
fn attribute<'f>(facts: &'f Facts, histories: &mut HashMap<&'f str, History<'f>>) {
    let mut failures = Vec::new();
    for incident in facts.incidents() {
        let fact = FactRef::Incident(incident);
        match blame_incident(facts, histories, incident) {
            Ok(deployment) => {
                let recovered = facts.recoveries.get(&incident.id).map(|recovery| recovery.at);
                failures.push(Failure {
                    fact,
                    deployment,
                    recovered,
                });
            }
            Err(reason) => {
                let history = histories.entry(&incident.component).or_default();
                history.unattributed.push(LeftOut { fact, reason });
            }
        }
    }
    let by_release = by_release(facts);
    for rollback in facts.rollbacks() {
        let fact = FactRef::Rollback(rollback);
        let blamed = blame_rollback(&by_release, rollback);
        let history = histories.entry(&rollback.component).or_default();
        history.rollbacks.push(rollback);
        match blamed {
            Ok(deployment) => failures.push(Failure {
                fact,
                deployment,
                recovered: Some(rollback.at),
            }),
            Err(reason) => history.unattributed.push(LeftOut { fact, reason }),
        }
    }
    failures.sort_by_key(|failure| (position(failure.deployment), failure.fact.rank()));
    for failure in failures {
        let deployment = failure.deployment;
        histories
            .entry(&deployment.component)
            .or_default()
            .failures
            .push(failure);
    }
}

fn blame_incident<'f>(
    facts: &'f Facts,
    histories: &HashMap<&'f str, History<'f>>,
    incident: &Incident,
) -> Result<&'f Deployment, Reason> {
    if let Some(id) = &incident.deployment {
        let deployment = facts.deployments.get(id).ok_or(Reason::UnknownDeployment)?;
        return reason_not_live(deployment).map_or(Ok(deployment), Err);
    }
    let live = histories
        .get(&*incident.component)
        .map_or(&[][..], |history| &history.live);
    let before = live.partition_point(|deployment| deployment.finished <= incident.opened);
    let there = |deployment: &&&Deployment| match &incident.environment {
        Some(environment) => deployment.environment == *environment,
        None => true,
    };
    live[..before]
        .iter()
        .rev()
        .find(there)
        .copied()
        .ok_or(Reason::NoDeployment)
}

type Attempts<'f> = HashMap<(&'f str, &'f str, &'f str), Vec<&'f Deployment>>;

/// All attempts to deploy, by component, environment and release, each list by finish.
fn by_release(facts: &Facts) -> Attempts<'_> {
    let mut attempts: Attempts<'_> = HashMap::new();
    for rollback in facts.rollbacks() {
        attempts.insert(
            (&rollback.component, &rollback.environment, &rollback.release),
            Vec::new(),
        );
    }
    for deployment in facts.deployments() {
        let Some(release) = &deployment.release else {
            continue;
        };
        let key = (&*deployment.component, &*deployment.environment, &**release);
        if let Entry::Occupied(mut list) = attempts.entry(key) {
            list.get_mut().push(deployment);
        }
    }
    for list in attempts.values_mut() {
        list.sort_by_key(|deployment| position(deployment));
    }
    attempts
}

fn blame_rollback<'f>(attempts: &Attempts<'f>, rollback: &'f Rollback) -> Result<&'f Deployment, Reason> {
    if !rollback.production {
        return Err(Reason::NotProduction);
    }
    let key = (&*rollback.component, &*rollback.environment, &*rollback.release);
    let list = attempts.get(&key).map_or(&[][..], Vec::as_slice);
    let before = list.partition_point(|deployment| position(deployment) < (rollback.at, &rollback.id));
    let deployment = *list[..before].last().ok_or(Reason::UnknownDeployment)?;
    reason_not_live(deployment).map_or(Ok(deployment), Err)
}

fn position(deployment: &Deployment) -> (Timestamp, &FactId) {
    (deployment.finished, &deployment.id)
}
