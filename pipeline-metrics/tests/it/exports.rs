//! Reports as programs read them: what is not known has no line and no number, and what was asked for is done.

use pipeline_metrics::stats::Confidence;
use pipeline_metrics::{
    Bucket, Delivery, Facts, Options, Preset, Report, ReportOptions, Scope, prometheus_text,
};

use crate::week::at;
use crate::worked::facts;

fn deployed(component: &str, id: &str, time: &str, changes: &str) -> String {
    format!(
        "{{\"type\":\"deployment\",\"ts\":\"{time}\",\"service\":\"{component}\",\"id\":\"{id}\",\"environment\":\"production\",\"result\":\"success\",\"kind\":\"planned\",\"changes\":[{changes}]}}\n"
    )
}

fn change(component: &str, sha: &str, time: &str) -> String {
    format!("{{\"type\":\"change\",\"ts\":\"{time}\",\"service\":\"{component}\",\"sha\":\"{sha}\"}}\n")
}

fn incident(component: &str, id: &str, opened: &str, resolved: Option<&str>) -> String {
    let mut log = format!(
        "{{\"type\":\"incident_opened\",\"ts\":\"{opened}\",\"service\":\"{component}\",\"id\":\"{id}\"}}\n"
    );
    if let Some(resolved) = resolved {
        log += &format!(
            "{{\"type\":\"incident_resolved\",\"ts\":\"{resolved}\",\"service\":\"{component}\",\"id\":\"{id}\"}}\n"
        );
    }
    log
}

fn report<'f>(
    facts: &'f Facts,
    with: impl FnOnce(ReportOptions<'static>) -> ReportOptions<'static>,
) -> Report<'f> {
    let delivery = Delivery::of(facts, &Options::default()).unwrap();
    let week = delivery.bucket(Bucket::Week, at("2025-01-08T00:00:00Z"));
    Report::of(&delivery, &with(ReportOptions::new(week)))
}

fn lines<'t>(text: &'t str, of: &str) -> Vec<&'t str> {
    let ours = |line: &&str| !line.starts_with('#') && line.contains(&format!("name=\"{of}\""));
    text.lines().filter(ours).collect()
}

/// A component that only deployed has no lead time, no recovery and no incidents: not 0 of them.
#[test]
fn what_was_not_observed_has_no_line() {
    let log =
        deployed("calm", "d1", "2025-01-06T12:00:00Z", "") + &change("idle", "a", "2025-01-06T12:00:00Z");
    let facts = facts(&log);
    let text = prometheus_text(&report(&facts, |options| options));
    insta::assert_snapshot!(lines(&text, "calm").join("\n"), @r#"
    delivery_deployments{scope="component",name="calm"} 1
    delivery_deployment_days{scope="component",name="calm"} 1
    delivery_deployments_per_day{scope="component",name="calm"} 0.14285714285714285
    delivery_change_fail_ratio{scope="component",name="calm"} 0
    delivery_change_fail_interval_ratio{scope="component",name="calm",bound="low"} 0
    delivery_change_fail_interval_ratio{scope="component",name="calm",bound="high"} 0.7934506856227626
    delivery_rework_ratio{scope="component",name="calm"} 0
    delivery_rework_interval_ratio{scope="component",name="calm",bound="low"} 0
    delivery_rework_interval_ratio{scope="component",name="calm",bound="high"} 0.7934506856227626
    "#);
    // What only waits is told as left out, and as nothing else.
    insta::assert_snapshot!(lines(&text, "idle").join("\n"), @r#"delivery_left_out_facts{scope="component",name="idle",metric="lead_time",kind="change",reason="not_delivered"} 1"#);
    assert!(
        text.contains("\ndelivery_window_start_seconds 1736121600\n"),
        "{text}"
    );
    assert!(
        text.contains("\ndelivery_window_end_seconds 1736726400\n"),
        "{text}"
    );
    assert!(text.contains("\ndelivery_unread_facts 0\n"), "{text}");
}

/// Seven changes of 1 to 7 hours; two failures, one of which is open.
fn busy() -> String {
    let mut log = String::new();
    for hour in 1..8 {
        log += &change(
            "busy",
            &format!("c{hour}"),
            &format!("2025-01-06T{:02}:00:00Z", 12 - hour),
        );
    }
    let all: Vec<_> = (1..8).map(|hour| format!("\"c{hour}\"")).collect();
    log += &deployed("busy", "d1", "2025-01-06T12:00:00Z", &all.join(","));
    log += &deployed("busy", "d2", "2025-01-07T12:00:00Z", "");
    log += &incident("busy", "i1", "2025-01-06T13:00:00Z", Some("2025-01-06T14:00:00Z"));
    log + &incident("busy", "i2", "2025-01-07T13:00:00Z", None)
}

#[test]
fn numbers_are_in_base_units() {
    let mut facts = facts(&busy());
    pipeline_metrics::LogReader::new("log")
        .read("no line\n".as_bytes(), &mut facts)
        .unwrap();
    let text = prometheus_text(&report(&facts, |options| options));
    // A median of 4 hours, and an interval around it; 2 hours from d1 to the end of i1, and one that is open.
    insta::assert_snapshot!(lines(&text, "busy").join("\n"), @r#"
    delivery_deployments{scope="component",name="busy"} 2
    delivery_deployment_days{scope="component",name="busy"} 2
    delivery_deployments_per_day{scope="component",name="busy"} 0.2857142857142857
    delivery_changes{scope="component",name="busy"} 7
    delivery_lead_time_seconds{scope="component",name="busy"} 14400
    delivery_lead_time_median_seconds{scope="component",name="busy"} 14400
    delivery_lead_time_median_interval_seconds{scope="component",name="busy",bound="low"} 7200
    delivery_lead_time_median_interval_seconds{scope="component",name="busy",bound="high"} 21600
    delivery_lead_time_phase_seconds{scope="component",name="busy",phase="deploy"} 14400
    delivery_change_fail_ratio{scope="component",name="busy"} 1
    delivery_change_fail_interval_ratio{scope="component",name="busy",bound="low"} 0.34238022750665315
    delivery_change_fail_interval_ratio{scope="component",name="busy",bound="high"} 1
    delivery_recovery_time_seconds{scope="component",name="busy"} 7200
    delivery_recovery_time_survival_seconds{scope="component",name="busy"} 7200
    delivery_incidents{scope="component",name="busy"} 2
    delivery_open_incidents{scope="component",name="busy"} 1
    delivery_rework_ratio{scope="component",name="busy"} 0
    delivery_rework_interval_ratio{scope="component",name="busy",bound="low"} 0
    delivery_rework_interval_ratio{scope="component",name="busy",bound="high"} 0.6576197724933468
    delivery_left_out_facts{scope="component",name="busy",metric="recovery_time",kind="incident",reason="open"} 1
    "#);
    assert!(text.contains("\ndelivery_unread_facts 1\n"), "{text}");
}

/// Six recoveries of 1 to 6 hours have an interval with two ends.
#[test]
fn the_ends_of_an_interval_are_told_apart() {
    let mut log = String::new();
    for hour in 1..7 {
        let day = format!("2025-01-{:02}", 5 + hour);
        log += &deployed("busy", &format!("d{hour}"), &format!("{day}T10:00:00Z"), "");
        log += &incident(
            "busy",
            &format!("i{hour}"),
            &format!("{day}T10:30:00Z"),
            Some(&format!("{day}T{:02}:00:00Z", 10 + hour)),
        );
    }
    let facts = facts(&log);
    let report = report(&facts, |options| options);
    let text = prometheus_text(&report);
    let median = report.part("busy").unwrap().intervals.recovery_time;
    let line = |bound: &str, ms: f64| {
        format!(
            "delivery_recovery_time_survival_interval_seconds{{scope=\"component\",name=\"busy\",bound=\"{bound}\"}} {}\n",
            ms / 1000.0
        )
    };
    let (low, high) = (median.low.unwrap(), median.high.unwrap());
    assert!(low < median.value.unwrap() && median.value.unwrap() < high);
    assert!(
        text.contains(&line("low", low)) && text.contains(&line("high", high)),
        "{text}"
    );
}

/// Equal seeds give an equal document, another seed other intervals of medians, and nothing else another.
#[test]
fn chance_follows_from_the_seed_of_the_report() {
    let mut log = String::new();
    for number in 0..40 {
        let time = format!("2025-01-06T{:02}:{:02}:00Z", number % 10, (number * 7) % 60);
        log += &change("busy", &format!("c{number}"), &time);
        log += &deployed(
            "busy",
            &format!("d{number:02}"),
            "2025-01-07T12:00:00Z",
            &format!("\"c{number}\""),
        );
    }
    let facts = facts(&log);
    let document = |seed| {
        let report = report(&facts, |options| options.seed(seed));
        serde_json::to_value(&report).unwrap()
    };
    assert_eq!(document(7), document(7));
    let (mut one, mut other) = (document(1), document(2));
    let interval = |document: &mut serde_json::Value| document["parts"][0]["intervals"]["lead_time"].take();
    assert_ne!(interval(&mut one), interval(&mut other));
    assert_eq!(one, other);
}

#[test]
fn trust_and_time_are_those_that_were_asked_for() {
    let facts = facts(&busy());
    let rate = |confidence| {
        let report = report(&facts, |options| options.confidence(confidence));
        report.part("busy").unwrap().intervals.change_fail_rate.unwrap()
    };
    // Wilson, both of 2: with z = 1.645 and 1.96 the lower end is 1 / (1 + z² / 2).
    let end = |z: f64| 1.0 / (1.0 + z * z / 2.0);
    assert!((rate(Confidence::P90).low - end(1.644_853_626_951_472_2)).abs() < 1e-12);
    assert!((rate(Confidence::P95).low - end(1.959_963_984_540_054)).abs() < 1e-12);
    // One was over after two hours; of two that are open, one has lasted for a day and the other for one hour, so that
    // it said nothing when the first was over: of two, one. Once both are known to last longer, no median is in sight.
    let two_hours = Some(2.0 * 3_600_000.0);
    let more = crate::worked::facts(
        &(busy()
            + &deployed("busy", "d3", "2025-01-08T12:00:00Z", "")
            + &incident("busy", "i3", "2025-01-08T12:30:00Z", None)),
    );
    let median = |as_of: &str| {
        let report = report(&more, |options| options.as_of(at(as_of)));
        report.part("busy").unwrap().intervals.recovery_time.value
    };
    assert_eq!(median("2025-01-08T13:00:00Z"), two_hours);
    assert_eq!(median("2025-01-08T15:00:00Z"), None);
}

#[test]
fn a_report_has_what_happened_and_nothing_else() {
    let log = busy()
        + &deployed("calm", "p1", "2025-02-06T12:00:00Z", "")
        + &change("idle", "a", "2025-01-06T12:00:00Z")
        + "{\"type\":\"incident_resolved\",\"ts\":\"2025-01-07T15:00:00Z\",\"service\":\"busy\",\"id\":\"nobody-opened\"}\n"
        + "{\"type\":\"incident_resolved\",\"ts\":\"2025-02-07T15:00:00Z\",\"service\":\"busy\",\"id\":\"later\"}\n";
    let facts = facts(&log);
    let report = report(&facts, |options| options);
    let names: Vec<_> = report.parts.iter().map(|part| part.name.as_str()).collect();
    // `calm` did nothing in the week; what `idle` did waits.
    assert_eq!(names, ["busy", "idle"]);
    let unplaced: Vec<_> = report
        .unplaced
        .iter()
        .map(|left| left.fact.id().to_string())
        .collect();
    assert_eq!(unplaced, ["nobody-opened"]);
    assert!(report.overall.is_none());
}

/// The mean of several rates has no interval, and says that it is one.
#[test]
fn a_mean_of_rates_has_no_interval() {
    let log =
        busy() + &change("calm", "a", "2025-01-06T12:00:00Z") + &change("busy", "x", "2025-01-07T00:00:00Z");
    let log = log
        + &deployed("calm", "p1", "2025-01-06T13:00:00Z", "\"a\"")
        + &deployed("busy", "d4", "2025-01-07T00:00:00Z", "\"x\"");
    let facts = facts(&log);
    let delivery = Delivery::of(&facts, &Preset::Pelorus.options()).unwrap();
    let week = delivery.bucket(Bucket::Week, at("2025-01-08T00:00:00Z"));
    let report = Report::of(&delivery, &ReportOptions::new(week).with_overall());
    let overall = report.overall.as_ref().unwrap();
    // busy has 2 incidents and 2 deployments with a known change, calm none and 1.
    let rate = overall.measures.change_fail_rate.unwrap();
    assert_eq!((rate.value(), rate.part(), rate.whole()), (0.5, 2, 3));
    assert_eq!(overall.intervals.change_fail_rate, None);
    assert!(report.part("busy").unwrap().intervals.change_fail_rate.is_some());
    let text = pipeline_metrics::render_text(&report);
    assert!(text.contains("50.0 % (mean of rates; 2 of 3)"), "{text}");
    let scope = Scope::Overall;
    let definition = delivery
        .select(&scope, week)
        .explain(pipeline_metrics::Metric::ChangeFailRate)
        .definition;
    assert!(
        definition.starts_with("mean of each component's rate: "),
        "{definition}"
    );
}
