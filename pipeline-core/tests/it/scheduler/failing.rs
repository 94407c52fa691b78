//! Failure policies and the clean-up.

use std::sync::Arc;

use pipeline_core::run::{Gates, Input};
use pipeline_core::testing::Step;
use pipeline_core::{Clock, Failure, FailurePolicy, Outcome, Pipeline, RunStatus, StageResult, When};

use super::bench::{Bench, alice, reason, says_no, spec, words, works};

fn pipeline(policy: FailurePolicy) -> Pipeline {
    let slow = works().then(Step::UntilCancelled);
    let slow = match policy {
        FailurePolicy::Stop => slow,
        _ => works(),
    };
    Pipeline::builder("p")
        .on_failure(policy)
        .stage(spec("bad", &says_no()))
        .stage(spec("slow", &slow))
        .stage(spec("after-bad", &works()).after(["bad"]))
        .stage(spec("far", &works()).after(["after-bad"]))
        .stage(spec("after-slow", &works()).after(["slow"]))
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_failure_lets_what_goes_on_end_and_begins_nothing() {
    let state = Bench::new().run(&pipeline(FailurePolicy::Finish)).await;
    let words: Vec<_> = words(&state).into_iter().map(|(_, word)| word).collect();
    assert_eq!(words, ["failed", "succeeded", "skipped", "skipped", "skipped"]);
    let after_slow = reason(&state, "after-slow");
    assert_eq!(after_slow, "the run stopped: stage `bad` failed");
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_stops_cancels_what_goes_on() {
    let state = Bench::new().run(&pipeline(FailurePolicy::Stop)).await;
    let words: Vec<_> = words(&state).into_iter().map(|(_, word)| word).collect();
    assert_eq!(words, ["failed", "cancelled", "skipped", "skipped", "skipped"]);
    assert_eq!(reason(&state, "slow"), "stage `bad` failed");
    assert_eq!(state.status(), RunStatus::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_continues_leaves_out_only_what_depends_on_the_failure() {
    let state = Bench::new().run(&pipeline(FailurePolicy::Continue)).await;
    let words: Vec<_> = words(&state).into_iter().map(|(_, word)| word).collect();
    assert_eq!(words, ["failed", "succeeded", "skipped", "skipped", "succeeded"]);
    for stage in ["after-bad", "far"] {
        assert_eq!(reason(&state, stage), "it depends on stage `bad`, which failed");
    }
}

#[tokio::test(start_paused = true)]
async fn the_clean_up_comes_after_all_work_when_it_names_nothing() {
    for (first, words_expected) in [
        (works(), ["succeeded", "succeeded", "succeeded", "skipped"]),
        (says_no(), ["failed", "skipped", "succeeded", "succeeded"]),
    ] {
        let bench = Bench::new();
        let pipeline = Pipeline::builder("p")
            .stage(spec("a", &first))
            .stage(spec("b", &works()).after(["a"]))
            .stage(spec("always", &works()).when(When::Always))
            .stage(spec("on-failure", &works()).when(When::Failure))
            .build()
            .unwrap();
        for stage in ["always", "on-failure"] {
            let after: Vec<_> = pipeline.plan().stage(stage).unwrap().after.clone();
            assert_eq!(
                after.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
                ["a", "b"]
            );
        }
        let state = bench.run(&pipeline).await;
        let words: Vec<_> = words(&state).into_iter().map(|(_, word)| word).collect();
        assert_eq!(words, words_expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_cleans_up_and_a_second_request_ends_that_too() {
    for twice in [false, true] {
        let bench = Bench::new();
        let pipeline = Pipeline::builder("p")
            .stage(spec("long", &works().then(Step::UntilCancelled)))
            .stage(spec("next", &works()).after(["long"]))
            .stage(spec("clean", &works().then(Step::Error(Failure::Errored))).when(When::Always))
            .build()
            .unwrap();
        let run = bench.create(&pipeline).await;
        let (runner, other) = (bench.runner(), bench.runner());
        let cancel = async {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            for _ in 0..=u8::from(twice) {
                other.cancel(&run, alice(), String::new()).await.unwrap();
            }
        };
        let (state, ()) = tokio::join!(async { runner.drive(&pipeline, &run).await.unwrap() }, cancel);
        let words: Vec<_> = words(&state).into_iter().map(|(_, word)| word).collect();
        match twice {
            // The clean-up broke, and that is a failure of its own.
            false => assert_eq!(
                (words, state.status()),
                (vec!["cancelled", "skipped", "errored"], RunStatus::Failed)
            ),
            true => {
                assert_eq!(words[1..], ["skipped", "skipped"]);
                assert_eq!(bench.starts().await, ["long"]);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_in_which_everything_succeeds_has_succeeded() {
    let bench = Bench::new();
    // It does not hear that it is asked to stop.
    let pipeline = Pipeline::builder("p")
        .stage(spec("long", &works()))
        .stage(spec("on-failure", &works()).when(When::Failure))
        .build()
        .unwrap();
    let run = bench.create(&pipeline).await;
    let mut state = bench.runner().load(&run).await.unwrap();
    let finished = Input::Finished {
        stage: 0,
        attempt: 1,
        epoch: 1,
        result: StageResult::Completed {
            outcome: Arc::new(Outcome::succeeded()),
        },
        output: None,
    };
    let cancel = Input::Cancel {
        by: alice(),
        reason: String::new(),
    };
    for input in [Input::Claim { worker: "w".into() }, cancel, finished] {
        let _ = state
            .advance(&Gates::default(), &input, bench.clock.now())
            .unwrap();
    }
    assert_eq!(state.status(), RunStatus::Succeeded);
}
