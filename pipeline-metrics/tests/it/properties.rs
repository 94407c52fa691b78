//! What holds for all facts: order, repetition and lateness never show, and what is kept up to date is what is computed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use pipeline_metrics::{
    Attribution, Bound, Bucket, Change, Choice, Delivery, Deployment, DeploymentKind, DeploymentResult, Fact,
    FactSource, Facts, Incident, LogReader, Metric, Named, Options, Phases, Preset, Recovery, Rollback,
    Scope, Sha, Tally, Window, weekly_csv,
};
use proptest::prelude::*;

use crate::worked::at;

/// A fact that owns its texts.
#[derive(Debug, Clone)]
struct Told {
    form: Form,
    component: String,
    environment: Option<String>,
    id: String,
    at: Timestamp,
    line: u64,
    shas: Vec<String>,
    good: bool,
    planned: bool,
    other: Option<String>,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Change,
    Deployment,
    Incident,
    Recovery,
    Rollback,
}

impl Told {
    fn fact(&self) -> Fact<'_> {
        let (component, at) = (&*self.component, self.at);
        let source = FactSource::Line {
            file: "log",
            line: self.line,
        };
        let environment = self.environment.as_deref();
        let changes = self.shas.iter().map(|sha| Sha::new(sha)).collect();
        match self.form {
            Form::Change => Fact::Change(Change {
                component,
                sha: Sha::new(self.shas.first().map_or("s0", |sha| sha)),
                at,
                phases: Phases {
                    merged: self.good.then_some(at),
                    ..Phases::default()
                },
                source,
            }),
            Form::Deployment => Fact::Deployment(Deployment {
                id: &self.id,
                component,
                environment: environment.unwrap_or("production"),
                production: None,
                started: None,
                finished: at,
                result: if self.good {
                    DeploymentResult::Success
                } else {
                    DeploymentResult::Failure
                },
                kind: if self.planned {
                    DeploymentKind::Planned
                } else {
                    DeploymentKind::Rollback
                },
                version: None,
                release: self.other.as_deref(),
                team: None,
                changes,
                source,
            }),
            Form::Incident => Fact::Incident(Incident {
                id: &self.id,
                component,
                environment,
                opened: at,
                deployment: self.other.as_deref(),
                changes,
                source,
            }),
            Form::Recovery => Fact::Recovery(Recovery {
                incident: &self.id,
                at,
                source,
            }),
            Form::Rollback => Fact::Rollback(Rollback {
                id: &self.id,
                component,
                environment: environment.unwrap_or("production"),
                production: None,
                at,
                release: self.other.as_deref().unwrap_or("d0"),
                source,
            }),
        }
    }
}

fn name(letter: &'static str, count: u32) -> impl Strategy<Value = String> {
    (0..count).prop_map(move |number| format!("{letter}{number}"))
}

/// Names are few and moments are at noon or midnight, so that facts meet: several with one name or one moment, links
/// that lead somewhere and nowhere.
fn told() -> impl Strategy<Value = Told> {
    let form = prop_oneof![
        3 => Just(Form::Change),
        4 => Just(Form::Deployment),
        2 => Just(Form::Incident),
        2 => Just(Form::Recovery),
        1 => Just(Form::Rollback),
    ];
    let environment = prop_oneof![
        2 => Just(None),
        2 => Just(Some("production".to_owned())),
        1 => Just(Some("staging".to_owned())),
    ];
    let what = (form, name("c", 2), environment, name("d", 6));
    let when = (0..42_i64, 1..4_u64);
    let rest = (
        prop::collection::vec(name("s", 7), 0..4),
        prop::bool::weighted(0.8),
        any::<bool>(),
        prop::option::of(name("d", 6)),
    );
    (what, when, rest).prop_map(
        |((form, component, environment, id), (half, line), (shas, good, planned, other))| Told {
            form,
            component,
            environment,
            id,
            at: at("2025-01-06T00:00:00Z") + SignedDuration::from_hours(12 * half),
            line,
            shas,
            good,
            planned,
            other,
        },
    )
}

fn all() -> Window {
    Window::new(at("2025-01-01T00:00:00Z"), at("2025-02-03T00:00:00Z")).unwrap()
}

/// Everything that is said about some facts.
fn said(facts: &Facts, options: &Options) -> String {
    let delivery = Delivery::of(facts, options).unwrap();
    let mut said = weekly_csv(&delivery);
    let windows = [all(), Window::week_of(at("2025-01-14T00:00:00Z"))];
    for window in windows {
        for scope in [
            Scope::Overall,
            Scope::Component("c0"),
            Scope::Environment("production"),
        ] {
            let selection = delivery.select(&scope, window);
            writeln!(said, "{}", serde_json::to_string(&selection.measures()).unwrap()).unwrap();
            for metric in Metric::ALL {
                let explained = selection.explain(metric);
                writeln!(said, "{}", serde_json::to_string(&explained.value).unwrap()).unwrap();
                let mut lines: Vec<_> = explained
                    .counted
                    .iter()
                    .map(|each| serde_json::to_string(each).unwrap())
                    .collect();
                lines.extend(
                    explained
                        .left_out
                        .iter()
                        .map(|each| serde_json::to_string(each).unwrap()),
                );
                lines.sort();
                said += &lines.join("\n");
            }
        }
    }
    said
}

fn gathered<'t>(told: impl IntoIterator<Item = &'t Told>) -> Facts {
    told.into_iter().map(Told::fact).collect()
}

fn options() -> impl Strategy<Value = Options> {
    let near = (any::<[bool; 5]>(), prop::option::of(0..100_i64)).prop_map(
        |([strict, ignored, a, b, c], within)| {
            let mut options = Options::default();
            options.failures.attribution = Attribution {
                bound: if strict { Bound::Strict } else { Bound::Inclusive },
                named: if ignored { Named::Ignored } else { Named::First },
                within: within.map(SignedDuration::from_hours),
                ..options.failures.attribution
            };
            let choice = |counted: bool| if counted { Choice::Counted } else { Choice::LeftOut };
            options.failures.rollbacks = choice(a);
            options.deployments.rollbacks = choice(b);
            if c {
                options.lead_time.start = pipeline_metrics::Start::Merged;
            }
            options
        },
    );
    let presets = (0..Preset::ALL.len()).prop_map(|at| Preset::ALL[at].options());
    prop_oneof![2 => near, 1 => presets]
}

proptest! {
    #[test]
    fn the_order_of_facts_and_their_repetition_never_show(
        (facts, shuffled) in prop::collection::vec(told(), 0..40).prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle())),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        options in options(),
    ) {
        let ordered = said(&gathered(&facts), &options);
        let again = again.iter().filter(|_| !facts.is_empty()).map(|index| index.get(&facts));
        let other = gathered(shuffled.iter().chain(again));
        prop_assert_eq!(said(&other, &options), ordered);
    }

    #[test]
    fn deployments_that_are_told_in_different_ways_are_named(
        facts in prop::collection::vec(told(), 0..40),
    ) {
        let mut ways: BTreeMap<&str, Vec<Deployment<'_>>> = BTreeMap::new();
        for told in &facts {
            if let Fact::Deployment(deployment) = told.fact() {
                let source = FactSource::Line { file: "", line: 0 };
                let deployment = Deployment { source, ..deployment };
                let known = ways.entry(deployment.id).or_default();
                if !known.contains(&deployment) {
                    known.push(deployment);
                }
            }
        }
        let expected: Vec<_> = ways.iter().filter(|(_, ways)| ways.len() > 1).map(|(id, _)| (*id).to_owned()).collect();
        let gathered = gathered(&facts);
        let found: Vec<_> = gathered.retold_deployments().map(|fact| fact.id().to_string()).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn what_is_kept_up_to_date_is_what_is_computed(
        facts in prop::collection::vec(told(), 1..60),
        options in options(),
        bucket in prop_oneof![Just(Bucket::Day), Just(Bucket::Week), Just(Bucket::Month)],
        every in 1..30_usize,
    ) {
        let mut tally = Tally::new(&options, bucket).unwrap();
        for (number, told) in facts.iter().enumerate() {
            tally.add(&told.fact());
            if number % every != 0 && number + 1 != facts.len() {
                continue;
            }
            let so_far = gathered(&facts[..=number]);
            let delivery = Delivery::of(&so_far, &options).unwrap();
            let overall = delivery.everything().map(|window| (window, delivery.select(&Scope::Overall, window).measures()));
            // All cells together go by the deployment; what came of none is in no window of everything.
            prop_assert_eq!(tally.overall(), overall, "after {} facts", number + 1);
            for component in ["c0", "c1"] {
                for window in delivery.series(bucket, all()) {
                    let window = delivery.bucket(bucket, window.start());
                    let measures = delivery.select(&Scope::Component(component), window).measures();
                    prop_assert_eq!(tally.measures(component, window.start()), measures, "{} {}", component, window);
                }
            }
        }
    }

    /// Lines of the usual form, and the same with a piece cut out, put in or exchanged: where the fast way reads them,
    /// it reads what the general way reads. A blank before the bracket sends the other copy of a line the general way.
    #[test]
    fn the_fast_way_reads_what_the_general_way_reads(
        lines in prop::collection::vec((0..LINES.len(), any::<prop::sample::Index>(), 0..4_u8, any::<u8>(), any::<bool>()), 1..12),
        ends in any::<bool>(),
        threads in 1..3_usize,
    ) {
        let (mut fast, mut general) = (Vec::new(), Vec::new());
        for (line, place, how, byte, mangle) in lines {
            let mut bytes = LINES[line].as_bytes().to_vec();
            if mangle {
                let place = place.index(bytes.len());
                match how {
                    0 => bytes[place] = byte,
                    1 => bytes.insert(place, byte),
                    2 => drop(bytes.remove(place)),
                    _ => bytes.extend_from_within(place..),
                }
            }
            // A line that is cut in two is cut in both copies, the first part with its blank.
            general.push(b' ');
            for byte in &bytes {
                general.push(*byte);
                if *byte == b'\n' {
                    general.push(b' ');
                }
            }
            fast.extend(bytes);
            fast.push(b'\n');
            general.push(b'\n');
        }
        if !ends {
            fast.pop();
            general.pop();
        }
        let read = |bytes: &[u8], threads| {
            let mut facts = Facts::new();
            let summary = LogReader::new("log").threads(threads).read(bytes, &mut facts).unwrap();
            let mut all: Vec<_> = facts.changes().map(|each| format!("{each:?}")).collect();
            all.extend(facts.deployments().map(|each| format!("{each:?}")));
            all.extend(facts.incidents().map(|each| format!("{each:?}")));
            all.extend(facts.recoveries().map(|each| format!("{each:?}")));
            // Columns differ by the blank.
            all.extend(facts.problems().map(|each| format!("{}", each.source)));
            all.sort();
            (summary, all)
        };
        prop_assert_eq!(read(&fast, threads), read(&general, 1));
    }
}

const LINES: [&str; 8] = [
    r#"{"type":"change","ts":"2024-11-16T09:33:46.424Z","service":"svc-009","sha":"daee671fe5560ce578ec219a00df29d8b3c4df3d"}"#,
    r#"{"type":"deployment","ts":"2025-01-01T05:49:47.645Z","service":"svc-000","id":"d0000000","environment":"production","result":"success","kind":"planned","started":"2025-01-01T05:45:11.531Z","changes":["81899a8088e2e38a03709a63bbbf3fd6eaaf0e54","8af473ab1089048ba052861d698ca6c542d8382b"]}"#,
    r#"{"type":"deployment","ts":"2025-01-01T05:49:47Z","service":"svc-000","id":"d0000001","environment":"staging","result":"failure","kind":"rollback","changes":[]}"#,
    r#"{"type":"incident_opened","ts":"2025-01-03T23:35:58.511Z","service":"svc-007","id":"i000020","deployment":"d0000703"}"#,
    r#"{"type":"incident_opened","ts":"2025-01-03T23:35:58.511Z","service":"svc-007","id":"i000021"}"#,
    r#"{"type":"incident_resolved","ts":"2025-01-04T01:59:37.610Z","service":"svc-007","id":"i000020"}"#,
    r#"{"sha":"z\u00fc","service":"svc","ts":"2025-01-01T02:00:00+02:00","type":"change","merged":"2025-01-01T00:00:00Z"}"#,
    r#"{"type":"change","ts":"2024-11-16T09:33:46.424Z","service":"svc-009","sha":"daee","author":null}"#,
];
