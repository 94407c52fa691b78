//! Runs on a disk that fails: a commit that is half written when the process dies, and a disk that is full.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use pipeline_core::testing::{Fault, FaultyJournal};
use pipeline_core::{AppendError, Effect, Journal, RunError, verify_files};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::faults::{WHOLE, alone, placed};
use crate::faults_model::{check_end, forecast};
use crate::faults_world::{Part, World, process};
use crate::journal::{bytes, file, open};
use crate::journal_files::{last_commit, starts};

fn reopen(directory: &Path) -> Arc<dyn Journal> {
    Arc::new(open(directory).0)
}

/// Where the last commit may be torn: one place of each kind. Nothing of it, a piece of its first line, that line
/// without its end, that line, a piece of its last line, all but the last byte, all.
fn tears(bytes: &[u8]) -> Vec<usize> {
    let (start, _) = last_commit(bytes);
    let (last, end) = (*starts(bytes).last().unwrap(), bytes.len());
    let first = start + bytes[start..].iter().position(|byte| *byte == b'\n').unwrap();
    let mut all = vec![start, start + 1, first, first + 1, last + 9, end - 1, end];
    all.sort_unstable();
    all.dedup();
    all
}

async fn torn(parts: &[Part], number: u64, tear: usize) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let journal = reopen(directory.path());
    let world = World::new(Arc::clone(&journal));
    let dying = Arc::new(FaultyJournal::new(journal).at(number, Fault::Written));
    match process(&world, parts, dying).await {
        Ok(_) => return false,
        Err(error) => assert!(matches!(error, RunError::Append { .. }), "{error:?}"),
    }
    let written = bytes(directory.path());
    let tears = tears(&written);
    let Some(&at) = tears.get(tear) else { return true };
    fs::write(file(directory.path()), &written[..at]).unwrap();
    let case = format!("append {number} torn at byte {at} of {}", written.len());
    let (journal, report) = open(directory.path());
    let whole = at == written.len() || at == tears[0];
    assert_eq!(report.cut.is_none(), whole, "{case}: {report:?}");
    let journal: Arc<dyn Journal> = Arc::new(journal);
    let world = world.over(Arc::clone(&journal));
    let (predicted, calls) = (forecast(&world, parts).await, world.calls().len());
    let state = process(&world, parts, journal).await.unwrap();
    predicted.check(&world, calls, &state, &case);
    check_end(&world, parts, &state, &case).await;
    let report = verify_files(directory.path(), None);
    assert!(report.is_clean(), "{case}: {report}");
    true
}

#[tokio::test(start_paused = true)]
async fn a_run_goes_on_after_a_commit_torn_anywhere() {
    for parts in [alone(Effect::Inspectable), placed(Effect::AtMostOnce)] {
        let mut appends = 0;
        'all: for number in 1.. {
            for tear in 0..7 {
                if !torn(&parts, number, tear).await {
                    break 'all;
                }
            }
            appends = number;
        }
        assert!(appends > 6, "{appends} appends");
    }
}

/// Not a test of its own: its files may not grow beyond a limit, which is the whole process's.
#[tokio::test(start_paused = true)]
#[ignore = "run by `a_full_disk_stops_a_run_and_room_lets_it_go_on`"]
async fn full_disk_child() {
    let limit = |maximum| Rlimit {
        current: maximum,
        maximum: None,
    };
    let mut refusals = 0;
    for size in (0..).map(|step| 200 + 900 * step) {
        let directory = tempfile::tempdir().unwrap();
        let journal = reopen(directory.path());
        let world = World::new(Arc::clone(&journal));
        setrlimit(Resource::Fsize, limit(Some(size))).unwrap();
        let result = process(&world, WHOLE, Arc::clone(&journal)).await;
        setrlimit(Resource::Fsize, limit(None)).unwrap();
        world.idle();
        match result {
            Err(RunError::Append {
                source: AppendError::Io { .. },
                ..
            }) => refusals += 1,
            Ok(_) => break,
            Err(error) => panic!("{size}: {error:?}"),
        }
        // The very same handle goes on: nothing is left of what had no room.
        let case = format!("no room beyond byte {size}");
        let (predicted, calls) = (forecast(&world, WHOLE).await, world.calls().len());
        let state = process(&world, WHOLE, journal).await.unwrap();
        predicted.check(&world, calls, &state, &case);
        check_end(&world, WHOLE, &state, &case).await;
        let report = verify_files(directory.path(), None);
        assert!(report.is_clean(), "{case}: {report}");
    }
    assert!(refusals > 10, "{refusals} refusals");
}

#[test]
fn a_full_disk_stops_a_run_and_room_lets_it_go_on() {
    // A process that grows a file beyond the limit is killed unless it ignores the signal.
    let output = Command::new("sh")
        .args(["-c", r#"trap '' XFSZ; exec "$0" "$@""#])
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "faults_files::full_disk_child"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
