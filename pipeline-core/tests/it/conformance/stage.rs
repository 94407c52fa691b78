use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use pipeline_core::testing::conformance::{Report, StageSuite, StageWorld};
use pipeline_core::testing::{ManualClock, MemoryArtifacts, ScriptedStage, TestCall, services};
use pipeline_core::{
    Abilities, Action, ActionPlan, ArtifactRef, Configuration, Digest, Effect, Environment, Failure, Fence,
    Inspect, Inspection, Outcome, PlanActions, Reads, Secret, SecretError, SecretRef, SecretSource, Source,
    SourceError, SourcePath, Stage, StageContext, Undo, Verify,
};
use serde_json::json;

use super::environment::{Place, PlaceFlaw};
use super::{assert_all_kept, assert_only, block_on, pause};

const PLANTED: &str = "hunter2-planted";

/// What a sample stage does wrong; each name is that of the promise which it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    Ends,
    Produces,
    ProducesNothing,
    OutcomeRoundTrips,
    KeepsSecrets,
    KeepsSecretsInPlan,
    DeclaresReads,
    Repeats,
    EqualOutcomes,
    InspectsBefore,
    InspectsAfter,
    InspectsOnly,
    InspectsTruly,
    Recovers,
    Stops,
    StopsWhole,
    StopsTruly,
    StopsTrulyFalseFailure,
    RefusesLateCalls,
    PlansEqually,
    PlansOnly,
    KeepsToPlan,
    SurvivesMeddling,
    Verifies,
    VerifiesOnly,
    Undoes,
    UndoesAgain,
}

type World = Arc<Mutex<BTreeMap<&'static str, String>>>;

/// Writes two entries into the world, one after the other, and can do everything that a stage can.
#[derive(Debug)]
struct Sample {
    effect: Effect,
    flaw: Flaw,
    world: World,
    app: ArtifactRef,
    calls: AtomicU32,
}

#[derive(Debug, thiserror::Error)]
#[error("{1}")]
struct SampleError(Failure, &'static str);

fn failed<T>(why: &'static str) -> Result<T, SampleError> {
    Err(SampleError(Failure::Failed, why))
}

impl Sample {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn set(&self, key: &'static str, value: &str) {
        self.world.lock().unwrap().insert(key, value.to_owned());
    }

    fn remove(&self, key: &'static str) {
        self.world.lock().unwrap().remove(key);
    }

    fn is(&self, key: &'static str, value: &str) -> bool {
        self.world
            .lock()
            .unwrap()
            .get(key)
            .is_some_and(|found| found == value)
    }

    fn outcome(&self) -> Outcome {
        Outcome::succeeded().artifact(self.app.clone())
    }

    async fn check(&self, cx: &StageContext) -> Result<(), SampleError> {
        let environment = cx.environment().unwrap();
        let highest = environment.fenced().unwrap().highest_fence().await.unwrap();
        let target = cx.target().unwrap();
        if highest > target.fence && !self.has(Flaw::RefusesLateCalls) {
            return failed("it comes too late");
        }
        let foreign = |plan: &ActionPlan| plan.release != Digest::of(b"release");
        if target.action_plan.as_ref().is_some_and(foreign) && !self.has(Flaw::KeepsToPlan) {
            return failed("that is the plan of something else");
        }
        Ok(())
    }

    /// After it was asked to stop half-way.
    async fn stop(&self) -> Result<Option<Outcome>, SampleError> {
        match self.flaw {
            Flaw::Stops => std::future::pending().await,
            Flaw::StopsWhole => {}
            Flaw::StopsTruly => return Ok(Some(self.outcome())),
            _ => self.remove("a"),
        }
        Err(SampleError(Failure::Errored, "stopped"))
    }
}

impl Stage for Sample {
    const TYPE: &'static str = "sample";
    type Error = SampleError;

    fn effect(&self) -> Effect {
        self.effect
    }

    fn reads(&self) -> Reads {
        Reads::Source(vec!["docs".parse().unwrap()])
    }

    fn failure(&self, error: &SampleError) -> Failure {
        error.0
    }

    fn abilities() -> Abilities<Self> {
        Abilities::new().plan().inspect().undo().verify()
    }

    async fn run(&self, cx: &StageContext) -> Result<Outcome, SampleError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        if self.has(Flaw::Ends) {
            return failed("it never works");
        }
        self.check(cx).await?;
        self.remove("looked");
        self.remove("planned");
        self.remove("verified");
        let secret = cx.secret(&"test:planted".parse().unwrap()).await.unwrap();
        cx.log(format!("the secret is {}", secret.expose()));
        let file = if self.has(Flaw::DeclaresReads) {
            "other"
        } else {
            "docs/a"
        };
        cx.source().read(&file.parse().unwrap()).await.unwrap();
        pause().await;
        if cx.is_cancelled() && !self.has(Flaw::Stops) {
            return Err(SampleError(Failure::Errored, "stopped"));
        }
        if self.has(Flaw::Recovers) && self.is("a", "1") && !self.is("b", "1") {
            return failed("half of it is there");
        }
        let trusting = cx.target().is_some_and(|target| target.action_plan.is_some());
        if !(self.has(Flaw::SurvivesMeddling) && trusting) {
            self.set("a", "1");
        }
        pause().await;
        if cx.is_cancelled()
            && let Some(outcome) = self.stop().await?
        {
            return Ok(outcome);
        }
        self.set("b", "1");
        if self.has(Flaw::StopsTrulyFalseFailure) {
            let before = self.world.lock().unwrap().get("sent").map_or(0, String::len);
            self.set("sent", &"x".repeat(before + 1));
            pause().await;
            if cx.is_cancelled() {
                return Err(SampleError(Failure::Errored, "stopped"));
            }
        }
        let outcome = match self.flaw {
            Flaw::Produces => Outcome::succeeded(),
            Flaw::ProducesNothing => {
                let digest = Digest::of(b"no such artifact");
                Outcome::succeeded().artifact(ArtifactRef {
                    digest,
                    ..self.app.clone()
                })
            }
            Flaw::OutcomeRoundTrips => {
                let deep = (0..200).fold(json!(0), |inside, _| json!([inside]));
                self.outcome().fact("deep", deep)
            }
            Flaw::KeepsSecrets => self.outcome().fact("token", json!({"is": [secret.expose()]})),
            Flaw::EqualOutcomes => self.outcome().fact("call", call),
            Flaw::Repeats => {
                let before = self.world.lock().unwrap().get("calls").map_or(0, String::len);
                self.set("calls", &"x".repeat(before + 1));
                self.outcome()
            }
            _ => self.outcome(),
        };
        Ok(outcome)
    }
}

impl PlanActions for Sample {
    async fn plan(&self, cx: &StageContext) -> Result<ActionPlan, SampleError> {
        let secret = cx.secret(&"test:planted".parse().unwrap()).await.unwrap();
        pause().await;
        if self.has(Flaw::PlansOnly) {
            self.set("planned", "1");
        }
        let title = match self.flaw {
            Flaw::PlansEqually => format!("in run {} at {}", cx.run(), cx.now()),
            Flaw::KeepsSecretsInPlan => format!("with {}", secret.expose()),
            _ => "sample".to_owned(),
        };
        Ok(ActionPlan {
            environment: cx.target().unwrap().descriptor.name.clone(),
            release: Digest::of(b"release"),
            title,
            configuration: Digest::of(b"configuration"),
            actions: vec![Action::new("write", "a and b")],
            rollback: Vec::new(),
            success_measures: Vec::new(),
            facts: BTreeMap::new(),
        })
    }
}

impl Inspect for Sample {
    async fn inspect(&self, _: &StageContext) -> Result<Inspection, SampleError> {
        pause().await;
        let (a, b) = (self.is("a", "1"), self.is("b", "1"));
        if self.has(Flaw::InspectsOnly) {
            self.set("looked", "1");
        }
        Ok(match (a, b, self.flaw) {
            (true, true, Flaw::InspectsAfter) => Inspection::Happened(Box::new(Outcome::succeeded())),
            (true, true, _) | (true, false, Flaw::InspectsTruly) => {
                Inspection::Happened(Box::new(self.outcome().because("it is there")))
            }
            (false, false, Flaw::InspectsBefore) => Inspection::Unknown {
                reason: "who knows".to_owned(),
            },
            _ => Inspection::DidNotHappen,
        })
    }
}

impl Undo for Sample {
    async fn undo(&self, _: &StageContext, _: &Outcome) -> Result<(), SampleError> {
        if self.has(Flaw::UndoesAgain) && !self.is("b", "1") {
            return failed("there is nothing to undo");
        }
        if !self.has(Flaw::Undoes) {
            self.remove("b");
        }
        pause().await;
        self.remove("a");
        self.remove("calls");
        self.remove("sent");
        Ok(())
    }
}

impl Verify for Sample {
    async fn verify(&self, _: &StageContext, _: &Outcome) -> Result<(), SampleError> {
        if self.has(Flaw::VerifiesOnly) {
            self.set("verified", "1");
        }
        match self.is("a", "1") && self.is("b", "1") && !self.has(Flaw::Verifies) {
            true => Ok(()),
            false => failed("it is not there"),
        }
    }
}

/// Knows one secret.
#[derive(Debug)]
struct Planted;

#[async_trait]
impl SecretSource for Planted {
    async fn resolve(&self, _: &SecretRef) -> Result<Secret, SecretError> {
        Ok(Secret::new(PLANTED))
    }
}

/// A source in which every file is empty.
#[derive(Debug)]
struct Blank;

#[async_trait]
impl Source for Blank {
    fn root(&self) -> Option<&Path> {
        None
    }

    async fn read(&self, _: &SourcePath) -> Result<Vec<u8>, SourceError> {
        Ok(Vec::new())
    }

    async fn digest(&self, _: &[SourcePath]) -> Result<Digest, SourceError> {
        Ok(Digest::ZERO)
    }
}

fn sample(effect: Effect, flaw: Flaw) -> StageWorld {
    let store = MemoryArtifacts::new();
    let app = store.add("app", "1.0.0", &[("a", b"a", false)]);
    let world = World::default();
    let stage = Sample {
        effect,
        flaw,
        world: Arc::clone(&world),
        app,
        calls: AtomicU32::new(0),
    };
    let environment: Arc<dyn Environment> = Arc::new(Place::new(PlaceFlaw::None));
    let configuration = Configuration::empty(environment.descriptor().name.clone());
    let call =
        TestCall::new("sample").environment(environment, configuration, Some(Fence { token: 3, epoch: 1 }));
    let services = services(
        ManualClock::at("2026-11-20T12:00:00Z"),
        Arc::new(store),
        Arc::new(Blank),
        Arc::new(Planted),
    );
    let (seen, changed) = (Arc::clone(&world), world);
    StageWorld::new(stage, call, services)
        .produces("app")
        .probe(move || {
            let text = serde_json::to_string(&*seen.lock().unwrap()).unwrap();
            async move { text }
        })
        .meddle(move || {
            changed.lock().unwrap().insert("a", "meddled".to_owned());
            async {}
        })
}

fn check(effect: Effect, flaw: Flaw) -> Report {
    block_on(StageSuite::new(|| async { sample(effect, flaw) }).run())
}

#[test]
fn an_honest_stage_keeps_everything_that_its_effect_promises() {
    for (effect, left_out) in [
        (
            Effect::Pure,
            vec![
                "inspects-before",
                "inspects-after",
                "inspects-only",
                "inspects-truly",
            ],
        ),
        (
            Effect::Idempotent,
            vec![
                "declares-reads",
                "equal-outcomes",
                "inspects-before",
                "inspects-after",
                "inspects-only",
                "inspects-truly",
            ],
        ),
        (
            Effect::Inspectable,
            vec!["declares-reads", "repeats", "equal-outcomes"],
        ),
        (
            Effect::AtMostOnce,
            vec![
                "declares-reads",
                "repeats",
                "equal-outcomes",
                "inspects-before",
                "inspects-after",
                "inspects-only",
                "inspects-truly",
                "recovers",
            ],
        ),
    ] {
        let report = check(effect, Flaw::None);
        assert_all_kept(&report);
        assert_eq!(report.not_promised_names(), left_out, "{report}");
    }
}

const FLAWS: [(Effect, Flaw, &str); 27] = [
    (Effect::Idempotent, Flaw::Ends, "ends"),
    (Effect::Idempotent, Flaw::Produces, "produces"),
    (Effect::Idempotent, Flaw::ProducesNothing, "produces"),
    (Effect::Idempotent, Flaw::OutcomeRoundTrips, "outcome-round-trips"),
    (Effect::Idempotent, Flaw::KeepsSecrets, "keeps-secrets"),
    (Effect::Idempotent, Flaw::KeepsSecretsInPlan, "keeps-secrets"),
    (Effect::Pure, Flaw::DeclaresReads, "declares-reads"),
    (Effect::Idempotent, Flaw::Repeats, "repeats"),
    (Effect::Pure, Flaw::EqualOutcomes, "equal-outcomes"),
    (Effect::Inspectable, Flaw::InspectsBefore, "inspects-before"),
    (Effect::Inspectable, Flaw::InspectsAfter, "inspects-after"),
    (Effect::Inspectable, Flaw::InspectsOnly, "inspects-only"),
    (Effect::Inspectable, Flaw::InspectsTruly, "inspects-truly"),
    (Effect::Idempotent, Flaw::Recovers, "recovers"),
    (Effect::Idempotent, Flaw::Stops, "stops"),
    (Effect::Idempotent, Flaw::StopsWhole, "stops-whole"),
    (Effect::Idempotent, Flaw::StopsTruly, "stops-truly"),
    (Effect::AtMostOnce, Flaw::StopsTrulyFalseFailure, "stops-truly"),
    (Effect::Idempotent, Flaw::RefusesLateCalls, "refuses-late-calls"),
    (Effect::Idempotent, Flaw::PlansEqually, "plans-equally"),
    (Effect::Idempotent, Flaw::PlansOnly, "plans-only"),
    (Effect::Idempotent, Flaw::KeepsToPlan, "keeps-to-plan"),
    (Effect::Idempotent, Flaw::SurvivesMeddling, "survives-meddling"),
    (Effect::Idempotent, Flaw::Verifies, "verifies"),
    (Effect::Idempotent, Flaw::VerifiesOnly, "verifies-only"),
    (Effect::Idempotent, Flaw::Undoes, "undoes"),
    (Effect::Idempotent, Flaw::UndoesAgain, "undoes-again"),
];

#[test]
fn each_flaw_is_found_under_its_name_and_no_other() {
    for (effect, flaw, name) in FLAWS {
        assert_only(&check(effect, flaw), name);
    }
    for promise in StageSuite::PROMISES {
        assert!(
            promise.name == "worlds-alike" || FLAWS.iter().any(|(_, _, name)| *name == promise.name),
            "nothing shows that `{}` is looked at",
            promise.name
        );
    }
}

#[test]
fn worlds_that_differ_are_no_flaw_of_the_stage() {
    let number = AtomicU32::new(0);
    let fresh = || {
        let number = number.fetch_add(1, Ordering::SeqCst);
        async move { bad("slow").probe(move || async move { number.to_string() }) }
    };
    let report = block_on(StageSuite::new(fresh).run());
    assert_only(&report, "worlds-alike");
    assert!(report.not_tried_names().contains(&"stops"), "{report}");
}

#[test]
fn a_report_is_a_table_for_a_person() {
    let report = check(Effect::Inspectable, Flaw::InspectsTruly);
    insta::assert_snapshot!(report);
}

/// Panics, hangs or never ends.
#[derive(Debug)]
struct Bad(&'static str);

impl Stage for Bad {
    const TYPE: &'static str = "bad";
    type Error = std::convert::Infallible;

    fn effect(&self) -> Effect {
        Effect::AtMostOnce
    }

    async fn run(&self, cx: &StageContext) -> Result<Outcome, Self::Error> {
        match self.0 {
            "panics" => panic!("on purpose"),
            "hangs" => std::future::pending().await,
            "waits" => {
                cx.cancelled().await;
                Ok(Outcome::failed("asked to stop"))
            }
            _ => {
                for _ in 0..10 {
                    pause().await;
                }
                Ok(Outcome::succeeded())
            }
        }
    }
}

fn bad(what: &'static str) -> StageWorld {
    let services = services(
        ManualClock::at("2026-11-20T12:00:00Z"),
        Arc::new(MemoryArtifacts::new()),
        Arc::new(Blank),
        Arc::new(Planted),
    );
    StageWorld::new(Bad(what), TestCall::new("bad"), services)
}

#[test]
fn a_stage_that_does_not_end_does_not_hold_the_suite() {
    for (what, limit, says) in [
        ("panics", 60_000, "it panicked: on purpose"),
        ("hangs", 60_000, "nothing is left that could wake it"),
        ("waits", 1, "it did not end within 1ms"),
    ] {
        let suite = StageSuite::new(|| async { bad(what) }).time_limit(Duration::from_millis(limit));
        let report = block_on(suite.run());
        assert_only(&report, "ends");
        assert!(report.to_string().contains(says), "{report}");
        assert!(report.not_tried_names().contains(&"stops"), "{report}");
    }
}

#[test]
fn a_bound_that_is_reached_is_told() {
    let suite = StageSuite::new(|| async { bad("slow") });
    assert_eq!(
        block_on(suite.run()).notes().len(),
        1,
        "only that there is no probe"
    );
    let report = block_on(suite.await_points(4).run());
    assert_eq!(
        report.notes()[1],
        "stopped: only the first 4 await points were tried"
    );
}

#[test]
fn without_a_probe_what_needs_one_is_not_tried() {
    let report = block_on(StageSuite::new(|| async { bad("slow") }).run());
    assert_eq!(
        report.kept(),
        [
            "worlds-alike",
            "ends",
            "produces",
            "outcome-round-trips",
            "keeps-secrets",
            "stops",
            "stops-truly"
        ]
    );
    assert_eq!(report.not_tried_names(), ["stops-whole"]);
}

#[test]
fn our_own_scripted_stage() {
    for effect in [
        Effect::Pure,
        Effect::Idempotent,
        Effect::Inspectable,
        Effect::AtMostOnce,
    ] {
        let fresh = || async move {
            let services = services(
                ManualClock::at("2026-11-20T12:00:00Z"),
                Arc::new(MemoryArtifacts::new()),
                Arc::new(Blank),
                Arc::new(Planted),
            );
            // It changes nothing.
            StageWorld::new(ScriptedStage::new(effect), TestCall::new("scripted"), services)
                .probe(|| async { String::new() })
        };
        assert_all_kept(&block_on(StageSuite::new(fresh).run()));
    }
}
