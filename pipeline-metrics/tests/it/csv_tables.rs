//! Tables with named columns.

use pipeline_metrics::{CsvField, CsvReader, CsvRows, CsvTime, Facts, Flow, FlowFact};

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!("\n  {error}");
        cause = error.source();
    }
    text
}

fn refused(reader: &CsvReader, table: &str) -> String {
    let (mut facts, mut flow) = (Facts::new(), Flow::new());
    chain(
        &reader
            .read("t.csv", table.as_bytes(), &mut facts, &mut flow)
            .unwrap_err(),
    )
}

#[test]
fn every_kind_of_row() {
    let (mut facts, mut flow) = (Facts::new(), Flow::new());
    let tables = [
        (
            CsvRows::Changes,
            "component,sha,at,merged\nshop,a,2025-01-06T08:00:00Z,2025-01-06T09:00:00+01:00\n",
        ),
        (
            CsvRows::Deployments,
            "id,component,environment,started,finished,result,kind,version,team,changes\n\
             d1,shop,production,,2025-01-06T12:00:00Z,success,hotfix,1.0,web,\"a; b,c\"\n",
        ),
        (
            CsvRows::Incidents,
            "id,component,started,finished\ni1,shop,2025-01-06T13:00:00Z,2025-01-06T14:00:00Z\ni2,shop,2025-01-06T13:00:00Z,\n",
        ),
        (
            CsvRows::StageTimes,
            "item,stage,started,finished,spent,by,accurate\nr1,build,2025-01-06T08:00:00Z,2025-01-06T09:00:00Z,0.5,ci,yes\n",
        ),
        (
            CsvRows::Waits,
            "item,cause,started,finished,by\nr1,approval,2025-01-06T08:00:00Z,,board\n",
        ),
        (
            CsvRows::Holds,
            "environment,started,by\nproduction,2025-01-06T08:00:00Z,shop\n",
        ),
        (
            CsvRows::ManualWork,
            "task,at,spent,automatable\ncopy logs,2025-01-06T08:00:00Z,1h 30m,true\n",
        ),
    ];
    for (rows, table) in tables {
        let read = CsvReader::new(rows)
            .strict()
            .read("t.csv", table.as_bytes(), &mut facts, &mut flow)
            .unwrap();
        assert_eq!(read.used, table.lines().count() as u64 - 1);
    }
    let change = facts.changes().next().unwrap();
    assert_eq!(change.phases.merged.unwrap().to_string(), "2025-01-06T08:00:00Z");
    let deployment = facts.deployments().next().unwrap();
    assert_eq!(
        (deployment.changes.len(), deployment.team, deployment.version),
        (3, Some("web"), Some("1.0"))
    );
    assert_eq!((facts.incidents().count(), facts.recoveries().count()), (2, 1));
    let stage = flow.stage_times().next().unwrap();
    assert_eq!(
        (stage.process.unwrap().as_mins(), stage.accurate),
        (30, Some(true))
    );
    assert!(flow.waits().next().unwrap().until.is_none());
    assert_eq!(&*flow.holds().next().unwrap().environment, "production");
    assert_eq!(flow.manual_work().next().unwrap().spent.unwrap().as_mins(), 90);
    // Once more changes nothing.
    let before = flow.clone();
    for (rows, table) in tables {
        CsvReader::new(rows)
            .read("t.csv", table.as_bytes(), &mut facts, &mut flow)
            .unwrap();
    }
    assert_eq!(flow, before);
    assert_eq!(facts.deployments().count(), 1);
    flow.extend(flow.clone().waits().cloned().map(FlowFact::Wait));
    assert_eq!(flow, before);
}

#[test]
fn a_header_that_does_not_fit_says_what_is_missing_and_what_is_near() {
    let reader = CsvReader::new(CsvRows::Deployments).column(CsvField::Finished, "finished_at");
    insta::assert_snapshot!(refused(&reader, "id,Component,env,finishedAt,result\n"), @"
    cannot read table `t.csv`
      there is no column `component`; the nearest is `Component`, and there is no column `environment`; the nearest is `env`, and there is no column `finished_at` for `finished`; the nearest is `finishedAt`; its columns are `id`, `Component`, `env`, `finishedAt`, `result`
    ");
    let reader = CsvReader::new(CsvRows::Holds);
    insta::assert_snapshot!(refused(&reader, "environment,started,environment\n"), @"
    cannot read table `t.csv`
      there are two columns `environment`
    ");
    // What Excel writes where commas are decimal.
    insta::assert_snapshot!(refused(&CsvReader::new(CsvRows::Holds), "environment;started\n"), @"
    cannot read table `t.csv`
      `environment;started` is one column: what stands between two fields is set to `,`
    ");
    insta::assert_snapshot!(refused(&reader, ""), @"
    cannot read table `t.csv`
      there is no header: the first row has to name the columns
    ");
    let reader = CsvReader::new(CsvRows::Holds).column(CsvField::Sha, "commit");
    insta::assert_snapshot!(refused(&reader, "environment,started\n"), @"
    cannot read table `t.csv`
      a hold has no `sha`; it has `environment`, `started`, `id`, `by`, `finished`
    ");
}

#[test]
fn rows_that_do_not_fit_are_told_with_their_line() {
    let table = "\
id,component,environment,finished,result,kind
d1,shop,production,2025-01-06T12:00:00Z,success,planned
d2,,production,2025-01-06T12:00:00Z,success,planned
d3,shop,production,noon,success,planned

d4,shop,production,2025-01-06T12:00:00Z,great,planned
d5,shop,production
\"d6\nlong\",shop,production,2025-01-06T12:00:00Z,success,urgent
d7,shop,production,2025-01-06T12:00:00Z,success,
";
    let (mut facts, mut flow) = (Facts::new(), Flow::new());
    let reader = CsvReader::new(CsvRows::Deployments);
    let read = reader
        .read("t.csv", table.as_bytes(), &mut facts, &mut flow)
        .unwrap();
    assert_eq!((read.used, read.bad), (2, 5));
    let problems: Vec<_> = facts
        .problems()
        .map(|one| format!("{}: {}", one.source, one.reason))
        .collect();
    insta::assert_snapshot!(problems.join("\n"), @"
    t.csv:3: deployment without `component`
    t.csv:4: `noon` in `finished` is no moment with its offset from UTC, such as `2025-01-06T08:00:00Z`
    t.csv:6: `great` in `result` is neither `success` nor `failure`
    t.csv:7: row of 3 fields under a header of 6; a text with a delimiter in it needs quotes
    t.csv:8: `urgent` in `kind` is none of `planned`, `rework`, `hotfix` and `rollback`
    ");
    insta::assert_snapshot!(refused(&reader.strict(), table), @"
    cannot read `t.csv`, line 3
      the record does not fit
      deployment without `component`
    ");
}

#[test]
fn a_mapping_is_data() {
    let text = r#"{"rows":"incidents","columns":{"id":"key","component":"app","started":"from"},
        "constants":{"environment":"production"},"values":{"component":{"SHP":"shop"}},
        "time":{"local":{"time-zone":"+01:00"}},"delimiter":";","strict":true}"#;
    let reader: CsvReader = serde_json::from_str(text).unwrap();
    let (mut facts, mut flow) = (Facts::new(), Flow::new());
    reader
        .read(
            "t.csv",
            &b"key;app;from\ni1;SHP;2025-01-06 08:00:00\n"[..],
            &mut facts,
            &mut flow,
        )
        .unwrap();
    let incident = facts.incidents().next().unwrap();
    assert_eq!(
        (incident.component, incident.environment),
        ("shop", Some("production"))
    );
    assert_eq!(incident.opened.to_string(), "2025-01-06T07:00:00Z");
    let again: CsvReader = serde_json::from_str(&serde_json::to_string(&reader).unwrap()).unwrap();
    assert_eq!(again, reader);
    assert!(serde_json::from_str::<CsvReader>(r#"{"rows":"holds","column":{}}"#).is_err());

    let unix = CsvReader::new(CsvRows::Holds).time(CsvTime::UnixMilliseconds);
    unix.read(
        "t.csv",
        &b"environment,started\np,1736150400000\n"[..],
        &mut facts,
        &mut flow,
    )
    .unwrap();
    assert_eq!(
        flow.holds().next().unwrap().from.unwrap().to_string(),
        "2025-01-06T08:00:00Z"
    );
}

#[test]
fn moments_are_read_as_they_are_written() {
    let read = |time: CsvTime, text: &str| {
        let (mut facts, mut flow) = (Facts::new(), Flow::new());
        let table = format!("environment,started\np,{text}\n");
        let reader = CsvReader::new(CsvRows::Holds).time(time).strict();
        let read = reader.read("t.csv", table.as_bytes(), &mut facts, &mut flow);
        read.map(|_| flow.holds().next().unwrap().from.unwrap().to_string())
            .map_err(|error| chain(&error))
    };
    let local = |zone: &str, format: Option<&str>| CsvTime::Local {
        time_zone: zone.to_owned(),
        format: format.map(str::to_owned),
    };
    let german = Some("%d.%m.%Y %H:%M");
    for (time, text, moment) in [
        (
            CsvTime::Rfc3339,
            "2025-01-06 08:00:00+01:00",
            "2025-01-06T07:00:00Z",
        ),
        (local("UTC", None), "2025-01-06 08:00:00", "2025-01-06T08:00:00Z"),
        (local("UTC", None), "2025-01-06T08:00", "2025-01-06T08:00:00Z"),
        (
            local("-05:00", None),
            "2025-01-06 08:00:00.5",
            "2025-01-06T13:00:00.5Z",
        ),
        (
            local("+01:00", german),
            "06.01.2025 08:00",
            "2025-01-06T07:00:00Z",
        ),
        (CsvTime::UnixSeconds, "1736150400", "2025-01-06T08:00:00Z"),
    ] {
        assert_eq!(read(time.clone(), text).as_deref(), Ok(moment), "{time:?} {text}");
    }
    #[cfg(feature = "zones")]
    for (text, moment) in [
        ("2025-01-06 08:00:00", "2025-01-06T07:00:00Z"),
        ("2025-07-06 08:00:00", "2025-07-06T06:00:00Z"),
        // Twice and never, by the clocks.
        ("2025-10-26 02:30:00", "2025-10-26T00:30:00Z"),
        ("2025-03-30 02:30:00", "2025-03-30T01:30:00Z"),
    ] {
        assert_eq!(
            read(local("Europe/Berlin", None), text).as_deref(),
            Ok(moment),
            "{text}"
        );
    }
    for (time, text, why) in [
        (CsvTime::Rfc3339, "2025-01-06 08:00:00", "offset from UTC"),
        (
            local("UTC", german),
            "2025-01-06 08:00",
            "in the form that was set",
        ),
        (local("UTC", None), "6 January", "such as `2025-01-06 08:00:00`"),
        (
            local("Nowhere", None),
            "2025-01-06 08:00:00",
            "time zone `Nowhere` is unknown",
        ),
        (CsvTime::UnixSeconds, "2025-01-06", "seconds since 1970"),
    ] {
        let error = read(time, text).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

/// Every field of every kind of row gets to the field of the fact that it is for, in all the words that it may have;
/// rows without an id that differ are told apart.
#[test]
fn every_field_has_its_place() {
    let moment = |hour: u32| format!("2025-01-06T{hour:02}:00:00Z");
    let table = |head: &str, rows: &[String]| format!("{head}\n{}\n", rows.join("\n"));
    let (mut facts, mut flow) = (Facts::new(), Flow::new());
    let mut read = |rows, table: String| {
        let reader = CsvReader::new(rows).strict();
        reader
            .read("t.csv", table.as_bytes(), &mut facts, &mut flow)
            .unwrap();
    };
    let [one, two, three, four, five, six] = [1, 2, 3, 4, 5, 6].map(moment);
    read(
        CsvRows::Changes,
        table(
            "component,sha,at,first-commit,opened,reviewed,merged",
            &[format!("shop,a,{five},{one},{two},{three},{four}")],
        ),
    );
    let deployment = |id: &str, kind: &str, result: &str, changes: &str| {
        format!("{id},shop,eu,{one},{two},{result},{kind},1.0,sha256:9,web,{changes}")
    };
    read(
        CsvRows::Deployments,
        table(
            "id,component,environment,started,finished,result,kind,version,release,team,changes",
            &[
                deployment("d1", "planned", "success", "a|b"),
                deployment("d2", "rework", "success", "a b"),
                deployment("d3", "hotfix", "failure", "a;;b"),
                deployment("d4", "rollback", "success", ""),
            ],
        ),
    );
    read(
        CsvRows::Incidents,
        table(
            "id,component,started,finished,environment,deployment",
            &[format!("i1,shop,{three},{four},eu,d1")],
        ),
    );
    read(
        CsvRows::StageTimes,
        table(
            "item,stage,started,finished,component,ready,spent,by,accurate",
            &[
                format!("r1,build,{two},{three},shop,{one},0.5,ci,no"),
                format!("r1,build,{four},{five},shop,,PT90M,ann,0"),
                format!("r1,test,{four},{five},shop,,,,1"),
            ],
        ),
    );
    read(
        CsvRows::Waits,
        table(
            "item,cause,started,finished,component,stage,by",
            &[
                format!("r1,approval,{one},{two},shop,deploy,board"),
                format!("r1,approval,{three},,shop,deploy,ann"),
            ],
        ),
    );
    read(
        CsvRows::Holds,
        table(
            "environment,started,finished,by",
            &[format!("eu,{one},{two},shop"), format!("eu,{three},{four},ann")],
        ),
    );
    read(
        CsvRows::ManualWork,
        table(
            "task,at,component,by,spent,automatable",
            &[
                format!("copy,{five},shop,ann,1.5,false"),
                format!("copy,{five},shop,ben,2,yes"),
                format!("copy,{six},shop,ben,,"),
            ],
        ),
    );
    let mut told: Vec<String> = facts
        .changes()
        .map(|one| format!("{} {} {} {:?}", one.component, one.sha, one.at, one.phases))
        .collect();
    told.extend(facts.deployments().map(|one| {
        format!(
            "{} {} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            one.id,
            one.environment,
            one.started.map(|at| at.to_string()),
            one.result,
            one.kind,
            one.version,
            one.release,
            one.team,
            one.changes.iter().map(ToString::to_string).collect::<Vec<_>>()
        )
    }));
    told.extend(facts.incidents().map(|one| {
        format!(
            "{} {:?} {:?} {}",
            one.id, one.environment, one.deployment, one.opened
        )
    }));
    let text = |text: &Option<std::sync::Arc<str>>| text.as_deref().unwrap_or("-").to_owned();
    let time =
        |at: Option<jiff::Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.strftime("%H").to_string());
    let mut flows: Vec<String> = flow
        .stage_times()
        .map(|one| {
            format!(
                "stage {} {} {} {} {} {} {:?} {} {:?}",
                text(&one.component),
                text(&one.item),
                text(&one.stage),
                time(one.ready),
                time(one.started),
                time(one.finished),
                one.process.map(|spent| spent.as_mins()),
                text(&one.by),
                one.accurate
            )
        })
        .collect();
    flows.extend(flow.waits().map(|one| {
        format!(
            "wait {} {} {} {} {} {} {}",
            text(&one.component),
            text(&one.item),
            text(&one.stage),
            one.cause,
            text(&one.on),
            time(one.since),
            time(one.until)
        )
    }));
    flows.extend(flow.holds().map(|one| {
        format!(
            "hold {} {} {} {}",
            one.environment,
            text(&one.by),
            time(one.from),
            time(one.until)
        )
    }));
    flows.extend(flow.manual_work().map(|one| {
        format!(
            "work {} {} {} {} {:?} {:?}",
            one.task,
            text(&one.component),
            text(&one.by),
            time(Some(one.at)),
            one.spent.map(|spent| spent.as_mins()),
            one.automatable
        )
    }));
    flows.sort();
    told.extend(flows);
    insta::assert_snapshot!(told.join("\n"), @r#"
    shop a 2025-01-06T05:00:00Z Phases { first_commit: Some(2025-01-06T01:00:00Z), opened: Some(2025-01-06T02:00:00Z), reviewed: Some(2025-01-06T03:00:00Z), merged: Some(2025-01-06T04:00:00Z) }
    d1 eu Some("2025-01-06T01:00:00Z") Success Planned Some("1.0") Some("sha256:9") Some("web") ["a", "b"]
    d2 eu Some("2025-01-06T01:00:00Z") Success Rework Some("1.0") Some("sha256:9") Some("web") ["a", "b"]
    d3 eu Some("2025-01-06T01:00:00Z") Failure Hotfix Some("1.0") Some("sha256:9") Some("web") ["a", "b"]
    d4 eu Some("2025-01-06T01:00:00Z") Success Rollback Some("1.0") Some("sha256:9") Some("web") []
    i1 Some("eu") Some("d1") 2025-01-06T03:00:00Z
    hold eu ann 03 04
    hold eu shop 01 02
    stage shop r1 build - 04 05 Some(90) ann Some(false)
    stage shop r1 build 01 02 03 Some(30) ci Some(false)
    stage shop r1 test - 04 05 None - Some(true)
    wait shop r1 deploy approval ann 03 -
    wait shop r1 deploy approval board 01 02
    work copy shop ann 05 Some(90) Some(false)
    work copy shop ben 05 Some(120) Some(true)
    work copy shop ben 06 None None
    "#);
}

#[test]
fn a_row_is_told_by_the_line_on_which_it_begins() {
    let (mut facts, mut flow) = (Facts::new(), Flow::new());
    let table =
        "id,component,started\n\n\"i\n1\",shop,2025-01-06T08:00:00Z\ni2,\"sh\n\nop\",2025-01-06T08:00:00Z\n";
    CsvReader::new(CsvRows::Incidents)
        .strict()
        .read("t.csv", table.as_bytes(), &mut facts, &mut flow)
        .unwrap();
    let mut places: Vec<_> = facts.incidents().map(|one| one.source.to_string()).collect();
    places.sort();
    assert_eq!(places, ["t.csv:3", "t.csv:5"]);
    insta::assert_snapshot!(refused(&CsvReader::new(CsvRows::Holds), ",,\neu,x,y\n"), @"
    cannot read table `t.csv`
      there is no header: the first row has to name the columns
    ");
}
