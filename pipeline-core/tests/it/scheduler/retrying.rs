//! Attempts after failed ones, and limits of time.

use std::time::Duration;

use pipeline_core::run::{Command, Gates, Input, Moment};
use pipeline_core::testing::{ScriptedStage, Step};
use pipeline_core::{
    Clock, Effect, Failure, Journal, Pipeline, RetryPolicy, RunEvent, RunLimits, RunState, RunStatus,
    SignedDuration, StageResult, StageState, When,
};
use proptest::prelude::*;

use super::bench::{Bench, reason, spec, words, works};

fn errors(times: usize) -> ScriptedStage {
    (0..times).fold(works(), |stage, _| stage.then(Step::Error(Failure::Errored)))
}

fn policy(attempts: u32) -> RetryPolicy {
    RetryPolicy {
        jitter_percent: 0,
        ..RetryPolicy::new(attempts)
    }
}

fn pipeline(stage: &ScriptedStage, policy: RetryPolicy) -> Pipeline {
    Pipeline::builder("p")
        .stage(spec("only", stage).retry(policy))
        .build()
        .unwrap()
}

/// Drives a run through its waits; gives the length of each, in seconds.
async fn waits(bench: &Bench, pipeline: &Pipeline) -> (RunState, Vec<i64>) {
    let run = bench.create(pipeline).await;
    let mut waits = Vec::new();
    loop {
        let state = bench.runner().drive(pipeline, &run).await.unwrap();
        if state.finished().is_some() {
            return (state, waits);
        }
        let wake = state.next_wake().unwrap();
        waits.push(wake.duration_since(bench.clock.now()).as_secs());
        bench.clock.set(wake);
    }
}

#[tokio::test(start_paused = true)]
async fn waits_grow_and_each_definite_failure_gives_a_new_key() {
    let bench = Bench::new();
    let stage = errors(3);
    let (state, waits) = waits(&bench, &pipeline(&stage, policy(5))).await;
    assert_eq!((state.status(), waits), (RunStatus::Succeeded, vec![1, 2, 4]));
    let keys: Vec<_> = stage
        .keys()
        .iter()
        .map(|key| key.rsplit('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(keys, ["1", "2", "3", "4"]);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_end_keeps_the_key() {
    let bench = Bench::new();
    let stage = works().then(Step::Panic);
    let (state, waits) = waits(&bench, &pipeline(&stage, policy(2))).await;
    assert_eq!((state.status(), waits), (RunStatus::Succeeded, vec![1]));
    assert_eq!(stage.keys()[0], stage.keys()[1]);
}

#[tokio::test(start_paused = true)]
async fn there_are_no_more_attempts_than_the_policy_has() {
    let bench = Bench::new();
    let (state, waits) = waits(&bench, &pipeline(&errors(9), policy(3))).await;
    assert_eq!((words(&state), waits), (vec![("only", "errored")], vec![1, 2]));
}

#[tokio::test(start_paused = true)]
async fn a_no_is_not_worth_another_attempt_unless_the_policy_says_so() {
    for (on, attempts) in [(vec![Failure::Errored], 1), (vec![Failure::Failed], 2)] {
        let bench = Bench::new();
        let stage = super::bench::says_no();
        let policy = RetryPolicy { on, ..policy(2) };
        let (state, _) = waits(&bench, &pipeline(&stage, policy)).await;
        assert_eq!(state.stages().next().unwrap().attempts(), attempts);
    }
}

#[tokio::test(start_paused = true)]
async fn no_attempt_is_due_after_the_budget() {
    let bench = Bench::new();
    let policy = RetryPolicy {
        budget_seconds: Some(6),
        ..policy(9)
    };
    let (state, waits) = waits(&bench, &pipeline(&errors(9), policy)).await;
    assert_eq!(
        (words(&state), waits),
        (vec![("only", "errored")], vec![1, 2]),
        "4 s more are 7"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Chance shortens a wait by no more than its share; what came out is in the journal, and is not decided again.
    #[test]
    fn jitter_stays_within_its_share_and_is_recorded(chance: u64, other: u64, percent in 0_u8..=100) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::new();
            let policy = RetryPolicy { delay_seconds: 100, jitter_percent: percent, ..RetryPolicy::new(3) };
            let run = bench.create(&pipeline(&works(), policy)).await;
            let mut state = bench.runner().load(&run).await.unwrap();
            let now = bench.clock.now();
            let failed = Input::Finished {
                stage: 0,
                attempt: 1,
                epoch: 1,
                result: StageResult::Failed { failure: Failure::Errored, error: vec![] },
                output: None,
            };
            for input in [Input::Claim { worker: "w".into() }, failed] {
                let moment = Moment { chance, ..Moment::from(now) };
                let batch = state.advance(&Gates::default(), &input, moment).unwrap();
                let _ = bench.journal.append(batch).await.unwrap();
            }
            let until = |state: &RunState| match state.view(0).state() {
                StageState::Backoff(backoff) => backoff.until,
                other => panic!("{other:?}"),
            };
            let wait = until(&state).duration_since(now);
            let least = SignedDuration::from_secs(100 - i64::from(percent));
            prop_assert!(wait >= least && wait <= SignedDuration::from_secs(100), "{wait}");
            // Another worker, with another chance.
            let mut again = bench.runner().load(&run).await.unwrap();
            prop_assert_eq!(until(&again), until(&state));
            let moment = Moment { chance: other, ..Moment::from(now) };
            let claim = Input::Claim { worker: "v".into() };
            let _ = again.advance(&Gates::default(), &claim, moment).unwrap();
            prop_assert_eq!(until(&again), until(&state));
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_waits_while_nothing_else_is_free_without_asking_again_and_again() {
    // The slot that the next attempt needs is somebody else's.
    let bench = Bench::new();
    let hangs = ScriptedStage::new(Effect::AtMostOnce).then(Step::Panic);
    let one = Pipeline::builder("one")
        .pool("rig", 1)
        .stage(spec("first", &errors(1)).pools(["rig"]).retry(policy(2)))
        .build()
        .unwrap();
    let two = Pipeline::builder("two")
        .pool("rig", 1)
        .stage(spec("second", &hangs).pools(["rig"]))
        .build()
        .unwrap();
    let first = bench.create(&one).await;
    let state = bench.runner().drive(&one, &first).await.unwrap();
    assert_eq!(words(&state), [("first", "retrying")]);
    assert_eq!(bench.run(&two).await.status(), RunStatus::NeedsDecision);
    bench.clock.set(state.next_wake().unwrap());
    let runner = bench.runner();
    let again = tokio::time::timeout(Duration::from_secs(60), runner.drive(&one, &first)).await;
    assert_eq!(again.expect("it returns").unwrap().status(), RunStatus::Waiting);
}

/// What is done by commands only, at the times of the clock.
async fn advance(bench: &Bench, state: &mut RunState, input: Input) {
    let batch = state
        .advance(&Gates::default(), &input, bench.clock.now())
        .unwrap();
    if !batch.is_empty() {
        let _ = bench.journal.append(batch).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_has_a_time_and_so_has_its_clean_up() {
    let bench = Bench::new();
    let pipeline = Pipeline::builder("p")
        .limits(RunLimits {
            timeout_seconds: Some(10),
            clean_up_seconds: Some(5),
            ..RunLimits::default()
        })
        .stage(spec("long", &works()))
        .stage(spec("next", &works()).after(["long"]))
        .stage(spec("clean", &works()).when(When::Always))
        .stage(spec("clean-more", &works()).when(When::Always).after(["clean"]))
        .build()
        .unwrap();
    let run = bench.create(&pipeline).await;
    let mut state = bench.runner().load(&run).await.unwrap();
    let claim = Input::Claim { worker: "w".into() };
    advance(&bench, &mut state, claim).await;
    bench.clock.advance(SignedDuration::from_secs(9));
    advance(&bench, &mut state, Input::Tick).await;
    assert!(state.cancel().is_none());
    bench.clock.advance(SignedDuration::from_secs(1));
    advance(&bench, &mut state, Input::Tick).await;
    let stop = |force| Some(Command::Stop { stage: 0, force });
    assert_eq!(state.due(0, bench.clock.now()), stop(false));
    assert_eq!(reason(&state, "next"), "the run took longer than 10 s");
    let ended = |stage| Input::Finished {
        stage,
        attempt: 1,
        epoch: 1,
        result: StageResult::Cancelled {
            reason: "stopped".into(),
        },
        output: None,
    };
    advance(&bench, &mut state, ended(0)).await;
    assert_eq!(state.stages().nth(2).unwrap().state().word(), "running");
    bench.clock.advance(SignedDuration::from_secs(5));
    advance(&bench, &mut state, Input::Tick).await;
    assert_eq!(
        state.due(2, bench.clock.now()),
        Some(Command::Stop {
            stage: 2,
            force: true
        })
    );
    assert!(state.cancel().unwrap().force);
    advance(&bench, &mut state, ended(2)).await;
    assert_eq!(state.status(), RunStatus::Failed, "its time was up");
    let asked: Vec<_> = bench.all::<RunEvent>().await;
    let asked = asked
        .iter()
        .filter(|event| matches!(event, RunEvent::CancelRequested(request) if request.timed_out));
    assert_eq!(asked.count(), 2);
}
