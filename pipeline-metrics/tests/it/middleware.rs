//! The cases of middlewarehq/middleware.

use std::fs;

use jiff::{SignedDuration, Timestamp};
use pipeline_metrics::{
    Aggregate, Bucket, Delivery, Deployment, DeploymentKind, DeploymentResult, Fact, FactSource, Facts,
    Incident, Metric, Options, Pace, Preset, Recovery, Scope, Window,
};
use serde_json::Value;

use crate::fixture::folder;
use crate::worked::at;

const SOURCE: FactSource<'_> = FactSource::Line {
    file: "cases.json",
    line: 1,
};

fn deployment<'a>(id: &'a str, time: &Value) -> Fact<'a> {
    Fact::Deployment(Deployment {
        id,
        component: "team",
        environment: "production",
        production: None,
        started: None,
        finished: at(time.as_str().unwrap()),
        result: DeploymentResult::Success,
        kind: DeploymentKind::Planned,
        version: None,
        release: None,
        team: None,
        changes: Vec::new(),
        source: SOURCE,
    })
}

fn incident<'a>(id: &'a str, time: &Value) -> Fact<'a> {
    Fact::Incident(Incident {
        id,
        component: "team",
        environment: None,
        opened: at(time.as_str().unwrap()),
        deployment: None,
        changes: Vec::new(),
        source: SOURCE,
    })
}

/// The window of a case, whose last moment belongs to it there; all of two years where it has none.
fn window(case: &Value) -> Window {
    let moment = |at_end: usize, default: &str| -> Timestamp {
        at(case["window"][at_end].as_str().unwrap_or(default))
    };
    let end = moment(1, "2024-12-31T00:00:00Z") + SignedDuration::from_micros(1);
    Window::new(moment(0, "2023-01-01T00:00:00Z"), end).unwrap()
}

fn facts(case: &Value) -> Facts {
    let mut facts = Facts::new();
    for (number, time) in case["deployments"].as_array().into_iter().flatten().enumerate() {
        facts.add(deployment(&format!("d{number}"), time));
    }
    for (id, time) in case["deployments"].as_object().into_iter().flatten() {
        facts.add(deployment(id, time));
    }
    for (id, time) in case["incidents_created"].as_object().into_iter().flatten() {
        facts.add(incident(id, time));
    }
    for (number, each) in case["incidents"].as_array().into_iter().flatten().enumerate() {
        let id = format!("i{number}");
        facts.add(incident(&id, &each["created"]));
        facts.add(Fact::Recovery(Recovery {
            incident: &id,
            at: at(each["resolved"].as_str().unwrap()),
            source: SOURCE,
        }));
    }
    facts
}

/// The ids of the deployments that count, and of those that failed.
fn deployments(delivery: &Delivery<'_>, window: Window) -> (Vec<String>, Vec<String>) {
    let explained = delivery
        .select(&Scope::Overall, window)
        .explain(Metric::ChangeFailRate);
    let id = |counted: &pipeline_metrics::Counted<'_>| counted.fact.id().to_string();
    let failed = explained.counted.iter().filter(|counted| counted.link.is_some());
    (
        explained.counted.iter().map(id).collect(),
        failed.map(id).collect(),
    )
}

fn names(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect()
}

#[test]
fn all_cases_are_as_expected() {
    let Some(folder) = folder("middleware") else {
        return;
    };
    let cases: Vec<Value> = serde_json::from_slice(&fs::read(folder.join("cases.json")).unwrap()).unwrap();
    let mut checked = 0;
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let (facts, window) = (facts(case), window(case));
        let with = |options: &Options| Delivery::of(&facts, options).unwrap();
        let delivery = with(&Preset::Middleware.options());
        let overall = delivery.select(&Scope::Overall, window).measures();
        let expected = &case["expected"];
        if let Some(total) = expected["total"].as_u64() {
            assert_eq!(overall.deployments as u64, total, "{name}");
            checked += 1;
        }
        for (key, bucket) in [
            ("daily_floor_avg", Bucket::Day),
            ("weekly", Bucket::Week),
            ("monthly", Bucket::Month),
        ] {
            let Some(expected) = expected[key].as_f64() else {
                continue;
            };
            let mut options = Preset::Middleware.options();
            options.frequency.pace = Pace::PerBucket { bucket, floor: true };
            let delivery = with(&options);
            let frequency = delivery
                .select(&Scope::Overall, window)
                .measures()
                .deployment_frequency;
            assert_eq!(frequency.unwrap().value, expected, "{name} {key}");
            checked += 1;
        }
        if expected["failed"].is_array() {
            assert_eq!(
                deployments(&delivery, window).1,
                names(&expected["failed"]),
                "{name}"
            );
            let rate = overall.change_fail_rate.unwrap().value();
            assert_eq!(rate * 100.0, expected["cfr_pct"].as_f64().unwrap(), "{name}");
            checked += 1;
        }
        if let Some(mean) = expected["mean_seconds"].as_f64() {
            let recovery = overall.recovery_time.unwrap();
            assert_eq!(recovery.ms / 1000.0, mean, "{name}");
            assert_eq!(
                overall.incidents as u64,
                expected["count"].as_u64().unwrap(),
                "{name}"
            );
            checked += 1;
        }
        let Some(weekly) = case["expected_weekly"].as_object() else {
            continue;
        };
        let weeks = delivery.series(Bucket::Week, window);
        assert_eq!(weeks.len(), weekly.len(), "{name}");
        for week in weeks {
            let week = delivery.bucket(Bucket::Week, week.start());
            let expected = &weekly[&week.start().to_string()];
            let measures = delivery.select(&Scope::Overall, week).measures();
            if let Some(count) = expected.as_u64() {
                assert_eq!(measures.deployments as u64, count, "{name} {week}");
            } else if expected["failed"].is_array() {
                let (mut total, failed) = deployments(&delivery, week);
                total.sort();
                assert_eq!(total, names(&expected["total"]), "{name} {week}");
                assert_eq!(failed, names(&expected["failed"]), "{name} {week}");
            } else {
                let recovery = measures.recovery_time.map(|recovery| recovery.ms / 1000.0);
                assert_eq!(recovery, expected["mean_seconds"].as_f64(), "{name} {week}");
                assert_eq!(
                    measures.incidents as u64,
                    expected["count"].as_u64().unwrap(),
                    "{name} {week}"
                );
            }
            checked += 1;
        }
    }
    assert_eq!(Preset::Middleware.options().recovery.aggregate, Aggregate::Mean);
    assert_eq!(cases.len(), 12);
    assert!(checked >= 30, "only {checked} values were compared");
}
