//! The further numbers, worked by hand.

use jiff::{SignedDuration, Timestamp};
use pipeline_metrics::{
    Cell, ChangeKind, Delivery, Deployment, DeploymentKind, DeploymentResult, EnvironmentChange,
    EnvironmentFact, Fact, Facts, Figure, FigureOptions, Flow, FlowFact, Hold, Incident, LagBy, LogReader,
    ManualWork, Options, Origin, Recovery, Removal, Rollback, Wait, WaitCause, Window, figures,
};

use crate::value_stream::two_items;

/// Hours after Monday, 2025-01-06, 00:00 UTC.
pub(crate) fn time(hour: i64) -> Timestamp {
    let monday: Timestamp = "2025-01-06T00:00:00Z".parse().unwrap();
    monday + SignedDuration::from_hours(hour)
}

pub(crate) fn origin(line: u64) -> Origin {
    Origin::Line {
        file: "log".into(),
        line,
    }
}

/// Milliseconds.
pub(crate) fn hours(count: f64) -> f64 {
    count * 3_600_000.0
}

/// A deployment line: id, hour, environment, result and changes.
pub(crate) fn deployment(id: &str, hour: i64, environment: &str, result: &str, changes: &[&str]) -> String {
    let at = time(hour);
    let changes = serde_json::to_string(changes).unwrap();
    format!(
        r#"{{"type":"deployment","ts":"{at}","service":"shop","id":"{id}","environment":"{environment}","result":"{result}","kind":"planned","changes":{changes}}}"#
    )
}

pub(crate) fn facts(lines: &[String]) -> Facts {
    let mut facts = Facts::new();
    let reader = LogReader::new("log").strict();
    reader.read(lines.join("\n").as_bytes(), &mut facts).unwrap();
    facts
}

fn delivery(facts: &Facts) -> Delivery<'_> {
    let mut options = Options::default();
    options.deployments.production = ["eu", "us", "asia"].map(str::to_owned).into();
    Delivery::of(facts, &options).unwrap()
}

pub(crate) fn week() -> FigureOptions {
    FigureOptions::new(Window::new(time(0), time(100)).unwrap())
}

pub(crate) fn figure(facts: &Facts, flow: &Flow, options: &FigureOptions, id: &str) -> Figure {
    let delivery = delivery(facts);
    let mut all = figures(&delivery, flow, options);
    let ids: Vec<_> = all.iter().map(|figure| figure.id).collect();
    assert_eq!(
        ids,
        [
            "production-lag",
            "downtime",
            "value-stream",
            "flow-efficiency",
            "waiting",
            "queue-time",
            "toil",
            "versions",
            "environment-use",
            "batch-size"
        ]
    );
    all.retain(|figure| figure.id == id);
    all.pop().unwrap()
}

/// A table as text: a row on a line, numbers of milliseconds in hours.
pub(crate) fn rows(figure: &Figure, title: &str) -> String {
    let table = figure.table(title).unwrap();
    let row = |row: &Vec<Cell>| {
        let cells = row.iter().zip(&table.columns).map(|(cell, column)| match cell {
            Cell::Text(text) => text.clone(),
            Cell::Time(at) => at.to_string(),
            Cell::Number(Some(number)) if column.unit == Some(pipeline_metrics::Unit::Milliseconds) => {
                format!("{}h", number / hours(1.0))
            }
            Cell::Number(Some(number)) => number.to_string(),
            Cell::Number(None) | Cell::Empty => "-".to_owned(),
        });
        cells.collect::<Vec<_>>().join(" ")
    };
    table.rows.iter().map(row).collect::<Vec<_>>().join("\n")
}

#[test]
fn no_data_is_no_number() {
    let facts = Facts::new();
    let delivery = delivery(&facts);
    for figure in figures(&delivery, &Flow::new(), &week()) {
        assert!(figure.is_empty(), "{}", figure.id);
        assert!(!figure.values.is_empty() && figure.values.iter().all(|value| value.value.is_none()));
        assert!(figure.tables.is_empty() && !figure.definition.is_empty());
    }
}

#[test]
fn lag_of_changes_by_hand() {
    let lines = [
        // Both environments have the component from the start.
        deployment("d1", 0, "eu", "success", &["a"]),
        deployment("d2", 4, "us", "success", &["a"]),
        // b comes to eu at 10 and to us at 30: 20 hours. A failed attempt does not count.
        deployment("d3", 10, "eu", "success", &["b"]),
        deployment("d4", 12, "us", "failure", &["b"]),
        deployment("d5", 30, "us", "success", &["b"]),
        // Again: nothing new.
        deployment("d6", 50, "us", "success", &["b"]),
        // c is overtaken by d on its way to us.
        deployment("d7", 60, "eu", "success", &["c"]),
        deployment("d8", 62, "eu", "success", &["d"]),
        deployment("d9", 66, "us", "success", &["d"]),
        // e is not everywhere yet.
        deployment("d10", 90, "eu", "success", &["e"]),
        deployment("d11", 91, "staging", "success", &["e"]),
    ];
    let facts = facts(&lines);
    let options = week().lag_by(LagBy::Change);
    let lag = figure(&facts, &Flow::new(), &options, "production-lag");
    // b: 20, d: 4. When a came to eu, there was nowhere else to go.
    assert_eq!(lag.value("releases"), Some(2.0));
    assert_eq!(lag.value("median"), Some(hours(12.0)));
    assert_eq!(
        lag.left_out_for("no other production environment had its component"),
        1
    );
    assert_eq!(lag.left_out_for("overtaken before it arrived everywhere"), 1);
    assert_eq!(lag.left_out_for("not everywhere yet"), 1);
    insta::assert_snapshot!(rows(&lag, "By environment"), @"
    shop eu 0h 0
    shop us 12h 2
    ");
    // Without releases, there is nothing to tell of releases.
    let lag = figure(&facts, &Flow::new(), &week(), "production-lag");
    assert_eq!(
        (lag.value("median"), lag.left_out_for("names no release")),
        (None, 9)
    );
}

#[test]
fn an_environment_that_lost_the_component_is_waited_for_no_more() {
    let lines = [
        deployment("d1", 0, "eu", "success", &["a"]),
        deployment("d2", 1, "us", "success", &["a"]),
        deployment("d3", 2, "asia", "success", &["a"]),
        deployment("d4", 20, "eu", "success", &["b"]),
        deployment("d5", 26, "us", "success", &["b"]),
    ];
    let facts = facts(&lines);
    let options = week().lag_by(LagBy::Change);
    let lag = |flow: &Flow| figure(&facts, flow, &options, "production-lag");
    assert_eq!(lag(&Flow::new()).left_out_for("not everywhere yet"), 1);
    let removed = FlowFact::Removal(Removal {
        component: "shop".into(),
        environment: "asia".into(),
        at: time(10),
        origin: origin(1),
    });
    let flow: Flow = [removed].into_iter().collect();
    assert_eq!(lag(&flow).value("releases"), Some(1.0));
    assert_eq!(lag(&flow).value("longest"), Some(hours(6.0)));
    // Nor is one that gets it later: c is everywhere within 2 hours, and in asia again after 30.
    let more = [
        deployment("d6", 40, "eu", "success", &["c"]),
        deployment("d7", 42, "us", "success", &["c"]),
        deployment("d8", 70, "asia", "success", &["c"]),
    ];
    let facts = self::facts(&[&lines[..], &more].concat());
    let lag = figure(&facts, &flow, &options, "production-lag");
    assert_eq!(
        (lag.value("releases"), lag.value("median")),
        (Some(2.0), Some(hours(4.0)))
    );
}

#[test]
fn downtime_by_hand() {
    let incident = |id: &str, hour: i64, deployment: &str| {
        let at = time(hour);
        format!(
            r#"{{"type":"incident_opened","ts":"{at}","service":"shop","id":"{id}","deployment":"{deployment}"}}"#
        )
    };
    let resolved = |id: &str, hour: i64| {
        let at = time(hour);
        format!(r#"{{"type":"incident_resolved","ts":"{at}","service":"shop","id":"{id}"}}"#)
    };
    let lines = [
        deployment("d1", 1, "eu", "success", &[]),
        deployment("d2", 20, "eu", "success", &[]),
        incident("i1", 2, "d1"),
        resolved("i1", 6),
        // Overlaps: 2 to 8 in all.
        incident("i2", 4, "d1"),
        resolved("i2", 8),
        incident("i3", 21, "d2"),
        resolved("i3", 22),
        // Open: 90 to 100.
        incident("i4", 90, "d2"),
    ];
    let kind = |deployment: &str, kind: &str| {
        FlowFact::ChangeKind(ChangeKind {
            deployment: deployment.into(),
            kind: kind.into(),
            origin: origin(1),
        })
    };
    let facts = facts(&lines);
    let flow: Flow = [kind("d1", "terraform")].into_iter().collect();
    let downtime = figure(&facts, &flow, &week(), "downtime");
    assert_eq!(downtime.value("downtime"), Some(hours(6.0 + 1.0 + 10.0)));
    assert_eq!(downtime.value("outages"), Some(4.0));
    insta::assert_snapshot!(rows(&downtime, "By kind"), @"
    not known 2 11h 5.5h 10h
    terraform 2 6h 4h 4h
    ");
    insta::assert_snapshot!(downtime.notes.join("\n"), @"Not over at 2025-01-10T04:00:00Z: 1 of the outages. Downtime is at least this.");
    // As far as it lies in the window: 5 to 8, and 21 to 22.
    let late = FigureOptions::new(Window::new(time(5), time(50)).unwrap());
    assert_eq!(
        figure(&facts, &flow, &late, "downtime").value("downtime"),
        Some(hours(4.0))
    );
}

#[test]
fn flow_efficiency_by_hand() {
    let flow = two_items();
    let efficiency = figure(&Facts::new(), &flow, &week(), "flow-efficiency");
    // one: 0 to 8 of 8. two: 10-12, 16-18, 18-30, 44-46 are 18 of 36.
    assert_eq!(efficiency.value("flow efficiency"), Some(26.0 / 44.0));
    assert_eq!(efficiency.value("median of the items"), Some(0.75));
    // A wait of the stage itself makes it idle: 22 to 24 in review, while test is at work until 24; 26 to 28 alone.
    let mut wait = Wait::new("two/review/decision", WaitCause::Decision, origin(1));
    (wait.item, wait.stage) = (Some("two".into()), Some("review".into()));
    (wait.since, wait.until) = (Some(time(22)), Some(time(28)));
    let mut flow = flow;
    flow.add(FlowFact::Wait(wait));
    let efficiency = figure(&Facts::new(), &flow, &week(), "flow-efficiency");
    assert_eq!(efficiency.value("flow efficiency"), Some(22.0 / 44.0));
}

fn wait(id: &str, cause: WaitCause, on: &str, since: i64, until: Option<i64>) -> FlowFact {
    FlowFact::Wait(Wait {
        component: Some("shop".into()),
        item: id.split('/').next().map(Into::into),
        on: (!on.is_empty()).then(|| on.into()),
        stage: Some("deploy".into()),
        since: Some(time(since)),
        until: until.map(time),
        ..Wait::new(id, cause, origin(1))
    })
}

#[test]
fn waiting_by_hand() {
    let flow: Flow = [
        wait("r1/a", WaitCause::Approval, "board", 0, Some(10)),
        // Beside it: 0 to 12 in all.
        wait("r1/w", WaitCause::Window, "", 8, Some(12)),
        wait("r2/a", WaitCause::Approval, "board", 20, Some(40)),
        wait("r3/a", WaitCause::Approval, "ann", 20, Some(22)),
        wait("r3/q", WaitCause::Queue, "", 10, Some(11)),
        wait("r4/q", WaitCause::Queue, "", 10, Some(13)),
        wait("r5/a", WaitCause::Approval, "board", 90, None),
        wait("r6/a", WaitCause::Approval, "board", 90, Some(120)),
        wait("r7/a", WaitCause::Approval, "board", 30, Some(20)),
    ]
    .into_iter()
    .collect();
    let waiting = figure(&Facts::new(), &flow, &week(), "waiting");
    assert_eq!(
        waiting.value("waited"),
        Some(hours(12.0 + 20.0 + 2.0 + 1.0 + 3.0))
    );
    assert_eq!(waiting.value("median for an approval"), Some(hours(10.0)));
    assert_eq!(waiting.left_out_for("not over yet"), 2);
    assert_eq!(waiting.left_out_for("ended before it began"), 1);
    insta::assert_snapshot!(rows(&waiting, "By cause"), @"
    approval 3 32h 10h 18h 20h
    queue 2 4h 2h 2.8h 3h
    window 1 4h 4h 4h 4h
    ");
    insta::assert_snapshot!(rows(&waiting, "By whom"), @"
    approval board 2 30h 15h 19h 20h
    approval ann 1 2h 2h 2h 2h
    ");
    insta::assert_snapshot!(rows(&waiting, "The longest"), @"
    shop r2 deploy approval board 2025-01-06T20:00:00Z 20h
    shop r1 deploy approval board 2025-01-06T00:00:00Z 10h
    shop r1 deploy window - 2025-01-06T08:00:00Z 4h
    shop r4 deploy queue - 2025-01-06T10:00:00Z 3h
    shop r3 deploy approval ann 2025-01-06T20:00:00Z 2h
    shop r3 deploy queue - 2025-01-06T10:00:00Z 1h
    ");
    insta::assert_snapshot!(waiting.notes.join("\n"), @"Not over at 2025-01-10T04:00:00Z: 2 of the waits, the longest since 2025-01-09T18:00:00Z. They are in no number yet.");
    let queue = figure(&Facts::new(), &flow, &week(), "queue-time");
    assert_eq!(
        (queue.value("median"), queue.value("longest")),
        (Some(hours(2.0)), Some(hours(3.0)))
    );
}

#[test]
fn toil_by_hand() {
    let work = |id: &str, task: &str, spent: Option<i64>, automatable| {
        FlowFact::ManualWork(ManualWork {
            id: id.into(),
            at: time(5),
            component: Some("shop".into()),
            task: task.into(),
            by: None,
            spent: spent.map(SignedDuration::from_hours),
            automatable,
            origin: origin(1),
        })
    };
    let mut flow = two_items();
    flow.extend([
        work("1", "copy logs", Some(3), Some(true)),
        work("2", "copy logs", Some(3), None),
        work("3", "talk to customers", Some(6), Some(false)),
        work("4", "restart", None, Some(true)),
    ]);
    let toil = figure(&Facts::new(), &flow, &week(), "toil");
    // Stages were at work for 8 hours at one, and for 2 + 2 + 12 + 2 at two.
    assert_eq!(toil.value("time by hand"), Some(hours(12.0)));
    assert_eq!(toil.value("share of the work"), Some(12.0 / (12.0 + 26.0)));
    assert_eq!(toil.value("a machine could do"), Some(3.0 / 9.0));
    insta::assert_snapshot!(rows(&toil, "By task"), @"
    copy logs shop 2 6h yes 1, no 0, nobody said 1
    talk to customers shop 1 6h no
    restart shop 1 - yes
    ");
    insta::assert_snapshot!(toil.notes.join("\n"), @"Of 1 of 4 nobody wrote down how long they took; they are in no time here.");
}

/// A hold of an environment, in hours; one without an end is not over.
pub(crate) fn hold(id: &str, environment: &str, by: &str, from: i64, until: Option<i64>) -> FlowFact {
    FlowFact::Hold(Hold {
        by: Some(by.into()),
        from: Some(time(from)),
        until: until.map(time),
        ..Hold::new(id, environment, origin(1))
    })
}

/// What happened to an environment at an hour.
pub(crate) fn happened(environment: &str, hour: i64, change: EnvironmentChange) -> FlowFact {
    FlowFact::Environment(EnvironmentFact {
        environment: environment.into(),
        at: time(hour),
        change,
        origin: origin(1),
    })
}

#[test]
fn use_of_environments_by_hand() {
    let flow: Flow = [
        // 10 before the window begins, then 10 to 20, and the last 20 hours.
        hold("1", "eu", "shop", -10, Some(20)),
        hold("2", "eu", "shop", 30, Some(40)),
        hold("3", "eu", "billing", 80, None),
        // There from 20 to 70 only.
        hold("4", "lab", "ann", 20, Some(45)),
        happened("lab", 20, EnvironmentChange::Created),
        happened("lab", 70, EnvironmentChange::Deleted),
        happened("idle", -50, EnvironmentChange::Created),
    ]
    .into_iter()
    .collect();
    let used = figure(&Facts::new(), &flow, &week(), "environment-use");
    insta::assert_snapshot!(rows(&used, "By environment"), @"
    eu 0.5 50h 3 20h 20h
    idle 0 0h 0 - -
    lab 0.5 25h 1 25h 25h
    ");
    insta::assert_snapshot!(rows(&used, "By whom"), @"
    eu billing 0.2 20h 1
    eu shop 0.3 30h 2
    lab ann 0.5 25h 1
    ");
    // 50 of 100 in eu, 25 of 50 in lab, 0 of 100 in idle.
    assert_eq!(used.value("use"), Some(0.3));
    insta::assert_snapshot!(used.notes.join("\n"), @"Not over at 2025-01-10T04:00:00Z: 1 of the holds.");
}

#[test]
fn batch_size_by_hand() {
    let lines = [
        deployment("d1", -5, "eu", "success", &["z"]),
        deployment("d2", 1, "eu", "success", &["a", "b", "z"]),
        deployment("d3", 2, "us", "success", &["a", "b"]),
        deployment("d4", 3, "eu", "success", &["c", "d", "e", "f"]),
        deployment("d5", 4, "eu", "success", &[]),
        deployment("d6", 5, "staging", "success", &["g"]),
    ];
    let size = figure(&facts(&lines), &Flow::new(), &week(), "batch-size");
    // d2 brings a and b, d4 four; d3 brings them to a second place.
    assert_eq!(
        (size.value("median"), size.value("largest")),
        (Some(3.0), Some(4.0))
    );
    assert_eq!(size.left_out_for("brings nothing new"), 1);
    assert_eq!(size.left_out_for("lists no changes"), 1);
    insta::assert_snapshot!(rows(&size, "By size"), @"
    1 0
    2 to 5 2
    6 to 10 0
    11 to 20 0
    more than 20 0
    ");
}

#[test]
fn one_component_is_not_the_other() {
    let mut flow = two_items();
    flow.add(FlowFact::Wait(Wait {
        component: Some("billing".into()),
        since: Some(time(0)),
        until: Some(time(1)),
        ..Wait::new("other", WaitCause::Queue, origin(1))
    }));
    let all = figure(&Facts::new(), &flow, &week(), "waiting");
    let billing = figure(&Facts::new(), &flow, &week().component("billing"), "waiting");
    assert_eq!((all.counted.len(), billing.counted.len()), (2, 1));
    let stream = figure(&Facts::new(), &flow, &week().component("billing"), "value-stream");
    assert!(stream.is_empty());
}

/// Releases in two production environments and a test environment, one of them rolled back.
pub(crate) fn releases() -> Facts {
    let mut facts = Facts::new();
    let deployed = [
        ("d1", "eu", 0, "1.0"),
        ("d2", "us", 2, "1.0"),
        ("d3", "lab", 9, "1.1"),
        ("d4", "eu", 10, "1.1"),
        ("d5", "us", 16, "1.1"),
        // The same once more: it has been there since 10.
        ("d6", "eu", 20, "1.1"),
        ("d7", "eu", 30, "1.2"),
    ];
    for (id, environment, hour, version) in deployed {
        let digest = format!("sha256:{version}");
        facts.add(Fact::Deployment(Deployment {
            id,
            component: "shop",
            environment,
            production: None,
            started: None,
            finished: time(hour),
            result: DeploymentResult::Success,
            kind: DeploymentKind::Planned,
            version: Some(version),
            release: Some(&digest),
            team: None,
            changes: Vec::new(),
            source: origin(hour.unsigned_abs() + 1).as_source(),
        }));
    }
    facts.add(Fact::Rollback(Rollback {
        id: "b1",
        component: "shop",
        environment: "eu",
        production: None,
        at: time(33),
        release: "sha256:1.2",
        source: origin(33).as_source(),
    }));
    facts
}

#[test]
fn lag_of_releases_by_hand() {
    let lag = figure(&releases(), &Flow::new(), &week(), "production-lag");
    // 1.1 within 6 hours (lab has no users), 1.2 is not in us, and 1.0 had nowhere else to go.
    assert_eq!(
        (lag.value("releases"), lag.value("median")),
        (Some(1.0), Some(hours(6.0)))
    );
    assert_eq!(lag.left_out_for("not everywhere yet"), 1);
    let counted: Vec<_> = lag.counted.iter().map(|item| &*item.what).collect();
    assert_eq!(counted, ["release shop 1.1"]);
}

#[test]
fn versions_by_hand() {
    let removal = FlowFact::Removal(Removal {
        component: "shop".into(),
        environment: "lab".into(),
        at: time(50),
        origin: origin(1),
    });
    let flow: Flow = [removal].into_iter().collect();
    let at = |hour: i64| {
        let options = FigureOptions::new(Window::new(time(0), time(100)).unwrap()).as_of(time(hour));
        figure(&releases(), &flow, &options, "versions")
    };
    // 1.2 came and went; eu has 1.1 again since 33, which has been around since 9.
    insta::assert_snapshot!(rows(&at(40), "What is live"), @"
    shop eu yes 1.1 2025-01-07T09:00:00Z 31h 1
    shop lab no 1.1 2025-01-06T09:00:00Z 31h 1
    shop us yes 1.1 2025-01-06T16:00:00Z 31h 1
    ");
    insta::assert_snapshot!(rows(&at(32), "What is live"), @"
    shop eu yes 1.2 2025-01-07T06:00:00Z 2h 0
    shop lab no 1.1 2025-01-06T09:00:00Z 23h 1
    shop us yes 1.1 2025-01-06T16:00:00Z 23h 1
    ");
    let end = at(100);
    insta::assert_snapshot!(rows(&end, "What is live"), @"
    shop eu yes 1.1 2025-01-07T09:00:00Z 91h 1
    shop us yes 1.1 2025-01-06T16:00:00Z 91h 1
    ");
    assert_eq!(
        (end.value("versions"), end.value("oldest")),
        (Some(1.0), Some(hours(91.0)))
    );
    assert_eq!(at(15).value("versions"), Some(2.0));
    // Deployed once more at 20, and there since 10.
    let then = at(25);
    let eu = &then.table("What is live").unwrap().rows[0];
    assert_eq!(eu[4], Cell::Time(time(10)));
}

#[test]
fn a_rollback_without_an_incident_is_downtime_too() {
    let downtime = figure(&releases(), &Flow::new(), &week(), "downtime");
    // d7 was live from 30 to 33.
    assert_eq!(downtime.value("downtime"), Some(hours(3.0)));
    assert_eq!(downtime.counted[0].what, "rollback b1");
    // An incident tells more.
    let mut facts = releases();
    facts.add(Fact::Incident(Incident {
        id: "i1",
        component: "shop",
        environment: None,
        opened: time(31),
        deployment: Some("d7"),
        changes: Vec::new(),
        source: origin(31).as_source(),
    }));
    facts.add(Fact::Recovery(Recovery {
        incident: "i1",
        at: time(36),
        source: origin(36).as_source(),
    }));
    let downtime = figure(&facts, &Flow::new(), &week(), "downtime");
    assert_eq!(downtime.value("downtime"), Some(hours(5.0)));
}
