//! Working time against a count of minutes.

use jiff::civil::{Weekday, date, time};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use pipeline_metrics::{WorkingTime, WorkingWeek};
use proptest::prelude::*;

fn week() -> WorkingWeek {
    WorkingWeek::office()
        .days([
            Weekday::Monday,
            Weekday::Tuesday,
            Weekday::Friday,
            Weekday::Sunday,
        ])
        .hours(time(8, 30, 0, 0), time(16, 15, 0, 0))
        .unwrap()
        .zone(TimeZone::fixed(Offset::constant(2)))
        .holidays([date(2025, 1, 7), date(2025, 1, 8), date(2025, 3, 2)])
}

/// Whether the minute that begins now is a working one.
fn works(at: Timestamp) -> bool {
    let local = TimeZone::fixed(Offset::constant(2)).to_datetime(at);
    let days = [
        Weekday::Monday,
        Weekday::Tuesday,
        Weekday::Friday,
        Weekday::Sunday,
    ];
    let off = [date(2025, 1, 7), date(2025, 1, 8), date(2025, 3, 2)];
    days.contains(&local.weekday())
        && !off.contains(&local.date())
        && local.time() >= time(8, 30, 0, 0)
        && local.time() < time(16, 15, 0, 0)
}

proptest! {
    #[test]
    fn whole_weeks_and_edges_add_up(start in 0..60_i64 * 1440, length in 0..40_i64 * 1440) {
        let from = Timestamp::constant(1_735_689_600, 0) + SignedDuration::from_mins(start);
        let minutes = (0..length).filter(|minute| works(from + SignedDuration::from_mins(*minute))).count();
        let time = WorkingTime::Week(week());
        let counted = time.between(from, from + SignedDuration::from_mins(length));
        prop_assert_eq!(counted, SignedDuration::from_mins(minutes as i64));
    }
}

#[test]
fn it_says_what_counts() {
    let texts = [WorkingTime::Calendar, WorkingTime::Week(week())].map(|time| time.to_string());
    insta::assert_snapshot!(texts.join("\n"), @"
    Time is calendar time: 24 hours on every day.
    Time is working time: Mon Tue Fri Sun, 08:30 to 16:15 (local), without 3 holidays.
    ");
    let wrong = WorkingWeek::office().hours(time(17, 0, 0, 0), time(9, 0, 0, 0));
    insta::assert_snapshot!(wrong.unwrap_err(), @"a working day must end after it starts, and 09:00:00 is not after 17:00:00");
    let back = WorkingTime::Week(WorkingWeek::office());
    let (monday, tuesday) = (
        Timestamp::constant(1_736_121_600, 0),
        Timestamp::constant(1_736_208_000, 0),
    );
    assert_eq!(back.between(tuesday, monday), SignedDuration::from_hours(-24));
}
