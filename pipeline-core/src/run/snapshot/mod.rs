//! The state of a run as bytes, to be read faster than its events.
//!
//! A snapshot is derived from the events and no truth: whoever reads one reads the events that came after it, too, and
//! whoever has none reads all of them. It holds everything of [`RunState`] but what follows from the rest.

#[cfg(feature = "testing")]
pub(crate) mod check;
mod plan;
mod records;
mod wire;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;

use self::plan::{put_graph, take_graph};
use self::records::{put_records, take_records};
use self::wire::{Reader, Wire, as_json, fields, put_bytes, put_json, take_json};
use super::event::{Purpose, RunOutcome, StageInstance};
use super::graph::{RunGraph, StageIndex};
use super::instances::Instances;
use super::stage_state::StageState;
use super::state::{Counts, RunState, StageRecord};
use super::view::Cancel;
use crate::estate::{EnvironmentLock, EnvironmentState, LiveDeployment, VerifiedRelease};
use crate::pool::{PoolState, Slot};
use crate::queue::PipelineQueue;
use crate::{Digest, EventRef, Position, Release, Revision, RunId, StreamId};

/// The form of a snapshot, and what the fold makes of events: raised when one of them changes.
pub(crate) const VERSION: u32 = 1;

impl RunState {
    /// The state as bytes. Equal states have equal bytes.
    pub(crate) fn to_snapshot(&self) -> Vec<u8> {
        // A field that is forgotten does not compile.
        let Self {
            id,
            stream: _, // follows from the id
            graph,
            instances,
            plan_digest,
            requested_by,
            requested_at,
            purpose,
            revision,
            source,
            revisions,
            again,
            position,
            epoch,
            stages,
            priorities,
            // What is to be looked at follows from where the stages stand.
            attention: _,
            queued: _,
            backoffs: _,
            touched: _,
            counts,
            facts: _,
            failed,
            cancel,
            stopped_at,
            parked,
            finished,
            environments,
            pools,
            queue,
            rollback,
            kept: _, // whoever reads it knows
        } = self;
        let mut out = Vec::with_capacity(1024 + 32 * stages.len());
        id.put(&mut out);
        plan_digest.put(&mut out);
        let mut part = Vec::with_capacity(32 * stages.len());
        put_graph(graph, &mut part);
        put_bytes(&mut out, &part);
        part.clear();
        put_records(stages, &mut part);
        put_bytes(&mut out, &part);
        priorities.put(&mut out);
        put_instances(instances, &mut out);
        requested_by.put(&mut out);
        requested_at.put(&mut out);
        purpose.put(&mut out);
        revision.put(&mut out);
        source.put(&mut out);
        revisions.put(&mut out);
        again.put(&mut out);
        position.put(&mut out);
        epoch.put(&mut out);
        counts.put(&mut out);
        failed.put(&mut out);
        cancel.put(&mut out);
        stopped_at.put(&mut out);
        parked.put(&mut out);
        finished.put(&mut out);
        environments.put(&mut out);
        pools.put(&mut out);
        queue.put(&mut out);
        rollback.put(&mut out);
        out
    }

    /// Reads what [`to_snapshot`](Self::to_snapshot) wrote of this run. `None` if these bytes are something else.
    ///
    /// `known` is a graph, and the digest of its plan: if that is the run's, its plan need not be read.
    pub(crate) fn from_snapshot(
        id: &RunId,
        bytes: &[u8],
        known: Option<(&Arc<RunGraph>, Digest)>,
    ) -> Option<Self> {
        let mut reader = Reader(bytes);
        let reader = &mut reader;
        let own = RunId::take(reader).filter(|own| own == id)?;
        let plan_digest = Digest::take(reader)?;
        let (plan, records) = (reader.slice()?, reader.slice()?);
        let known = known.filter(|(_, digest)| *digest == plan_digest);
        let (graph, stages) = match known {
            Some((graph, _)) => (Arc::clone(graph), whole(records, take_records)?),
            None => both(plan, records)?,
        };
        let priorities = Vec::take(reader)?;
        let instances = take_instances(reader, &graph)?;
        let mut state = Self {
            stream: StreamId::run(&own),
            id: own,
            plan_digest,
            priorities,
            instances,
            graph,
            stages,
            requested_by: Wire::take(reader)?,
            requested_at: Wire::take(reader)?,
            purpose: Wire::take(reader)?,
            revision: Wire::take(reader)?,
            source: Wire::take(reader)?,
            revisions: Wire::take(reader)?,
            again: Wire::take(reader)?,
            position: Wire::take(reader)?,
            epoch: Wire::take(reader)?,
            counts: Wire::take(reader)?,
            failed: Wire::take(reader)?,
            cancel: Wire::take(reader)?,
            stopped_at: Wire::take(reader)?,
            parked: Wire::take(reader)?,
            finished: Wire::take(reader)?,
            environments: Wire::take(reader)?,
            pools: Wire::take(reader)?,
            queue: Wire::take(reader)?,
            rollback: Wire::take(reader)?,
            kept: 0,
            attention: Vec::new(),
            queued: BTreeSet::new(),
            backoffs: BTreeSet::new(),
            touched: Vec::new(),
            facts: false,
        };
        state.facts = state.stages.iter().any(|record| record.state.tells_facts());
        let count = state.graph.len() + state.instances.iter().count();
        let fits = state.stages.len() == count
            && state.priorities.len() == count
            && state.failed.is_none_or(|failed| (failed as usize) < count)
            && reader.0.is_empty();
        if !fits {
            return None;
        }
        state.kept = state.position;
        state.look_at_all();
        Some(state)
    }

    /// Up to which event of its stream a snapshot of it is kept.
    pub(crate) fn kept(&self) -> Position {
        self.kept
    }

    /// Lists what is to be looked at, from where the stages stand: what a fold of all events comes to.
    fn look_at_all(&mut self) {
        for (index, record) in (0..).zip(&self.stages) {
            match &record.state {
                StageState::Pending { .. } | StageState::Done(_) => continue,
                StageState::Backoff(backoff) => {
                    self.backoffs.insert((backoff.until, index));
                }
                _ => {}
            }
            self.attention.push(index);
        }
        self.touched.clone_from(&self.attention);
    }
}

/// Reads the plan on a thread of its own: it is as much work as all the rest.
fn both(plan: &[u8], records: &[u8]) -> Option<(Arc<RunGraph>, Vec<StageRecord>)> {
    thread::scope(|scope| {
        let spawned = thread::Builder::new().spawn_scoped(scope, || whole(plan, take_graph));
        let stages = whole(records, take_records);
        let graph = match spawned {
            Ok(graph) => graph.join().ok()?,
            Err(_) => whole(plan, take_graph),
        };
        Some((Arc::new(graph?), stages?))
    })
}

/// Reads all of some bytes.
fn whole<T>(bytes: &[u8], take: impl FnOnce(&mut Reader<'_>) -> Option<T>) -> Option<T> {
    let mut reader = Reader(bytes);
    take(&mut reader).filter(|_| reader.0.is_empty())
}

fn put_instances(instances: &Instances, out: &mut Vec<u8>) {
    instances.iter().count().put(out);
    for instance in instances.iter() {
        instance.of.put(out);
        instance.planned.name.put(out);
        put_json(out, &instance.item);
    }
}

fn take_instances(reader: &mut Reader<'_>, graph: &RunGraph) -> Option<Instances> {
    let mut instances = Instances::default();
    for _ in 0..reader.count()? {
        let of = StageIndex::take(reader).filter(|of| (*of as usize) < graph.len())?;
        let (name, item) = (Wire::take(reader)?, take_json(reader)?);
        instances.add(graph, of, &[StageInstance { name, item }]);
    }
    Some(instances)
}

as_json!(Purpose, Release, Revision, RunOutcome);

fields! {
    Counts { not_done, ready, running, unknown, unsuccessful, clean_up_ahead, work_ahead }
    Cancel { by, reason, force, timed_out }
    EventRef { stream, position }
    EnvironmentState { position, grants, lock, live, verified }
    EnvironmentLock { run, stage, token, since }
    LiveDeployment {
        release, release_digest, configuration_digest, run, pipeline, revision, requested_at, since, verified,
        rolled_back, event,
    }
    VerifiedRelease { release, release_digest, configuration_digest, revision, at }
    PoolState { position, slots }
    Slot { run, stage, since }
    PipelineQueue { position, runs }
}
