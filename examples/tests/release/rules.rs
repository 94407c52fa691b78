//! How stages run: tried again, whatever happened, over a list; and what a failure does to the rest.

use crate::support::{TestSpace, text, wait_for};

/// A command that fails until it was called for the third time.
const FLAKY: &str = r#"
[stages.flaky]
type = "command"
program = "sh"
args = ["-c", "echo \"$PIPELINE_KEY\" >> OUTSIDE/calls; [ $(wc -l < OUTSIDE/calls) -ge 3 ]"]
effect = "idempotent"
"#;

#[test]
fn a_command_that_fails_twice_is_tried_a_third_time() {
    let retry = "retry = { attempts = 3, on = [\"failed\"], delay = \"0s\" }\n";
    let space = TestSpace::with_app(&[FLAKY, retry].concat());
    let done = space.release(&["run", &space.file()]).expect(0);
    assert_eq!(done.stdout.matches("; tried again at ").count(), 2, "{done}");
    let status = space.json(&["status", &space.runs()[0]]).expect(0);
    assert_eq!(status.stage("flaky")["attempts"], 3, "{status}");
    // Each definite failure is followed by a new intention.
    let calls = space.read_outside("calls");
    let mut keys: Vec<_> = calls.lines().collect();
    keys.dedup();
    assert_eq!(keys.len(), 3, "{calls}");
    space.assert_verifies();
}

#[test]
fn a_command_that_fails_too_often_fails_its_run() {
    let retry = "retry = { attempts = 2, on = [\"failed\"], delay = \"0s\" }\n";
    let space = TestSpace::with_app(&[FLAKY, retry].concat());
    let failed = space.run(1);
    assert_eq!(failed.stage("flaky")["attempts"], 2, "{failed}");
    // The policy is for failures of another kind.
    let space = TestSpace::with_app(&[FLAKY, "retry = { attempts = 3, on = [\"errored\"] }\n"].concat());
    let failed = space.run(1);
    assert_eq!(failed.stage("flaky")["attempts"], 1, "{failed}");
}

#[test]
fn a_long_wait_for_the_next_attempt_leaves_the_process_and_is_told() {
    let retry = "retry = { attempts = 3, on = [\"failed\"], delay = \"1h\", most = \"1h\", jitter = 0 }\n";
    let space = TestSpace::with_app(&[FLAKY, retry].concat());
    let waiting = space.run(3);
    assert_eq!(waiting.state("flaky"), "retrying", "{waiting}");
    let retry = &waiting.stage("flaky")["retry"];
    assert!(text(&retry["because"]).contains("exited with 1"), "{waiting}");
    assert_eq!(retry["at"], waiting.document["next_wake"], "{waiting}");
    let gate = &waiting.document["waiting"][0]["gates"][0];
    assert_eq!(gate["gate"], "retry", "{waiting}");
    assert_eq!(gate["verdict"]["earliest"], retry["at"], "{waiting}");
    let why = space.release(&["why", &waiting.run()]).expect(0);
    assert!(
        why.stdout.contains("stage `flaky` is tried again at ") && why.stdout.contains("attempt 1 failed"),
        "{why}"
    );
    // It is not time yet, whoever asks.
    let tick = space.json(&["tick"]).expect(0);
    assert_eq!(tick.document["woken"].as_array().unwrap().len(), 0, "{tick}");
    space.json(&["cancel", &waiting.run()]).expect(1);
}

/// One stage that is told how to end, one after it, and one that cleans up.
fn with_clean_up(first: &str) -> TestSpace {
    let stages = r#"
[stages.work]
type = "command"
program = "sh"
args = ["scripts/work.sh", "OUTSIDE"]
effect = "idempotent"

[stages.after]
type = "command"
program = "sh"
args = ["-c", "echo after >> OUTSIDE/log"]
after = ["work"]

[stages.tidy]
type = "command"
program = "sh"
args = ["scripts/tidy.sh", "OUTSIDE"]
after = ["work"]
when = "always"
effect = "idempotent"

[stages.tell]
type = "command"
program = "sh"
args = ["-c", "echo tell >> OUTSIDE/log"]
after = ["after"]
when = "failure"
effect = "idempotent"
"#;
    let space = TestSpace::with_app(stages);
    space.write("scripts/work.sh", first);
    space.write("scripts/tidy.sh", "echo tidy >> \"$1/log\"\n");
    space
}

fn log(space: &TestSpace) -> Vec<String> {
    let mut log: Vec<_> = space.read_outside("log").lines().map(str::to_owned).collect();
    log.sort();
    log
}

#[test]
fn the_clean_up_runs_after_a_success_and_after_a_failure() {
    let space = with_clean_up("true\n");
    let done = space.run(0);
    assert_eq!(done.state("tell"), "skipped", "{done}");
    assert_eq!(log(&space), ["after", "tidy"]);

    let space = with_clean_up("exit 1\n");
    let failed = space.run(1);
    assert_eq!(failed.state("after"), "skipped", "{failed}");
    assert_eq!(failed.state("tidy"), "succeeded", "{failed}");
    assert_eq!(failed.state("tell"), "succeeded", "{failed}");
    assert_eq!(log(&space), ["tell", "tidy"]);
}

const HOLD: &str = "mkfifo \"$1/go-$$\"\necho \"$0\" >> \"$1/held\"\nread line < \"$1/go-$$\"\n";

#[test]
fn a_cancelled_run_cleans_up_and_a_second_request_stops_that_too() {
    for twice in [false, true] {
        let space = with_clean_up(HOLD);
        if twice {
            // It does not listen.
            space.write("scripts/tidy.sh", &format!("trap '' TERM\n{HOLD}"));
        }
        let runner = space.start(&["run", &space.file()]);
        wait_for("the work waits", || !space.read_outside("held").is_empty());
        let run = space.runs()[0].clone();
        let first = space.release(&["cancel", &run, "--by", "carol"]).expect(0);
        assert!(first.stdout.contains("once more"), "{first}");
        if twice {
            wait_for("the clean-up waits", || {
                space.read_outside("held").lines().count() == 2
            });
            let status = space.json(&["status", &run]).expect(0);
            assert_eq!(status.document["cancel"]["force"], false, "{status}");
            assert_eq!(status.document["cancel"]["by"], "person:carol", "{status}");
            space.json(&["cancel", &run, "--by", "carol"]).expect(0);
        }
        runner.end().expect(1);
        let status = space.json(&["status", &run]).expect(0);
        assert_eq!(status.state("work"), "cancelled", "{status}");
        if twice {
            // How far it got is not known, so it counts as failed.
            assert_eq!(status.state("tidy"), "errored", "{status}");
            let reason = text(&status.stage("tidy")["reason"]);
            assert!(reason.contains("dropped at once"), "{reason}");
            assert_eq!(status.document["cancel"]["force"], true, "{status}");
        } else {
            assert_eq!(status.document["status"], "cancelled", "{status}");
            assert_eq!(log(&space), ["tell", "tidy"]);
        }
        space.wait_for_quiet();
        space.json(&["cancel", &run]).expect(2);
    }
}

#[test]
fn a_failure_stops_what_is_at_work_where_the_pipeline_says_so() {
    let stages = r#"
[stages.slow]
type = "command"
program = "sh"
args = ["scripts/slow.sh", "OUTSIDE"]
effect = "idempotent"

[stages.fails]
type = "command"
program = "sh"
args = ["-c", "until [ -e OUTSIDE/held ]; do :; done; exit 1"]
effect = "idempotent"
"#;
    let space = TestSpace::with_app(stages);
    let definition = std::fs::read_to_string(space.file()).unwrap();
    space.write(
        "pipeline.toml",
        &definition.replace("name = \"shop\"\n", "name = \"shop\"\non-failure = \"stop\"\n"),
    );
    space.write("scripts/slow.sh", HOLD);
    let failed = space.run(1);
    assert_eq!(failed.document["status"], "failed", "{failed}");
    assert_eq!(failed.state("slow"), "cancelled", "{failed}");
    assert!(
        text(&failed.stage("slow")["reason"]).contains("`fails`"),
        "{failed}"
    );
    space.wait_for_quiet();
}

#[test]
fn a_stage_runs_for_each_item_of_a_list() {
    let stages = r#"
[stages.test]
type = "command"
program = "sh"
args = ["-c", "echo \"$PIPELINE_ITEM\" >> OUTSIDE/items; [ \"$PIPELINE_ITEM\" != bad ]"]
each = ["eu", "us", LAST]
effect = "idempotent"

[stages.after]
type = "command"
program = "sh"
args = ["-c", "sort OUTSIDE/items"]
after = ["test"]
"#;
    let space = TestSpace::with_app(&stages.replace("LAST", "7"));
    let run = space.release(&["run", &space.file()]).expect(0);
    assert!(
        run.stdout.contains("runs 3 times: test.eu, test.us, test.7"),
        "{run}"
    );
    let status = space.json(&["status", &space.runs()[0]]).expect(0);
    assert_eq!(status.state("test"), "succeeded", "{status}");
    assert_eq!(status.stage("test.us")["item"], "us", "{status}");
    assert_eq!(status.stage("test.7")["item"], 7, "{status}");
    let output = space.json(&["output", &space.runs()[0], "after"]).expect(0);
    assert_eq!(output.document["output"], " 7\n eu\n us\n", "{output}");

    let space = TestSpace::with_app(&stages.replace("LAST", "\"bad\""));
    let failed = space.run(1);
    assert_eq!(failed.state("test.bad"), "failed", "{failed}");
    assert!(
        text(&failed.stage("test")["reason"]).contains("`test.bad`"),
        "{failed}"
    );
    assert_eq!(failed.state("after"), "skipped", "{failed}");
}

#[test]
fn a_command_finds_the_list_that_a_later_stage_runs_over() {
    let stages = r#"
[stages.find]
type = "command"
program = "sh"
args = ["-c", 'echo "::fact regions:=$LIST"']
env = { LIST = 'WHAT' }
effect = "idempotent"

[stages.test]
type = "command"
program = "sh"
args = ["-c", "echo \"$PIPELINE_ITEM\" >> OUTSIDE/items"]
each = { stage = "find", fact = "regions", most = 3 }
effect = "idempotent"
"#;
    let space = TestSpace::with_app(&stages.replace("WHAT", r#"["eu", {"zone": 2}]"#));
    let run = space.run(0);
    assert_eq!(run.stage("test.eu")["item"], "eu", "{run}");
    assert_eq!(run.stage("test.item-2")["item"]["zone"], 2, "{run}");
    let mut items: Vec<_> = space.read_outside("items").lines().map(str::to_owned).collect();
    items.sort();
    assert_eq!(items, ["eu", "{\"zone\":2}"]);

    let space = TestSpace::with_app(&stages.replace("WHAT", "[1, 2, 3, 4]"));
    let many = space.run(1);
    assert!(text(&many.stage("test")["reason"]).contains("4 items"), "{many}");

    // What is no JSON is no fact, and told.
    let space = TestSpace::with_app(&stages.replace("WHAT", "[eu"));
    let none = space.run(1);
    assert!(
        text(&none.stage("test")["reason"]).contains("no fact `regions`"),
        "{none}"
    );
}
