//! `kill -9` at any moment, then `resume`: the run finishes, and nothing that must not happen twice did.

use std::fs;

use crate::support::{PACKAGE, TestSpace, deployment, files_below, long, names_in, text};

/// One stage of each effect, and two environments.
fn everything() -> TestSpace {
    let first = r#"
[stages.check]
type = "command"
program = "sh"
args = ["-c", "grep -q . app/VERSION && echo '::fact checked=yes'", "OUTSIDE"]
inputs = ["app"]
effect = "pure"

[stages.mirror]
type = "command"
program = "sh"
args = ["scripts/mirror.sh", "OUTSIDE"]
effect = "idempotent"

[stages.announce]
type = "command"
program = "sh"
args = ["scripts/once.sh", "OUTSIDE", "announce"]
after = ["check", "mirror", "package"]
"#;
    let last = r#"
[stages.close]
type = "command"
program = "sh"
args = ["scripts/once.sh", "OUTSIDE", "close"]
after = ["verify-production"]
"#;
    let space = TestSpace::with_app(
        &[
            first,
            PACKAGE,
            &deployment("staging", "announce"),
            &deployment("production", "verify-staging"),
            last,
        ]
        .concat(),
    );
    // Some work before and after the effect, so that a kill may come on either side of it.
    let work = "i=0; while [ $i -lt 3000 ]; do i=$((i + 1)); done\n";
    space.write(
        "scripts/once.sh",
        &format!("{work}echo \"$2 $PIPELINE_KEY\" >> \"$1/once\"\n{work}"),
    );
    space.write(
        "scripts/mirror.sh",
        "echo \"$PIPELINE_KEY\" >> \"$1/mirrored\"; cp app/VERSION \"$1/mirror\"\n",
    );
    space
}

/// What an undisturbed run leaves behind.
struct Undisturbed {
    journal: u64,
    staging: String,
    production: String,
}

fn undisturbed() -> Undisturbed {
    let space = everything();
    space.run(0);
    let live = |name| space.current(name).unwrap().display().to_string();
    Undisturbed {
        journal: space.journal_length(),
        staging: live("staging"),
        production: live("production"),
    }
}

/// Lets a command begin and kills it when the journal has grown to some length, or a little later; whether it was
/// killed before it ended.
fn kill_at(space: &TestSpace, args: &[&str], length: u64, later: u32) -> bool {
    let mut process = space.start(args);
    let mut left = later;
    // It ends by itself at the latest.
    while !process.has_ended() {
        if space.journal_length() >= length {
            if left == 0 {
                process.kill();
                return true;
            }
            left -= 1;
        }
        std::thread::yield_now();
    }
    process.end();
    false
}

/// Which moments were hit.
#[derive(Debug, Default)]
struct Hits {
    killed: u32,
    before_the_run: u32,
    unknown: u32,
    happened: u32,
    repeated: u32,
}

/// Kills a run, and its resumptions some times, and brings it to its end.
fn crash(point: u64, points: u64, expected: &Undisturbed, hits: &mut Hits) {
    let space = everything();
    let file = space.file();
    let length = expected.journal * point / points;
    // Some kills come right after a commit, some while the effect goes on that it announced.
    let later = (point as u32 % 4) * 150;
    hits.killed += u32::from(kill_at(&space, &["run", &file], length, later));
    space.wait_for_quiet();

    let run = match space.runs().as_slice() {
        [run] => run.clone(),
        [] => {
            hits.before_the_run += 1;
            let started = space.release(&["run", &file]);
            assert!([0, 4].contains(&started.exit), "{started}");
            space.runs()[0].clone()
        }
        several => panic!("one run became {several:?}"),
    };
    // Every third run is killed again, and again.
    if point.is_multiple_of(3) {
        for again in 1..=3 {
            let length = space.journal_length() + expected.journal / 12;
            let killed = kill_at(&space, &["resume", &run], length, again * 40);
            hits.killed += u32::from(killed);
            space.wait_for_quiet();
        }
    }
    let mut decisions = 0;
    loop {
        let resumed = space.json(&["resume", &run]);
        match resumed.exit {
            0 => break,
            4 => {
                decisions += 1;
                assert!(decisions <= 2, "asked too often: {resumed}");
                decide(&space, &run, hits);
            }
            _ => panic!("killed at {length} bytes: {resumed}"),
        }
    }
    assert_finished(&space, &run, expected, hits);
}

/// A person looks at the world, and says what is true.
fn decide(space: &TestSpace, run: &str, hits: &mut Hits) {
    space.wait_for_quiet();
    let why = space.json(&["why", run]).expect(0);
    let waiting = why.document["waiting"].as_array().unwrap();
    assert_eq!(waiting.len(), 1, "{why}");
    let stage = text(&waiting[0]["stage"]);
    assert!(
        ["announce", "close"].contains(&stage.as_str()),
        "only what must not happen twice: {why}"
    );
    let happened = space
        .read_outside("once")
        .lines()
        .any(|line| line.starts_with(&stage));
    hits.unknown += 1;
    hits.happened += u32::from(happened);
    let answer = if happened {
        "--happened"
    } else {
        "--did-not-happen"
    };
    space
        .json(&["decide", run, &stage, answer, "--by", "eve"])
        .expect(0);
}

fn assert_finished(space: &TestSpace, run: &str, expected: &Undisturbed, hits: &mut Hits) {
    let status = space.json(&["status", run]).expect(0);
    assert_eq!(status.document["status"], "succeeded", "{status}");
    space.json(&["status"]).expect(0);
    space.assert_verifies();
    space.assert_exclusive();

    let once = space.read_outside("once");
    let words: Vec<_> = once.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(words, ["announce", "close"], "each must have happened once");
    let mirrored = space.read_outside("mirrored");
    let mut keys: Vec<_> = mirrored.lines().collect();
    hits.repeated += keys.len() as u32 - 1;
    keys.dedup();
    assert_eq!(keys.len(), 1, "a repeated call must keep its key");
    assert_eq!(space.read_outside("mirror"), "1.0.0\n");

    for (name, expected) in [
        ("staging", &expected.staging),
        ("production", &expected.production),
    ] {
        assert_eq!(space.current(name).unwrap().display().to_string(), *expected);
        assert_eq!(
            space.live(name, "config/greeting"),
            format!("hello from {name}\n")
        );
        let releases = names_in(&space.environment(name).join("releases"));
        assert_eq!(releases.len(), 1, "{name} has leftovers: {releases:?}");
    }
    let sources: Vec<_> = names_in(&space.store().join("runs"));
    assert!(
        !sources.contains(&run.to_owned()),
        "the source of an ended run is left over"
    );
}

#[test]
fn a_run_that_is_killed_at_any_moment_finishes_and_nothing_happens_twice() {
    let expected = undisturbed();
    let points = if long() { 200 } else { 30 };
    let mut hits = Hits::default();
    // On a busy machine a run may end before the kill comes. Without enough kills, and one that hit an effect which
    // must not happen twice, the test proves nothing: so it goes on until it has them.
    let enough = |hits: &Hits| u64::from(hits.killed) >= points / 3 && hits.unknown > 0;
    let mut tried = 0;
    while tried < points || !enough(&hits) {
        assert!(tried < points * 8, "too few kills hit a run: {hits:?}");
        crash(tried % points, points, &expected, &mut hits);
        tried += 1;
    }
    eprintln!("{tried} runs: {hits:?}");
}

#[test]
fn what_killed_programs_leave_is_in_nobodys_way_and_goes_with_the_next_run() {
    let space = everything();
    let file = space.file();
    // Before the run is in the journal, while its source is copied aside, and while it packs and deploys.
    for (length, later) in [(0, 10), (0, 200), (0, 600), (1, 0), (9_000, 0)] {
        kill_at(&space, &["run", &file], length, later);
        space.wait_for_quiet();
    }
    for run in space.runs() {
        let resumed = space.json(&["resume", &run]);
        if resumed.exit == 4 {
            space.json(&["cancel", &run]);
            let stage = text(&space.json(&["why", &run]).document["waiting"][0]["stage"]);
            space
                .json(&["decide", &run, &stage, "--happened", "--by", "eve"])
                .expect(0);
            space.json(&["resume", &run]).expect(1);
        }
    }
    space.run(0);
    space.assert_verifies();
    space.assert_exclusive();
    let left = names_in(&space.store().join("artifacts/tmp"));
    assert!(left.is_empty(), "unfinished artifacts are left: {left:?}");
    for name in ["staging", "production"] {
        let hidden: Vec<_> = files_below(&space.environment(name))
            .into_iter()
            .filter(|path| path.to_string_lossy().contains(".unfinished-"))
            .collect();
        assert!(hidden.is_empty(), "{hidden:?}");
        assert!(fs::symlink_metadata(space.environment(name).join(".next-current")).is_err());
    }
}
