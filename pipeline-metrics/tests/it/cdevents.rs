//! `CDEvents`: the specification's own examples, and a delivery worked by hand.

use std::fmt::Write as _;
use std::fs;

use pipeline_metrics::{CdEvents, CdEventsOptions, Facts, Flow, SourceSummary};
use proptest::prelude::*;

use crate::fixture::folder;

/// All that was read, as text.
fn told(events: &CdEvents) -> String {
    let (mut facts, mut flow) = (Facts::new(), Flow::new());
    events.facts(&mut facts, &mut flow);
    let mut lines = Vec::new();
    lines.extend(facts.changes().map(|one| {
        let merged = one.phases.merged.map(|at| at.to_string()).unwrap_or_default();
        format!(
            "change {}@{} {} merged {merged} {}",
            one.component, one.sha, one.at, one.source
        )
    }));
    lines.extend(facts.deployments().map(|one| {
        let mut changes: Vec<_> = one.changes.iter().map(ToString::to_string).collect();
        changes.sort();
        format!(
            "deployment {} {} in {} {} {:?} {:?} {}",
            one.id, one.component, one.environment, one.finished, one.release, changes, one.source
        )
    }));
    lines.extend(facts.incidents().map(|one| {
        format!(
            "incident {} {} {:?} by {:?}",
            one.id, one.component, one.environment, one.deployment
        )
    }));
    lines.extend(
        facts
            .recoveries()
            .map(|one| format!("recovery {} {}", one.incident, one.at)),
    );
    lines.extend(
        facts
            .rollbacks()
            .map(|one| format!("rollback {} {} from {}", one.component, one.at, one.release)),
    );
    lines.extend(
        facts
            .problems()
            .map(|one| format!("problem {}: {}", one.source, one.reason)),
    );
    lines.extend(flow.stage_times().map(|one| {
        format!(
            "stage {} item {:?} stage {:?} {:?} to {:?}",
            one.id, one.item, one.stage, one.started, one.finished
        )
    }));
    lines.extend(flow.waits().map(|one| {
        let times = (
            one.since.map(|at| at.to_string()),
            one.until.map(|at| at.to_string()),
        );
        format!("wait {} for {} {:?} {times:?}", one.id, one.cause, one.on)
    }));
    lines.extend(
        flow.removals()
            .map(|one| format!("removal {} in {} {}", one.component, one.environment, one.at)),
    );
    lines.extend(
        flow.environments()
            .map(|one| format!("environment {} {:?} {}", one.environment, one.change, one.at)),
    );
    lines.sort();
    lines.join("\n")
}

fn read(texts: &[&str]) -> (CdEvents, SourceSummary) {
    let mut events = CdEvents::new(CdEventsOptions::default());
    let mut summary = SourceSummary::default();
    for text in texts {
        summary = summary.and(events.read("events", text.as_bytes()).unwrap());
    }
    (events, summary)
}

#[test]
fn the_examples_of_the_specification() {
    let Some(folder) = folder("../change/cdevents") else {
        return;
    };
    let strict = CdEventsOptions {
        strict: true,
        ..CdEventsOptions::default()
    };
    let mut events = CdEvents::new(strict);
    let mut summary = SourceSummary::default();
    let mut files: Vec<_> = ["v0.5.1/conformance", "v0.5.1/custom", "v0.6.0-draft/conformance"]
        .iter()
        .flat_map(|name| fs::read_dir(folder.join(name)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && !path.ends_with("schema.json"))
        .collect();
    files.sort();
    for file in &files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let text = fs::read(file).unwrap();
        summary = summary.and(events.read(name, &*text).unwrap());
    }
    // 45 of 0.5.1, one of a vendor, four of the draft.
    assert_eq!((files.len(), summary.records(), summary.bad), (50, 50, 0));
    let mut text = format!("used {}\n", summary.used);
    for (kind, count) in &summary.unused {
        writeln!(text, "{kind} {count}").unwrap();
    }
    insta::assert_snapshot!(text, @"
    used 29
    artifact.deleted 1
    artifact.downloaded 1
    artifact.published 1
    artifact.signed 1
    branch.created 1
    branch.deleted 1
    change.abandoned 1
    change.updated 1
    dev.cdeventsx.mytool-resource.created.0.1.0 1
    repository.created 1
    repository.deleted 1
    repository.modified 1
    service.published 1
    testcaserun.finished 1
    testcaserun.queued 1
    testcaserun.skipped 1
    testcaserun.started 1
    testoutput.published 1
    ticket.closed 1
    ticket.created 1
    ticket.updated 1
    ");
    insta::assert_snapshot!(told(&events), @r#"
    change TestRepo/TestOrg@mySubject123 2023-03-20T14:27:05.315384Z merged 2023-03-20T14:27:05.315384Z change_merged.json:1
    deployment service.deployed:/event/source/123#271069a8-fc18-44f1-b38f-9d70a1695819 mySubject123 in test123 2023-03-20T14:27:05.315384Z Some("pkg:oci/myapp@sha256%3A0b31b1c02ff458ad9b7b81cbdf8f028bd54699fa151f221d1e8de6817db93427") [] service_deployed.json:1
    deployment service.upgraded:/event/source/123#271069a8-fc18-44f1-b38f-9d70a1695819 mySubject123 in test123 2023-03-20T14:27:05.315384Z Some("pkg:oci/myapp@sha256%3A0b31b1c02ff458ad9b7b81cbdf8f028bd54699fa151f221d1e8de6817db93427") [] service_upgraded.json:1
    environment mySubject123 Created 2023-03-20T14:27:05.315384Z
    environment mySubject123 Deleted 2023-03-20T14:27:05.315384Z
    environment mySubject123 Modified 2023-03-20T14:27:05.315384Z
    incident incident-123 myApp Some("prod1") by None
    recovery incident-123 2022-11-11T13:52:20.079Z
    removal mySubject123 in test123 2023-03-20T14:27:05.315384Z
    rollback mySubject123 2023-03-20T14:27:05.315384Z from pkg:oci/myapp@sha256%3A0b31b1c02ff458ad9b7b81cbdf8f028bd54699fa151f221d1e8de6817db93427
    stage build/mySubject123 item Some("4c8cb7dd-3448-41de-8768-eec704e2829b") stage Some("build") Some(2023-03-20T14:27:05.315384Z) to Some(2023-03-20T14:27:05.315384Z)
    stage taskrun/mySubject123 item Some("mySubject123") stage Some("myTask") Some(2023-03-20T14:27:05.315384Z) to Some(2023-03-20T14:27:05.315384Z)
    stage testsuiterun/myTestSuiteRun123 item Some("4c8cb7dd-3448-41de-8768-eec704e2829b") stage Some("Auth TestSuite") Some(2023-03-20T14:27:05.315384Z) to Some(2023-03-20T14:27:05.315384Z)
    wait approval/approval-123 for approval Some("urn:user:bob") (Some("2023-03-20T14:27:05.315384Z"), Some("2023-03-20T14:29:05.315384Z"))
    wait build/mySubject123/queue for queue None (Some("2023-03-20T14:27:05.315384Z"), Some("2023-03-20T14:27:05.315384Z"))
    wait pipelinerun/mySubject123/queue for queue None (Some("2023-03-20T14:27:05.315384Z"), Some("2023-03-20T14:27:05.315384Z"))
    wait testsuiterun/myTestSuiteRun123/queue for queue None (Some("2023-03-20T14:27:05.315384Z"), Some("2023-03-20T14:27:05.315384Z"))
    "#);
}

fn event(kind: &str, hour: u32, subject: &str, content: &str) -> String {
    format!(
        r#"{{"context":{{"specversion":"0.5.1","id":"{kind}-{hour}-{subject}","source":"/x","type":"dev.cdevents.{kind}.0.3.0","timestamp":"2025-01-06T{hour:02}:00:00Z","chainId":"c1"}},"subject":{{"id":"{subject}","content":{content}}}}}"#
    )
}

/// A delivery: two changes, two artifacts, a bad one, its incident, a rollback; a run with tasks and one without.
fn delivery() -> Vec<String> {
    let place = r#""environment":{"id":"production"}"#;
    vec![
        event("change.created", 1, "abc", r#"{"repository":{"id":"shop.git"}}"#),
        event("change.reviewed", 2, "abc", r#"{"repository":{"id":"shop.git"}}"#),
        event("change.merged", 3, "abc", r#"{"repository":{"id":"shop.git"}}"#),
        event("change.merged", 3, "def", r#"{"repository":{"id":"shop.git"}}"#),
        event("change.merged", 4, "waits", r#"{"repository":{"id":"shop.git"}}"#),
        event("artifact.packaged", 5, "shop@1", r#"{"change":{"id":"abc"}}"#),
        event("artifact.packaged", 5, "shop@2", r#"{"change":{"id":"def"}}"#),
        event(
            "service.deployed",
            6,
            "shop",
            &format!(r#"{{{place},"artifactId":"shop@1"}}"#),
        ),
        event(
            "service.upgraded",
            8,
            "shop",
            &format!(r#"{{{place},"artifactId":"shop@2"}}"#),
        ),
        event(
            "incident.detected",
            9,
            "i1",
            &format!(r#"{{{place},"artifactId":"shop@2"}}"#),
        ),
        event(
            "incident.reported",
            10,
            "i1",
            &format!(r#"{{{place},"service":{{"id":"shop"}}}}"#),
        ),
        event("incident.detected", 10, "i2", &format!("{{{place}}}")),
        event(
            "service.rolledback",
            11,
            "shop",
            &format!(r#"{{{place},"artifactId":"shop@1"}}"#),
        ),
        event("incident.resolved", 12, "i1", &format!("{{{place}}}")),
        event("service.removed", 20, "shop", &format!("{{{place}}}")),
        event("service.published", 6, "shop", &format!("{{{place}}}")),
        event("pipelinerun.queued", 4, "r1", r#"{"pipelineName":"ship"}"#),
        event("pipelinerun.started", 5, "r1", r#"{"pipelineName":"ship"}"#),
        event(
            "taskrun.started",
            5,
            "t1",
            r#"{"taskName":"build","pipelineRun":{"id":"r1"}}"#,
        ),
        event(
            "taskrun.finished",
            6,
            "t1",
            r#"{"pipelineRun":{"id":"r1"},"outcome":"success"}"#,
        ),
        event(
            "pipelinerun.finished",
            7,
            "r1",
            r#"{"pipelineName":"ship","outcome":"success"}"#,
        ),
        event("pipelinerun.started", 8, "r2", r#"{"pipelineName":"nightly"}"#),
        event("pipelinerun.finished", 9, "r2", "{}"),
        event("approval.created", 5, "a1", "{}"),
        event(
            "approval.closed",
            7,
            "a1",
            r#"{"responder":"urn:user:bob","decision":"approved"}"#,
        ),
        event("environment.created", 0, "production", r#"{"name":"p"}"#),
        event("testcaserun.finished", 9, "x", "{}"),
    ]
}

#[test]
fn a_delivery_by_hand() {
    let lines = delivery();
    let (events, summary) = read(&[&lines.join("\n")]);
    assert_eq!((summary.used, summary.bad), (25, 0));
    assert_eq!(
        summary.unused.into_iter().collect::<Vec<_>>(),
        [
            ("service.published".to_owned(), 1),
            ("testcaserun.finished".to_owned(), 1)
        ]
    );
    insta::assert_snapshot!(told(&events), @r#"
    change shop.git@waits 2025-01-06T04:00:00Z merged 2025-01-06T04:00:00Z events:5
    change shop@abc 2025-01-06T03:00:00Z merged 2025-01-06T03:00:00Z events:3
    change shop@def 2025-01-06T03:00:00Z merged 2025-01-06T03:00:00Z events:4
    deployment service.deployed:/x#service.deployed-6-shop shop in production 2025-01-06T06:00:00Z Some("shop@1") ["abc"] events:8
    deployment service.upgraded:/x#service.upgraded-8-shop shop in production 2025-01-06T08:00:00Z Some("shop@2") ["def"] events:9
    environment production Created 2025-01-06T00:00:00Z
    incident i1 shop Some("production") by Some("service.upgraded:/x#service.upgraded-8-shop")
    problem events:12: incident.detected without `service`
    recovery i1 2025-01-06T12:00:00Z
    removal shop in production 2025-01-06T20:00:00Z
    rollback shop 2025-01-06T11:00:00Z from shop@2
    stage pipelinerun/r2 item Some("r2") stage Some("nightly") Some(2025-01-06T08:00:00Z) to Some(2025-01-06T09:00:00Z)
    stage taskrun/t1 item Some("r1") stage Some("build") Some(2025-01-06T05:00:00Z) to Some(2025-01-06T06:00:00Z)
    wait approval/a1 for approval Some("urn:user:bob") (Some("2025-01-06T05:00:00Z"), Some("2025-01-06T07:00:00Z"))
    wait pipelinerun/r1/queue for queue None (Some("2025-01-06T04:00:00Z"), Some("2025-01-06T05:00:00Z"))
    "#);
}

#[test]
fn every_way_to_write_it_says_the_same() {
    let lines = delivery();
    let plain = told(&read(&[&lines.join("\n")]).0);
    let strip = |text: String| {
        let sources: Vec<_> = text
            .lines()
            .map(|line| line.split(" events:").next().unwrap().to_owned())
            .collect();
        sources.join("\n")
    };
    let plain = strip(plain);
    let array = format!("\u{feff}[\n{}\n]", lines.join(",\n"));
    let pretty: Vec<_> = lines
        .iter()
        .map(|line| {
            serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(line).unwrap()).unwrap()
        })
        .collect();
    let cloud: Vec<_> = lines
        .iter()
        .map(|line| format!(r#"{{"specversion":"1.0","type":"x","id":"1","source":"/s","data":{line}}}"#))
        .collect();
    for text in [
        array,
        pretty.join("\n"),
        cloud.join("\r\n"),
        format!("\n\n{}", pretty.join("\n\n")),
    ] {
        let (events, summary) = read(&[&text]);
        assert_eq!((summary.used, summary.bad), (25, 0));
        assert_eq!(strip(told(&events)), plain);
    }
    // The line of an element of an array.
    let array = format!("[\n{},\n\n{{\"context\":1}}]", lines[0]);
    let (events, summary) = read(&[&array]);
    assert_eq!((summary.used, summary.bad), (1, 1));
    assert!(told(&events).contains("problem events:4: "), "{}", told(&events));
}

#[test]
fn what_does_not_fit_is_told_with_its_line() {
    let lines = [
        event("change.merged", 1, "abc", "{}"),
        "no json".to_owned(),
        "{\"context\":{}}".to_owned(),
        event("change.merged", 1, "abc", "{}")
            .replace("dev.cdevents.change.merged.0.3.0", "org.example.merged"),
        event("service.deployed", 1, "shop", "{}"),
        event("change.merged", 1, "abc", "{}").replace("2025-01-06T01:00:00Z", "yesterday"),
        "{}".to_owned(),
        event("change.merged", 1, "abc", "{}")
            .replace("dev.cdevents.change.merged.0.3.0", "dev.cdevents.change"),
    ];
    let (events, summary) = read(&[&lines.join("\n")]);
    assert_eq!((summary.used, summary.bad), (1, 7));
    let told = told(&events);
    let problems: Vec<_> = told.lines().filter(|line| line.starts_with("problem")).collect();
    insta::assert_snapshot!(problems.join("\n"), @"
    problem events:2: not a record of this kind: expected ident at line 1 column 2
    problem events:3: not a record of this kind: missing field `id` at line 1 column 13
    problem events:4: `org.example.merged` is no type of an event: expected `dev.cdevents.SUBJECT.PREDICATE.VERSION`
    problem events:5: service.deployed without `environment`
    problem events:6: not a record of this kind: failed to parse four digit integer as year: invalid digit, expected 0-9 but got y at line 1 column 140
    problem events:7: event without `context`
    problem events:8: `dev.cdevents.change` is no type of an event: expected `dev.cdevents.SUBJECT.PREDICATE.VERSION`
    ");

    let strict = CdEventsOptions {
        strict: true,
        ..CdEventsOptions::default()
    };
    let mut events = CdEvents::new(strict);
    let error = events.read("log", lines.join("\n").as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "cannot read `log`, line 2");
    // What breaks off cannot be read further, strict or not.
    let whole = format!("[{},\n{{\"context\":", lines[0]);
    let error = CdEvents::default().read("log", whole.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "cannot read `log`, line 2");
}

#[test]
fn published_is_a_deployment_if_asked() {
    let options = CdEventsOptions {
        published_deploys: true,
        ..CdEventsOptions::default()
    };
    let mut events = CdEvents::new(options);
    let text = event(
        "service.published",
        6,
        "shop",
        r#"{"environment":{"id":"production"}}"#,
    );
    events.read("log", text.as_bytes()).unwrap();
    let mut facts = Facts::new();
    events.facts(&mut facts, &mut Flow::new());
    assert_eq!(facts.deployments().count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn order_and_repetition_never_matter(
        lines in Just(delivery()).prop_shuffle(),
        again in prop::collection::vec(0..27_usize, 0..10),
        split in 0..27_usize,
    ) {
        // Without lines, for these differ.
        let strip = |text: String| -> Vec<String> {
            text.lines().map(|line| line.split(" events:").next().unwrap().to_owned()).collect()
        };
        let plain = strip(told(&read(&[&delivery().join("\n")]).0));
        let more: Vec<_> = again.iter().map(|number| lines[*number].clone()).collect();
        let (one, other) = lines.split_at(split);
        let (one, other) = ([one, &more].concat().join("\n"), other.join("\n"));
        prop_assert_eq!(strip(told(&read(&[&one, &other]).0)), plain);
    }
}

#[test]
fn an_incident_is_no_fault_of_a_deployment_after_it() {
    let log = r#"{"context":{"id":"1","source":"/cd","type":"dev.cdevents.service.deployed.0.3.0","timestamp":"2025-01-06T12:00:00Z"},"subject":{"id":"shop","content":{"environment":{"id":"production"},"artifactId":"shop@1"}}}
{"context":{"id":"2","source":"/desk","type":"dev.cdevents.incident.detected.0.3.0","timestamp":"2025-01-06T13:00:00Z"},"subject":{"id":"i1","content":{"environment":{"id":"production"},"service":{"id":"shop"},"artifactId":"shop@1"}}}
{"context":{"id":"3","source":"/cd","type":"dev.cdevents.service.upgraded.0.3.0","timestamp":"2025-01-06T14:00:00Z"},"subject":{"id":"shop","content":{"environment":{"id":"production"},"artifactId":"shop@1"}}}
"#;
    let mut events = CdEvents::new(CdEventsOptions::default());
    events.read("log", log.as_bytes()).unwrap();
    let (mut facts, mut flow) = (Facts::new(), Flow::new());
    events.facts(&mut facts, &mut flow);
    let incident = facts.incidents().next().unwrap();
    assert_eq!(incident.deployment, Some("service.deployed:/cd#1"));
}

fn facts_of(lines: &[String]) -> Facts {
    let (mut facts, mut flow) = (Facts::new(), Flow::new());
    read(&[&lines.join("\n")]).0.facts(&mut facts, &mut flow);
    facts
}

const PLACE: &str = r#""environment":{"id":"production"}"#;

/// Of a change that is told several times the earliest counts, and a moment is one whatever its offset.
#[test]
fn the_way_of_a_change_is_that_of_its_first_events() {
    let repository = r#"{"repository":{"id":"shop.git"}}"#;
    let facts = facts_of(&[
        event("change.merged", 9, "abc", "{}"),
        event("change.merged", 5, "abc", repository).replace("05:00:00Z", "07:00:00+02:00"),
        event("change.reviewed", 4, "abc", "{}"),
        event("change.reviewed", 3, "abc", "{}"),
        event("change.created", 1, "abc", "{}"),
        event("change.created", 2, "abc", "{}"),
    ]);
    let change = facts.changes().next().unwrap();
    let hour = |at: Option<jiff::Timestamp>| at.map(|at| at.strftime("%H:%M").to_string());
    assert_eq!(change.component, "shop.git");
    assert_eq!(hour(Some(change.at)).as_deref(), Some("05:00"));
    assert_eq!(hour(change.phases.opened).as_deref(), Some("01:00"));
    assert_eq!(hour(change.phases.reviewed).as_deref(), Some("03:00"));
    assert_eq!(hour(change.phases.merged).as_deref(), Some("05:00"));
}

/// A deployment of the very moment is before an incident; a rollback to an artifact is no deployment of it.
#[test]
fn an_incident_is_the_fault_of_a_deployment_of_its_artifact() {
    let service = |kind: &str, hour, artifact: &str| {
        event(
            kind,
            hour,
            "shop",
            &format!(r#"{{{PLACE},"artifactId":"{artifact}"}}"#),
        )
    };
    let incident = |hour, id: &str, artifact: &str| {
        event(
            "incident.detected",
            hour,
            id,
            &format!(r#"{{{PLACE},"service":{{"id":"shop"}},"artifactId":"{artifact}"}}"#),
        )
    };
    let facts = facts_of(&[
        service("service.deployed", 6, "shop@1"),
        incident(6, "i1", "shop@1"),
        incident(5, "i2", "shop@1"),
        service("service.upgraded", 8, "shop@2"),
        service("service.rolledback", 9, "shop@1"),
        incident(10, "i3", "shop@1"),
    ]);
    let mut blamed: Vec<_> = facts
        .incidents()
        .map(|one| (one.id.to_owned(), one.deployment.map(str::to_owned)))
        .collect();
    blamed.sort();
    let first = Some("service.deployed:/x#service.deployed-6-shop".to_owned());
    assert_eq!(
        blamed,
        [
            ("i1".to_owned(), first.clone()),
            ("i2".to_owned(), None),
            ("i3".to_owned(), first)
        ]
    );
    assert_eq!(facts.deployments().count(), 2);
}

/// What was rolled back is the last artifact that anybody named; after a rollback, that to which it went.
#[test]
fn a_rollback_is_from_what_was_live() {
    let service =
        |kind: &str, hour, content: &str| event(kind, hour, "shop", &format!("{{{PLACE}{content}}}"));
    let facts = facts_of(&[
        service("service.deployed", 1, r#","artifactId":"shop@1""#),
        service("service.upgraded", 2, r#","artifactId":"shop@2""#),
        service("service.rolledback", 3, r#","artifactId":"shop@1""#),
        service("service.rolledback", 4, ""),
        service("service.upgraded", 5, ""),
        service("service.rolledback", 6, r#","artifactId":"shop@0""#),
        event("service.rolledback", 1, "other", &format!("{{{PLACE}}}")),
    ]);
    let mut from: Vec<_> = facts
        .rollbacks()
        .map(|one| {
            (
                one.component.to_owned(),
                one.at.strftime("%H").to_string(),
                one.release.to_owned(),
            )
        })
        .collect();
    from.sort();
    let expected = [
        ("other", "01", ""),
        ("shop", "03", "shop@2"),
        ("shop", "04", "shop@1"),
        ("shop", "06", "shop@1"),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, hour, release)| ((*name).to_owned(), (*hour).to_owned(), (*release).to_owned()))
        .collect();
    assert_eq!(from, expected);
}

/// An artifact that two services have names neither; then the reader's own component is meant, if it has one.
#[test]
fn an_incident_without_a_service() {
    let deployed = |service: &str| {
        event(
            "service.deployed",
            6,
            service,
            &format!(r#"{{{PLACE},"artifactId":"base@1"}}"#),
        )
    };
    let incident = event(
        "incident.detected",
        7,
        "i1",
        &format!(r#"{{{PLACE},"artifactId":"base@1"}}"#),
    );
    let component = |lines: &[String], component: Option<&str>| {
        let mut events = CdEvents::new(CdEventsOptions {
            component: component.map(str::to_owned),
            ..CdEventsOptions::default()
        });
        events.read("events", lines.join("\n").as_bytes()).unwrap();
        let (mut facts, mut flow) = (Facts::new(), Flow::new());
        events.facts(&mut facts, &mut flow);
        let incident = facts.incidents().next();
        incident.map(|one| one.component.to_owned())
    };
    let one = [deployed("shop"), incident.clone()];
    assert_eq!(component(&one, None).as_deref(), Some("shop"));
    let two = [deployed("shop"), deployed("search"), incident];
    assert_eq!(component(&two, None), None);
    assert_eq!(component(&two, Some("all")).as_deref(), Some("all"));
}

/// An event that is in two files was read in the first of them by name; a run belongs to its pipeline's, or else to its
/// chain; what is queued is ready.
#[test]
fn where_and_of_what_an_event_is() {
    let lines = [
        event("taskrun.started", 5, "t1", r#"{"taskName":"build"}"#),
        event("taskrun.finished", 6, "t1", "{}"),
        event("build.queued", 1, "b1", r#"{"pipelineRun":{"id":"r1"}}"#),
        event("build.started", 2, "b1", "{}"),
        event("build.finished", 4, "b1", "{}"),
    ];
    let mut events = CdEvents::new(CdEventsOptions::default());
    for file in ["b", "a", "c"] {
        events.read(file, lines.join("\n").as_bytes()).unwrap();
    }
    let (mut facts, mut flow) = (Facts::new(), Flow::new());
    events.facts(&mut facts, &mut flow);
    let mut stages: Vec<_> = flow
        .stage_times()
        .map(|one| {
            let hour =
                |at: Option<jiff::Timestamp>| at.map_or_else(String::new, |at| at.strftime("%H").to_string());
            format!(
                "{} of {} {} {} {} {}",
                one.id,
                one.item.as_deref().unwrap_or("-"),
                hour(one.ready),
                hour(one.started),
                hour(one.finished),
                one.origin
            )
        })
        .collect();
    stages.sort();
    insta::assert_snapshot!(stages.join("\n"), @"
    build/b1 of c1 01 02 04 a:3
    taskrun/t1 of c1  05 06 a:1
    ");
    assert_eq!(flow.waits().count(), 1);
}
