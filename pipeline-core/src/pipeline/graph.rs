use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::builder::PipelineBuilder;
use super::exact::canonical;
use super::order::reverse;
use super::spec::{Listed, StageSpec};
use super::{Problem, StageNode};
use crate::{
    ArtifactName, ComponentName, Environment, EnvironmentName, NameError, PipelineName, PlannedGate,
    PlannedStage, RunPlan, SignedDuration, StageName, TypeName,
};

/// The form of plans.
pub(super) const FORMAT: u32 = 1;

/// A pipeline: stages in a graph without cycles, checked and immutable. Cloning is cheap.
///
/// Stages have indices: their places in the order in which [`stages`](Pipeline::stages) gives them, and in
/// which they are in the [run plan](Pipeline::plan).
///
/// ```
/// use pipeline_core::pipeline::{Pipeline, StageSpec};
/// # use pipeline_core::{Effect, Outcome, Stage, StageContext};
/// # use serde::Serialize;
/// # #[derive(Debug, Serialize)]
/// # struct Say(&'static str);
/// # impl Stage for Say {
/// #     const TYPE: &'static str = "say";
/// #     type Error = std::io::Error;
/// #     fn effect(&self) -> Effect { Effect::Pure }
/// #     async fn run(&self, _: &StageContext) -> std::io::Result<Outcome> { Ok(Outcome::succeeded()) }
/// # }
///
/// let pipeline = Pipeline::builder("edge-proxy")
///     .stage(StageSpec::new("test", Say("fine")).needs(["bundle"]))
///     .stage(StageSpec::new("build", Say("made")).produces(["bundle"]))
///     .build()?;
///
/// let order: Vec<_> = pipeline.stages().map(|stage| stage.name().as_str()).collect();
/// assert_eq!(order, ["build", "test"]);
///
/// let error = Pipeline::builder("edge-proxy")
///     .stage(StageSpec::new("a", Say("")).after(["b"]))
///     .stage(StageSpec::new("b", Say("")).after(["a", "c"]))
///     .build()
///     .unwrap_err();
/// let problems: Vec<_> = error.problems.iter().map(ToString::to_string).collect();
/// assert_eq!(problems, [
///     "stage `b` comes after `c`, which does not exist",
///     "stages wait for each other: `a` → `b` → `a`",
/// ]);
/// # Ok::<(), pipeline_core::pipeline::PipelineError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pipeline(Arc<Graph>);

#[derive(Debug)]
struct Graph {
    name: PipelineName,
    component: ComponentName,
    environments: BTreeMap<EnvironmentName, Arc<dyn Environment>>,
    stages: Vec<StageNode>,
    index: HashMap<StageName, u32>,
}

impl Pipeline {
    /// Begins a pipeline.
    pub fn builder(name: &str) -> PipelineBuilder {
        PipelineBuilder::new(name)
    }

    /// Its name.
    pub fn name(&self) -> &PipelineName {
        &self.0.name
    }

    /// What it releases.
    pub fn component(&self) -> &ComponentName {
        &self.0.component
    }

    /// Its stages, each after all that it depends on; where the graph leaves a choice, as they were declared.
    pub fn stages(&self) -> impl ExactSizeIterator<Item = &StageNode> {
        self.0.stages.iter()
    }

    /// A stage by name.
    pub fn stage(&self, name: &str) -> Option<&StageNode> {
        self.get(self.index_of(name)?)
    }

    /// A stage by index.
    pub fn get(&self, index: u32) -> Option<&StageNode> {
        self.0.stages.get(index as usize)
    }

    /// The index of a stage.
    pub fn index_of(&self, name: &str) -> Option<u32> {
        self.0.index.get(name).copied()
    }

    /// How many stages it has; never 0.
    #[expect(clippy::len_without_is_empty, reason = "a pipeline is never empty")]
    pub fn len(&self) -> usize {
        self.0.stages.len()
    }

    /// An environment by name.
    pub fn environment(&self, name: &str) -> Option<&Arc<dyn Environment>> {
        self.0.environments.get(name)
    }

    /// Its environments, by name.
    pub fn environments(&self) -> impl Iterator<Item = &Arc<dyn Environment>> {
        self.0.environments.values()
    }

    /// The pipeline as data: what a run stores, and [`from_plan`](Pipeline::from_plan) reads.
    pub fn plan(&self) -> RunPlan {
        let environments = self.0.environments.iter();
        RunPlan {
            format: FORMAT,
            pipeline: self.0.name.clone(),
            component: self.0.component.clone(),
            environments: environments
                .map(|(name, environment)| {
                    let mut descriptor = environment.descriptor().clone();
                    canonical(&mut descriptor.settings);
                    (name.clone(), descriptor)
                })
                .collect(),
            stages: self.0.stages.iter().map(|node| self.planned(node)).collect(),
        }
    }

    fn planned(&self, node: &StageNode) -> PlannedStage {
        let dependencies = node.dependencies.iter().filter_map(|&at| self.get(at));
        let mut after: Vec<StageName> = dependencies.map(|node| node.name.clone()).collect();
        after.sort_unstable();
        PlannedStage {
            name: node.name.clone(),
            type_name: node.type_name.clone(),
            version: node.stage.version(),
            settings: node.settings.clone(),
            effect: node.stage.effect(),
            after,
            needs: node.needs.clone(),
            produces: node.produces.clone(),
            environment: node.environment.clone(),
            gates: node.planned_gates.clone(),
            timeout_seconds: node.timeout_seconds,
            plans: node.stage.can_plan(),
            portable: node.stage.portable(),
        }
    }
}

/// Puts checked parts together. Indices change from places in the declaration to places in the order.
pub(super) fn assemble(
    builder: PipelineBuilder,
    dependencies: &[Vec<u32>],
    order: &[u32],
) -> Result<Pipeline, Problem> {
    let mut place = vec![0_u32; order.len()];
    for (new, &old) in (0..).zip(order) {
        place[old as usize] = new;
    }
    let renumbered: Vec<Vec<u32>> = order
        .iter()
        .map(|&old| {
            let edges = dependencies[old as usize].iter();
            let mut edges: Vec<u32> = edges.map(|&edge| place[edge as usize]).collect();
            edges.sort_unstable();
            edges
        })
        .collect();
    let dependents = reverse(&renumbered);

    let mut specs: Vec<Option<StageSpec>> = builder.stages.into_iter().map(Some).collect();
    let mut stages = Vec::with_capacity(specs.len());
    let mut index = HashMap::with_capacity(specs.len());
    for ((&old, dependencies), dependents) in order.iter().zip(renumbered).zip(dependents) {
        let Some(spec) = specs[old as usize].take() else {
            continue;
        };
        let Some(node) = node(spec, dependencies, dependents)? else {
            continue;
        };
        index.insert(node.name.clone(), place[old as usize]);
        stages.push(node);
    }
    let environments = builder
        .environments
        .into_iter()
        .filter_map(|spec| spec.environment);
    Ok(Pipeline(Arc::new(Graph {
        component: ComponentName::new(builder.component.as_ref().unwrap_or(&builder.name))?,
        name: PipelineName::new(builder.name)?,
        environments: environments
            .map(|environment| (environment.descriptor().name.clone(), environment))
            .collect(),
        stages,
        index,
    })))
}

/// `None` for what was not built, which is never assembled.
fn node(spec: StageSpec, dependencies: Vec<u32>, dependents: Vec<u32>) -> Result<Option<StageNode>, Problem> {
    let Some(stage) = spec.stage else {
        return Ok(None);
    };
    let mut settings = spec.settings.unwrap_or_default();
    canonical(&mut settings);
    let mut gates = Vec::with_capacity(spec.gates.len());
    let mut planned_gates = Vec::with_capacity(spec.gates.len());
    for gate_spec in spec.gates {
        let Some(gate) = gate_spec.gate else {
            return Ok(None);
        };
        let mut settings = gate_spec.settings.unwrap_or_default();
        canonical(&mut settings);
        planned_gates.push(PlannedGate {
            type_name: TypeName::new(gate.type_name())?,
            version: gate.version(),
            settings,
        });
        gates.push(gate);
    }
    Ok(Some(StageNode {
        name: StageName::new(spec.name)?,
        type_name: TypeName::new(stage.type_name())?,
        stage,
        settings,
        gates,
        planned_gates,
        dependencies,
        dependents,
        needs: artifacts(spec.needs)?,
        produces: artifacts(spec.produces)?,
        environment: spec.environment.map(EnvironmentName::new).transpose()?,
        timeout_seconds: spec.timeout.map(whole_seconds),
    }))
}

fn artifacts(listed: Vec<Listed>) -> Result<Vec<ArtifactName>, NameError> {
    let mut names: Vec<ArtifactName> = Vec::with_capacity(listed.len());
    let mut seen = std::collections::HashSet::with_capacity(listed.len());
    for Listed { name, .. } in listed {
        let name = ArtifactName::new(name)?;
        if seen.insert(name.clone()) {
            names.push(name);
        }
    }
    Ok(names)
}

fn whole_seconds(timeout: SignedDuration) -> u64 {
    let seconds = u64::try_from(timeout.as_secs()).unwrap_or(0);
    seconds + u64::from(timeout.subsec_nanos() > 0)
}
