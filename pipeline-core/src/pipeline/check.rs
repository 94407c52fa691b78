use std::collections::{HashMap, HashSet};

use super::builder::{Found, PipelineBuilder};
use super::lists::Lists;
use super::order::sort;
use super::spec::StageSpec;
use super::{Problem, exact};
use crate::registry::{SettingPath, Suggestions};
use crate::{
    ArtifactName, ComponentName, Effect, Items, NameError, PipelineName, StageName, TypeKind, TypeName,
};

/// What checking a pipeline gives.
pub(super) struct Checked {
    pub(super) found: Vec<Found>,
    /// For each stage, as declared, those that it waits for: sorted, each once.
    pub(super) dependencies: Vec<Vec<u32>>,
    /// All stages in order; `None` when there is none.
    pub(super) order: Option<Vec<u32>>,
}

pub(super) fn check(pipeline: &PipelineBuilder) -> Checked {
    let mut check = Check {
        found: Vec::new(),
        suggestions: Suggestions::new(),
        stages: HashMap::new(),
        producers: HashMap::new(),
        environments: HashSet::new(),
    };
    check.names(pipeline);
    check.limits(pipeline);
    if u32::try_from(pipeline.stages.len()).is_err() {
        let count = pipeline.stages.len();
        check.report(SettingPath::root(), Problem::TooManyStages { count });
        return Checked {
            found: check.found,
            dependencies: Vec::new(),
            order: None,
        };
    }
    for (at, spec) in (0..).zip(&pipeline.stages) {
        check.stage(at, spec);
    }
    for (at, spec) in (0..).zip(&pipeline.stages) {
        check.products(at, spec, pipeline);
    }
    let mut dependencies = Vec::with_capacity(pipeline.stages.len());
    for (at, spec) in (0..).zip(&pipeline.stages) {
        let mut edges = check.after(at, spec, pipeline);
        edges.extend(check.needs(at, spec, &pipeline.lists));
        edges.extend(check.each(at, spec, pipeline));
        if edges.is_empty() && spec.when.is_clean_up() {
            let work = (0..)
                .zip(&pipeline.stages)
                .filter(|(_, other)| !other.when.is_clean_up());
            edges.extend(work.map(|(other, _)| other));
        }
        edges.sort_unstable();
        edges.dedup();
        dependencies.push(edges);
        check.environment(spec, pipeline);
        check.pools(spec, pipeline);
        check.retry(spec);
    }
    let order = match sort(&dependencies) {
        Ok(order) => Some(order),
        Err(cycles) => {
            for cycle in cycles {
                check.cycle(&cycle, pipeline);
            }
            None
        }
    };
    Checked {
        found: check.found,
        dependencies,
        order,
    }
}

struct Check<'a> {
    found: Vec<Found>,
    suggestions: Suggestions,
    stages: HashMap<&'a str, u32>,
    producers: HashMap<&'a str, u32>,
    environments: HashSet<&'a str>,
}

fn place(spec: &StageSpec) -> SettingPath {
    SettingPath::root().key("stages").key(&*spec.name)
}

impl<'a> Check<'a> {
    fn report(&mut self, path: SettingPath, problem: Problem) {
        self.found.push(Found { path, problem });
    }

    fn name<T>(&mut self, path: impl FnOnce() -> SettingPath, name: Result<T, NameError>) {
        if let Err(error) = name {
            self.report(path(), error.into());
        }
    }

    fn names(&mut self, pipeline: &'a PipelineBuilder) {
        let table = || SettingPath::root().key("pipeline");
        self.name(|| table().key("name"), PipelineName::new(&pipeline.name));
        if let Some(component) = &pipeline.component {
            self.name(|| table().key("component"), ComponentName::new(component));
        }
        for spec in &pipeline.environments {
            let path = || SettingPath::root().key("environments").key(spec.name.as_str());
            if !self.environments.insert(&spec.name) {
                let environment = spec.name.clone();
                self.report(path(), Problem::DuplicateEnvironment { environment });
            }
            let descriptor = spec
                .environment
                .as_ref()
                .map(|environment| environment.descriptor());
            if let Some((setting, number)) = descriptor.and_then(|it| exact::first_inexact(&it.settings)) {
                let problem = Problem::InexactNumber {
                    kind: TypeKind::Environment,
                    name: spec.name.clone(),
                    setting: setting.clone(),
                    number,
                };
                self.report(path().join(&setting), problem);
            }
        }
        if pipeline.stages.is_empty() {
            self.report(SettingPath::root().key("stages"), Problem::NoStages);
        }
    }

    /// What can be told of a stage alone.
    fn stage(&mut self, at: u32, spec: &'a StageSpec) {
        self.name(|| place(spec), StageName::new(&spec.name));
        if *self.stages.entry(&spec.name).or_insert(at) != at {
            let stage = spec.name.to_string();
            self.report(place(spec), Problem::DuplicateStage { stage });
        }
        if let Some(timeout) = spec.timeout
            && !timeout.is_positive()
        {
            let stage = spec.name.to_string();
            self.report(place(spec).key("timeout"), Problem::BadTimeout { stage, timeout });
        }
        if let Some(stage) = &spec.stage {
            let type_name = stage.type_name();
            self.name(|| place(spec).key("type"), TypeName::new(type_name));
            if stage.effect() == Effect::Inspectable && !stage.can_inspect() {
                let problem = Problem::CannotInspect {
                    stage: spec.name.to_string(),
                    type_name: type_name.to_owned(),
                };
                self.report(place(spec).key("type"), problem);
            }
        }
        for (gate_at, gate) in spec.gates.iter().enumerate() {
            if let Some(gate) = &gate.gate {
                let path = || place(spec).key("gates").index(gate_at).key("type");
                self.name(path, TypeName::new(gate.type_name()));
            }
        }
        for (path, problem) in spec.inexact() {
            self.report(path, problem);
        }
    }

    fn products(&mut self, at: u32, spec: &'a StageSpec, pipeline: &'a PipelineBuilder) {
        let (stages, lists) = (&pipeline.stages, &pipeline.lists);
        for (place_at, name) in lists.produces(at) {
            let path = || place(spec).key("produces").index(place_at);
            self.name(path, ArtifactName::new(name));
            let first = *self.producers.entry(name).or_insert(at);
            if first != at {
                let problem = Problem::TwoProducers {
                    artifact: name.to_owned(),
                    first: stages[first as usize].name.to_string(),
                    second: spec.name.to_string(),
                };
                self.report(path(), problem);
            }
        }
        let mut seen = HashSet::new();
        for (place_at, name) in lists.produces(at) {
            if !seen.insert(name) {
                let problem = Problem::RepeatedProduct {
                    stage: spec.name.to_string(),
                    artifact: name.to_owned(),
                };
                self.report(place(spec).key("produces").index(place_at), problem);
            }
        }
    }

    fn after(&mut self, at: u32, spec: &'a StageSpec, pipeline: &PipelineBuilder) -> Vec<u32> {
        let stages = &pipeline.stages;
        let after = pipeline.lists.after(at);
        let mut edges = Vec::with_capacity(after.len());
        for (place_at, name) in after {
            let path = || place(spec).key("after").index(place_at);
            match self.stages.get(name) {
                Some(&before) if stages[before as usize].name == spec.name => {
                    let stage = spec.name.to_string();
                    self.report(path(), Problem::AfterItself { stage });
                }
                Some(&before) => edges.push(before),
                None => {
                    let others = (0..).zip(stages).filter(|(other, _)| *other != at);
                    let names = others.map(|(_, other)| &*other.name);
                    let problem = Problem::UnknownStage {
                        stage: spec.name.to_string(),
                        after: name.to_owned(),
                        nearest: self.suggestions.nearest(name, stages.len(), names),
                    };
                    self.report(path(), problem);
                }
            }
        }
        edges
    }

    fn needs(&mut self, at: u32, spec: &'a StageSpec, lists: &Lists) -> Vec<u32> {
        let mut edges = Vec::new();
        for (place_at, name) in lists.needs(at) {
            let path = || place(spec).key("needs").index(place_at);
            match self.producers.get(name) {
                Some(&producer) if producer == at => {
                    let problem = Problem::NeedsItself {
                        stage: spec.name.to_string(),
                        artifact: name.to_owned(),
                    };
                    self.report(path(), problem);
                }
                Some(&producer) => edges.push(producer),
                None => {
                    let mut known: Vec<&str> = Vec::new();
                    if self.suggestions.can_afford(self.producers.len()) {
                        known.extend(self.producers.keys());
                        known.sort_unstable();
                    }
                    let problem = Problem::UnknownArtifact {
                        stage: spec.name.to_string(),
                        artifact: name.to_owned(),
                        nearest: self.suggestions.nearest(name, known.len(), known.iter().copied()),
                    };
                    self.report(path(), problem);
                }
            }
        }
        edges
    }

    fn environment(&mut self, spec: &StageSpec, pipeline: &PipelineBuilder) {
        let Some(environment) = &spec.environment else {
            return;
        };
        if self.environments.contains(environment.as_str()) {
            return;
        }
        let known = pipeline.environments.iter().map(|spec| spec.name.as_str());
        let problem = Problem::UnknownEnvironment {
            stage: spec.name.to_string(),
            environment: environment.clone(),
            nearest: self
                .suggestions
                .nearest(environment, pipeline.environments.len(), known),
        };
        self.report(place(spec).key("environment"), problem);
    }

    fn limits(&mut self, pipeline: &PipelineBuilder) {
        let limits = pipeline.limits;
        let zero = [
            ("parallel", limits.parallel.map(u64::from)),
            ("timeout-seconds", limits.timeout_seconds),
            ("clean-up-seconds", limits.clean_up_seconds),
        ];
        for (limit, value) in zero {
            if value == Some(0) {
                let path = SettingPath::root().key("limits").key(limit);
                self.report(path, Problem::ZeroLimit { limit });
            }
        }
    }

    fn pools(&mut self, spec: &StageSpec, pipeline: &PipelineBuilder) {
        for (at, pool) in spec.pools.iter().enumerate() {
            let path = || place(spec).key("pools").index(at);
            if let Err(error) = crate::PoolName::new(pool) {
                self.report(path(), error.into());
            } else if !pipeline.pools.contains_key(pool.as_str()) {
                let known = pipeline.pools.keys().map(crate::PoolName::as_str);
                let problem = Problem::UnknownPool {
                    stage: spec.name.to_string(),
                    pool: pool.clone(),
                    nearest: self.suggestions.nearest(pool, pipeline.pools.len(), known),
                };
                self.report(path(), problem);
            }
        }
    }

    fn retry(&mut self, spec: &StageSpec) {
        let Some(policy) = &spec.retry else { return };
        let mut bad = |reason| {
            let stage = spec.name.to_string();
            self.found.push(Found {
                path: place(spec).key("retry"),
                problem: Problem::BadRetry { stage, reason },
            });
        };
        if policy.attempts < 2 {
            bad("`attempts` counts the first one, so it is 2 or more");
        }
        if policy.on.is_empty() {
            bad("`on` names no failure");
        }
        if policy.factor == 0 {
            bad("`factor` is 1 or more");
        }
        if policy.jitter_percent > 100 {
            bad("`jitter-percent` is 100 or less");
        }
    }

    fn each(&mut self, at: u32, spec: &StageSpec, pipeline: &PipelineBuilder) -> Option<u32> {
        let stages = &pipeline.stages;
        let each = spec.each.as_ref()?;
        let path = || place(spec).key("each");
        let bad = |reason: &str| Problem::BadEach {
            stage: spec.name.to_string(),
            reason: reason.to_owned(),
        };
        if pipeline.lists.produces(at).len() > 0 {
            self.report(
                path(),
                bad("it produces artifacts, and only one stage may produce each"),
            );
        }
        match &each.items {
            Items::Values(values) if values.len() > each.most as usize => {
                let text = format!("it has {} items, and {} are the most", values.len(), each.most);
                self.report(path(), bad(&text));
                None
            }
            Items::Values(_) => None,
            Items::Fact { stage, .. } => match self.stages.get(stage.as_str()) {
                Some(&before) if before == at => {
                    self.report(path(), bad("the list comes from itself"));
                    None
                }
                Some(&before) => Some(before),
                None => {
                    let names = stages.iter().map(|other| &*other.name);
                    let problem = Problem::UnknownStage {
                        stage: spec.name.to_string(),
                        after: stage.to_string(),
                        nearest: self.suggestions.nearest(stage.as_str(), stages.len(), names),
                    };
                    self.report(path(), problem);
                    None
                }
            },
        }
    }

    fn cycle(&mut self, cycle: &[u32], pipeline: &PipelineBuilder) {
        let (stages, lists) = (&pipeline.stages, &pipeline.lists);
        let names = cycle.iter().map(|&at| stages[at as usize].name.to_string());
        let names: Vec<String> = names.collect();
        let Some((&first, rest)) = cycle.split_first() else {
            return;
        };
        let spec = &stages[first as usize];
        let next = rest.first().copied().unwrap_or(first);
        let next_name = &*stages[next as usize].name;
        let by_name = lists.after(first).find(|(_, name)| *name == next_name);
        let by_data = || {
            let produced = |name| lists.produces(next).any(|(_, product)| product == name);
            lists.needs(first).find(|(_, name)| produced(*name))
        };
        let path = match by_name {
            Some((at, _)) => place(spec).key("after").index(at),
            None => match by_data() {
                Some((at, _)) => place(spec).key("needs").index(at),
                None => place(spec),
            },
        };
        self.report(path, Problem::Cycle { stages: names });
    }
}

impl StageSpec {
    pub(super) fn is_built(&self) -> bool {
        self.stage.is_some() && self.gates.iter().all(|gate| gate.gate.is_some())
    }

    /// The settings that have no exact canonical JSON.
    fn inexact(&self) -> Vec<(SettingPath, Problem)> {
        let own = self
            .stage
            .as_ref()
            .map(|stage| (TypeKind::Stage, stage.type_name()));
        let gates = self.gates.iter().enumerate().map(|(at, gate)| {
            let type_name = gate.gate.as_ref().map(|gate| (TypeKind::Gate, gate.type_name()));
            (
                SettingPath::root().key("gates").index(at),
                type_name,
                &gate.settings,
            )
        });
        let all = std::iter::once((SettingPath::root(), own, &self.settings)).chain(gates);
        let problems = all.filter_map(|(below, type_of, settings)| {
            let (kind, type_name) = type_of?;
            let (setting, problem) = match settings {
                Ok(settings) => {
                    let (setting, number) = exact::first_inexact(settings)?;
                    let setting = below.join(&setting);
                    let problem = Problem::InexactNumber {
                        kind: TypeKind::Stage,
                        name: self.name.to_string(),
                        setting: setting.clone(),
                        number,
                    };
                    (setting, problem)
                }
                Err(error) => {
                    let problem = Problem::Settings {
                        stage: self.name.to_string(),
                        kind,
                        type_name: type_name.to_owned(),
                        message: error.to_string(),
                    };
                    (below, problem)
                }
            };
            Some((place(self).join(&setting), problem))
        });
        problems.collect()
    }
}
