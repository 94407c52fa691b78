use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::{ArtifactName, Effect, EnvironmentName, PlannedStage, RunPlan, StageName, When};

/// A stage of a run, as a number: its place in [`RunPlan::stages`], from 0. Plans list every stage after what it depends on,
/// so a lower number never waits for a higher one. The instances of stages that run over a list come behind them,
/// in the order in which their lists became known.
pub type StageIndex = u32;

/// A run plan with its edges as numbers. It never changes, so a pipeline and its runs share one.
#[derive(Debug)]
pub(crate) struct RunGraph {
    pub(crate) plan: Arc<RunPlan>,
    /// Made when the first name is looked for.
    index: OnceLock<HashMap<StageName, StageIndex>>,
    /// The names of the stages side by side: those who only want the name need not touch all that is planned. Made when
    /// the first is asked for.
    names: OnceLock<Vec<StageName>>,
    dependencies: Edges,
    dependents: Edges,
    on_environment: BTreeMap<EnvironmentName, Vec<StageIndex>>,
    producer: HashMap<ArtifactName, StageIndex>,
    /// What decides how a stage begins, side by side.
    traits: Vec<Traits>,
    /// Whether some stage may be tried again.
    #[cfg(feature = "runtime")]
    pub(crate) retries: bool,
    /// Whether the outcome of some stage may be used again.
    #[cfg(feature = "runtime")]
    pub(crate) reuses: bool,
    /// Whether some stage runs over a list.
    pub(crate) lists: bool,
    /// Whether nothing of the plan is shared, listed or limited in time: then a plain stage depends on the stages before
    /// it and on nothing else.
    pub(super) free: bool,
}

/// Lists of numbers, one after another.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Edges {
    ends: Vec<u32>,
    targets: Vec<StageIndex>,
}

impl Edges {
    pub(super) fn with_capacity(lists: usize, numbers: usize) -> Self {
        Self {
            ends: Vec::with_capacity(lists),
            targets: Vec::with_capacity(numbers),
        }
    }

    /// Adds a number to the list that is open.
    pub(super) fn push(&mut self, target: StageIndex) {
        self.targets.push(target);
    }

    /// Closes the open list. Gives a number that is in it twice.
    pub(super) fn close(&mut self) -> Option<StageIndex> {
        let start = self.ends.last().map_or(0, |end| *end as usize);
        let own = &mut self.targets[start..];
        own.sort_unstable();
        let twice = own.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
        self.ends.push(self.targets.len() as u32);
        twice
    }

    fn range(&self, index: StageIndex) -> Range<usize> {
        let start = match index {
            0 => 0,
            _ => self.ends[index as usize - 1],
        };
        start as usize..self.ends[index as usize] as usize
    }

    fn of(&self, index: StageIndex) -> &[StageIndex] {
        &self.targets[self.range(index)]
    }

    /// The same edges, the other way round.
    fn reversed(&self) -> Self {
        let mut ends = vec![0_u32; self.ends.len()];
        for &target in &self.targets {
            ends[target as usize] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            // Where the list begins, for now; it ends there when it is full.
            let count = *end;
            *end = sum;
            sum += count;
        }
        let mut targets = vec![0; self.targets.len()];
        for index in 0..self.ends.len() as StageIndex {
            for &target in self.of(index) {
                let end = &mut ends[target as usize];
                targets[*end as usize] = index;
                *end += 1;
            }
        }
        Self { ends, targets }
    }
}

/// How a stage begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traits {
    /// It begins as soon as it may: no gates, no environment, no pool, nothing to reuse, no list.
    pub(crate) plain: bool,
    /// It is part of the clean-up.
    pub(crate) clean_up: bool,
    pub(crate) timeout: bool,
    /// When it runs.
    pub(crate) when: When,
    /// Its end means nothing but its end: no further attempt, no artifact, no environment.
    pub(crate) just_ends: bool,
    #[cfg(feature = "runtime")]
    /// Its call says nothing but which attempt of which stage it is, unless stages before it reported facts.
    pub(crate) simple: bool,
}

/// A run plan that no pipeline can have made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the run plan is not sound: {reason}")]
pub struct UnsoundPlan {
    reason: String,
}

impl RunGraph {
    /// Checks what [`RunPlan`] promises: names are unique, and every stage comes after what it depends on.
    pub(crate) fn new(plan: Arc<RunPlan>) -> Result<Self, UnsoundPlan> {
        let unsound = |reason| Err(UnsoundPlan { reason });
        let count = plan.stages.len();
        let edges: usize = plan.stages.iter().map(|stage| stage.after.len()).sum();
        // Half of the numbers are for instances.
        if count > (u32::MAX / 2) as usize || u32::try_from(edges).is_err() {
            return unsound(format!("{count} stages with {edges} edges are too many"));
        }
        let mut index = HashMap::with_capacity(count);
        let mut dependencies = Edges::with_capacity(count, edges);
        for (place, stage) in (0..).zip(&plan.stages) {
            for name in &stage.after {
                let Some(&before) = index.get(name) else {
                    return unsound(format!(
                        "stage `{}` waits for `{name}`, which does not come before it",
                        stage.name
                    ));
                };
                dependencies.push(before);
            }
            if let Some(twice) = dependencies.close() {
                let name = &plan.stages[twice as usize].name;
                return unsound(format!("stage `{}` waits for `{name}` twice", stage.name));
            }
            if index.insert(stage.name.clone(), place).is_some() {
                return unsound(format!("stage `{}` occurs twice", stage.name));
            }
        }
        Self::with_edges(plan, dependencies, index.into())
    }

    /// The graph of a plan that had one before, with the edges that it had.
    #[cfg(feature = "runtime")]
    pub(super) fn again(plan: Arc<RunPlan>, dependencies: Edges) -> Result<Self, UnsoundPlan> {
        Self::with_edges(plan, dependencies, OnceLock::new())
    }

    fn with_edges(
        plan: Arc<RunPlan>,
        dependencies: Edges,
        index: OnceLock<HashMap<StageName, StageIndex>>,
    ) -> Result<Self, UnsoundPlan> {
        let unsound = |reason| Err(UnsoundPlan { reason });
        let mut on_environment: BTreeMap<EnvironmentName, Vec<StageIndex>> = BTreeMap::new();
        let mut producer = HashMap::new();
        let mut traits = Vec::with_capacity(plan.stages.len());
        for (place, stage) in (0..).zip(&plan.stages) {
            if let Some(environment) = &stage.environment {
                if !plan.environments.contains_key(environment) {
                    return unsound(format!("environment `{environment}` is not described"));
                }
                on_environment.entry(environment.clone()).or_default().push(place);
            }
            for pool in &stage.pools {
                if !plan.pools.contains_key(pool) {
                    return unsound(format!("pool `{pool}` is not described"));
                }
            }
            for artifact in &stage.produces {
                producer.insert(artifact.clone(), place);
            }
            let plain = stage.environment.is_none()
                && stage.gates.is_empty()
                && stage.pools.is_empty()
                && stage.each.is_none()
                && stage.effect != Effect::Pure;
            traits.push(Traits {
                plain,
                #[cfg(feature = "runtime")]
                simple: plain && stage.needs.is_empty() && stage.timeout_seconds.is_none(),
                clean_up: stage.when.is_clean_up(),
                timeout: stage.timeout_seconds.is_some(),
                when: stage.when,
                just_ends: stage.environment.is_none() && stage.retry.is_none() && stage.produces.is_empty(),
            });
        }
        #[cfg(feature = "runtime")]
        let retries = plan.stages.iter().any(|stage| stage.retry.is_some());
        #[cfg(feature = "runtime")]
        let reuses = plan.stages.iter().any(|stage| stage.effect == Effect::Pure);
        let lists = plan.stages.iter().any(|stage| stage.each.is_some());
        let limits = &plan.limits;
        let free = plan.environments.is_empty()
            && plan.pools.is_empty()
            && !lists
            && limits.timeout_seconds.is_none()
            && limits.clean_up_seconds.is_none();
        let dependents = dependencies.reversed();
        Ok(Self {
            index,
            names: OnceLock::new(),
            dependencies,
            dependents,
            on_environment,
            producer,
            traits,
            #[cfg(feature = "runtime")]
            retries,
            #[cfg(feature = "runtime")]
            reuses,
            lists,
            free,
            plan,
        })
    }

    /// Whether two graphs are equal, whether or not somebody looked for a name.
    #[cfg(all(feature = "runtime", feature = "testing"))]
    pub(super) fn equals(&self, other: &Self) -> bool {
        let traits = |graph: &Self| format!("{:?}", graph.traits);
        self.plan == other.plan
            && self.dependencies == other.dependencies
            && self.dependents == other.dependents
            && self.on_environment == other.on_environment
            && self.producer == other.producer
            && traits(self) == traits(other)
            && (self.retries, self.reuses, self.lists) == (other.retries, other.reuses, other.lists)
    }

    /// How many stages the plan has.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.plan.stages.len()
    }

    pub(crate) fn stage(&self, index: StageIndex) -> &PlannedStage {
        &self.plan.stages[index as usize]
    }

    #[inline]
    pub(crate) fn name(&self, index: StageIndex) -> &StageName {
        let all = || self.plan.stages.iter().map(|stage| stage.name.clone()).collect();
        &self.names.get_or_init(all)[index as usize]
    }

    #[inline]
    pub(crate) fn traits(&self, index: StageIndex) -> Traits {
        self.traits[index as usize]
    }

    pub(crate) fn find(&self, name: &str) -> Option<StageIndex> {
        let index = self.index.get_or_init(|| {
            let names = self.plan.stages.iter().map(|stage| stage.name.clone());
            names.zip(0..).collect()
        });
        index.get(name).copied()
    }

    /// Sorted, lower than the stage's own number.
    pub(crate) fn dependencies(&self, index: StageIndex) -> &[StageIndex] {
        self.dependencies.of(index)
    }

    /// Sorted, higher than the stage's own number.
    pub(crate) fn dependents(&self, index: StageIndex) -> &[StageIndex] {
        self.dependents.of(index)
    }

    /// Where the dependents of a stage lie, for [`dependent`](Self::dependent).
    pub(crate) fn dependents_range(&self, index: StageIndex) -> Range<usize> {
        self.dependents.range(index)
    }

    pub(crate) fn dependent(&self, at: usize) -> StageIndex {
        self.dependents.targets[at]
    }

    pub(crate) fn on_environment(&self, environment: &EnvironmentName) -> &[StageIndex] {
        self.on_environment.get(environment).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn producer(&self, artifact: &ArtifactName) -> Option<StageIndex> {
        self.producer.get(artifact).copied()
    }
}
