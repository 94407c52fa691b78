//! `rerun`: an ended run begins again, and what succeeded is kept.

use std::fs;

use crate::support::{PACKAGE, TestSpace, deployment};

fn shop() -> TestSpace {
    let first = r#"
[stages.first]
type = "command"
program = "sh"
args = ["-c", "echo first >> OUTSIDE/log"]

[stages.second]
type = "command"
program = "sh"
args = ["-c", "echo second >> OUTSIDE/log; [ -e OUTSIDE/fixed ]"]
after = ["first", "verify-staging"]
"#;
    TestSpace::with_app(&[first, PACKAGE, &deployment("staging", "package")].concat())
}

#[test]
fn what_succeeded_is_kept_and_the_rest_runs() {
    let space = shop();
    let failed = space.run(1).run();
    // What the directory holds by now does not matter: the store kept the source.
    space.write("app/VERSION", "9.0.0\n");
    let again = space.json(&["rerun", &failed, "--by", "carol"]).expect(1);
    assert_eq!(again.document["again"], failed.as_str(), "{again}");
    assert_eq!(again.document["requested_by"], "person:carol", "{again}");
    for stage in ["first", "package", "deploy-staging", "verify-staging"] {
        assert_eq!(again.state(stage), "reused", "{again}");
        assert_eq!(again.stage(stage)["attempts"], 0, "{again}");
    }
    assert_eq!(space.read_outside("log"), "first\nsecond\nsecond\n");

    // Again and again.
    fs::write(space.outside().join("fixed"), "").unwrap();
    let told = space.release(&["rerun", &again.run()]).expect(0);
    assert!(
        told.stdout.contains(&format!("run {} again", again.run())),
        "{told}"
    );
    assert_eq!(space.read_outside("log"), "first\nsecond\nsecond\nsecond\n");
    assert_eq!(space.live("staging", "app/VERSION"), "1.0.0\n");

    // Its sources are gone, and there is nothing left to do.
    assert_eq!(fs::read_dir(space.store().join("runs")).unwrap().count(), 0);
    let refused = space.json(&["rerun", &space.runs()[0]]).expect(2);
    assert!(refused.error().contains("--source"), "{refused}");
    space.write("app/VERSION", "1.0.0\n");
    let source = space.source().display().to_string();
    let refused = space
        .json(&["rerun", &space.runs()[0], "--source", &source])
        .expect(2);
    assert!(
        refused.error().contains("everything in it succeeded"),
        "{refused}"
    );
    assert_eq!(fs::read_dir(space.store().join("runs")).unwrap().count(), 0);
    space.assert_verifies();
    space.assert_exclusive();
}

#[test]
fn another_source_is_refused() {
    let space = shop();
    let failed = space.run(1).run();
    space.write("app/VERSION", "9.0.0\n");
    let source = space.source().display().to_string();
    let refused = space.json(&["rerun", &failed, "--source", &source]).expect(2);
    assert!(refused.error().contains("is not the source of run"), "{refused}");
    // A stage that changed the source of its run cannot be begun again from what is left.
    space.write("app/VERSION", "1.0.0\n");
    let kept = space
        .store()
        .join("runs")
        .join(&failed)
        .join("source/app/VERSION");
    fs::write(&kept, "2.0.0\n").unwrap();
    let refused = space.json(&["rerun", &failed]).expect(2);
    assert!(refused.error().contains("changed its source"), "{refused}");
    fs::write(space.outside().join("fixed"), "").unwrap();
    space.json(&["rerun", &failed, "--source", &source]).expect(0);
    space.assert_verifies();
}

#[test]
fn a_run_that_goes_on_does_not_begin_again() {
    let production = deployment("production", "package").replace(
        "after = [\"package\"]\n",
        "after = [\"package\"]\ngates = [{ type = \"change\", authorisers = [\"dave\"] }]\n",
    );
    let space = TestSpace::with_app(&[PACKAGE, &production].concat());
    let run = space.run(3).run();
    let refused = space.json(&["rerun", &run]).expect(2);
    assert!(refused.error().contains("it has not ended"), "{refused}");
    space.json(&["rerun", "20260101-000000-abcdef"]).expect(2);
}
