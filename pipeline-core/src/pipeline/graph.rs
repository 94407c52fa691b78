use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use super::builder::PipelineBuilder;
use super::exact::canonical;
use super::node::StageCode;
use super::spec::StageSpec;
use super::{Problem, StageNode};
use crate::digest::CanonicalError;
use crate::run::RunGraph;
use crate::{
    ArtifactName, ComponentName, Digest, Environment, EnvironmentName, NameError, PipelineName, PlannedGate,
    PlannedStage, PoolName, RunPlan, SignedDuration, StageName, TypeName,
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
pub(super) struct Graph {
    environments: BTreeMap<EnvironmentName, Arc<dyn Environment>>,
    /// The plan with its edges: what every run of the pipeline shares.
    pub(super) run: Arc<RunGraph>,
    /// The code of the stages, in the order of the plan.
    pub(super) code: Vec<StageCode>,
    digest: OnceLock<Digest>,
    /// For each stage, the digest of what never changes of its fingerprint.
    #[cfg(feature = "runtime")]
    fixed: OnceLock<Vec<Digest>>,
}

impl Pipeline {
    /// Begins a pipeline.
    pub fn builder(name: &str) -> PipelineBuilder {
        PipelineBuilder::new(name)
    }

    /// Its name.
    pub fn name(&self) -> &PipelineName {
        &self.0.run.plan.pipeline
    }

    /// What it releases.
    pub fn component(&self) -> &ComponentName {
        &self.0.run.plan.component
    }

    /// Its stages, each after all that it depends on; where the graph leaves a choice, as they were declared.
    pub fn stages(&self) -> impl ExactSizeIterator<Item = StageNode<'_>> {
        let graph = &*self.0;
        (0..graph.code.len()).map(move |index| StageNode {
            graph,
            index: index as u32,
        })
    }

    /// A stage by name.
    pub fn stage(&self, name: &str) -> Option<StageNode<'_>> {
        self.get(self.index_of(name)?)
    }

    /// A stage by index.
    pub fn get(&self, index: u32) -> Option<StageNode<'_>> {
        let graph = &*self.0;
        ((index as usize) < graph.code.len()).then_some(StageNode { graph, index })
    }

    /// The index of a stage.
    pub fn index_of(&self, name: &str) -> Option<u32> {
        self.0.run.find(name)
    }

    /// How many stages it has; never 0.
    #[expect(clippy::len_without_is_empty, reason = "a pipeline is never empty")]
    pub fn len(&self) -> usize {
        self.0.code.len()
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
    pub fn plan(&self) -> Arc<RunPlan> {
        Arc::clone(&self.0.run.plan)
    }

    /// The digest of its plan, computed once.
    ///
    /// # Errors
    ///
    /// Never in practice: a plan has a canonical form.
    pub fn plan_digest(&self) -> Result<Digest, CanonicalError> {
        if let Some(digest) = self.0.digest.get() {
            return Ok(*digest);
        }
        let digest = self.plan().digest()?;
        Ok(*self.0.digest.get_or_init(|| digest))
    }

    /// Its graph, and the digest of its plan: for a run of this pipeline they need not be made anew.
    #[cfg(feature = "runtime")]
    pub(crate) fn known(&self) -> Option<(&Arc<RunGraph>, Digest)> {
        Some((self.graph(), self.plan_digest().ok()?))
    }

    #[cfg(feature = "runtime")]
    pub(crate) fn graph(&self) -> &Arc<RunGraph> {
        &self.0.run
    }

    /// What never changes of a stage's fingerprint: its type, its settings, where it runs. Computed once for all.
    #[cfg(feature = "runtime")]
    pub(crate) fn fixed(&self, index: u32) -> Digest {
        let fixed = self.0.fixed.get_or_init(|| {
            let stages = self.0.run.plan.stages.iter();
            stages.map(|stage| fixed(stage, self.component())).collect()
        });
        fixed.get(index as usize).copied().unwrap_or(Digest::ZERO)
    }
}

#[cfg(feature = "runtime")]
fn fixed(stage: &PlannedStage, component: &ComponentName) -> Digest {
    if stage.effect != crate::Effect::Pure && stage.gates.is_empty() && stage.environment.is_none() {
        // Nobody asks for its fingerprint.
        return Digest::ZERO;
    }
    let parts = serde_json::json!({
        "type": stage.type_name,
        "version": stage.version,
        "settings": stage.settings,
        "component": component,
        "environment": stage.environment,
    });
    // What is in a plan has a canonical form.
    Digest::of_data(&parts).unwrap_or(Digest::ZERO)
}

/// Puts checked parts together. Indices change from places in the declaration to places in the order.
pub(super) fn assemble(
    builder: PipelineBuilder,
    dependencies: Vec<Vec<u32>>,
    order: &[u32],
) -> Result<Pipeline, Problem> {
    let lists = builder.lists;
    let mut specs: Vec<Option<StageSpec>> = builder.stages.into_iter().map(Some).collect();
    let mut names = Vec::with_capacity(specs.len());
    for spec in &specs {
        let name = spec.as_ref().map(|spec| Arc::clone(&spec.name));
        names.push(StageName::shared(name.unwrap_or_default())?);
    }
    let mut code = Vec::with_capacity(specs.len());
    let mut plan = RunPlan {
        pools: builder.pools,
        limits: builder.limits,
        on_failure: builder.on_failure,
        runs: builder.runs,
        ..RunPlan::new(
            PipelineName::new(&builder.name)?,
            ComponentName::new(builder.component.as_ref().unwrap_or(&builder.name))?,
        )
    };
    plan.stages.reserve_exact(specs.len());
    let mut types = HashMap::new();
    for &place in order {
        let Some(spec) = specs[place as usize].take() else {
            continue;
        };
        let dependencies = dependencies[place as usize].iter();
        let mut after: Vec<_> = dependencies
            .map(|&before| names[before as usize].clone())
            .collect();
        after.sort_unstable();
        let Some((planned, parts)) = stage(spec, names[place as usize].clone(), after, &mut types)? else {
            continue;
        };
        let planned = PlannedStage {
            needs: artifacts(lists.needs(place))?,
            produces: artifacts(lists.produces(place))?,
            ..planned
        };
        plan.stages.push(planned);
        code.push(parts);
    }
    drop((specs, lists, names, dependencies));
    let environments = builder
        .environments
        .into_iter()
        .filter_map(|spec| spec.environment);
    let environments: BTreeMap<_, _> = environments
        .map(|environment| (environment.descriptor().name.clone(), environment))
        .collect();
    for (name, environment) in &environments {
        let mut descriptor = environment.descriptor().clone();
        canonical(&mut descriptor.settings);
        plan.environments.insert(name.clone(), descriptor);
    }
    Ok(Pipeline(Arc::new(Graph {
        environments,
        run: Arc::new(RunGraph::new(Arc::new(plan))?),
        code,
        digest: OnceLock::new(),
        #[cfg(feature = "runtime")]
        fixed: OnceLock::new(),
    })))
}

/// `None` for what was not built, which is never assembled.
fn stage(
    spec: StageSpec,
    name: StageName,
    after: Vec<StageName>,
    types: &mut HashMap<&'static str, TypeName>,
) -> Result<Option<(PlannedStage, StageCode)>, Problem> {
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
    let mut pools = Vec::with_capacity(spec.pools.len());
    for pool in spec.pools {
        pools.push(PoolName::new(pool)?);
    }
    pools.sort_unstable();
    pools.dedup();
    // One text for each type, not one for each stage.
    let type_name = match types.get(stage.type_name()) {
        Some(known) => known.clone(),
        None => {
            let name = TypeName::new(stage.type_name())?;
            types.insert(stage.type_name(), name.clone());
            name
        }
    };
    let planned = PlannedStage {
        version: stage.version(),
        settings,
        after,
        environment: spec.environment.map(EnvironmentName::new).transpose()?,
        gates: planned_gates,
        pools,
        when: spec.when,
        retry: spec.retry,
        each: spec.each,
        timeout_seconds: spec.timeout.map(whole_seconds),
        plans: stage.can_plan(),
        portable: stage.portable(),
        ..PlannedStage::new(name, type_name, stage.effect())
    };
    Ok(Some((planned, StageCode { stage, gates })))
}

fn artifacts<'a>(
    listed: impl ExactSizeIterator<Item = (usize, &'a str)>,
) -> Result<Vec<ArtifactName>, NameError> {
    let mut names: Vec<ArtifactName> = Vec::with_capacity(listed.len());
    let mut seen = std::collections::HashSet::with_capacity(listed.len());
    for (_, name) in listed {
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
