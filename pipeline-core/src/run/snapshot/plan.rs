//! The plan of a run, and its edges, without looking a name up.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::wire::{Reader, Wire, put_json, put_number, take_json};
use crate::run::graph::{Edges, RunGraph};
use crate::{Effect, PlannedStage, RunPlan, StageName, TypeName, When};

/// What the first byte of a stage says.
const PLANS: u8 = 1;
const PORTABLE: u8 = 2;
const SETTINGS: u8 = 4;
/// It has more than a plain stage: what it has stands there as JSON.
const MORE: u8 = 8;

const EFFECTS: [Effect; 4] = [
    Effect::Pure,
    Effect::Idempotent,
    Effect::Inspectable,
    Effect::AtMostOnce,
];

pub(super) fn put_graph(graph: &RunGraph, out: &mut Vec<u8>) {
    let plan = &graph.plan;
    put_json(out, &plan.head());
    let mut types: HashMap<&TypeName, usize> = HashMap::new();
    let mut named = Vec::new();
    for stage in &plan.stages {
        types.entry(&stage.type_name).or_insert_with(|| {
            named.push(stage.type_name.clone());
            named.len() - 1
        });
    }
    named.put(out);
    plan.stages.len().put(out);
    let edges: usize = plan.stages.iter().map(|stage| stage.after.len()).sum();
    edges.put(out);
    for (place, stage) in (0..).zip(&plan.stages) {
        put_stage(stage, types[&stage.type_name], out);
        stage.after.len().put(out);
        for name in &stage.after {
            // A graph knows all names that its stages wait for, and they come before.
            let before = graph.find(name.as_str()).unwrap_or(place);
            put_number(out, u64::from(place - before));
        }
    }
}

pub(super) fn take_graph(reader: &mut Reader<'_>) -> Option<RunGraph> {
    let mut plan: RunPlan = take_json(reader)?;
    let types = Vec::<TypeName>::take(reader)?;
    let (count, edges) = (reader.count()?, reader.count()?);
    let mut stages: Vec<PlannedStage> = Vec::with_capacity(count);
    let mut dependencies = Edges::with_capacity(count, edges);
    for place in 0..count {
        let mut stage = take_stage(reader, &types)?;
        let after = reader.count()?;
        let mut names = Vec::with_capacity(after);
        for _ in 0..after {
            let back = usize::try_from(reader.number()?).ok()?;
            let before = place.checked_sub(back).filter(|before| *before < place)?;
            names.push(stages[before].name.clone());
            dependencies.push(before as u32);
        }
        if dependencies.close().is_some() {
            return None;
        }
        stage.after = names;
        stages.push(stage);
    }
    plan.stages = stages;
    RunGraph::again(Arc::new(plan), dependencies).ok()
}

fn put_stage(stage: &PlannedStage, of_type: usize, out: &mut Vec<u8>) {
    let more = !is_plain(stage);
    let flag = |flag, is| if is { flag } else { 0 };
    let settings = !stage.settings.is_null();
    out.push(
        flag(PLANS, stage.plans)
            | flag(PORTABLE, stage.portable)
            | flag(SETTINGS, settings)
            | flag(MORE, more),
    );
    if more {
        let stage = PlannedStage {
            after: Vec::new(),
            ..stage.clone()
        };
        return put_json(out, &stage);
    }
    stage.name.put(out);
    of_type.put(out);
    stage.version.put(out);
    let effect = EFFECTS.iter().position(|effect| *effect == stage.effect);
    out.push(effect.unwrap_or(EFFECTS.len()) as u8);
    if settings {
        put_json(out, &stage.settings);
    }
}

fn take_stage(reader: &mut Reader<'_>, types: &[TypeName]) -> Option<PlannedStage> {
    let flags = reader.byte()?;
    if flags & MORE != 0 {
        return take_json(reader);
    }
    let name = StageName::take(reader)?;
    let type_name = types.get(usize::take(reader)?)?.clone();
    let version = u32::take(reader)?;
    let effect = *EFFECTS.get(usize::from(reader.byte()?))?;
    let settings = match flags & SETTINGS {
        0 => Value::Null,
        _ => take_json(reader)?,
    };
    Some(PlannedStage {
        version,
        settings,
        plans: flags & PLANS != 0,
        portable: flags & PORTABLE != 0,
        ..PlannedStage::new(name, type_name, effect)
    })
}

/// Whether a stage has nothing but what every stage has.
fn is_plain(stage: &PlannedStage) -> bool {
    let PlannedStage {
        name: _,
        type_name: _,
        version: _,
        settings: _,
        effect: _,
        after: _,
        needs,
        produces,
        environment,
        gates,
        pools,
        when,
        retry,
        each,
        timeout_seconds,
        plans: _,
        portable: _,
    } = stage;
    needs.is_empty()
        && produces.is_empty()
        && environment.is_none()
        && gates.is_empty()
        && pools.is_empty()
        && *when == When::default()
        && retry.is_none()
        && each.is_none()
        && timeout_seconds.is_none()
}
