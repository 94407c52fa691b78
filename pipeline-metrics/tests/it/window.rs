use jiff::Timestamp;
use pipeline_metrics::Window;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn a_week_starts_on_monday_at_midnight_utc() {
    for (moment, monday) in [
        ("2025-01-06T00:00:00Z", "2025-01-06T00:00:00Z"),
        ("2025-01-12T23:59:59.999999999Z", "2025-01-06T00:00:00Z"),
        ("2025-01-05T23:59:59.999Z", "2024-12-30T00:00:00Z"),
        // Monday in Shanghai is still Sunday in UTC.
        ("2025-01-06T07:00:00+08:00", "2024-12-30T00:00:00Z"),
        ("1970-01-01T00:00:00Z", "1969-12-29T00:00:00Z"),
        // Half a second before a Monday before 1970: 1969-12-29 was one.
        ("1969-12-28T23:59:59.5Z", "1969-12-22T00:00:00Z"),
    ] {
        let week = Window::week_of(at(moment));
        assert_eq!(week.start(), at(monday), "week of {moment}");
        assert!(week.contains(at(moment)));
        assert_eq!(week.days(), 7.0);
    }
}

#[test]
fn the_ends_of_time_have_a_week() {
    assert!(Window::week_of(Timestamp::MIN).contains(Timestamp::MIN));
    assert_eq!(Window::week_of(Timestamp::MAX).end(), Timestamp::MAX);
}

#[test]
fn a_window_is_never_empty() {
    let (early, late) = (at("2025-01-06T00:00:00Z"), at("2025-01-07T00:00:00Z"));
    assert!(Window::new(early, late).is_ok());
    assert!(Window::new(early, early).is_err());
    let error = Window::new(late, early).unwrap_err();
    insta::assert_snapshot!(
        error,
        @"a window must end after it starts, and 2025-01-06T00:00:00Z is not after 2025-01-07T00:00:00Z"
    );
}
