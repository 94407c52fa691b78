//! The synthetic year of `fixtures/dora/synthetic`, whose numbers two databases agree on.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::PathBuf;

use pipeline_metrics::{Delivery, Facts, LogReader, LogSummary, Reason, ReportOptions, weekly_csv};
use serde_json::Value;

/// The folder with a fixture of `dora`; `None` where it is absent.
#[expect(
    clippy::disallowed_methods,
    reason = "where the fixtures are depends on the machine"
)]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn fixture(name: &str) -> Option<PathBuf> {
    let fixtures = match std::env::var_os("PIPELINE_FIXTURES") {
        Some(fixtures) => PathBuf::from(fixtures),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"),
    };
    let folder = fixtures.join("dora").join(name);
    if !folder.is_dir() {
        eprintln!("SKIPPED: there is no {}; set PIPELINE_FIXTURES", folder.display());
        return None;
    }
    Some(folder)
}

fn year(folder: &std::path::Path) -> Facts {
    let log = BufReader::new(File::open(folder.join("events.jsonl")).unwrap());
    let mut facts = Facts::new();
    let read = LogReader::new("events.jsonl")
        .strict()
        .read(log, &mut facts)
        .unwrap();
    // 5,000 changes, 1,000 deployments, 100 incidents opened, 94 of them over.
    let expected = LogSummary {
        facts: 6_194,
        bad_lines: 0,
    };
    assert_eq!(read, expected);
    facts
}

#[test]
fn every_week_of_every_service_is_as_expected() {
    let Some(folder) = fixture("synthetic") else {
        return;
    };
    let facts = year(&folder);
    let expected = fs::read_to_string(folder.join("expected_weekly.csv")).unwrap();
    let computed = weekly_csv(&Delivery::of(&facts));
    assert_eq!(expected.lines().count(), 1 + 272);
    for (number, (computed, expected)) in computed.lines().zip(expected.lines()).enumerate() {
        assert_eq!(computed, expected, "line {}", number + 1);
    }
    assert_eq!(computed, expected);
}

#[test]
fn the_year_over_all_services_is_as_expected() {
    let Some(folder) = fixture("synthetic") else {
        return;
    };
    let facts = year(&folder);
    let expected = fs::read(folder.join("expected_overall.json")).unwrap();
    let expected: Value = serde_json::from_slice(&expected).unwrap();
    let expected = |name: &str| expected[name].as_f64().unwrap();
    let options = ReportOptions::new(facts.weeks().unwrap()).with_overall();
    let report = Delivery::of(&facts).report(&options);
    assert_eq!(report.components.len(), 10);
    let overall = report.overall.unwrap();

    let frequency = overall.deployment_frequency.value.unwrap();
    assert_eq!(frequency.deployments as f64, expected("deployments"));
    assert_eq!(frequency.days as f64, expected("deploy_days"));
    // The file has the shares rounded to 6 digits, and the mean to 5.
    let rounded = |number: f64, digits: i32| {
        let scale = 10_f64.powi(digits);
        (number * scale).round() / scale
    };
    let failed = overall.change_fail_rate.value.unwrap();
    assert_eq!(failed.part() as f64, expected("failed"));
    assert_eq!(rounded(failed.value(), 6), expected("cfr"));
    let rework = overall.rework_rate.value.unwrap();
    assert_eq!(rounded(rework.value(), 6), expected("rework"));
    let lead_time = &overall.lead_time;
    assert_eq!(lead_time.counted.len() as f64, expected("changes"));
    assert_eq!(lead_time.left_out_for(&Reason::Skewed) as f64, expected("skewed"));
    assert_eq!(lead_time.value.unwrap().median_ms, expected("lt_median"));
    assert_eq!(rounded(lead_time.value.unwrap().mean_ms, 5), expected("lt_mean"));
    let recovery = &overall.recovery_time;
    let open = recovery.left_out_for(&Reason::Open);
    assert_eq!(open as f64, expected("open_incidents"));
    assert_eq!((recovery.counted.len() + open) as f64, expected("incidents"));
    assert_eq!(recovery.value.unwrap().median_ms, expected("fdrt_median"));
}

#[test]
fn every_fact_of_the_year_is_counted_or_left_out() {
    let Some(folder) = fixture("synthetic") else {
        return;
    };
    let facts = year(&folder);
    let report = Delivery::of(&facts).report(&ReportOptions::new(facts.weeks().unwrap()));
    let (mut deployments, mut incidents) = (0, 0);
    for each in &report.components {
        let frequency = &each.measures.deployment_frequency;
        deployments += frequency.counted.len() + frequency.left_out.len();
        let recovery = &each.measures.recovery_time;
        incidents += recovery.counted.len() + recovery.left_out.len();
    }
    assert_eq!((deployments, incidents), (1_000, 100));
}
