//! Cases computed by hand.

use jiff::Timestamp;
use pipeline_metrics::{
    Delivery, Explained, Facts, LogReader, Measures, Metric, Options, Ratio, Reason, Scope, Window,
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

/// The week from Monday, 6 January 2025.
pub(crate) fn monday() -> Window {
    Window::week_of(at("2025-01-06T00:00:00Z"))
}

pub(crate) fn delivery(facts: &Facts) -> Delivery<'_> {
    Delivery::of(facts, &Options::default()).unwrap()
}

pub(crate) fn measures(facts: &Facts, scope: &Scope<'_>) -> Measures {
    delivery(facts).select(scope, monday()).measures()
}

pub(crate) fn explained<'f>(facts: &'f Facts, component: &str, metric: Metric) -> Explained<'f> {
    delivery(facts)
        .select(&Scope::Component(component), monday())
        .explain(metric)
}

fn reasons(left: &[pipeline_metrics::LeftOut<'_>]) -> Vec<(String, Reason)> {
    let mut reasons: Vec<_> = left
        .iter()
        .map(|left| (left.fact.id().to_string(), left.reason))
        .collect();
    reasons.sort();
    reasons
}

const HOUR: f64 = 3_600_000.0;

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
    let shop = measures(&facts, &Scope::Component("shop"));
    let of = |metric| explained(&facts, "shop", metric);

    // p1, p3 and p4 went live, on Monday and Tuesday; s1 was not production, p2 never went live.
    let frequency = shop.deployment_frequency.unwrap();
    assert_eq!((frequency.deployments, frequency.days), (3, 2));
    assert_eq!(frequency.per_day, 3.0 / 7.0);
    assert_eq!(
        reasons(&of(Metric::DeploymentFrequency).left_out),
        [
            ("p2".into(), Reason::NeverLive),
            ("s1".into(), Reason::NotProduction)
        ]
    );

    // a: 8 to 12 = 4 h; b: 10 to 12 = 2 h, by p1 and not again by p3; c: 12 to 15 = 3 h, since p2 failed.
    // d was committed after p4 deployed it; nobody knows when e was committed. Median of 2, 3, 4 = 3, mean 3.
    let lead_time = shop.lead_time.unwrap();
    assert_eq!((lead_time.median_ms, lead_time.mean_ms), (3.0 * HOUR, 3.0 * HOUR));
    assert_eq!((shop.changes, shop.skewed_changes), (3, 1));
    let lead_time = of(Metric::LeadTime);
    assert_eq!(
        reasons(&lead_time.left_out),
        [
            ("d".into(), Reason::Skewed),
            ("p4".into(), Reason::UnknownRevision),
            ("waits".into(), Reason::NotDelivered),
        ]
    );
    let links: Vec<_> = lead_time
        .counted
        .iter()
        .map(|counted| format!("{} {}", counted.fact.id(), counted.link.unwrap().id()))
        .collect();
    assert_eq!(links, ["a p1", "b p1", "c p3"]);

    // p3 failed (i1 by its time, i2 by name), and p4 (i3 opened as it finished): 2 of 3. i4 came before any
    // deployment; i5 to i7 name what is no deployment to users.
    assert_eq!(shop.change_fail_rate, Ratio::new(2, 3));
    let links: Vec<_> = of(Metric::ChangeFailRate)
        .counted
        .iter()
        .map(|counted| counted.link.map(|link| link.id().to_string()))
        .collect();
    assert_eq!(links, [None, Some("i1".into()), Some("i3".into())]);

    // i1: 15 to 17 = 2 h; i2: 15 to 18 = 3 h; i3 is open. Median of 2, 3 = 2.5.
    assert_eq!(shop.recovery_time.unwrap().median_ms, 2.5 * HOUR);
    assert_eq!(
        reasons(&of(Metric::RecoveryTime).left_out),
        [
            ("i3".into(), Reason::Open),
            ("i4".into(), Reason::NoDeployment),
            ("i5".into(), Reason::NotProduction),
            ("i6".into(), Reason::NeverLive),
            ("i7".into(), Reason::UnknownDeployment),
        ]
    );

    // p4 was a hotfix: 1 of 3.
    assert_eq!(shop.rework_rate, Ratio::new(1, 3));

    // i8 is over, but never began.
    assert_eq!(
        reasons(&delivery(&facts).unplaced(monday())),
        [("i8".into(), Reason::UnknownIncident)]
    );

    // There is one component, so everything is as it is; nobody is in a team.
    assert_eq!(measures(&facts, &Scope::Overall), shop);
    assert_eq!(measures(&facts, &Scope::Environment("production")), shop);
    assert!(measures(&facts, &Scope::Team("red")).is_empty());
    assert_eq!(measures(&facts, &Scope::Environment("staging")).deployments, 0);
}

#[test]
fn an_explanation_says_what_was_asked_in_words() {
    let facts = facts(WEEK);
    let text: Vec<_> = Metric::ALL
        .into_iter()
        .map(|metric| {
            format!(
                "{}: {}",
                metric.name(),
                explained(&facts, "shop", metric).definition
            )
        })
        .collect();
    insta::assert_snapshot!(text.join("\n"), @"
    deployment frequency: per 24 hours, the successful deployments to production that finished in the window
    lead time: median time from a change's commit to the end of the first successful production deployment of its component that lists it, of the changes whose deployment finished in the window
    change fail rate: deployments that an incident or a rollback is attributed to (the one that it names, else the last one of its component that finished at or before its opening), each once, of the successful deployments to production that finished in the window
    recovery time: median time from the end of a failed deployment to the end of the incident, or to the rollback where there is no incident, of the deployments that finished in the window
    rework rate: deployments that were not planned, of the successful deployments to production that finished in the window
    ");
}

#[test]
fn nothing_is_none_and_never_zero() {
    let nothing = Facts::new();
    assert_eq!(delivery(&nothing).everything(), None);
    assert!(measures(&nothing, &Scope::Overall).is_empty());
    // An incident without a deployment is no rate of 100 %, and an open one no recovery of 0 hours.
    let facts = facts(r#"{"type":"incident_opened","ts":"2025-01-07T15:30:00Z","service":"shop","id":"i1"}"#);
    let shop = measures(&facts, &Scope::Component("shop"));
    assert!(Metric::ALL.iter().all(|&metric| shop.value(metric).is_none()));
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
    let shop = measures(&facts, &Scope::Component("shop"));
    assert_eq!((shop.deployments, shop.lead_time), (1, None));
    // The incident was opened two weeks later and is the fault of this week's deployment.
    assert_eq!(shop.change_fail_rate, Ratio::new(1, 1));
    assert_eq!(shop.open_incidents, 1);
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
    let shop = measures(&facts, &Scope::Component("shop"));
    // 8 to 10 = 2 h. The incident was over for good at 14: 4 h after 10.
    assert_eq!(shop.deployments, 1);
    assert_eq!(shop.lead_time.unwrap().median_ms, 2.0 * HOUR);
    assert_eq!(shop.recovery_time.unwrap().median_ms, 4.0 * HOUR);
}

#[test]
fn components_do_not_share_changes_and_a_named_deployment_is_meant() {
    let facts = facts(
        r#"{"type":"change","ts":"2025-01-06T08:00:00Z","service":"shop","sha":"a"}
{"type":"change","ts":"2025-01-06T09:00:00Z","service":"search","sha":"a"}
{"type":"deployment","ts":"2025-01-06T10:00:00Z","service":"shop","id":"p1","environment":"production","result":"success","kind":"planned","changes":["a"]}
{"type":"deployment","ts":"2025-01-06T12:00:00Z","service":"search","id":"p2","environment":"production","result":"success","kind":"planned","changes":["a"]}
{"type":"incident_opened","ts":"2025-01-06T14:00:00Z","service":"shop","id":"i2","deployment":"p2"}"#,
    );
    let median = |scope: &Scope<'_>| measures(&facts, scope).lead_time.unwrap().median_ms / HOUR;
    assert_eq!(median(&Scope::Component("shop")), 2.0);
    assert_eq!(median(&Scope::Component("search")), 3.0);
    assert_eq!(median(&Scope::Overall), 2.5);
    assert_eq!(
        measures(&facts, &Scope::Component("shop")).change_fail_rate,
        Ratio::new(0, 1)
    );
    assert_eq!(
        measures(&facts, &Scope::Component("search")).change_fail_rate,
        Ratio::new(1, 1)
    );
}
