//! `--json`: one document on standard output, whatever the command, and everything else on standard error.

use serde_json::Value;

use crate::support::{PACKAGE, TestSpace, deployment};

/// Prints much, on both streams.
const LOUD: &str = r#"
[stages.loud]
type = "command"
program = "sh"
args = ["-c", "echo '{\"not\": \"the document\"}'; echo 'to stderr' >&2; echo '::fact size=3'"]
effect = "pure"
"#;

#[test]
fn every_command_prints_one_document_that_names_it() {
    let production = deployment("production", "package").replace(
        "after = [\"package\"]\n",
        "after = [\"package\"]\ngates = [{ type = \"change\", authorisers = [\"dave\"] }]\n",
    );
    let space = TestSpace::with_app(&[LOUD, PACKAGE, &production].concat());
    let file = space.file();
    // `json` itself checks that there is one document, and that it tells the exit code.
    space.json(&["plan", &file]).expect(0);
    let waiting = space.json(&["run", &file]).expect(3);
    assert!(
        waiting.stderr.contains("not\": \"the document"),
        "what a stage says is on standard error: {waiting}"
    );
    assert!(waiting.stderr.contains("begins"), "{waiting}");
    let run = waiting.run();
    let steps: [(&[&str], i32); 16] = [
        (&["status"], 0),
        (&["status", &run], 0),
        (&["why", &run], 0),
        (&["resume", &run], 3),
        (&["tick"], 0),
        (&["approve", &run, "--by", "dave"], 0),
        (&["resume", &run], 0),
        (&["output", &run, "loud"], 0),
        (&["graph"], 0),
        (&["graph", &run, "--format", "mermaid"], 0),
        (&["verify"], 0),
        (&["checkpoint"], 0),
        (&["change", &run], 0),
        (&["metrics"], 0),
        (&["metrics", "--weekly-csv"], 0),
        (&["cancel", &run], 2),
    ];
    for (args, exit) in steps {
        let said = space.json(args).expect(exit);
        assert_eq!(said.document["command"], args[0], "{said}");
        assert_eq!(said.document["format"], 1, "{said}");
        assert_eq!(said.document.get("error").is_some(), exit == 2, "{said}");
    }
    let output = space.json(&["output", &run, "loud"]).expect(0);
    let said = output.document["output"].as_str().unwrap();
    assert!(
        said.contains("to stderr") && said.contains("the document"),
        "{output}"
    );
}

#[test]
fn a_failing_stage_is_exit_code_1_and_its_dependents_tell_why_they_were_skipped() {
    let stages = r#"
[stages.fail]
type = "command"
program = "sh"
args = ["-c", "echo reason >&2; exit 7"]

[stages.after]
type = "command"
program = "true"
after = ["fail"]
"#;
    let space = TestSpace::with_app(stages);
    let failed = space.run(1);
    assert_eq!(failed.document["status"], "failed", "{failed}");
    assert!(
        failed.stage("fail")["reason"]
            .as_str()
            .unwrap()
            .contains("exited with 7"),
        "{failed}"
    );
    assert_eq!(failed.state("after"), "skipped", "{failed}");
    assert!(
        failed.stage("after")["reason"]
            .as_str()
            .unwrap()
            .contains("`fail`"),
        "{failed}"
    );
    // It ended: resuming says the same and does nothing.
    let again = space.json(&["resume", &failed.run()]).expect(1);
    assert_eq!(again.stage("fail")["attempts"], 1, "{again}");
    space.release(&["run", &space.file()]).expect(1);
}

#[test]
fn a_program_that_is_not_there_is_exit_code_1_and_named() {
    let space = TestSpace::with_app("\n[stages.gone]\ntype = \"command\"\nprogram = \"no-such-program\"\n");
    let failed = space.run(1);
    assert!(
        failed.stage("gone")["reason"]
            .as_str()
            .unwrap()
            .contains("no-such-program"),
        "{failed}"
    );
}

#[test]
fn a_command_that_takes_too_long_is_exit_code_1_and_leaves_nothing_running() {
    let space = TestSpace::with_app(
        "\n[stages.slow]\ntype = \"command\"\nprogram = \"sh\"\nargs = [\"scripts/slow.sh\", \"OUTSIDE\"]\neffect = \"idempotent\"\ntimeout = \"1s\"\n",
    );
    space.write("scripts/slow.sh", "mkfifo \"$1/go\"\nread line < \"$1/go\"\n");
    let failed = space.run(1);
    assert!(
        failed.stage("slow")["reason"]
            .as_str()
            .unwrap()
            .contains("took longer than 1 s"),
        "{failed}"
    );
    space.wait_for_quiet();
}

#[test]
fn a_wrong_command_line_is_exit_code_2_with_a_document() {
    let space = TestSpace::new();
    for args in [
        &["no-such-command"][..],
        &["run"],
        &["approve", "x"],
        &["decide", "x", "y", "--by", "z"],
    ] {
        let plain = space.release(args).expect(2);
        assert!(
            plain.stdout.is_empty() && plain.stderr.contains("Usage"),
            "{plain}"
        );
        let refused = space.json(args).expect(2);
        assert!(!refused.error().is_empty(), "{refused}");
        assert_eq!(refused.document["command"], Value::Null, "{refused}");
    }
    let help = space.release(&["--help"]).expect(0);
    assert!(
        help.stdout.contains(
            "Exit codes: 0 succeeded, 1 failed, 2 bad input, 3 waiting, 4 needs a decision; 130 or 143"
        ),
        "{help}"
    );
}
