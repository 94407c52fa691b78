//! What each option does, in the smallest case in which it shows.

use jiff::{SignedDuration, Timestamp};
use pipeline_metrics::{
    Aggregate, Attribution, Blend, Bound, Bucket, Choice, Delivery, Facts, FailShare, FailedRuns, Measures,
    Metric, Named, Options, Pace, Partial, PhaseTimes, Phases, Preset, Ratio, Reach, Reason, RecoveredBy,
    RecoveryFrom, Rounding, Scope, Sha, Skew, Start, WeekStart, Window,
};

use crate::week::at;
use crate::worked::facts;

/// Hours after Monday, 6 January 2025, in minutes where a case needs them.
fn time(minutes: i64) -> Timestamp {
    at("2025-01-06T00:00:00Z") + SignedDuration::from_mins(minutes)
}

const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

fn change(component: &str, sha: &str, minutes: i64, more: &str) -> String {
    let at = time(minutes);
    format!("{{\"type\":\"change\",\"ts\":\"{at}\",\"service\":\"{component}\",\"sha\":\"{sha}\"{more}}}\n")
}

/// `more` is what the line has beyond an id, a component and a moment: `"environment":"eu"`, say.
fn deployed(component: &str, id: &str, minutes: i64, more: &str) -> String {
    let at = time(minutes);
    let usual = |field: &str, value: &str| {
        let said = more.contains(&format!("\"{field}\":"));
        if said {
            String::new()
        } else {
            format!(",\"{field}\":\"{value}\"")
        }
    };
    let (environment, result, kind) = (
        usual("environment", "production"),
        usual("result", "success"),
        usual("kind", "planned"),
    );
    format!(
        "{{\"type\":\"deployment\",\"ts\":\"{at}\",\"service\":\"{component}\",\"id\":\"{id}\"{environment}{result}{kind}{more}}}\n"
    )
}

fn opened(component: &str, id: &str, minutes: i64, more: &str) -> String {
    let at = time(minutes);
    format!(
        "{{\"type\":\"incident_opened\",\"ts\":\"{at}\",\"service\":\"{component}\",\"id\":\"{id}\"{more}}}\n"
    )
}

fn resolved(component: &str, id: &str, minutes: i64) -> String {
    let at = time(minutes);
    format!(
        "{{\"type\":\"incident_resolved\",\"ts\":\"{at}\",\"service\":\"{component}\",\"id\":\"{id}\"}}\n"
    )
}

fn window(from: i64, to: i64) -> Window {
    Window::new(time(from), time(to)).unwrap()
}

fn within(facts: &Facts, options: &Options, scope: &Scope<'_>, window: Window) -> Measures {
    Delivery::of(facts, options)
        .unwrap()
        .select(scope, window)
        .measures()
}

/// Of all components, in the week.
fn week(facts: &Facts, options: &Options) -> Measures {
    within(facts, options, &Scope::Overall, window(0, 7 * DAY))
}

fn with(change: impl FnOnce(&mut Options)) -> Options {
    let mut options = Options::default();
    change(&mut options);
    options
}

fn hours(measures: &Measures, metric: Metric) -> Option<f64> {
    measures.value(metric).map(|ms| ms / 3_600_000.0)
}

#[test]
fn a_failed_run_is_a_failure_where_it_counts() {
    let facts = facts(
        &[
            deployed("shop", "d1", HOUR, ""),
            deployed("shop", "d2", 2 * HOUR, ""),
            deployed("shop", "d3", 3 * HOUR, ",\"result\":\"failure\""),
            opened("shop", "i1", 90, ""),
        ]
        .concat(),
    );
    assert_eq!(
        week(&facts, &Options::default()).change_fail_rate,
        Ratio::new(1, 2)
    );
    // d1 with its incident and d3, of all three; it is no deployment of the frequency.
    let counted = with(|options| options.deployments.failed_runs = FailedRuns::Failures);
    let found = week(&facts, &counted);
    assert_eq!((found.change_fail_rate, found.deployments), (Ratio::new(2, 3), 2));
    // A failed run that nothing followed is a failure that is not over.
    let open = week(&facts, &Preset::Metrik.options());
    assert_eq!((open.open_incidents, open.recovery_time), (1, None));
}

#[test]
fn each_pace_counts_its_own_way() {
    let pace = |log: &str, window: Window, pace: Pace| {
        let options = with(|options| options.frequency.pace = pace);
        let found = within(&facts(log), &options, &Scope::Overall, window);
        found.deployment_frequency.map(|frequency| frequency.value)
    };
    let two = [
        deployed("shop", "d1", 0, ""),
        deployed("shop", "d2", 30 * HOUR, ""),
    ]
    .concat();
    // A day and a half are two begun days; a week is its seven days and one more, as the formula has it.
    assert_eq!(pace(&two, window(0, 36 * HOUR), Pace::PerStartedDay), Some(1.0));
    assert_eq!(pace(&two, window(0, 7 * DAY), Pace::PerStartedDay), Some(0.25));
    assert_eq!(pace(&two, window(0, 36 * HOUR), Pace::Total), Some(2.0));
    // The first moment of the window belongs to its first day.
    let daily = |floor| Pace::PerBucket {
        bucket: Bucket::Day,
        floor,
    };
    assert_eq!(pace(&two, window(0, 2 * DAY), daily(false)), Some(1.0));
    assert_eq!(pace(&two, window(0, 4 * DAY), daily(false)), Some(0.5));
    assert_eq!(pace(&two, window(0, 4 * DAY), daily(true)), Some(0.0));
    // Days with a deployment: on Monday and Tuesday; in the week after on four, of which Monday is the first.
    let days = |lower| Pace::MedianDays {
        bucket: Bucket::Week,
        lower,
    };
    let more: String = (7..11)
        .map(|day| deployed("shop", &format!("e{day}"), day * DAY, ""))
        .collect();
    assert_eq!(pace(&two, window(0, 7 * DAY), days(false)), Some(2.0));
    let both = two.clone() + &more;
    assert_eq!(pace(&both, window(0, 14 * DAY), days(false)), Some(3.0));
    assert_eq!(pace(&both, window(0, 14 * DAY), days(true)), Some(2.0));
    // Of two at the first moment of all, one has the other before it: 0 and 2 days.
    let same = [
        deployed("shop", "d1", 0, ""),
        deployed("shop", "d2", 0, ""),
        deployed("shop", "d3", 2 * DAY, ""),
    ]
    .concat();
    assert_eq!(pace(&same, window(0, 7 * DAY), Pace::MeanInterval), Some(1.0));
    // What is before the window is known: 2 days to the one in it. Alone, one has no interval.
    assert_eq!(pace(&same, window(DAY, 7 * DAY), Pace::MeanInterval), Some(2.0));
    assert_eq!(
        pace(&deployed("shop", "d1", 0, ""), window(0, DAY), Pace::MeanInterval),
        None
    );
}

#[test]
fn a_bucket_that_lies_only_partly_in_the_window_can_be_left_out() {
    let log = [
        deployed("shop", "d1", 0, ""),
        deployed("shop", "d2", DAY, ""),
        deployed("shop", "d3", 7 * DAY, ""),
    ]
    .concat();
    let facts = facts(&log);
    let of = |partial, from, to| {
        let options = with(|options| {
            options.calendar.partial = partial;
            options.frequency.pace = Pace::MedianDays {
                bucket: Bucket::Week,
                lower: false,
            };
        });
        let delivery = Delivery::of(&facts, &options).unwrap();
        let window = window(from, to);
        let median = delivery.select(&Scope::Overall, window).measures();
        (
            delivery.series(Bucket::Week, window).len(),
            median.deployment_frequency.unwrap().value,
        )
    };
    // The whole week has two days with a deployment, the two days of the next have one.
    assert_eq!(of(Partial::Kept, 0, 9 * DAY), (2, 1.5));
    assert_eq!(of(Partial::LeftOut, 0, 9 * DAY), (1, 2.0));
    // And so at the beginning.
    assert_eq!(of(Partial::LeftOut, -2 * DAY, 7 * DAY), (1, 2.0));
    assert_eq!(of(Partial::LeftOut, 0, 14 * DAY), (2, 1.5));
}

#[test]
fn what_is_over_before_it_began_is_told() {
    let log = [
        change("shop", "a", HOUR, ""),
        change("shop", "b", 3 * HOUR, ""),
        deployed("shop", "d1", HOUR, ",\"changes\":[\"a\",\"b\"]"),
        opened("shop", "i1", 2 * HOUR, ""),
        resolved("shop", "i1", 30),
    ]
    .concat();
    let facts = facts(&log);
    let found = week(&facts, &Options::default());
    // a took no time, which is a time; b is two hours before itself.
    assert_eq!(hours(&found, Metric::LeadTime), Some(0.0));
    assert_eq!((found.changes, found.skewed_changes), (1, 1));
    assert_eq!(
        (found.incidents, found.open_incidents, found.skewed_incidents),
        (1, 0, 1)
    );
    assert_eq!(found.recovery_time, None);
    let positive = with(|options| options.lead_time.skew = Skew::NotPositive);
    assert_eq!(week(&facts, &positive).skewed_changes, 2);
    let kept = with(|options| {
        options.lead_time.skew = Skew::Kept;
        options.recovery.skew = Skew::Kept;
    });
    let kept = week(&facts, &kept);
    assert_eq!(hours(&kept, Metric::LeadTime), Some(-1.0));
    assert_eq!(hours(&kept, Metric::RecoveryTime), Some(-0.5));
    // Cut towards the past, raised towards the future: half an hour before is an hour before, or none.
    for (round, expected) in [
        (Rounding::Floor(SignedDuration::from_hours(1)), -1.0),
        (Rounding::Ceil(SignedDuration::from_hours(1)), 0.0),
        (Rounding::Ceil(SignedDuration::from_mins(30)), -0.5),
    ] {
        let options = with(|options| {
            options.recovery.skew = Skew::Kept;
            options.recovery.round = round;
        });
        assert_eq!(
            hours(&week(&facts, &options), Metric::RecoveryTime),
            Some(expected)
        );
    }
}

#[test]
fn what_is_no_deployment_is_left_out_for_a_reason() {
    let log = [
        change("shop", "a", 0, ""),
        deployed("shop", "d1", HOUR, ",\"changes\":[\"a\",\"unknown\"]"),
        deployed("shop", "d2", 2 * HOUR, ",\"version\":\"1\""),
        deployed(
            "shop",
            "d3",
            3 * HOUR,
            ",\"version\":\"1\",\"changes\":[\"unknown\"]",
        ),
        deployed("shop", "d4", 4 * HOUR, ",\"version\":\"2\",\"kind\":\"rollback\""),
        deployed("shop", "d5", 5 * HOUR, ""),
        deployed("shop", "d6", 6 * HOUR, ""),
    ]
    .concat();
    let facts = facts(&log);
    let left = |options: &Options| {
        let delivery = Delivery::of(&facts, options).unwrap();
        let explained = delivery
            .select(&Scope::Overall, window(0, DAY))
            .explain(Metric::DeploymentFrequency);
        let mut left: Vec<_> = explained
            .left_out
            .iter()
            .map(|one| (one.fact.id().to_string(), one.reason))
            .collect();
        left.sort();
        left
    };
    assert_eq!(left(&Options::default()), []);
    let of = |name: &str, reason| (name.to_owned(), reason);
    // d5 and d6 name no version, so nobody can say that it was there before.
    assert_eq!(
        left(&with(
            |options| options.deployments.repeated_versions = Choice::LeftOut
        )),
        [of("d3", Reason::Repeated)]
    );
    assert_eq!(
        left(&with(|options| options.deployments.rollbacks = Choice::LeftOut)),
        [of("d4", Reason::RollbackDeliversNothing)]
    );
    assert_eq!(
        left(&with(|options| options.deployments.first = Choice::LeftOut)),
        [of("d1", Reason::FirstDeployment)]
    );
    // One known change is enough.
    assert_eq!(
        left(&with(
            |options| options.deployments.without_changes = Choice::LeftOut
        )),
        ["d2", "d3", "d4", "d5", "d6"].map(|name| of(name, Reason::NoKnownChange))
    );
}

#[test]
fn the_clock_starts_where_it_is_set() {
    let ways = ",\"first_commit\":\"2025-01-06T01:00:00Z\",\"opened\":\"2025-01-06T02:00:00Z\",\
        \"reviewed\":\"2025-01-06T04:00:00Z\",\"merged\":\"2025-01-06T07:00:00Z\"";
    let log = [
        change("shop", "a", 3 * HOUR, ways),
        change("shop", "b", 3 * HOUR, ""),
        deployed("shop", "d1", 8 * HOUR, ",\"changes\":[\"a\",\"b\"]"),
    ]
    .concat();
    let facts = facts(&log);
    for (start, time) in [
        (Start::Commit, 5.0),
        (Start::FirstCommit, 7.0),
        (Start::Opened, 6.0),
        (Start::Reviewed, 4.0),
        (Start::Merged, 1.0),
    ] {
        let options = with(|options| options.lead_time.start = start);
        let found = week(&facts, &options);
        if start == Start::Commit {
            assert_eq!((hours(&found, Metric::LeadTime), found.changes), (Some(5.0), 2));
            continue;
        }
        // b has no such moment, so it is left out and told, or counts from its commit: 5 hours.
        assert_eq!(
            (hours(&found, Metric::LeadTime), found.changes),
            (Some(time), 1),
            "{start:?}"
        );
        let delivery = Delivery::of(&facts, &options).unwrap();
        let explained = delivery
            .select(&Scope::Overall, window(0, DAY))
            .explain(Metric::LeadTime);
        assert_eq!(explained.left_out_for(Reason::NoStart), 1);
        let counted = with(|options| {
            options.lead_time.start = start;
            options.lead_time.without_start = Choice::Counted;
        });
        let both = week(&facts, &counted);
        assert_eq!(
            hours(&both, Metric::LeadTime),
            Some(f64::midpoint(time, 5.0)),
            "{start:?}"
        );
    }
    // What was never offered was coded until it was merged.
    let direct = pipeline_metrics::Change {
        component: "shop",
        sha: Sha::new("a"),
        at: time(HOUR),
        phases: Phases {
            first_commit: Some(time(0)),
            merged: Some(time(2 * HOUR)),
            ..Phases::default()
        },
        source: pipeline_metrics::FactSource::Line { file: "log", line: 1 },
    };
    let times = PhaseTimes::of(&direct, None, Rounding::Exact);
    assert_eq!(
        (times.coding, times.whole),
        (Some(7_200_000_000), Some(7_200_000_000))
    );
    // A phase that took no time is a phase; what is not known of merging is taken from the commit.
    let change = pipeline_metrics::Change {
        component: "shop",
        sha: Sha::new("a"),
        at: time(HOUR),
        phases: Phases {
            first_commit: Some(time(HOUR)),
            opened: Some(time(HOUR)),
            ..Phases::default()
        },
        source: pipeline_metrics::FactSource::Line { file: "log", line: 1 },
    };
    let times = PhaseTimes::of(&change, Some(time(HOUR)), Rounding::Exact);
    assert_eq!(
        (times.coding, times.pickup, times.deploy, times.whole),
        (Some(0), None, Some(0), Some(0))
    );
}

#[test]
fn an_incident_is_the_fault_of_the_last_deployment_within_reach() {
    let eu = ",\"environment\":\"eu\"";
    let us = ",\"environment\":\"us\"";
    let log = [
        deployed("shop", "d1", HOUR, eu),
        deployed("shop", "d2", 2 * HOUR, us),
        deployed("search", "d3", 3 * HOUR, eu),
        opened("shop", "i1", 4 * HOUR, ""),
        opened("shop", "i2", 2 * HOUR, ""),
        opened("shop", "i3", 4 * HOUR, ",\"deployment\":\"d1\""),
    ]
    .concat();
    let facts = facts(&log);
    let blamed = |attribution: Attribution| {
        let options = with(|options| {
            options.deployments.production = vec!["eu".to_owned(), "us".to_owned()];
            options.failures.attribution = attribution;
        });
        let delivery = Delivery::of(&facts, &options).unwrap();
        let mut blamed: Vec<_> = delivery
            .blames()
            .map(|(incident, deployment)| {
                let of = match deployment {
                    Ok(deployment) => deployment.id.to_owned(),
                    Err(reason) => reason.name().to_owned(),
                };
                format!("{} {of}", incident.id)
            })
            .collect();
        blamed.sort();
        blamed
    };
    let default = Attribution::default();
    assert_eq!(blamed(default), ["i1 d2", "i2 d2", "i3 d1"]);
    let ignored = Attribution {
        named: Named::Ignored,
        ..default
    };
    assert_eq!(blamed(ignored), ["i1 d2", "i2 d2", "i3 d2"]);
    // i2 was opened as d2 finished.
    let strict = Attribution {
        bound: Bound::Strict,
        ..default
    };
    assert_eq!(blamed(strict), ["i1 d2", "i2 d1", "i3 d1"]);
    let project = Attribution {
        reach: Reach::Project,
        ..default
    };
    assert_eq!(blamed(project), ["i1 d3", "i2 d2", "i3 d1"]);
    let nowhere = Attribution {
        reach: Reach::Nowhere,
        ..default
    };
    assert_eq!(blamed(nowhere), ["i1 names-none", "i2 names-none", "i3 d1"]);
    // Two hours before at most: d2 is exactly that.
    let limit = |minutes| Attribution {
        within: Some(SignedDuration::from_mins(minutes)),
        ..default
    };
    assert_eq!(blamed(limit(120)), ["i1 d2", "i2 d2", "i3 d1"]);
    assert_eq!(blamed(limit(119)), ["i1 too-late", "i2 d2", "i3 d1"]);
}

#[test]
fn an_environment_is_not_the_other_one() {
    use pipeline_metrics::{Fact, FactSource, Incident, Rollback};
    let source = FactSource::Line { file: "log", line: 1 };
    let mut facts = facts(
        &[
            deployed(
                "shop",
                "d1",
                HOUR,
                ",\"environment\":\"eu\",\"release\":\"sha256:1\"",
            ),
            deployed(
                "shop",
                "d2",
                2 * HOUR,
                ",\"environment\":\"us\",\"release\":\"sha256:1\"",
            ),
            deployed(
                "shop",
                "d3",
                3 * HOUR,
                ",\"environment\":\"lab\",\"release\":\"sha256:1\"",
            ),
        ]
        .concat(),
    );
    for (id, environment) in [("i1", "eu"), ("i2", "lab"), ("i3", "us")] {
        facts.add(Fact::Incident(Incident {
            id,
            component: "shop",
            environment: Some(environment),
            opened: time(4 * HOUR),
            deployment: None,
            changes: Vec::new(),
            source,
        }));
    }
    facts.add(Fact::Rollback(Rollback {
        id: "b1",
        component: "shop",
        environment: "eu",
        production: None,
        at: time(5 * HOUR),
        release: "sha256:1",
        source,
    }));
    let options = with(|options| {
        options.deployments.production = vec!["eu".to_owned(), "us".to_owned()];
    });
    let delivery = Delivery::of(&facts, &options).unwrap();
    let mut blamed: Vec<_> = delivery
        .blames()
        .map(|(incident, deployment)| (incident.id.to_owned(), deployment.map(|one| one.id.to_owned())))
        .collect();
    blamed.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(
        blamed,
        [
            ("i1".to_owned(), Ok("d1".to_owned())),
            ("i2".to_owned(), Err(Reason::NoDeployment)),
            ("i3".to_owned(), Ok("d2".to_owned()))
        ]
    );
    // The rollback is that of d1, which an incident tells of, too: that tells when users were well again.
    let eu = delivery.select(&Scope::Environment("eu"), window(0, DAY));
    let recovery = eu.explain(Metric::RecoveryTime);
    assert_eq!(recovery.left_out_for(Reason::IncidentTells), 1);
    assert_eq!(recovery.left_out_for(Reason::Open), 1);
    assert_eq!(eu.measures().incidents, 1);
    let us = delivery.select(&Scope::Environment("us"), window(0, DAY));
    assert_eq!(
        us.explain(Metric::RecoveryTime)
            .left_out_for(Reason::IncidentTells),
        0
    );
    // What is counted by its opening: two of users, one in each.
    let mut gitlab = Preset::GitLab.options();
    gitlab
        .deployments
        .production
        .clone_from(&options.deployments.production);
    let rate = |scope: &Scope<'_>| within(&facts, &gitlab, scope, window(0, DAY)).change_fail_rate;
    assert_eq!(rate(&Scope::Overall), Ratio::new(2, 2));
    assert_eq!(rate(&Scope::Environment("eu")), Ratio::new(1, 1));
    assert_eq!(rate(&Scope::Environment("us")), Ratio::new(1, 1));
}

#[test]
fn a_recovery_belongs_to_the_window_that_is_chosen() {
    // Deployed on Monday, opened on Tuesday, over on Wednesday; another one is still open.
    let log = [
        deployed("shop", "d1", HOUR, ""),
        opened("shop", "i1", DAY, ""),
        resolved("shop", "i1", 2 * DAY),
        opened("shop", "i2", DAY + HOUR, ""),
    ]
    .concat();
    let facts = facts(&log);
    let days = |by| {
        let options = with(|options| options.recovery.by = by);
        [0, 1, 2].map(|day| {
            let day = window(day * DAY, (day + 1) * DAY);
            let found = within(&facts, &options, &Scope::Overall, day);
            (found.incidents - found.open_incidents, found.open_incidents)
        })
    };
    assert_eq!(days(RecoveredBy::Start), [(1, 1), (0, 0), (0, 0)]);
    assert_eq!(days(RecoveredBy::Opened), [(0, 0), (1, 1), (0, 0)]);
    // What is not over shows where it was opened.
    assert_eq!(days(RecoveredBy::End), [(0, 0), (0, 1), (1, 0)]);
}

#[test]
fn one_number_is_made_of_those_of_components() {
    // 1 and 3 hours of one, 10 of the other.
    let log = [
        change("shop", "a", 9 * HOUR, ""),
        change("shop", "b", 7 * HOUR, ""),
        change("search", "c", 0, ""),
        deployed("shop", "d1", 10 * HOUR, ",\"changes\":[\"a\",\"b\"]"),
        deployed("search", "d2", 10 * HOUR, ",\"changes\":[\"c\"]"),
    ]
    .concat();
    let facts = facts(&log);
    let of = |blend, aggregate| {
        let options = with(|options| {
            options.lead_time.blend = blend;
            options.lead_time.aggregate = aggregate;
        });
        hours(&week(&facts, &options), Metric::LeadTime)
    };
    assert_eq!(of(Blend::Values, Aggregate::LowerMedian), Some(3.0));
    // Of the lower medians 1 and 10: their mean, and as days the lower of them.
    assert_eq!(of(Blend::ComponentMeans, Aggregate::LowerMedian), Some(5.5));
    assert_eq!(of(Blend::Days, Aggregate::LowerMedian), Some(1.0));
    assert_eq!(of(Blend::Days, Aggregate::Mean), Some(6.0));
}

#[test]
fn days_and_weeks_are_those_of_the_zone() {
    let first = |zone: &str, start: WeekStart, bucket, moment: &str| {
        let options = with(|options| {
            options.calendar.time_zone = zone.to_owned();
            options.calendar.week_start = start;
        });
        let facts = Facts::new();
        let delivery = Delivery::of(&facts, &options).unwrap();
        let window = delivery.bucket(bucket, at(moment));
        assert!(window.contains(at(moment)));
        (window.start().to_string(), window.days())
    };
    // Saturday, 11 January.
    let saturday = "2025-01-11T12:00:00Z";
    for (start, day) in [
        (WeekStart::Monday, "2025-01-06T00:00:00Z"),
        (WeekStart::Sunday, "2025-01-05T00:00:00Z"),
        (WeekStart::Saturday, "2025-01-11T00:00:00Z"),
    ] {
        assert_eq!(first("UTC", start, Bucket::Week, saturday), (day.to_owned(), 7.0));
    }
    // Where it is later it is the next day already, and where it is earlier still the one before.
    for (zone, moment, day) in [
        ("+08:00", "2025-01-11T16:00:00Z", "2025-01-11T16:00:00Z"),
        ("+08:00", "2025-01-11T15:59:59Z", "2025-01-10T16:00:00Z"),
        ("-0330", "2025-01-11T03:30:00Z", "2025-01-11T03:30:00Z"),
        ("-0330", "2025-01-11T03:29:59Z", "2025-01-10T03:30:00Z"),
        ("+02", "2025-01-11T22:00:00Z", "2025-01-11T22:00:00Z"),
    ] {
        assert_eq!(
            first(zone, WeekStart::Monday, Bucket::Day, moment).0,
            day,
            "{zone} {moment}"
        );
    }
    assert_eq!(
        first("+08:00", WeekStart::Monday, Bucket::Month, "2025-02-28T16:00:00Z"),
        ("2025-02-28T16:00:00Z".to_owned(), 31.0)
    );
    for wrong in ["+05:60", "+5", "+5:30", "08:00", "+aa:00", "+25:99"] {
        let options = with(|options| options.calendar.time_zone = wrong.to_owned());
        assert!(Delivery::of(&Facts::new(), &options).is_err(), "{wrong}");
    }
    // The moment at which a week ends is the first of the next one.
    let log = [
        deployed("shop", "d1", 6 * DAY, ""),
        deployed("shop", "d2", 7 * DAY, ""),
    ]
    .concat();
    let facts = facts(&log);
    let delivery = Delivery::of(&facts, &Options::default()).unwrap();
    let weeks: Vec<_> = delivery
        .weeks()
        .map(|week| (week.first_day.to_string(), week.measures.deployments))
        .collect();
    assert_eq!(
        weeks,
        [("2025-01-06".to_owned(), 1), ("2025-01-13".to_owned(), 1)]
    );
    assert!(!window(0, DAY).contains(time(DAY)));
}

/// dora-team/fourkeys has no tests of its queries; these are their rules (`queries/*.sql`, `METRICS.md`), worked by hand.
#[test]
fn the_rules_of_four_keys() {
    use pipeline_metrics::{Fact, FactSource, Incident, Recovery};
    let lists = |shas: &str| format!(",\"changes\":[{shas}]");
    let log = [
        change("shop", "a", 0, ""),
        change("shop", "b", HOUR, ""),
        change("shop", "c", 26 * HOUR, "").replace("02:00:00Z", "01:59:30Z"),
        // 125 and 65 minutes; c half a minute after it was committed, with a again; nothing of d3 is known.
        deployed("shop", "d1", 125, &lists("\"a\",\"b\"")),
        deployed("shop", "d2", 26 * HOUR, &lists("\"a\",\"c\"")),
        deployed("shop", "d3", 27 * HOUR, &lists("\"x\"")),
        // Sunday is in the week that begins with it.
        deployed("shop", "d4", 6 * DAY, &lists("\"b\"")),
    ]
    .concat();
    let mut facts = facts(&log);
    let source = FactSource::Line { file: "log", line: 1 };
    // Of i1 a is the cause, which came with d1: two and a half hours. Of i2 nobody knows: opened to end, 59 minutes.
    for (id, opened, over, changes) in [
        ("i1", 180, 125 + 150, vec!["a", "c"]),
        ("i2", 5 * HOUR, 5 * HOUR + 59, vec![]),
    ] {
        facts.add(Fact::Incident(Incident {
            id,
            component: "shop",
            environment: None,
            opened: time(opened),
            deployment: None,
            changes: changes.into_iter().map(Sha::new).collect(),
            source,
        }));
        facts.add(Fact::Recovery(Recovery {
            incident: id,
            at: time(over),
            source,
        }));
    }
    let options = Preset::FourKeys.options();
    let found = within(&facts, &options, &Scope::Overall, window(-DAY, 13 * DAY));
    // a twice: 125 and 1,560; b: 65 and 8,580; c took no whole minute. The middle of 125 and 1,560.
    assert_eq!(found.changes, 4);
    assert_eq!(
        found.lead_time.unwrap().ms / 60_000.0,
        f64::midpoint(125.0, 1_560.0)
    );
    // d3 is of no push. Two days from Sunday, 5 January, and one from Sunday, 12 January.
    assert_eq!(found.deployments, 3);
    assert_eq!(found.deployment_frequency.unwrap().value, 1.5);
    // i1 names a, which d1 and d2 list, and c of d2: 3 over 3.
    assert_eq!(found.change_fail_rate, Ratio::new(3, 3));
    // Whole hours: 2 and 0.
    assert_eq!(hours(&found, Metric::RecoveryTime), Some(1.0));
}

/// The rules of apache/devlake's main dashboard that its tables do not show, worked by hand.
#[test]
fn the_rules_of_devlake() {
    let ways = |first: &str| {
        format!(
            ",\"first_commit\":\"2025-01-06T{first}Z\",\"opened\":\"2025-01-06T02:00:00Z\",\"merged\":\"2025-01-06T03:00:00Z\""
        )
    };
    let log = [
        change("shop", "old", 0, ""),
        change("shop", "a", 3 * HOUR, &ways("01:00:00")),
        change("shop", "b", 3 * HOUR, &ways("00:59:30")),
        deployed("shop", "d0", HOUR, ",\"changes\":[\"old\"]"),
        deployed("shop", "d1", 4 * HOUR, ",\"changes\":[\"a\",\"b\"]"),
        deployed("search", "d2", 5 * HOUR, ""),
        deployed("shop", "d3", DAY, ""),
        deployed("shop", "d4", 8 * DAY, ""),
        // Opened as d2 of another component finished: strictly before is d1. It was named as d3's, which is nothing.
        opened("shop", "i1", 5 * HOUR, ",\"deployment\":\"d3\""),
        resolved("shop", "i1", 6 * HOUR),
        opened("shop", "i2", 5 * HOUR + 1, ""),
        resolved("shop", "i2", 9 * HOUR),
    ]
    .concat();
    let facts = facts(&log);
    let options = Preset::DevLake.options();
    let found = within(&facts, &options, &Scope::Overall, window(0, 14 * DAY));
    // Without the first deployment: 60 + 60 + 60 minutes, and 61 of begun ones + 60 + 60. The lower of the two.
    assert_eq!(found.changes, 2);
    assert_eq!(found.lead_time.unwrap().ms, 180.0 * 60_000.0);
    assert_eq!(found.lead_time.unwrap().mean_ms, 180.5 * 60_000.0);
    // d1 and d2, of five. 2 hours from d1 and 4 from d2: the lower.
    assert_eq!(found.change_fail_rate, Ratio::new(2, 5));
    assert_eq!(hours(&found, Metric::RecoveryTime), Some(2.0));
    // Two days in one week, one in the other: the lower.
    assert_eq!(found.deployment_frequency.unwrap().value, 1.0);
}

/// A failure without a deployment is 100 % at GitLab, and none elsewhere; nothing at all is nothing.
#[test]
fn a_rate_of_no_deployments() {
    let facts = facts(&opened("shop", "i1", HOUR, ""));
    let rate = |preset: Preset, from| {
        within(&facts, &preset.options(), &Scope::Overall, window(from, 7 * DAY)).change_fail_rate
    };
    assert_eq!(rate(Preset::GitLab, 0), Ratio::new(1, 1));
    assert_eq!(rate(Preset::GitLab, DAY), None);
    for preset in Preset::ALL.into_iter().filter(|one| *one != Preset::GitLab) {
        assert_eq!(rate(preset, 0), None, "{preset}");
    }
    let options = with(|options| {
        options.failures.share = FailShare::Opened;
        options.recovery.from = RecoveryFrom::Opened;
    });
    assert_eq!(week(&facts, &options).open_incidents, 1);
}
