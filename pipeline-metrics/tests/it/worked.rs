//! Cases computed by hand.

use pipeline_core::Timestamp;
use pipeline_metrics::{
    Delivery, FactRef, Facts, LogReader, Measures, Ratio, Reason, Report, ReportOptions, Window,
};

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn facts(log: &str) -> Facts {
    let mut facts = Facts::new();
    LogReader::new("log")
        .strict()
        .read(log.as_bytes(), &mut facts)
        .unwrap();
    facts
}

pub(crate) fn week(facts: &Facts) -> Report<'_> {
    let week = Window::week_of(at("2025-01-06T00:00:00Z"));
    Delivery::of(facts).report(&ReportOptions::new(week).with_overall())
}

fn reasons<'f>(left: &[pipeline_metrics::LeftOut<'f>]) -> Vec<(String, Reason)> {
    let mut reasons: Vec<_> = left
        .iter()
        .map(|left| (left.fact.id().to_string(), left.reason.clone()))
        .collect();
    reasons.sort();
    reasons
}

const HOUR: f64 = 3_600_000.0;

/// A week of one service, from Monday, 6 January 2025.
pub(crate) const WEEK: &str = r#"
{"type":"change","ts":"2025-01-06T08:00:00Z","service":"shop","sha":"a"}
{"type":"change","ts":"2025-01-06T10:00:00Z","service":"shop","sha":"b"}
{"type":"change","ts":"2025-01-07T12:00:00Z","service":"shop","sha":"c"}
{"type":"change","ts":"2025-01-08T18:00:00Z","service":"shop","sha":"d"}
{"type":"change","ts":"2025-01-09T08:00:00Z","service":"shop","sha":"waits"}
{"type":"deployment","ts":"2025-01-06T11:00:00Z","service":"shop","id":"s1","environment":"staging","result":"success","kind":"planned","changes":["a","b"]}
{"type":"deployment","ts":"2025-01-06T12:00:00Z","service":"shop","id":"p1","environment":"production","result":"success","kind":"planned","changes":["a","b"]}
{"type":"deployment","ts":"2025-01-07T14:00:00Z","service":"shop","id":"p2","environment":"production","result":"failure","kind":"planned","changes":["c"]}
{"type":"deployment","ts":"2025-01-07T15:00:00Z","service":"shop","id":"p3","environment":"production","result":"success","kind":"planned","changes":["c","b"]}
{"type":"incident_opened","ts":"2025-01-07T15:30:00Z","service":"shop","id":"i1"}
{"type":"incident_opened","ts":"2025-01-07T16:00:00Z","service":"shop","id":"i2","deployment":"p3"}
{"type":"deployment","ts":"2025-01-07T17:00:00Z","service":"shop","id":"p4","environment":"production","result":"success","kind":"hotfix","changes":["d","e"]}
{"type":"incident_resolved","ts":"2025-01-07T17:00:00Z","service":"shop","id":"i1"}
{"type":"incident_resolved","ts":"2025-01-07T18:00:00Z","service":"shop","id":"i2"}
{"type":"incident_opened","ts":"2025-01-07T17:00:00Z","service":"shop","id":"i3"}
{"type":"incident_opened","ts":"2025-01-06T01:00:00Z","service":"shop","id":"i4"}
{"type":"incident_opened","ts":"2025-01-08T01:00:00Z","service":"shop","id":"i5","deployment":"s1"}
{"type":"incident_opened","ts":"2025-01-08T01:00:00Z","service":"shop","id":"i6","deployment":"p2"}
{"type":"incident_opened","ts":"2025-01-08T01:00:00Z","service":"shop","id":"i7","deployment":"p9"}
{"type":"incident_resolved","ts":"2025-01-08T02:00:00Z","service":"shop","id":"i8"}
"#;

#[test]
fn a_week_by_hand() {
    let facts = facts(WEEK);
    let report = week(&facts);
    let shop = report.component("shop").unwrap();

    // p1, p3 and p4 went live, on Monday and Tuesday; s1 was not production, p2 never went live.
    let frequency = shop.deployment_frequency.value.unwrap();
    assert_eq!((frequency.deployments, frequency.days), (3, 2));
    assert_eq!(frequency.per_day, 3.0 / 7.0);
    assert_eq!(
        reasons(&shop.deployment_frequency.left_out),
        [
            ("p2".into(), Reason::NeverLive),
            ("s1".into(), Reason::NotProduction)
        ]
    );

    // a: 8 to 12 = 4 h; b: 10 to 12 = 2 h, by p1 and not again by p3; c: 12 to 15 = 3 h, since p2 failed.
    // d was committed after p4 deployed it; nobody knows when e was committed. Median of 2, 3, 4 = 3, mean 3.
    let lead_time = shop.lead_time.value.unwrap();
    assert_eq!((lead_time.median_ms, lead_time.mean_ms), (3.0 * HOUR, 3.0 * HOUR));
    assert_eq!(
        reasons(&shop.lead_time.left_out),
        [
            ("d".into(), Reason::Skewed),
            ("p4".into(), Reason::UnknownRevision("e".into())),
            ("waits".into(), Reason::NotDelivered),
        ]
    );
    let by = |sha: &str| {
        let mut counted = shop.lead_time.counted.iter();
        let counted = counted
            .find(|counted| counted.fact.id().to_string() == sha)
            .unwrap();
        counted.link.unwrap().id().to_string()
    };
    assert_eq!(
        (by("a"), by("b"), by("c")),
        ("p1".into(), "p1".into(), "p3".into())
    );

    // p3 failed (i1 by its time, i2 by name), and p4 (i3 opened as it finished): 2 of 3. i4 came before any
    // deployment; i5 to i7 name what is no deployment to users.
    assert_eq!(shop.change_fail_rate.value, Ratio::new(2, 3));
    let links: Vec<_> = shop
        .change_fail_rate
        .counted
        .iter()
        .map(|counted| counted.link.map(|link| link.id().to_string()))
        .collect();
    assert_eq!(links, [None, Some("i1".into()), Some("i3".into())]);

    // i1: 15 to 17 = 2 h; i2: 15 to 18 = 3 h; i3 is open. Median of 2, 3 = 2.5.
    assert_eq!(shop.recovery_time.value.unwrap().median_ms, 2.5 * HOUR);
    assert_eq!(
        reasons(&shop.recovery_time.left_out),
        [
            ("i3".into(), Reason::Open),
            ("i4".into(), Reason::NoDeployment),
            ("i5".into(), Reason::NotProduction),
            ("i6".into(), Reason::NeverLive),
            ("i7".into(), Reason::UnknownDeployment),
        ]
    );

    // p4 was a hotfix: 1 of 3.
    assert_eq!(shop.rework_rate.value, Ratio::new(1, 3));

    // i8 is over, but never began.
    assert_eq!(
        reasons(&report.unplaced),
        [("i8".into(), Reason::UnknownIncident)]
    );

    // There is one component, so everything is as it is.
    assert_eq!(report.overall.as_ref(), Some(shop));
}

fn numbers(measures: &Measures<'_>) -> [bool; 5] {
    [
        measures.deployment_frequency.value.is_some(),
        measures.lead_time.value.is_some(),
        measures.change_fail_rate.value.is_some(),
        measures.recovery_time.value.is_some(),
        measures.rework_rate.value.is_some(),
    ]
}

#[test]
fn nothing_is_none_and_never_zero() {
    let nothing = Facts::new();
    assert_eq!(nothing.weeks(), None);
    let report = week(&nothing);
    assert!(report.components.is_empty());
    assert_eq!(numbers(&report.overall.unwrap()), [false; 5]);

    // An incident without a deployment is no rate of 100 %, and an open one no recovery of 0 hours.
    let facts = facts(r#"{"type":"incident_opened","ts":"2025-01-07T15:30:00Z","service":"shop","id":"i1"}"#);
    assert_eq!(numbers(week(&facts).component("shop").unwrap()), [false; 5]);
}

#[test]
fn what_happened_before_the_window_is_still_known() {
    // Delivered on Sunday and deployed again on Monday: the change's lead time belongs to the week before.
    let facts = facts(
        r#"{"type":"change","ts":"2025-01-05T08:00:00Z","service":"shop","sha":"a"}
{"type":"deployment","ts":"2025-01-05T23:59:59.999Z","service":"shop","id":"p1","environment":"production","result":"success","kind":"planned","changes":["a"]}
{"type":"deployment","ts":"2025-01-06T00:00:00Z","service":"shop","id":"p2","environment":"production","result":"success","kind":"planned","changes":["a"]}
{"type":"deployment","ts":"2025-01-13T00:00:00Z","service":"shop","id":"p3","environment":"production","result":"success","kind":"planned"}
{"type":"incident_opened","ts":"2025-01-20T00:00:00Z","service":"shop","id":"i1","deployment":"p2"}"#,
    );
    let report = week(&facts);
    let shop = report.component("shop").unwrap();
    assert_eq!(shop.deployment_frequency.value.unwrap().deployments, 1);
    assert_eq!(shop.lead_time.value, None);
    // The incident was opened two weeks later and is the fault of this week's deployment.
    assert_eq!(shop.change_fail_rate.value, Ratio::new(1, 1));
    assert_eq!(shop.recovery_time.left_out_for(&Reason::Open), 1);
}

#[test]
fn services_do_not_share_changes_or_deployments() {
    let facts = facts(
        r#"{"type":"change","ts":"2025-01-06T08:00:00Z","service":"shop","sha":"a"}
{"type":"change","ts":"2025-01-06T09:00:00Z","service":"search","sha":"a"}
{"type":"deployment","ts":"2025-01-06T10:00:00Z","service":"shop","id":"p1","environment":"production","result":"success","kind":"planned","changes":["a"]}
{"type":"deployment","ts":"2025-01-06T12:00:00Z","service":"search","id":"p2","environment":"production","result":"success","kind":"planned","changes":["a"]}
{"type":"incident_opened","ts":"2025-01-06T13:00:00Z","service":"shop","id":"i1"}
{"type":"incident_opened","ts":"2025-01-06T14:00:00Z","service":"shop","id":"i2","deployment":"p2"}"#,
    );
    let report = week(&facts);
    // 8 to 10 = 2 h, and 9 to 12 = 3 h; together 2.5 h.
    let median = |measures: &Measures<'_>| measures.lead_time.value.unwrap().median_ms / HOUR;
    let (shop, search) = (
        report.component("shop").unwrap(),
        report.component("search").unwrap(),
    );
    assert_eq!((median(shop), median(search)), (2.0, 3.0));
    assert_eq!(median(report.overall.as_ref().unwrap()), 2.5);
    // Who names a deployment of another service means it.
    let failed = |measures: &Measures<'_>| match measures.change_fail_rate.counted[0].link {
        Some(FactRef::Incident(incident)) => incident.id.to_string(),
        _ => panic!("no incident"),
    };
    assert_eq!((failed(shop), failed(search)), ("i1".into(), "i2".into()));
}

#[test]
fn of_facts_with_one_name_the_earliest_wins() {
    let facts = facts(
        r#"{"type":"change","ts":"2025-01-06T09:00:00Z","service":"shop","sha":"a"}
{"type":"change","ts":"2025-01-06T08:00:00Z","service":"shop","sha":"a"}
{"type":"deployment","ts":"2025-01-06T11:00:00Z","service":"shop","id":"p1","environment":"production","result":"success","kind":"planned","changes":["a"]}
{"type":"deployment","ts":"2025-01-06T10:00:00Z","service":"shop","id":"p1","environment":"production","result":"success","kind":"planned","changes":["a"]}
{"type":"incident_opened","ts":"2025-01-06T10:30:00Z","service":"shop","id":"i1"}
{"type":"incident_resolved","ts":"2025-01-06T11:00:00Z","service":"shop","id":"i1"}
{"type":"incident_resolved","ts":"2025-01-06T14:00:00Z","service":"shop","id":"i1"}"#,
    );
    let report = week(&facts);
    let shop = report.component("shop").unwrap();
    // 8 to 10 = 2 h. The incident was over for good at 14: 4 h after 10.
    assert_eq!(shop.deployment_frequency.value.unwrap().deployments, 1);
    assert_eq!(shop.lead_time.value.unwrap().median_ms, 2.0 * HOUR);
    assert_eq!(shop.recovery_time.value.unwrap().median_ms, 4.0 * HOUR);
}

#[test]
fn between_equal_times_the_rest_of_a_fact_decides() {
    use pipeline_metrics::{Fact, FactSource, Recovery};

    // One deployment told twice, with other changes; one recovery told by two logs.
    let base = r#"{"type":"change","ts":"2025-01-06T08:00:00Z","service":"shop","sha":"a"}
{"type":"change","ts":"2025-01-06T09:00:00Z","service":"shop","sha":"b"}
"#;
    let deployment = |sha: &str| {
        let line = format!(
            r#"{{"type":"deployment","ts":"2025-01-06T10:00:00Z","service":"shop","id":"p1","environment":"production","result":"success","kind":"planned","changes":["{sha}"]}}"#
        );
        let told = facts(&line);
        let deployment = told.deployments().next().unwrap().clone();
        Fact::Deployment(deployment)
    };
    let recovery = |file: &str| {
        Fact::Recovery(Recovery {
            incident: "i1".into(),
            at: at("2025-01-06T12:00:00Z"),
            source: FactSource::Line {
                file: file.into(),
                line: 1,
            },
        })
    };
    let in_order = |shas: [&str; 2], files: [&str; 2]| {
        let mut all = facts(base);
        all.extend(shas.map(deployment));
        all.extend(files.map(recovery));
        serde_json::to_string(&week(&all)).unwrap()
    };
    assert_eq!(in_order(["a", "b"], ["x", "y"]), in_order(["b", "a"], ["y", "x"]));
}
