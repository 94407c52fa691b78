//! Ctrl-C and `kill`: the program ends in order, and the run goes on later.

use std::fs;

use serde_json::Value;

use crate::support::{Process, Ran, TestSpace, wait_for};

/// A command that waits to be let go, and two after it.
fn held(effect: &str) -> TestSpace {
    let stages = format!(
        r#"
[stages.hold]
type = "command"
program = "sh"
args = ["scripts/hold.sh", "OUTSIDE"]
effect = "{effect}"

[stages.after]
type = "command"
program = "sh"
args = ["-c", "echo after >> OUTSIDE/after"]
after = ["hold"]

[stages.check]
type = "command"
program = "sh"
args = ["-c", "echo check >> OUTSIDE/after"]
after = ["hold"]
effect = "pure"
"#
    );
    let space = TestSpace::with_app(&stages);
    space.write(
        "scripts/hold.sh",
        "[ -e \"$1/go\" ] || mkfifo \"$1/go\"\necho began >> \"$1/held\"\nread line < \"$1/go\"\necho ended >> \"$1/held\"\n",
    );
    space
}

fn begun(space: &TestSpace, args: &[&str]) -> (Process, String) {
    let file = space.file();
    let process = space.start(&[args, &["run", &file]].concat());
    wait_for("the stage waits", || !space.read_outside("held").is_empty());
    let run = space.runs()[0].clone();
    (process, run)
}

fn let_go(space: &TestSpace) {
    fs::write(space.outside().join("go"), "go\n").unwrap();
}

fn heard(process: &Process) {
    wait_for("the interrupt was heard", || {
        process.said_on_stderr().contains("interrupted")
    });
}

fn resume_is_named(ran: &Ran, run: &str) {
    assert!(
        ran.stderr.contains(&format!("resume with: release resume {run}")),
        "{ran}"
    );
}

#[test]
fn what_is_at_work_ends_nothing_else_begins_and_the_run_goes_on_later() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        // Nobody has to decide: the attempt came to its end.
        let space = held("at-most-once");
        let (process, run) = begun(&space, &[]);
        process.signal(signal);
        heard(&process);
        let_go(&space);
        let left = process.end().expect(code);
        resume_is_named(&left, &run);
        assert_eq!(space.read_outside("held"), "began\nended\n");
        assert_eq!(space.read_outside("after"), "");

        let status = space.json(&["status", &run]).expect(0);
        assert_eq!(status.document["status"], "running", "{status}");
        assert_eq!(status.document["interrupted"], true, "{status}");
        assert_eq!(status.state("hold"), "succeeded", "{status}");
        assert_eq!(status.stage("after")["attempts"], 0, "{status}");
        let done = space.json(&["resume", &run]).expect(0);
        assert_eq!(done.stage("hold")["attempts"], 1, "{done}");
        assert_eq!(space.read_outside("held"), "began\nended\n");
        assert_eq!(space.read_outside("after").lines().count(), 2);
        space.assert_verifies();
    }
}

#[test]
fn a_second_interrupt_leaves_at_once_and_so_does_the_end_of_the_grace_period() {
    for twice in [true, false] {
        let space = held("idempotent");
        let (process, run) = begun(&space, if twice { &[] } else { &["--grace", "0s"] });
        process.signal("INT");
        if twice {
            heard(&process);
            process.signal("TERM");
        }
        let left = process.end().expect(130);
        resume_is_named(&left, &run);
        assert!(left.stderr.contains("left: what was at work"), "{left}");
        // What it had started ended with it.
        space.wait_for_quiet();
        assert_eq!(space.read_outside("held"), "began\n");
        let status = space.json(&["status", &run]).expect(0);
        assert_eq!(status.state("hold"), "running", "{status}");
        assert_eq!(status.document["interrupted"], true, "{status}");

        let again = space.start(&["resume", &run]);
        wait_for("it began again", || {
            space.read_outside("held").lines().count() == 2
        });
        let_go(&space);
        again.end().expect(0);
        let done = space.json(&["status", &run]).expect(0);
        assert_eq!(done.stage("hold")["attempts"], 2, "{done}");
        space.assert_verifies();
    }
}

#[test]
fn the_document_tells_what_to_resume() {
    let space = held("idempotent");
    let (process, run) = begun(&space, &["--json"]);
    process.signal("INT");
    heard(&process);
    let_go(&space);
    let left = process.end().expect(130);
    let document: Value = serde_json::from_str(&left.stdout).unwrap();
    assert_eq!(document["exit"], 130, "{left}");
    assert_eq!(document["status"], "running", "{left}");
    assert_eq!(document["resume"][0], *run, "{left}");
    assert_eq!(document["left_at_work"], false, "{left}");
    space.json(&["resume", &run]).expect(0);

    let space = held("idempotent");
    let (process, run) = begun(&space, &["--json", "--grace", "0s"]);
    process.signal("INT");
    let left = process.end().expect(130);
    let document: Value = serde_json::from_str(&left.stdout).unwrap();
    assert_eq!(document["resume"][0], *run, "{left}");
    assert_eq!(document["left_at_work"], true, "{left}");
    space.wait_for_quiet();
}

#[test]
fn a_run_that_ends_meanwhile_has_its_own_exit_code() {
    let stages =
        "\n[stages.hold]\ntype = \"command\"\nprogram = \"sh\"\nargs = [\"scripts/hold.sh\", \"OUTSIDE\"]\n";
    for (last, exit) in [("true", 0), ("exit 3", 1)] {
        let space = TestSpace::with_app(stages);
        space.write(
            "scripts/hold.sh",
            &format!("mkfifo \"$1/go\"\necho began >> \"$1/held\"\nread line < \"$1/go\"\n{last}\n"),
        );
        let (process, run) = begun(&space, &[]);
        process.signal("INT");
        heard(&process);
        let_go(&space);
        let ended = process.end().expect(exit);
        assert!(!ended.stderr.contains("resume with"), "{ended}");
        space.json(&["resume", &run]).expect(exit);
    }
}

#[test]
fn a_run_that_is_cancelled_while_its_program_ends_stops() {
    let space = held("idempotent");
    let (process, run) = begun(&space, &[]);
    process.signal("INT");
    heard(&process);
    space.json(&["cancel", &run]).expect(0);
    let ended = process.end().expect(1);
    assert!(ended.stdout.contains("cancelled"), "{ended}");
    assert_eq!(space.read_outside("held"), "began\n");
    space.wait_for_quiet();
}
