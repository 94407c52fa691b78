//! Watching runs: no observer and no subscription breaks one or holds it up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use pipeline_core::testing::{MemoryArtifacts, ScriptedStage};
use pipeline_core::{
    Actor, Effect, Lagged, MemoryJournal, Observer, Outcome, OwnedSignal, Pipeline, RunRequest, RunState,
    RunStatus, Runner, Signal, Stage, StageContext, StageSpec, Subscription,
};
use serde::Serialize;

/// Says many lines.
#[derive(Debug, Serialize)]
struct Chatter(usize);

impl Stage for Chatter {
    const TYPE: &'static str = "chatter";
    type Error = std::convert::Infallible;

    fn effect(&self) -> Effect {
        Effect::Idempotent
    }

    async fn run(&self, cx: &StageContext) -> Result<Outcome, Self::Error> {
        for number in 0..self.0 {
            cx.log(format!("line {number}"));
        }
        cx.progress(1, Some(2), "half");
        Ok(Outcome::succeeded())
    }
}

fn runner() -> Runner {
    Runner::new(Arc::new(MemoryJournal::new()), Arc::new(MemoryArtifacts::new()))
}

fn chatter(lines: usize) -> Pipeline {
    Pipeline::builder("p")
        .stage(StageSpec::new("talk", Chatter(lines)))
        .stage(StageSpec::new("end", ScriptedStage::new(Effect::Idempotent)).after(["talk"]))
        .build()
        .unwrap()
}

async fn drive(runner: &Arc<Runner>, pipeline: &Pipeline) -> RunState {
    let request = RunRequest::new(Actor::person("alice").unwrap());
    let run = runner.create(pipeline, request).await.unwrap();
    runner.drive(pipeline, &run).await.unwrap()
}

fn word(signal: &Signal<'_>) -> String {
    match signal {
        Signal::Event(event) => event.kind.to_string(),
        Signal::Output { stage, line, .. } => format!("{stage} says {line}"),
        Signal::Progress {
            done, total, doing, ..
        } => format!("{done} of {total:?}, {doing}"),
        Signal::Warning { text, .. } => (*text).to_owned(),
        _ => "?".to_owned(),
    }
}

/// Keeps what it sees.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Observer for Seen {
    fn observe(&self, signal: &Signal<'_>) {
        self.0.lock().unwrap().push(word(signal));
    }
}

/// All that can be read now.
fn read(subscription: &mut Subscription) -> (Vec<String>, u64) {
    let (mut words, mut missed) = (Vec::new(), 0);
    while let Some(next) = subscription.try_next() {
        match next {
            Ok(signal) => words.push(word(&signal.as_signal())),
            Err(Lagged { missed: more }) => missed += more,
        }
    }
    (words, missed)
}

#[tokio::test]
async fn an_observer_that_panics_is_left_out_and_the_others_are_told_once() {
    let seen = Seen::default();
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let runner = runner()
        .observer(seen.clone())
        .observer(move |signal: &Signal<'_>| {
            counter.fetch_add(1, Ordering::Relaxed);
            assert!(matches!(signal, Signal::Event(_)), "no event");
        });
    let mut subscription = runner.subscribe();
    let state = drive(&Arc::new(runner), &chatter(3)).await;
    assert_eq!(state.status(), RunStatus::Succeeded);
    let expected = [
        "run.created",
        "run.claimed",
        "run.stage-started",
        "talk says line 0",
        "observer 2 of the runner panicked and is not called again: no event",
        "talk says line 1",
        "talk says line 2",
        "1 of Some(2), half",
        "run.stage-finished",
        "run.stage-started",
        "run.stage-finished",
        "run.finished",
    ];
    let at = |word: &str| expected.iter().position(|expected| *expected == word).unwrap();
    assert_eq!(*seen.0.lock().unwrap(), expected);
    assert_eq!(read(&mut subscription), (expected.map(str::to_owned).to_vec(), 0));
    assert_eq!(calls.load(Ordering::Relaxed), at("talk says line 0") + 1);
}

#[tokio::test]
async fn a_subscription_that_is_behind_loses_the_oldest_and_hears_how_many() {
    let seen = Seen::default();
    let runner = Arc::new(runner().observer(seen.clone()));
    let mut never_read = runner.subscribe();
    let state = drive(&runner, &chatter(10_000)).await;
    assert_eq!(state.status(), RunStatus::Succeeded);
    let all = seen.0.lock().unwrap().clone();
    let (words, missed) = read(&mut never_read);
    assert_eq!(words.len(), 4096);
    assert_eq!(missed as usize, all.len() - 4096);
    assert_eq!(words, all[all.len() - 4096..]);
}

#[tokio::test]
async fn every_subscription_sees_the_same_from_when_it_began_and_ends_with_the_runner() {
    let runner = Arc::new(runner());
    let early = [runner.subscribe(), runner.subscribe(), runner.subscribe()];
    let readers = early.map(|mut subscription| {
        tokio::spawn(async move {
            let mut kinds = Vec::new();
            while let Some(next) = subscription.next().await {
                if let OwnedSignal::Event(event) = &*next.unwrap() {
                    kinds.push(event.kind.to_string());
                }
            }
            kinds
        })
    });
    drive(&runner, &chatter(0)).await;
    let mut late = runner.subscribe();
    drive(&runner, &chatter(0)).await;
    drop(runner);
    let of_one_run = [
        "run.created",
        "run.claimed",
        "run.stage-started",
        "run.stage-finished",
        "run.stage-started",
        "run.stage-finished",
        "run.finished",
    ];
    for reader in readers {
        assert_eq!(reader.await.unwrap(), [of_one_run, of_one_run].concat());
    }
    let kinds: Vec<_> = read(&mut late)
        .0
        .into_iter()
        .filter(|word| word.starts_with("run."))
        .collect();
    assert_eq!(kinds, of_one_run);
    assert!(late.next().await.is_none());
}
