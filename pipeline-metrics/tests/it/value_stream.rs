//! Value streams: that of dora.dev, and one observed by hand.

use jiff::SignedDuration;
use pipeline_metrics::{
    Block, FigureOptions, Flow, FlowFact, ObservedStream, StageTime, ValueStream, Wait, WaitCause, Window,
    WorkingTime, WorkingWeek,
};
use serde_json::Value;

use crate::figures::{hours, origin, time};
use crate::fixture::folder;

/// `2 weeks`, `1 day`, `1 hour (box) but 2 hours on the timeline`: what the timeline carries counts.
fn working(text: &str) -> SignedDuration {
    let week = WorkingWeek::office();
    let text = text.split_once(" but ").map_or(text, |(_, timeline)| timeline);
    let mut words = text.split(' ');
    let count: i32 = words.next().unwrap().parse().unwrap();
    let unit = match words.next().unwrap().trim_end_matches('s') {
        "week" => week.week(),
        "day" => week.day(),
        hour => {
            assert_eq!(hour, "hour");
            SignedDuration::from_hours(1)
        }
    };
    unit * count
}

#[test]
fn the_value_stream_of_dora() {
    let Some(folder) = folder("vsm") else { return };
    let text = std::fs::read_to_string(folder.join("dora-vsm-example.json")).unwrap();
    let example: Value = serde_json::from_str(&text).unwrap();
    let blocks = example["blocks"].as_array().unwrap().iter().map(|block| Block {
        name: block["name"].as_str().unwrap().to_owned(),
        lead: working(block["lt"].as_str().unwrap()),
        process: Some(working(block["pt"].as_str().unwrap())),
        complete_accurate: block["ca"].as_f64(),
        group: block["parallel_group"].as_str().map(str::to_owned),
    });
    let stream = ValueStream::new(blocks);
    assert_eq!(stream.blocks.len(), 8);
    let totals = stream.totals();
    let (week, expected) = (WorkingWeek::office(), &example["recomputed"]);
    let days = |time: SignedDuration| time.as_secs_f64() / week.day().as_secs_f64();
    assert_eq!(
        Some(days(totals.lead)),
        expected["total_lt_working_days"].as_f64()
    );
    assert_eq!(totals.process.map(days), expected["total_pt_days"].as_f64());
    let percent = |share: Option<f64>| share.map(|share| share * 100.0).unwrap();
    assert_eq!(format!("{:.3}", percent(totals.activity_ratio)), "14.583");
    assert_eq!(
        format!("{:.4}", percent(totals.rolled_complete_accurate)),
        "5.4432"
    );
    let path = stream.path();
    let leads = example["timeline_lt"].as_array().unwrap();
    let works = example["timeline_pt"].as_array().unwrap();
    let working =
        |times: &[Value]| -> Vec<_> { times.iter().map(|time| working(time.as_str().unwrap())).collect() };
    assert_eq!(
        path.iter().map(|block| block.lead).collect::<Vec<_>>(),
        working(leads)
    );
    assert_eq!(
        path.iter()
            .map(|block| block.process.unwrap())
            .collect::<Vec<_>>(),
        working(works)
    );
}

#[test]
fn what_is_not_known_is_not_summed() {
    let block = |process, complete_accurate| Block {
        name: "b".to_owned(),
        lead: SignedDuration::from_hours(10),
        process,
        complete_accurate,
        group: None,
    };
    let none = ValueStream::default().totals();
    assert_eq!(
        (none.process, none.activity_ratio, none.rolled_complete_accurate),
        (None, None, None)
    );
    let work = Some(SignedDuration::from_hours(1));
    let totals = ValueStream::new([block(work, Some(0.5)), block(None, None)]).totals();
    assert_eq!(totals.lead, SignedDuration::from_hours(20));
    assert_eq!((totals.process, totals.activity_ratio), (None, None));
    assert_eq!(
        (totals.rolled_complete_accurate, totals.unknown_shares),
        (Some(0.5), 1)
    );
}

/// A pass of an item: hours of ready, started and finished.
fn pass(item: &str, stage: &str, hours: [i64; 3], by: &str, accurate: Option<bool>) -> FlowFact {
    FlowFact::StageTime(StageTime {
        component: Some("shop".into()),
        item: Some(item.into()),
        stage: Some(stage.into()),
        ready: Some(time(hours[0])),
        started: Some(time(hours[1])),
        finished: Some(time(hours[2])),
        by: Some(by.into()),
        accurate,
        ..StageTime::new(format!("{item}/{stage}@{}", hours[1]), origin(1))
    })
}

/// Two items through build, then test and review side by side, then deploy, which waits for an approval.
pub(crate) fn two_items() -> Flow {
    let mut approval = Wait::new("two/deploy/approval", WaitCause::Approval, origin(1));
    approval.component = Some("shop".into());
    approval.item = Some("two".into());
    approval.stage = Some("deploy".into());
    approval.on = Some("board".into());
    (approval.since, approval.until) = (Some(time(30)), Some(time(44)));
    [
        pass("one", "build", [0, 0, 2], "ci", Some(true)),
        pass("one", "test", [2, 2, 6], "ci", Some(true)),
        pass("one", "review", [2, 4, 5], "ann", Some(true)),
        pass("one", "deploy", [6, 6, 8], "ci", None),
        pass("two", "build", [10, 10, 12], "ci", Some(false)),
        pass("two", "build", [14, 16, 18], "ci", Some(true)),
        pass("two", "test", [18, 18, 24], "ci", Some(true)),
        pass("two", "review", [18, 20, 30], "ann", None),
        pass("two", "deploy", [30, 44, 46], "ci", None),
        FlowFact::Wait(approval),
    ]
    .into_iter()
    .collect()
}

#[test]
fn an_observed_value_stream_by_hand() {
    let flow = two_items();
    let options = FigureOptions::new(Window::new(time(0), time(100)).unwrap());
    let observed = ObservedStream::of(&flow, &options);
    let names: Vec<_> = observed.stream.blocks.iter().map(|block| &*block.name).collect();
    assert_eq!(names, ["build", "review", "test", "deploy"]);
    let groups: Vec<_> = observed
        .stream
        .blocks
        .iter()
        .map(|block| block.group.as_deref())
        .collect();
    assert_eq!(groups, [None, Some("review | test"), Some("review | test"), None]);
    let figure = &observed.figure;
    assert_eq!(figure.counted.len(), 9);
    // one: 0 to 8; two: 10 to 46. Median of 8 and 36.
    assert_eq!(figure.value("lead time"), Some(hours(22.0)));
    // one: 2 + 4 (test is the longer one) + 2 = 8; two: 4 + 10 (review) + 2 = 16.
    assert_eq!(figure.value("process time"), Some(hours(12.0)));
    assert_eq!(figure.value("activity ratio"), Some(24.0 / 44.0));
    // build 1 of 2 (that of two was not usable once), test 2 of 2, review 1 of 1 that was judged; nobody judges deploy.
    assert_eq!(figure.value("rolled %C/A"), Some(0.5));
    assert_eq!(figure.notes.len(), 1);
    // one: ci, ci, ann, ci = 2; two: ci, ci, ci, ann, (ci consents after the board) board, ci = 3.
    assert_eq!(figure.value("hand-offs"), Some(2.5));
    // two is not in a window that ends before it does, and nothing of it is.
    let early = FigureOptions::new(Window::new(time(0), time(20)).unwrap());
    let figure = ObservedStream::of(&flow, &early).figure;
    assert_eq!(
        (figure.value("items"), figure.value("lead time")),
        (Some(1.0), Some(hours(8.0)))
    );
}

#[test]
fn working_time_is_said_and_counted() {
    let flow = two_items();
    let week = WorkingTime::Week(WorkingWeek::office());
    // time(0) is Monday, 00:00. one: 0 to 8 is before work begins. two: 10 to 46 is Monday from 10 to 17, and
    // Tuesday from 9 to 17.
    let options = FigureOptions::new(Window::new(time(0), time(100)).unwrap()).time(week);
    let figure = ObservedStream::of(&flow, &options).figure;
    assert_eq!(figure.value("lead time"), Some(hours(7.5)));
    assert_eq!(
        figure.options,
        ["Time is working time: Mon Tue Wed Thu Fri, 09:00 to 17:00 (UTC)."]
    );
}

#[test]
fn stages_that_overlap_in_half_of_the_items_stand_one_after_another() {
    let flow: Flow = [
        pass("one", "build", [0, 0, 4], "ci", None),
        pass("one", "test", [2, 2, 6], "ci", None),
        pass("two", "build", [10, 10, 14], "ci", None),
        pass("two", "test", [14, 14, 16], "ci", None),
    ]
    .into_iter()
    .collect();
    let options = FigureOptions::new(Window::new(time(0), time(100)).unwrap());
    let observed = ObservedStream::of(&flow, &options);
    assert!(observed.stream.blocks.iter().all(|block| block.group.is_none()));
}
