//! Where the source lies in a git repository, releases know their revisions, and lead time is measured from commits.

use std::process::Command;

use pipeline_core::Timestamp;
use serde_json::Value;

use crate::support::{PACKAGE, TestSpace, deployment, text};

pub fn git(space: &TestSpace, date: &str, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main"])
        .args(args)
        .current_dir(space.source())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@example.test")])
        .envs([
            ("GIT_COMMITTER_NAME", "c"),
            ("GIT_COMMITTER_EMAIL", "c@example.test"),
        ])
        .envs([("GIT_AUTHOR_DATE", date), ("GIT_COMMITTER_DATE", date)])
        .output()
        .expect("the tests need `git`");
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub fn commit(space: &TestSpace, date: &str, summary: &str) -> String {
    git(space, date, &["add", "-A"]);
    git(space, date, &["commit", "-q", "--allow-empty", "-m", summary]);
    git(space, date, &["rev-parse", "HEAD"])
}

fn pipeline() -> TestSpace {
    TestSpace::with_app(&[PACKAGE, &deployment("production", "package")].concat())
}

/// What the newest deployment brought: the ids of its revisions.
fn brought(space: &TestSpace) -> (Value, Vec<String>) {
    let events = space.events();
    let deployed = events
        .iter()
        .rev()
        .find(|event| event["event"]["kind"] == "environment.deployed")
        .unwrap();
    let revisions = deployed["data"]["revisions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let ids = revisions.iter().map(|revision| text(&revision["id"])).collect();
    (deployed["event"]["at"].clone(), ids)
}

fn part(space: &TestSpace) -> Value {
    let metrics = space.json(&["metrics"]).expect(0);
    metrics.document["report"]["parts"][0].clone()
}

fn lead_time(space: &TestSpace) -> Value {
    part(space)["measures"]["lead_time"].clone()
}

/// How many changes the lead time counts.
fn changes(space: &TestSpace) -> Value {
    part(space)["measures"]["changes"].clone()
}

#[test]
fn a_release_lists_exactly_the_commits_since_the_one_that_is_live() {
    let space = pipeline();
    git(&space, "2026-11-01T10:00:00Z", &["init", "-q"]);
    commit(&space, "2026-11-01T10:00:00Z", "old history");
    let first = commit(&space, "2026-11-02T10:00:00Z", "first release\n\nat length");
    let run = space.run(0);
    let revision = &run.document["revision"];
    assert_eq!(revision["id"], first.as_str(), "{run}");
    assert_eq!(revision["summary"], "first release", "{run}");
    assert_eq!(
        text(&revision["at"]).parse::<Timestamp>().unwrap(),
        "2026-11-02T10:00:00Z".parse().unwrap()
    );
    let (at, ids) = brought(&space);
    assert_eq!(
        ids,
        [&*first],
        "the first deployment brings one revision, not all history"
    );
    let expected = milliseconds(&at, "2026-11-02T10:00:00Z");
    let time = lead_time(&space);
    assert!(
        (time["median_ms"].as_f64().unwrap() - expected).abs() < 2.0,
        "{time:#}"
    );

    // A branch and its merge, so that "since" is a question of the graph and not of dates.
    git(
        &space,
        "2026-11-03T10:00:00Z",
        &["checkout", "-q", "-b", "side", "HEAD~1"],
    );
    space.write("app/side.txt", "side\n");
    let side = commit(&space, "2026-11-01T12:00:00Z", "a side of older date");
    git(&space, "2026-11-03T10:00:00Z", &["checkout", "-q", "-"]);
    git(
        &space,
        "2026-11-03T10:00:00Z",
        &["checkout", "-q", "-B", "trunk", &first],
    );
    git(
        &space,
        "2026-11-03T10:00:00Z",
        &["merge", "-q", "--no-ff", "-m", "merge", "side"],
    );
    let merge = git(&space, "2026-11-03T10:00:00Z", &["rev-parse", "HEAD"]);
    space.write("app/VERSION", "1.1.0\n");
    let raise = commit(&space, "2026-11-04T10:00:00Z", "raise");
    let run = space.run(0);
    assert_eq!(run.document["revision"]["id"], raise.as_str(), "{run}");
    let (at, mut ids) = brought(&space);
    assert_eq!(ids[0], raise, "the newest first");
    let mut since = vec![side, merge, raise];
    ids.sort();
    since.sort();
    assert_eq!(ids, since);

    // Four changes in two deployments, each from its commit to the end of its deployment.
    let time = lead_time(&space);
    assert_eq!(changes(&space), 4, "{time:#}");
    let first_at = deployed_at(&space, 0);
    let mut all = [
        milliseconds(&first_at, "2026-11-02T10:00:00Z"),
        milliseconds(&at, "2026-11-01T12:00:00Z"),
        milliseconds(&at, "2026-11-03T10:00:00Z"),
        milliseconds(&at, "2026-11-04T10:00:00Z"),
    ];
    all.sort_by(f64::total_cmp);
    let median = (all[1] + all[2]) / 2.0;
    assert!(
        (time["median_ms"].as_f64().unwrap() - median).abs() < 2.0,
        "{median} in {time:#}"
    );

    // The same again brings nothing.
    space.run(0);
    assert_eq!(brought(&space).1, [] as [&str; 0]);
    assert_eq!(changes(&space), 4);
}

fn deployed_at(space: &TestSpace, number: usize) -> Value {
    let events = space.events();
    let deployed = events
        .iter()
        .filter(|event| event["event"]["kind"] == "environment.deployed");
    deployed
        .map(|event| event["event"]["at"].clone())
        .nth(number)
        .unwrap()
}

fn milliseconds(until: &Value, from: &str) -> f64 {
    let until: Timestamp = text(until).parse().unwrap();
    let from: Timestamp = from.parse().unwrap();
    until.duration_since(from).as_millis() as f64
}

#[test]
fn a_history_that_was_rewritten_brings_one_revision() {
    let space = pipeline();
    git(&space, "2026-11-01T10:00:00Z", &["init", "-q"]);
    commit(&space, "2026-11-01T10:00:00Z", "one");
    space.run(0);
    std::fs::remove_dir_all(space.source().join(".git")).unwrap();
    space.write("app/VERSION", "2.0.0\n");
    git(&space, "2026-11-02T10:00:00Z", &["init", "-q"]);
    commit(&space, "2026-11-02T10:00:00Z", "anew");
    let head = commit(&space, "2026-11-02T11:00:00Z", "and more");
    space.run(0);
    assert_eq!(brought(&space).1, [head]);
}

#[test]
fn what_git_ignores_is_no_part_of_the_source() {
    let space = pipeline();
    git(&space, "2026-11-01T10:00:00Z", &["init", "-q"]);
    space.write(".gitignore", "*.log\n");
    commit(&space, "2026-11-01T10:00:00Z", "one");
    space.run(0);
    space.write("app/debug.log", "noise\n");
    let second = space.run(0);
    assert_eq!(second.state("package"), "reused", "{second}");
    // And the plan says the same.
    let plan = space.json(&["plan", &space.file()]).expect(0);
    assert_eq!(plan.document["stages"][0]["verb"], "reuse", "{plan}");
}

#[test]
fn a_repository_without_a_commit_has_no_revision() {
    let space = pipeline();
    git(&space, "2026-11-01T10:00:00Z", &["init", "-q"]);
    assert_eq!(space.run(0).document["revision"], Value::Null);
}

#[test]
fn outside_a_repository_there_is_no_revision_and_no_lead_time() {
    let space = pipeline();
    let run = space.run(0);
    assert_eq!(run.document["revision"], Value::Null, "{run}");
    assert_eq!(brought(&space).1, [] as [&str; 0]);
    assert_eq!(lead_time(&space), Value::Null);
    let metrics = space.json(&["metrics"]).expect(0);
    let frequency = &metrics.document["report"]["parts"][0]["measures"]["deployment_frequency"];
    assert_eq!(frequency["deployments"], 1, "{metrics}");
}
