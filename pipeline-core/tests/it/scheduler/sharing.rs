//! Pools, limits, and who is first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use pipeline_core::testing::Step;
use pipeline_core::{
    Effect, EvidenceSet, Gate, GateRequest, JournalExt, Outcome, Pipeline, RunLimits, RunRequest, RunStatus,
    RunnerOptions, SignedDuration, Stage, StageContext, StageSpec, Timestamp, Verdict,
};
use serde::Serialize;

use super::bench::{Bench, alice, spec, works};

/// Works for a second, and counts how many do.
#[derive(Debug, Clone, Default, Serialize)]
struct Crowd {
    #[serde(skip)]
    now: Arc<AtomicU32>,
    #[serde(skip)]
    most: Arc<AtomicU32>,
}

impl Stage for Crowd {
    const TYPE: &'static str = "crowd";
    type Error = std::io::Error;

    fn effect(&self) -> Effect {
        Effect::Idempotent
    }

    async fn run(&self, _: &StageContext) -> std::io::Result<Outcome> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        Ok(Outcome::succeeded())
    }
}

#[tokio::test(start_paused = true)]
async fn a_pool_holds_for_all_runs_of_a_journal() {
    let bench = Bench::new();
    let crowd = Crowd::default();
    let pipeline = |name: &str| {
        let builder = Pipeline::builder(name).pool("rig", 2);
        let stages = (0..6).map(|number| StageSpec::new(&format!("s{number}"), crowd.clone()).pools(["rig"]));
        stages
            .fold(builder, |builder, stage| builder.stage(stage))
            .build()
            .unwrap()
    };
    let (one, two) = (pipeline("one"), pipeline("two"));
    let (first, second) = (bench.create(&one).await, bench.create(&two).await);
    let drive = |pipeline: Pipeline, run| {
        let runner = bench.runner();
        async move {
            // A run whose pool is full returns; whoever drives it goes on.
            for _ in 0..100 {
                let state = runner.drive(&pipeline, &run).await.unwrap();
                if state.finished().is_some() {
                    return state.status();
                }
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            panic!("it never ends");
        }
    };
    let ends = tokio::join!(drive(one, first), drive(two, second));
    assert_eq!(ends, (RunStatus::Succeeded, RunStatus::Succeeded));
    assert_eq!(crowd.most.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_run_and_a_process_have_their_limits() {
    for (of_run, of_process, most) in [
        (Some(2), None, 4),
        (None, Some(3), 3),
        (Some(1), Some(8), 2),
        (None, None, 8),
    ] {
        let bench = Bench::new();
        let crowd = Crowd::default();
        let stages = (0..4).map(|number| StageSpec::new(&format!("s{number}"), crowd.clone()));
        let limits = RunLimits {
            parallel: of_run,
            ..RunLimits::default()
        };
        let builder = Pipeline::builder("p").limits(limits);
        let pipeline = stages
            .fold(builder, |builder, stage| builder.stage(stage))
            .build()
            .unwrap();
        let runner = bench.runner_with(RunnerOptions {
            parallel: of_process,
            ..Bench::options()
        });
        let (first, second) = (bench.create(&pipeline).await, bench.create(&pipeline).await);
        let (first, second) = tokio::join!(runner.drive(&pipeline, &first), runner.drive(&pipeline, &second));
        assert_eq!(first.unwrap().status(), RunStatus::Succeeded);
        assert_eq!(second.unwrap().status(), RunStatus::Succeeded);
        assert_eq!(
            crowd.most.load(Ordering::SeqCst),
            most,
            "{of_run:?} {of_process:?}"
        );
    }
}

/// Takes a time of the manual clock.
#[derive(Debug, Clone, Serialize)]
struct Takes {
    seconds: i64,
    #[serde(skip)]
    clock: pipeline_core::testing::ManualClock,
}

impl Stage for Takes {
    const TYPE: &'static str = "takes";
    type Error = std::io::Error;

    fn effect(&self) -> Effect {
        Effect::Idempotent
    }

    async fn run(&self, _: &StageContext) -> std::io::Result<Outcome> {
        self.clock.advance(SignedDuration::from_secs(self.seconds));
        Ok(Outcome::succeeded())
    }
}

#[tokio::test(start_paused = true)]
async fn the_longest_way_comes_first_by_depth_and_then_by_what_was_measured() {
    let bench = Bench::new();
    let takes = |seconds| Takes {
        seconds,
        clock: bench.clock.clone(),
    };
    let limits = RunLimits {
        parallel: Some(1),
        ..RunLimits::default()
    };
    let pipeline = Pipeline::builder("p")
        .limits(limits)
        .stage(StageSpec::new("alone", takes(60)))
        .stage(StageSpec::new("chain-1", takes(1)))
        .stage(StageSpec::new("chain-2", takes(1)).after(["chain-1"]))
        .build()
        .unwrap();
    let _ = bench.run(&pipeline).await;
    assert_eq!(
        bench.starts().await,
        ["chain-1", "alone", "chain-2"],
        "by depth; ties as declared"
    );
    let _ = bench.run(&pipeline).await;
    assert_eq!(
        bench.starts().await[3..],
        ["alone", "chain-1", "chain-2"],
        "alone took a minute"
    );
}

/// A gate that is open.
#[derive(Debug, Serialize)]
struct Open;

impl Gate for Open {
    const TYPE: &'static str = "open";

    fn decide(&self, _: &GateRequest, _: &EvidenceSet, _: Timestamp) -> Verdict {
        Verdict::allow("it is open")
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_gate_before_a_full_pool_is_recorded_once() {
    let bench = Bench::new();
    let limits = RunLimits {
        parallel: Some(1),
        ..RunLimits::default()
    };
    let pipeline = Pipeline::builder("p")
        .limits(limits)
        .stage(spec("long", &works().then(Step::UntilCancelled)))
        .stage(spec("gated", &works()).gate(Open))
        .build()
        .unwrap();
    let runner = bench.runner();
    let run = runner.create(&pipeline, RunRequest::new(alice())).await.unwrap();
    let drive = runner.drive(&pipeline, &run);
    tokio::pin!(drive);
    assert!(
        tokio::time::timeout(Duration::from_secs(5), &mut drive)
            .await
            .is_err()
    );
    let events = bench.journal.read_everything(0).await.unwrap();
    let evaluated = events
        .iter()
        .filter(|event| event.kind == "run.gates-evaluated")
        .count();
    assert!(evaluated <= 1, "{evaluated} times");
}
