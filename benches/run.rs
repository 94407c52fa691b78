//! What a run costs for each stage.

use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use pipeline_core::testing::MemoryArtifacts;
use pipeline_core::{
    Actor, Effect, MemoryJournal, Outcome, Pipeline, RunRequest, Runner, Stage, StageContext, StageSpec,
};
use serde::Serialize;

const STAGES: usize = 1_000;

#[derive(Debug, Serialize)]
struct Nothing;

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

fn pipeline(chain: bool) -> Pipeline {
    let mut builder = Pipeline::builder("bench");
    for index in 0..STAGES {
        let mut spec = StageSpec::new(&format!("s{index}"), Nothing);
        if chain && index > 0 {
            spec = spec.after([format!("s{}", index - 1)]);
        }
        builder = builder.stage(spec);
    }
    builder.build().expect("a pipeline")
}

fn run(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime");
    let mut group = c.benchmark_group("run");
    group.sample_size(10);
    group.bench_function("bare", |b| {
        b.iter(|| {
            runtime.block_on(async {
                for task in (0..STAGES).map(|_| tokio::spawn(async {})).collect::<Vec<_>>() {
                    task.await.expect("it ended");
                }
            });
        });
    });
    for (name, chain) in [("chain", true), ("wide", false)] {
        let pipeline = pipeline(chain);
        let fresh = || {
            Arc::new(Runner::new(
                Arc::new(MemoryJournal::new()),
                Arc::new(MemoryArtifacts::new()),
            ))
        };
        group.bench_function(name, |b| {
            b.iter_batched(
                fresh,
                |runner| {
                    runtime.block_on(async {
                        let by = Actor::service("bench").expect("a name");
                        let run = runner
                            .create(&pipeline, RunRequest::new(by))
                            .await
                            .expect("created");
                        runner.drive(&pipeline, &run).await.expect("driven")
                    })
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, run);
criterion_main!(benches);
