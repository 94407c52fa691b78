//! The second run: what did not change is not done again, and what did change is.

use crate::support::TestSpace;

fn pipeline() -> TestSpace {
    let check = r#"
[stages.check]
type = "command"
program = "sh"
args = ["-c", "echo ran >> OUTSIDE/checks"]
inputs = ["app"]
effect = "pure"
"#;
    TestSpace::to_production(check)
}

#[test]
fn nothing_changed_is_reused_and_unchanged() {
    let space = pipeline();
    let first = space.run(0);
    for stage in [
        "check",
        "package",
        "deploy-staging",
        "verify-staging",
        "deploy-production",
    ] {
        assert_eq!(first.state(stage), "succeeded");
    }
    let live = space.current("production");
    let second = space.run(0);
    for stage in ["check", "package"] {
        assert_eq!(second.state(stage), "reused", "{second}");
    }
    for stage in ["deploy-staging", "deploy-production"] {
        assert_eq!(second.state(stage), "unchanged", "{second}");
    }
    assert_eq!(space.read_outside("checks"), "ran\n", "what is pure ran once");
    assert_eq!(space.current("production"), live);
    // Nothing was deployed, so nothing was delivered.
    let metrics = space.json(&["metrics"]).expect(0);
    let component = &metrics.document["report"]["parts"][0];
    assert_eq!(
        component["measures"]["deployment_frequency"]["deployments"], 1,
        "{metrics}"
    );
    space.assert_verifies();
}

#[test]
fn a_raised_version_is_built_and_deployed() {
    let space = pipeline();
    space.run(0);
    space.write("app/VERSION", "1.1.0\n");
    space.write("app/news.txt", "news\n");
    let second = space.run(0);
    for stage in ["check", "package", "deploy-staging", "deploy-production"] {
        assert_eq!(second.state(stage), "succeeded", "{second}");
    }
    for environment in ["staging", "production"] {
        assert_eq!(space.live(environment, "app/VERSION"), "1.1.0\n");
        assert_eq!(space.live(environment, "app/news.txt"), "news\n");
    }
    assert_eq!(space.read_outside("checks"), "ran\nran\n");
    space.assert_verifies();
}

#[test]
fn other_bytes_under_a_taken_version_fail_with_advice() {
    let space = pipeline();
    space.run(0);
    space.write("app/news.txt", "news\n");
    let second = space.run(1);
    assert_eq!(second.state("package"), "failed", "{second}");
    let reason = second.stage("package")["reason"].as_str().unwrap();
    assert!(reason.contains("1.0.0") && reason.contains("version"), "{reason}");
    assert!(reason.contains("raise"), "no advice: {reason}");
    assert_eq!(second.state("deploy-staging"), "skipped");
    assert_eq!(space.live("staging", "app/VERSION"), "1.0.0\n");
    space.assert_verifies();
}

#[test]
fn a_changed_configuration_deploys_the_same_artifact() {
    let space = pipeline();
    let first = space.run(0);
    space.write("config/production.toml", "name = \"the world\"\n");
    let second = space.run(0);
    assert_eq!(second.state("package"), "reused", "{second}");
    assert_eq!(
        second.stage("package")["artifacts"],
        first.stage("package")["artifacts"]
    );
    assert_eq!(second.state("deploy-staging"), "unchanged", "{second}");
    assert_eq!(second.state("deploy-production"), "succeeded", "{second}");
    assert_eq!(
        space.live("production", "config/greeting"),
        "hello from the world\n"
    );
    assert_eq!(space.live("staging", "config/greeting"), "hello from staging\n");
}

#[test]
fn what_somebody_changed_by_hand_is_repaired() {
    let space = pipeline();
    space.run(0);
    let drifted = space.environment("staging").join("current/app/health");
    std::fs::write(&drifted, "by hand\n").unwrap();
    let second = space.run(0);
    assert_eq!(second.state("deploy-staging"), "succeeded", "{second}");
    assert_eq!(second.state("deploy-production"), "unchanged", "{second}");
    assert_eq!(space.live("staging", "app/health"), "good\n");
}
