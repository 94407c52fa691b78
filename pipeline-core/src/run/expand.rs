use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::decide::Decisions;
use super::event::{StageExpanded, StageInstance};
use super::graph::StageIndex;
use super::stage_state::{StageEnd, StageState};
use super::state::{RunState, StageRecord};
use crate::{Each, FactName, Failure, Items, Outcome, StageName, Timestamp};

/// Stages that run over a list: they stand for their instances.
impl RunState {
    /// Decides what the instances are, when everything before the stage has ended. Tells whether there is no list,
    /// so that the stage failed.
    pub(super) fn decide_instances(&self, index: StageIndex, each: &Each, out: &mut Decisions) -> bool {
        let stage = &self.planned(index).name;
        let instances = self.list(each).and_then(|list| self.named(stage, list));
        let failed = instances.is_err();
        match instances {
            Ok(instances) => out.stage(
                index,
                StageExpanded {
                    stage: stage.clone(),
                    instances,
                },
            ),
            Err(error) => out.stage(index, self.not_begun(index, vec![error])),
        }
        failed
    }

    fn list<'a>(&'a self, each: &'a Each) -> Result<&'a [Value], String> {
        let list = match &each.items {
            Items::Values(values) => values,
            Items::Fact { stage, fact } => {
                let outcome = self.find(stage).and_then(|index| self.outcome(index));
                let reported = outcome.and_then(|outcome| outcome.facts.get(fact));
                match reported {
                    Some(Value::Array(list)) => list,
                    Some(_) => return Err(format!("fact `{fact}` of stage `{stage}` is no list")),
                    None => return Err(format!("stage `{stage}` reported no fact `{fact}` to run over")),
                }
            }
        };
        if list.len() > each.most as usize {
            let count = list.len();
            return Err(format!(
                "its list has {count} items, and {} are the most",
                each.most
            ));
        }
        Ok(list)
    }

    /// Gives every item a name: its own if it makes one, else its number.
    fn named(&self, stage: &StageName, list: &[Value]) -> Result<Vec<StageInstance>, String> {
        let mut taken = BTreeSet::new();
        let mut instances = Vec::with_capacity(list.len());
        for (number, item) in (1..).zip(list) {
            let own = match item {
                Value::String(text) => StageName::new(format!("{stage}.{text}")).ok(),
                Value::Number(number) => StageName::new(format!("{stage}.{number}")).ok(),
                _ => None,
            };
            let own = own.filter(|name| self.find(name).is_none() && !taken.contains(name));
            let name = match own {
                Some(name) => name,
                None => {
                    StageName::new(format!("{stage}.item-{number}")).map_err(|error| error.to_string())?
                }
            };
            if self.find(&name).is_some() || !taken.insert(name.clone()) {
                return Err(format!("two stages would be called `{name}`"));
            }
            let item = item.clone();
            instances.push(StageInstance { name, item });
        }
        Ok(instances)
    }

    /// Adds the instances; each is ready, as its stage was.
    pub(super) fn expand(&mut self, index: StageIndex, instances: &[StageInstance], at: Timestamp) {
        if instances.is_empty() {
            let outcome = Arc::new(Outcome::skipped("its list is empty"));
            return self.set(index, StageState::Done(StageEnd::Completed { outcome }), at);
        }
        let open = instances.len() as u32;
        self.set(index, StageState::Expanded { open }, at);
        let graph = Arc::clone(&self.graph);
        let first = self.instances.add(&graph, index, instances);
        let priority = self.priorities[index as usize];
        let clean_up = graph.traits(index).clean_up;
        for place in (first..).take(instances.len()) {
            self.stages.push(StageRecord::new(StageState::Ready));
            self.priorities.push(priority);
            self.attention.push(place);
            self.touched.push(place);
            self.counts.not_done += 1;
            self.counts.ready += 1;
            *self.counts.ahead(clean_up) += 1;
        }
    }

    /// An instance ended; when it was the last, its stage has ended, too.
    pub(super) fn instance_ended(&mut self, of: StageIndex, at: Timestamp) {
        let StageState::Expanded { open } = &mut self.record(of).state else {
            return;
        };
        *open -= 1;
        if *open > 0 {
            return;
        }
        let end = self.gathered(of);
        self.set(of, StageState::Done(end), at);
    }

    /// What came out of all instances together: each fact becomes an object with the instances' values by item.
    fn gathered(&self, of: StageIndex) -> StageEnd {
        let mut facts: BTreeMap<FactName, Map<String, Value>> = BTreeMap::new();
        let (mut failed, mut unsuccessful) = (Vec::new(), 0);
        let (mut all_cancelled, mut cancelled) = (true, None);
        let prefix = self.planned(of).name.as_str().len() + 1;
        for index in self.instances_of(of) {
            let StageState::Done(end) = self.stage_state(index) else {
                continue;
            };
            let name = &self.planned(index).name;
            if end.is_failure() {
                failed.push(format!("`{name}`"));
                match end {
                    StageEnd::Cancelled { reason } => {
                        cancelled = cancelled.or_else(|| Some(Arc::clone(reason)))
                    }
                    _ => all_cancelled = false,
                }
            }
            if !end.is_success() {
                unsuccessful += 1;
            }
            for (fact, value) in end.outcome().into_iter().flat_map(|outcome| &outcome.facts) {
                let item = name.as_str()[prefix..].to_owned();
                facts.entry(fact.clone()).or_default().insert(item, value.clone());
            }
        }
        if let Some(reason) = cancelled.filter(|_| all_cancelled) {
            return StageEnd::Cancelled { reason };
        }
        if !failed.is_empty() {
            return StageEnd::Failed {
                failure: Failure::Failed,
                error: vec![format!("{} did not succeed", failed.join(", "))],
            };
        }
        if unsuccessful > 0 {
            return StageEnd::Skipped {
                cause: None,
                reason: "some of its instances did not run".into(),
                denied: false,
            };
        }
        let mut outcome = Outcome::succeeded();
        outcome.facts = facts
            .into_iter()
            .map(|(fact, values)| (fact, Value::Object(values)))
            .collect();
        StageEnd::Completed {
            outcome: Arc::new(outcome),
        }
    }
}
