use std::collections::{BTreeMap, HashMap};

use crate::{ArtifactName, EnvironmentName, PlannedStage, RunPlan, StageName};

/// A stage of a run, as a number: its place in [`RunPlan::stages`], from 0. Plans list every stage after what it depends on,
/// so a lower number never waits for a higher one.
pub type StageIndex = u32;

/// A run plan with its edges as numbers.
#[derive(Debug)]
pub(crate) struct RunGraph {
    pub(crate) plan: RunPlan,
    index: HashMap<StageName, StageIndex>,
    dependencies: Vec<Vec<StageIndex>>,
    dependents: Vec<Vec<StageIndex>>,
    on_environment: BTreeMap<EnvironmentName, Vec<StageIndex>>,
    producer: HashMap<ArtifactName, StageIndex>,
}

/// A run plan that no pipeline can have made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the run plan is not sound: {reason}")]
pub struct UnsoundPlan {
    reason: String,
}

impl RunGraph {
    /// Checks what [`RunPlan`] promises: names are unique, and every stage comes after what it depends on.
    pub(crate) fn new(plan: RunPlan) -> Result<Self, UnsoundPlan> {
        let unsound = |reason| Err(UnsoundPlan { reason });
        let count = plan.stages.len();
        if u32::try_from(count).is_err() {
            return unsound(format!("{count} stages are too many"));
        }
        let mut graph = Self {
            index: HashMap::with_capacity(count),
            dependencies: Vec::with_capacity(count),
            dependents: vec![Vec::new(); count],
            on_environment: BTreeMap::new(),
            producer: HashMap::new(),
            plan,
        };
        for (place, stage) in graph.plan.stages.iter().enumerate() {
            let place = place as StageIndex;
            let mut dependencies = Vec::with_capacity(stage.after.len());
            for name in &stage.after {
                let Some(&before) = graph.index.get(name) else {
                    return unsound(format!(
                        "stage `{}` waits for `{name}`, which does not come before it",
                        stage.name
                    ));
                };
                dependencies.push(before);
            }
            dependencies.sort_unstable();
            if let Some(twice) = dependencies.windows(2).find(|pair| pair[0] == pair[1]) {
                let name = &graph.plan.stages[twice[0] as usize].name;
                return unsound(format!("stage `{}` waits for `{name}` twice", stage.name));
            }
            for &before in &dependencies {
                graph.dependents[before as usize].push(place);
            }
            graph.dependencies.push(dependencies);
            if graph.index.insert(stage.name.clone(), place).is_some() {
                return unsound(format!("stage `{}` occurs twice", stage.name));
            }
            if let Some(environment) = &stage.environment {
                if !graph.plan.environments.contains_key(environment) {
                    return unsound(format!("environment `{environment}` is not described"));
                }
                graph
                    .on_environment
                    .entry(environment.clone())
                    .or_default()
                    .push(place);
            }
            for artifact in &stage.produces {
                graph.producer.insert(artifact.clone(), place);
            }
        }
        Ok(graph)
    }

    pub(crate) fn len(&self) -> usize {
        self.plan.stages.len()
    }

    pub(crate) fn stage(&self, index: StageIndex) -> &PlannedStage {
        &self.plan.stages[index as usize]
    }

    pub(crate) fn find(&self, name: &StageName) -> Option<StageIndex> {
        self.index.get(name).copied()
    }

    pub(crate) fn dependencies(&self, index: StageIndex) -> &[StageIndex] {
        &self.dependencies[index as usize]
    }

    pub(crate) fn dependents(&self, index: StageIndex) -> &[StageIndex] {
        &self.dependents[index as usize]
    }

    pub(crate) fn on_environment(&self, environment: &EnvironmentName) -> &[StageIndex] {
        self.on_environment.get(environment).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn producer(&self, artifact: &ArtifactName) -> Option<StageIndex> {
        self.producer.get(artifact).copied()
    }
}
