//! The synthetic year as people and programs see it.

use std::path::Path;

use pipeline_metrics::{
    Bucket, Delivery, Facts, LogReader, Options, Report, ReportOptions, ReviewOptions, Scope,
    prometheus_text, render_explanation, render_review, render_text,
};
use serde_json::Value;

use crate::fixture::folder;
use crate::synthetic::year;
use crate::week::{WEEK, at};

/// Lines as they are, ends of lines included.
pub(crate) fn tidy(text: &str) -> String {
    text.lines().map(|line| format!("|{line}\n")).collect()
}

pub(crate) fn facts(log: &str) -> Facts {
    let mut facts = Facts::new();
    LogReader::new("log").read(log.as_bytes(), &mut facts).unwrap();
    facts
}

fn whole_year(folder: &Path) -> Facts {
    year(folder, 1)
}

#[test]
fn the_year_as_a_table() {
    let Some(folder) = folder("synthetic") else { return };
    let facts = whole_year(&folder);
    let delivery = Delivery::of(&facts, &Options::default()).unwrap();
    let window = delivery.everything().unwrap();
    let report = Report::of(&delivery, &ReportOptions::new(window).with_overall());
    let text = render_text(&report);
    let head: Vec<_> = text.lines().take_while(|line| *line != "left out:").collect();
    insta::assert_snapshot!("year_as_a_table", tidy(&head.join("\n")));
}

#[test]
fn a_month_as_a_review() {
    let Some(folder) = folder("synthetic") else { return };
    let facts = whole_year(&folder);
    let delivery = Delivery::of(&facts, &Options::default()).unwrap();
    for (name, scope, day) in [
        (
            "review_of_a_service",
            Scope::Component("svc-000"),
            "2025-11-10T00:00:00Z",
        ),
        ("review_of_all", Scope::Overall, "2025-09-10T00:00:00Z"),
        (
            "review_of_the_first_month",
            Scope::Component("svc-003"),
            "2025-01-10T00:00:00Z",
        ),
        (
            "review_of_nothing",
            Scope::Component("svc-003"),
            "2027-01-10T00:00:00Z",
        ),
    ] {
        let month = delivery.bucket(Bucket::Month, at(day));
        insta::assert_snapshot!(
            name,
            render_review(&delivery, &[], &ReviewOptions::new(month, scope))
        );
    }
}

/// A change of which every moment is known, one of which some are, and one whose clocks disagree.
#[test]
fn the_phases_of_the_lead_time_are_told_in_every_form() {
    let log = r#"
{"type":"change","ts":"2025-01-06T11:00:00Z","service":"shop","sha":"a","first_commit":"2025-01-06T02:00:00Z","opened":"2025-01-06T05:00:00Z","reviewed":"2025-01-06T09:00:00Z","merged":"2025-01-06T11:00:00Z"}
{"type":"change","ts":"2025-01-06T10:00:00Z","service":"shop","sha":"b","opened":"2025-01-06T08:00:00Z"}
{"type":"change","ts":"2025-01-06T09:00:00Z","service":"shop","sha":"c","opened":"2025-01-06T06:00:00Z","reviewed":"2025-01-06T05:00:00Z","merged":"2025-01-06T09:00:00Z"}
{"type":"deployment","ts":"2025-01-06T12:00:00Z","service":"shop","id":"d1","environment":"production","result":"success","kind":"planned","changes":["a","b","c"]}
"#;
    let facts = facts(log);
    let delivery = Delivery::of(&facts, &Options::default()).unwrap();
    let report = Report::of(&delivery, &ReportOptions::new(delivery.everything().unwrap()));
    let part = report.part("shop").unwrap();
    let hours = part
        .phases
        .named()
        .map(|(name, time)| (name, time.map(|time| time.ms / 3_600_000.0)));
    // Pickup of c would be negative, and is of no number; review is 2 hours of a and 4 of c; deploy 1, 2 and 3.
    assert_eq!(
        hours,
        [
            ("coding", Some(3.0)),
            ("pickup", Some(4.0)),
            ("review", Some(3.0)),
            ("deploy", Some(2.0))
        ]
    );
    let text = render_text(&report);
    let line = "lead time by phase:\n  shop: coding 3 h 0 min, pickup 4 h 0 min, review 3 h 0 min, deploy 2 h 0 min\n";
    assert!(text.contains(line), "{text}");
    let prometheus = prometheus_text(&report);
    let line = "delivery_lead_time_phase_seconds{scope=\"component\",name=\"shop\",phase=\"pickup\"} 14400\n";
    assert!(prometheus.contains(line), "{prometheus}");
    let document = serde_json::to_value(&report).unwrap();
    assert_eq!(
        document["parts"][0]["phases"]["review"]["median_ms"],
        3.0 * 3_600_000.0
    );
}

/// Whether a change is good or bad news depends on the number.
#[test]
fn a_change_is_good_or_bad_news() {
    let mut log = String::new();
    let mut line = |at: jiff::Timestamp, lead: i64, kind: &str| {
        let (id, from) = (at.as_second(), at - jiff::SignedDuration::from_mins(lead));
        log += &format!("{{\"type\":\"change\",\"ts\":\"{from}\",\"service\":\"shop\",\"sha\":\"s{id}\"}}\n");
        log += &format!(
            "{{\"type\":\"deployment\",\"ts\":\"{at}\",\"service\":\"shop\",\"id\":\"d{id}\",\"environment\":\"production\",\"result\":\"success\",\"kind\":\"{kind}\",\"changes\":[\"s{id}\"]}}\n"
        );
    };
    let monday = at("2025-01-06T12:00:00Z");
    for week in 0..24_i64 {
        // From the twentieth week on, in June: more deployments, longer lead time, all of them unplanned.
        let late = week >= 21;
        for number in 0..(if late { 40 } else { 5 + week % 2 }) {
            let lead = if late { 900 } else { 100 + 7 * (week % 3) + number };
            let kind = if late { "hotfix" } else { "planned" };
            line(
                monday + jiff::SignedDuration::from_hours(168 * week + number),
                lead,
                kind,
            );
        }
    }
    let facts = facts(&log);
    let delivery = Delivery::of(&facts, &Options::default()).unwrap();
    let month = delivery.bucket(Bucket::Month, at("2025-06-10T00:00:00Z"));
    let review = render_review(&delivery, &[], &ReviewOptions::new(month, Scope::Overall));
    let part = |title: &str| {
        let part = review.split(&format!("## {title}\n")).nth(1).unwrap();
        part.split("## ").next().unwrap()
    };
    let (good, bad) = (part("Good news"), part("Bad news"));
    assert!(
        good.contains("- Deployment frequency is higher than usual: 40 in the week of"),
        "{review}"
    );
    assert!(
        bad.contains("- Lead time is longer than usual: 15 h 0 min in the week of"),
        "{review}"
    );
    assert!(
        bad.contains("- Rework rate is higher than usual: 100.0 %"),
        "{review}"
    );
    assert!(
        !good.contains("Lead time") && !bad.contains("frequency"),
        "{review}"
    );
    let changed = part("What changed, and why it may be noise");
    assert!(
        changed.contains("The intervals of both months do not overlap. It is longer than usual"),
        "{review}"
    );
    assert!(
        review.contains("Deployment frequency is higher than usual, lead time is longer than usual, rework rate is higher than usual."),
        "{review}"
    );
}

#[test]
fn a_review_says_that_its_month_is_not_over_and_whom_it_is_about() {
    let log = r#"
{"type":"change","ts":"2025-01-06T08:00:00Z","service":"a|b","sha":"0123456789012345678901234567890123456789"}
{"type":"deployment","ts":"2025-01-06T12:00:00Z","service":"a|b","id":"d1","environment":"production","result":"success","kind":"planned","changes":["0123456789012345678901234567890123456789"]}
{"type":"incident_opened","ts":"2025-01-06T13:00:00Z","service":"a|b","id":"i1"}
not a line
"#;
    let mut facts = Facts::new();
    LogReader::new("folder/log")
        .read(log.as_bytes(), &mut facts)
        .unwrap();
    let delivery = Delivery::of(&facts, &Options::default()).unwrap();
    let month = delivery.bucket(Bucket::Month, at("2025-01-06T12:00:00Z"));
    let review = |scope| {
        let options = ReviewOptions::new(month, scope).as_of(at("2025-01-10T12:00:00Z"));
        render_review(&delivery, &[], &options)
    };
    let all = review(Scope::Overall);
    for part in [
        "up to 2025-02-01. The month is not over: facts are known up to 2025-01-10.\n",
        "**In short:** 1 deployment, 1 of them failed; 1 failure is not over. There are too few weeks",
        "| 0123456789 of a\\|b | 4 h 0 min | d1 | log:2 |",
        "| i1 of a\\|b | 2025-01-06 13:00 | log:4 |",
        "- 1 failure is not over.",
        "- 1 record could not be read.",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    let one = review(Scope::Component("a|b"));
    assert!(one.contains("| 0123456789 | 4 h 0 min | d1 | log:2 |"), "{one}");
    let ended = render_review(&delivery, &[], &ReviewOptions::new(month, Scope::Overall));
    assert!(!ended.contains("not over: facts"), "{ended}");
}

#[test]
fn a_week_as_a_table() {
    let facts = facts(WEEK);
    let delivery = Delivery::of(&facts, &Options::default()).unwrap();
    let week = delivery.bucket(Bucket::Week, at("2025-01-06T00:00:00Z"));
    let report = Report::of(&delivery, &ReportOptions::new(week).with_overall().with_facts());
    insta::assert_snapshot!("week_as_a_table", tidy(&render_text(&report)));
    insta::assert_snapshot!("week_explained", tidy(&render_explanation(&report)));
    insta::assert_snapshot!("week_for_prometheus", prometheus_text(&report));
}

#[test]
fn nothing_as_a_table() {
    let facts = Facts::new();
    let delivery = Delivery::of(&facts, &Options::default()).unwrap();
    let week = delivery.bucket(Bucket::Week, at("2025-01-06T00:00:00Z"));
    let report = Report::of(&delivery, &ReportOptions::new(week));
    insta::assert_snapshot!(tidy(&render_text(&report)), @r"
    |delivery from 2025-01-06T00:00:00Z up to 2025-01-13T00:00:00Z
    |
    |nothing was observed
    ");
    let prometheus = prometheus_text(&report);
    assert!(!prometheus.contains("scope="), "no data is no line: {prometheus}");
}

#[test]
fn an_open_incident_is_counted_and_censored() {
    let log = r#"
{"type":"deployment","ts":"2025-01-06T08:00:00Z","service":"shop","id":"d1","environment":"production","result":"success","kind":"planned"}
{"type":"deployment","ts":"2025-01-07T08:00:00Z","service":"shop","id":"d2","environment":"production","result":"success","kind":"planned"}
{"type":"incident_opened","ts":"2025-01-06T09:00:00Z","service":"shop","id":"i1"}
{"type":"incident_resolved","ts":"2025-01-06T10:00:00Z","service":"shop","id":"i1"}
{"type":"incident_opened","ts":"2025-01-07T09:00:00Z","service":"shop","id":"i2"}
"#;
    let facts = facts(log);
    let delivery = Delivery::of(&facts, &Options::default()).unwrap();
    let week = delivery.bucket(Bucket::Week, at("2025-01-06T00:00:00Z"));
    let hour = 3_600_000.0;
    let median = |as_of: &str| {
        let report = Report::of(&delivery, &ReportOptions::new(week).as_of(at(as_of)));
        let part = report.part("shop").unwrap();
        assert_eq!(part.measures.open_incidents, 1);
        // What is over took two hours; that is not all there is.
        assert_eq!(part.measures.recovery_time.map(|time| time.ms), Some(2.0 * hour));
        part.intervals.recovery_time
    };
    // It has been open for an hour: when the other was over, this one told no more.
    assert_eq!(median("2025-01-07T09:00:00Z").value, Some(2.0 * hour));
    // It has been open for longer: of two, one was over after two hours.
    let late = median("2025-01-10T09:00:00Z");
    assert_eq!((late.value, late.high), (Some(2.0 * hour), None));
}

#[test]
fn names_are_escaped_for_prometheus() {
    let log = "{\"type\":\"deployment\",\"ts\":\"2025-01-06T08:00:00Z\",\"service\":\"a\\\"b\\\\c\\nd\",\"id\":\"d1\",\"environment\":\"production\",\"result\":\"success\",\"kind\":\"planned\"}\n";
    let facts = facts(log);
    let delivery = Delivery::of(&facts, &Options::default()).unwrap();
    let report = Report::of(&delivery, &ReportOptions::new(delivery.everything().unwrap()));
    let text = prometheus_text(&report);
    assert!(
        text.contains(r#"delivery_deployments{scope="component",name="a\"b\\c\nd"} 1"#),
        "{text}"
    );
    for line in text.lines() {
        assert!(line.starts_with("delivery_") || line.starts_with("# "), "{line}");
    }
}

/// Every value of the document is described, and what is described as always there is.
#[test]
fn the_json_form_is_as_its_schema_says() {
    let Some(folder) = folder("synthetic") else { return };
    let facts = whole_year(&folder);
    let delivery = Delivery::of(&facts, &Options::default()).unwrap();
    let window = delivery.bucket(Bucket::Month, at("2025-03-10T00:00:00Z"));
    let asked = ReportOptions::new(window).with_overall().with_facts();
    let document = serde_json::to_value(Report::of(&delivery, &asked)).unwrap();
    let schema: Value = serde_json::from_str(pipeline_metrics::json_schema()).unwrap();
    check(&schema, &schema, &document, "$");
    // The check can fail.
    let mut wrong = document.clone();
    wrong["parts"][0]["measures"]["deployments"] = Value::from("many");
    assert!(std::panic::catch_unwind(|| check(&schema, &schema, &wrong, "$")).is_err());
    let mut more = document;
    more["parts"][0]["unheard_of"] = Value::Null;
    assert!(std::panic::catch_unwind(|| check(&schema, &schema, &more, "$")).is_err());
}

/// As much of JSON Schema as ours uses; a keyword that it does not know fails.
pub(crate) fn check(root: &Value, schema: &Value, value: &Value, path: &str) {
    let schema = schema.as_object().unwrap_or_else(|| panic!("{path}: no schema"));
    for (keyword, rule) in schema {
        match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" | "format" => {}
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                let target = root
                    .pointer(pointer)
                    .unwrap_or_else(|| panic!("{pointer} leads nowhere"));
                check(root, target, value, path);
            }
            "type" => {
                let kind = match value {
                    Value::Null => "null",
                    Value::Bool(_) => "boolean",
                    Value::Number(number) if number.is_u64() || number.is_i64() => "integer",
                    Value::Number(_) => "number",
                    Value::String(_) => "string",
                    Value::Array(_) => "array",
                    Value::Object(_) => "object",
                };
                let allowed = |name: &Value| name == kind || (name == "number" && kind == "integer");
                let fits = rule
                    .as_array()
                    .map_or_else(|| allowed(rule), |names| names.iter().any(allowed));
                assert!(fits, "{path}: {value} is not {rule}");
            }
            "const" => assert_eq!(value, rule, "{path}"),
            "enum" => assert!(rule.as_array().unwrap().contains(value), "{path}: {value}"),
            "minimum" => assert!(
                value.as_f64().is_none_or(|value| value >= rule.as_f64().unwrap()),
                "{path}"
            ),
            "maximum" => assert!(
                value.as_f64().is_none_or(|value| value <= rule.as_f64().unwrap()),
                "{path}"
            ),
            "items" => {
                for (place, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, item, &format!("{path}[{place}]"));
                }
            }
            "minItems" | "maxItems" => {
                let (length, limit) = (value.as_array().unwrap().len() as u64, rule.as_u64().unwrap());
                assert!(
                    if keyword == "minItems" {
                        length >= limit
                    } else {
                        length <= limit
                    },
                    "{path}"
                );
            }
            "required" => {
                for name in rule.as_array().unwrap() {
                    assert!(
                        value
                            .as_object()
                            .is_none_or(|object| object.contains_key(name.as_str().unwrap())),
                        "{path} has no {name}"
                    );
                }
            }
            "properties" => {
                for (name, rule) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        check(root, rule, value, &format!("{path}.{name}"));
                    }
                }
            }
            "additionalProperties" => {
                assert_eq!(rule, false);
                for name in value.as_object().into_iter().flatten().map(|(name, _)| name) {
                    assert!(
                        schema["properties"].get(name).is_some(),
                        "{path}.{name} is not described"
                    );
                }
            }
            other => panic!("{path}: the check does not know `{other}`"),
        }
    }
}
