use std::error::Error as _;
use std::io::{self, BufRead, BufReader, Read};

use pipeline_metrics::{
    Delivery, Facts, LogReader, LogSummary, Options, Report, ReportOptions, Window, render_text,
};

const MIXED: &[u8] = b"\
{\"type\":\"change\",\"ts\":\"2025-01-06T08:00:00Z\",\"service\":\"shop\",\"sha\":\"a\"}\n\
\n\
{\"type\":\"change\",\"ts\":\"2025-01-06T08:00:00Z\",\"service\":\"shop\"}\n\
{\"type\":\"merge\",\"ts\":\"2025-01-06T08:00:00Z\",\"service\":\"shop\",\"sha\":\"b\"}\n\
{\"type\":\"change\",\"ts\":\"last Monday\",\"service\":\"shop\",\"sha\":\"c\"}\n\
not json\n\
\xff\xfe\n\
{\"type\":\"deployment\",\"ts\":\"2025-01-06T09:00:00Z\",\"service\":\"shop\",\"id\":\"d1\",\"environment\":\"production\",\"result\":\"great\",\"kind\":\"planned\"}\n\
{\"type\":\"deployment\",\"ts\":\"2025-01-06T09:00:00Z\",\"service\":\"shop\",\"id\":\"d1\",\"environment\":\"production\",\"result\":\"success\",\"kind\":\"planed\"}\n\
{\"type\":\"incident_opened\",\"ts\":\"2025-01-06T09:00:00Z\",\"service\":\"shop\"}\n\
[]\r\n\
{\"type\":\"change\",\"ts\":\"2025-01-06T08:00:00Z\",\"service\":\"sh\\u00f6p\",\"sha\":\"z\",\"author\":\"x\"}";

#[test]
fn bad_lines_are_reported_with_file_line_and_reason() {
    let mut facts = Facts::new();
    let read = LogReader::new("log.jsonl").read(MIXED, &mut facts).unwrap();
    let expected = LogSummary {
        facts: 2,
        bad_lines: 9,
    };
    assert_eq!(read, expected);
    let problems: Vec<_> = facts
        .problems()
        .map(|problem| format!("{}: {}", problem.source, problem.reason))
        .collect();
    insta::assert_snapshot!(problems.join("\n"), @r#"
    log.jsonl:3: line of type `change` without `sha`
    log.jsonl:4: not a line of a delivery log: unknown variant `merge`, expected one of `change`, `deployment`, `incident_opened`, `incident_resolved` at line 1 column 15
    log.jsonl:5: not a line of a delivery log: failed to parse four digit integer as year: invalid digit, expected 0-9 but got l at line 1 column 35
    log.jsonl:6: not a JSON object
    log.jsonl:7: not a JSON object
    log.jsonl:8: not a line of a delivery log: unknown variant `great`, expected `success` or `failure` at line 1 column 119
    log.jsonl:9: not a line of a delivery log: unknown variant `planed`, expected one of `planned`, `rework`, `hotfix`, `rollback` at line 1 column 137
    log.jsonl:10: line of type `incident_opened` without `id`
    log.jsonl:11: not a JSON object
    "#);
    // The last line has no end, an escape and a field more, and is a good one.
    let mut components: Vec<_> = facts.changes().map(|change| change.component).collect();
    components.sort_unstable();
    assert_eq!(components, ["shop", "shöp"]);
}

#[test]
fn a_strict_reader_stops_at_the_first_bad_line() {
    let mut facts = Facts::new();
    let error = LogReader::new("log.jsonl")
        .strict()
        .read(MIXED, &mut facts)
        .unwrap_err();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!("\n  {error}");
        cause = error.source();
    }
    insta::assert_snapshot!(text, @r#"
    cannot read delivery log `log.jsonl`, line 3
      the line does not fit
      line of type `change` without `sha`
    "#);
    assert_eq!((error.line, facts.changes().count()), (3, 1));
    assert_eq!(facts.problems().len(), 0);
}

#[test]
fn options_say_which_environments_have_users() {
    let line = r#"{"type":"deployment","ts":"2025-01-06T09:00:00Z","service":"shop","id":"d1","environment":"EU","result":"success","kind":"planned"}"#;
    let mut facts = Facts::new();
    LogReader::new("log.jsonl")
        .read(line.as_bytes(), &mut facts)
        .unwrap();
    for (environments, live) in [(&["eu", "us"][..], 1), (&["production"], 0), (&[], 0)] {
        let mut options = Options::default();
        options.deployments.production = environments.iter().map(ToString::to_string).collect();
        let delivery = Delivery::of(&facts, &options).unwrap();
        assert_eq!(
            delivery
                .weeks()
                .map(|week| week.measures.deployments)
                .sum::<usize>(),
            live
        );
    }
}

#[test]
fn a_line_without_end_is_bad_and_the_next_one_is_read() {
    let good = r#"{"type":"change","ts":"2025-01-06T08:00:00Z","service":"shop","sha":"a"}"#;
    // 64 MiB and a bit.
    let log = format!(
        "{good}\n{}\n{}",
        "x".repeat((64 << 20) + 10),
        good.replace("\"a\"", "\"b\"")
    );
    for threads in [1, 2] {
        let mut facts = Facts::new();
        let reader = LogReader::new("log.jsonl").threads(threads);
        let summary = reader.read(log.as_bytes(), &mut facts).unwrap();
        assert_eq!((summary.facts, summary.bad_lines), (2, 1));
        let problem = facts.problems().next().unwrap();
        assert_eq!(problem.source.to_string(), "log.jsonl:2");
        assert_eq!(
            facts
                .changes()
                .map(|change| change.source.to_string())
                .max()
                .unwrap(),
            "log.jsonl:3"
        );
    }
}

/// Gives a line, then an error.
struct Broken(bool);

impl Read for Broken {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if std::mem::replace(&mut self.0, true) {
            return Err(io::Error::other("the disk is gone"));
        }
        let line = &MIXED[..=MIXED.iter().position(|byte| *byte == b'\n').unwrap()];
        bytes[..line.len()].copy_from_slice(line);
        Ok(line.len())
    }
}

#[test]
fn a_log_that_cannot_be_read_is_an_error_and_no_end() {
    let mut facts = Facts::new();
    let log: &mut dyn BufRead = &mut BufReader::new(Broken(false));
    let error = LogReader::new("log.jsonl").read(log, &mut facts).unwrap_err();
    assert_eq!(error.to_string(), "cannot read delivery log `log.jsonl`, line 2");
    assert_eq!(facts.changes().count(), 1);
}

#[test]
fn deployments_of_two_sources_under_one_id_are_named() {
    let line = |at: &str, result: &str, id: &str| {
        format!(
            r#"{{"type":"deployment","ts":"2025-01-06T{at}Z","service":"shop","id":"{id}","environment":"production","result":"{result}","kind":"planned"}}"#
        )
    };
    let first = [
        line("09:00:00", "success", "d1"),
        line("10:00:00", "success", "d2"),
    ];
    let second = [
        line("11:00:00", "failure", "d1"),
        line("10:00:00", "success", "d2"),
    ];
    let mut facts = Facts::new();
    for (file, lines) in [("second.jsonl", second), ("first.jsonl", first)] {
        LogReader::new(file)
            .read(lines.join("\n").as_bytes(), &mut facts)
            .unwrap();
    }
    let retold: Vec<_> = facts.retold_deployments().map(|fact| fact.to_string()).collect();
    assert_eq!(retold, ["deployment d1 (first.jsonl:1)"]);

    let delivery = Delivery::of(&facts, &Options::default()).unwrap();
    let window = Window::new(
        "2025-01-06T00:00:00Z".parse().unwrap(),
        "2025-01-13T00:00:00Z".parse().unwrap(),
    );
    let report = Report::of(&delivery, &ReportOptions::new(window.unwrap()));
    let text = render_text(&report);
    let (_, told) = text.split_once("told in ").unwrap();
    insta::assert_snapshot!(told, @r"
    different ways under one id: 1 deployment; counted once, as the one that ended first
      deployment d1 (first.jsonl:1)
    ");
    assert_eq!(serde_json::to_value(&report).unwrap()["retold"][0]["id"], "d1");
}
