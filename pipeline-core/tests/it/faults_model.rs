//! What a run that was interrupted will do, from its events and the world alone: a model that shares nothing with the
//! scheduler.

use std::borrow::Cow;
use std::collections::BTreeMap;

use pipeline_core::testing::check_snapshots;
use pipeline_core::{
    Effect, EnvironmentEvent, Estate, IdempotencyKey, JournalExt, RunEvent, RunOutcome, RunState, StageEnd,
    StageName, StageState, StreamId,
};

use crate::faults_world::{Part, World, distinct, id};

/// Where the journal left a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// The next attempt is of this generation.
    Before(u32),
    /// It began, with this generation.
    Begun(u32),
    /// A person was asked about this generation.
    Asked(u32),
    Ended,
}

/// What comes: for each stage the generations of the calls still to be made, and whether a person's word ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forecast {
    pub(crate) calls: BTreeMap<&'static str, Vec<u32>>,
    accepted: BTreeMap<&'static str, bool>,
}

async fn left(world: &World) -> BTreeMap<StageName, Left> {
    let events = world.journal.read_stream(&StreamId::run(&id()), 0).await.unwrap();
    let mut stages = BTreeMap::new();
    for event in events
        .iter()
        .filter_map(|event| event.read::<RunEvent>().unwrap().map(Cow::into_owned))
    {
        match event {
            RunEvent::StageStarted(started) => stages.insert(started.stage, Left::Begun(started.generation)),
            RunEvent::StageFinished(finished) => {
                let now = match (&finished.retry_at, stages.get(&finished.stage)) {
                    (Some(_), Some(Left::Begun(generation))) => Left::Before(generation + 1),
                    _ => Left::Ended,
                };
                stages.insert(finished.stage, now)
            }
            RunEvent::StageUnknown(unknown) => {
                let Some(Left::Begun(generation)) = stages.get(&unknown.stage).copied() else {
                    panic!("{} is asked about before it began", unknown.stage);
                };
                stages.insert(unknown.stage, Left::Asked(generation))
            }
            RunEvent::StageDecided(decided) => {
                let now = match stages.get(&decided.stage) {
                    Some(Left::Asked(generation)) if !decided.happened => Left::Before(generation + 1),
                    _ => Left::Ended,
                };
                stages.insert(decided.stage, now)
            }
            _ => None,
        };
    }
    stages
}

/// What a run does from here on, when nothing else comes between.
pub(crate) async fn forecast(world: &World, parts: &[Part]) -> Forecast {
    let left = left(world).await;
    let mut forecast = Forecast {
        calls: BTreeMap::new(),
        accepted: BTreeMap::new(),
    };
    for part in parts {
        let name = StageName::new(part.name).unwrap();
        let happened = |generation| {
            let key = IdempotencyKey::new(&id(), &name, generation);
            world.happened(part.name, key.as_str())
        };
        // A flaky stage fails in its first generation, and the retry is the second.
        let from = |generation: u32| match part.flaky && generation == 1 {
            true => vec![1, 2],
            false => vec![generation],
        };
        let (mut calls, mut accepted) = (Vec::new(), false);
        match left.get(&name).copied().unwrap_or(Left::Before(1)) {
            Left::Ended => {}
            Left::Before(generation) => calls = from(generation),
            Left::Begun(generation) => match part.effect {
                Effect::Pure | Effect::Idempotent => calls = from(generation),
                Effect::Inspectable if happened(generation) => {}
                Effect::Inspectable => calls = from(generation),
                Effect::AtMostOnce if happened(generation) => accepted = true,
                Effect::AtMostOnce => calls = from(generation + 1),
            },
            Left::Asked(generation) if happened(generation) => accepted = true,
            Left::Asked(generation) => calls = from(generation + 1),
        }
        forecast.calls.insert(part.name, calls);
        forecast.accepted.insert(part.name, accepted);
    }
    forecast
}

impl Forecast {
    /// Nothing but this happened since.
    pub(crate) fn check(&self, world: &World, calls_before: usize, state: &RunState, case: &str) {
        let calls = world.calls();
        for (name, expected) in &self.calls {
            let since = calls[calls_before..].iter().filter(|call| call.stage == *name);
            let found: Vec<_> = since.map(|call| call.generation).collect();
            assert_eq!(found, *expected, "{case}: calls of {name}");
        }
        for (name, accepted) in &self.accepted {
            if *accepted {
                let stage = state.stage(&StageName::new(*name).unwrap()).unwrap();
                assert!(
                    matches!(stage.end(), Some(StageEnd::Accepted { .. })),
                    "{case}: {name} is {:?}",
                    stage.state()
                );
            }
        }
    }
}

/// What holds at the end of every run, whatever happened to it.
pub(crate) async fn check_end(world: &World, parts: &[Part], state: &RunState, case: &str) {
    assert!(
        state.finished().is_some(),
        "{case}: it did not end: {:?}",
        state.status()
    );
    assert_eq!(world.state().violations, Vec::<String>::new(), "{case}");
    let cancelled = state.cancel().is_some();
    for part in parts {
        let name = StageName::new(part.name).unwrap();
        let keys = world.keys(part.name);
        let end = state.stage(&name).unwrap().end().cloned();
        let Some(end) = end else {
            panic!("{case}: {name} did not end")
        };
        let done = matches!(end, StageEnd::Completed { .. } | StageEnd::Accepted { .. });
        assert_eq!(
            done,
            !keys.is_empty(),
            "{case}: {name} ended {end:?} after effects {keys:?}"
        );
        // A run that was cancelled before anything began has nothing to clean up.
        let untouched = parts.iter().all(|part| world.keys(part.name).is_empty());
        assert!(
            done || cancelled && (!part.always || untouched),
            "{case}: {name} ended {end:?}"
        );
        assert!(
            distinct(&keys).len() <= 1,
            "{case}: {name} has two intentions: {keys:?}"
        );
        if matches!(part.effect, Effect::Inspectable | Effect::AtMostOnce) {
            assert!(keys.len() <= 1, "{case}: {name} happened {} times", keys.len());
        }
        let calls = world.calls();
        for call in calls.iter().filter(|call| call.stage == part.name) {
            let key = IdempotencyKey::new(&id(), &name, call.generation);
            assert_eq!(call.key, key.as_str(), "{case}");
        }
    }
    let all_done = state
        .stages()
        .all(|stage| stage.end().is_some_and(StageEnd::is_success));
    // One that was not tried again because of the request has failed all the same.
    let failed = state
        .stages()
        .any(|stage| matches!(stage.end(), Some(StageEnd::Failed { .. })));
    let expected = match (all_done, failed) {
        (true, _) => RunOutcome::Succeeded,
        (false, true) => RunOutcome::Failed,
        (false, false) => RunOutcome::Cancelled,
    };
    assert_eq!(state.finished().unwrap().0, expected, "{case}");
    check_journal(world, parts, state, case).await;
}

async fn check_journal(world: &World, parts: &[Part], state: &RunState, case: &str) {
    let all = world.journal.read_everything(0).await.unwrap();
    let cursors: Vec<_> = all.iter().map(|event| event.cursor).collect();
    assert_eq!(cursors, (1..=all.len() as u64).collect::<Vec<_>>(), "{case}");
    let mut estate = Estate::default();
    let (mut deployed, mut locked, mut released) = (Vec::new(), Vec::new(), Vec::new());
    for event in &all {
        estate.apply(event).unwrap();
        match event.read::<EnvironmentEvent>().unwrap().map(Cow::into_owned) {
            Some(EnvironmentEvent::Deployed(event)) => deployed.push(event.stage.to_string()),
            Some(EnvironmentEvent::Locked(event)) => locked.push(event.token),
            Some(EnvironmentEvent::Released(event)) => released.push(event.token),
            _ => {}
        }
    }
    // A deployment that a person vouched for has no report.
    let completed = parts.iter().filter(|part| {
        let name = StageName::new(part.name).unwrap();
        let end = state.stage(&name).unwrap().end();
        part.place && matches!(end, Some(StageEnd::Completed { .. }))
    });
    let mut completed: Vec<_> = completed.map(|part| part.name.to_owned()).collect();
    completed.sort();
    deployed.sort();
    assert_eq!(deployed, completed, "{case}: recorded deployments");
    assert_eq!(locked, released, "{case}: grants and releases");
    assert_eq!(
        locked,
        (1..=locked.len() as u64).collect::<Vec<_>>(),
        "{case}: tokens"
    );
    for (name, environment) in state.environments() {
        assert_eq!(environment.lock, None, "{case}: {name} is locked");
    }
    for (name, pool) in state.pools() {
        assert!(pool.slots.is_empty(), "{case}: {name} has slots out: {pool:?}");
    }
    let own: Vec<_> = all
        .iter()
        .filter(|event| event.stream == StreamId::run(&id()))
        .cloned()
        .collect();
    let folded = RunState::from_events(&id(), &own).unwrap();
    check_snapshots(&id(), &all).unwrap_or_else(|what| panic!("{case}: {what}"));
    let states = |state: &RunState| {
        state
            .stages()
            .map(|stage| stage.state().clone())
            .collect::<Vec<StageState>>()
    };
    assert_eq!(
        states(&folded),
        states(state),
        "{case}: the journal tells the same"
    );
    // An approval is used once.
    let mut uses = BTreeMap::new();
    for event in own
        .iter()
        .filter_map(|event| event.read::<RunEvent>().unwrap().map(Cow::into_owned))
    {
        if let RunEvent::StageStarted(started) = event {
            for &used in &started.details().approvals {
                *uses.entry((started.stage.clone(), used)).or_insert(0) += 1;
            }
        }
    }
    assert!(uses.values().all(|count| *count == 1), "{case}: {uses:?}");
}
