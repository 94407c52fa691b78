//! The monthly review: what it compares with, what it calls usual, and what it lists first.

use jiff::{SignedDuration, Timestamp};
use pipeline_metrics::{
    Bucket, Delivery, Facts, Metric, MetricTrend, Options, ReviewOptions, Scope, render_review,
};

use crate::week::at;
use crate::worked::facts;

fn change(sha: &str, at: Timestamp) -> String {
    format!("{{\"type\":\"change\",\"ts\":\"{at}\",\"service\":\"shop\",\"sha\":\"{sha}\"}}\n")
}

fn deployed(id: &str, at: Timestamp, changes: &str) -> String {
    format!(
        "{{\"type\":\"deployment\",\"ts\":\"{at}\",\"service\":\"shop\",\"id\":\"{id}\",\"environment\":\"production\",\"result\":\"success\",\"kind\":\"planned\",\"changes\":[{changes}]}}\n"
    )
}

/// So many deployments in each of some weeks, the first of which begins at a moment.
fn weeks(first: &str, counts: impl IntoIterator<Item = i64>) -> String {
    let mut log = String::new();
    for (week, count) in (0..).zip(counts) {
        let start = at(first) + SignedDuration::from_hours(168 * week + 12);
        for number in 0..count {
            let at = start + SignedDuration::from_mins(number);
            log += &deployed(&format!("{first}-{week}-{number}"), at, "");
        }
    }
    log
}

fn review(facts: &Facts, day: &str, as_of: Option<&str>) -> String {
    let delivery = Delivery::of(facts, &Options::default()).unwrap();
    let month = delivery.bucket(Bucket::Month, at(day));
    let mut options = ReviewOptions::new(month, Scope::Component("shop"));
    if let Some(as_of) = as_of {
        options = options.as_of(at(as_of));
    }
    render_review(&delivery, &[], &options)
}

fn part<'r>(review: &'r str, title: &str) -> &'r str {
    let part = review.split(&format!("## {title}\n")).nth(1).unwrap();
    part.split("## ").next().unwrap().trim()
}

/// September 2025 begins with a Monday, so its first week is of the month and not of what was before it. Five and six
/// in turn for 26 weeks: a mean of 5.5, an average range of 1, limits at 5.5 - 2.66 and 5.5 + 2.66. What is older than
/// that is of no use.
#[test]
fn a_month_is_judged_by_the_half_year_before_it() {
    let half_year = (0..26).map(|week| 5 + week % 2);
    let log = weeks("2024-12-02T00:00:00Z", [90; 13])
        + &weeks("2025-03-03T00:00:00Z", half_year)
        + &weeks("2025-09-01T00:00:00Z", [9, 6, 5, 6]);
    let facts = facts(&log);
    let text = review(&facts, "2025-09-10T00:00:00Z", None);
    insta::assert_snapshot!(part(&text, "Good news"), @"
    - Deployment frequency is higher than usual: 9 in the week of 2025-09-01 (outside the natural limits); a usual week has 2.8 to 8.2.
    - 26 deployments, and no failure is known of any.
    ");
    assert!(
        text.contains("| Deployment frequency | 6.1 per week | – | 5.0 per week | 2.8 to 8.2 |"),
        "{text}"
    );

    // Nothing but noise: so many weeks against so many.
    let calm = weeks("2024-12-02T00:00:00Z", [90; 13])
        + &weeks("2025-03-03T00:00:00Z", (0..30).map(|week| 5 + week % 2));
    let text = review(&self::facts(&calm), "2025-09-10T00:00:00Z", None);
    insta::assert_snapshot!(part(&text, "What changed, and why it may be noise"), @"
    - **Deployment frequency** is up by 3 % against the month before. No signal in 4 weeks against 26 weeks before: noise.
    - **Change fail rate** is as in the month before. The intervals of both months overlap: this difference may be chance. No signal in 4 weeks against 26 weeks before: noise.
    - **Rework rate** is as in the month before. The intervals of both months overlap: this difference may be chance. No signal in 4 weeks against 26 weeks before: noise.
    - Neither month has a number for lead time, recovery time.
    ");
}

/// Fewer is bad news, and a lower rate would be good news.
#[test]
fn less_of_it_is_told_as_less() {
    let half_year = (0..26).map(|week| 9 + week % 2);
    let before = weeks("2025-03-03T00:00:00Z", half_year);
    let news = |counts: [i64; 4]| {
        let log = before.clone() + &weeks("2025-09-01T00:00:00Z", counts);
        let text = review(&facts(&log), "2025-09-10T00:00:00Z", None);
        let told = |title: &str| part(&text, title).contains("Deployment frequency is");
        (
            part(&text, "Bad news").to_owned(),
            [told("Good news"), told("Bad news")],
        )
    };
    // The step back to ten is a signal, too, and no good news.
    let (bad, sides) = news([1, 10, 9, 10]);
    insta::assert_snapshot!(bad, @"- Deployment frequency is lower than usual: 1 in the week of 2025-09-01 (outside the natural limits, a larger step than is natural), 10 in the week of 2025-09-08 (a larger step than is natural); a usual week has 6.8 to 12.2.");
    assert_eq!(sides, [false, true]);
    // Of one on each side, the later one tells.
    assert_eq!(news([20, 9, 10, 1]).1, [false, true]);
    assert_eq!(news([1, 9, 10, 20]).1, [true, false]);
    assert_eq!(news([20, 1, 10, 20]).1, [true, false]);
    // From seven to eleven is a step, with both of them within the limits: it tells, where it is all there is.
    assert_eq!(news([7, 11, 10, 9]).1, [true, false]);
    assert_eq!(news([12, 8, 9, 10]).1, [false, true]);
}

/// 62 deployments in the 31 days of October, 30 in the 30 of September, 300 in August.
#[test]
fn a_month_is_compared_with_the_one_before() {
    let month = |first: &str, count: i64| {
        let log = (0..count).map(|number| {
            let at = at(first) + SignedDuration::from_mins(number);
            deployed(&format!("{first}-{number}"), at, "")
        });
        log.collect::<String>()
    };
    let log = month("2025-08-05T00:00:00Z", 300)
        + &month("2025-09-05T00:00:00Z", 30)
        + &month("2025-10-05T00:00:00Z", 62);
    let facts = facts(&log);
    let changed = |day: &str| {
        let text = review(&facts, day, None);
        let changed = part(&text, "What changed, and why it may be noise").to_owned();
        changed.lines().next().unwrap().to_owned()
    };
    assert_eq!(
        changed("2025-10-10T00:00:00Z"),
        "- **Deployment frequency** is up by 100 % against the month before."
    );
    // 1 a day after 300 in 31 days.
    assert_eq!(
        changed("2025-09-10T00:00:00Z"),
        "- **Deployment frequency** is down by 90 % against the month before."
    );
    assert_eq!(
        changed("2025-08-10T00:00:00Z"),
        "- **Deployment frequency** has no number in the month before."
    );
    assert_eq!(
        changed("2025-11-10T00:00:00Z"),
        "- **Deployment frequency** has no number this month."
    );
    // Nothing went live, which is no good news of no failure.
    let nothing = review(&facts, "2025-11-10T00:00:00Z", None);
    insta::assert_snapshot!(part(&nothing, "Good news"), @"None that can be told from noise.");
}

/// Rates go up and down by points: from 1 of 2 to 1 of 4, and back.
#[test]
fn a_rate_changes_by_points() {
    let day = |day: &str| at(&format!("2025-{day}T00:00:00Z"));
    let mut log = String::new();
    for (id, when) in [
        ("a", "09-05"),
        ("b", "09-06"),
        ("c", "10-05"),
        ("d", "10-06"),
        ("e", "10-07"),
        ("f", "10-08"),
    ] {
        log += &deployed(id, day(when), "");
    }
    for (id, of) in [("i1", "a"), ("i2", "c")] {
        let at = day("10-20");
        log += &format!(
            "{{\"type\":\"incident_opened\",\"ts\":\"{at}\",\"service\":\"shop\",\"id\":\"{id}\",\"deployment\":\"{of}\"}}\n"
        );
    }
    let text = review(&facts(&log), "2025-10-10T00:00:00Z", None);
    assert!(
        text.contains("- **Change fail rate** is down by 25.0 percentage points against the month before. The intervals of both months overlap: this difference may be chance."),
        "{text}"
    );
}

/// Five of each, what took or takes longest first; how long something waits is told as of now, not of the month's end.
#[test]
fn the_worst_is_told_first() {
    let start = at("2025-09-01T00:00:00Z");
    let after = |hours: i64| start + SignedDuration::from_hours(hours);
    let mut log = String::new();
    for number in 0..7 {
        log += &change(&format!("waits{number}"), after(24 * number));
        log += &change(&format!("came{number}"), after(10 * number));
    }
    let came: Vec<_> = (0..7).map(|number| format!("\"came{number}\"")).collect();
    log += &deployed("d1", after(100), &came.join(","));
    let text = review(&facts(&log), "2025-09-10T00:00:00Z", Some("2025-09-11T00:00:00Z"));
    insta::assert_snapshot!(part(&text, "The worst waits"), @"
    Changes that took longest to reach users:

    | change | lead time | deployment | read at |
    | --- | ---: | --- | --- |
    | came0 | 4 d 4 h | d1 | log:2 |
    | came1 | 3 d 18 h | d1 | log:4 |
    | came2 | 3 d 8 h | d1 | log:6 |
    | came3 | 2 d 22 h | d1 | log:8 |
    | came4 | 2 d 12 h | d1 | log:10 |

    Changes that have not reached users:

    | change | waits | read at |
    | --- | ---: | --- |
    | waits0 | 10 d 0 h | log:1 |
    | waits1 | 9 d 0 h | log:3 |
    | waits2 | 8 d 0 h | log:5 |
    | waits3 | 7 d 0 h | log:7 |
    | waits4 | 6 d 0 h | log:9 |
    ");
    let text = review(&facts(&log), "2025-09-10T00:00:00Z", None);
    assert!(text.contains("| waits0 | 30 d 0 h | log:1 |"), "{text}");
}

/// Weeks after the last deployment are not taken for weeks without one: maybe nobody has looked yet.
#[test]
fn a_trend_ends_with_what_is_known() {
    let log = weeks("2025-03-03T00:00:00Z", [3, 0, 4, 0, 0]);
    let facts = facts(&log);
    let delivery = Delivery::of(&facts, &Options::default()).unwrap();
    let window =
        pipeline_metrics::Window::new(at("2025-02-10T00:00:00Z"), at("2025-04-14T00:00:00Z")).unwrap();
    let trend = MetricTrend::of(
        &delivery,
        &Scope::Overall,
        Metric::DeploymentFrequency,
        Bucket::Week,
        window,
    );
    let values: Vec<_> = trend.chart.points().iter().map(|point| point.value).collect();
    assert_eq!(values, [Some(3.0), Some(0.0), Some(4.0)]);
    assert_eq!(trend.windows[0].start(), at("2025-03-03T00:00:00Z"));
}

/// What comes from elsewhere is text in a review, whoever it is about.
#[test]
fn no_name_is_markup_in_a_review() {
    let log = deployed("d|1", at("2025-09-05T00:00:00Z"), "\"a\"").replace("shop", "<b>*shop*")
        + &change("a", at("2025-09-04T00:00:00Z")).replace("shop", "<b>*shop*");
    let facts = facts(&log);
    let delivery = Delivery::of(&facts, &Options::default()).unwrap();
    let month = delivery.bucket(Bucket::Month, at("2025-09-10T00:00:00Z"));
    let text = render_review(
        &delivery,
        &[],
        &ReviewOptions::new(month, Scope::Component("<b>*shop*")),
    );
    assert!(
        text.starts_with("# Operations review of September 2025, component &lt;b&gt;\\*shop\\*\n"),
        "{text}"
    );
    assert!(text.contains("d\\|1"), "{text}");
    assert!(!text.contains("<b>") && !text.contains("d|1"), "{text}");
}
