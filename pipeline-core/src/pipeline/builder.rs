use std::collections::BTreeMap;
use std::sync::Arc;

use super::check::check;
use super::graph::assemble;
use super::lists::Lists;
use super::{Pipeline, PipelineError, Problem, StageSpec};
use crate::registry::SettingPath;
use crate::{Environment, FailurePolicy, PlannedPool, PoolName, QueueMode, RunLimits};

/// Collects the parts of a [`Pipeline`], and checks them all at the end.
#[derive(Debug)]
pub struct PipelineBuilder {
    pub(super) name: String,
    pub(super) component: Option<String>,
    pub(super) environments: Vec<EnvironmentSpec>,
    pub(super) stages: Vec<StageSpec>,
    /// What the stages come after, need and produce: it is taken out of the specs.
    pub(super) lists: Lists,
    pub(super) pools: BTreeMap<PoolName, PlannedPool>,
    pub(super) limits: RunLimits,
    pub(super) on_failure: FailurePolicy,
    pub(super) runs: QueueMode,
    found: Vec<Found>,
}

/// An environment; `None` when it could not be built, which somebody else reports.
#[derive(Debug)]
pub(super) struct EnvironmentSpec {
    pub(super) name: String,
    pub(super) environment: Option<Arc<dyn Environment>>,
}

/// A problem, and where in a definition it would be: `stages.deploy.after[1]`.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: SettingPath,
    pub(crate) problem: Problem,
}

impl PipelineBuilder {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            component: None,
            environments: Vec::new(),
            stages: Vec::new(),
            lists: Lists::default(),
            pools: BTreeMap::new(),
            limits: RunLimits::default(),
            on_failure: FailurePolicy::default(),
            runs: QueueMode::default(),
            found: Vec::new(),
        }
    }

    /// What the pipeline releases; called as the pipeline unless this says otherwise.
    #[must_use]
    pub fn component(mut self, component: &str) -> Self {
        self.component = Some(component.to_owned());
        self
    }

    /// An environment that stages can target, under the name in its descriptor.
    #[must_use]
    pub fn environment(mut self, environment: Arc<dyn Environment>) -> Self {
        self.environments.push(EnvironmentSpec {
            name: environment.descriptor().name.to_string(),
            environment: Some(environment),
        });
        self
    }

    /// A pool that stages take slots of, and how many it has.
    #[must_use]
    pub fn pool(mut self, name: &str, capacity: u32) -> Self {
        let path = SettingPath::root().key("pools").key(name);
        match PoolName::new(name) {
            Ok(_) if capacity == 0 => self.problem(
                path,
                Problem::EmptyPool {
                    pool: name.to_owned(),
                },
            ),
            Ok(name) => {
                self.pools.insert(name, PlannedPool { capacity });
            }
            Err(error) => self.problem(path, error.into()),
        }
        self
    }

    /// How much of a run may go on at once, and for how long.
    #[must_use]
    pub fn limits(mut self, limits: RunLimits) -> Self {
        self.limits = limits;
        self
    }

    /// What the first failure does to the rest of a run.
    #[must_use]
    pub fn on_failure(mut self, policy: FailurePolicy) -> Self {
        self.on_failure = policy;
        self
    }

    /// What runs of the pipeline do with each other.
    #[must_use]
    pub fn runs(mut self, mode: QueueMode) -> Self {
        self.runs = mode;
        self
    }

    /// A stage. The order in which stages are added decides where the graph does not.
    #[must_use]
    pub fn stage(mut self, mut stage: StageSpec) -> Self {
        let lists = [&mut stage.after, &mut stage.needs, &mut stage.produces];
        self.lists.push(lists.map(std::mem::take));
        self.stages.push(stage);
        self
    }

    /// The name of an environment that could not be built.
    pub(crate) fn unbuilt_environment(mut self, name: &str) -> Self {
        self.environments.push(EnvironmentSpec {
            name: name.to_owned(),
            environment: None,
        });
        self
    }

    /// Something else that is wrong.
    pub(super) fn problem(&mut self, path: SettingPath, problem: Problem) {
        self.found.push(Found { path, problem });
    }

    /// Checks everything and builds the pipeline.
    ///
    /// # Errors
    ///
    /// When something is wrong; the error lists all of it.
    pub fn build(self) -> Result<Pipeline, PipelineError> {
        self.finish().map_err(|found| PipelineError {
            problems: found.into_iter().map(|found| found.problem).collect(),
        })
    }

    /// Builds the pipeline, or tells what is wrong and where. There is nothing to tell when all that is
    /// wrong is that something could not be built.
    pub(crate) fn finish(mut self) -> Result<Pipeline, Vec<Found>> {
        let mut found = std::mem::take(&mut self.found);
        let checked = check(&self);
        found.extend(checked.found);
        let whole = self.stages.iter().all(StageSpec::is_built)
            && self.environments.iter().all(|spec| spec.environment.is_some());
        match checked.order {
            Some(order) if found.is_empty() && whole => {
                assemble(self, checked.dependencies, &order).map_err(|problem| {
                    vec![Found {
                        path: SettingPath::root(),
                        problem,
                    }]
                })
            }
            _ => Err(found),
        }
    }
}
