use std::time::Duration;

use crate::measure::Settings;
use crate::report::{Figure, Sink};
use crate::rounds::{Contender, Rounds, Samples};
use crate::shapes::Shape;
use crate::{Failure, bare, ours, peers};

const ROUNDS: Rounds = Rounds {
    at_least: 5,
    at_most: 21,
    budget: Duration::from_secs(12),
};

/// How much slower than the floor a run may be.
const OVER_BARE: f64 = 2.0;

/// How much a node may cost more in a graph that is ten times as large.
const OVER_SMALLER: f64 = 1.25;

pub(super) fn chain(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    measure(settings, sink, Shape::chain(settings.size(10_000)), None)
}

pub(super) fn wide(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    measure(settings, sink, Shape::wide(settings.size(10_000)), None)
}

pub(super) fn layered(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    measure(settings, sink, small(settings), None)
}

pub(super) fn large(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let shape = Shape::layered(settings.size(100_000), settings.size(1_000));
    measure(settings, sink, shape, Some(small(settings)))
}

fn small(settings: &Settings<'_>) -> Shape {
    Shape::layered(settings.size(10_000), settings.size(100))
}

/// Measures everybody on a shape, and ourselves on a smaller one in the same rounds.
fn measure(
    settings: &Settings<'_>,
    sink: &mut dyn Sink,
    shape: Shape,
    smaller: Option<Shape>,
) -> Result<(), Failure> {
    let threads = settings.threads;
    let pipeline = ours::pipeline(shape)?;
    let smaller_pipeline = smaller.map(ours::pipeline).transpose()?;
    let mut runs: Vec<(&str, Contender<'_>)> = vec![
        ("bare", bare::contender(threads, shape)),
        ("ours, drive", ours::contender(threads, &pipeline)),
        ("ours, create", ours::creation(threads, &pipeline)),
        ("JoinSet", peers::join_set(threads, shape)),
        ("dagx", peers::dagx(threads, shape)),
        ("async_dag (one thread)", peers::async_dag(shape)),
    ];
    let (bare, ours, join_set, dagx) = (0, 1, 3, 4);
    // Slow enough that a larger graph tells no more than a smaller one.
    let dagrs = smaller.is_none().then_some(runs.len());
    if dagrs.is_some() {
        runs.push(("dagrs", peers::dagrs(threads, shape)));
    }
    let in_smaller = smaller_pipeline.as_ref().map(|pipeline| {
        runs.push(("", ours::contender(threads, pipeline)));
        runs.len() - 1
    });

    let (names, mut contenders): (Vec<_>, Vec<_>) = runs.into_iter().unzip();
    let samples = Samples::take(ROUNDS, &mut contenders)?;

    for (at, name) in names.iter().enumerate().filter(|(at, _)| Some(*at) != in_smaller) {
        let nanos = samples.median(at) * 1e9 / f64::from(shape.nodes());
        sink.figure(Figure::told(format!("{shape}: {name}"), nanos, "ns/node"))?;
    }
    let ratio = samples.ratio(ours, join_set);
    sink.figure(Figure::told(format!("{shape}: ours / JoinSet"), ratio, "x"))?;
    let mut limit = |limit, name: &str, ratio| {
        sink.figure(Figure::at_most(limit, format!("{shape}: {name}"), ratio, "x"))
    };
    limit(OVER_BARE, "ours / bare", samples.ratio(ours, bare))?;
    limit(1.0, "ours / dagx", samples.ratio(ours, dagx))?;
    if let Some(dagrs) = dagrs {
        limit(1.0, "ours / dagrs", samples.ratio(ours, dagrs))?;
    }
    if let (Some(at), Some(smaller)) = (in_smaller, smaller) {
        let per_node = f64::from(smaller.nodes()) / f64::from(shape.nodes());
        let name = format!("ours a node / at {smaller}");
        limit(OVER_SMALLER, &name, samples.ratio(ours, at) * per_node)?;
    }
    Ok(())
}
