//! Folds: a run and an environment take whatever events a journal may hold, in any order, any number of times, and
//! say what they cannot take.

use pipeline_core::{Actor, EnvironmentState, Event, Payload, RunId, RunState, StreamId, Timestamp};

/// The input is lines of events as a journal holds them, but only of stream, kind, version and payload, with tabs
/// between them.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut positions = std::collections::BTreeMap::new();
    let mut events = Vec::new();
    for (cursor, line) in (1..).zip(text.split('\n').take(500)) {
        let mut parts = line.splitn(4, '\t');
        let mut part = || parts.next();
        let (Some(stream), Some(kind), Some(version), Some(json)) = (part(), part(), part(), part()) else {
            continue;
        };
        let (Ok(stream), Ok(version)) = (stream.parse::<StreamId>(), version.parse()) else {
            continue;
        };
        let position = positions.entry(stream.clone()).or_insert(0);
        *position += 1;
        events.push(Event {
            stream,
            position: *position,
            cursor,
            at: Timestamp::from_second(cursor as i64).expect("a time"),
            kind: kind.to_owned().into(),
            version,
            actor: Actor::Engine,
            causes: Vec::new(),
            payload: Payload::json(json),
        });
    }
    let Some(run) = events.iter().find_map(|event| {
        (event.stream.kind() == "run")
            .then(|| RunId::new(event.stream.name()).ok())
            .flatten()
    }) else {
        return;
    };
    let own = events.iter().filter(|event| event.stream == StreamId::run(&run));
    let own: Vec<_> = own.cloned().collect();
    if let Ok(mut state) = RunState::from_events(&run, &own) {
        look(&state);
        for event in events.iter().chain(&events) {
            let _ = state.apply(event);
            look(&state);
        }
        for stage in state.stages() {
            let _ = (
                stage.state(),
                stage.attempts(),
                stage.output(),
                stage.started(),
                stage.ended(),
            );
        }
    }
    let mut environment = EnvironmentState::default();
    for event in events.iter().chain(&events) {
        let _ = environment.apply(event);
    }
}

fn look(state: &RunState) {
    let _ = (state.status(), state.finished(), state.position(), state.epoch());
}
