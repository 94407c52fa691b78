//! What the examples share: a journal, a clock that stands still, and runners over them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pipeline_core::testing::{ManualClock, MemoryArtifacts, ScriptedStage, Step};
use pipeline_core::{
    Actor, AppendError, Batch, Checkpoint, Commit, Effect, Event, EventPayload, Journal, JournalExt,
    MemoryJournal, Outcome, Pipeline, ReadError, RunEvent, RunId, RunRequest, RunState, Runner,
    RunnerOptions, StageSpec, StreamId,
};

/// Counts what is appended.
#[derive(Debug)]
struct Counted(Arc<MemoryJournal>, Arc<AtomicUsize>);

#[async_trait::async_trait]
impl Journal for Counted {
    async fn append(&self, batch: Batch) -> Result<Commit, AppendError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.append(batch).await
    }

    async fn read(&self, stream: &StreamId, after: u64, limit: usize) -> Result<Vec<Event>, ReadError> {
        self.0.read(stream, after, limit).await
    }

    async fn read_all(&self, after: u64, limit: usize) -> Result<Vec<Event>, ReadError> {
        self.0.read_all(after, limit).await
    }

    async fn checkpoint(&self) -> Result<Checkpoint, ReadError> {
        self.0.checkpoint().await
    }
}

pub(super) struct Bench {
    /// How many commits its runners made.
    pub(super) commits: Arc<AtomicUsize>,
    pub(super) journal: Arc<MemoryJournal>,
    pub(super) clock: ManualClock,
    pub(super) artifacts: Arc<MemoryArtifacts>,
}

pub(super) fn alice() -> Actor {
    Actor::person("alice").unwrap()
}

/// A stage that succeeds.
pub(super) fn works() -> ScriptedStage {
    ScriptedStage::new(Effect::Idempotent)
}

/// A stage that says no.
pub(super) fn says_no() -> ScriptedStage {
    works().then(Step::End(Box::new(Outcome::failed("no"))))
}

pub(super) fn spec(name: &str, stage: &ScriptedStage) -> StageSpec {
    StageSpec::new(name, stage.clone())
}

pub(super) fn words(state: &RunState) -> Vec<(&str, &'static str)> {
    let words = state.stages();
    words
        .map(|stage| (stage.planned().name.as_str(), stage.state().word()))
        .collect()
}

pub(super) fn reason(state: &RunState, stage: &str) -> String {
    state
        .stage(&stage.try_into().unwrap())
        .unwrap()
        .end()
        .unwrap()
        .reason()
}

impl Bench {
    pub(super) fn new() -> Self {
        Self {
            commits: Arc::default(),
            journal: Arc::new(MemoryJournal::new()),
            clock: ManualClock::at("2026-11-20T12:00:00Z"),
            artifacts: Arc::new(MemoryArtifacts::new()),
        }
    }

    pub(super) fn options() -> RunnerOptions {
        RunnerOptions {
            grace: Duration::from_millis(50),
            ..RunnerOptions::default()
        }
    }

    /// A runner as a new process would have it.
    pub(super) fn runner(&self) -> Arc<Runner> {
        self.runner_with(Self::options())
    }

    pub(super) fn runner_with(&self, options: RunnerOptions) -> Arc<Runner> {
        let runner = Runner::new(
            Arc::new(Counted(self.journal.clone(), self.commits.clone())),
            self.artifacts.clone(),
        );
        Arc::new(runner.clock(self.clock.clone()).options(options))
    }

    pub(super) async fn create(&self, pipeline: &Pipeline) -> RunId {
        self.runner()
            .create(pipeline, RunRequest::new(alice()))
            .await
            .unwrap()
    }

    pub(super) async fn run(&self, pipeline: &Pipeline) -> RunState {
        let run = self.create(pipeline).await;
        self.runner().drive(pipeline, &run).await.unwrap()
    }

    /// All events of one family.
    pub(super) async fn all<P: EventPayload + Clone>(&self) -> Vec<P> {
        let events = self.journal.read_everything(0).await.unwrap();
        let payloads = events.iter().filter_map(|event| event.read::<P>().ok().flatten());
        payloads.map(|payload| payload.into_owned()).collect()
    }

    /// The stages in the order in which attempts of them began.
    pub(super) async fn starts(&self) -> Vec<String> {
        let events = self.all::<RunEvent>().await;
        let starts = events.iter().filter_map(|event| match event {
            RunEvent::StageStarted(started) => Some(started.stage.to_string()),
            _ => None,
        });
        starts.collect()
    }
}
