//! Runs of our own on the graphs.

use std::sync::Arc;
use std::time::Duration;

use pipeline_core::testing::MemoryArtifacts;
use pipeline_core::{
    Actor, Effect, Failure as Means, Journal, JournalExt, MemoryJournal, Outcome, Pipeline, RunId,
    RunRequest, RunState, RunStatus, Runner, Stage, StageContext, StageError, StageSpec,
};
use serde::Serialize;

use crate::rounds::Contender;
use crate::shapes::Shape;
use crate::threads::Threads;
use crate::{Failure, ensure};

/// A stage that does nothing.
#[derive(Debug, Serialize)]
pub struct Nothing;

impl Stage for Nothing {
    const TYPE: &'static str = "nothing";
    type Error = std::convert::Infallible;

    fn effect(&self) -> Effect {
        Effect::Idempotent
    }

    async fn run(&self, _: &StageContext) -> Result<Outcome, Self::Error> {
        Ok(Outcome::succeeded())
    }
}

/// A stage that does nothing, and whose old outcome is as good as a new one. No two have equal settings.
#[derive(Debug, Serialize)]
pub struct Unchanged {
    /// What tells it from the others.
    pub number: u32,
}

impl Stage for Unchanged {
    const TYPE: &'static str = "unchanged";
    type Error = std::convert::Infallible;

    fn effect(&self) -> Effect {
        Effect::Pure
    }

    async fn run(&self, _: &StageContext) -> Result<Outcome, Self::Error> {
        Ok(Outcome::succeeded().fact("number", self.number))
    }
}

/// A stage that loses sight of its effect, so that its run waits for a person's decision.
#[derive(Debug, Serialize)]
pub struct Lost;

impl Stage for Lost {
    const TYPE: &'static str = "lost";
    type Error = StageError;

    fn effect(&self) -> Effect {
        Effect::AtMostOnce
    }

    fn failure(&self, error: &StageError) -> Means {
        error.failure
    }

    async fn run(&self, _: &StageContext) -> Result<Outcome, StageError> {
        Err(StageError::new(Means::Unknown, "lost sight of it"))
    }
}

/// A pipeline of a shape whose stages do nothing.
///
/// # Errors
///
/// When it does not build.
pub fn pipeline(shape: Shape) -> Result<Pipeline, Failure> {
    build(shape, |name, _| StageSpec::new(name, Nothing))
}

/// A pipeline of a shape with stages of one's own, each under the name that it is given.
///
/// # Errors
///
/// When it does not build.
pub fn build(shape: Shape, stage: impl Fn(&str, u32) -> StageSpec) -> Result<Pipeline, Failure> {
    let mut builder = Pipeline::builder("bench");
    for node in 0..shape.nodes() {
        let spec = stage(&name(node), node);
        builder = builder.stage(spec.after(shape.parents(node).map(name)));
    }
    Ok(builder.build()?)
}

fn name(node: u32) -> String {
    format!("s{node}")
}

/// A runner as a host makes it, with nothing added.
pub fn runner(journal: impl Journal) -> Arc<Runner> {
    Arc::new(Runner::new(Arc::new(journal), Arc::new(MemoryArtifacts::new())))
}

/// Creates a run on the worker threads, and tells how long that took.
///
/// # Errors
///
/// When the runner refuses.
pub fn create(
    threads: &Threads,
    runner: &Arc<Runner>,
    pipeline: &Pipeline,
) -> Result<(Duration, RunId), Failure> {
    let (runner, pipeline) = (Arc::clone(runner), pipeline.clone());
    threads.time(async move {
        let request = RunRequest::new(Actor::service("bench")?);
        Ok(runner.create(&pipeline, request).await?)
    })
}

/// Drives a run on the worker threads until it has ended or waits, and tells how long that took.
///
/// # Errors
///
/// When the runner refuses.
pub fn drive(
    threads: &Threads,
    runner: &Arc<Runner>,
    pipeline: &Pipeline,
    run: &RunId,
) -> Result<(Duration, RunState), Failure> {
    let (runner, pipeline, run) = (Arc::clone(runner), pipeline.clone(), run.clone());
    threads.time(async move { Ok(runner.drive(&pipeline, &run).await?) })
}

/// Times [`create`] over a fresh journal in memory.
pub fn creation<'a>(threads: &'a Threads, pipeline: &'a Pipeline) -> Contender<'a> {
    Box::new(move || Ok(create(threads, &runner(MemoryJournal::new()), pipeline)?.0))
}

/// Times [`drive`] of a created run to its end, over a fresh journal in memory. The pipeline is built, and the run
/// is created, outside of it; whether two events a stage are in the journal is looked at once.
pub fn contender<'a>(threads: &'a Threads, pipeline: &'a Pipeline) -> Contender<'a> {
    let mut looked = false;
    Box::new(move || {
        let runner = runner(MemoryJournal::new());
        let (_, run) = create(threads, &runner, pipeline)?;
        let (time, state) = drive(threads, &runner, pipeline, &run)?;
        ensure(state.status() == RunStatus::Succeeded, "the run did not succeed")?;
        if !std::mem::replace(&mut looked, true) {
            for kind in ["run.stage-started", "run.stage-finished"] {
                ensure(
                    count(threads, &runner, kind)? == pipeline.len(),
                    "not two events a stage",
                )?;
            }
        }
        Ok(time)
    })
}

/// How many events of a kind are in a runner's journal.
///
/// # Errors
///
/// When the journal cannot be read.
pub fn count(threads: &Threads, runner: &Arc<Runner>, kind: &'static str) -> Result<usize, Failure> {
    let journal = Arc::clone(runner.journal());
    threads.run(async move {
        let events = journal.read_everything(0).await?;
        Ok(events.iter().filter(|event| event.kind == kind).count())
    })
}
