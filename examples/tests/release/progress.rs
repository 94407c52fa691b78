//! How far stages are, where there is no terminal: lines now and then.

#[path = "../../release/pace.rs"]
mod pace;

use pace::Pace;
use pipeline_core::{RunId, SignedDuration, StageName, Timestamp};

use crate::support::TestSpace;

#[test]
fn a_stage_that_knows_its_whole_is_told_of_in_tenths() {
    let space = TestSpace::with_app(crate::support::PACKAGE);
    for number in 10..50 {
        space.write(&format!("app/file-{number}"), &"a".repeat(1000));
    }
    let ran = space.release(&["run", &space.file()]).expect(0);
    let told: Vec<_> = ran
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("  … package"))
        .map(str::trim)
        .collect();
    assert!(!ran.stdout.contains('\x1b'), "{ran}");
    assert_eq!(told.len(), 9, "{ran}");
    for (tenth, line) in (1..).zip(&told) {
        let (percent, file) = line.split_once(" %: ").unwrap();
        assert_eq!(percent.parse::<u32>().unwrap() / 10, tenth, "{ran}");
        assert!(file.starts_with("file-"), "{ran}");
    }
    let json = space.json(&["run", &space.file()]).expect(0);
    assert!(!json.stderr.contains('\x1b'), "{json}");
}

#[test]
fn lines_are_few_whatever_a_stage_tells() {
    let run = RunId::new("r").unwrap();
    let [a, b] = ["a", "b"].map(|name| StageName::new(name).unwrap());
    let start: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let at = |milliseconds| start + SignedDuration::from_millis(milliseconds);
    let mut pace = Pace::default();
    let mut line =
        |stage, done, total, milliseconds| pace.line((&run, stage), (done, total), "it", at(milliseconds));

    // Tenths, each once; a stage that begins another part begins at the first tenth again.
    assert_eq!(line(&a, 0, Some(1000), 0), None);
    assert_eq!(line(&a, 99, Some(1000), 0), None);
    assert_eq!(line(&a, 100, Some(1000), 0).unwrap(), "10 %: it");
    assert_eq!(line(&a, 199, Some(1000), 60_000), None);
    assert_eq!(line(&a, 999, Some(1000), 60_000).unwrap(), "99 %: it");
    assert_eq!(line(&a, 5, Some(1000), 60_000), None);
    assert_eq!(line(&a, u64::MAX, Some(1000), 60_000).unwrap(), "100 %: it");

    // Seconds, where the whole is not known; one stage does not silence another.
    assert_eq!(line(&b, 1, None, 0).unwrap(), "1: it");
    assert_eq!(line(&b, 2, None, 999), None);
    assert_eq!(line(&b, 3, Some(0), 1000).unwrap(), "3: it");
    assert_eq!(line(&b, 4, None, 1999), None);
    pace.forget(&run, &b);
    assert_eq!(pace.line((&run, &b), (1, None), "it", at(2000)).unwrap(), "1: it");
}
