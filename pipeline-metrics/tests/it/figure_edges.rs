//! The further numbers at the edges of windows, of what is known, and of the life of things.

use jiff::SignedDuration;
use pipeline_metrics::{
    Block, Deployment, DeploymentKind, DeploymentResult, EnvironmentChange, Fact, Facts, FigureOptions, Flow,
    FlowFact, Incident, LagBy, ManualWork, ObservedStream, Recovery, Rollback, StageTime, ValueStream, Wait,
    WaitCause, Window,
};

use crate::figures::{deployment, facts, figure, happened, hold, hours, origin, releases, rows, time, week};

fn until(hour: i64) -> FigureOptions {
    week().as_of(time(hour))
}

fn between(from: i64, to: i64) -> FigureOptions {
    FigureOptions::new(Window::new(time(from), time(to)).unwrap())
}

fn incident(facts: &mut Facts, id: &str, environment: Option<&str>, opened: i64, over: Option<i64>) {
    facts.add(Fact::Incident(Incident {
        id,
        component: "shop",
        environment,
        opened: time(opened),
        deployment: None,
        changes: Vec::new(),
        source: origin(opened.unsigned_abs() + 1).as_source(),
    }));
    if let Some(over) = over {
        facts.add(Fact::Recovery(Recovery {
            incident: id,
            at: time(over),
            source: origin(1).as_source(),
        }));
    }
}

#[test]
fn outages_of_two_environments_are_two() {
    let mut facts = Facts::new();
    incident(&mut facts, "i1", Some("eu"), 10, Some(14));
    incident(&mut facts, "i2", Some("us"), 12, Some(16));
    // In one environment, 13 to 14 counts once.
    incident(&mut facts, "i3", Some("eu"), 13, Some(15));
    let downtime = |options: &FigureOptions| figure(&facts, &Flow::new(), options, "downtime");
    let all = downtime(&week());
    assert_eq!(all.value("downtime"), Some(hours(5.0 + 4.0)));
    assert!(all.notes.is_empty());
    // At 13 two are not over, one of them although its end is known by now.
    let then = downtime(&until(13));
    assert_eq!(then.value("downtime"), Some(hours(3.0 + 1.0)));
    insta::assert_snapshot!(then.notes.join("\n"), @"Not over at 2025-01-06T13:00:00Z: 2 of the outages. Downtime is at least this.");
}

#[test]
fn an_outage_that_ended_before_it_began_is_told() {
    let mut facts = Facts::new();
    incident(&mut facts, "i1", None, 10, Some(9));
    incident(&mut facts, "i2", None, 20, Some(21));
    let downtime = figure(&facts, &Flow::new(), &week(), "downtime");
    assert_eq!(downtime.value("outages"), Some(1.0));
    assert_eq!(downtime.left_out_for("ended before it began"), 1);
    // It is told where it began.
    let later = figure(&facts, &Flow::new(), &between(15, 50), "downtime");
    assert_eq!(later.left_out_for("ended before it began"), 0);
}

#[test]
fn a_rollback_undoes_what_was_there_before_it() {
    let deployed = |facts: &mut Facts, id: &str, environment: &str, hour: i64, digest: &str| {
        facts.add(Fact::Deployment(Deployment {
            id,
            component: "shop",
            environment,
            production: None,
            started: None,
            finished: time(hour),
            result: DeploymentResult::Success,
            kind: DeploymentKind::Planned,
            version: None,
            release: Some(digest),
            team: None,
            changes: Vec::new(),
            source: origin(1).as_source(),
        }));
    };
    let rolled_back = |facts: &mut Facts, id: &str, environment: &str, hour: i64, digest: &str| {
        facts.add(Fact::Rollback(Rollback {
            id,
            component: "shop",
            environment,
            production: None,
            at: time(hour),
            release: digest,
            source: origin(1).as_source(),
        }));
    };
    let mut facts = Facts::new();
    deployed(&mut facts, "d1", "eu", 1, "sha256:1");
    // The same in another place, and later once more here.
    deployed(&mut facts, "d2", "us", 3, "sha256:1");
    rolled_back(&mut facts, "b1", "eu", 6, "sha256:1");
    deployed(&mut facts, "d3", "eu", 10, "sha256:1");
    // What has no users has no outage.
    deployed(&mut facts, "d4", "lab", 20, "sha256:2");
    rolled_back(&mut facts, "b2", "lab", 25, "sha256:2");
    let downtime = figure(&facts, &Flow::new(), &week(), "downtime");
    // From 1 to 6.
    assert_eq!(
        (downtime.value("outages"), downtime.value("downtime")),
        (Some(1.0), Some(hours(5.0)))
    );
}

#[test]
fn a_lag_ends_in_the_window_and_before_what_is_known() {
    let lines = [
        deployment("d1", 0, "eu", "success", &["a"]),
        deployment("d2", 1, "us", "success", &["a"]),
        deployment("d3", 10, "eu", "success", &["b"]),
        deployment("d4", 30, "us", "success", &["b"]),
    ];
    let facts = facts(&lines);
    let lag = |options: FigureOptions| {
        let options = options.lag_by(LagBy::Change);
        figure(&facts, &Flow::new(), &options, "production-lag")
    };
    // The last arrival of b is at 30, the first moment after the window, or in it.
    assert_eq!(lag(between(5, 30)).value("releases"), None);
    assert_eq!(lag(between(5, 31)).value("longest"), Some(hours(20.0)));
    assert_eq!(lag(until(30)).value("releases"), None);
    assert_eq!(lag(until(31)).value("releases"), Some(1.0));
    assert_eq!(lag(between(31, 50)).value("releases"), None);
    assert_eq!(lag(between(0, 30)).left_out_for("not everywhere yet"), 1);
}

#[test]
fn a_wait_that_ends_at_the_end_is_not_over() {
    let wait = |id: &str, since: Option<i64>, until: Option<i64>| {
        FlowFact::Wait(Wait {
            since: since.map(time),
            until: until.map(time),
            ..Wait::new(id, WaitCause::Queue, origin(1))
        })
    };
    let flow: Flow = [
        wait("a", Some(1), Some(10)),
        wait("b", Some(2), Some(20)),
        wait("c", None, Some(5)),
    ]
    .into_iter()
    .collect();
    let of = |options: &FigureOptions| {
        let waiting = figure(&Facts::new(), &flow, options, "waiting");
        (waiting.value("waited"), waiting.left_out_for("not over yet"))
    };
    assert_eq!(of(&week()), (Some(hours(27.0)), 0));
    assert_eq!(of(&until(20)), (Some(hours(9.0)), 1));
    assert_eq!(of(&between(0, 10)), (None, 2));
    assert_eq!(of(&between(10, 30)), (Some(hours(27.0)), 0));
    let waiting = figure(&Facts::new(), &flow, &week(), "waiting");
    assert_eq!(waiting.left_out_for("its beginning is not known"), 1);
}

#[test]
fn nine_in_ten_lie_between_two_values() {
    let waits = [10, 20, 30, 40].map(|hour| {
        FlowFact::Wait(Wait {
            since: Some(time(50 - hour)),
            until: Some(time(50)),
            ..Wait::new(format!("w{hour}"), WaitCause::Queue, origin(1))
        })
    });
    let flow: Flow = waits.into_iter().collect();
    let queue = figure(&Facts::new(), &flow, &week(), "queue-time");
    // 90 % of the way over three gaps are 2.7 of them: 30 and 7 more.
    assert_eq!(queue.value("90th percentile"), Some(hours(37.0)));
    assert_eq!(queue.value("median"), Some(hours(25.0)));
}

#[test]
fn sizes_are_told_to_their_last() {
    let lines: Vec<_> = [1, 2, 5, 6, 10, 11, 20, 21]
        .into_iter()
        .map(|count| {
            let shas: Vec<_> = (0..count).map(|number| format!("{count}-{number}")).collect();
            let shas: Vec<_> = shas.iter().map(String::as_str).collect();
            deployment(&format!("d{count}"), count, "eu", "success", &shas)
        })
        .collect();
    let size = figure(&facts(&lines), &Flow::new(), &week(), "batch-size");
    insta::assert_snapshot!(rows(&size, "By size"), @"
    1 1
    2 to 5 2
    6 to 10 2
    11 to 20 2
    more than 20 1
    ");
}

#[test]
fn an_environment_is_used_while_it_is_there() {
    let flow: Flow = [
        // There from 20 to 60: nobody can have used more of it than that.
        happened("lab", 20, EnvironmentChange::Created),
        happened("lab", 60, EnvironmentChange::Deleted),
        hold("1", "lab", "ann", 0, Some(40)),
        hold("2", "lab", "ben", 50, Some(90)),
        hold("3", "lab", "ben", 70, Some(90)),
        // Gone, and there again: 80 of 100 hours at least.
        happened("dev", 0, EnvironmentChange::Created),
        happened("dev", 20, EnvironmentChange::Deleted),
        happened("dev", 40, EnvironmentChange::Created),
        hold("4", "dev", "ann", 50, Some(75)),
        hold("5", "dev", "ann", 30, Some(29)),
    ]
    .into_iter()
    .collect();
    let used = figure(&Facts::new(), &flow, &week(), "environment-use");
    insta::assert_snapshot!(rows(&used, "By environment"), @"
    dev 0.25 25h 1 25h 25h
    lab 0.75 30h 2 15h 20h
    ");
    insta::assert_snapshot!(rows(&used, "By whom"), @"
    dev ann 0.25 25h 1
    lab ann 0.5 20h 1
    lab ben 0.25 10h 1
    ");
    assert_eq!(used.left_out_for("ended before it began"), 1);
}

#[test]
fn a_version_is_behind_what_went_live_by_then() {
    let at = |hour: i64, component: &str| {
        let options = between(0, 100).as_of(time(hour)).component(component);
        figure(&releases(), &Flow::new(), &options, "versions")
    };
    // 1.2 is not there yet; 1.1 is in eu and lab.
    insta::assert_snapshot!(rows(&at(12, "shop"), "What is live"), @"
    shop eu yes 1.1 2025-01-06T10:00:00Z 3h 0
    shop lab no 1.1 2025-01-06T09:00:00Z 3h 0
    shop us yes 1.0 2025-01-06T02:00:00Z 12h 1
    ");
    assert!(at(12, "billing").is_empty());
}

#[test]
fn toil_is_that_of_the_window() {
    let work = |id: &str, hour: i64, spent: i64| {
        FlowFact::ManualWork(ManualWork {
            id: id.into(),
            at: time(hour),
            component: None,
            task: "copy logs".into(),
            by: None,
            spent: Some(SignedDuration::from_hours(spent)),
            automatable: None,
            origin: origin(1),
        })
    };
    let stage = |item: &str, from: i64, to: i64| {
        FlowFact::StageTime(StageTime {
            item: Some(item.into()),
            stage: Some("build".into()),
            started: Some(time(from)),
            finished: Some(time(to)),
            ..StageTime::new(item, origin(1))
        })
    };
    let flow: Flow = [
        work("before", -1, 100),
        work("1", 0, 4),
        work("2", 9, 2),
        work("wrong", 9, -3),
        work("after", 20, 100),
        // 10 to 20 of it in the window, 2 of it before.
        stage("r1", -2, 4),
        stage("r2", 15, 40),
    ]
    .into_iter()
    .collect();
    let toil = figure(&Facts::new(), &flow, &between(0, 20), "toil");
    assert_eq!(toil.value("time by hand"), Some(hours(6.0)));
    assert_eq!(toil.value("times"), Some(2.0));
    assert_eq!(toil.left_out_for("took less than no time"), 1);
    // Stages were at work from 0 to 4 and from 15 to 20.
    assert_eq!(toil.value("share of the work"), Some(6.0 / 15.0));
}

/// A pass of an item: hours of ready, started and finished.
fn pass(item: &str, stage: &str, hours: [i64; 3], by: &str) -> StageTime {
    StageTime {
        item: Some(item.into()),
        stage: Some(stage.into()),
        ready: Some(time(hours[0])),
        started: Some(time(hours[1])),
        finished: Some(time(hours[2])),
        by: Some(by.into()),
        ..StageTime::new(format!("{item}/{stage}@{}", hours[1]), origin(1))
    }
}

fn stream(passes: impl IntoIterator<Item = StageTime>, options: &FigureOptions) -> ObservedStream {
    let flow: Flow = passes.into_iter().map(FlowFact::StageTime).collect();
    ObservedStream::of(&flow, options)
}

#[test]
fn a_stream_is_that_of_items_that_ended_in_the_window() {
    let two = || {
        [
            pass("one", "build", [0, 0, 2], "ci"),
            pass("two", "build", [10, 10, 20], "ci"),
        ]
    };
    let items = |options: &FigureOptions| stream(two(), options).figure.value("items");
    assert_eq!(items(&week()), Some(2.0));
    assert_eq!(items(&between(0, 20)), Some(1.0));
    assert_eq!(items(&between(3, 21)), Some(1.0));
    assert_eq!(items(&between(3, 20)), None);
}

#[test]
fn a_visit_is_from_the_first_readiness_to_the_last_end() {
    // The second pass, a repair, ended before the first one did; the third began before it was said to be ready.
    let observed = stream(
        [
            pass("one", "build", [2, 3, 20], "ci"),
            pass("one", "build", [4, 5, 6], "ci"),
            pass("one", "test", [30, 24, 31], "ci"),
        ],
        &week(),
    );
    let leads: Vec<_> = observed
        .stream
        .blocks
        .iter()
        .map(|block| (&*block.name, block.lead.as_hours()))
        .collect();
    assert_eq!(leads, [("build", 18), ("test", 7)]);
    assert_eq!(observed.figure.value("lead time"), Some(hours(29.0)));
}

#[test]
fn one_stage_after_the_other_is_not_beside_it() {
    // Each ends as the next begins.
    let observed = stream(
        [
            pass("one", "build", [0, 0, 4], "ci"),
            pass("one", "test", [4, 4, 8], "ci"),
        ],
        &week(),
    );
    assert!(observed.stream.blocks.iter().all(|block| block.group.is_none()));
    assert_eq!(observed.stream.totals().lead, SignedDuration::from_hours(8));
}

#[test]
fn of_equally_long_stages_side_by_side_that_with_more_work_counts() {
    let block = |process: i64| Block {
        name: "b".to_owned(),
        lead: SignedDuration::from_hours(6),
        process: Some(SignedDuration::from_hours(process)),
        complete_accurate: None,
        group: Some("verify".to_owned()),
    };
    for blocks in [[block(1), block(5)], [block(5), block(1)]] {
        let totals = ValueStream::new(blocks).totals();
        assert_eq!(totals.lead, SignedDuration::from_hours(6));
        assert_eq!(totals.process, Some(SignedDuration::from_hours(5)));
    }
}

#[test]
fn a_queue_is_nobody_who_has_the_item() {
    let wait = |cause, on: &str, from: i64, to: i64| {
        FlowFact::Wait(Wait {
            item: Some("one".into()),
            on: Some(on.into()),
            since: Some(time(from)),
            until: Some(time(to)),
            ..Wait::new(format!("one/{on}"), cause, origin(1))
        })
    };
    let mut flow: Flow = [
        pass("one", "build", [0, 0, 2], "ci"),
        pass("one", "deploy", [2, 8, 9], "ci"),
    ]
    .map(FlowFact::StageTime)
    .into_iter()
    .collect();
    let hand_offs = |flow: &Flow| ObservedStream::of(flow, &week()).figure.value("hand-offs");
    assert_eq!(hand_offs(&flow), Some(0.0));
    // To stand in a queue is to be with nobody; a person who consents has it meanwhile.
    flow.add(wait(WaitCause::Queue, "pool", 2, 4));
    assert_eq!(hand_offs(&flow), Some(0.0));
    flow.add(wait(WaitCause::Approval, "board", 4, 6));
    assert_eq!(hand_offs(&flow), Some(2.0));
    flow.add(wait(WaitCause::Decision, "ann", 6, 7));
    assert_eq!(hand_offs(&flow), Some(3.0));
}

#[test]
fn only_its_own_wait_makes_a_stage_idle() {
    let stages = [
        pass("one", "build", [0, 0, 10], "ci"),
        pass("one", "test", [10, 10, 20], "ci"),
    ];
    let mut flow: Flow = stages.map(FlowFact::StageTime).into_iter().collect();
    flow.add(FlowFact::Wait(Wait {
        item: Some("one".into()),
        stage: Some("deploy".into()),
        since: Some(time(5)),
        until: Some(time(15)),
        ..Wait::new("one/deploy", WaitCause::Queue, origin(1))
    }));
    let efficiency =
        |flow: &Flow| figure(&Facts::new(), flow, &week(), "flow-efficiency").value("flow efficiency");
    assert_eq!(efficiency(&flow), Some(1.0));
    flow.add(FlowFact::Wait(Wait {
        item: Some("one".into()),
        stage: Some("test".into()),
        since: Some(time(5)),
        until: Some(time(15)),
        ..Wait::new("one/test", WaitCause::Queue, origin(1))
    }));
    // The test stood still from 10 to 15.
    assert_eq!(efficiency(&flow), Some(15.0 / 20.0));
}
