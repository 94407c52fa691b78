//! A version that its smoke test refuses: the environment goes back, and everything that tells of it agrees.

use crate::support::{PACKAGE, TestSpace, deployment, text};

fn pipeline() -> TestSpace {
    let production = deployment("production", "package").replace(
        "after = [\"package\"]\n",
        "after = [\"package\"]\ngates = [{ type = \"change\", change-type = \"standard\" }]\n",
    );
    TestSpace::with_app(&[PACKAGE, &production].concat())
}

#[test]
fn a_bad_version_is_rolled_back_and_told_everywhere() {
    let space = pipeline();
    let first = space.run(0);
    let good = space.current("production").unwrap();

    space.write("app/VERSION", "2.0.0\n");
    space.write("app/health", "bad\n");
    let second = space.run(1);
    assert_eq!(second.state("deploy-production"), "succeeded", "{second}");
    assert_eq!(second.state("verify-production"), "failed", "{second}");
    let reason = text(&second.stage("verify-production")["reason"]);
    assert!(
        reason.contains("rolled back from shop 2.0.0 to shop 1.0.0"),
        "{reason}"
    );

    // In the world.
    assert_eq!(space.current("production").unwrap(), good);
    assert_eq!(space.live("production", "app/VERSION"), "1.0.0\n");
    assert_eq!(
        space.live("production", "config/greeting"),
        "hello from production\n"
    );

    // In the status.
    let status = space.json(&["status"]).expect(0);
    let live = &status.document["environments"]["production"]["live"];
    assert_eq!(live["release"]["version"], "1.0.0", "{status}");
    assert_eq!(live["rolled_back"], true, "{status}");
    assert_eq!(live["verified"], true, "{status}");
    assert_eq!(
        status.document["environments"]["production"]["lock"],
        serde_json::Value::Null
    );
    let statuses: Vec<_> = status.document["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| text(&run["status"]))
        .collect();
    assert_eq!(statuses, ["failed", "succeeded"]);
    let told = space.release(&["status"]).expect(0);
    assert!(told.stdout.contains("rolled back"), "{told}");

    // In the metrics: one of two changes failed, and it was recovered from.
    let metrics = space.json(&["metrics"]).expect(0);
    let measures = &metrics.document["report"]["parts"][0]["measures"];
    let failed = &measures["change_fail_rate"];
    assert_eq!(
        (&failed["part"], &failed["whole"]),
        (&1.into(), &2.into()),
        "{metrics}"
    );
    let recovery = measures["recovery_time"]["median_ms"].as_f64();
    assert!(
        recovery.is_some_and(|time| (0.0..60_000.0).contains(&time)),
        "{metrics}"
    );
    assert_eq!(
        metrics.document["report"]["parts"][0]["counted"][3], 1,
        "{metrics}"
    );

    // In the change records.
    for (run, code) in [(first.run(), "successful"), (second.run(), "unsuccessful")] {
        let change = space.json(&["change", &run]).expect(0);
        let changes = change.document["changes"].as_array().unwrap();
        assert_eq!(changes.len(), 1, "{change}");
        assert_eq!(changes[0]["state"], "closed", "{change}");
        assert_eq!(changes[0]["closure"]["code"], code, "{change}");
    }
    space.assert_verifies();
    space.assert_exclusive();
}

#[test]
fn the_next_version_goes_on_from_the_good_one() {
    let space = pipeline();
    space.run(0);
    space.write("app/VERSION", "2.0.0\n");
    space.write("app/health", "bad\n");
    space.run(1);
    // The same bad version again fails again.
    let again = space.run(1);
    assert_eq!(again.state("package"), "reused", "{again}");
    assert_eq!(space.live("production", "app/VERSION"), "1.0.0\n");

    space.write("app/VERSION", "2.0.1\n");
    space.write("app/health", "good\n");
    let fixed = space.json(&["run", &space.file(), "--rework"]).expect(0);
    assert_eq!(fixed.state("verify-production"), "succeeded", "{fixed}");
    assert_eq!(space.live("production", "app/VERSION"), "2.0.1\n");
    let metrics = space.json(&["metrics"]).expect(0);
    let rework = &metrics.document["report"]["parts"][0]["measures"]["rework_rate"];
    assert_eq!(
        (&rework["part"], &rework["whole"]),
        (&1.into(), &4.into()),
        "{metrics}"
    );
}

#[test]
fn a_first_version_that_is_bad_stays_and_is_not_called_verified() {
    let space = pipeline();
    space.write("app/health", "bad\n");
    let failed = space.run(1);
    let reason = text(&failed.stage("verify-production")["reason"]);
    assert!(reason.contains("nothing was verified here before"), "{reason}");
    let status = space.json(&["status"]).expect(0);
    let production = &status.document["environments"]["production"];
    assert_eq!(production["live"]["verified"], false, "{status}");
    assert_eq!(production["verified"], serde_json::Value::Null, "{status}");
    let change = space.json(&["change", &failed.run()]).expect(0);
    assert_eq!(
        change.document["changes"][0]["closure"]["code"], "unsuccessful",
        "{change}"
    );
}
