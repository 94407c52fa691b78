//! Stages that end at once, one after another, over a journal that need not be waited for.
//!
//! The runtime's clock stands still unless a stage moves it, or all wait: so every stage is as quick as it says, and a
//! drive that would wait for ever has soon done so.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Waker};
use std::time::Duration;

use pipeline_core::testing::{ManualClock, MemoryArtifacts};
use pipeline_core::{
    AppendError, Batch, Checkpoint, Commit, Cursor, Effect, Event, Expected, Journal, JournalExt,
    MemoryJournal, NewEvent, Outcome, Payload, Pipeline, ReadError, RunError, RunId, RunRequest, RunState,
    RunStatus, Runner, RunnerOptions, Stage, StageContext, StageSpec, StreamId,
};
use serde::Serialize;
use tokio::sync::Notify;

use super::bench::{Bench, alice};

/// Counts its calls. Some do not end at once.
#[derive(Debug, Clone, Default, Serialize)]
struct Counts {
    /// Whether it takes a turn more.
    waits: bool,
    /// How long a call takes.
    #[serde(skip)]
    takes: Duration,
    #[serde(skip)]
    calls: Arc<AtomicUsize>,
    #[serde(skip)]
    hook: Hook,
}

/// What happens within a certain call.
#[derive(Clone, Default)]
struct Hook(Arc<OnceLock<Box<dyn Fn() + Send + Sync>>>);

/// Late enough that one call after another was quick.
const HOOKED: usize = 200;

impl Hook {
    fn set(&self, act: impl Fn() + Send + Sync + 'static) {
        assert!(self.0.set(Box::new(act)).is_ok(), "set once");
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}

impl Stage for Counts {
    const TYPE: &'static str = "counts";
    type Error = std::io::Error;

    fn effect(&self) -> Effect {
        Effect::Idempotent
    }

    async fn run(&self, _: &StageContext) -> Result<Outcome, Self::Error> {
        let before = self.calls.fetch_add(1, Ordering::SeqCst);
        if before + 1 == HOOKED
            && let Some(act) = self.hook.0.get()
        {
            act();
        }
        if !self.takes.is_zero() {
            move_clock(self.takes);
        }
        if self.waits {
            tokio::task::yield_now().await;
        }
        Ok(Outcome::succeeded())
    }
}

/// Moves the runtime's clock, and gives nobody a turn.
fn move_clock(by: Duration) {
    let moves = pin!(tokio::time::advance(by));
    // It moves the clock first, and then would wait for others to notice.
    let _ = moves.poll(&mut Context::from_waker(Waker::noop()));
}

/// Drives a run that has nothing to wait for.
async fn drive(runner: &Arc<Runner>, pipeline: &Pipeline, run: &RunId) -> Result<RunState, RunError> {
    let driven = tokio::time::timeout(Duration::from_secs(60), runner.drive(pipeline, run));
    driven.await.expect("it waits for ever")
}

/// A chain. Of so many stages one takes a turn more.
fn chain(length: usize, one_of: usize, counts: &Counts) -> Pipeline {
    let stages = (0..length).map(|number| {
        let stage = Counts {
            waits: number % one_of == one_of - 1,
            ..counts.clone()
        };
        let spec = StageSpec::new(&format!("s{number}"), stage);
        match number {
            0 => spec,
            _ => spec.after([format!("s{}", number - 1)]),
        }
    });
    let builder = Pipeline::builder("p");
    let builder = stages.fold(builder, |builder, stage| builder.stage(stage));
    builder.build().unwrap()
}

/// What is written down, but for the digest of the plan and the id of the run.
async fn written(journal: &MemoryJournal) -> Vec<String> {
    let events = journal.read_everything(0).await.unwrap();
    let text = |event: &Event| {
        let payload = match &*event.kind {
            "run.created" => String::new(),
            _ => event.payload.to_json().unwrap().into_owned(),
        };
        let (position, cursor) = (event.position, event.cursor);
        format!(
            "{position} {cursor} {} {} {} {payload}",
            event.at, event.kind, event.actor
        )
    };
    events.iter().map(text).collect()
}

#[tokio::test(start_paused = true)]
async fn it_writes_what_a_journal_that_waits_is_given() {
    // More than what a journal in memory keeps side by side.
    for (length, one_of) in [(1500, 1501), (300, 7)] {
        let (on_the_spot, waits) = (Bench::new(), Bench::new());
        let counts = Counts::default();
        let pipeline = chain(length, one_of, &counts);
        let runner = Runner::new(on_the_spot.journal.clone(), on_the_spot.artifacts.clone());
        let runner = Arc::new(runner.clock(on_the_spot.clock.clone()).options(Bench::options()));
        let run = runner.create(&pipeline, RunRequest::new(alice())).await.unwrap();
        let state = drive(&runner, &pipeline, &run).await.unwrap();
        assert_eq!(state.status(), RunStatus::Succeeded);
        assert_eq!(counts.calls.load(Ordering::SeqCst), length);
        let run = waits.create(&pipeline).await;
        let state = drive(&waits.runner(), &pipeline, &run).await.unwrap();
        assert_eq!(state.status(), RunStatus::Succeeded);
        let written = (written(&on_the_spot.journal).await, written(&waits.journal).await);
        // Created, claimed, two a stage, finished.
        assert_eq!(written.0.len(), 2 * length + 3);
        assert_eq!(written.0, written.1);
    }
}

/// Lets somebody else append to the run before one of its commits.
#[derive(Debug)]
struct Overtaken {
    journal: Arc<MemoryJournal>,
    before: usize,
    appends: AtomicUsize,
}

#[async_trait::async_trait]
impl Journal for Overtaken {
    async fn append(&self, batch: Batch) -> Result<Commit, AppendError> {
        self.journal.append(batch).await
    }

    fn append_now(&self, batch: &mut Batch) -> Option<Result<Cursor, AppendError>> {
        if self.appends.fetch_add(1, Ordering::SeqCst) == self.before {
            let stream = batch.appends[0].stream.clone();
            let noise = NewEvent::raw("test.noise", 1, Payload::json("{}"));
            let mut noise = Batch::new(batch.at).event(&stream, Expected::Any, noise);
            self.journal.append_now(&mut noise)?.unwrap();
        }
        self.journal.append_now(batch)
    }

    async fn read(&self, stream: &StreamId, after: u64, limit: usize) -> Result<Vec<Event>, ReadError> {
        self.journal.read(stream, after, limit).await
    }

    async fn read_all(&self, after: u64, limit: usize) -> Result<Vec<Event>, ReadError> {
        self.journal.read_all(after, limit).await
    }

    async fn checkpoint(&self) -> Result<Checkpoint, ReadError> {
        self.journal.checkpoint().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_overtaken_decides_again_and_loses_neither_events_nor_slots() {
    let length = 40;
    let counts = Counts::default();
    let pipeline = chain(length, length + 1, &counts);
    for before in 0..=length {
        let journal = Arc::new(MemoryJournal::new());
        let overtaken = Overtaken {
            journal: Arc::clone(&journal),
            before,
            appends: AtomicUsize::new(0),
        };
        let options = RunnerOptions {
            parallel: Some(1),
            ..Bench::options()
        };
        let runner = Runner::new(Arc::new(overtaken), Arc::new(MemoryArtifacts::new()));
        let runner = Arc::new(
            runner
                .clock(ManualClock::at("2026-11-20T12:00:00Z"))
                .options(options),
        );
        let run = runner.create(&pipeline, RunRequest::new(alice())).await.unwrap();
        let state = drive(&runner, &pipeline, &run).await.unwrap();
        assert_eq!(state.status(), RunStatus::Succeeded, "before commit {before}");
        let events = journal.read(&StreamId::run(&run), 0, usize::MAX).await.unwrap();
        let of = |kind: &str| events.iter().filter(|event| event.kind == kind).count();
        let counted = ["run.stage-started", "run.stage-finished", "test.noise"].map(of);
        assert_eq!(counted, [length, length, 1], "before commit {before}");
    }
    assert_eq!(counts.calls.load(Ordering::SeqCst), length * (length + 1));
}

#[tokio::test(start_paused = true)]
async fn others_have_their_turn_and_who_does_not_want_it_any_more_ends_it() {
    let length = 5000;
    // Quick enough to be polled on the spot each time, and all together much longer than the others should wait.
    let counts = Counts {
        takes: Duration::from_micros(20),
        ..Counts::default()
    };
    let pipeline = chain(length, length + 1, &counts);
    let journal = Arc::new(MemoryJournal::new());
    let runner = Arc::new(Runner::new(journal, Arc::new(MemoryArtifacts::new())));
    let run: RunId = runner.create(&pipeline, RunRequest::new(alice())).await.unwrap();
    let called = Arc::new(Notify::new());
    let call = Arc::clone(&called);
    counts.hook.set(move || call.notify_one());
    tokio::select! {
        biased;
        () = called.notified() => {}
        _ = drive(&runner, &pipeline, &run) => {}
    }
    let calls = counts.calls.load(Ordering::SeqCst);
    // A breath is a millisecond; whether it is time for one is looked at every now and then.
    assert!(
        (HOOKED..HOOKED + 100).contains(&calls),
        "nobody had a turn: {calls}"
    );
    // Refused until all of it is gone.
    let mut refused = 0;
    while drive(&runner, &pipeline, &run).await.is_err() {
        refused += 1;
        assert!(refused < 1000, "it is never gone");
        tokio::task::yield_now().await;
    }
    // What was at work then is begun again.
    let calls = counts.calls.load(Ordering::SeqCst);
    assert!((length..=length + 1).contains(&calls), "{calls}");
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_drains_begins_nothing_more() {
    let counts = Counts::default();
    let pipeline = chain(300, 301, &counts);
    let journal = Arc::new(MemoryJournal::new());
    let runner = Arc::new(Runner::new(journal.clone(), Arc::new(MemoryArtifacts::new())));
    let run = runner.create(&pipeline, RunRequest::new(alice())).await.unwrap();
    let drained = Arc::downgrade(&runner);
    counts.hook.set(move || drained.upgrade().unwrap().drain());
    let state = drive(&runner, &pipeline, &run).await.unwrap();
    assert!(state.finished().is_none());
    let events = journal.read(&StreamId::run(&run), 0, usize::MAX).await.unwrap();
    let of = |kind: &str| events.iter().filter(|event| event.kind == kind).count();
    assert_eq!(
        ["run.stage-started", "run.stage-finished"].map(of),
        [HOOKED, HOOKED]
    );
    assert_eq!(counts.calls.load(Ordering::SeqCst), HOOKED);
}
