//! The metrics of a delivery log that two databases agree on.

use std::fs;

use crate::support::{TestSpace, fixtures};

#[test]
fn the_weeks_of_the_synthetic_year_are_as_expected_byte_for_byte() {
    let Some(folder) = fixtures() else { return };
    let folder = folder.join("dora/synthetic");
    let log = folder.join("events.jsonl").display().to_string();
    let expected = fs::read_to_string(folder.join("expected_weekly.csv")).unwrap();
    let space = TestSpace::new();
    let csv = space
        .release(&["metrics", &log, "--strict", "--weekly-csv"])
        .expect(0);
    let differs = csv
        .stdout
        .lines()
        .zip(expected.lines())
        .find(|(found, expected)| found != expected);
    assert_eq!(differs, None);
    assert!(csv.stdout == expected, "the lines are equal, the bytes are not");
    let said = space.json(&["metrics", &log, "--weekly-csv"]).expect(0);
    assert_eq!(said.document["weekly_csv"].as_str(), Some(&*expected));
    space.json(&["metrics", &log]).expect(0);
    assert!(!space.store().exists(), "a log needs no store");
}

#[test]
fn a_bad_line_is_left_out_and_told_or_stops_when_asked() {
    let space = TestSpace::new();
    space.write("log.jsonl", "{\"nonsense\": true}\nnot json\n");
    let log = space.source().join("log.jsonl").display().to_string();
    space.json(&["metrics", &log]).expect(0);
    let refused = space.json(&["metrics", &log, "--strict"]).expect(2);
    assert!(refused.error().contains("log.jsonl"), "{refused}");
    let refused = space.json(&["metrics", "/nowhere/log.jsonl"]).expect(2);
    assert!(refused.error().contains("/nowhere/log.jsonl"), "{refused}");
}
