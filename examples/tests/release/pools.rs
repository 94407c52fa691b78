//! Pools: what there is only so much of, across processes.

use std::fs;

use crate::support::{TestSpace, long, text, wait_for};

const POOL: &str = "\n[pools]\nrig = 1\n";

#[test]
fn two_processes_never_use_the_same_slot() {
    // Each command takes a lock of its own, and says so when it was not free.
    let stages = r#"
[stages.test]
type = "command"
program = "sh"
args = ["scripts/use.sh", "OUTSIDE"]
each = [1, 2, 3]
effect = "idempotent"
pools = ["rig"]
"#;
    for _ in 0..if long() { 20 } else { 2 } {
        let space = TestSpace::with_app(&[stages, POOL].concat());
        space.write(
            "scripts/use.sh",
            "mkdir \"$1/taken\" || { echo clash >> \"$1/log\"; exit 1; }\n\
             i=0; while [ $i -lt 5000 ]; do i=$((i + 1)); done\n\
             rmdir \"$1/taken\"; echo used >> \"$1/log\"\n",
        );
        let file = space.file();
        let both = [space.start(&["run", &file]), space.start(&["run", &file])];
        for process in both {
            process.end().expect(0);
        }
        assert_eq!(space.read_outside("log"), "used\n".repeat(6));
        space.assert_verifies();
    }
}

#[test]
fn a_full_pool_is_named_with_who_has_its_slots() {
    let stages = r#"
[stages.test]
type = "command"
program = "sh"
args = ["scripts/hold.sh", "OUTSIDE"]
pools = ["rig"]
"#;
    let space = TestSpace::with_app(&[stages, POOL].concat());
    space.write(
        "scripts/hold.sh",
        "[ -e \"$1/go\" ] && exit 0\nmkfifo \"$1/go\"\nread line < \"$1/go\"\n",
    );
    let first = space.start(&["run", &space.file()]);
    wait_for("the first has the slot", || space.outside().join("go").exists());
    let holder = space.runs()[0].clone();
    let second = space.start(&["run", &space.file()]);
    wait_for("the second waits", || {
        second.said_on_stdout().contains("pool `rig` is full")
    });
    let run = space.runs()[0].clone();
    assert_ne!(run, holder);
    assert!(second.said_on_stdout().contains(&holder));

    let status = space.json(&["status", &run]).expect(0);
    assert_eq!(status.document["status"], "waiting", "{status}");
    assert_eq!(status.document["pools"]["rig"]["capacity"], 1, "{status}");
    assert_eq!(
        status.document["pools"]["rig"]["slots"][0]["run"],
        holder.as_str(),
        "{status}"
    );
    let gate = &status.document["waiting"][0]["gates"][0];
    assert_eq!(gate["gate"], "pool", "{status}");
    assert!(text(&gate["verdict"]["reason"]).contains(&holder), "{status}");
    let why = space.release(&["why", &run]).expect(0);
    assert!(
        why.stdout
            .contains("stage `test` waits: pool `rig` is full (1 of 1): stage `test` of run"),
        "{why}"
    );
    fs::write(space.outside().join("go"), "go\n").unwrap();
    first.end().expect(0);
    second.end().expect(0);
}
