//! Two processes on one store.

use std::fs;

use crate::support::{PACKAGE, TestSpace, deployment, long, wait_for};

#[test]
fn two_runs_at_the_same_time_take_turns_in_an_environment() {
    for _ in 0..if long() { 30 } else { 4 } {
        let stages = [
            PACKAGE.to_owned(),
            deployment("staging", "package"),
            deployment("production", "verify-staging"),
        ];
        let space = TestSpace::with_app(&stages.concat());
        // Slow enough that the runs meet.
        space.write(
            "scripts/smoke.sh",
            "i=0; while [ $i -lt 5000 ]; do i=$((i + 1)); done; grep -qx good \"$PIPELINE_LOCATION/app/health\"\n",
        );
        let file = space.file();
        let both = [space.start(&["run", &file]), space.start(&["run", &file])];
        for process in both {
            process.end().expect(0);
        }
        let runs = space.runs();
        assert_eq!(runs.len(), 2);
        space.assert_exclusive();
        space.assert_verifies();
        for name in ["staging", "production"] {
            // One of them deployed, the other found it live.
            let stream = format!("environment/{name}");
            let unchanged: Vec<_> = space
                .events()
                .iter()
                .filter(|event| {
                    event["event"]["stream"] == *stream && event["event"]["kind"] == "environment.deployed"
                })
                .map(|event| event["data"]["unchanged"].as_bool().unwrap())
                .collect();
            assert_eq!(unchanged, [false, true], "{stream}");
        }
    }
}

#[test]
fn two_versions_at_the_same_time_do_not_mix() {
    let stages = [PACKAGE.to_owned(), deployment("production", "package")];
    let space = TestSpace::with_app(&stages.concat());
    let file = space.file();
    space.run(0);
    space.write("app/VERSION", "2.0.0\n");
    let second = space.start(&["run", &file]);
    // The source of the second is aside when its run is in the journal.
    wait_for("the second run is created", || space.runs().len() == 2);
    space.write("app/VERSION", "3.0.0\n");
    let third = space.start(&["run", &file]);
    let (second, third) = (second.end(), third.end().expect(0));
    if second.exit != 0 {
        // The newer one was faster: the older one may not replace it, and does not mix them.
        assert!(second.stdout.contains("newer-deployment"), "{second}{third}");
        assert_eq!(space.live("production", "app/VERSION"), "3.0.0\n");
    }
    space.assert_exclusive();
    space.assert_verifies();
    let status = space.json(&["status"]).expect(0);
    let live = &status.document["environments"]["production"]["live"]["release"]["version"];
    assert_eq!(
        format!("{}\n", live.as_str().unwrap()),
        space.live("production", "app/VERSION"),
        "{status}"
    );
}

#[test]
fn a_run_that_is_driven_is_not_driven_twice() {
    let stages =
        "\n[stages.hold]\ntype = \"command\"\nprogram = \"sh\"\nargs = [\"scripts/hold.sh\", \"OUTSIDE\"]\n";
    let space = TestSpace::with_app(stages);
    space.write(
        "scripts/hold.sh",
        "echo once >> \"$1/held\"\nmkfifo \"$1/go\"\nread line < \"$1/go\"\n",
    );
    let runner = space.start(&["run", &space.file()]);
    wait_for("the stage waits", || space.outside().join("go").exists());
    let run = space.runs()[0].clone();
    let refused = space.json(&["resume", &run]).expect(2);
    assert!(
        refused.error().contains("is driven by another process"),
        "{refused}"
    );
    let status = space.json(&["status", &run]).expect(0);
    assert_eq!(status.document["status"], "running", "{status}");
    assert_eq!(status.document["interrupted"], false, "{status}");
    // It is not disturbed by being looked at, and verified, and asked for.
    space.assert_verifies();
    space.json(&["why", &run]).expect(0);
    fs::write(space.outside().join("go"), "go\n").unwrap();
    runner.end().expect(0);
    assert_eq!(space.read_outside("held"), "once\n");
    space.assert_verifies();
}

#[test]
fn an_environment_in_use_by_a_killed_run_is_named_and_given_back() {
    let hold =
        deployment("staging", "package").replace("scripts/smoke.sh\"]", "scripts/hold.sh\", \"OUTSIDE\"]");
    let space = TestSpace::with_app(&[PACKAGE.to_owned(), hold].concat());
    space.write(
        "scripts/hold.sh",
        "[ -e \"$1/go\" ] && exit 0\nmkfifo \"$1/go\"\nread line < \"$1/go\"\n",
    );
    let mut runner = space.start(&["run", &space.file()]);
    wait_for("the verification waits", || space.outside().join("go").exists());
    runner.kill();
    fs::write(space.outside().join("go"), "go\n").unwrap();
    let run = space.runs()[0].clone();
    let status = space.json(&["status"]).expect(0);
    let lock = &status.document["environments"]["staging"]["lock"];
    assert_eq!(lock["run"], run.as_str(), "{status}");
    space.json(&["resume", &run]).expect(0);
    let status = space.json(&["status"]).expect(0);
    assert_eq!(
        status.document["environments"]["staging"]["lock"],
        serde_json::Value::Null,
        "{status}"
    );
    space.assert_exclusive();
}
