//! What must not happen twice and whose end nobody knows: a person looks, and decides.

use std::fs;

use crate::support::{Process, TestSpace, wait_for};

/// A command that must not happen twice, and that waits in its middle; and one after it.
fn fragile() -> TestSpace {
    let stages = r#"
[stages.publish]
type = "command"
program = "sh"
args = ["scripts/publish.sh", "OUTSIDE"]

[stages.after]
type = "command"
program = "sh"
args = ["-c", "echo after >> OUTSIDE/after"]
effect = "idempotent"
after = ["publish"]
"#;
    let space = TestSpace::with_app(stages);
    space.write(
        "scripts/publish.sh",
        "echo \"$PIPELINE_ATTEMPT $PIPELINE_KEY\" >> \"$1/published\"\n[ -e \"$1/go\" ] && exit 0\nmkfifo \"$1/go\"\nread line < \"$1/go\"\n",
    );
    space
}

/// Kills the program while the command waits, and lets the command come to its end alone.
fn killed(space: &TestSpace) -> String {
    let mut runner: Process = space.start(&["run", &space.file()]);
    wait_for("the stage waits", || space.outside().join("go").exists());
    runner.kill();
    fs::write(space.outside().join("go"), "go\n").unwrap();
    space.wait_for_quiet();
    space.runs()[0].clone()
}

#[test]
fn it_is_not_repeated_until_somebody_decides() {
    let space = fragile();
    let run = killed(&space);
    // However often one asks, it needs a decision.
    for _ in 0..3 {
        space.json(&["resume", &run]).expect(4);
        // It is no time that it waits for.
        let tick = space.json(&["tick"]).expect(0);
        assert_eq!(tick.document["woken"].as_array().unwrap().len(), 0, "{tick}");
    }
    for args in [&["status", &run][..], &["why", &run]] {
        let said = space.json(args).expect(0);
        assert_eq!(said.document["status"], "needs-decision", "{said}");
        assert_eq!(said.document["waiting"][0]["stage"], "publish", "{said}");
    }
    let status = space.json(&["status"]).expect(0);
    assert_eq!(status.document["runs"][0]["status"], "needs-decision", "{status}");
    let told = space.release(&["why", &run]).expect(0);
    let advice = format!("release decide {run} publish --happened | --did-not-happen --by WHO");
    assert!(told.stdout.contains(&advice), "{told}");
    assert_eq!(space.read_outside("published").lines().count(), 1);
    assert!(!space.outside().join("after").exists());
}

#[test]
fn it_happened() {
    let space = fragile();
    let run = killed(&space);
    space.json(&["resume", &run]).expect(4);
    space
        .json(&[
            "decide",
            &run,
            "publish",
            "--happened",
            "--by",
            "eve",
            "--comment",
            "I saw it",
        ])
        .expect(0);
    let done = space.json(&["resume", &run]).expect(0);
    let reason = done.stage("publish")["reason"].as_str().unwrap();
    assert!(reason.contains("eve") && reason.contains("I saw it"), "{reason}");
    assert_eq!(space.read_outside("published").lines().count(), 1);
    assert_eq!(space.read_outside("after"), "after\n");
    space.assert_verifies();
}

#[test]
fn it_did_not_happen() {
    let space = fragile();
    let run = killed(&space);
    space.json(&["resume", &run]).expect(4);
    space
        .json(&["decide", &run, "publish", "--did-not-happen", "--by", "eve"])
        .expect(0);
    let done = space.json(&["resume", &run]).expect(0);
    assert_eq!(done.stage("publish")["attempts"], 2, "{done}");
    // It is a new intention: whoever receives it may tell the two apart.
    let published = space.read_outside("published");
    let lines: Vec<_> = published.lines().collect();
    assert_eq!(lines.len(), 2, "{published}");
    assert_ne!(
        lines[0].split(' ').nth(1),
        lines[1].split(' ').nth(1),
        "{published}"
    );
    space.assert_verifies();
}

#[test]
fn what_is_not_unknown_is_not_decided() {
    let space = fragile();
    let run = killed(&space);
    for (stage, by) in [("after", "eve"), ("no-such-stage", "eve"), ("publish", "")] {
        let refused = space
            .json(&["decide", &run, stage, "--happened", "--by", by])
            .expect(2);
        assert!(!refused.error().is_empty(), "{refused}");
    }
    // It is known to be unknown only when somebody took the run up again.
    space
        .json(&["decide", &run, "publish", "--happened", "--by", "eve"])
        .expect(2);
    // Both answers, or none, are no answer.
    space
        .release(&["decide", &run, "publish", "--by", "eve"])
        .expect(2);
    space
        .release(&[
            "decide",
            &run,
            "publish",
            "--happened",
            "--did-not-happen",
            "--by",
            "eve",
        ])
        .expect(2);
}

#[test]
fn a_cancelled_run_still_needs_the_decision() {
    let space = fragile();
    let run = killed(&space);
    space.json(&["resume", &run]).expect(4);
    space.json(&["cancel", &run]).expect(4);
    space.json(&["resume", &run]).expect(4);
    space
        .json(&["decide", &run, "publish", "--happened", "--by", "eve"])
        .expect(0);
    let ended = space.json(&["resume", &run]).expect(1);
    assert_eq!(ended.document["status"], "cancelled", "{ended}");
    assert!(!space.outside().join("after").exists());
}
