//! How work flows, out of journals: one by hand, one of a real run.

use std::sync::Arc;

use pipeline_core::testing::MemoryArtifacts;
use pipeline_core::{
    Actor, Approval, Digest, Effect, EnvironmentEvent, Event, EventPayload, Failure, GateVerdict,
    GatesEvaluated, Journal, Locked, MemoryJournal, Outcome, Payload, Pipeline, PlannedStage, Released,
    RunCreated, RunEvent, RunFinished, RunOutcome, RunPlan, RunRequest, Runner, Stage, StageContext,
    StageFinished, StageName, StageResult, StageSpec, StageStarted, StartDetails, Verdict,
};
use pipeline_metrics::{Flow, JournalFlow};
use proptest::prelude::*;

use crate::figures::time;

fn event(stream: &str, position: u64, hour: i64, actor: Actor, payload: impl EventPayload) -> Event {
    Event {
        stream: stream.parse().unwrap(),
        position,
        cursor: position,
        at: time(hour),
        kind: payload.kind().into(),
        version: payload.version(),
        actor,
        causes: Vec::new(),
        payload: Payload::value(payload),
    }
}

fn stage(name: &str) -> StageName {
    StageName::new(name).unwrap()
}

fn started(name: &str, attempt: u32) -> RunEvent {
    StageStarted::new(stage(name), attempt, attempt, 1, StartDetails::default()).into()
}

fn finished(name: &str, attempt: u32, result: StageResult, retry: Option<i64>) -> RunEvent {
    RunEvent::from(StageFinished {
        stage: stage(name),
        attempt,
        epoch: 1,
        result,
        output: None,
        retry_at: retry.map(|hour| Box::new(time(hour))),
    })
}

fn completed(outcome: Outcome) -> StageResult {
    StageResult::Completed {
        outcome: Arc::new(outcome),
    }
}

fn gates(verdicts: &[(&str, Verdict)]) -> RunEvent {
    RunEvent::from(GatesEvaluated {
        stage: stage("deploy"),
        subject: Digest::of(b"plan"),
        verdicts: verdicts
            .iter()
            .map(|(gate, verdict)| GateVerdict {
                gate: (*gate).to_owned(),
                verdict: verdict.clone(),
            })
            .collect(),
        evidence: Default::default(),
        locked: false,
    })
}

/// A run: build (twice, the first time the tool broke), test says no to nothing, deploy waits for board and window.
fn events() -> Vec<Event> {
    let mut plan = RunPlan::new("ship".parse().unwrap(), "shop".parse().unwrap());
    for (name, after) in [("build", None), ("test", Some("build")), ("deploy", Some("test"))] {
        let mut planned = PlannedStage::new(stage(name), "command".parse().unwrap(), Effect::Idempotent);
        planned.after = after.into_iter().map(stage).collect();
        plan.stages.push(planned);
    }
    let ann = Actor::person("ann").unwrap();
    let approval = Approval {
        stage: stage("deploy"),
        action_plan: Digest::of(b"plan"),
        by: ann.clone(),
        at: time(20),
        expires: time(99),
        comment: String::new(),
        used: false,
    };
    let broken = StageResult::Failed {
        failure: Failure::Errored,
        error: vec!["no network".to_owned()],
    };
    let board = || Verdict::wait("nobody approved").who(["person:ann", "group:board"]);
    let run: Vec<(i64, Actor, RunEvent)> = vec![
        (0, ann.clone(), RunCreated::new(plan).unwrap().into()),
        (2, Actor::Engine, started("build", 1)),
        (3, Actor::Engine, finished("build", 1, broken, Some(4))),
        (4, Actor::Engine, started("build", 2)),
        (
            6,
            Actor::Engine,
            finished("build", 2, completed(Outcome::succeeded()), None),
        ),
        (7, Actor::Engine, started("test", 1)),
        (
            9,
            Actor::Engine,
            finished("test", 1, completed(Outcome::succeeded()), None),
        ),
        (
            9,
            Actor::Engine,
            gates(&[("approval", board()), ("window", Verdict::wait("night"))]),
        ),
        (
            12,
            Actor::Engine,
            gates(&[("approval", board()), ("window", Verdict::allow("day"))]),
        ),
        (20, ann, approval.into()),
        (
            20,
            Actor::Engine,
            gates(&[("environment-lock", Verdict::wait("r2"))]),
        ),
        (22, Actor::Engine, started("deploy", 1)),
        (
            23,
            Actor::Engine,
            finished("deploy", 1, completed(Outcome::failed("no")), None),
        ),
        (
            23,
            Actor::Engine,
            RunFinished {
                outcome: RunOutcome::Failed,
            }
            .into(),
        ),
    ];
    let run = run
        .into_iter()
        .zip(1..)
        .map(|((hour, actor, event_), position)| event("run/r1", position, hour, actor, event_));
    let locked = EnvironmentEvent::from(Locked {
        run: "r1".parse().unwrap(),
        stage: stage("deploy"),
        token: 7,
    });
    let released = EnvironmentEvent::from(Released {
        run: "r1".parse().unwrap(),
        token: 7,
    });
    let lock = [
        event("environment/production", 1, 22, Actor::Engine, locked),
        event("environment/production", 2, 23, Actor::Engine, released),
    ];
    run.chain(lock).collect()
}

fn flow(events: &[Event]) -> Flow {
    let mut journal = JournalFlow::new();
    journal.add_events(events);
    assert_eq!(journal.problems().len(), 0);
    journal.facts().into_iter().collect()
}

/// Hours after the run's beginning.
fn hour(at: Option<jiff::Timestamp>) -> i64 {
    at.map_or(-1, |at| at.duration_since(time(0)).as_hours())
}

#[test]
fn a_run_by_hand() {
    let flow = flow(&events());
    let stages: Vec<_> = flow
        .stage_times()
        .map(|one| {
            let times = [one.ready, one.started, one.finished].map(hour);
            format!("{} {times:?} {:?} {:?}", one.id, one.accurate, one.component)
        })
        .collect();
    insta::assert_snapshot!(stages.join("\n"), @r#"
    r1/build#1 [2, 2, 3] None Some("shop")
    r1/build#2 [3, 4, 6] Some(true) Some("shop")
    r1/deploy#1 [9, 22, 23] None Some("shop")
    r1/test#1 [6, 7, 9] Some(false) Some("shop")
    "#);
    let waits: Vec<_> = flow
        .waits()
        .map(|one| {
            let times = [one.since, one.until].map(hour);
            let stage = one.stage.as_deref().unwrap_or_default();
            format!("{} for {} of {stage} {times:?} {:?}", one.id, one.cause, one.on)
        })
        .collect();
    insta::assert_snapshot!(waits.join("\n"), @r#"
    r1/build/retry@3 for retry of build [3, 4] None
    r1/deploy/approval@8 for approval of deploy [9, 20] Some("person:ann, group:board")
    r1/deploy/environment-lock@11 for environment of deploy [20, 22] None
    r1/deploy/window@8 for window of deploy [9, 12] None
    r1/queue for queue of ship [0, 2] None
    "#);
    let holds: Vec<_> = flow
        .holds()
        .map(|one| {
            format!(
                "{} {:?} {:?}",
                one.environment,
                one.by,
                [one.from, one.until].map(hour)
            )
        })
        .collect();
    assert_eq!(holds, [r#"production Some("ship") [22, 23]"#]);
    let by_hand: Vec<_> = flow
        .manual_work()
        .map(|one| format!("{} {:?} {:?}", one.task, one.by, one.spent))
        .collect();
    assert_eq!(by_hand, [r#"approve deploy Some("person:ann") None"#]);
}

#[test]
fn what_cannot_be_read_is_a_problem() {
    let mut events = events();
    events[1].payload = Payload::erased();
    let mut journal = JournalFlow::new();
    journal.add_events(&events);
    journal.add_events(&events);
    let problems: Vec<_> = journal
        .problems()
        .map(|(origin, reason)| format!("{origin}: {reason}"))
        .collect();
    insta::assert_snapshot!(problems.join("\n"), @"run/r1#2: payload of `run.stage-started` was erased");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn order_repetition_and_looks_between_never_matter(
        events in Just(events()).prop_shuffle(),
        again in prop::collection::vec(0..16_usize, 0..8),
    ) {
        let more: Vec<_> = again.iter().map(|number| events[*number].clone()).collect();
        let all = [events, more].concat();
        prop_assert_eq!(flow(&all), flow(&self::events()));
    }

    #[test]
    fn a_look_between_changes_nothing_that_comes_later(split in 0..16_usize) {
        let events = events();
        let mut journal = JournalFlow::new();
        let mut looked = Flow::new();
        let mut order: Vec<_> = events.iter().collect();
        order.sort_by_key(|event| (event.at, event.stream.as_str().to_owned(), event.position));
        for (number, event) in order.into_iter().enumerate() {
            journal.add_event(event);
            if number == split {
                looked.extend(journal.facts());
            }
        }
        looked.extend(journal.facts());
        prop_assert_eq!(looked, flow(&events));
    }
}

#[derive(Debug, serde::Serialize)]
struct Says(bool);

impl Stage for Says {
    const TYPE: &'static str = "says";
    type Error = std::convert::Infallible;

    fn effect(&self) -> Effect {
        Effect::Idempotent
    }

    async fn run(&self, _: &StageContext) -> Result<Outcome, Self::Error> {
        Ok(if self.0 {
            Outcome::succeeded()
        } else {
            Outcome::failed("no")
        })
    }
}

#[tokio::test]
async fn a_real_run() {
    let pipeline = Pipeline::builder("ship")
        .stage(StageSpec::new("build", Says(true)))
        .stage(StageSpec::new("lint", Says(true)))
        .stage(StageSpec::new("test", Says(false)).after(["build"]))
        .stage(StageSpec::new("deploy", Says(true)).after(["test", "lint"]))
        .build()
        .unwrap();
    let journal: Arc<dyn Journal> = Arc::new(MemoryJournal::new());
    let runner = Arc::new(Runner::new(
        Arc::clone(&journal),
        Arc::new(MemoryArtifacts::new()),
    ));
    let request = RunRequest::new(Actor::person("ann").unwrap());
    let run = runner.create(&pipeline, request).await.unwrap();
    runner.drive(&pipeline, &run).await.unwrap();
    let events = journal.read_all(0, 10_000).await.unwrap();
    let flow = flow(&events);
    let judged: Vec<_> = flow
        .stage_times()
        .map(|one| {
            (
                one.stage.clone().unwrap().to_string(),
                one.accurate,
                one.finished.is_some(),
            )
        })
        .collect();
    // test says no to what build made; nobody got as far as to judge the others.
    assert_eq!(
        judged,
        [
            ("build".to_owned(), Some(false), true),
            ("lint".to_owned(), None, true),
            ("test".to_owned(), None, true)
        ]
    );
    let queue = flow.waits().next().unwrap();
    assert!(queue.since <= queue.until && queue.until.is_some());
    assert!(flow.manual_work().next().is_none());
    assert_eq!(flow.waits().count(), 1);
}
