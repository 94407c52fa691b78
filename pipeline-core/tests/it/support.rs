//! What several files here need.

use pipeline_core::journal::{Batch, Expected};
use pipeline_core::{
    Actor, Event, EventPayload, Journal, JournalExt, MemoryJournal, NewEvent, RunEvent, RunId, RunPlan,
    StreamId, Timestamp,
};
use serde_json::{Value, json};

/// The stream of a run that was created and claimed, and in which then this happened: kinds and payloads, as a journal
/// on disk would have them.
pub(crate) async fn recorded(plan: &RunPlan, events: &[(&str, Value)]) -> (RunId, Vec<Event>) {
    let journal = MemoryJournal::new();
    let run = RunId::new("20261120-120000-0a1b2c").unwrap();
    let created = json!({ "plan": plan, "plan_digest": plan.digest().unwrap() });
    let claimed = json!({ "epoch": 1, "worker": "w" });
    let begin = [("run.created", created), ("run.claimed", claimed)];
    let mut batch = Batch::new("2026-11-20T12:00:00Z".parse::<Timestamp>().unwrap());
    for (kind, data) in begin.iter().chain(events) {
        let event = RunEvent::decode(kind, 1, &data.to_string()).unwrap().unwrap();
        batch.push(
            &StreamId::run(&run),
            Expected::At(0),
            NewEvent::new(Actor::Engine, event),
        );
    }
    let _ = journal.append(batch).await.unwrap();
    let events = journal.read_stream(&StreamId::run(&run), 0).await.unwrap();
    (run, events)
}
