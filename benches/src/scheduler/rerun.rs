use std::sync::Arc;
use std::time::Duration;

use pipeline_core::{MemoryJournal, RunStatus, StageSpec};

use crate::measure::Settings;
use crate::ours::{self, Unchanged};
use crate::report::{Figure, Sink};
use crate::rounds::{Rounds, Samples};
use crate::shapes::Shape;
use crate::{Failure, ensure};

const ROUNDS: Rounds = Rounds {
    at_least: 3,
    at_most: 15,
    budget: Duration::from_secs(10),
};

/// How long a stage may take that is as it was.
const LIMIT: f64 = 1.0;

/// Runs of a pipeline that ran before. The old outcomes are loaded before the time counts: another run of the same
/// runner makes it read the journal up to there.
pub(super) fn measure(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let threads = settings.threads;
    let shape = Shape::layered(settings.size(10_000), settings.size(100));
    let pipeline = ours::build(shape, |name, number| StageSpec::new(name, Unchanged { number }))?;
    // Its stage is pure: a runner reads old outcomes for those who can use some.
    let other = ours::build(Shape::chain(1), |name, _| {
        StageSpec::new(name, Unchanged { number: u32::MAX })
    })?;
    let runner = ours::runner(MemoryJournal::new());
    for pipeline in [&pipeline, &other] {
        let (_, first) = ours::create(threads, &runner, pipeline)?;
        let (_, state) = ours::drive(threads, &runner, pipeline, &first)?;
        ensure(
            state.status() == RunStatus::Succeeded,
            "the first run did not succeed",
        )?;
    }

    let mut samples = Samples::of(2);
    let mut reused = 0;
    for round in ROUNDS.iter() {
        let (_, between) = ours::create(threads, &runner, &other)?;
        let (_, run) = ours::create(threads, &runner, &pipeline)?;
        ours::drive(threads, &runner, &other, &between)?;
        let (load, _) = threads.time({
            let (runner, run) = (Arc::clone(&runner), run.clone());
            async move { Ok(runner.load(&run).await?) }
        })?;
        let (time, state) = ours::drive(threads, &runner, &pipeline, &run)?;
        ensure(
            state.status() == RunStatus::Succeeded,
            "a run again did not succeed",
        )?;
        reused += pipeline.len() + other.len();
        if round > 0 {
            samples.push(&[time.as_secs_f64(), load.as_secs_f64()]);
        }
    }
    let count = ours::count(threads, &runner, "run.stage-reused")?;
    ensure(count == reused, "stages were not reused")?;

    let micros = |of| samples.median(of) * 1e6 / f64::from(shape.nodes());
    let name = format!("nothing changed, {shape}");
    sink.figure(Figure::told(format!("{name}: load"), micros(1), "µs/stage"))?;
    sink.figure(Figure::at_most(
        LIMIT,
        format!("{name}: drive"),
        micros(0),
        "µs/stage",
    ))?;
    Ok(())
}
