use std::collections::HashMap;

use serde_json::Value;

use super::event::StageInstance;
use super::graph::{RunGraph, StageIndex};
use super::state::RunState;
use crate::{PlannedStage, StageName};

/// The instances of stages that run over a list. Their numbers follow those of the plan's stages.
#[derive(Debug, Default)]
pub(super) struct Instances {
    list: Vec<Instance>,
    index: HashMap<StageName, StageIndex>,
}

#[derive(Debug)]
pub(super) struct Instance {
    /// The stage that runs over the list.
    pub(super) of: StageIndex,
    pub(super) planned: PlannedStage,
    pub(super) item: Value,
}

impl Instances {
    /// Adds the instances of a stage, and gives the number of the first.
    pub(super) fn add(
        &mut self,
        graph: &RunGraph,
        of: StageIndex,
        instances: &[StageInstance],
    ) -> StageIndex {
        let first = (graph.len() + self.list.len()) as StageIndex;
        for (index, StageInstance { name, item }) in (first..).zip(instances) {
            self.index.insert(name.clone(), index);
            self.list.push(Instance {
                of,
                planned: PlannedStage {
                    name: name.clone(),
                    each: None,
                    ..graph.stage(of).clone()
                },
                item: item.clone(),
            });
        }
        first
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Instance> {
        self.list.iter()
    }
}

/// Stages by number, whether the plan has them or a list made them.
impl RunState {
    pub(super) fn instance(&self, index: StageIndex) -> Option<&Instance> {
        self.instances
            .list
            .get((index as usize).checked_sub(self.graph.len())?)
    }

    /// What the plan says of a stage.
    pub(crate) fn planned(&self, index: StageIndex) -> &PlannedStage {
        match self.instance(index) {
            Some(instance) => &instance.planned,
            None => self.graph.stage(index),
        }
    }

    /// The stage of the plan that a stage is, or is an instance of.
    pub(crate) fn template(&self, index: StageIndex) -> StageIndex {
        self.instance(index).map_or(index, |instance| instance.of)
    }

    /// The item that an instance is for.
    pub(super) fn item(&self, index: StageIndex) -> Option<&Value> {
        self.instance(index).map(|instance| &instance.item)
    }

    /// The instances of a stage, if it has some.
    pub(super) fn instances_of(&self, of: StageIndex) -> impl Iterator<Item = StageIndex> + '_ {
        let first = self.graph.len() as StageIndex;
        (first..)
            .zip(self.instances.iter())
            .filter(move |(_, instance)| instance.of == of)
            .map(|(index, _)| index)
    }

    pub(super) fn find(&self, name: &StageName) -> Option<StageIndex> {
        self.graph
            .find(name.as_str())
            .or_else(|| self.instances.index.get(name).copied())
    }
}
