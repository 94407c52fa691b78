//! The spans of a run: their names, what they are below, and when they close.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use pipeline_core::observe::TracingObserver;
use pipeline_core::testing::{ManualClock, MemoryArtifacts, ScriptedStage, Step};
use pipeline_core::{
    Actor, Effect, EvidenceSet, Failure, Gate, GateRequest, MemoryJournal, Observer, Outcome, Pipeline,
    RunId, RunPlan, RunRequest, RunStatus, Runner, Signal, SignedDuration, Stage, StageContext, StageSpec,
    Timestamp, Verdict,
};
use serde::Serialize;
use serde_json::json;
use tokio::sync::{Barrier, Notify};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};

use crate::support::recorded;

/// Writes down what it is told, one line each; spans by what they are called.
#[derive(Clone, Default)]
struct Recorder(Arc<Inner>);

#[derive(Default)]
struct Inner {
    next: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    open: BTreeMap<u64, Open>,
}

struct Open {
    called: String,
    handles: u32,
    fields: Fields,
}

#[derive(Default)]
struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

impl Fields {
    fn text(&self) -> String {
        let fields = self.0.iter().map(|(name, value)| format!("{name}={value}"));
        fields.collect::<Vec<_>>().join(" ")
    }
}

impl Recorder {
    fn new() -> (Self, tracing::subscriber::DefaultGuard) {
        let recorder = Self::default();
        let guard = tracing::subscriber::set_default(recorder.clone());
        (recorder, guard)
    }

    /// What was told, with short words for what differs from run to run.
    fn lines(&self, run: &RunId) -> String {
        self.0
            .state
            .lock()
            .unwrap()
            .lines
            .join("\n")
            .replace(run.as_str(), "R")
    }

    /// What is not closed.
    fn open(&self) -> Vec<String> {
        let state = self.0.state.lock().unwrap();
        state.open.values().map(|open| open.called.clone()).collect()
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "pipeline_core"
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed) + 1;
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let mut state = self.0.state.lock().unwrap();
        assert!(!attributes.is_contextual(), "a parent is named, or there is none");
        let parent = attributes
            .parent()
            .map(|parent| state.open[&parent.into_u64()].called.clone());
        let called = match fields.0.get("attempt") {
            Some(attempt) => format!("{}#{attempt}", fields.0["otel.name"]),
            None => fields.0["otel.name"].clone(),
        };
        state.lines.push(format!(
            "open {called} below {}: {}; {}",
            parent.as_deref().unwrap_or("nothing"),
            attributes.metadata().name(),
            fields.text()
        ));
        let open = Open {
            called,
            handles: 1,
            fields: Fields::default(),
        };
        state.open.insert(id, open);
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut state = self.0.state.lock().unwrap();
        values.record(&mut state.open.get_mut(&span.into_u64()).unwrap().fields);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut state = self.0.state.lock().unwrap();
        assert!(!event.is_contextual(), "a parent is named, or there is none");
        let parent = event
            .parent()
            .map(|parent| state.open[&parent.into_u64()].called.clone());
        state.lines.push(format!(
            "{} below {}: {}",
            event.metadata().level().as_str().to_lowercase(),
            parent.as_deref().unwrap_or("nothing"),
            fields.text()
        ));
    }

    fn enter(&self, _: &Id) {
        panic!("no span is entered: attempts interleave");
    }

    fn exit(&self, _: &Id) {}

    fn clone_span(&self, id: &Id) -> Id {
        self.0
            .state
            .lock()
            .unwrap()
            .open
            .get_mut(&id.into_u64())
            .unwrap()
            .handles += 1;
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let mut state = self.0.state.lock().unwrap();
        let open = state.open.get_mut(&id.into_u64()).unwrap();
        open.handles -= 1;
        if open.handles > 0 {
            return false;
        }
        let open = state.open.remove(&id.into_u64()).unwrap();
        state
            .lines
            .push(format!("close {}: {}", open.called, open.fields.text()));
        true
    }
}

/// One process with an observer, and what all processes share.
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

    fn process(&self) -> (Arc<Runner>, TracingObserver) {
        let spans = TracingObserver::new();
        let runner = Runner::new(self.journal.clone(), Arc::new(MemoryArtifacts::new()));
        (
            Arc::new(runner.clock(self.clock.clone()).observer(spans.clone())),
            spans,
        )
    }
}

fn request() -> RunRequest {
    RunRequest::new(Actor::person("alice").unwrap())
}

/// Two of these begin together, and the second goes on when the end of the first is in the journal.
#[derive(Debug, Clone, Serialize)]
struct Together {
    number: u32,
    #[serde(skip)]
    met: Arc<Barrier>,
    #[serde(skip)]
    first_ended: Arc<Notify>,
}

impl Stage for Together {
    const TYPE: &'static str = "together";
    type Error = std::convert::Infallible;

    fn effect(&self) -> Effect {
        Effect::Idempotent
    }

    async fn run(&self, cx: &StageContext) -> Result<Outcome, Self::Error> {
        self.met.wait().await;
        if self.number == 1 {
            cx.log("the first");
        } else {
            self.first_ended.notified().await;
            cx.log("the second");
            cx.progress(1, Some(2), "half");
        }
        Ok(Outcome::succeeded())
    }

    fn portable(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn attempts_interleave_below_their_run() {
    let (recorder, _guard) = Recorder::new();
    let (met, first_ended) = (Arc::new(Barrier::new(2)), Arc::new(Notify::new()));
    let ended = Arc::clone(&first_ended);
    let runner = Runner::new(Arc::new(MemoryJournal::new()), Arc::new(MemoryArtifacts::new()))
        .observer(TracingObserver::new())
        .observer(move |signal: &Signal<'_>| {
            if matches!(signal, Signal::Event(event) if event.kind == "run.stage-finished") {
                ended.notify_one();
            }
        });
    let runner = Arc::new(runner);
    let stage = |number| Together {
        number,
        met: Arc::clone(&met),
        first_ended: Arc::clone(&first_ended),
    };
    let pipeline = Pipeline::builder("edge-proxy")
        .stage(StageSpec::new("one", stage(1)))
        .stage(StageSpec::new("two", stage(2)))
        .build()
        .unwrap();
    let run = runner.create(&pipeline, request()).await.unwrap();
    let state = runner.drive(&pipeline, &run).await.unwrap();
    assert_eq!(state.status(), RunStatus::Succeeded);
    insta::assert_snapshot!(recorder.lines(&run));
    assert_eq!(recorder.open(), [""; 0]);
}

/// Waits until it is time.
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

#[tokio::test]
async fn a_run_that_goes_on_in_another_process_has_a_span_there() {
    let bench = Bench::new();
    let (recorder, _guard) = Recorder::new();
    let gate = NotBefore("2026-11-20T13:00:00Z".parse().unwrap());
    let failing = ScriptedStage::new(Effect::Idempotent).then(Step::End(Box::new(Outcome::failed("no"))));
    let pipeline = Pipeline::builder("edge-proxy")
        .stage(StageSpec::new("build", ScriptedStage::new(Effect::Idempotent)))
        .stage(StageSpec::new("deploy", failing).after(["build"]).gate(gate))
        .stage(StageSpec::new("check", ScriptedStage::new(Effect::Idempotent)).after(["deploy"]))
        .build()
        .unwrap();
    let (runner, spans) = bench.process();
    let run = runner.create(&pipeline, request()).await.unwrap();
    let state = runner.drive(&pipeline, &run).await.unwrap();
    assert_eq!(state.status(), RunStatus::Waiting);
    assert_eq!(recorder.open(), ["RUN edge-proxy"], "it may go on here");
    drop((runner, spans));
    assert_eq!(recorder.open(), [""; 0], "the process is gone");

    bench.clock.advance(SignedDuration::from_hours(1));
    let (runner, spans) = bench.process();
    spans.introduce(&runner.load(&run).await.unwrap());
    let state = runner.drive(&pipeline, &run).await.unwrap();
    assert_eq!(state.status(), RunStatus::Failed);
    insta::assert_snapshot!(recorder.lines(&run));
    assert_eq!(recorder.open(), [""; 0]);
}

#[tokio::test]
async fn every_ending_has_the_result_that_the_conventions_have_for_it() {
    for (step, expected) in [
        (Step::End(Box::new(Outcome::unchanged("it is so"))), "success"),
        (Step::End(Box::new(Outcome::skipped("nothing"))), "skip"),
        (Step::Error(Failure::Failed), "failure failed"),
        (Step::Error(Failure::Errored), "error errored"),
    ] {
        let (recorder, _guard) = Recorder::new();
        let (runner, _) = Bench::new().process();
        let stage = ScriptedStage::new(Effect::Idempotent).then(step);
        let pipeline = Pipeline::builder("p")
            .stage(StageSpec::new("only", stage))
            .build()
            .unwrap();
        let run = runner.create(&pipeline, request()).await.unwrap();
        runner.drive(&pipeline, &run).await.unwrap();
        let lines = recorder.lines(&run);
        let closed = lines
            .lines()
            .find(|line| line.starts_with("close only#1: "))
            .unwrap();
        let (result, error) = expected.split_once(' ').unwrap_or((expected, ""));
        assert!(
            closed.contains(&format!("cicd.pipeline.task.run.result={result}")),
            "{lines}"
        );
        assert_eq!(closed.contains("error.type="), !error.is_empty(), "{lines}");
        assert!(
            error.is_empty() || closed.contains(&format!("error.type={error}")),
            "{lines}"
        );
        let run_closed = lines.lines().last().unwrap();
        let result = if error.is_empty() { "success" } else { result };
        assert!(
            run_closed.starts_with("close RUN p: cicd.pipeline.result="),
            "{lines}"
        );
        assert!(run_closed.contains(&format!("result={result}")), "{lines}");
    }
}

#[tokio::test]
async fn a_run_that_is_closed_is_forgotten() {
    let (recorder, _guard) = Recorder::new();
    let (runner, spans) = Bench::new().process();
    let gate = NotBefore("2026-11-20T13:00:00Z".parse().unwrap());
    let stage = ScriptedStage::new(Effect::Idempotent);
    let pipeline = Pipeline::builder("p")
        .stage(StageSpec::new("only", stage).gate(gate))
        .build()
        .unwrap();
    let run = runner.create(&pipeline, request()).await.unwrap();
    runner.drive(&pipeline, &run).await.unwrap();
    spans.close(&run);
    assert_eq!(recorder.open(), [""; 0]);
    runner
        .cancel(&run, Actor::person("alice").unwrap(), "enough".into())
        .await
        .unwrap();
    let last = "warn below nothing: by=person:alice message=asked to stop reason=enough";
    assert_eq!(recorder.lines(&run).lines().last(), Some(last));
}

#[tokio::test]
async fn what_has_no_end_of_its_own_is_closed_all_the_same() {
    let stage = |name: &str| json!({ "name": name, "type": "t", "version": 1, "effect": "idempotent", "environment": "eu-1" });
    let stages = ["lost", "late", "left", "again"].map(stage);
    let environment = json!({ "name": "eu-1", "tier": "production", "type": "t", "settings": {} });
    let plan: RunPlan = serde_json::from_value(json!({
        "format": 1, "pipeline": "p", "component": "p", "environments": { "eu-1": environment }, "stages": stages,
    }))
    .unwrap();
    let started = |stage: &str, attempt: u32| {
        let deadline = "2026-11-20T12:00:00Z";
        let data = json!({
            "stage": stage, "attempt": attempt, "generation": 1, "epoch": 1, "deadline": deadline,
        });
        ("run.stage-started", data)
    };
    let failed =
        json!({ "kind": "failed", "failure": "errored", "error": ["it took longer than 5 s", "killed"] });
    let events = [
        started("lost", 1),
        (
            "run.stage-unknown",
            json!({ "stage": "lost", "attempt": 1, "reason": "the worker was killed" }),
        ),
        started("late", 1),
        (
            "run.stage-finished",
            json!({ "stage": "late", "attempt": 1, "epoch": 1, "result": failed }),
        ),
        started("again", 1),
        started("again", 2),
        started("left", 1),
        ("run.claimed", json!({ "epoch": 2, "worker": "another" })),
        started("left", 2),
        (
            "run.stage-decided",
            json!({ "stage": "lost", "attempt": 1, "happened": true }),
        ),
        ("run.finished", json!({ "outcome": "failed" })),
    ];
    let (run, events) = recorded(&plan, &events).await;
    let (recorder, _guard) = Recorder::new();
    let spans = TracingObserver::new();
    for event in &events {
        spans.observe(&Signal::Event(event));
    }
    insta::assert_snapshot!(recorder.lines(&run));
    assert_eq!(recorder.open(), [""; 0]);
}
