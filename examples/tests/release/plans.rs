//! `plan` tells what `run` will do: its verbs, and the digests of its action plans.

use std::collections::BTreeMap;

use crate::support::{Said, TestSpace, text};

fn pipeline() -> TestSpace {
    let check = r#"
[stages.check]
type = "command"
program = "sh"
args = ["-c", "test -s app/VERSION"]
inputs = ["app"]
effect = "pure"
"#;
    TestSpace::to_production(check)
}

fn verbs(plan: &Said) -> Vec<(String, String)> {
    let stages = plan.document["stages"].as_array().unwrap().iter();
    stages
        .map(|stage| (text(&stage["stage"]), text(&stage["verb"])))
        .collect()
}

/// The digests of the action plans, by stage.
fn digests(plan: &Said) -> BTreeMap<String, String> {
    let stages = plan.document["stages"].as_array().unwrap().iter();
    stages
        .filter(|stage| stage.get("action_plan").is_some())
        .map(|stage| (text(&stage["stage"]), text(&stage["action_plan"]["digest"])))
        .collect()
}

/// Those that the newest run recorded.
fn recorded(space: &TestSpace) -> BTreeMap<String, String> {
    let stream = format!("run/{}", space.runs()[0]);
    let events = space.events().into_iter();
    events
        .filter(|event| event["event"]["stream"] == *stream && event["event"]["kind"] == "run.action-planned")
        .map(|event| (text(&event["data"]["stage"]), text(&event["data"]["digest"])))
        .collect()
}

fn expected(verbs: [&str; 6]) -> Vec<(String, String)> {
    let stages = [
        "check",
        "package",
        "deploy-staging",
        "verify-staging",
        "deploy-production",
        "verify-production",
    ];
    stages
        .into_iter()
        .zip(verbs)
        .map(|(stage, verb)| (stage.to_owned(), verb.to_owned()))
        .collect()
}

#[test]
fn before_the_first_run_everything_would_run() {
    let space = pipeline();
    let plan = space.json(&["plan", &space.file()]).expect(0);
    assert_eq!(verbs(&plan), expected(["run"; 6]));
    assert_eq!(
        digests(&plan),
        BTreeMap::new(),
        "nothing is packed yet, so nothing can be planned"
    );
    // Looking makes no store.
    assert!(!space.journal().exists());
    assert_eq!(space.current("staging"), None);
    assert_eq!(space.run(0).document["stages"].as_array().unwrap().len(), 6);
}

#[test]
fn after_a_run_nothing_would_change_and_the_next_run_records_the_same_plans() {
    let space = pipeline();
    space.run(0);
    let plan = space.json(&["plan", &space.file()]).expect(0);
    let verbs_after = ["reuse", "reuse", "unchanged", "run", "unchanged", "run"];
    assert_eq!(verbs(&plan), expected(verbs_after), "{plan}");
    let planned = digests(&plan);
    assert_eq!(planned.len(), 2, "{plan}");
    assert_eq!(
        space
            .events()
            .iter()
            .filter(|event| event["event"]["kind"] == "run.created")
            .count(),
        1
    );
    let run = space.run(0);
    assert_eq!(recorded(&space), planned);
    for (stage, digest) in &planned {
        assert_eq!(text(&run.stage(stage)["action_plan"]), *digest);
    }
}

#[test]
fn a_changed_configuration_is_planned_as_it_is_then_done() {
    let space = pipeline();
    space.run(0);
    space.write("config/production.toml", "name = \"the world\"\n");
    let plan = space.json(&["plan", &space.file()]).expect(0);
    let after = ["reuse", "reuse", "unchanged", "run", "run", "run"];
    assert_eq!(verbs(&plan), expected(after), "{plan}");
    let planned = digests(&plan);
    // The plan has no clock and no run in it.
    assert_eq!(digests(&space.json(&["plan", &space.file()]).expect(0)), planned);
    space.run(0);
    assert_eq!(recorded(&space), planned);
    let told = space.release(&["plan", &space.file()]).expect(0);
    assert!(
        told.stdout.contains("unchanged") && told.stdout.contains("action plan sha256:"),
        "{told}"
    );
}

#[test]
fn a_changed_version_would_be_built_first() {
    let space = pipeline();
    space.run(0);
    space.write("app/VERSION", "1.1.0\n");
    let plan = space.json(&["plan", &space.file()]).expect(0);
    assert_eq!(verbs(&plan), expected(["run"; 6]), "{plan}");
    assert_eq!(digests(&plan).len(), 0, "{plan}");
}

#[test]
fn what_cannot_be_prepared_is_exit_code_1() {
    let space = pipeline();
    space.run(0);
    std::fs::remove_file(space.source().join("config/production.toml")).unwrap();
    let plan = space.json(&["plan", &space.file()]).expect(1);
    let verb = verbs(&plan)
        .into_iter()
        .find(|(stage, _)| stage == "deploy-production");
    assert_eq!(verb.unwrap().1, "fail", "{plan}");
}
