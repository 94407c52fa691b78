//! Runs that queue, and runs that wait for a program that has their code.

use pipeline_core::{
    JournalExt, Pipeline, PipelineEvent, QueueMode, Registry, RunId, RunRequest, RunStatus, StreamId, When,
};

use super::bench::{Bench, alice, reason, spec, words, works};
use crate::registry::Command;

fn pipeline(mode: QueueMode) -> Pipeline {
    Pipeline::builder("p")
        .runs(mode)
        .stage(spec("work", &works()))
        .stage(spec("clean", &works()).when(When::Always))
        .build()
        .unwrap()
}

/// The runs that left the queue, and who took their place.
async fn left(bench: &Bench, pipeline: &Pipeline) -> Vec<(RunId, Option<RunId>)> {
    let stream = StreamId::pipeline(pipeline.name());
    let events = bench.journal.read_stream(&stream, 0).await.unwrap();
    let left = events.iter().filter_map(|event| {
        let event = event.read::<PipelineEvent>().unwrap()?;
        match &*event {
            PipelineEvent::Dequeued(left) => Some((left.run.clone(), left.superseded_by.clone())),
            _ => None,
        }
    });
    left.collect()
}

#[tokio::test(start_paused = true)]
async fn runs_that_queue_take_turns_in_the_order_of_their_creation() {
    let bench = Bench::new();
    let pipeline = pipeline(QueueMode::Queue);
    let (first, second) = (bench.create(&pipeline).await, bench.create(&pipeline).await);
    let runner = bench.runner();
    let state = runner.drive(&pipeline, &second).await.unwrap();
    assert_eq!(
        (state.status(), state.waits_for_run()),
        (RunStatus::Waiting, Some(&first))
    );
    assert_eq!(bench.starts().await.len(), 0);
    for run in [&first, &second] {
        let state = runner.drive(&pipeline, run).await.unwrap();
        assert_eq!(state.status(), RunStatus::Succeeded);
    }
}

#[tokio::test(start_paused = true)]
async fn a_newer_run_replaces_those_that_wait_and_not_the_one_that_began() {
    let bench = Bench::new();
    let pipeline = pipeline(QueueMode::Supersede);
    let began = bench.create(&pipeline).await;
    let runner = bench.runner();
    let mut state = runner.load(&began).await.unwrap();
    let claim = pipeline_core::run::Input::Claim { worker: "w".into() };
    let now = "2026-11-20T12:00:00Z"
        .parse::<pipeline_core::Timestamp>()
        .unwrap();
    let batch = state
        .advance(&pipeline_core::run::Gates::default(), &claim, now)
        .unwrap();
    let _ = pipeline_core::Journal::append(&*bench.journal, batch)
        .await
        .unwrap();
    let waits = bench.create(&pipeline).await;
    let newest = bench.create(&pipeline).await;
    let old = runner.load(&waits).await.unwrap();
    assert_eq!(
        old.status(),
        RunStatus::Cancelled,
        "it never began, so there is nothing to clean up"
    );
    assert_eq!(words(&old), [("work", "skipped"), ("clean", "skipped")]);
    assert!(reason(&old, "work").ends_with(&format!("run {newest} superseded it")));
    assert_eq!(
        left(&bench, &pipeline).await,
        [(waits, Some(newest.clone()))],
        "who took whose place is told where the queue is"
    );
    assert_eq!(
        runner.drive(&pipeline, &newest).await.unwrap().status(),
        RunStatus::Waiting
    );
    assert_eq!(
        runner.drive(&pipeline, &began).await.unwrap().status(),
        RunStatus::Succeeded
    );
    assert_eq!(
        runner.drive(&pipeline, &newest).await.unwrap().status(),
        RunStatus::Succeeded
    );
    assert_eq!(
        left(&bench, &pipeline).await[1..],
        [(began, None), (newest, None)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_waiting_run_that_was_cancelled_at_once_is_no_obstacle_to_a_newer_one() {
    let bench = Bench::new();
    let pipeline = pipeline(QueueMode::Supersede);
    let old = bench.create(&pipeline).await;
    let runner = bench.runner();
    runner.cancel(&old, alice(), String::new()).await.unwrap();
    let newest = runner.create(&pipeline, RunRequest::new(alice())).await.unwrap();
    assert_eq!(runner.load(&old).await.unwrap().status(), RunStatus::Cancelled);
    assert_eq!(
        runner.drive(&pipeline, &newest).await.unwrap().status(),
        RunStatus::Succeeded
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_is_parked_where_its_code_is_missing_and_goes_on_where_it_is() {
    let bench = Bench::new();
    let stage = pipeline_core::StageSpec::new("only", Command::new("make"));
    let pipeline = Pipeline::builder("p").stage(stage).build().unwrap();
    let run = bench.create(&pipeline).await;
    let state = bench.runner().resume(&run, &Registry::new()).await.unwrap();
    assert_eq!(state.status(), RunStatus::Parked);
    assert!(
        state.parked().unwrap()[0].contains("command"),
        "{:?}",
        state.parked()
    );
    assert_eq!(bench.starts().await.len(), 0);
    let mut registry = Registry::new();
    registry.stage::<Command>();
    let state = bench.runner().resume(&run, &registry).await.unwrap();
    assert_eq!((state.status(), state.parked()), (RunStatus::Succeeded, None));
}
