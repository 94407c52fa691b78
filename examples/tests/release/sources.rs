//! Where facts come from: logs, `CDEvents`, tables, repositories, several of them together; good ones and bad ones.

use std::fs;

use serde_json::{Value, json};

use crate::revisions::{commit, git};
use crate::support::TestSpace;

/// One week of a shop: two changes, two deployments, one incident that the first one caused.
const LOG: &str = r#"{"type":"change","ts":"2025-01-06T08:00:00Z","service":"shop","sha":"aaaaaaa1"}
{"type":"change","ts":"2025-01-07T10:00:00Z","service":"shop","sha":"bbbbbbb2"}
{"type":"deployment","ts":"2025-01-06T12:00:00Z","service":"shop","id":"d1","environment":"production","result":"success","kind":"planned","changes":["aaaaaaa1"]}
{"type":"deployment","ts":"2025-01-07T12:00:00Z","service":"shop","id":"d2","environment":"production","result":"success","kind":"planned","changes":["bbbbbbb2"]}
"#;
const INCIDENT: &str = r#"{"type":"incident_opened","ts":"2025-01-06T13:00:00Z","service":"shop","id":"i1"}
{"type":"incident_resolved","ts":"2025-01-06T15:00:00Z","service":"shop","id":"i1"}
"#;
const CDEVENTS: &str = r#"{"context":{"id":"1","source":"/git","type":"dev.cdevents.change.merged.0.3.0","timestamp":"2025-01-06T08:00:00Z"},"subject":{"id":"aaaaaaa1","content":{"repository":{"id":"shop.git"}}}}
{"context":{"id":"2","source":"/git","type":"dev.cdevents.change.merged.0.3.0","timestamp":"2025-01-07T10:00:00Z"},"subject":{"id":"bbbbbbb2","content":{"repository":{"id":"shop.git"}}}}
{"context":{"id":"3","source":"/ci","type":"dev.cdevents.artifact.packaged.0.3.0","timestamp":"2025-01-06T09:00:00Z"},"subject":{"id":"shop@1","content":{"change":{"id":"aaaaaaa1"}}}}
{"context":{"id":"4","source":"/ci","type":"dev.cdevents.artifact.packaged.0.3.0","timestamp":"2025-01-07T11:00:00Z"},"subject":{"id":"shop@2","content":{"change":{"id":"bbbbbbb2"}}}}
{"context":{"id":"5","source":"/cd","type":"dev.cdevents.service.deployed.0.3.0","timestamp":"2025-01-06T12:00:00Z"},"subject":{"id":"shop","content":{"environment":{"id":"production"},"artifactId":"shop@1"}}}
{"context":{"id":"6","source":"/cd","type":"dev.cdevents.service.upgraded.0.3.0","timestamp":"2025-01-07T12:00:00Z"},"subject":{"id":"shop","content":{"environment":{"id":"production"},"artifactId":"shop@2"}}}
{"context":{"id":"7","source":"/desk","type":"dev.cdevents.incident.detected.0.3.0","timestamp":"2025-01-06T13:00:00Z"},"subject":{"id":"i1","content":{"environment":{"id":"production"},"service":{"id":"shop"}}}}
{"context":{"id":"8","source":"/desk","type":"dev.cdevents.incident.resolved.0.3.0","timestamp":"2025-01-06T15:00:00Z"},"subject":{"id":"i1","content":{"environment":{"id":"production"}}}}
{"context":{"id":"9","source":"/ci","type":"dev.cdevents.build.queued.0.3.0","timestamp":"2025-01-06T08:30:00Z"},"subject":{"id":"b1","content":{}}}
{"context":{"id":"10","source":"/ci","type":"dev.cdevents.build.started.0.3.0","timestamp":"2025-01-06T08:45:00Z"},"subject":{"id":"b1","content":{}}}
{"context":{"id":"11","source":"/git","type":"dev.cdevents.branch.created.0.3.0","timestamp":"2025-01-06T12:00:00Z"},"subject":{"id":"main","content":{}}}
"#;
const CHANGES: &str = "\
commit,app,committed_at
aaaaaaa1,shop,2025-01-06T08:00:00Z
bbbbbbb2,shop,2025-01-07T10:00:00Z
";
const DEPLOYMENTS: &str = "\
id,component,environment,finished,result,changes
d1,shop,production,2025-01-06T12:00:00Z,success,aaaaaaa1
d2,shop,production,2025-01-07T12:00:00Z,success,bbbbbbb2
";
/// As a service desk in Berlin exports it.
const TICKETS: &str = "\
number;service;opened_at;resolved_at
i1;SHP;06.01.2025 14:00;06.01.2025 16:00
";
const HOUR: f64 = 3_600_000.0;

fn space() -> TestSpace {
    let space = TestSpace::new();
    space.write("log.jsonl", LOG);
    space.write("incidents.jsonl", INCIDENT);
    space.write("events.json", CDEVENTS);
    space.write("changes.csv", CHANGES);
    space.write("deployments.csv", DEPLOYMENTS);
    space.write("tickets.csv", TICKETS);
    space
}

/// The document of `release metrics`, run where the sources are.
fn metrics(space: &TestSpace, args: &[&str]) -> Value {
    let args: Vec<_> = args.iter().map(|arg| arg.replace('@', "source/")).collect();
    let mut all = vec!["metrics"];
    all.extend(args.iter().map(String::as_str));
    space.json(&all).expect(0).document
}

fn refused(space: &TestSpace, args: &[&str]) -> String {
    let args: Vec<_> = args.iter().map(|arg| arg.replace('@', "source/")).collect();
    let mut all = vec!["metrics"];
    all.extend(args.iter().map(String::as_str));
    let ran = space.release(&all).expect(2);
    assert_eq!(ran.stdout, "", "what is refused says nothing on standard output");
    ran.stderr
}

/// Two deployments, of which the first one failed and took three hours to recover; changes took 4 and 2 hours.
#[track_caller]
fn assert_is_the_week(document: &Value) {
    let measures = &document["report"]["parts"][0]["measures"];
    let told = [
        &measures["deployments"],
        &measures["lead_time"]["median_ms"],
        &measures["change_fail_rate"]["part"],
        &measures["recovery_time"]["median_ms"],
        &measures["open_incidents"],
    ];
    let expected = [json!(2), json!(3.0 * HOUR), json!(1), json!(3.0 * HOUR), json!(0)];
    assert_eq!(told.map(Clone::clone), expected, "{document:#}");
    assert_eq!(document["problems"], json!([]));
}

#[test]
fn the_same_week_is_the_same_whoever_tells_it() {
    let space = space();
    let log = metrics(&space, &["@log.jsonl", "@incidents.jsonl"]);
    assert_is_the_week(&log);
    assert_eq!(
        log["sources"][0],
        json!({ "source": "source/log.jsonl", "kind": "log", "used": 4, "unused": {}, "bad": 0 })
    );
    let events = metrics(&space, &["cdevents:@events.json"]);
    assert_is_the_week(&events);
    assert_eq!(
        events["sources"][0],
        json!({
            "source": "source/events.json", "kind": "cdevents", "used": 10, "unused": { "branch.created": 1 }, "bad": 0
        })
    );
    let columns = ["--columns", "changes:sha=commit,component=app,at=committed_at"];
    let tables = [
        &[
            "changes:@changes.csv",
            "deployments:@deployments.csv",
            "@incidents.jsonl",
        ],
        &columns[..],
    ];
    let tables = metrics(&space, &tables.concat());
    assert_is_the_week(&tables);
    assert_eq!(tables["sources"][1]["kind"], "changes");
    // A log, and the incidents from elsewhere: what a file of sources is for.
    space.write(
        "sources.toml",
        r#"
logs = ["log.jsonl"]

[[tables]]
file = "tickets.csv"
rows = "incidents"
columns = { id = "number", component = "service", started = "opened_at", finished = "resolved_at" }
constants = { environment = "production" }
values = { component = { SHP = "shop" } }
time = { local = { time-zone = "Europe/Berlin", format = "%d.%m.%Y %H:%M" } }
delimiter = ";"
"#,
    );
    assert_is_the_week(&metrics(&space, &["--sources", "@sources.toml", "--strict"]));
    // Order and repetition change nothing.
    let more = [
        "@incidents.jsonl",
        "--sources",
        "@sources.toml",
        "log:@log.jsonl",
        "@log.jsonl",
    ];
    assert_is_the_week(&metrics(&space, &more));
    assert!(!space.store().exists(), "none of these needs a store");
}

#[test]
fn the_first_line_tells_events_from_a_log() {
    let space = space();
    assert_is_the_week(&metrics(&space, &["@events.json"]));
    let list = format!("\n  [{}]\n", CDEVENTS.trim_end().replace('\n', ",\n"));
    space.write("list.json", &list);
    assert_is_the_week(&metrics(&space, &["@list.json"]));
    let cloud: String = CDEVENTS
        .lines()
        .map(|event| format!("{{\"specversion\":\"1.0\",\"type\":\"x\",\"data\":{event}}}\n"))
        .collect();
    space.write("cloud.json", &cloud);
    assert_is_the_week(&metrics(&space, &["@cloud.json"]));
    let pretty: String = CDEVENTS
        .lines()
        .map(|event| format!("{:#}\n", serde_json::from_str::<Value>(event).unwrap()))
        .collect();
    space.write("pretty.json", &pretty);
    assert_is_the_week(&metrics(&space, &["@pretty.json"]));
    // Events of several files belong together.
    let (first, second) = CDEVENTS.split_at(CDEVENTS.find("{\"context\":{\"id\":\"4\"").unwrap());
    space.write("first.json", first);
    space.write("second.json", second);
    assert_is_the_week(&metrics(&space, &["@second.json", "cdevents:@first.json"]));
    // A log whose first line is broken is a log.
    space.write(
        "broken.jsonl",
        &format!("{{\"type\":\"change\",\n\u{feff}\n{LOG}{INCIDENT}"),
    );
    let broken = metrics(&space, &["@broken.jsonl"]);
    assert_eq!(
        (&broken["sources"][0]["kind"], &broken["sources"][0]["used"]),
        (&json!("log"), &json!(6))
    );
}

#[test]
fn standard_input_is_a_source_once() {
    let space = space();
    let all = format!("{LOG}{INCIDENT}");
    for (input, args) in [
        (&*all, &["metrics", "-", "--json"][..]),
        (CDEVENTS, &["metrics", "-", "--json"]),
        (CDEVENTS, &["metrics", "cdevents:-", "--json"]),
        (INCIDENT, &["metrics", "log:-", "source/log.jsonl", "--json"]),
        (
            DEPLOYMENTS,
            &[
                "metrics",
                "deployments:-",
                "changes:source/changes.csv",
                "source/incidents.jsonl",
                "--columns",
                "changes:sha=commit,component=app,at=committed_at",
                "--json",
            ],
        ),
    ] {
        let ran = space.release_fed(input, args).expect(0);
        assert_is_the_week(&serde_json::from_str(&ran.stdout).unwrap());
    }
    let twice = refused(&space, &["-", "cdevents:-"]);
    assert!(twice.contains("standard input can be read once"), "{twice}");
    let nothing = space.release_fed("", &["metrics", "-"]).expect(0);
    assert_eq!(nothing.stdout, "nothing was deployed yet\n");
}

#[test]
fn a_repository_tells_deployments_and_reverts() {
    let space = TestSpace::new();
    git(&space, "2025-01-06T08:00:00Z", &["init", "-q"]);
    let first = commit(&space, "2025-01-06T08:00:00Z", "first");
    git(&space, "2025-01-06T12:00:00Z", &["tag", "-m", "one", "v1"]);
    git(
        &space,
        "2025-01-06T12:30:00Z",
        &["tag", "-m", "not a deployment", "note"],
    );
    let message = format!("Revert \"first\"\n\nThis reverts commit {first}.");
    commit(&space, "2025-01-06T14:00:00Z", &message);
    git(&space, "2025-01-06T15:00:00Z", &["tag", "-m", "two", "v2"]);
    let told = metrics(&space, &["git:shop=source", "--tags", "v*"]);
    let part = &told["report"]["parts"][0];
    assert_eq!(part["name"], "shop");
    let measures = &part["measures"];
    assert_eq!(measures["deployments"], 2);
    assert_eq!(measures["lead_time"]["median_ms"], 2.5 * HOUR);
    assert_eq!(measures["change_fail_rate"]["part"], 1);
    assert_eq!(measures["recovery_time"]["median_ms"], 3.0 * HOUR);
    // Without a name it is called like its directory; without a pattern every tag counts.
    let told = metrics(&space, &["git:source"]);
    let part = &told["report"]["parts"][0];
    assert_eq!(
        (&part["name"], &part["measures"]["deployments"]),
        (&json!("source"), &json!(3))
    );
    // Two components of one repository, each with tags of its own.
    space.write(
        "../sources.toml",
        r#"
[[repositories]]
directory = "source"
component = "api"
tags = ["v1"]

[[repositories]]
directory = "source"
component = "web"
tags = ["v[12]"]
environment = "live"
clock = "committed"
"#,
    );
    let told = metrics(
        &space,
        &[
            "--sources",
            "sources.toml",
            "--production",
            "live",
            "--production",
            "production",
        ],
    );
    let parts = told["report"]["parts"].as_array().unwrap();
    let counts: Vec<_> = parts
        .iter()
        .map(|part| (part["name"].clone(), part["measures"]["deployments"].clone()))
        .collect();
    assert_eq!(counts, [(json!("api"), json!(1)), (json!("web"), json!(2))]);

    for (args, why) in [
        (&["git:nowhere"][..], "nowhere"),
        (&["git:shop=/"], "no repository can be opened in `/`"),
        (&["git:shop=source", "--tags", "v["], "no pattern of tags"),
        (&["source"], "say git:source"),
        (&["git:-"], "a git repository is a directory"),
    ] {
        let error = refused(&space, args);
        assert!(error.contains(why), "{args:?}: {error}");
    }
}

#[test]
fn a_store_and_what_others_know_of_it() {
    let space = TestSpace::to_production("");
    space.run(0);
    let deployed = space.json(&["metrics"]).expect(0).document;
    let measures = &deployed["report"]["parts"][0]["measures"];
    assert_eq!(
        (&measures["deployments"], &measures["incidents"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(deployed["sources"][0]["kind"], "journal");
    let at = space
        .events()
        .iter()
        .find(|event| {
            event["event"]["kind"] == "environment.deployed"
                && event["event"]["stream"] == "environment/production"
        })
        .unwrap()["event"]["at"]
        .clone();
    let incidents = format!("id,component,started\ni1,shop,{}\n", at.as_str().unwrap());
    space.write("incidents.csv", &incidents);
    let both = space
        .json(&["metrics", "journal", "incidents:source/incidents.csv"])
        .expect(0)
        .document;
    let measures = &both["report"]["parts"][0]["measures"];
    assert_eq!(
        (&measures["deployments"], &measures["open_incidents"]),
        (&json!(1), &json!(1)),
        "{both:#}"
    );
    space.write("sources.toml", "journal = true\n");
    let listed = space
        .json(&["metrics", "--sources", "source/sources.toml"])
        .expect(0)
        .document;
    assert_eq!(listed["sources"], deployed["sources"]);
    let without = TestSpace::new();
    let refused = without.json(&["metrics", "journal"]).expect(2);
    assert!(!refused.error().is_empty());
    assert!(!without.store().exists(), "who looks makes no store");
}

/// Each kind of source with one record that cannot be read.
#[test]
fn a_bad_record_is_told_and_counted_or_stops() {
    let space = space();
    space.write("bad.jsonl", &format!("{LOG}{{\"type\":\"chance\"}}\n"));
    space.write(
        "bad.json",
        &format!("{CDEVENTS}{{\"context\":{{\"id\":\"12\"}}}}\n"),
    );
    // In order by itself, but nobody can say of which service it is.
    let whose = r#"{"context":{"id":"13","source":"/desk","type":"dev.cdevents.incident.detected.0.3.0","timestamp":"2025-01-06T13:00:00Z"},"subject":{"id":"i2","content":{"environment":{"id":"production"}}}}"#;
    space.write("whose.json", &format!("{CDEVENTS}{whose}\n"));
    space.write(
        "bad.csv",
        &format!("{DEPLOYMENTS}d3,shop,production,noon,success,\n"),
    );
    for (source, place, why) in [
        (
            "log:@bad.jsonl",
            "source/bad.jsonl:5",
            "not a line of a delivery log",
        ),
        ("cdevents:@bad.json", "source/bad.json:12", "missing field"),
        (
            "@whose.json",
            "source/whose.json:12",
            "incident.detected without `service`",
        ),
        ("deployments:@bad.csv", "source/bad.csv:4", "`noon` in `finished`"),
    ] {
        let told = metrics(&space, &[source]);
        assert_eq!(
            told["report"]["parts"][0]["measures"]["deployments"], 2,
            "{source}"
        );
        assert_eq!(told["sources"][0]["bad"], 1, "{source}: {told:#}");
        let problems = told["problems"].as_array().unwrap();
        assert_eq!(problems.len(), 1, "{source}");
        let reason = problems[0]["reason"].as_str().unwrap();
        assert!(reason.contains(why), "{source}: {reason}");
        let named = source.replace('@', "source/");
        let text = space.release(&["metrics", &named]).expect(0).stdout;
        assert!(text.contains(&format!("{place}: {reason}")), "{text}");
        // Forms for programs have no place for it; then it is said beside them.
        for form in ["--weekly-csv", "--prometheus"] {
            let ran = space.release(&["metrics", &named, form]).expect(0);
            assert!(
                ran.stderr.contains("1 record could not be read") && ran.stderr.contains(place),
                "{form}: {ran}"
            );
        }
        let ran = space.release(&["report", "-o", "page.html", &named]).expect(0);
        assert!(ran.stdout.contains(place), "{ran}");
        let page = fs::read_to_string(space.root().join("page.html")).unwrap();
        assert!(page.contains(place), "the page tells it, too");
        let error = refused(&space, &[source, "--strict"]);
        let line = place.rsplit_once(':').unwrap().1;
        assert!(
            error.contains(place.rsplit_once(':').unwrap().0) && error.contains(line) && error.contains(why),
            "{source}: {error}"
        );
    }
    let many = format!("{DEPLOYMENTS}{}", "d3,shop,production,noon,success,\n".repeat(40));
    space.write("many.csv", &many);
    let ran = space
        .release(&["metrics", "deployments:source/many.csv", "--weekly-csv"])
        .expect(0);
    assert!(
        ran.stderr.contains("40 records") && ran.stderr.contains("and 35 more"),
        "{ran}"
    );
}

#[test]
fn what_is_no_source_is_refused_with_a_hint() {
    let space = space();
    space.write("empty.csv", "");
    space.write("bytes.csv", "id,component,started\n\u{0}\u{1}\n");
    space.write(
        "unknown.toml",
        "[[tables]]\nfile = \"tickets.csv\"\nrows = \"incidents\"\ncolums = {}\n",
    );
    space.write("nofile.toml", "[[tables]]\nrows = \"incidents\"\n");
    space.write("other.toml", "csv = []\n");
    space.write("zone.toml", "[[tables]]\nfile = \"incidents.csv\"\nrows = \"incidents\"\ntime = { local = { time-zone = \"Mars\" } }\n");
    space.write("incidents.csv", "id,component,started\n");
    for (args, why) in [
        (&["@nowhere.jsonl"][..], "source/nowhere.jsonl: No such file"),
        (&["cdevents:@nowhere.json"], "source/nowhere.json: No such file"),
        (&["incidents:@nowhere.csv"], "source/nowhere.csv: No such file"),
        (
            &["incident:@tickets.csv"],
            "`incident` is no kind of source: there are log, cdevents",
        ),
        (&["log:source"], "source is a directory"),
        (&["incidents:source"], "source is a directory"),
        (&["@tickets.csv"], "what are the rows of source/tickets.csv?"),
        (&["incidents:@empty.csv"], "there is no header"),
        (&["incidents:@tickets.csv"], "is one column"),
        (
            &["incidents:@bytes.csv", "--strict"],
            "row of 1 fields under a header of 3",
        ),
        (
            &["changes:@changes.csv"],
            "its columns are `commit`, `app`, `committed_at`",
        ),
        (
            &[
                "changes:@changes.csv",
                "--columns",
                "sha=comit,component=app,at=committed_at",
            ],
            "the nearest is `commit`",
        ),
        (
            &["@log.jsonl", "--columns", "id=number"],
            "there is none, such as incidents:FILE",
        ),
        (
            &["changes:@changes.csv", "--columns", "incidents:id=number"],
            "there is no table incidents:FILE",
        ),
        (
            &[
                "changes:@changes.csv",
                "deployments:@deployments.csv",
                "--columns",
                "id=x",
            ],
            "say of which",
        ),
        (&["changes:@changes.csv", "--columns", "number"], "FIELD=COLUMN"),
        (
            &["changes:@changes.csv", "--columns", "number=sha"],
            "unknown variant `number`",
        ),
        (
            &["--sources", "@nowhere.toml"],
            "source/nowhere.toml: No such file",
        ),
        (&["--sources", "@unknown.toml"], "unknown field `colums`"),
        (&["--sources", "@nofile.toml"], "table 1 has no `file`"),
        (&["--sources", "@other.toml"], "unknown field `csv`"),
        (&["--sources", "@zone.toml"], "time zone `Mars` is unknown"),
        (&["log:"], "does not say where"),
    ] {
        let error = refused(&space, args);
        assert!(error.contains(why), "{args:?}: {error}");
    }
    // An empty log tells nothing, which is no mistake.
    space.write("empty.jsonl", "");
    let empty = metrics(&space, &["@empty.jsonl"]);
    assert_eq!(
        (&empty["report"], &empty["sources"][0]["used"]),
        (&Value::Null, &json!(0))
    );
    // An environment with another name is most often the reason.
    space.write("prod.jsonl", &LOG.replace("\"production\"", "\"prod\""));
    let ran = space.release(&["metrics", "source/prod.jsonl"]).expect(0);
    assert!(
        ran.stdout.contains("`prod` (2)") && ran.stdout.contains("--production NAME"),
        "{ran}"
    );
}
