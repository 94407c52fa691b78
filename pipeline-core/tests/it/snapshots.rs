//! The states of large runs, kept beside a journal.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pipeline_core::testing::{MemoryArtifacts, ScriptedStage, Step};
use pipeline_core::{
    Actor, DecideRequest, Effect, EventRef, FileJournal, Outcome, Pipeline, PipelineBuilder, RunError, RunId,
    RunRequest, RunState, RunStatus, Runner, Stage, StageContext, StageName, StageSpec, StreamId,
    SystemEntropy, Timestamp,
};
use serde::Serialize;

/// Each has two events: enough of them to be worth keeping.
const LARGE: usize = 2_200;

/// Its last stage loses sight of its effect, so a person has to decide.
fn pipeline(stages: usize) -> Pipeline {
    builder(stages).build().unwrap()
}

fn builder(stages: usize) -> PipelineBuilder {
    let names: Vec<_> = (0..stages).map(|number| format!("s{number}")).collect();
    let lost = ScriptedStage::new(Effect::AtMostOnce).then(Step::Panic);
    let builder = names.iter().fold(Pipeline::builder("p"), |builder, name| {
        builder.stage(StageSpec::new(name, ScriptedStage::new(Effect::Idempotent)))
    });
    builder.stage(StageSpec::new("last", lost).after(&names))
}

fn runner(directory: &Path) -> Arc<Runner> {
    let (journal, _) = FileJournal::open(directory, Arc::new(SystemEntropy)).unwrap();
    Arc::new(Runner::new(Arc::new(journal), Arc::new(MemoryArtifacts::new())))
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(work)
}

/// Drives a run to where it waits.
async fn waiting(runner: &Arc<Runner>, pipeline: &Pipeline) -> RunId {
    let request = RunRequest::new(Actor::person("alice").unwrap());
    let run = runner.create(pipeline, request).await.unwrap();
    let state = runner.drive(pipeline, &run).await.unwrap();
    assert_eq!(state.status(), RunStatus::NeedsDecision);
    run
}

fn kept(directory: &Path, run: &RunId) -> PathBuf {
    directory.join("derived").join(format!("run.{run}.fold"))
}

fn describe(state: &RunState) -> String {
    let stages: Vec<_> = state
        .stages()
        .map(|stage| {
            (
                stage.planned().clone(),
                stage.state().clone(),
                stage.started(),
                stage.ended(),
            )
        })
        .collect();
    format!(
        "{:?}",
        (
            state.id(),
            state.position(),
            state.epoch(),
            state.status(),
            stages
        )
    )
}

/// Changes a payload in the middle of the journal, which an index vouches for.
fn damage(directory: &Path) {
    let path = directory.join("journal.jsonl");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    let word = b"\"succeeded\"";
    let at = bytes[middle..].windows(word.len()).position(|text| text == word);
    bytes[middle + at.unwrap() + 1] = b'S';
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_large_run_that_waits_is_loaded_without_its_events() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = pipeline(LARGE);
    let run = block_on(waiting(&runner(directory.path()), &pipeline));
    let file = kept(directory.path(), &run);
    let bytes = fs::read(&file).unwrap();

    fs::remove_file(&file).unwrap();
    let expected = describe(&block_on(runner(directory.path()).load(&run)).unwrap());
    fs::write(&file, &bytes).unwrap();
    assert_eq!(
        describe(&block_on(runner(directory.path()).load(&run)).unwrap()),
        expected
    );

    // Whatever is wrong with the file, it is as if it were not there.
    for at in (0..bytes.len()).step_by(bytes.len() / 7) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&file, flipped).unwrap();
        let state = block_on(runner(directory.path()).load(&run)).unwrap();
        assert_eq!(describe(&state), expected, "flipped at {at}");
    }

    // Damage that only somebody who reads the events meets.
    damage(directory.path());
    fs::write(&file, &bytes).unwrap();
    assert_eq!(
        describe(&block_on(runner(directory.path()).load(&run)).unwrap()),
        expected
    );
    fs::remove_file(&file).unwrap();
    let error = block_on(runner(directory.path()).load(&run)).unwrap_err();
    assert!(matches!(error, RunError::Read(_)), "{error}");
}

#[test]
fn a_run_goes_on_from_what_was_kept_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = pipeline(LARGE);
    let run = block_on(waiting(&runner(directory.path()), &pipeline));
    let file = kept(directory.path(), &run);
    let bytes = fs::read(&file).unwrap();
    damage(directory.path());

    let runner = runner(directory.path());
    // Somebody looks, and it still waits: that is not worth another snapshot.
    block_on(runner.drive(&pipeline, &run)).unwrap();
    assert_eq!(fs::read(&file).unwrap(), bytes);
    let decided = DecideRequest {
        stage: StageName::new("last").unwrap(),
        happened: true,
        by: Actor::person("bob").unwrap(),
        comment: String::new(),
    };
    block_on(runner.decide(&run, decided)).unwrap();
    let state = block_on(runner.drive(&pipeline, &run)).unwrap();
    assert_eq!(state.status(), RunStatus::Succeeded);
    assert_eq!(state.epoch(), 2);
    assert!(!file.exists(), "it has ended");
}

#[test]
fn a_small_run_is_not_worth_it() {
    let directory = tempfile::tempdir().unwrap();
    let run = block_on(waiting(&runner(directory.path()), &pipeline(10)));
    assert!(!kept(directory.path(), &run).exists());
}

#[test]
fn a_snapshot_that_cannot_be_written_fails_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = pipeline(LARGE);
    fs::write(directory.path().join("derived"), "in the way").unwrap();
    let run = block_on(waiting(&runner(directory.path()), &pipeline));
    let state = block_on(runner(directory.path()).load(&run)).unwrap();
    assert_eq!(state.status(), RunStatus::NeedsDecision);
}

/// Erases what its run's stream says of who took the run.
#[derive(Debug, Serialize)]
struct Eraser {
    #[serde(skip)]
    journal: FileJournal,
}

impl Stage for Eraser {
    const TYPE: &'static str = "eraser";
    type Error = Infallible;

    fn effect(&self) -> Effect {
        Effect::Idempotent
    }

    async fn run(&self, context: &StageContext) -> Result<Outcome, Infallible> {
        erase(&self.journal, context.run());
        Ok(Outcome::succeeded())
    }
}

fn erase(journal: &FileJournal, run: &RunId) {
    let event = EventRef {
        stream: StreamId::run(run),
        position: 2,
    };
    journal
        .erase(&event, Actor::Engine, "asked to", Timestamp::UNIX_EPOCH)
        .unwrap();
}

#[test]
fn what_is_erased_is_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = FileJournal::open(directory.path(), Arc::new(SystemEntropy)).unwrap();
    let artifacts = Arc::new(MemoryArtifacts::new());
    let runner = Arc::new(Runner::new(Arc::new(journal.clone()), artifacts));
    let runs = [(); 2].map(|()| block_on(waiting(&runner, &pipeline(LARGE))));
    assert!(runs.iter().all(|run| kept(directory.path(), run).exists()));
    erase(&journal, &runs[0]);
    assert!(!runs.iter().any(|run| kept(directory.path(), run).exists()));
    // The other one is kept anew.
    block_on(runner.drive(&pipeline(LARGE), &runs[1])).unwrap();
    assert!(kept(directory.path(), &runs[1]).exists());

    // A worker that goes on knows what was erased meanwhile.
    let eraser = Eraser { journal };
    let pipeline = builder(LARGE).stage(StageSpec::new("eraser", eraser)).build();
    let third = block_on(waiting(&runner, &pipeline.unwrap()));
    assert!(!kept(directory.path(), &third).exists());
}
