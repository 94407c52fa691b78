//! Attempts that block their thread, in real time: nothing can end them, and the run goes on.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use pipeline_core::testing::MemoryArtifacts;
use pipeline_core::{
    Effect, FailurePolicy, MemoryJournal, Outcome, Pipeline, RunRequest, Runner, RunnerOptions,
    SignedDuration, Stage, StageContext, StageSpec,
};
use serde::Serialize;

use super::bench::{alice, spec, words, works};

/// Blocks its thread in its first poll, until the test is over.
#[derive(Debug, Clone, Default, Serialize)]
struct Blocks {
    #[serde(skip)]
    over: Arc<(Mutex<bool>, Condvar)>,
}

impl Stage for Blocks {
    const TYPE: &'static str = "blocks";
    type Error = std::io::Error;

    fn effect(&self) -> Effect {
        Effect::Idempotent
    }

    async fn run(&self, _: &StageContext) -> std::io::Result<Outcome> {
        let (over, changed) = &*self.over;
        drop(changed.wait_while(over.lock().unwrap(), |over| !*over).unwrap());
        Ok(Outcome::succeeded())
    }
}

#[test]
fn an_attempt_that_blocks_its_thread_is_given_up_and_the_run_goes_on() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .enable_all()
        .build()
        .unwrap();
    let stage = Blocks::default();
    let pipeline = Pipeline::builder("p")
        .on_failure(FailurePolicy::Continue)
        .stage(StageSpec::new("blocks", stage.clone()).timeout(SignedDuration::from_secs(1)))
        .stage(spec("other", &works()))
        .stage(spec("after-other", &works()).after(["other"]))
        .build()
        .unwrap();
    let state = runtime.block_on(async {
        let runner = Runner::new(Arc::new(MemoryJournal::new()), Arc::new(MemoryArtifacts::new()));
        let runner = Arc::new(runner.options(RunnerOptions {
            grace: Duration::from_millis(50),
            poll: Duration::from_millis(20),
            ..RunnerOptions::default()
        }));
        let run = runner.create(&pipeline, RunRequest::new(alice())).await.unwrap();
        tokio::time::timeout(Duration::from_secs(20), runner.drive(&pipeline, &run)).await
    });
    // Its thread comes back before anything is asserted.
    *stage.over.0.lock().unwrap() = true;
    stage.over.1.notify_all();
    runtime.shutdown_timeout(Duration::from_secs(10));
    let state = state.expect("the drive ends").unwrap();
    assert_eq!(
        words(&state),
        [
            ("blocks", "errored"),
            ("other", "succeeded"),
            ("after-other", "succeeded")
        ]
    );
}
