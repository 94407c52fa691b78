//! A planted secret is in no file that was written, whatever the programs do with it.

use std::fs;

use crate::support::{PACKAGE, TestSpace, deployment, files_below, wait_for};

const SECRET: &str = "sw0rdfish-3f9b1c77";

/// Several lines, as a key has them.
const KEY: &str = "-----BEGIN-----\nk3y-line-one-77aa\nk3y-line-two-88bb\n-----END-----";

/// Everything that a program may do with a secret on its output.
const LEAK: &str = r#"
echo "out: $TOKEN"
echo "err: $TOKEN" >&2
echo "::fact token=$TOKEN"
echo "::fact token-in-text=a${TOKEN}b"
echo "::fact $TOKEN=name"
echo "::fact bad $TOKEN"
printf '%s' "${TOKEN%????????}"; printf '%s\n' "${TOKEN#??????????}"
printf 'without end: %s' "$TOKEN" >&2
echo
echo "$KEY"
i=0; while [ $i -lt 2000 ]; do printf 'xxxx%s' "$TOKEN"; i=$((i + 1)); done; echo
"#;

fn leaking(stages: &str) -> TestSpace {
    let space = TestSpace::with_app(stages)
        .variable("PLANTED_TOKEN", SECRET)
        .variable("PLANTED_KEY", KEY);
    space.write("scripts/leak.sh", LEAK);
    space.write(
        "scripts/fail.sh",
        &format!("{LEAK}\necho \"error: $TOKEN is refused\" >&2\nexit 3\n"),
    );
    space
}

const SECRETS: &str = r#"secrets = { TOKEN = "env:PLANTED_TOKEN", KEY = "env:PLANTED_KEY" }"#;

fn command(name: &str, script: &str, after: &str) -> String {
    format!(
        "\n[stages.{name}]\ntype = \"command\"\nprogram = \"sh\"\nargs = [\"scripts/{script}\"]\n{SECRETS}\nafter = {after}\n"
    )
}

fn verification(script: &str) -> String {
    deployment("staging", "package").replace(
        r#"args = ["scripts/smoke.sh"]"#,
        &format!("args = [\"scripts/{script}\"]\n{SECRETS}"),
    )
}

/// Looks into every file of the space but the source.
fn assert_nowhere(space: &TestSpace) {
    let mut bytes = 0;
    for path in files_below(space.root()) {
        let content = fs::read(&path).unwrap();
        bytes += content.len();
        for secret in [SECRET, "k3y-line-one-77aa", "k3y-line-two-88bb"] {
            let found = content
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            let name = path.display().to_string();
            assert!(!found && !name.contains(secret), "a secret is in {name}");
        }
    }
    assert!(bytes > 10_000, "there was something to look into");
}

#[test]
fn a_secret_is_in_no_file_of_a_run_that_succeeds() {
    let stages = [
        command("leak", "leak.sh", "[]"),
        PACKAGE.to_owned(),
        verification("leak.sh"),
    ];
    let space = leaking(&stages.concat());
    // Standard output and error of the program are files of the space, too.
    let plain = space.release(&["run", &space.file()]).expect(0);
    assert!(plain.stdout.contains("out: ***"), "{plain}");
    let run = space.runs()[0].clone();
    for stage in ["leak", "verify-staging"] {
        let said = space.json(&["output", &run, stage]).expect(0);
        let output = said.document["output"].as_str().unwrap();
        for line in ["out: ***", "err: ***", "without end: ***"] {
            assert!(
                output.lines().any(|found| found.contains(line)),
                "`{line}` is not in {output}"
            );
        }
        assert!(output.contains("a***b"), "{output}");
        let status = space.json(&["status", &run]).expect(0);
        assert_eq!(status.stage(stage)["facts"]["token"], "***", "{status}");
    }
    for args in [
        &["status"][..],
        &["why", &run],
        &["change", &run],
        &["metrics"],
        &["checkpoint"],
        &["verify"],
    ] {
        space.json(args).expect(0);
        space.release(args).expect(0);
    }
    assert_nowhere(&space);
}

#[test]
fn a_secret_is_in_no_file_of_a_run_that_fails() {
    let space = leaking(&command("fail", "fail.sh", "[]"));
    let failed = space.run(1);
    assert_eq!(failed.state("fail"), "failed");
    let said = space.json(&["output", &failed.run(), "fail"]).expect(0);
    assert!(
        said.document["output"]
            .as_str()
            .unwrap()
            .contains("error: *** is refused"),
        "{said}"
    );
    assert_nowhere(&space);
}

#[test]
fn a_secret_is_in_no_file_after_a_rollback() {
    let stages = [PACKAGE.to_owned(), verification("leak.sh")];
    let space = leaking(&stages.concat());
    space.run(0);
    space.define(&[PACKAGE.to_owned(), verification("fail.sh")].concat());
    space.write("app/VERSION", "2.0.0\n");
    space.run(1);
    assert_eq!(space.live("staging", "app/VERSION"), "1.0.0\n");
    assert_nowhere(&space);
}

#[test]
fn a_secret_is_in_no_file_of_a_run_that_was_killed() {
    let hold = "mkfifo \"$1/go\"\nread line < \"$1/go\"\n";
    let stages =
        "\n[stages.hold]\ntype = \"command\"\nprogram = \"sh\"\nargs = [\"scripts/hold.sh\", \"OUTSIDE\"]\n"
            .to_owned()
            + SECRETS
            + "\n";
    let space = leaking(&stages);
    space.write("scripts/hold.sh", &format!("{LEAK}{hold}"));
    let mut process = space.start(&["run", &space.file()]);
    wait_for("the stage waits", || space.outside().join("go").exists());
    process.kill();
    fs::write(space.outside().join("go"), "go\n").unwrap();
    space.wait_for_quiet();
    let run = space.runs()[0].clone();
    space.json(&["resume", &run]).expect(4);
    assert_nowhere(&space);
}

#[test]
fn a_secret_is_in_no_file_of_a_run_whose_effect_was_looked_for() {
    let stages = format!(
        r#"
[stages.publish]
type = "command"
program = "sh"
args = ["scripts/publish.sh", "OUTSIDE"]
effect = "inspectable"
inspect = {{ program = "sh", args = ["scripts/leak.sh"] }}
{SECRETS}
"#
    );
    let space = leaking(&stages);
    space.write("scripts/publish.sh", "mkfifo \"$1/go\"\nread line < \"$1/go\"\n");
    let mut process = space.start(&["run", &space.file()]);
    wait_for("the stage waits", || space.outside().join("go").exists());
    process.kill();
    fs::write(space.outside().join("go"), "go\n").unwrap();
    space.wait_for_quiet();
    let run = space.runs()[0].clone();
    let resumed = space.json(&["resume", &run]).expect(0);
    assert_eq!(
        resumed.stage("publish")["facts"]["token-in-text"],
        "a***b",
        "{resumed}"
    );
    assert_nowhere(&space);
}

#[test]
fn a_secret_that_is_not_there_fails_the_stage_and_names_it() {
    let space = TestSpace::with_app(&command("leak", "leak.sh", "[]"));
    space.write("scripts/leak.sh", LEAK);
    let failed = space.run(1);
    let reason = failed.stage("leak")["reason"].as_str().unwrap();
    assert!(reason.contains("env:PLANTED_"), "{failed}");
}
