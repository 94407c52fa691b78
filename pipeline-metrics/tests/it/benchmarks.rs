//! DORA's quick check, as `fixtures/dora/dora-quickcheck` has it.

use std::fs;

use pipeline_metrics::benchmark::{INDUSTRY, categorical_score, percentage_score};
use serde_json::Value;

use crate::fixture::folder as fixture;

fn read(folder: &std::path::Path, file: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.join(file)).unwrap()).unwrap()
}

/// Equal in the digits that the fixture prints.
#[track_caller]
fn same(found: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
}

#[test]
fn scores_are_as_expected() {
    let Some(folder) = fixture("dora-quickcheck") else {
        return;
    };
    let expected = read(&folder, "expected.json");
    let mut seen = Vec::new();
    for case in expected["cases"].as_array().unwrap() {
        let kind = case["type"].as_str().unwrap();
        seen.push(kind.to_owned());
        match kind {
            "categorical" => same(
                categorical_score(case["in"].as_f64().unwrap()).unwrap(),
                &case["out"],
            ),
            "percentage" => same(
                percentage_score(case["in"].as_f64().unwrap()).unwrap(),
                &case["out"],
            ),
            "industry_2025_all" => {
                let means = INDUSTRY.iter().find(|means| means.year == 2025).unwrap();
                let scores = means.scores();
                same(scores.change_fail_rate.unwrap(), &case["changefailure"]);
                same(scores.rework_rate.unwrap(), &case["rework"]);
                same(means.stability().unwrap(), &case["stability"]);
                same(scores.overall().unwrap(), &case["performance_average"]);
            }
            other => panic!("an unknown kind of case: {other}"),
        }
    }
    assert_eq!(seen.len(), 7);
}

#[test]
fn the_industry_means_are_those_of_the_files() {
    let Some(folder) = fixture("dora-quickcheck") else {
        return;
    };
    for means in INDUSTRY {
        let file = read(&folder, &format!("{}_industry_metrics.json", means.year));
        let of = |name: &str| &file["all"][name]["mean"];
        same(means.lead_time, of("leadtime"));
        same(means.deployment_frequency, of("deployfreq"));
        same(means.recovery_time, of("failurerecovery"));
        same(means.change_failure, of("changefailure"));
        assert_eq!(means.rework, of("rework").as_f64());
        assert_eq!(means.instability, of("software_delivery_instability").as_f64());
    }
}
