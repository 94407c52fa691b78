//! Order and repetition never matter to what flows, and no number is told of nothing.

use pipeline_metrics::{
    Delivery, EnvironmentChange, EnvironmentFact, Facts, FigureOptions, Flow, FlowFact, Hold, ManualWork,
    Options, Origin, Removal, StageTime, Wait, WaitCause, Window, WorkingTime, WorkingWeek, figures,
};
use proptest::prelude::*;

use crate::figures::time;

fn name(letter: &'static str, count: u32) -> impl Strategy<Value = String> {
    (0..count).prop_map(move |number| format!("{letter}{number}"))
}

fn origin() -> impl Strategy<Value = Origin> {
    (1..4_u64).prop_map(|line| Origin::Line {
        file: "log".into(),
        line,
    })
}

fn hour() -> impl Strategy<Value = Option<jiff::Timestamp>> {
    prop::option::weighted(0.8, (0..120_i64).prop_map(time))
}

/// Names are few, so that pieces meet.
fn fact() -> impl Strategy<Value = FlowFact> {
    let stage = (
        (
            name("p", 12),
            prop::option::of(name("c", 2)),
            prop::option::weighted(0.9, name("i", 4)),
        ),
        (
            prop::option::weighted(0.9, name("s", 4)),
            prop::option::of(name("w", 2)),
            prop::option::of(any::<bool>()),
        ),
        (hour(), hour(), hour()),
        prop::option::weighted(0.2, (0..20_i64).prop_map(jiff::SignedDuration::from_hours)),
        origin(),
    )
        .prop_map(
            |((id, component, item), (stage, by, accurate), (ready, started, finished), process, origin)| {
                FlowFact::StageTime(StageTime {
                    component: component.map(Into::into),
                    item: item.map(Into::into),
                    stage: stage.map(Into::into),
                    ready,
                    started,
                    finished,
                    process,
                    by: by.map(Into::into),
                    accurate,
                    ..StageTime::new(id, origin)
                })
            },
        );
    let wait = (
        (
            name("w", 8),
            prop::option::of(name("c", 2)),
            prop::option::of(name("i", 4)),
            prop::option::of(name("s", 3)),
        ),
        (0..7_usize, prop::option::of(name("p", 2))),
        (hour(), hour()),
        origin(),
    )
        .prop_map(
            |((id, component, item, stage), (cause, on), (since, until), origin)| {
                let names = [
                    "queue",
                    "approval",
                    "window",
                    "environment",
                    "decision",
                    "retry",
                    "moon",
                ];
                FlowFact::Wait(Wait {
                    component: component.map(Into::into),
                    item: item.map(Into::into),
                    stage: stage.map(Into::into),
                    on: on.map(Into::into),
                    since,
                    until,
                    ..Wait::new(id, WaitCause::named(names[cause]), origin)
                })
            },
        );
    let hold = (
        name("h", 6),
        name("e", 3),
        prop::option::of(name("b", 2)),
        hour(),
        hour(),
        origin(),
    )
        .prop_map(|(id, environment, by, from, until, origin)| {
            FlowFact::Hold(Hold {
                by: by.map(Into::into),
                from,
                until,
                ..Hold::new(id, environment, origin)
            })
        });
    let manual = (
        (name("m", 6), name("t", 3), 0..120_i64),
        prop::option::of(-1..9_i64),
        prop::option::of(any::<bool>()),
        origin(),
    )
        .prop_map(|((id, task, at), spent, automatable, origin)| {
            FlowFact::ManualWork(ManualWork {
                id: id.into(),
                at: time(at),
                component: None,
                task: task.into(),
                by: None,
                spent: spent.map(jiff::SignedDuration::from_hours),
                automatable,
                origin,
            })
        });
    let environment =
        (name("e", 3), 0..120_i64, 0..3_usize, origin()).prop_map(|(environment, at, change, origin)| {
            FlowFact::Environment(EnvironmentFact {
                environment: environment.into(),
                at: time(at),
                change: [
                    EnvironmentChange::Created,
                    EnvironmentChange::Modified,
                    EnvironmentChange::Deleted,
                ][change],
                origin,
            })
        });
    let removal = (name("c", 2), name("e", 3), 0..120_i64, origin()).prop_map(
        |(component, environment, at, origin)| {
            FlowFact::Removal(Removal {
                component: component.into(),
                environment: environment.into(),
                at: time(at),
                origin,
            })
        },
    );
    prop_oneof![6 => stage, 4 => wait, 3 => hold, 2 => manual, 2 => environment, 1 => removal]
}

fn told(flow: &Flow, options: &FigureOptions) -> String {
    let facts = Facts::new();
    let delivery = Delivery::of(&facts, &Options::default()).unwrap();
    serde_json::to_string(&figures(&delivery, flow, options)).unwrap()
}

fn options() -> [FigureOptions; 3] {
    let all = Window::new(time(0), time(120)).unwrap();
    let part = Window::new(time(30), time(80)).unwrap();
    let week = WorkingTime::Week(WorkingWeek::office());
    [
        FigureOptions::new(all),
        FigureOptions::new(part).as_of(time(60)).time(week),
        FigureOptions::new(part).component("c0"),
    ]
}

proptest! {
    #[test]
    fn order_and_repetition_never_matter(
        facts in prop::collection::vec(fact(), 0..60),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        seed in any::<prop::sample::Index>(),
    ) {
        let mut other: Vec<_> = facts.clone();
        if !facts.is_empty() {
            other.extend(again.iter().map(|index| index.get(&facts).clone()));
            other.rotate_left(seed.index(facts.len()));
            other.reverse();
        }
        let one: Flow = facts.into_iter().collect();
        let other: Flow = other.into_iter().collect();
        prop_assert_eq!(&one, &other);
        for options in options() {
            prop_assert_eq!(told(&one, &options), told(&other, &options));
        }
    }

    #[test]
    fn numbers_are_numbers_and_nothing_is_counted_twice(facts in prop::collection::vec(fact(), 0..60)) {
        let flow: Flow = facts.into_iter().collect();
        let none = Facts::new();
        let delivery = Delivery::of(&none, &Options::default()).unwrap();
        for options in options() {
            for figure in figures(&delivery, &flow, &options) {
                for value in &figure.values {
                    let number = value.value.unwrap_or(0.0);
                    prop_assert!(number.is_finite() && number >= 0.0, "{} {}: {}", figure.id, value.name, number);
                    if value.unit == pipeline_metrics::Unit::Share && figure.id != "value-stream" {
                        prop_assert!(number <= 1.0, "{} {}: {}", figure.id, value.name, number);
                    }
                    if figure.counted.is_empty() && value.name != "environments" {
                        prop_assert!(value.value.is_none(), "{} {}", figure.id, value.name);
                    }
                }
                for table in &figure.tables {
                    prop_assert!(table.rows.iter().all(|row| row.len() == table.columns.len()));
                }
                let mut counted = figure.counted.clone();
                counted.sort();
                counted.dedup();
                prop_assert_eq!(counted.len(), figure.counted.len(), "{}", figure.id);
                for left in &figure.left_out {
                    prop_assert!(!figure.counted.contains(&left.item), "{}: {:?}", figure.id, left);
                }
            }
        }
    }
}
