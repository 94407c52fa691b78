//! The synthetic year of `fixtures/dora/synthetic`, whose numbers two databases agree on.

use std::fs::{self, File};
use std::path::Path;

use pipeline_metrics::{Delivery, Facts, LogReader, LogSummary, Metric, Options, Reason, Scope, weekly_csv};
use serde_json::Value;

use crate::fixture::folder;

pub(crate) fn year(folder: &Path, threads: usize) -> Facts {
    let log = File::open(folder.join("events.jsonl")).unwrap();
    let mut facts = Facts::new();
    let reader = LogReader::new("events.jsonl").strict().threads(threads);
    let read = reader.read(log, &mut facts).unwrap();
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
    let Some(folder) = folder("synthetic") else { return };
    let expected = fs::read_to_string(folder.join("expected_weekly.csv")).unwrap();
    assert_eq!(expected.lines().count(), 1 + 272);
    for threads in [1, 2] {
        let facts = year(&folder, threads);
        let computed = weekly_csv(&Delivery::of(&facts, &Options::default()).unwrap());
        for (number, (computed, expected)) in computed.lines().zip(expected.lines()).enumerate() {
            assert_eq!(computed, expected, "line {}", number + 1);
        }
        assert_eq!(computed, expected);
    }
}

#[test]
fn the_year_over_all_services_is_as_expected() {
    let Some(folder) = folder("synthetic") else { return };
    let facts = year(&folder, 1);
    let expected = fs::read(folder.join("expected_overall.json")).unwrap();
    let expected: Value = serde_json::from_slice(&expected).unwrap();
    let expected = |name: &str| expected[name].as_f64().unwrap();
    let delivery = Delivery::of(&facts, &Options::default()).unwrap();
    assert_eq!(delivery.components().len(), 10);
    let overall = delivery
        .select(&Scope::Overall, delivery.everything().unwrap())
        .measures();

    let frequency = overall.deployment_frequency.unwrap();
    assert_eq!(frequency.deployments as f64, expected("deployments"));
    assert_eq!(frequency.days as f64, expected("deploy_days"));
    // The file has the shares rounded to 6 digits, and the mean to 5.
    let rounded = |number: f64, digits: i32| {
        let scale = 10_f64.powi(digits);
        (number * scale).round() / scale
    };
    let failed = overall.change_fail_rate.unwrap();
    assert_eq!(failed.part() as f64, expected("failed"));
    assert_eq!(rounded(failed.value(), 6), expected("cfr"));
    assert_eq!(
        rounded(overall.rework_rate.unwrap().value(), 6),
        expected("rework")
    );
    assert_eq!(overall.changes as f64, expected("changes"));
    assert_eq!(overall.skewed_changes as f64, expected("skewed"));
    let lead_time = overall.lead_time.unwrap();
    assert_eq!(lead_time.ms, expected("lt_median"));
    assert_eq!(rounded(lead_time.mean_ms, 5), expected("lt_mean"));
    assert_eq!(overall.incidents as f64, expected("incidents"));
    assert_eq!(overall.open_incidents as f64, expected("open_incidents"));
    assert_eq!(overall.recovery_time.unwrap().ms, expected("fdrt_median"));
}

#[test]
fn every_fact_of_the_year_is_counted_or_left_out() {
    let Some(folder) = folder("synthetic") else { return };
    let facts = year(&folder, 1);
    let delivery = Delivery::of(&facts, &Options::default()).unwrap();
    // From before the first change, so that every incident and change lies within.
    let window = pipeline_metrics::Window::new(
        "2024-01-01T00:00:00Z".parse().unwrap(),
        "2027-01-01T00:00:00Z".parse().unwrap(),
    );
    let overall = delivery.select(&Scope::Overall, window.unwrap());
    let frequency = overall.explain(Metric::DeploymentFrequency);
    assert_eq!(frequency.counted.len() + frequency.left_out.len(), 1_000);
    let recovery = overall.explain(Metric::RecoveryTime);
    assert_eq!(recovery.counted.len() + recovery.left_out.len(), 100);
    let lead_time = overall.explain(Metric::LeadTime);
    let unknown = lead_time.left_out_for(Reason::UnknownRevision);
    assert_eq!(
        lead_time.counted.len() + lead_time.left_out.len() - unknown,
        5_000
    );
}
