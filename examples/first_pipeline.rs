//! Three stages in code, run in memory: what a pipeline is.

use std::sync::Arc;

use pipeline_artifacts::LocalStore;
use pipeline_core::{
    Actor, Effect, MemoryJournal, Outcome, Pipeline, RunRequest, Runner, Stage, StageContext, StageSpec,
};
use serde::Serialize;

/// A stage that says what it does.
#[derive(Debug, Serialize)]
struct Say(&'static str);

impl Stage for Say {
    const TYPE: &'static str = "say";
    type Error = std::convert::Infallible;

    fn effect(&self) -> Effect {
        Effect::Idempotent
    }

    async fn run(&self, _: &StageContext) -> Result<Outcome, Self::Error> {
        println!("{}", self.0);
        Ok(Outcome::succeeded())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pipeline = Pipeline::builder("first")
        .stage(StageSpec::new("test", Say("testing")))
        .stage(StageSpec::new("build", Say("building")))
        .stage(StageSpec::new("deploy", Say("deploying")).after(["test", "build"]))
        .build()?;

    let directory = tempfile::tempdir()?;
    let store = Arc::new(LocalStore::open(directory.path())?);
    let runner = Arc::new(Runner::new(Arc::new(MemoryJournal::new()), store));
    let run = runner
        .create(&pipeline, RunRequest::new(Actor::person("alice")?))
        .await?;
    let state = runner.drive(&pipeline, &run).await?;
    for stage in state.stages() {
        println!("{}: {}", stage.planned().name, stage.state().word());
    }
    Ok(())
}
