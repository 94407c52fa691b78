//! Cancelling in two steps: whoever drives the run stops it, and nothing of it goes on.

use std::fs;

use crate::support::{PACKAGE, TestSpace, deployment, wait_for};

/// A command that begins, has a child, and waits forever, and one after it.
fn endless() -> TestSpace {
    let stages = r#"
[stages.hold]
type = "command"
program = "sh"
args = ["scripts/hold.sh", "OUTSIDE"]
effect = "idempotent"

[stages.after]
type = "command"
program = "sh"
args = ["-c", "echo after > OUTSIDE/after"]
after = ["hold"]
effect = "idempotent"
"#;
    let space = TestSpace::with_app(stages);
    space.write(
        "scripts/hold.sh",
        "mkfifo \"$1/go\"\nsh -c 'read line < \"$0/go\"' \"$1\" &\necho held > \"$1/held\"\nread line < \"$1/go\"\n",
    );
    space
}

#[test]
fn a_running_run_is_stopped_from_another_process() {
    let space = endless();
    let runner = space.start(&["--json", "run", &space.file()]);
    wait_for("the stage waits", || space.outside().join("held").exists());
    let run = space.runs()[0].clone();
    assert!(
        space.processes().len() > 1,
        "the stage's processes are there: {:?}",
        space.processes()
    );

    let cancelled = space
        .json(&["cancel", &run, "--by", "carol", "--reason", "wrong branch"])
        .expect(0);
    assert_eq!(
        cancelled.document["status"], "running",
        "it is the runner that stops it: {cancelled}"
    );
    let ended = runner.end().expect(1);
    let document: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(document["status"], "cancelled", "{ended}");
    space.wait_for_quiet();

    let status = space.json(&["status", &run]).expect(0);
    assert_eq!(status.state("hold"), "cancelled", "{status}");
    assert_eq!(status.state("after"), "skipped", "{status}");
    let reason = status.stage("hold")["reason"].as_str().unwrap();
    assert!(reason.contains("carol"), "{reason}");
    assert!(!space.outside().join("after").exists());
    let again = space.json(&["cancel", &run]).expect(2);
    assert!(!again.error().is_empty(), "{again}");
    space.assert_verifies();
}

#[test]
fn a_waiting_run_is_cancelled_at_once() {
    let production = deployment("production", "package").replace(
        "after = [\"package\"]\n",
        "after = [\"package\"]\ngates = [{ type = \"change\", authorisers = [\"dave\"] }]\n",
    );
    let space = TestSpace::with_app(&[PACKAGE, &production].concat());
    let run = space.run(3).run();
    let cancelled = space.json(&["cancel", &run]).expect(0);
    assert_eq!(cancelled.document["status"], "cancelled", "{cancelled}");
    space.json(&["resume", &run]).expect(1);
    let status = space.json(&["status"]).expect(0);
    assert_eq!(status.document["runs"][0]["status"], "cancelled", "{status}");
    assert_eq!(space.current("production"), None);
    let change = space.json(&["change", &run]).expect(0);
    assert_eq!(change.document["changes"][0]["state"], "canceled", "{change}");
    // An approval that comes too late changes nothing.
    space.json(&["approve", &run, "--by", "dave"]).expect(2);
    space.assert_verifies();
    space.assert_exclusive();
}

#[test]
fn a_run_that_was_killed_is_cancelled_without_going_on() {
    let space = endless();
    let mut runner = space.start(&["run", &space.file()]);
    wait_for("the stage waits", || space.outside().join("held").exists());
    runner.kill();
    let run = space.runs()[0].clone();
    let status = space.json(&["status", &run]).expect(0);
    assert_eq!(status.document["interrupted"], true, "{status}");
    // Both that read get their end of the line.
    fs::write(space.outside().join("go"), "go\ngo\n").unwrap();
    fs::remove_file(space.outside().join("go")).unwrap();
    let cancelled = space.json(&["cancel", &run]).expect(0);
    assert_eq!(cancelled.document["status"], "cancelled", "{cancelled}");
    assert!(!space.outside().join("after").exists());
    space.assert_verifies();
}
