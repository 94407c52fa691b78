use super::graph::FORMAT;
use super::{Pipeline, PipelineBuilder, PipelineError, Problem, StageSpec};
use crate::registry::SettingPath;
use crate::{AnyGate, AnyStage, PlannedStage, Registry, RunPlan, TypeKind};

impl Pipeline {
    /// Builds the pipeline of a stored plan again, to resume its run. The same plan comes out of it.
    ///
    /// # Errors
    ///
    /// When the plan is of another form, when types are not registered or have another version than the plan
    /// was made with, or when something cannot be built from what is stored; the error lists all of it.
    pub fn from_plan(plan: &RunPlan, registry: &Registry) -> Result<Self, PipelineError> {
        if plan.format != FORMAT {
            return Err(PipelineError {
                problems: vec![Problem::UnknownFormat { format: plan.format }],
            });
        }
        let mut builder = Self::builder(plan.pipeline.as_str()).component(plan.component.as_str());
        for (name, descriptor) in &plan.environments {
            builder = match registry.build_environment(descriptor.clone()) {
                Ok(environment) => builder.environment(environment),
                Err(source) => {
                    let problem = Problem::CannotBuild {
                        kind: TypeKind::Environment,
                        name: name.to_string(),
                        source,
                    };
                    builder.problem(SettingPath::root(), problem);
                    builder.unbuilt_environment(name.as_str())
                }
            };
        }
        builder = builder
            .limits(plan.limits)
            .on_failure(plan.on_failure)
            .runs(plan.runs);
        for (name, pool) in &plan.pools {
            builder = builder.pool(name.as_str(), pool.capacity);
        }
        for planned in &plan.stages {
            let spec = spec(planned, registry, &mut builder);
            builder = builder.stage(spec);
        }
        builder.build()
    }
}

fn spec(planned: &PlannedStage, registry: &Registry, builder: &mut PipelineBuilder) -> StageSpec {
    let name = planned.name.as_str();
    let mut spec = match stage(planned, registry) {
        Ok(stage) => StageSpec::any(name, stage, planned.settings.clone()),
        Err(problem) => {
            builder.problem(SettingPath::root(), problem);
            StageSpec::unbuilt(name)
        }
    };
    for at in 0..planned.gates.len() {
        spec = match gate(planned, at, registry) {
            Ok(gate) => spec.any_gate(gate, planned.gates[at].settings.clone()),
            Err(problem) => {
                builder.problem(SettingPath::root(), problem);
                spec.unbuilt_gate()
            }
        };
    }
    spec.environment = planned.environment.as_ref().map(ToString::to_string);
    spec.timeout = planned.timeout();
    spec.pools = planned.pools.iter().map(ToString::to_string).collect();
    spec.when = planned.when;
    spec.retry.clone_from(&planned.retry);
    spec.each.clone_from(&planned.each);
    spec.after(planned.after.iter().map(|stage| stage.as_str()))
        .needs(planned.needs.iter().map(|artifact| artifact.as_str()))
        .produces(planned.produces.iter().map(|artifact| artifact.as_str()))
}

fn stage(planned: &PlannedStage, registry: &Registry) -> Result<AnyStage, Problem> {
    let type_name = planned.type_name.as_str();
    let has = registry.stage_version(type_name);
    if has != Some(planned.version) {
        return Err(Problem::WrongVersion {
            stage: planned.name.to_string(),
            kind: TypeKind::Stage,
            type_name: type_name.to_owned(),
            version: planned.version,
            has,
        });
    }
    registry
        .build_stage(type_name, &planned.settings)
        .map_err(|source| cannot_build(planned, source))
}

fn gate(planned: &PlannedStage, at: usize, registry: &Registry) -> Result<AnyGate, Problem> {
    let gate = &planned.gates[at];
    let type_name = gate.type_name.as_str();
    let has = registry.gate_version(type_name);
    if has != Some(gate.version) {
        return Err(Problem::WrongVersion {
            stage: planned.name.to_string(),
            kind: TypeKind::Gate,
            type_name: type_name.to_owned(),
            version: gate.version,
            has,
        });
    }
    registry.build_gate(type_name, &gate.settings).map_err(|source| {
        cannot_build(
            planned,
            source.within(&SettingPath::root().key("gates").index(at)),
        )
    })
}

fn cannot_build(planned: &PlannedStage, source: crate::BuildError) -> Problem {
    Problem::CannotBuild {
        kind: TypeKind::Stage,
        name: planned.name.to_string(),
        source,
    }
}
