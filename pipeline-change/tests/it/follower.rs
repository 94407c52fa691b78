use pipeline_change::{
    ChangeFollower, ChangeRecord, ChangeSettings, ChangeState, ChangeType, CloseCode, WorkOutcome,
};
use pipeline_core::{
    ActionPlan, CancelRequested, DeploymentReport, Event, GateVerdict, GatesEvaluated, Outcome, Payload,
    RolledBack, RunOutcome, SignedDuration, StageDecided, StageResult, StageSkipped, StageUnknown, Tier,
    Verdict, Verified,
};
use proptest::prelude::*;

use crate::support::{Story, actions, done, failed, history, kinds, normal, release, stage};

fn settings(change_type: ChangeType) -> ChangeSettings {
    match change_type {
        ChangeType::Standard => ChangeSettings {
            change_type,
            ..ChangeSettings::default()
        },
        _ => ChangeSettings {
            change_type,
            ..normal()
        },
    }
}

fn code(record: &ChangeRecord) -> CloseCode {
    record.closure.as_ref().unwrap().code
}

/// A run that deploys, up to its verification.
pub(crate) fn deployed(change_type: ChangeType) -> Story {
    let mut story = Story::tested(settings(change_type));
    story.plan(1);
    story.settle();
    if change_type.needs_authorisation() {
        story.approve("bob", 1);
    }
    let verdict = GateVerdict {
        gate: "change".into(),
        verdict: Verdict::allow("the change is scheduled"),
    };
    story.tell(GatesEvaluated {
        stage: stage("deploy"),
        subject: actions(1).digest().unwrap(),
        verdicts: vec![verdict],
        evidence: Default::default(),
        locked: true,
    });
    story.start(1);
    story.settle();
    story.finish(done(Outcome::succeeded()));
    story
}

pub(crate) fn verified(story: &mut Story) {
    story.start_stage("verify", 1, None, vec![]);
    story.tell_environment(Verified {
        run: story.run.clone(),
        stage: stage("verify"),
        release_digest: release(),
        configuration_digest: actions(1).configuration,
    });
    story.finish_stage("verify", 1, done(Outcome::succeeded()));
}

fn rolled_back(story: &mut Story, plan: &ActionPlan) {
    story.tell_environment(RolledBack {
        run: story.run.clone(),
        stage: stage("verify"),
        component: "edge-proxy".try_into().unwrap(),
        tier: Tier::Production,
        from: plan.release,
        to: None,
        configuration: None,
        reason: "errors after two minutes".into(),
    });
}

#[test]
fn each_type_goes_its_way() {
    for change_type in ChangeType::ALL {
        let mut story = deployed(change_type);
        verified(&mut story);
        let record = story.settle().unwrap();
        assert_eq!(record.state, ChangeState::Review, "the run has not ended");
        story.end(RunOutcome::Succeeded);
        let record = story.settle().unwrap();
        assert_eq!(code(&record), CloseCode::Successful);
        insta::with_settings!({snapshot_suffix => change_type.to_string()}, {
            insta::assert_snapshot!(history(&record).join("\n"));
        });
    }
}

#[test]
fn a_normal_change_waits_for_as_many_as_it_asks() {
    let mut story = Story::tested(ChangeSettings { count: 2, ..normal() });
    story.plan(1);
    for (who, state) in [
        ("mallory", ChangeState::Authorize),
        ("alice", ChangeState::Authorize),
        ("alice", ChangeState::Authorize),
        ("bob", ChangeState::Scheduled),
    ] {
        story.approve(who, 1);
        assert_eq!(story.settle().unwrap().state, state, "after {who}");
    }
    let record = story.settle().unwrap();
    let names: Vec<_> = record.authorised_by.iter().map(|one| one.by.name()).collect();
    assert_eq!(names, ["alice", "bob"]);
}

#[test]
fn another_plan_voids_what_was_agreed_and_an_equal_one_does_not() {
    let mut story = Story::tested(normal());
    story.plan(1);
    story.approve("bob", 1);
    assert_eq!(story.settle().unwrap().state, ChangeState::Scheduled);
    story.plan(1);
    assert_eq!(story.settle().unwrap().state, ChangeState::Scheduled);
    story.plan(2);
    let record = story.settle().unwrap();
    assert_eq!(record.state, ChangeState::Authorize);
    assert_eq!(record.action_plan, actions(2).digest().unwrap());
    assert!(record.authorised_by.is_empty());
    story.approve("bob", 1);
    assert_eq!(
        story.settle().unwrap().state,
        ChangeState::Authorize,
        "an approval of the old plan"
    );
    story.approve("alice", 2);
    let record = story.settle().unwrap();
    insta::assert_snapshot!(history(&record).join("\n"), @r"
    opened -> new
    submitted -> assess
    assessed -> authorize
    authorized -> scheduled
    replanned -> new
    submitted -> assess
    assessed -> authorize
    authorized -> scheduled
    ");
}

#[test]
fn a_new_plan_after_the_work_began_needs_a_new_authorisation() {
    let mut story = Story::tested(normal());
    story.plan(1);
    story.approve("bob", 1);
    story.start(1);
    story.settle();
    story.finish(failed("the disk is full"));
    story.plan(2);
    assert_eq!(story.settle().unwrap().state, ChangeState::Authorize);
    story.approve("bob", 2);
    story.start(2);
    story.finish(done(Outcome::succeeded()));
    story.end(RunOutcome::Succeeded);
    let record = story.settle().unwrap();
    assert_eq!(code(&record), CloseCode::SuccessfulWithIssues);
    assert_eq!(record.work.as_ref().unwrap().outcome, WorkOutcome::Succeeded);
    insta::assert_snapshot!(record.closure.unwrap().notes, @r"
    The work succeeded.
    Issue: after the work had begun, something else was planned.
    Issue: attempt 2 was needed.
    The run succeeded.
    ");
}

#[test]
fn work_that_was_planned_away_and_back_is_begun_anew() {
    let mut story = Story::tested(normal());
    story.plan(1);
    story.approve("bob", 1);
    story.start(1);
    assert_eq!(story.settle().unwrap().state, ChangeState::Implement);
    story.plan(2);
    story.plan(1);
    let record = story.settle().unwrap();
    assert_eq!(
        record.state,
        ChangeState::Authorize,
        "the first start used the approval up"
    );
}

#[test]
fn expired_approvals_are_renewed_in_the_record() {
    let mut story = Story::tested(normal());
    story.plan(1);
    story.approve("bob", 1);
    let first = story.settle().unwrap();
    story.approve("alice", 1);
    assert_eq!(
        story.settle().unwrap(),
        first,
        "the first authorisation still holds"
    );
    story.now += SignedDuration::from_hours(9);
    story.approve("alice", 1);
    let record = story.settle().unwrap();
    assert_eq!(record.state, ChangeState::Scheduled);
    assert_eq!(record.authorised_by.len(), 1);
    assert_ne!(record.authorised_by, first.authorised_by);
}

#[test]
fn a_rollback_makes_it_unsuccessful() {
    let mut story = deployed(ChangeType::Normal);
    rolled_back(&mut story, &actions(1));
    story.end(RunOutcome::Succeeded);
    let record = story.settle().unwrap();
    assert_eq!(code(&record), CloseCode::Unsuccessful);
    insta::assert_snapshot!(record.closure.unwrap().notes, @r"
    The work succeeded.
    It was rolled back: errors after two minutes.
    The run succeeded.
    ");
}

#[test]
fn a_rollback_that_a_stage_reports_counts_too() {
    let mut story = deployed(ChangeType::Normal);
    let report = DeploymentReport::RolledBack {
        from: release(),
        to: None,
        configuration: None,
    };
    story.start_stage("verify", 1, None, vec![]);
    story.finish_stage(
        "verify",
        1,
        done(Outcome::succeeded().because("undone").deployment(report)),
    );
    story.end(RunOutcome::Succeeded);
    assert_eq!(code(&story.settle().unwrap()), CloseCode::Unsuccessful);
}

#[test]
fn a_rollback_of_something_else_or_afterwards_does_not_count() {
    let mut story = deployed(ChangeType::Normal);
    let mut other = actions(1);
    other.release = pipeline_core::Digest::of(b"another release");
    rolled_back(&mut story, &other);
    story.end(RunOutcome::Succeeded);
    rolled_back(&mut story, &actions(1));
    assert_eq!(code(&story.settle().unwrap()), CloseCode::Successful);
}

#[test]
fn a_run_that_fails_later_makes_it_unsuccessful() {
    let mut story = deployed(ChangeType::Normal);
    story.start_stage("verify", 1, None, vec![]);
    story.finish_stage("verify", 1, done(Outcome::failed("three errors a minute")));
    story.end(RunOutcome::Failed);
    assert_eq!(code(&story.settle().unwrap()), CloseCode::Unsuccessful);
}

#[test]
fn a_second_attempt_is_an_issue_and_a_failed_one_no_end() {
    let mut story = Story::tested(normal());
    story.plan(1);
    story.approve("bob", 1);
    story.start(1);
    story.finish(failed("the host did not answer"));
    assert_eq!(story.settle().unwrap().state, ChangeState::Implement);
    story.start(1);
    story.finish(done(Outcome::succeeded()));
    assert_eq!(story.settle().unwrap().state, ChangeState::Review);
    story.end(RunOutcome::Succeeded);
    assert_eq!(code(&story.settle().unwrap()), CloseCode::SuccessfulWithIssues);
}

#[test]
fn a_stale_report_says_nothing() {
    let mut story = Story::tested(normal());
    story.plan(1);
    story.approve("bob", 1);
    story.start(1);
    story.start(1);
    story.finish_stage("deploy", 1, done(Outcome::succeeded()));
    assert_eq!(story.settle().unwrap().state, ChangeState::Implement);
}

#[test]
fn a_person_decides_what_nobody_knows() {
    for (happened, state) in [(true, ChangeState::Review), (false, ChangeState::Implement)] {
        let mut story = Story::tested(normal());
        story.plan(1);
        story.approve("bob", 1);
        story.start(1);
        story.tell(StageUnknown {
            stage: stage("deploy"),
            attempt: 1,
            reason: "the worker was lost".into(),
        });
        assert_eq!(story.settle().unwrap().state, ChangeState::Implement);
        story.tell_by(
            crate::support::person("alice"),
            StageDecided {
                stage: stage("deploy"),
                attempt: 1,
                happened,
                comment: "I looked".into(),
            },
        );
        assert_eq!(story.settle().unwrap().state, state);
        if !happened {
            story.start(1);
            story.finish(done(Outcome::unchanged("it was there")));
        }
        story.end(RunOutcome::Succeeded);
        assert_eq!(code(&story.settle().unwrap()), CloseCode::SuccessfulWithIssues);
    }
}

#[test]
fn work_that_did_not_end_well() {
    for (end, outcome) in [
        (Some(failed("the disk is full")), WorkOutcome::Failed),
        (Some(done(Outcome::failed("refused"))), WorkOutcome::Failed),
        (
            Some(StageResult::Cancelled {
                reason: "asked to".into(),
            }),
            WorkOutcome::Cancelled,
        ),
        (None, WorkOutcome::Unknown),
    ] {
        let mut story = Story::tested(normal());
        story.plan(1);
        story.approve("bob", 1);
        story.start(1);
        story.settle();
        if let Some(end) = end {
            story.finish(end);
        }
        story.end(RunOutcome::Cancelled);
        let record = story.settle().unwrap();
        assert_eq!(record.work.as_ref().unwrap().outcome, outcome);
        assert_eq!(code(&record), CloseCode::Unsuccessful);
    }
}

#[test]
fn a_run_that_is_cancelled_after_the_work_leaves_issues() {
    let mut story = deployed(ChangeType::Standard);
    story.tell(CancelRequested {
        reason: "enough".into(),
        ..CancelRequested::default()
    });
    story.end(RunOutcome::Cancelled);
    assert_eq!(code(&story.settle().unwrap()), CloseCode::SuccessfulWithIssues);
}

#[test]
fn what_is_not_begun_is_canceled_with_the_reason() {
    let canceled = |tell: &dyn Fn(&mut Story)| {
        let mut story = Story::tested(normal());
        story.plan(1);
        story.settle();
        tell(&mut story);
        let record = story.settle().unwrap();
        assert_eq!(record.state, ChangeState::Canceled);
        record.cancellation.unwrap()
    };
    let reasons = [
        canceled(&|story| {
            story.tell(CancelRequested {
                reason: "not today".into(),
                ..CancelRequested::default()
            });
            story.end(RunOutcome::Cancelled);
        }),
        canceled(&|story| {
            let (cause, reason) = (Some(stage("test")), "stage `test` failed".into());
            story.tell(StageSkipped {
                stage: stage("deploy"),
                cause,
                reason,
                denied: false,
            });
        }),
        canceled(&|story| {
            let verdict = GateVerdict {
                gate: "change".into(),
                verdict: Verdict::deny("the planned window ended"),
            };
            story.tell(GatesEvaluated {
                stage: stage("deploy"),
                subject: actions(1).digest().unwrap(),
                verdicts: vec![verdict],
                evidence: Default::default(),
                locked: false,
            });
            story.end(RunOutcome::Failed);
        }),
        canceled(&|story| story.end(RunOutcome::Failed)),
        canceled(&|story| {
            story.start(1);
            story.finish(done(Outcome::succeeded()));
            story.end(RunOutcome::Succeeded);
        }),
    ];
    insta::assert_snapshot!(reasons.join("\n"), @r"
    the run was cancelled: not today
    the stage is skipped: stage `test` failed
    gate `change` denied it: the planned window ended
    the run failed before the work began
    the work was begun without an authorisation
    ");
}

#[test]
fn without_a_plan_or_a_change_gate_there_is_no_record() {
    let mut story = Story::tested(normal());
    story.end(RunOutcome::Failed);
    assert!(story.settle().is_none());
    assert!(
        !kinds(&story.journal.all())
            .iter()
            .any(|kind| kind.starts_with("change."))
    );
}

#[test]
fn an_erased_event_counts_as_not_said() {
    let mut story = Story::tested(normal());
    story.plan(1);
    story.approve("bob", 1);
    story.journal.edit(|events| {
        let approved = events
            .iter_mut()
            .find(|event| event.kind == "run.approved")
            .unwrap();
        approved.payload = Payload::erased();
    });
    assert_eq!(story.settle().unwrap().state, ChangeState::Authorize);
}

#[test]
fn an_event_of_a_newer_program_is_refused_by_name() {
    let story = Story::tested(normal());
    story.journal.edit(|events| events[2].version = 9);
    let mut follower = ChangeFollower::new();
    let events = story.journal.all();
    follower.feed(&events[0]).unwrap();
    follower.feed(&events[1]).unwrap();
    for _ in 0..2 {
        let error = follower.feed(&events[2]).unwrap_err();
        insta::allow_duplicates! { insta::assert_snapshot!(error, @"event run/20261120-080000-000001#3 cannot be followed"); }
        assert_eq!(follower.cursor(), 2, "it was not taken");
    }
}

#[derive(Debug, Clone, Copy)]
enum Op {
    Plan(u32),
    Approve(&'static str, u32),
    Start,
    Succeed,
    Fail,
    Unknown,
    Decide(bool),
    RollBack,
    Skip,
    Wait,
    End(RunOutcome),
    Settle,
}

fn any_op() -> impl Strategy<Value = Op> {
    let plan = || 1..3_u32;
    prop_oneof![
        3 => plan().prop_map(Op::Plan),
        4 => (prop::sample::select(vec!["alice", "bob", "mallory"]), plan()).prop_map(|(who, plan)| Op::Approve(who, plan)),
        4 => Just(Op::Start),
        2 => Just(Op::Succeed),
        2 => Just(Op::Fail),
        1 => Just(Op::Unknown),
        1 => any::<bool>().prop_map(Op::Decide),
        1 => Just(Op::RollBack),
        1 => Just(Op::Skip),
        1 => Just(Op::Wait),
        1 => prop::sample::select(vec![RunOutcome::Succeeded, RunOutcome::Failed, RunOutcome::Cancelled]).prop_map(Op::End),
        4 => Just(Op::Settle),
    ]
}

fn play(change_type: ChangeType, count: u32, ops: &[Op], live: bool) -> Story {
    let count = if change_type == ChangeType::Standard {
        1
    } else {
        count
    };
    let mut story = Story::tested(ChangeSettings {
        count,
        ..settings(change_type)
    });
    let mut planned = None;
    for op in ops {
        match *op {
            Op::Plan(plan) => {
                planned = Some(plan);
                story.plan(plan);
            }
            Op::Approve(who, plan) => story.approve(who, plan),
            // The engine plans before it starts.
            Op::Start => planned.into_iter().for_each(|plan| story.start(plan)),
            Op::Succeed => story.finish(done(Outcome::succeeded())),
            Op::Fail => story.finish(failed("no")),
            Op::Unknown => {
                let attempt = story.attempt;
                story.tell(StageUnknown {
                    stage: stage("deploy"),
                    attempt,
                    reason: "lost".into(),
                });
            }
            Op::Decide(happened) => {
                let attempt = story.attempt;
                let comment = String::new();
                story.tell(StageDecided {
                    stage: stage("deploy"),
                    attempt,
                    happened,
                    comment,
                });
            }
            Op::RollBack => rolled_back(&mut story, &actions(1)),
            Op::Skip => story.tell(StageSkipped {
                stage: stage("deploy"),
                cause: None,
                reason: "so".into(),
                denied: false,
            }),
            Op::Wait => story.now += SignedDuration::from_hours(9),
            Op::End(outcome) => {
                story.end(outcome);
                break;
            }
            Op::Settle if live => {
                story.settle();
            }
            Op::Settle => {}
        }
    }
    story.settle();
    story
}

fn changes(story: &Story) -> Vec<Event> {
    story.journal.stream(story.id().stream())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases * 2))]

    /// Whatever a run says, in whatever order and however late it is followed.
    #[test]
    fn records_keep_the_rules(
        change_type in prop::sample::select(ChangeType::ALL.to_vec()),
        count in 1..3_u32,
        ops in prop::collection::vec(any_op(), 0..24),
    ) {
        let live = play(change_type, count, &ops, true);
        let stream = changes(&live);
        let Some(record) = live.settle() else {
            prop_assert!(stream.is_empty());
            return Ok(());
        };
        // What was followed is what the stream tells.
        prop_assert_eq!(&ChangeRecord::from_events(&stream).unwrap(), &record);
        prop_assert_eq!(changes(&live).len(), stream.len(), "following again added something");

        let mut authorised = false;
        let mut reviewed = false;
        for step in &record.history {
            authorised = (authorised && step.event != "replanned") || step.event == "authorized";
            if step.state == ChangeState::Implement {
                prop_assert!(authorised || change_type == ChangeType::Standard);
            }
            reviewed |= step.state == ChangeState::Review;
            prop_assert!(step.state != ChangeState::Closed || reviewed);
        }
        if let Some(Op::End(_)) = ops.iter().find(|op| matches!(op, Op::End(_))) {
            prop_assert!(record.state.is_final(), "{} after the end of the run", record.state);
        }

        // Whoever follows late comes to the same end.
        let late = play(change_type, count, &ops, false).settle().unwrap();
        prop_assert_eq!(late.state, record.state);
        prop_assert_eq!(late.action_plan, record.action_plan);
        prop_assert_eq!(late.closure.map(|closure| closure.code), record.closure.map(|closure| closure.code));
    }

    /// Feeding again what was fed changes nothing, from any prefix on.
    #[test]
    fn feeding_again_changes_nothing(
        ops in prop::collection::vec(any_op(), 0..24),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let story = play(ChangeType::Normal, 1, &ops, true);
        let events = story.journal.all();
        let mut once = ChangeFollower::new();
        let mut often = ChangeFollower::new();
        for event in &events {
            once.feed(event).unwrap();
        }
        for cut in cuts {
            for event in &events[..cut.index(events.len())] {
                often.feed(event).unwrap();
            }
        }
        for event in &events {
            often.feed(event).unwrap();
        }
        prop_assert_eq!(once.records(), often.records());
        prop_assert!(once.due().is_empty());
        prop_assert!(often.due().is_empty());
    }
}
