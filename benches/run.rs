//! What a graph costs: a run of ours, the floor, and the peers, on the shapes that `figures` measures.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pipeline_benches::rounds::Contender;
use pipeline_benches::shapes::Shape;
use pipeline_benches::threads::Threads;
use pipeline_benches::{bare, ours, peers};

fn run(c: &mut Criterion) {
    let threads = Threads::start().expect("threads");
    for (name, shape) in [
        ("chain", Shape::chain(10_000)),
        ("wide", Shape::wide(10_000)),
        ("layered", Shape::layered(10_000, 100)),
    ] {
        let pipeline = ours::pipeline(shape).expect("a pipeline");
        let contenders: [(&str, Contender<'_>); 7] = [
            ("bare", bare::contender(&threads, shape)),
            ("drive", ours::contender(&threads, &pipeline)),
            ("create", ours::creation(&threads, &pipeline)),
            ("join_set", peers::join_set(&threads, shape)),
            ("dagx", peers::dagx(&threads, shape)),
            ("dagrs", peers::dagrs(&threads, shape)),
            ("async_dag", peers::async_dag(shape)),
        ];
        let mut group = c.benchmark_group(format!("run/{name}"));
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(3))
            .throughput(Throughput::Elements(shape.nodes().into()));
        for (name, mut contender) in contenders {
            let mut time = |times| (0..times).map(|_| contender().expect("it ran")).sum();
            group.bench_function(name, |b| b.iter_custom(&mut time));
        }
        group.finish();
    }
}

criterion_group!(benches, run);
criterion_main!(benches);
