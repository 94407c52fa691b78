use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::fact::earlier;
use super::{
    ChangeKind, EnvironmentChange, EnvironmentFact, FlowFact, Hold, ManualWork, Removal, StageTime, Wait,
};

/// How work flows: stage times, waits, use of environments, work by hand. What the five numbers of DORA do not
/// need, and the further [figures](crate::figures) do.
///
/// A set, as [`Facts`](crate::Facts) is: the order in which facts arrive never matters, and one that arrives
/// again changes nothing. Facts with one id are pieces of one: each known field is kept; where two pieces
/// contradict each other, the earlier beginning and the later end win.
///
/// ```
/// use pipeline_metrics::{Flow, FlowFact, Origin, StageTime};
///
/// let origin = |line| Origin::Line { file: "ci.jsonl".into(), line };
/// let mut started = StageTime::new("build-7", origin(1));
/// started.started = Some("2025-01-06T08:00:00Z".parse()?);
/// let mut finished = StageTime::new("build-7", origin(2));
/// finished.finished = Some("2025-01-06T08:10:00Z".parse()?);
///
/// // The end comes first, and twice.
/// let again = finished.clone();
/// let flow: Flow = [finished, started, again].map(FlowFact::StageTime).into_iter().collect();
/// let build = flow.stage_times().next().ok_or("no build")?;
/// assert!(build.started.is_some() && build.finished.is_some());
/// assert_eq!(flow.stage_times().count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Flow {
    stage_times: BTreeMap<Arc<str>, StageTime>,
    waits: BTreeMap<Arc<str>, Wait>,
    /// The ids of the waits of an item.
    waits_by_item: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    holds: BTreeMap<Arc<str>, Hold>,
    manual: BTreeMap<Arc<str>, ManualWork>,
    environments: BTreeMap<(Arc<str>, Timestamp, EnvironmentChange), EnvironmentFact>,
    removals: BTreeMap<(Arc<str>, Arc<str>, Timestamp), Removal>,
    change_kinds: BTreeMap<Arc<str>, ChangeKind>,
}

impl Flow {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fact, or a piece of one.
    pub fn add(&mut self, fact: FlowFact) {
        match fact {
            FlowFact::StageTime(new) => {
                join(&mut self.stage_times, Arc::clone(&new.id), new, StageTime::merge)
            }
            FlowFact::Wait(new) => {
                if let Some(item) = &new.item {
                    let ids = self.waits_by_item.entry(Arc::clone(item)).or_default();
                    ids.insert(Arc::clone(&new.id));
                }
                join(&mut self.waits, Arc::clone(&new.id), new, Wait::merge);
            }
            FlowFact::Hold(new) => join(&mut self.holds, Arc::clone(&new.id), new, Hold::merge),
            FlowFact::ManualWork(new) => join(&mut self.manual, Arc::clone(&new.id), new, earlier),
            FlowFact::Environment(new) => {
                let key = (Arc::clone(&new.environment), new.at, new.change);
                join(&mut self.environments, key, new, earlier);
            }
            FlowFact::Removal(new) => {
                let key = (Arc::clone(&new.component), Arc::clone(&new.environment), new.at);
                join(&mut self.removals, key, new, earlier);
            }
            FlowFact::ChangeKind(new) => {
                join(&mut self.change_kinds, Arc::clone(&new.deployment), new, earlier)
            }
        }
    }

    /// Passes through stages, by id.
    pub fn stage_times(&self) -> impl Iterator<Item = &StageTime> {
        self.stage_times.values()
    }

    /// Times in which work stood still, by id.
    pub fn waits(&self) -> impl Iterator<Item = &Wait> {
        self.waits.values()
    }

    /// The waits of one item.
    pub(crate) fn waits_of<'f>(&'f self, item: &'f str) -> impl Iterator<Item = &'f Wait> {
        let ids = self.waits_by_item.get(item).into_iter().flatten();
        ids.filter_map(|id| self.waits.get(id))
            .filter(|wait| wait.item.as_deref() == Some(item))
    }

    /// Uses of environments, by id.
    pub fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds.values()
    }

    /// Work by hand, by id.
    pub fn manual_work(&self) -> impl Iterator<Item = &ManualWork> {
        self.manual.values()
    }

    /// What happened to environments, by name and time.
    pub fn environments(&self) -> impl Iterator<Item = &EnvironmentFact> {
        self.environments.values()
    }

    /// What was taken out of environments, by component, environment and time.
    pub fn removals(&self) -> impl Iterator<Item = &Removal> {
        self.removals.values()
    }

    /// By what means a deployment changed the infrastructure, if that is known.
    pub fn change_kind(&self, deployment: &str) -> Option<&ChangeKind> {
        self.change_kinds.get(deployment)
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

impl Extend<FlowFact> for Flow {
    fn extend<I: IntoIterator<Item = FlowFact>>(&mut self, facts: I) {
        for fact in facts {
            self.add(fact);
        }
    }
}

impl FromIterator<FlowFact> for Flow {
    fn from_iter<I: IntoIterator<Item = FlowFact>>(facts: I) -> Self {
        let mut flow = Self::new();
        flow.extend(facts);
        flow
    }
}

fn join<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, new: V, merge: impl Fn(&mut V, V)) {
    match map.entry(key) {
        Entry::Vacant(place) => {
            place.insert(new);
        }
        Entry::Occupied(mut place) => merge(place.get_mut(), new),
    }
}
