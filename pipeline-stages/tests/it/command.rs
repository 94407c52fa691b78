use std::fs;

use pipeline_core::testing::{MemoryArtifacts, TestCall};
use pipeline_core::{
    AnyStage, Effect, Failure, Inspection, NoSource, Outcome, OutcomeStatus, Reads, Stage, StageContext,
};
use pipeline_stages::{Command, DEFAULT_PATH, ProgramError};
use serde_json::json;
use std::sync::Arc;

use crate::support::{
    PLANTED, chain, configuration, context, context_in, environment, fence, services_in, settings,
};

fn sh(script: &str) -> Command {
    Command::new("sh").args(["-c", script])
}

async fn run(command: &Command, cx: &StageContext) -> Outcome {
    command.run(cx).await.unwrap()
}

#[tokio::test]
async fn the_environment_is_empty_but_for_what_is_listed() {
    let store = MemoryArtifacts::new();
    let app = store.add("my-app", "1.0.0", &[("a", b"a", false)]);
    let root = tempfile::tempdir().unwrap();
    let target = Arc::new(environment(root.path()));
    let cx = TestCall::new("stage")
        .artifact(app.clone())
        .environment(target, configuration(json!({})), Some(fence(3, 1)))
        .context(services_in(Arc::new(NoSource), &store));
    let command: Command = settings(json!({
        "program": "/usr/bin/env", "env": {"GIVEN": "1"}, "inherit": ["CARGO_PKG_NAME", "NO_SUCH_VARIABLE"],
        "secrets": {"TOKEN": "test:planted"},
    }));
    assert!(run(&command, &cx).await.is_success());
    let output = cx.output_log().to_string();
    let mut lines: Vec<_> = output.lines().map(str::trim_start).collect();
    lines.sort_unstable();
    let location = format!("PIPELINE_LOCATION={}/current", root.path().display());
    assert_eq!(
        lines,
        [
            "CARGO_PKG_NAME=pipeline-stages",
            "GIVEN=1",
            &format!("PATH={DEFAULT_PATH}"),
            &format!("PIPELINE_ARTIFACT_MY_APP={}", app.digest),
            "PIPELINE_ATTEMPT=1",
            "PIPELINE_COMPONENT=test",
            "PIPELINE_ENVIRONMENT=staging",
            "PIPELINE_FENCE=3.1",
            "PIPELINE_KEY=test/stage/1",
            &location,
            "PIPELINE_RUN=test",
            "PIPELINE_STAGE=stage",
            &format!("PIPELINE_WORKER={}", std::process::id()),
            "TOKEN=***",
        ]
    );
}

#[tokio::test]
async fn exit_codes_decide() {
    let outcome = run(&sh("exit 3"), &context()).await;
    assert_eq!(outcome.status, OutcomeStatus::Failed);
    assert_eq!(outcome.reason, "`sh` exited with 3");
    assert!(
        run(&sh("exit 3").success_codes([0, 3]), &context())
            .await
            .is_success()
    );
    let outcome = run(&sh("kill -9 $$"), &context()).await;
    assert_eq!(outcome.reason, "`sh` was killed by signal 9 (SIGKILL)");
}

#[tokio::test]
async fn lines_of_a_form_are_facts() {
    let cx = context();
    let script = "echo ::fact tests=12; echo ::fact Bad=1; echo ::fact nothing; echo ::fact tests=13; \
                  echo ::fact token=$TOKEN; echo ::fact other=1 >&2; printf '::fact last=%s' x";
    let command = sh(script).secret("TOKEN".parse().unwrap(), "test:planted".parse().unwrap());
    let facts = serde_json::to_value(run(&command, &cx).await.facts).unwrap();
    assert_eq!(facts, json!({"tests": "13", "token": "***", "last": "x"}));
    let output = cx.output_log().to_string();
    let warnings: Vec<_> = output.lines().filter(|line| line.starts_with('#')).collect();
    insta::assert_snapshot!(warnings.join("\n"), @r#"
    #warning: the line before is no fact: fact `Bad` is not a name: it must start with a lower-case letter or a digit
    #warning: the line before is no fact: expected `::fact name=text` or `::fact name:=json`
    "#);
}

#[tokio::test]
async fn output_is_lossy_bounded_and_masked() {
    let cx = context();
    // An endless line with the secret in it again and again, so that some piece ends inside one.
    let script = r#"printf 'a\377b\n'; i=0; while [ $i -lt 4000 ]; do printf "x$TOKEN"; i=$((i+1)); done
                    echo; echo "$TOKEN" >&2; printf 'no newline'"#;
    let command = sh(script).secret("TOKEN".parse().unwrap(), "test:planted".parse().unwrap());
    assert!(run(&command, &cx).await.is_success());
    let output = cx.output_log().to_string();
    assert!(
        output.contains(" a\u{fffd}b\n") && output.contains("!***\n") && output.contains(" no newline\n")
    );
    for part in [PLANTED, "hunter2", "planted"] {
        assert!(!output.contains(part), "{part} was shown");
    }
    assert!(output.lines().all(|line| line.len() < 9_000));
    assert_eq!(output.matches("***").count(), 4_001);
}

#[tokio::test]
async fn a_flood_of_output_stays_bounded() {
    let cx = context();
    let command = sh("head -c 5000000 /dev/zero | tr '\\0' 'x'; echo; yes | head -n 500000");
    assert!(run(&command, &cx).await.is_success());
    assert!(cx.output_log().to_string().len() < 300 * 1024);
}

#[tokio::test]
async fn programs_are_found_where_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let sub = directory.path().join("sub");
    fs::create_dir(&sub).unwrap();
    fs::copy("/bin/sh", sub.join("mine")).unwrap();
    let cx = context_in(directory.path());
    let command = Command::new("./mine")
        .args(["-c", "pwd"])
        .directory("sub".parse().unwrap());
    assert!(run(&command, &cx).await.is_success());
    assert!(cx.output_log().to_string().ends_with("/sub\n"));
    let path = sub.to_str().unwrap();
    let command = Command::new("mine")
        .args(["-c", ":"])
        .env("PATH".parse().unwrap(), path);
    assert!(run(&command, &cx).await.is_success());
}

#[tokio::test]
async fn errors_say_what_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("plain"), "").unwrap();
    let cx = context_in(directory.path());
    let mut told = Vec::new();
    let nowhere = || "nowhere".parse().unwrap();
    for (command, cx) in [
        (Command::new("no-such-program"), &cx),
        (Command::new("./plain"), &cx),
        (sh(":").directory(nowhere()), &cx),
        (sh(":").directory("plain".parse().unwrap()), &cx),
        (sh(":").directory(nowhere()), &context()),
        (
            sh(":").secret("TOKEN".parse().unwrap(), "test:none".parse().unwrap()),
            &cx,
        ),
        (sh("a\0b"), &cx),
    ] {
        let error = command.run(cx).await.unwrap_err();
        assert_eq!(command.failure(&error), Failure::Errored);
        told.push(chain(&error).replace(directory.path().to_str().unwrap(), "DIR"));
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    program `no-such-program` is not found in `/usr/local/bin:/usr/bin:/bin`
    program `./plain` is not found in `DIR/./plain`
    program `sh` cannot run in `DIR/nowhere`: No such file or directory (os error 2)
    program `sh` cannot run in `DIR/plain`: not a directory
    program `sh` cannot run in `nowhere`: this worker has no source for the run
    program `sh` cannot be given `TOKEN`: secret `test:none` cannot be had: nobody knows it
    program `sh` cannot be started: nul byte found in provided data
    "#);
}

#[tokio::test]
async fn settings_are_checked() {
    let mut told = Vec::new();
    for value in [
        json!({"program": "a", "argz": []}),
        json!({"program": "a", "effect": "inspectable"}),
        json!({"program": "a", "inspect": {"program": "b"}}),
        json!({"program": "a", "success-codes": []}),
        json!({"program": "a", "env": {"PIPELINE_RUN": "x"}}),
        json!({"program": "a", "env": {"A=B": "x"}}),
        json!({"program": "a", "directory": "../up"}),
        json!({"program": "a", "secrets": {"A": "plain"}}),
    ] {
        told.push(serde_json::from_value::<Command>(value).unwrap_err().to_string());
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    unknown field `argz`, expected one of `program`, `args`, `directory`, `env`, `inherit`, `secrets`, `effect`, `inspect`, `inputs`, `success-codes`, `grace-seconds`
    `effect = "inspectable"` needs a program under `inspect` that finds out
    `inspect` is asked only with `effect = "inspectable"`
    `success-codes` is empty: nothing would be a success
    `PIPELINE_RUN` cannot name an environment variable: names that begin with `PIPELINE_` belong to the engine
    `A=B` cannot name an environment variable: `=`, white space and control characters are not allowed
    `../up` is not a path below the source's root: expected a relative path with `/` and without `..`
    `plain` is not a secret reference: expected `scheme:name`, such as `env:DEPLOY_TOKEN`
    "#);
    let command = sh(":").idempotent().inputs([]);
    let again: Command = settings(serde_json::to_value(&command).unwrap());
    assert_eq!(again, command);
    assert_eq!(command.reads(), Reads::Nothing);
    assert_eq!(sh(":").reads(), Reads::Source(vec![".".parse().unwrap()]));
    assert_eq!(sh(":").effect(), Effect::AtMostOnce);
}

#[tokio::test]
async fn an_inspecting_program_tells_what_happened() {
    let inspecting = |script: &str| {
        let command: Command = settings(json!({
            "program": "false", "effect": "inspectable", "inspect": {"program": "sh", "args": ["-c", script]},
        }));
        AnyStage::new(command)
    };
    let cx = context();
    match inspecting("echo ::fact id=7").inspect(&cx).await.unwrap() {
        Inspection::Happened(outcome) => assert!(outcome.is_success() && outcome.facts["id"] == "7"),
        other => panic!("{other:?}"),
    }
    let inspection = inspecting("exit 1").inspect(&cx).await.unwrap();
    assert_eq!(inspection, Inspection::DidNotHappen);
    let inspection = inspecting("exit 2").inspect(&cx).await.unwrap();
    assert!(matches!(inspection, Inspection::Unknown { reason } if reason.contains("exited with 2")));
    let inspection = AnyStage::new(sh(":")).inspect(&cx).await.unwrap();
    assert!(matches!(inspection, Inspection::Unknown { .. }));
}

#[tokio::test]
async fn nothing_is_started_once_it_was_asked_to_stop() {
    let cx = context();
    cx.cancellation().cancel("a newer run");
    let error = sh("echo started").run(&cx).await.unwrap_err();
    assert!(matches!(error, ProgramError::NotStarted { .. }));
    assert_eq!(sh("").failure(&error), Failure::Errored);
    assert!(cx.output_log().is_empty());
}
