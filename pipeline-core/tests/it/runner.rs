//! The runner: what one process does with a run, and what it finds when another was killed.

use std::sync::Arc;
use std::time::Duration;

use pipeline_core::run::{Gates, Input};
use pipeline_core::testing::{ManualClock, MemoryArtifacts, ScriptedStage, Step};
use pipeline_core::{
    Abilities, Actor, ApproveRequest, Clock, Effect, EvidenceSet, Failure, Gate, GateRequest, Inspect,
    Inspection, Journal, JournalExt, MemoryJournal, Outcome, Pipeline, RunError, RunRequest, RunState,
    RunStatus, Runner, RunnerOptions, Secret, SecretError, SecretRef, SecretSource, SignedDuration, Stage,
    StageContext, StageSpec, StageState, Timestamp, Verdict,
};
use serde::Serialize;

/// A gate that wants one approval.
#[derive(Debug, Serialize)]
struct Approved;

impl Gate for Approved {
    const TYPE: &'static str = "approved";

    fn decide(&self, request: &GateRequest, _: &EvidenceSet, now: Timestamp) -> Verdict {
        match self.uses(request, now).is_empty() {
            true => Verdict::wait("nobody approved").who(["anybody"]),
            false => Verdict::allow("somebody approved"),
        }
    }

    fn uses(&self, request: &GateRequest, now: Timestamp) -> Vec<usize> {
        let counts = |(index, approval): (usize, &pipeline_core::Approval)| {
            approval.counts(&request.subject, now).then_some(index)
        };
        request
            .approvals
            .iter()
            .enumerate()
            .filter_map(counts)
            .take(1)
            .collect()
    }
}

/// A gate that opens at a time.
#[derive(Debug, Serialize)]
struct NotBefore(Timestamp);

impl Gate for NotBefore {
    const TYPE: &'static str = "not-before";

    fn decide(&self, _: &GateRequest, _: &EvidenceSet, now: Timestamp) -> Verdict {
        if now >= self.0 {
            Verdict::allow("it is time")
        } else {
            Verdict::wait("not yet").earliest(self.0)
        }
    }
}

struct Bench {
    journal: Arc<MemoryJournal>,
    clock: ManualClock,
}

impl Bench {
    fn new() -> Self {
        Self {
            journal: Arc::new(MemoryJournal::new()),
            clock: ManualClock::at("2026-11-20T12:00:00Z"),
        }
    }

    /// A runner as a new process would have it: nothing but the journal is shared.
    fn runner(&self) -> Arc<Runner> {
        let options = RunnerOptions {
            grace: Duration::from_millis(50),
            ..RunnerOptions::default()
        };
        let runner = Runner::new(self.journal.clone(), Arc::new(MemoryArtifacts::new()));
        Arc::new(runner.clock(self.clock.clone()).options(options))
    }

    async fn kinds(&self) -> Vec<String> {
        let events = self.journal.read_everything(0).await.unwrap();
        events.iter().map(|event| event.kind.to_string()).collect()
    }
}

fn alice() -> Actor {
    Actor::person("alice").unwrap()
}

fn words(state: &RunState) -> Vec<&'static str> {
    state.stages().map(|stage| stage.state().word()).collect()
}

fn one(stage: &ScriptedStage) -> Pipeline {
    Pipeline::builder("p")
        .stage(StageSpec::new("only", stage.clone()))
        .build()
        .unwrap()
}

async fn run(bench: &Bench, pipeline: &Pipeline) -> RunState {
    let runner = bench.runner();
    let run = runner.create(pipeline, RunRequest::new(alice())).await.unwrap();
    runner.drive(pipeline, &run).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn stages_run_in_order_and_share_commits() {
    let bench = Bench::new();
    let [a, b, c] = [(); 3].map(|()| ScriptedStage::new(Effect::Idempotent));
    let pipeline = Pipeline::builder("p")
        .stage(StageSpec::new("a", a.clone()))
        .stage(StageSpec::new("b", b.clone()).after(["a"]))
        .stage(StageSpec::new("c", c.clone()).after(["b"]))
        .build()
        .unwrap();
    let state = run(&bench, &pipeline).await;
    assert_eq!(state.status(), RunStatus::Succeeded);
    assert_eq!(words(&state), ["succeeded"; 3]);
    let kinds = bench.kinds().await;
    assert_eq!(kinds[..3], ["run.created", "run.claimed", "run.stage-started"]);
    assert_eq!(kinds.last().unwrap(), "run.finished");
    assert_eq!(kinds.len(), 3 + 5 + 1, "{kinds:?}");
    assert_eq!(b.keys(), [format!("{}/b/1", state.id())]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_an_error_and_a_no_are_told_apart() {
    for (step, word) in [
        (Step::Panic, "errored"),
        (Step::Error(Failure::Errored), "errored"),
        (Step::Error(Failure::Failed), "failed"),
        (Step::End(Box::new(Outcome::failed("the tests fail"))), "failed"),
    ] {
        let bench = Bench::new();
        let stage = ScriptedStage::new(Effect::Idempotent).then(step);
        let state = run(&bench, &one(&stage)).await;
        assert_eq!((state.status(), words(&state)), (RunStatus::Failed, vec![word]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_what_must_not_repeat_needs_a_person() {
    let bench = Bench::new();
    let stage = ScriptedStage::new(Effect::AtMostOnce).then(Step::Panic);
    let pipeline = one(&stage);
    let state = run(&bench, &pipeline).await;
    assert_eq!(state.status(), RunStatus::NeedsDecision);
    let runner = bench.runner();
    let decided = pipeline_core::DecideRequest {
        stage: "only".try_into().unwrap(),
        happened: false,
        by: alice(),
        comment: "looked".into(),
    };
    runner.decide(state.id(), decided).await.unwrap();
    let state = runner.drive(&pipeline, state.id()).await.unwrap();
    assert_eq!(state.status(), RunStatus::Succeeded);
    let keys: Vec<_> = stage
        .keys()
        .iter()
        .map(|key| key.rsplit('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(keys, ["1", "2"], "a definite no makes a new intention");
}

#[tokio::test(start_paused = true)]
async fn a_word_on_what_can_be_inspected_is_looked_into() {
    let happened = Outcome::succeeded().fact("seen", true);
    for (then, reason) in [
        (Inspection::Happened(Box::new(happened)), ""),
        (
            Inspection::Unknown {
                reason: "no answer".into(),
            },
            "alice says that it happened: I saw it (no answer)",
        ),
    ] {
        let bench = Bench::new();
        let stage = ScriptedStage::new(Effect::Inspectable)
            .then(Step::Error(Failure::Unknown))
            .finds(Inspection::Unknown {
                reason: "no answer".into(),
            });
        let pipeline = one(&stage);
        let state = run(&bench, &pipeline).await;
        assert_eq!(state.status(), RunStatus::NeedsDecision);
        let _ = stage.clone().finds(then);
        let decided = pipeline_core::DecideRequest {
            stage: "only".try_into().unwrap(),
            happened: true,
            by: alice(),
            comment: "I saw it".into(),
        };
        let runner = bench.runner();
        runner.decide(state.id(), decided).await.unwrap();
        let state = runner.drive(&pipeline, state.id()).await.unwrap();
        assert_eq!((state.status(), stage.keys().len()), (RunStatus::Succeeded, 1));
        assert_eq!(state.stages().next().unwrap().end().unwrap().reason(), reason);
    }
}

#[tokio::test(start_paused = true)]
async fn a_killed_worker_is_followed_by_the_effects_rules() {
    let happened = Inspection::Happened(Box::new(Outcome::succeeded()));
    for (effect, found, status, calls) in [
        (Effect::Pure, None, RunStatus::Succeeded, 2),
        (Effect::Idempotent, None, RunStatus::Succeeded, 2),
        (Effect::Inspectable, Some(happened), RunStatus::Succeeded, 1),
        (
            Effect::Inspectable,
            Some(Inspection::DidNotHappen),
            RunStatus::Succeeded,
            2,
        ),
        (
            Effect::Inspectable,
            Some(Inspection::Unknown {
                reason: "who knows".into(),
            }),
            RunStatus::NeedsDecision,
            1,
        ),
        (Effect::AtMostOnce, None, RunStatus::NeedsDecision, 1),
    ] {
        let bench = Bench::new();
        let mut stage = ScriptedStage::new(effect).then(Step::Forever);
        if let Some(found) = found {
            stage = stage.finds(found);
        }
        let pipeline = one(&stage);
        let runner = bench.runner();
        let id = runner.create(&pipeline, RunRequest::new(alice())).await.unwrap();
        {
            let drive = runner.drive(&pipeline, &id);
            tokio::pin!(drive);
            // Until it hangs; then its process is gone.
            assert!(
                tokio::time::timeout(Duration::from_secs(1), &mut drive)
                    .await
                    .is_err()
            );
        }
        assert_eq!(stage.keys().len(), 1);
        let state = bench.runner().drive(&pipeline, &id).await.unwrap();
        assert_eq!((state.status(), stage.keys().len()), (status, calls), "{effect}");
        let keys = stage.keys();
        assert!(
            keys.iter().all(|key| *key == keys[0]),
            "the intention stays the same: {keys:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stage_has_one_approval_for_what_it_would_do() {
    let bench = Bench::new();
    let stage = ScriptedStage::new(Effect::Idempotent);
    let pipeline = Pipeline::builder("p")
        .stage(StageSpec::new("only", stage.clone()).gate(Approved))
        .build()
        .unwrap();
    let state = run(&bench, &pipeline).await;
    assert_eq!(
        (state.status(), words(&state)),
        (RunStatus::Waiting, vec!["waiting"])
    );
    let subject = state.stages().next().unwrap().gates().unwrap().subject;
    let runner = bench.runner();
    let request = |action_plan| ApproveRequest {
        stage: "only".try_into().unwrap(),
        action_plan,
        by: alice(),
        valid_for: SignedDuration::from_hours(1),
        comment: String::new(),
    };
    let other = pipeline_core::Digest::of("something else");
    let refused = runner.approve(state.id(), request(other)).await.unwrap_err();
    assert!(matches!(refused, RunError::Refused(_)));
    runner.approve(state.id(), request(subject)).await.unwrap();
    // It expires before anybody goes on.
    bench.clock.advance(SignedDuration::from_hours(2));
    let state = runner.drive(&pipeline, state.id()).await.unwrap();
    assert_eq!(state.status(), RunStatus::Waiting);
    runner.approve(state.id(), request(subject)).await.unwrap();
    let state = runner.drive(&pipeline, state.id()).await.unwrap();
    assert_eq!(state.status(), RunStatus::Succeeded);
    let used: Vec<_> = state
        .stages()
        .next()
        .unwrap()
        .approvals()
        .iter()
        .map(|one| one.used)
        .collect();
    assert_eq!(used, [false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_opens_by_time_says_when() {
    let bench = Bench::new();
    let opens: Timestamp = "2026-11-20T13:00:00Z".parse().unwrap();
    let stage = ScriptedStage::new(Effect::Idempotent);
    let pipeline = Pipeline::builder("p")
        .stage(StageSpec::new("only", stage).gate(NotBefore(opens)))
        .build()
        .unwrap();
    let state = run(&bench, &pipeline).await;
    assert_eq!(
        (state.status(), state.next_wake()),
        (RunStatus::Waiting, Some(opens))
    );
    let before = bench.kinds().await.len();
    let state = bench.runner().drive(&pipeline, state.id()).await.unwrap();
    assert_eq!(state.status(), RunStatus::Waiting);
    assert_eq!(bench.kinds().await.len(), before, "the same verdict is no news");
    bench.clock.set(opens);
    let state = bench.runner().drive(&pipeline, state.id()).await.unwrap();
    assert_eq!(state.status(), RunStatus::Succeeded);
}

/// Drives a run a hundred times, and nothing comes of it; a host that polls does so.
async fn drive_in_vain(bench: &Bench, pipeline: &Pipeline, run: &pipeline_core::RunId) {
    let known = bench.kinds().await;
    let before = bench.runner().load(run).await.unwrap();
    for _ in 0..100 {
        let state = bench.runner().drive(pipeline, run).await.unwrap();
        assert_eq!(
            (state.status(), words(&state), state.position()),
            (before.status(), words(&before), before.position())
        );
    }
    assert_eq!(bench.kinds().await, known, "who waits leaves no trace");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_is_driven_in_vain_without_a_trace() {
    // For a person's decision.
    let bench = Bench::new();
    let stage = ScriptedStage::new(Effect::AtMostOnce).then(Step::Panic);
    let pipeline = one(&stage);
    let state = run(&bench, &pipeline).await;
    assert_eq!(state.status(), RunStatus::NeedsDecision);
    drive_in_vain(&bench, &pipeline, state.id()).await;

    // For an approval.
    let bench = Bench::new();
    let stage = ScriptedStage::new(Effect::Idempotent);
    let pipeline = Pipeline::builder("p")
        .stage(StageSpec::new("only", stage.clone()).gate(Approved))
        .build()
        .unwrap();
    let state = run(&bench, &pipeline).await;
    assert_eq!(
        (state.status(), words(&state)),
        (RunStatus::Waiting, vec!["waiting"])
    );
    drive_in_vain(&bench, &pipeline, state.id()).await;

    // For its time, and then it comes.
    let bench = Bench::new();
    let stage = ScriptedStage::new(Effect::Idempotent);
    let opens: Timestamp = "2026-11-20T13:00:00Z".parse().unwrap();
    let pipeline = Pipeline::builder("p")
        .stage(StageSpec::new("only", stage.clone()).gate(NotBefore(opens)))
        .build()
        .unwrap();
    let state = run(&bench, &pipeline).await;
    drive_in_vain(&bench, &pipeline, state.id()).await;
    bench.clock.set(opens);
    let state = bench.runner().drive(&pipeline, state.id()).await.unwrap();
    assert_eq!(
        (state.status(), state.epoch(), stage.keys().len()),
        (RunStatus::Succeeded, 2, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn pure_outcomes_are_reused_and_others_are_not() {
    let bench = Bench::new();
    let pure = ScriptedStage::new(Effect::Pure).then(Step::End(Box::new(Outcome::succeeded().fact("n", 1))));
    let after = ScriptedStage::new(Effect::Idempotent);
    let pipeline = Pipeline::builder("p")
        .stage(StageSpec::new("pure", pure.clone()))
        .stage(StageSpec::new("after", after.clone()).after(["pure"]))
        .build()
        .unwrap();
    let first = run(&bench, &pipeline).await;
    let second = run(&bench, &pipeline).await;
    assert_eq!(words(&second), ["reused", "succeeded"]);
    assert_eq!((pure.keys().len(), after.keys().len()), (1, 2));
    assert_eq!(
        after.seen()[0]["facts"],
        after.seen()[1]["facts"],
        "facts come along"
    );
    let reason = second.stages().next().unwrap().end().unwrap().reason();
    assert_eq!(reason, format!("nothing changed since run {}", first.id()));
}

#[tokio::test(start_paused = true)]
async fn a_run_is_cancelled_in_two_steps() {
    let bench = Bench::new();
    for (step, word) in [(Step::UntilCancelled, "cancelled"), (Step::Forever, "errored")] {
        let stage = ScriptedStage::new(Effect::Idempotent).then(step);
        let pipeline = Pipeline::builder("p")
            .stage(StageSpec::new("long", stage))
            .stage(StageSpec::new("next", ScriptedStage::new(Effect::Idempotent)).after(["long"]))
            .build()
            .unwrap();
        let runner = bench.runner();
        let id = runner.create(&pipeline, RunRequest::new(alice())).await.unwrap();
        let canceller = bench.runner();
        let (state, ()) = tokio::join!(async { runner.drive(&pipeline, &id).await.unwrap() }, async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let state = canceller.cancel(&id, alice(), "enough".into()).await.unwrap();
            assert!(
                matches!(state.stages().next().unwrap().state(), StageState::Running(_)),
                "it still runs"
            );
        });
        assert_eq!(words(&state), [word, "skipped"]);
        assert!(
            canceller.cancel(&id, alice(), String::new()).await.is_err(),
            "it has ended"
        );
    }
}

/// A clock that has gone on a little whenever somebody looks at it, as clocks do.
#[derive(Debug, Clone)]
struct MovingClock(ManualClock);

impl Clock for MovingClock {
    fn now(&self) -> Timestamp {
        self.0.advance(SignedDuration::from_millis(1));
        self.0.now()
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passed_names_the_limit_that_was_set() {
    let bench = Bench::new();
    let stage = ScriptedStage::new(Effect::Idempotent).then(Step::UntilCancelled);
    let spec = StageSpec::new("only", stage).timeout(SignedDuration::from_secs(1));
    let pipeline = Pipeline::builder("p").stage(spec).build().unwrap();
    let runner = Runner::new(bench.journal.clone(), Arc::new(MemoryArtifacts::new()));
    let runner = Arc::new(runner.clock(MovingClock(bench.clock.clone())));
    let run = runner.create(&pipeline, RunRequest::new(alice())).await.unwrap();
    let state = runner.drive(&pipeline, &run).await.unwrap();
    let end = state.stages().next().unwrap().end().unwrap().reason();
    assert_eq!(end, "it took longer than 1 s: the script says so");
}

/// A stage that says its secret wherever it can.
#[derive(Debug, Serialize)]
struct Telltale;

impl Telltale {
    async fn outcome(&self, cx: &StageContext) -> Outcome {
        let secret = cx.secret(&"test:token".parse().unwrap()).await.unwrap();
        let secret = secret.expose();
        Outcome::succeeded()
            .because(format!("with {secret}"))
            .fact("value", format!("a{secret}b"))
            .fact(secret, "in a name")
    }
}

impl Stage for Telltale {
    const TYPE: &'static str = "telltale";
    type Error = std::io::Error;

    fn effect(&self) -> Effect {
        Effect::Inspectable
    }

    async fn run(&self, cx: &StageContext) -> std::io::Result<Outcome> {
        Ok(self.outcome(cx).await)
    }

    fn abilities() -> Abilities<Self> {
        Abilities::new().inspect()
    }
}

impl Inspect for Telltale {
    async fn inspect(&self, cx: &StageContext) -> std::io::Result<Inspection> {
        Ok(Inspection::Happened(Box::new(self.outcome(cx).await)))
    }
}

#[derive(Debug)]
struct OneSecret;

#[async_trait::async_trait]
impl SecretSource for OneSecret {
    async fn resolve(&self, _: &SecretRef) -> Result<Secret, SecretError> {
        Ok(Secret::new("hunter2"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_in_an_outcome_is_not_recorded() {
    for killed in [false, true] {
        let bench = Bench::new();
        let pipeline = Pipeline::builder("p")
            .stage(StageSpec::new("only", Telltale))
            .build()
            .unwrap();
        let runner = || {
            let runner = Runner::new(bench.journal.clone(), Arc::new(MemoryArtifacts::new()));
            Arc::new(runner.clock(bench.clock.clone()).secrets(OneSecret))
        };
        let run = runner()
            .create(&pipeline, RunRequest::new(alice()))
            .await
            .unwrap();
        if killed {
            // It began, and its worker was gone: the next one looks for its effect.
            let mut state = runner().load(&run).await.unwrap();
            for input in [
                Input::Claim {
                    worker: "gone".into(),
                },
                Input::Tick,
            ] {
                let batch = state
                    .advance(&Gates::default(), &input, bench.clock.now())
                    .unwrap();
                if !batch.is_empty() {
                    let _ = bench.journal.append(batch).await.unwrap();
                }
            }
        }
        let state = runner().drive(&pipeline, &run).await.unwrap();
        let outcome = state
            .stages()
            .next()
            .unwrap()
            .end()
            .unwrap()
            .outcome()
            .unwrap()
            .clone();
        assert_eq!(outcome.reason, "with ***");
        assert_eq!(
            serde_json::to_value(&outcome.facts).unwrap(),
            serde_json::json!({ "value": "a***b" })
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_stops_a_stage() {
    let bench = Bench::new();
    let stage = ScriptedStage::new(Effect::AtMostOnce).then(Step::UntilCancelled);
    let spec = StageSpec::new("only", stage).timeout(SignedDuration::from_secs(5));
    let pipeline = Pipeline::builder("p").stage(spec).build().unwrap();
    let state = run(&bench, &pipeline).await;
    let end = state.stages().next().unwrap().end().unwrap().reason();
    assert_eq!(end, "it took longer than 5 s: the script says so");
}

#[tokio::test(start_paused = true)]
async fn a_run_has_one_driver_at_a_time() {
    let bench = Bench::new();
    let stage = ScriptedStage::new(Effect::Idempotent).then(Step::Forever);
    let pipeline = one(&stage);
    let runner = bench.runner();
    let id = runner.create(&pipeline, RunRequest::new(alice())).await.unwrap();
    let drive = runner.drive(&pipeline, &id);
    tokio::pin!(drive);
    assert!(
        tokio::time::timeout(Duration::from_secs(1), &mut drive)
            .await
            .is_err()
    );
    assert!(matches!(
        runner.drive(&pipeline, &id).await,
        Err(RunError::Taken { .. })
    ));
    // A worker that knows of no lease takes over; the first one notices.
    let state = bench.runner().drive(&pipeline, &id).await.unwrap();
    assert_eq!(state.status(), RunStatus::Succeeded);
    assert!(matches!(drive.await, Err(RunError::Taken { .. })));
}

#[tokio::test(start_paused = true)]
async fn another_pipeline_does_not_go_on_with_a_run() {
    let bench = Bench::new();
    let waits = ScriptedStage::new(Effect::Idempotent);
    let pipeline = Pipeline::builder("p")
        .stage(StageSpec::new("a", waits.clone()).gate(Approved))
        .build()
        .unwrap();
    let state = run(&bench, &pipeline).await;
    let other = Pipeline::builder("p")
        .stage(StageSpec::new("b", waits).gate(Approved))
        .build()
        .unwrap();
    let error = bench.runner().drive(&other, state.id()).await.unwrap_err();
    assert!(matches!(error, RunError::OtherPipeline { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_promises_an_artifact_must_produce_it() {
    let bench = Bench::new();
    let spec = StageSpec::new("build", ScriptedStage::new(Effect::Idempotent)).produces(["site"]);
    let pipeline = Pipeline::builder("p").stage(spec).build().unwrap();
    let state = run(&bench, &pipeline).await;
    let reason = state.stages().next().unwrap().end().unwrap().reason();
    assert_eq!(
        reason,
        "stage `build` succeeded without producing artifact `site`, which it promises"
    );
}

/// Drains the runner that drives it, and then succeeds or says no.
#[derive(Debug, Clone, Serialize)]
struct Drains {
    #[serde(skip)]
    runner: Arc<std::sync::OnceLock<Arc<Runner>>>,
    succeeds: bool,
}

impl Stage for Drains {
    const TYPE: &'static str = "drains";
    type Error = std::convert::Infallible;

    fn effect(&self) -> Effect {
        Effect::AtMostOnce
    }

    async fn run(&self, _: &StageContext) -> Result<Outcome, Self::Error> {
        self.runner.get().unwrap().drain();
        Ok(if self.succeeds {
            Outcome::succeeded()
        } else {
            Outcome::failed("no")
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_drains_begins_nothing_and_another_goes_on() {
    let bench = Bench::new();
    let drains = Drains {
        runner: Arc::default(),
        succeeds: true,
    };
    let [plain, pure, listed] =
        [Effect::AtMostOnce, Effect::Pure, Effect::Idempotent].map(ScriptedStage::new);
    let pipeline = Pipeline::builder("p")
        .stage(StageSpec::new("drains", drains.clone()))
        .stage(StageSpec::new("plain", plain.clone()).after(["drains"]))
        .stage(StageSpec::new("pure", pure.clone()).after(["drains"]))
        .stage(
            StageSpec::new("listed", listed.clone())
                .after(["drains"])
                .each(pipeline_core::Each::values([1, 2])),
        )
        .build()
        .unwrap();
    let runner = bench.runner();
    assert!(drains.runner.set(Arc::clone(&runner)).is_ok());
    let run = runner.create(&pipeline, RunRequest::new(alice())).await.unwrap();
    let state = runner.drive(&pipeline, &run).await.unwrap();
    assert_eq!(state.status(), RunStatus::Running);
    assert_eq!(words(&state), ["succeeded", "ready", "ready", "ready"]);
    let length = bench.kinds().await.len();
    // It is for good, and does not even take the run.
    let state = runner.drive(&pipeline, &run).await.unwrap();
    assert_eq!((state.epoch(), bench.kinds().await.len()), (1, length));

    let state = bench.runner().drive(&pipeline, &run).await.unwrap();
    assert_eq!(state.status(), RunStatus::Succeeded);
    assert_eq!(state.view(0).attempts(), 1);
    assert_eq!(
        (plain.keys().len(), pure.keys().len(), listed.keys().len()),
        (1, 1, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_drains_records_the_end_of_a_run() {
    let bench = Bench::new();
    let drains = Drains {
        runner: Arc::default(),
        succeeds: false,
    };
    let pipeline = Pipeline::builder("p")
        .stage(StageSpec::new("drains", drains.clone()))
        .stage(StageSpec::new("after", ScriptedStage::new(Effect::Idempotent)).after(["drains"]))
        .build()
        .unwrap();
    let runner = bench.runner();
    assert!(drains.runner.set(Arc::clone(&runner)).is_ok());
    let run = runner.create(&pipeline, RunRequest::new(alice())).await.unwrap();
    let state = runner.drive(&pipeline, &run).await.unwrap();
    assert_eq!(state.status(), RunStatus::Failed);
    assert_eq!(words(&state), ["failed", "skipped"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_its_turn_is_cancelled_at_once_and_cleans_nothing_up() {
    let bench = Bench::new();
    let (work, tidy) = (
        ScriptedStage::new(Effect::AtMostOnce),
        ScriptedStage::new(Effect::Idempotent),
    );
    let pipeline = Pipeline::builder("p")
        .runs(pipeline_core::QueueMode::Queue)
        .stage(StageSpec::new("work", work.clone()))
        .stage(
            StageSpec::new("tidy", tidy.clone())
                .after(["work"])
                .when(pipeline_core::When::Always),
        )
        .build()
        .unwrap();
    let runner = bench.runner();
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(runner.create(&pipeline, RunRequest::new(alice())).await.unwrap());
    }
    let state = runner
        .cancel(&runs[1], alice(), "not this one".to_owned())
        .await
        .unwrap();
    assert_eq!(state.status(), RunStatus::Cancelled);
    assert_eq!(words(&state), ["skipped", "skipped"]);
    assert!(
        runner.cancel(&runs[1], alice(), String::new()).await.is_err(),
        "it has ended"
    );
    // It is in nobody's way.
    for run in [&runs[0], &runs[2]] {
        let state = runner.drive(&pipeline, run).await.unwrap();
        assert_eq!(state.status(), RunStatus::Succeeded);
    }
    assert_eq!((work.keys().len(), tidy.keys().len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_types_are_missing_is_parked_until_somebody_has_them() {
    let bench = Bench::new();
    let stage = ScriptedStage::new(Effect::Idempotent).then(Step::Forever);
    let pipeline = one(&stage);
    let runner = bench.runner();
    let run = runner.create(&pipeline, RunRequest::new(alice())).await.unwrap();
    let nothing = pipeline_core::Registry::new();
    for _ in 0..2 {
        let state = runner.resume(&run, &nothing).await.unwrap();
        assert_eq!(
            state.status(),
            RunStatus::Parked,
            "although something could begin"
        );
        assert!(
            state.parked().unwrap()[0].contains("scripted@1"),
            "{:?}",
            state.parked()
        );
    }
    assert_eq!(bench.kinds().await, ["run.created", "run.parked"]);

    // Whoever drives it has the types: nobody else parks it meanwhile.
    let driven = tokio::spawn({
        let (runner, run) = (Arc::clone(&runner), run.clone());
        async move { runner.drive(&pipeline, &run).await }
    });
    while stage.keys().is_empty() {
        tokio::task::yield_now().await;
    }
    let refused = runner.resume(&run, &nothing).await.unwrap_err();
    assert!(matches!(refused, RunError::Taken { .. }), "{refused:?}");
    driven.abort();
    assert_eq!(runner.load(&run).await.unwrap().status(), RunStatus::Running);
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_drains_does_not_wait_for_the_next_attempt() {
    let bench = Bench::new();
    let stage = ScriptedStage::new(Effect::Idempotent).then(Step::Error(Failure::Errored));
    let retry = pipeline_core::RetryPolicy {
        delay_seconds: 30,
        jitter_percent: 0,
        ..pipeline_core::RetryPolicy::new(2)
    };
    let pipeline = Pipeline::builder("p")
        .stage(StageSpec::new("only", stage.clone()).retry(retry))
        .build()
        .unwrap();
    let runner = bench.runner();
    let run = runner.create(&pipeline, RunRequest::new(alice())).await.unwrap();
    let driven = {
        let (runner, pipeline, run) = (Arc::clone(&runner), pipeline.clone(), run.clone());
        tokio::spawn(async move { runner.drive(&pipeline, &run).await })
    };
    while bench.kinds().await.last().unwrap() != "run.stage-finished" {
        tokio::task::yield_now().await;
    }
    runner.drain();
    bench.clock.advance(SignedDuration::from_secs(31));
    let state = driven.await.unwrap().unwrap();
    assert_eq!((words(&state), state.view(0).attempts()), (vec!["retrying"], 1));
    let state = bench.runner().drive(&pipeline, &run).await.unwrap();
    assert_eq!((words(&state), state.view(0).attempts()), (vec!["succeeded"], 2));
}
