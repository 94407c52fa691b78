//! Plans and schedules, generated.

use std::collections::BTreeSet;

use pipeline_core::{
    Each, Effect, EnvironmentDescriptor, Failure, FailurePolicy, PlannedPool, PlannedStage, RetryPolicy,
    RunLimits, RunPlan, StageName, Tier, TypeName, When,
};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

/// How an attempt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Succeeds,
    SaysNo,
    Errors,
    Unknown,
}

/// What an inspection finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Happened,
    DidNot,
    Unknown,
}

#[derive(Debug, Clone)]
pub(super) enum List {
    Values(Vec<Value>),
    /// The fact `list` of one of the stages before.
    FactOf(usize),
}

#[derive(Debug, Clone)]
pub(super) struct Spec {
    pub(super) effect: Effect,
    pub(super) after: Vec<usize>,
    pub(super) when: When,
    pub(super) retry: Option<RetryPolicy>,
    pub(super) pools: Vec<usize>,
    pub(super) list: Option<List>,
    pub(super) environment: bool,
    pub(super) milliseconds: u32,
    /// What a success reports.
    pub(super) fact: Option<Value>,
    /// Attempt by attempt; then it succeeds.
    pub(super) fates: Vec<Fate>,
    /// Whether it stops when it is asked to.
    pub(super) obeys: bool,
    /// Inspection by inspection; then it happened.
    pub(super) finds: Vec<Found>,
}

/// One run: what it does, and its limits.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) stages: Vec<Spec>,
    pub(super) policy: FailurePolicy,
    pub(super) limits: RunLimits,
}

/// The world around the runs.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) runs: Vec<Run>,
    pub(super) capacities: [u32; 2],
    /// How many attempts the process has room for.
    pub(super) process: Option<u32>,
    pub(super) schedule: Vec<(bool, Choice)>,
    pub(super) chance: u64,
}

/// What happens next, to the one run or the other.
#[derive(Debug, Clone)]
pub(super) enum Choice {
    /// One of those at work ends.
    Report(Index),
    /// Time passes, in seconds.
    Wait(u8),
    /// Somebody asks it to stop.
    Cancel,
    /// The worker dies, and another one claims the run.
    Die,
    /// An older delivery reports.
    Stale(Index),
    /// A person decides.
    Decide(Index, bool),
}

/// The longest list.
pub(super) const MOST: u32 = 4;

pub(super) fn name(index: usize) -> StageName {
    StageName::new(format!("s{index}")).unwrap()
}

pub(super) const POOLS: [&str; 2] = ["x", "y"];

impl Run {
    pub(super) fn plan(&self, number: usize, capacities: [u32; 2]) -> RunPlan {
        let stages = self.stages.iter().enumerate().map(|(index, spec)| PlannedStage {
            after: spec.after.iter().map(|&before| name(before)).collect(),
            when: spec.when,
            retry: spec.retry.clone().map(Box::new),
            pools: spec
                .pools
                .iter()
                .map(|&pool| POOLS[pool].try_into().unwrap())
                .collect(),
            environment: spec.environment.then(|| "e".try_into().unwrap()),
            each: spec.list.as_ref().map(|list| {
                let each = match list {
                    List::Values(values) => Each::values(values.clone()),
                    List::FactOf(before) => Each::fact(name(*before), "list".try_into().unwrap()),
                };
                Box::new(Each { most: MOST, ..each })
            }),
            ..PlannedStage::new(name(index), TypeName::new("test").unwrap(), spec.effect)
        });
        let environment = EnvironmentDescriptor {
            name: "e".try_into().unwrap(),
            tier: Tier::Testing,
            type_name: TypeName::new("test").unwrap(),
            settings: Value::Null,
            configuration: None,
        };
        RunPlan {
            stages: stages.collect(),
            on_failure: self.policy,
            limits: self.limits,
            environments: match self.stages.iter().any(|spec| spec.environment) {
                true => [(environment.name.clone(), environment)].into(),
                false => [].into(),
            },
            pools: (0..2)
                .filter(|pool| self.stages.iter().any(|spec| spec.pools.contains(pool)))
                .map(|pool| {
                    let capacity = capacities[pool];
                    (POOLS[pool].try_into().unwrap(), PlannedPool { capacity })
                })
                .collect(),
            ..RunPlan::new(format!("p{number}").try_into().unwrap(), "c".try_into().unwrap())
        }
    }
}

fn retry() -> impl Strategy<Value = RetryPolicy> {
    let on = prop_oneof![
        Just(vec![Failure::Errored, Failure::Unknown]),
        Just(vec![Failure::Failed, Failure::Errored, Failure::Unknown]),
        Just(vec![Failure::Failed])
    ];
    let budget = prop_oneof![2 => Just(None), 1 => (1_u64..12).prop_map(Some)];
    (2_u32..5, on, 0_u64..4, 1_u32..4, 2_u64..7, budget).prop_map(
        |(attempts, on, delay_seconds, factor, most_seconds, budget_seconds)| RetryPolicy {
            attempts,
            on,
            delay_seconds,
            factor,
            most_seconds,
            jitter_percent: 0,
            budget_seconds,
        },
    )
}

fn values() -> impl Strategy<Value = Vec<Value>> {
    let value = prop_oneof![
        Just(json!("a")),
        Just(json!("b")),
        Just(json!("Not a name")),
        Just(json!(7)),
        Just(json!({"k": 1})),
    ];
    proptest::collection::vec(value, 0..=MOST as usize)
}

fn fact() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        2 => Just(None),
        4 => values().prop_map(|values| Some(Value::from(values))),
        1 => Just(Some(json!([1, 2, 3, 4, 5]))),
        1 => Just(Some(json!("no list"))),
    ]
}

fn spec() -> impl Strategy<Value = (Spec, Vec<Index>, bool)> {
    let effect = prop_oneof![
        1 => Just(Effect::Pure),
        2 => Just(Effect::Idempotent),
        1 => Just(Effect::Inspectable),
        1 => Just(Effect::AtMostOnce)
    ];
    let when = prop_oneof![6 => Just(When::Success), 1 => Just(When::Always), 1 => Just(When::Failure)];
    let fate = prop_oneof![
        5 => Just(Fate::Succeeds),
        1 => Just(Fate::SaysNo),
        1 => Just(Fate::Errors),
        1 => Just(Fate::Unknown)
    ];
    let found = prop_oneof![Just(Found::Happened), Just(Found::DidNot), Just(Found::Unknown)];
    let pools = prop_oneof![
        4 => Just(vec![]),
        1 => Just(vec![0]),
        1 => Just(vec![1]),
        1 => Just(vec![0, 1])
    ];
    let list = prop_oneof![6 => Just(None), 1 => values().prop_map(|values| Some(List::Values(values)))];
    let one = (
        (
            effect,
            when,
            proptest::option::weighted(0.4, retry()),
            pools,
            list,
        ),
        (proptest::bool::weighted(0.15), 1_u32..5000, fact()),
        (
            proptest::collection::vec(fate, 0..4),
            proptest::bool::weighted(0.7),
            proptest::collection::vec(found, 0..3),
        ),
        proptest::collection::vec(any::<Index>(), 0..3),
        proptest::bool::weighted(0.15),
    );
    one.prop_map(
        |(
            (effect, when, retry, pools, list),
            (environment, milliseconds, fact),
            (fates, obeys, finds),
            after,
            from_fact,
        )| {
            let spec = Spec {
                effect,
                after: Vec::new(),
                when,
                retry,
                pools,
                list,
                environment,
                milliseconds,
                fact,
                fates,
                obeys,
                finds,
            };
            (spec, after, from_fact)
        },
    )
}

fn run() -> impl Strategy<Value = Run> {
    let policy = prop_oneof![
        Just(FailurePolicy::Finish),
        Just(FailurePolicy::Stop),
        Just(FailurePolicy::Continue)
    ];
    let limits = (
        proptest::option::of(1_u32..4),
        proptest::option::weighted(0.15, 5_u64..60),
        proptest::option::weighted(0.2, 1_u64..30),
    );
    let limits = limits.prop_map(|(parallel, timeout_seconds, clean_up_seconds)| RunLimits {
        parallel,
        timeout_seconds,
        clean_up_seconds,
    });
    // Where nothing is shared, listed or limited in time, much is decided at once.
    let free = proptest::bool::weighted(0.3);
    let run = (proptest::collection::vec(spec(), 1..14), policy, limits, free);
    run.prop_map(|(all, policy, mut limits, free)| {
        if free {
            (limits.timeout_seconds, limits.clean_up_seconds) = (None, None);
        }
        let stages = all
            .into_iter()
            .enumerate()
            .map(|(index, (mut spec, after, from_fact))| {
                let after: BTreeSet<_> = after
                    .iter()
                    .filter(|_| index > 0)
                    .map(|pick| pick.index(index))
                    .collect();
                spec.after = after.into_iter().collect();
                if free {
                    (spec.pools, spec.list, spec.environment) = (Vec::new(), None, false);
                    spec.retry = spec.retry.filter(|_| index % 3 == 0);
                } else if from_fact && let Some(&before) = spec.after.first() {
                    spec.list = Some(List::FactOf(before));
                }
                spec
            });
        Run {
            stages: stages.collect(),
            policy,
            limits,
        }
    })
}

fn choice() -> impl Strategy<Value = Choice> {
    prop_oneof![
        24 => any::<Index>().prop_map(Choice::Report),
        4 => (0_u8..8).prop_map(Choice::Wait),
        1 => Just(Choice::Cancel),
        2 => Just(Choice::Die),
        1 => any::<Index>().prop_map(Choice::Stale),
        2 => (any::<Index>(), any::<bool>()).prop_map(|(pick, happened)| Choice::Decide(pick, happened)),
    ]
}

/// One run or two that share pools, an environment and a process, and what happens to them.
pub(super) fn case() -> impl Strategy<Value = Case> {
    (
        proptest::collection::vec(run(), 1..3),
        [1_u32..3, 1_u32..3],
        proptest::option::weighted(0.3, 1_u32..4),
        proptest::collection::vec((any::<bool>(), choice()), 0..60),
        any::<u64>(),
    )
        .prop_map(|(runs, capacities, process, schedule, chance)| Case {
            runs,
            capacities,
            process,
            schedule,
            chance,
        })
}
