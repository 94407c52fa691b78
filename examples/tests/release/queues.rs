//! Runs of one pipeline that wait for each other, in several processes.

use std::fs;

use crate::support::{Process, TestSpace, wait_for};

/// A pipeline whose runs go one at a time, whose only stage waits to be let go, and which always cleans up.
fn one_at_a_time(mode: &str) -> TestSpace {
    let stages = r#"
[stages.hold]
type = "command"
program = "sh"
args = ["scripts/hold.sh", "OUTSIDE"]

[stages.tidy]
type = "command"
program = "sh"
args = ["-c", "echo tidy $PIPELINE_RUN >> OUTSIDE/log"]
after = ["hold"]
when = "always"
effect = "idempotent"
"#;
    let space = TestSpace::with_app(stages);
    let definition = fs::read_to_string(space.file()).unwrap();
    space.write(
        "pipeline.toml",
        &definition.replace(
            "name = \"shop\"\n",
            &format!("name = \"shop\"\nruns = \"{mode}\"\n"),
        ),
    );
    space.write(
        "scripts/hold.sh",
        "echo \"begin $PIPELINE_RUN\" >> \"$1/log\"\n[ -e \"$1/go\" ] || mkfifo \"$1/go\"\n\
         [ -p \"$1/go\" ] && read line < \"$1/go\"\necho \"end $PIPELINE_RUN\" >> \"$1/log\"\n",
    );
    space
}

fn start(space: &TestSpace) -> (Process, String) {
    let before = space.runs().len();
    let process = space.start(&["run", &space.file()]);
    wait_for("the run is created", || space.runs().len() > before);
    (process, space.runs()[0].clone())
}

/// Lets all of them go.
fn let_go(space: &TestSpace) {
    fs::write(space.outside().join("go"), "go\n").unwrap();
    fs::remove_file(space.outside().join("go")).unwrap();
    fs::write(space.outside().join("go"), "").unwrap();
}

fn one(run: &str) -> String {
    format!("begin {run}\nend {run}\ntidy {run}\n")
}

#[test]
fn runs_that_queue_go_one_at_a_time_in_their_order() {
    let space = one_at_a_time("queue");
    let (first, a) = start(&space);
    wait_for("the first is at work", || space.outside().join("go").exists());
    let (second, b) = start(&space);
    wait_for("the second waits", || {
        second.said_on_stdout().contains("waits for its turn")
    });
    let status = space.json(&["status", &b]).expect(0);
    assert_eq!(status.document["status"], "waiting", "{status}");
    assert_eq!(status.document["waits_for_run"], a.as_str(), "{status}");
    let all = space.json(&["status"]).expect(0);
    assert_eq!(all.document["runs"][0]["waits_for_run"], a.as_str(), "{all}");
    let why = space.release(&["why", &b]).expect(0);
    assert!(why.stdout.contains(&format!("run {a} comes first")), "{why}");
    let (third, c) = start(&space);
    // One that is cancelled while it waits is in nobody's way, and has nothing to clean up.
    space.json(&["cancel", &c]).expect(0);
    third.end().expect(1);
    let_go(&space);
    first.end().expect(0);
    second.end().expect(0);
    assert_eq!(space.read_outside("log"), one(&a) + &one(&b));
    space.assert_verifies();
}

#[test]
fn a_run_that_was_left_in_the_queue_is_woken_when_it_is_its_turn() {
    let space = one_at_a_time("queue");
    let (first, a) = start(&space);
    wait_for("the first is at work", || space.outside().join("go").exists());
    let (second, b) = start(&space);
    wait_for("the second waits", || {
        second.said_on_stdout().contains("waits for its turn")
    });
    // Nothing is at work in it: it can be left at once.
    second.signal("INT");
    second.end().expect(130);
    let tick = space.json(&["tick"]).expect(0);
    assert_eq!(tick.document["woken"].as_array().unwrap().len(), 0, "{tick}");
    let_go(&space);
    first.end().expect(0);
    let tick = space.json(&["tick"]).expect(0);
    assert_eq!(tick.document["woken"][0]["run"], b.as_str(), "{tick}");
    assert_eq!(space.read_outside("log"), one(&a) + &one(&b));
}

#[test]
fn of_the_runs_that_wait_only_the_newest_is_kept() {
    let space = one_at_a_time("supersede");
    let (first, a) = start(&space);
    wait_for("the first is at work", || space.outside().join("go").exists());
    let (second, b) = start(&space);
    wait_for("the second waits", || {
        second.said_on_stdout().contains("waits for its turn")
    });
    let (third, c) = start(&space);
    second.end().expect(1);
    let old = space.json(&["status", &b]).expect(0);
    assert_eq!(old.document["status"], "cancelled", "{old}");
    let reason = old.stage("hold")["reason"].as_str().unwrap();
    assert!(reason.contains(&format!("run {c} superseded it")), "{reason}");
    let_go(&space);
    first.end().expect(0);
    third.end().expect(0);
    assert_eq!(space.read_outside("log"), one(&a) + &one(&c));
    space.assert_verifies();
}
