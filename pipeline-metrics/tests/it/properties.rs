use std::fmt::Write as _;

use pipeline_core::{SignedDuration, Timestamp};
use pipeline_metrics::{
    Change, Delivery, Deployment, DeploymentKind, DeploymentResult, Explained, Fact, FactId, FactRef,
    FactSource, Facts, Incident, Measures, Recovery, ReportOptions, Rollback, Window, render_text,
    weekly_csv,
};
use proptest::prelude::*;

use crate::worked::at;

/// A moment of three weeks; at noon or midnight, so that many are equal.
fn moment() -> impl Strategy<Value = Timestamp> {
    (0..42_i64).prop_map(|half| at("2025-01-06T00:00:00Z") + SignedDuration::from_hours(12 * half))
}

fn name(letter: &'static str, count: u32) -> impl Strategy<Value = String> {
    (0..count).prop_map(move |number| format!("{letter}{number}"))
}

fn source() -> impl Strategy<Value = FactSource> {
    (1..4_u64).prop_map(|line| FactSource::Line {
        file: "log".into(),
        line,
    })
}

/// Names are few, so that facts meet: several with one name, links that lead somewhere and nowhere.
fn fact() -> impl Strategy<Value = Fact> {
    let change = (name("c", 3), name("s", 9), moment(), source()).prop_map(|(component, sha, at, source)| {
        Fact::Change(Change {
            component: component.into(),
            sha: sha.into(),
            at,
            source,
        })
    });
    let deployment = (
        (name("d", 6), name("c", 3), name("e", 2)),
        (moment(), any::<bool>(), any::<bool>()),
        prop::collection::vec(name("s", 9), 0..4),
        prop::option::of(name("r", 3)),
        source(),
    )
        .prop_map(
            |((id, component, environment), (finished, success, planned), revisions, release, source)| {
                Fact::Deployment(Deployment {
                    id: id.as_str().into(),
                    component: component.into(),
                    production: environment == "e0",
                    environment: environment.into(),
                    finished,
                    started: None,
                    result: if success {
                        DeploymentResult::Success
                    } else {
                        DeploymentResult::Failure
                    },
                    kind: if planned {
                        DeploymentKind::Planned
                    } else {
                        DeploymentKind::Hotfix
                    },
                    revisions: revisions.iter().map(|sha| sha.as_str().into()).collect(),
                    release: release.map(Into::into),
                    source,
                })
            },
        );
    let incident = (
        name("i", 6),
        name("c", 3),
        prop::option::of(name("e", 2)),
        moment(),
        prop::option::of(name("d", 6)),
        source(),
    )
        .prop_map(|(id, component, environment, opened, deployment, source)| {
            Fact::Incident(Incident {
                id: id.as_str().into(),
                component: component.into(),
                environment: environment.map(Into::into),
                opened,
                deployment: deployment.as_deref().map(FactId::from),
                source,
            })
        });
    let recovery = (name("i", 6), moment(), source()).prop_map(|(incident, at, source)| {
        Fact::Recovery(Recovery {
            incident: incident.as_str().into(),
            at,
            source,
        })
    });
    let rollback = (
        name("b", 4),
        name("c", 3),
        name("e", 2),
        name("r", 3),
        moment(),
        source(),
    )
        .prop_map(|(id, component, environment, release, at, source)| {
            Fact::Rollback(Rollback {
                id: id.as_str().into(),
                component: component.into(),
                production: environment == "e0",
                environment: environment.into(),
                at,
                release: release.into(),
                source,
            })
        });
    prop_oneof![3 => change, 4 => deployment, 2 => incident, 2 => recovery, 1 => rollback]
}

/// Three weeks; the second of them is inside of the facts.
fn windows() -> [Window; 2] {
    let start = at("2025-01-06T00:00:00Z");
    let all = Window::new(start, start + SignedDuration::from_hours(504)).unwrap();
    [all, Window::week_of(start + SignedDuration::from_hours(200))]
}

/// Everything that is said about some facts.
fn told(facts: &Facts) -> String {
    let delivery = Delivery::of(facts);
    let mut told = weekly_csv(&delivery);
    for window in windows() {
        let report = delivery.report(&ReportOptions::new(window).with_overall());
        told += &render_text(&report);
        writeln!(told, "{}", serde_json::to_string(&report).unwrap()).unwrap();
    }
    told
}

fn exists(facts: &Facts, fact: FactRef<'_>) -> bool {
    match fact {
        FactRef::Change(change) => facts.changes().any(|each| each == change),
        FactRef::Deployment(deployment) => facts.deployments().any(|each| each == deployment),
        FactRef::Incident(incident) => facts.incidents().any(|each| each == incident),
        FactRef::Recovery(recovery) => facts.recoveries().any(|each| each == recovery),
        FactRef::Rollback(rollback) => facts.rollbacks().any(|each| each == rollback),
        _ => false,
    }
}

/// Nothing is counted twice or both counted and left out, and there is a number exactly when something counts.
fn check<T>(facts: &Facts, explained: &Explained<'_, T>) {
    assert_eq!(explained.value.is_some(), !explained.counted.is_empty());
    for (number, counted) in explained.counted.iter().enumerate() {
        assert!(exists(facts, counted.fact) && counted.link.is_none_or(|link| exists(facts, link)));
        assert!(
            explained.counted[..number]
                .iter()
                .all(|before| before.fact != counted.fact)
        );
    }
    for left in &explained.left_out {
        assert!(exists(facts, left.fact));
    }
}

fn check_all(facts: &Facts, measures: &Measures<'_>) {
    check(facts, &measures.deployment_frequency);
    check(facts, &measures.lead_time);
    check(facts, &measures.change_fail_rate);
    check(facts, &measures.recovery_time);
    check(facts, &measures.rework_rate);
    for ratio in [&measures.change_fail_rate, &measures.rework_rate] {
        assert!(
            ratio
                .value
                .is_none_or(|ratio| (0.0..=1.0).contains(&ratio.value()))
        );
    }
    for time in [&measures.lead_time, &measures.recovery_time] {
        let number = |value: f64| value.is_finite() && value >= 0.0;
        assert!(
            time.value
                .is_none_or(|time| number(time.median_ms) && number(time.mean_ms))
        );
    }
    let failed = measures
        .change_fail_rate
        .counted
        .iter()
        .filter(|counted| counted.link.is_some());
    let part = measures.change_fail_rate.value.map_or(0, |ratio| ratio.part());
    assert_eq!(failed.count(), part);
}

/// Some facts, and the same again: in another order, some of them several times.
fn twice() -> impl Strategy<Value = (Vec<Fact>, Vec<Fact>)> {
    let facts = prop::collection::vec(fact(), 0..60);
    facts.prop_flat_map(|facts| {
        let count = facts.len();
        let repeated = prop::collection::vec(0..count.max(1), 0..=count);
        (Just(facts), repeated).prop_flat_map(|(facts, repeated)| {
            let more = repeated.iter().filter_map(|number| facts.get(*number).cloned());
            let again: Vec<_> = facts.iter().cloned().chain(more).collect();
            (Just(facts), Just(again).prop_shuffle())
        })
    })
}

proptest! {
    #[test]
    fn order_and_repetition_never_matter((facts, again) in twice()) {
        let facts: Facts = facts.into_iter().collect();
        let again: Facts = again.into_iter().collect();
        prop_assert_eq!(told(&facts), told(&again));
    }

    #[test]
    fn numbers_are_numbers_and_their_facts_exist(facts in prop::collection::vec(fact(), 0..60)) {
        let facts: Facts = facts.into_iter().collect();
        let delivery = Delivery::of(&facts);
        for window in windows() {
            let report = delivery.report(&ReportOptions::new(window).with_overall());
            for each in &report.components {
                check_all(&facts, &each.measures);
            }
            check_all(&facts, &report.overall.unwrap());
        }
    }

    #[test]
    fn weeks_add_up_to_the_whole(facts in prop::collection::vec(fact(), 0..60)) {
        let facts: Facts = facts.into_iter().collect();
        let delivery = Delivery::of(&facts);
        let [all, _] = windows();
        let whole = delivery.report(&ReportOptions::new(all).with_overall()).overall.unwrap();
        let sizes = |measures: &Measures<'_>| [
            measures.deployment_frequency.counted.len(),
            measures.lead_time.counted.len(),
            measures.recovery_time.counted.len(),
            measures.change_fail_rate.value.map_or(0, |ratio| ratio.part()),
            measures.rework_rate.value.map_or(0, |ratio| ratio.part()),
        ];
        let mut sums = [0; 5];
        for week in delivery.weeks() {
            for (sum, size) in sums.iter_mut().zip(sizes(&week.measures)) {
                *sum += size;
            }
        }
        prop_assert_eq!(sums, sizes(&whole));
    }

    #[test]
    fn no_line_makes_the_reader_panic_or_vanishes(text in "[ -~\n\u{80}-\u{90}]{0,200}") {
        let mut facts = Facts::new();
        let read = pipeline_metrics::LogReader::new("log").read(text.as_bytes(), &mut facts).unwrap();
        let lines = text.split('\n').filter(|line| !line.trim_ascii().is_empty()).count();
        prop_assert_eq!(read.facts + read.bad_lines, lines as u64);
        prop_assert_eq!(facts.problems().len() as u64, read.bad_lines);
    }
}
