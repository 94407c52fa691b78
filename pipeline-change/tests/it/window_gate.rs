use pipeline_change::{Weekday, WindowGate, WindowSettings};
use pipeline_core::{Decision, EvidenceSet, Gate, Timestamp, Verdict};
use proptest::prelude::*;

use crate::change_gate::request;
use crate::support::{at, normal};

fn gate(days: &[Weekday], from: &str, until: &str, time_zone: &str) -> WindowGate {
    WindowGate::new(WindowSettings {
        days: days.to_vec(),
        from: from.into(),
        until: until.into(),
        time_zone: time_zone.into(),
    })
    .unwrap()
}

fn decide(gate: &WindowGate, now: Timestamp) -> Verdict {
    gate.decide(&request(&normal(), 1), &EvidenceSet::default(), now)
}

const NANOSECOND: pipeline_core::SignedDuration = pipeline_core::SignedDuration::from_nanos(1);

#[test]
fn the_end_is_outside_and_the_reasons_are_local_times() {
    let gate = gate(&Weekday::ALL[..5], "08:00", "18:00", "Europe/Berlin");
    let text = |now: &str| {
        let verdict = decide(&gate, at(now));
        format!("{now} {:?}, {}", verdict.decision, verdict.reason)
    };
    let lines = [
        "2026-11-20T06:59:59Z",
        "2026-11-20T07:00:00Z",
        "2026-11-20T16:59:59Z",
        "2026-11-20T17:00:00Z",
        "2026-11-22T12:00:00Z",
    ]
    .map(text);
    insta::assert_snapshot!(lines.join("\n"), @r"
    2026-11-20T06:59:59Z Wait, the window opens at 2026-11-20T08:00:00+01:00[Europe/Berlin]
    2026-11-20T07:00:00Z Allow, the window is open until 2026-11-20T18:00:00+01:00[Europe/Berlin]
    2026-11-20T16:59:59Z Allow, the window is open until 2026-11-20T18:00:00+01:00[Europe/Berlin]
    2026-11-20T17:00:00Z Wait, the window opens at 2026-11-23T08:00:00+01:00[Europe/Berlin]
    2026-11-22T12:00:00Z Wait, the window opens at 2026-11-23T08:00:00+01:00[Europe/Berlin]
    ");
}

/// Each window that begins on a date, as instants.
fn windows(gate: &WindowGate, after: &str, count: usize) -> Vec<String> {
    let mut after = at(after);
    let mut found = Vec::new();
    for _ in 0..count {
        let start = gate.next_start(after).unwrap();
        let end = gate.open_until(start).unwrap();
        assert!(!gate.is_open(start - NANOSECOND) || gate.open_until(start - NANOSECOND) == Some(start));
        found.push(format!("{start} {end}"));
        after = start;
    }
    found
}

#[test]
fn windows_over_midnight_begin_on_their_day() {
    let night = gate(&[Weekday::Fri], "22:00", "04:00", "UTC");
    assert_eq!(
        windows(&night, "2026-11-20T00:00:00Z", 1),
        ["2026-11-20T22:00:00Z 2026-11-21T04:00:00Z"]
    );
    assert!(night.is_open(at("2026-11-21T03:59:59Z")));
    assert!(
        !night.is_open(at("2026-11-20T03:59:59Z")),
        "Thursday's night is not in the window"
    );
    assert!(!night.is_open(at("2026-11-21T22:30:00Z")));
}

#[test]
fn whole_days_join() {
    let weekend = gate(&[Weekday::Sat, Weekday::Sun], "00:00", "24:00", "Europe/Berlin");
    for (now, open) in [
        ("2026-11-20T22:59:59Z", false),
        ("2026-11-20T23:00:00Z", true),
        ("2026-11-21T23:00:00Z", true),
        ("2026-11-22T22:59:59Z", true),
        ("2026-11-22T23:00:00Z", false),
    ] {
        assert_eq!(weekend.is_open(at(now)), open, "{now}");
    }
}

#[test]
fn the_clock_is_set_forward() {
    // Berlin, 2026-03-29: 02:00 becomes 03:00.
    let inside = gate(&Weekday::ALL, "02:30", "04:00", "Europe/Berlin");
    assert_eq!(
        windows(&inside, "2026-03-28T12:00:00Z", 1),
        ["2026-03-29T01:30:00Z 2026-03-29T02:00:00Z"]
    );
    let both = gate(&Weekday::ALL, "02:10", "02:40", "Europe/Berlin");
    assert_eq!(
        windows(&both, "2026-03-28T12:00:00Z", 1),
        ["2026-03-29T01:10:00Z 2026-03-29T01:40:00Z"]
    );
    // The start would move behind the end: no window on that day.
    let none = gate(&Weekday::ALL, "02:30", "03:10", "Europe/Berlin");
    assert_eq!(
        windows(&none, "2026-03-28T12:00:00Z", 1),
        ["2026-03-30T00:30:00Z 2026-03-30T01:10:00Z"]
    );
}

#[test]
fn the_clock_is_set_back() {
    // Berlin, 2026-10-25: 03:00 becomes 02:00. The window opens once, and the first 02:30 ends it.
    let gate = gate(&Weekday::ALL, "02:00", "02:30", "Europe/Berlin");
    assert_eq!(
        windows(&gate, "2026-10-24T12:00:00Z", 2),
        [
            "2026-10-25T00:00:00Z 2026-10-25T00:30:00Z",
            "2026-10-26T01:00:00Z 2026-10-26T01:30:00Z"
        ]
    );
    assert!(!gate.is_open(at("2026-10-25T01:10:00Z")), "the second 02:10");
}

#[test]
fn a_skipped_day_has_no_window() {
    // Samoa went from Thursday, 29 December 2011 to Saturday.
    let friday = gate(&[Weekday::Fri], "08:00", "18:00", "Pacific/Apia");
    assert_eq!(
        windows(&friday, "2011-12-29T00:00:00Z", 1),
        ["2012-01-05T18:00:00Z 2012-01-06T04:00:00Z"]
    );
    let night = gate(&[Weekday::Thu], "22:00", "06:00", "Pacific/Apia");
    assert_eq!(
        windows(&night, "2011-12-29T12:00:00Z", 1),
        ["2011-12-30T08:00:00Z 2011-12-30T16:00:00Z"]
    );
}

#[test]
fn beyond_the_calendar_it_denies() {
    let gate = gate(&[Weekday::Mon], "08:00", "09:00", "UTC");
    assert_eq!(decide(&gate, Timestamp::MAX).decision, Decision::Deny);
    assert_eq!(decide(&gate, Timestamp::MIN).decision, Decision::Wait);
}

const ZONES: [&str; 9] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "America/St_Johns",
];

fn any_gate() -> impl Strategy<Value = WindowGate> {
    let minute = 0..24 * 60_u32;
    let days = prop::sample::subsequence(Weekday::ALL.to_vec(), 1..=7);
    (days, minute.clone(), minute, prop::sample::select(ZONES.to_vec()))
        .prop_filter("a window with time in it", |(_, from, until, _)| from != until)
        .prop_map(|(days, from, until, zone)| {
            let clock = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
            gate(&days, &clock(from), &clock(until), zone)
        })
}

/// Times near a change of some clock, and others.
fn any_time() -> impl Strategy<Value = Timestamp> {
    let near = prop::sample::select(vec![
        "2026-03-29T01:00:00Z",
        "2026-10-25T01:00:00Z",
        "2026-03-08T07:00:00Z",
        "2026-11-01T06:00:00Z",
        "2018-11-04T03:00:00Z",
        "2011-12-30T10:00:00Z",
        "2026-04-04T15:00:00Z",
    ]);
    let near = (near, -200_000..200_000_i64)
        .prop_map(|(time, by)| Timestamp::from_second(at(time).as_second() + by).unwrap());
    let any = (1_000_000_000..4_000_000_000_i64).prop_map(|second| Timestamp::from_second(second).unwrap());
    prop_oneof![3 => near, 1 => any]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases * 4))]

    #[test]
    fn it_opens_at_the_earliest_and_not_before(gate in any_gate(), now in any_time()) {
        let verdict = decide(&gate, now);
        if verdict.decision == Decision::Wait {
            let earliest = verdict.earliest.unwrap();
            prop_assert!(earliest > now);
            prop_assert!(decide(&gate, earliest).allows());
            let before = decide(&gate, earliest - NANOSECOND);
            prop_assert_eq!(before.decision, Decision::Wait);
            prop_assert_eq!(before.earliest, Some(earliest));
        } else {
            prop_assert!(verdict.allows());
            let end = gate.open_until(now).unwrap();
            prop_assert!(decide(&gate, end - NANOSECOND).allows());
            prop_assert!(!decide(&gate, end).allows() || gate.next_start(end - NANOSECOND) == Some(end));
        }
    }

    /// Away from the hours that exist twice or never, the wall clock decides.
    #[test]
    fn the_wall_clock_decides(gate in any_gate(), now in any_time()) {
        let settings = gate.settings();
        let zone = jiff::tz::TimeZoneDatabase::bundled().get(&settings.time_zone).unwrap();
        let offset = |hours: i64| zone.to_offset(now + pipeline_core::SignedDuration::from_hours(hours));
        prop_assume!([-30, -24, -12, 12, 24, 30].iter().all(|&hours| offset(hours) == offset(0)));
        let local = now.to_zoned(zone.clone());
        let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
        let number = |text: &str| text[..2].parse::<i32>().unwrap() * 60 + text[3..].parse::<i32>().unwrap();
        let (from, until) = (number(&settings.from), number(&settings.until));
        let on = |date: jiff::civil::Date| {
            let day = Weekday::ALL[date.weekday().to_monday_zero_offset() as usize];
            settings.days.contains(&day)
        };
        let (today, yesterday) = (on(local.date()), on(local.date().yesterday().unwrap()));
        let open = if from < until {
            today && from <= minute && minute < until
        } else {
            (today && from <= minute) || (yesterday && minute < until)
        };
        prop_assert_eq!(gate.is_open(now), open);
    }
}

#[test]
fn it_keeps_what_a_gate_promises() {
    use pipeline_core::testing::conformance::{self, GateCase};

    let case = |now: &str| GateCase::new(now, request(&normal(), 1), at(now));
    let cases = [
        "2026-11-20T12:00:00Z",
        "2026-11-21T12:00:00Z",
        "2026-03-28T23:00:00Z",
        "2026-10-25T00:30:00Z",
        "9999-12-30T21:00:00Z",
    ]
    .map(case);
    for (from, until) in [("08:00", "18:00"), ("22:00", "04:00"), ("02:10", "02:40")] {
        let gate = gate(&Weekday::ALL[..5], from, until, "Europe/Berlin");
        let report = conformance::gate(gate, &cases);
        report.assert_kept();
        assert!(report.kept().contains(&"waits-truly"), "{report}");
    }
}
