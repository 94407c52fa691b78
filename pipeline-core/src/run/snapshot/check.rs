//! What tests ask of snapshots.

use std::collections::BTreeSet;

use super::super::gates::Gates;
use super::super::graph::StageIndex;
use super::super::input::{Input, Moment, Refusal};
use super::super::stage_state::StageState;
use super::super::state::RunState;
use crate::{Batch, Event, RunId};

/// In so many places, or a few more, are the events of a run cut.
const MOST_CUTS: usize = 24;

/// A run's state after it was written down and read again.
#[doc(hidden)]
pub fn through_snapshot(state: &RunState) -> Option<RunState> {
    RunState::from_snapshot(&state.id, &state.to_snapshot(), None)
}

/// Cuts the events of a run: the state up to there, written down and read again, must be what it was, and
/// with the events that follow become what all events make.
///
/// # Errors
///
/// The first place where it is not so.
#[doc(hidden)]
pub fn check_snapshots(run: &RunId, events: &[Event]) -> Result<(), String> {
    let fold = |events| RunState::from_events(run, events).map_err(|error| error.to_string());
    let whole = fold(events)?;
    let first = events
        .iter()
        .position(|event| event.stream == whole.stream)
        .unwrap_or_default();
    let places = first + 1..=events.len();
    // The cost grows with the square of the length: long runs are cut at some places, short ones at all.
    let step = (events.len() / MOST_CUTS).max(1);
    for cut in places.rev().step_by(step) {
        let before = fold(&events[..cut])?;
        let bytes = before.to_snapshot();
        let read = |known| {
            RunState::from_snapshot(run, &bytes, known).ok_or(format!("cut at {cut}: it was not read"))
        };
        let mut back = read(None)?;
        same(&before, &back).map_err(|what| format!("cut at {cut}: {what}"))?;
        let known = read(Some((&before.graph, before.plan_digest)))?;
        same(&before, &known).map_err(|what| format!("cut at {cut}, over a graph: {what}"))?;
        if back.to_snapshot() != bytes {
            return Err(format!("cut at {cut}: written again it is something else"));
        }
        for event in &events[cut..] {
            back.apply(event).map_err(|error| error.to_string())?;
        }
        same(&whole, &back).map_err(|what| format!("cut at {cut}, with the rest: {what}"))?;
    }
    Ok(())
}

/// What [`RunState::advance`] does, without the short cut of the plain case: events and state must be the same.
///
/// # Errors
///
/// As there.
#[doc(hidden)]
pub fn advance_the_long_way(
    state: &mut RunState,
    gates: &Gates,
    input: &Input,
    moment: Moment,
) -> Result<Batch, Refusal> {
    state.advance_the_long_way(gates, input, moment)
}

/// Compares all that counts of two states.
///
/// # Errors
///
/// The first difference.
#[doc(hidden)]
pub fn same(a: &RunState, b: &RunState) -> Result<(), String> {
    if !a.graph.equals(&b.graph) {
        return Err("the plans differ".to_owned());
    }
    let (left, right) = (text(a), text(b));
    match left.iter().zip(&right).find(|(left, right)| left != right) {
        Some((left, right)) => Err(format!("{left}\nis not\n{right}")),
        None => Ok(()),
    }
}

fn text(state: &RunState) -> Vec<String> {
    let RunState {
        id,
        stream,
        graph: _, // compared by itself
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
        attention,
        queued,
        backoffs,
        touched: _, // more of them do no harm
        counts,
        facts,
        failed,
        cancel,
        stopped_at,
        parked,
        finished,
        environments,
        pools,
        queue,
        rollback,
        kept: _, // no part of the state
    } = state;
    let waits = |index: &StageIndex| {
        !matches!(
            stages[*index as usize].state,
            StageState::Pending { .. } | StageState::Done(_)
        )
    };
    let attention: BTreeSet<_> = attention.iter().copied().filter(waits).collect();
    let mut text = vec![
        format!(
            "{:?}",
            (id, stream, plan_digest, requested_by, requested_at, purpose)
        ),
        format!("{:?}", (revision, source, revisions, again, position, epoch)),
        format!(
            "{:?}",
            (priorities, attention, queued, backoffs, counts, failed, cancel)
        ),
        format!("{:?}", (stopped_at, parked, finished, rollback, queue, facts)),
        format!("{:?}", (environments, pools)),
    ];
    text.extend(instances.iter().map(|instance| format!("{instance:?}")));
    text.extend(stages.iter().map(|stage| format!("{stage:?}")));
    text
}
