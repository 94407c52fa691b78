//! The numbers of a delivery log that two databases agree on, as a program tells them.

use std::fs;
use std::path::PathBuf;

use crate::support::{TestSpace, fixtures};

fn year() -> Option<(PathBuf, String)> {
    let folder = fixtures()?.join("dora/synthetic");
    let log = folder.join("events.jsonl").display().to_string();
    Some((folder, log))
}

#[test]
fn the_weeks_of_the_synthetic_year_are_as_expected_byte_for_byte() {
    let Some((folder, log)) = year() else { return };
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
fn the_year_is_told_in_every_form() {
    let Some((folder, log)) = year() else { return };
    let expected: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("expected_overall.json")).unwrap()).unwrap();
    let space = TestSpace::new();
    let said = space.json(&["metrics", &log, "--overall"]).expect(0);
    let report = &said.document["report"];
    assert_eq!(report["format"], 2);
    assert_eq!(report["parts"].as_array().unwrap().len(), 10);
    let measures = &report["overall"]["measures"];
    assert_eq!(measures["deployments"], expected["deployments"]);
    assert_eq!(measures["lead_time"]["median_ms"], expected["lt_median"]);
    assert_eq!(measures["recovery_time"]["median_ms"], expected["fdrt_median"]);
    assert_eq!(measures["open_incidents"], expected["open_incidents"]);
    assert!(
        report["overall"].get("explained").is_none(),
        "facts come when asked for"
    );

    let table = space
        .release(&["metrics", &log, "--service", "svc-000"])
        .expect(0)
        .stdout;
    assert!(table.contains("svc-000") && !table.contains("svc-001"), "{table}");
    let prometheus = space
        .release(&["metrics", &log, "--prometheus", "--service", "svc-000"])
        .expect(0)
        .stdout;
    assert!(
        prometheus.contains("delivery_deployments{scope=\"component\",name=\"svc-000\"} 268\n"),
        "{prometheus}"
    );
    let explained = space
        .release(&["metrics", &log, "--explain", "--service", "svc-001"])
        .expect(0)
        .stdout;
    assert!(
        explained.contains("svc-001, change fail rate: 0.0 % (0 of 4)"),
        "{explained}"
    );
    assert!(
        explained.contains("events.jsonl:"),
        "each fact tells where it was read: {explained}"
    );
    let said = space
        .json(&["metrics", &log, "--explain", "--service", "svc-001"])
        .expect(0);
    assert_eq!(
        said.document["report"]["parts"][0]["explained"]
            .as_array()
            .unwrap()
            .len(),
        5
    );
}

#[test]
fn further_numbers_come_when_asked_for() {
    let space = TestSpace::to_production("");
    space.run(0);
    let said = space.json(&["metrics", "--further"]).expect(0);
    let figures = said.document["figures"].as_array().unwrap();
    assert_eq!(figures.len(), 10);
    let value = |id: &str, name: &str| {
        let figure = figures.iter().find(|figure| figure["id"] == id).unwrap();
        let values = figure["values"].as_array().unwrap();
        values.iter().find(|value| value["name"] == name).unwrap()["value"].clone()
    };
    assert_eq!(value("value-stream", "items"), 1.0);
    assert!(value("flow-efficiency", "flow efficiency").as_f64().unwrap() > 0.0);
    assert!(value("toil", "time by hand").is_null() || value("toil", "time by hand") == 0.0);
    assert!(
        space
            .json(&["metrics"])
            .expect(0)
            .document
            .get("figures")
            .is_none()
    );
    let text = space
        .release(&["metrics", "--further", "--explain"])
        .expect(0)
        .stdout;
    assert!(
        text.contains("\nVersions") && text.contains("environment/production#"),
        "{text}"
    );
}

#[test]
fn a_part_a_time_and_a_way_to_count_can_be_chosen() {
    let Some((_, log)) = year() else { return };
    let space = TestSpace::new();
    let count = |more: &[&str]| {
        let args = [&["metrics", &log, "--overall"], more].concat();
        let said = space.json(&args).expect(0);
        said.document["report"]["overall"]["measures"]["deployments"]
            .as_u64()
            .unwrap()
    };
    let all = count(&[]);
    let march = count(&["--from", "2025-03-01", "--to", "2025-04-01"]);
    assert!(0 < march && march < all);
    // On the day before, by the clock of another zone.
    assert_ne!(
        march,
        count(&[
            "--from",
            "2025-03-01",
            "--to",
            "2025-04-01",
            "--time-zone",
            "Asia/Shanghai"
        ])
    );
    let nothing = space
        .json(&["metrics", &log, "--production", "nowhere"])
        .expect(0);
    assert!(nothing.document["report"].is_null(), "{nothing}");
    let said = space
        .json(&["metrics", &log, "--preset", "devlake", "--overall"])
        .expect(0);
    let devlake = &said.document["report"]["overall"];
    assert_ne!(
        devlake["measures"]["lead_time"]["ms"],
        devlake["measures"]["lead_time"]["mean_ms"]
    );
    assert!(
        devlake["definitions"][1]
            .as_str()
            .unwrap()
            .contains("lower median"),
        "{devlake:#}"
    );
    let environment = space
        .json(&["metrics", &log, "--environment", "staging"])
        .expect(0);
    assert_eq!(environment.document["report"]["parts"][0]["scope"], "environment");
    for bad in [
        &["--preset", "nobody"][..],
        &["--service", "nobody"],
        &["--team", "nobody"],
        &["--time-zone", "Nowhere/Else"],
        &["--from", "yesterday"],
        &["--from", "2025-04-01", "--to", "2025-03-01"],
        &["--prometheus", "--weekly-csv"],
    ] {
        let args = [&["metrics", &log], bad].concat();
        let refused = space.json(&args).expect(2);
        assert!(!refused.error().is_empty(), "{bad:?}");
    }
}

#[test]
fn every_option_can_be_chosen() {
    let Some((_, log)) = year() else { return };
    let space = TestSpace::new();
    let lead_time = |more: &[&str]| {
        let args = [&["metrics", &log, "--overall"], more].concat();
        let said = space.json(&args).expect(0);
        said.document["report"]["overall"]["measures"]["lead_time"].clone()
    };
    let median = lead_time(&[]);
    assert_eq!(median["ms"], median["median_ms"]);
    space.write(
        "mean.toml",
        "lead_time.aggregate = \"mean\"\n[calendar]\nweek_start = \"sunday\"\n",
    );
    let mean = lead_time(&["--options", "source/mean.toml"]);
    assert_eq!(
        (&mean["ms"], &mean["median_ms"]),
        (&median["mean_ms"], &median["median_ms"])
    );
    space.write("p90.toml", "lead_time.aggregate = { percentile = 90.0 }\n");
    let most = lead_time(&["--options", "source/p90.toml", "--preset", "gitlab"]);
    assert!(most["ms"].as_f64() > median["ms"].as_f64());
    for (text, why) in [
        ("lead_time.agregate = \"mean\"", "unknown field `agregate`"),
        ("lead_time.aggregate = \"middle\"", "unknown variant `middle`"),
        ("lead_time", "TOML"),
    ] {
        space.write("bad.toml", text);
        let refused = space
            .json(&["metrics", &log, "--options", "source/bad.toml"])
            .expect(2);
        let error = refused.error();
        assert!(
            error.contains("source/bad.toml") && error.contains(why),
            "{text}: {error}"
        );
    }
    space
        .json(&["metrics", &log, "--options", "source/nowhere.toml"])
        .expect(2);
}

#[test]
fn a_bad_line_is_left_out_and_told_or_stops_when_asked() {
    let space = TestSpace::new();
    space.write("log.jsonl", "{\"nonsense\": true}\nnot json\n");
    let log = space.source().join("log.jsonl").display().to_string();
    let told = space.release(&["metrics", &log]).expect(0);
    assert!(
        told.stdout.contains("log.jsonl:1: ") && told.stdout.contains("log.jsonl:2: "),
        "{told}"
    );
    let refused = space.json(&["metrics", &log, "--strict"]).expect(2);
    assert!(refused.error().contains("log.jsonl"), "{refused}");
    let refused = space.json(&["metrics", "/nowhere/log.jsonl"]).expect(2);
    assert!(refused.error().contains("/nowhere/log.jsonl"), "{refused}");
}

/// Two services, of which one has a team; the last that is known is the end of an incident.
const LOG: &str = r#"{"type":"change","ts":"2025-01-06T08:00:00Z","service":"shop","sha":"a","first_commit":"2025-01-05T08:00:00Z"}
{"type":"change","ts":"2025-01-06T09:00:00Z","service":"shop","sha":"b"}
{"type":"change","ts":"2025-01-07T08:00:00Z","service":"shop","sha":"waits"}
{"type":"deployment","ts":"2025-01-06T12:00:00Z","service":"shop","id":"d1","environment":"production","result":"success","kind":"planned","team":"red","changes":["a","b"]}
{"type":"deployment","ts":"2025-01-07T12:00:00Z","service":"search","id":"d2","environment":"production","result":"success","kind":"hotfix","changes":["x","y","z"]}
{"type":"incident_opened","ts":"2025-01-08T12:00:00Z","service":"shop","id":"i1","deployment":"d1"}
{"type":"incident_resolved","ts":"2025-01-10T12:00:00Z","service":"shop","id":"i1"}
nonsense
"#;

#[test]
fn a_log_is_known_up_to_its_last_fact() {
    let space = TestSpace::new();
    let log = |text: &str| {
        space.write("log.jsonl", text);
        space.source().join("log.jsonl").display().to_string()
    };
    let review = |log: &str| {
        let review = space.release(&["review", "--month", "2025-01", log, "--service", "shop"]);
        review.expect(0).stdout
    };
    let known = |review: &str, day: &str| {
        let text = format!("The month is not over: facts are known up to {day}.");
        assert!(review.contains(&text), "{day}: {review}");
    };
    let file = log(LOG);
    let whole = review(&file);
    known(&whole, "2025-01-10");
    // From the morning of the 7th until then.
    assert!(whole.contains("| waits | 3 d 4 h | log.jsonl:3 |"), "{whole}");
    // Without the end of the incident its opening is the last, then a deployment, then a change.
    for (dropped, day) in [
        (&["incident_resolved"][..], "2025-01-08"),
        (&["incident_resolved", "incident_opened"], "2025-01-07"),
        (&["incident_resolved", "incident_opened", "\"d2\""], "2025-01-07"),
    ] {
        let lines = LOG
            .lines()
            .filter(|line| !dropped.iter().any(|what| line.contains(what)));
        let text: Vec<_> = lines.collect();
        known(&review(&log(&text.join("\n"))), day);
    }
    // A change alone is known, too.
    let later = LOG.to_owned()
        + "{\"type\":\"change\",\"ts\":\"2025-01-20T08:00:00Z\",\"service\":\"shop\",\"sha\":\"c\"}\n";
    known(&review(&log(&later)), "2025-01-20");
}

#[test]
fn a_part_is_that_of_the_service_or_team_that_was_asked_for() {
    let space = TestSpace::new();
    space.write("log.jsonl", LOG);
    let log = space.source().join("log.jsonl").display().to_string();
    // The further numbers of a service are of it: two changes in one deployment, and three in the other.
    let largest = |more: &[&str]| {
        let args = [&["metrics", &log, "--further"], more].concat();
        let said = space.json(&args).expect(0);
        let figures = said.document["figures"].as_array().unwrap().clone();
        let size = figures
            .iter()
            .find(|figure| figure["id"] == "batch-size")
            .unwrap();
        let values = size["values"].as_array().unwrap();
        values.iter().find(|value| value["name"] == "largest").unwrap()["value"].clone()
    };
    assert_eq!(largest(&["--service", "shop"]), 2.0);
    assert_eq!(largest(&["--service", "search"]), 3.0);
    assert_eq!(largest(&[]), 3.0);
    let team = space
        .release(&["review", "--month", "2025-01", &log, "--team", "red"])
        .expect(0)
        .stdout;
    assert!(
        team.starts_with("# Operations review of January 2025, team red\n"),
        "{team}"
    );
    assert!(
        team.contains("**In short:** 1 deployment, 1 of them failed"),
        "{team}"
    );
    // A month is one of the zone: January begins in December by the clock of UTC.
    let shanghai = space
        .release(&["review", "--month", "2025-01", &log, "--time-zone", "+08:00"])
        .expect(0)
        .stdout;
    assert!(
        shanghai.contains("From 2024-12-31 up to 2025-01-31."),
        "{shanghai}"
    );
    // What could not be read is told where a program does not read it.
    let said = space.release(&["metrics", &log, "--prometheus"]).expect(0);
    assert!(said.stderr.contains("log.jsonl:8"), "{said}");
    assert!(
        !said.stdout.contains("log.jsonl:8") && said.stdout.contains("\ndelivery_unread_facts 1\n"),
        "{said}"
    );
    let said = space.release(&["metrics", &log, "--weekly-csv"]).expect(0);
    assert!(
        said.stderr.contains("log.jsonl:8") && !said.stdout.contains("log.jsonl:8"),
        "{said}"
    );
}

#[test]
fn options_of_a_file_are_laid_over_those_of_the_preset() {
    let space = TestSpace::new();
    space.write("log.jsonl", LOG);
    space.write("mean.toml", "lead_time.aggregate = \"mean\"\n");
    let log = space.source().join("log.jsonl").display().to_string();
    let args = [
        "metrics",
        &log,
        "--preset",
        "devlake",
        "--options",
        "source/mean.toml",
    ];
    let said = space.json(&args).expect(0);
    let options = &said.document["report"]["options"];
    // One field is another; those beside it, and all others, are the preset's.
    assert_eq!(options["lead_time"]["aggregate"], "mean");
    assert_eq!(options["lead_time"]["span"], "phases");
    assert_eq!(options["lead_time"]["start"], "first-commit");
    assert_eq!(options["failures"]["attribution"]["reach"], "project");
    // What the command line says is said last.
    let args = [&args[..], &["--time-zone", "+01:00", "--production", "live"]].concat();
    let nothing = space.json(&args).expect(0);
    assert!(nothing.document["report"].is_null(), "{nothing}");
    let text = space.release(&args).expect(0).stdout;
    assert!(
        text.contains("`production` (2)") && text.contains("--production NAME"),
        "{text}"
    );
}
