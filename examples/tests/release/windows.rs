//! Waiting for a time: a window that is open, one that is not, and a `tick` when the time has come.

use jiff::tz::TimeZone;
use pipeline_core::{Clock, SignedDuration, SystemClock, Timestamp};

use crate::support::{PACKAGE, TestSpace, deployment, text, wait_for};

fn gated(gate: &str) -> TestSpace {
    let production = deployment("production", "package").replace(
        "after = [\"package\"]\n",
        &format!("after = [\"package\"]\ngates = [{gate}]\n"),
    );
    TestSpace::with_app(&[PACKAGE, &production].concat())
}

/// The hour and minute so many hours from now, in UTC.
fn clock(hours: i64) -> String {
    let at = SystemClock.now() + SignedDuration::from_hours(hours);
    at.to_zoned(TimeZone::UTC).strftime("%H:%M").to_string()
}

fn window(from: i64, until: i64) -> TestSpace {
    let (from, until) = (clock(from), clock(until));
    gated(&format!(
        r#"{{ type = "window", from = "{from}", until = "{until}", time-zone = "UTC" }}"#
    ))
}

#[test]
fn an_open_window_holds_nobody() {
    let space = window(-2, 2);
    let done = space.run(0);
    assert_eq!(done.state("deploy-production"), "succeeded", "{done}");
}

#[test]
fn a_closed_window_tells_when_it_opens() {
    let space = window(2, 4);
    let waiting = space.run(3);
    let run = waiting.run();
    let verdict = &waiting.document["waiting"][0]["gates"][0]["verdict"];
    let earliest: Timestamp = text(&verdict["earliest"]).parse().unwrap();
    let wait = earliest.duration_since(SystemClock.now());
    assert!(
        wait > SignedDuration::from_mins(110) && wait < SignedDuration::from_mins(121),
        "{waiting}"
    );
    assert_eq!(
        text(&waiting.document["next_wake"]).parse::<Timestamp>().unwrap(),
        earliest
    );
    let told = space.release(&["why", &run]).expect(0);
    assert!(told.stdout.contains("can change at"), "{told}");

    // Its time has not come.
    let tick = space.json(&["tick"]).expect(0);
    assert_eq!(tick.document["woken"].as_array().unwrap().len(), 0, "{tick}");
    space.json(&["resume", &run]).expect(3);
    assert_eq!(space.current("production"), None);
}

#[test]
fn tick_wakes_a_run_whose_time_has_come() {
    // However slow the machine is, one of these begins after the run waits.
    for seconds in [2, 10, 40] {
        let start = SystemClock.now() + SignedDuration::from_secs(seconds);
        let space = gated(&format!(
            r#"{{ type = "change", change-type = "standard", window-start = "{start}" }}"#
        ));
        let waiting = space.json(&["run", &space.file()]);
        if waiting.exit == 0 {
            continue;
        }
        let run = waiting.expect(3).run();
        let mut woken = None;
        wait_for("the tick wakes the run", || {
            let tick = space.json(&["tick"]);
            let found = tick.document["woken"].as_array().unwrap().first().cloned();
            let early = SystemClock.now() < start;
            assert!(found.is_none() || !early, "it was woken before {start}: {tick}");
            woken = found;
            woken.is_some()
        });
        let woken = woken.unwrap();
        assert_eq!(woken["run"], run.as_str());
        assert_eq!(woken["status"], "succeeded", "{woken:#}");
        assert!(SystemClock.now() >= start);
        assert_eq!(space.live("production", "app/VERSION"), "1.0.0\n");
        let change = space.json(&["change", &run]).expect(0);
        assert_eq!(
            change.document["changes"][0]["closure"]["code"], "successful",
            "{change}"
        );
        return;
    }
    panic!("the machine is too slow to wait");
}

#[test]
fn tick_takes_up_a_run_that_was_killed() {
    let space = TestSpace::with_app(
        &[
            "\n[stages.hold]\ntype = \"command\"\nprogram = \"sh\"\nargs = [\"scripts/hold.sh\", \"OUTSIDE\"]\neffect = \"idempotent\"\n",
            PACKAGE,
        ]
        .concat(),
    );
    // The first call waits, the next one does not.
    space.write(
        "scripts/hold.sh",
        "[ -e \"$1/go\" ] && exit 0\nmkfifo \"$1/go\"\nread line < \"$1/go\"\n",
    );
    let mut runner = space.start(&["run", &space.file()]);
    wait_for("the stage waits", || space.outside().join("go").exists());
    // While somebody drives it, it is left alone.
    let tick = space.json(&["tick"]).expect(0);
    assert_eq!(tick.document["woken"].as_array().unwrap().len(), 0, "{tick}");
    runner.kill();
    std::fs::write(space.outside().join("go"), "go\n").unwrap();
    let tick = space.json(&["tick"]).expect(0);
    assert_eq!(tick.document["woken"][0]["status"], "succeeded", "{tick}");
    let tick = space.json(&["tick"]).expect(0);
    assert_eq!(tick.document["woken"].as_array().unwrap().len(), 0, "{tick}");
}
