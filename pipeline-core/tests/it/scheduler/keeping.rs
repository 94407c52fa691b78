//! What is kept: outcomes that are used again, and runs that begin again.

use pipeline_core::testing::{ScriptedStage, Step};
use pipeline_core::{
    Effect, NEWER_DEPLOYMENT, Outcome, Pipeline, Revision, RunError, RunRequest, RunStatus, SignedDuration,
    StageEnd, StageSpec, When,
};

use super::bench::{Bench, alice, reason, says_no, spec, words, works};
use crate::environments::{Place, Put};

fn pure() -> ScriptedStage {
    ScriptedStage::new(Effect::Pure)
}

#[tokio::test(start_paused = true)]
async fn equal_output_stops_the_wave() {
    let bench = Bench::new();
    let (changes, far) = (works(), pure());
    let pipeline = Pipeline::builder("p")
        .stage(spec("changes", &changes))
        .stage(spec("far", &far).after(["changes"]))
        .build()
        .unwrap();
    let first = bench.run(&pipeline).await;
    let second = bench.run(&pipeline).await;
    assert_eq!((changes.keys().len(), far.keys().len()), (2, 1));
    let end = second.stages().nth(1).unwrap().end().unwrap();
    assert!(matches!(end, StageEnd::Reused { from, .. } if from == first.id()));
}

#[tokio::test(start_paused = true)]
async fn a_long_chain_is_used_again_in_few_commits() {
    let bench = Bench::new();
    let name = |number: usize| format!("s{number}");
    let stages = (0..500).map(|number| {
        let after: Vec<_> = (number > 0).then(|| name(number - 1)).into_iter().collect();
        spec(&name(number), &pure()).after(after)
    });
    let pipeline = stages
        .fold(Pipeline::builder("p"), |builder, stage| builder.stage(stage))
        .build()
        .unwrap();
    let _ = bench.run(&pipeline).await;
    let heads = bench.commits.load(std::sync::atomic::Ordering::SeqCst);
    let second = bench.run(&pipeline).await;
    assert!(second.stages().all(|stage| stage.state().word() == "reused"));
    let commits = bench.commits.load(std::sync::atomic::Ordering::SeqCst) - heads;
    assert!(commits <= 3, "{commits} commits");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_begins_again_keeps_what_succeeded() {
    let bench = Bench::new();
    let (good, bad, clean) = (works(), says_no(), works());
    let pipeline = Pipeline::builder("p")
        .stage(spec("good", &good))
        .stage(spec("bad", &bad).after(["good"]))
        .stage(spec("next", &works()).after(["bad"]))
        .stage(spec("clean", &clean).when(When::Always))
        .build()
        .unwrap();
    let old = bench.run(&pipeline).await;
    let runner = bench.runner();
    let again = runner
        .create_again(&pipeline, old.id(), RunRequest::new(alice()))
        .await
        .unwrap();
    let state = runner.drive(&pipeline, &again).await.unwrap();
    let words: Vec<_> = words(&state).into_iter().map(|(_, word)| word).collect();
    assert_eq!(words, ["reused", "succeeded", "succeeded", "succeeded"]);
    assert_eq!(
        (good.keys().len(), bad.keys().len(), clean.keys().len()),
        (1, 2, 2)
    );
    assert_eq!(state.again(), Some(old.id()));
}

#[tokio::test(start_paused = true)]
async fn a_lost_artifact_is_made_again_and_so_is_what_comes_after() {
    let bench = Bench::new();
    let artifact = pipeline_core::testing::MemoryArtifacts::new().add("site", "1.0.0", &[("a", b"a", false)]);
    let build = works().then(Step::End(Box::new(Outcome::succeeded().artifact(artifact))));
    let pipeline = Pipeline::builder("p")
        .stage(spec("build", &build).produces(["site"]))
        .stage(spec("other", &works()).after(["build"]))
        .stage(spec("bad", &says_no()).after(["other"]))
        .build()
        .unwrap();
    let old = bench.run(&pipeline).await;
    assert_eq!(words(&old)[0].1, "succeeded");
    let runner = bench.runner();
    // The store of this runner has never seen it.
    let again = runner
        .create_again(&pipeline, old.id(), RunRequest::new(alice()))
        .await
        .unwrap();
    let state = runner.load(&again).await.unwrap();
    assert!(state.stages().all(|stage| !stage.state().is_done()));
    assert_eq!(state.position(), 1, "nothing is said to be kept");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_does_not_begin_again() {
    let bench = Bench::new();
    let pipeline = Pipeline::builder("p")
        .stage(spec("only", &works()))
        .build()
        .unwrap();
    let run = bench.create(&pipeline).await;
    let runner = bench.runner();
    let refused = runner
        .create_again(&pipeline, &run, RunRequest::new(alice()))
        .await;
    assert!(matches!(refused, Err(RunError::NotAgain { .. })));
    let _ = runner.drive(&pipeline, &run).await.unwrap();
    let refused = runner
        .create_again(&pipeline, &run, RunRequest::new(alice()))
        .await;
    assert!(
        matches!(refused, Err(RunError::NotAgain { .. })),
        "everything succeeded"
    );
}

#[tokio::test(start_paused = true)]
async fn an_older_revision_comes_over_a_newer_one_only_as_a_rollback() {
    let bench = Bench::new();
    let place = Place::new("prod");
    let deploy = |version| {
        let stage = StageSpec::new("deploy", Put::new(version)).environment("prod");
        Pipeline::builder("p")
            .component("c")
            .environment(place.clone())
            .stage(stage)
            .build()
            .unwrap()
    };
    let runner = bench.runner();
    let newer = "2026-11-20T11:00:00Z"
        .parse::<pipeline_core::Timestamp>()
        .unwrap();
    let request = |id: &str, at, rollback| RunRequest {
        revision: Some(Revision {
            id: id.into(),
            at,
            summary: Default::default(),
        }),
        rollback,
        ..RunRequest::new(alice())
    };
    let older = newer - SignedDuration::from_hours(1);
    let mut ends = Vec::new();
    for (pipeline, request) in [
        (deploy("2.0.0"), request("new", newer, false)),
        (deploy("1.0.0"), request("old", older, false)),
        (deploy("1.0.0"), request("old", older, true)),
    ] {
        let run = runner.create(&pipeline, request).await.unwrap();
        ends.push(runner.drive(&pipeline, &run).await.unwrap());
    }
    let status: Vec<_> = ends.iter().map(|state| state.status()).collect();
    assert_eq!(
        status,
        [RunStatus::Succeeded, RunStatus::Failed, RunStatus::Succeeded]
    );
    assert!(reason(&ends[1], "deploy").contains(NEWER_DEPLOYMENT));
    assert_eq!((ends[2].is_rollback(), ends[2].requested_by()), (true, &alice()));
}
