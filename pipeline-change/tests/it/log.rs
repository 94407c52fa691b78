use std::error::Error;
use std::sync::Arc;

use pipeline_change::{ChangeEvidence, ChangeGate, ChangeLog, ChangeState, ChangeType};
use pipeline_core::testing::ManualClock;
use pipeline_core::{
    Clock, Decision, EvidenceSet, EvidenceSource, Gate, GateRequest, Journal, Outcome, RunOutcome,
};

use crate::follower::{deployed, verified};
use crate::support::{Story, approval, at, done, kinds, normal, stage};

fn log(story: &Story) -> ChangeLog {
    ChangeLog::new(Arc::clone(&story.journal) as Arc<dyn Journal>)
}

#[tokio::test]
async fn a_run_from_plan_to_close() {
    let mut story = Story::tested(normal());
    let log = log(&story);
    let deploy = stage("deploy");
    assert_eq!(log.sync(story.now).await.unwrap(), 0);
    story.plan(1);
    assert_eq!(log.sync(story.now).await.unwrap(), 3);
    assert_eq!(log.sync(story.now).await.unwrap(), 0);
    assert_eq!(
        log.record(&story.run, &deploy).unwrap().state,
        ChangeState::Authorize
    );
    story.approve("alice", 1);
    story.start(1);
    story.finish(done(Outcome::succeeded()));
    story.end(RunOutcome::Succeeded);
    assert_eq!(log.sync(story.now).await.unwrap(), 4);
    let record = log.record(&story.run, &deploy).unwrap();
    assert_eq!(record.state, ChangeState::Closed);
    assert_eq!(log.records_of(&story.run), log.all());
    assert_eq!(log.all(), [record]);
    assert!(log.record(&story.run, &stage("test")).is_none());
}

#[tokio::test]
async fn another_process_goes_on() {
    let mut story = deployed(ChangeType::Normal);
    let first = log(&story);
    first.sync(story.now).await.unwrap();
    drop(first);
    verified(&mut story);
    story.end(RunOutcome::Succeeded);
    let second = log(&story);
    second.sync(story.now).await.unwrap();
    assert_eq!(second.all()[0].state, ChangeState::Closed);
    assert_eq!(log(&story).sync(story.now).await.unwrap(), 0);
}

#[tokio::test]
async fn whoever_comes_second_reads_and_decides_again() {
    let mut story = Story::tested(normal());
    story.plan(1);
    *story.journal.races.lock().unwrap() = 1;
    let log = log(&story);
    assert_eq!(
        log.sync(story.now).await.unwrap(),
        0,
        "the other one wrote it all"
    );
    story.approve("bob", 1);
    *story.journal.races.lock().unwrap() = 1;
    log.sync(story.now).await.unwrap();
    let stream = story.journal.stream(story.id().stream());
    assert_eq!(
        kinds(&stream),
        [
            "change.opened",
            "change.submitted",
            "change.assessed",
            "change.authorized"
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_write_each_event_once() {
    let mut story = deployed(ChangeType::Normal);
    story.end(RunOutcome::Succeeded);
    let shared = Arc::new(log(&story));
    let mut tasks = Vec::new();
    for number in 0..16 {
        let log = if number % 2 == 0 {
            Arc::clone(&shared)
        } else {
            Arc::new(log(&story))
        };
        let now = story.now;
        tasks.push(tokio::spawn(async move { log.sync(now).await.unwrap() }));
    }
    let mut written = 0;
    for task in tasks {
        written += task.await.unwrap();
    }
    assert_eq!(written, 2, "implemented and closed; the rest was written before");
    assert_eq!(story.journal.stream(story.id().stream()).len(), 7);
}

#[tokio::test]
async fn a_damaged_record_is_named() {
    let mut story = Story::tested(normal());
    story.plan(1);
    story.settle();
    story.journal.edit(|events| {
        let last = events.last_mut().unwrap();
        last.kind = "change.closed".into();
    });
    let error = log(&story).sync(story.now).await.unwrap_err();
    let mut chain = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        chain.push(error.to_string());
        source = error.source();
    }
    let last = chain.last_mut().unwrap();
    last.truncate(last.find(" at line").unwrap());
    insta::assert_snapshot!(chain.join("\n"), @r"
    cannot follow the runs
    a change record is damaged
    event change/20261120-080000-000001.deploy#3 cannot be read
    payload of `change.closed` cannot be read
    missing field `code`
    ");
}

/// The gate, its evidence and the record, as an engine puts them together.
#[tokio::test]
async fn the_gate_opens_for_the_plan_that_was_approved() {
    let mut story = Story::tested(normal());
    let gate = ChangeGate::new(normal()).unwrap();
    let clock = ManualClock::at("2026-11-20T08:10:00Z");
    let log = Arc::new(log(&story));
    let source = ChangeEvidence::new(Arc::clone(&log), Arc::new(clock.clone()));
    assert_eq!(source.kind().as_str(), ChangeEvidence::KIND);
    let decide = async |request: &GateRequest| {
        let mut found = Vec::new();
        for need in gate.needs(request) {
            found.extend(source.gather(&need, request).await.unwrap());
        }
        gate.decide(request, &EvidenceSet::new(found), clock.now())
            .decision
    };

    let mut request = crate::change_gate::request(&normal(), 1);
    assert_eq!(decide(&request).await, Decision::Wait, "nothing is planned");
    story.plan(1);
    assert_eq!(decide(&request).await, Decision::Wait, "nobody approved");
    story.approve("bob", 1);
    request.approvals = vec![approval("bob", 1, clock.now(), at("2026-11-20T17:00:00Z"))];
    assert_eq!(decide(&request).await, Decision::Allow);
    assert_eq!(gate.uses(&request, clock.now()), [0]);

    story.plan(2);
    assert_eq!(
        decide(&request).await,
        Decision::Wait,
        "the record is about another plan"
    );
    let mut request = crate::change_gate::request(&normal(), 2);
    request.approvals = vec![approval("bob", 1, clock.now(), at("2026-11-20T17:00:00Z"))];
    assert_eq!(
        decide(&request).await,
        Decision::Wait,
        "the approval is of another plan"
    );

    let elsewhere = pipeline_core::EvidenceNeed {
        kind: "test".try_into().unwrap(),
        subject: request.subject,
    };
    assert!(source.gather(&elsewhere, &request).await.unwrap().is_none());
}

#[tokio::test]
async fn evidence_that_cannot_be_had_is_an_error() {
    let story = Story::tested(normal());
    story.journal.edit(|events| events[0].version = 9);
    let source = ChangeEvidence::new(
        Arc::new(log(&story)),
        Arc::new(ManualClock::at("2026-11-20T08:10:00Z")),
    );
    let request = crate::change_gate::request(&normal(), 1);
    let need = &ChangeGate::new(normal()).unwrap().needs(&request)[0];
    let error = source.gather(need, &request).await.unwrap_err();
    assert!(error.reason.contains("not up to date"));
    assert!(error.source().is_some());
}
