//! The run as a pure machine, against a small model that knows nothing of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pipeline_core::journal::{Batch, Expected};
use pipeline_core::run::{Command, Gates, Input, Preparation};
use pipeline_core::testing::ManualClock;
use pipeline_core::{
    Actor, Clock, Digest, Effect, EvidenceSet, Failure, Inspection, Journal, JournalExt, MemoryJournal,
    NewEvent, Outcome, PlannedStage, RunCreated, RunEvent, RunId, RunOutcome, RunPlan, RunState, RunStatus,
    SignedDuration, StageName, StageResult, StageState, StreamId, TypeName,
};
use proptest::prelude::*;

fn name(index: usize) -> StageName {
    StageName::new(format!("s{index}")).unwrap()
}

/// What happens when a stage is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Succeeds,
    Fails,
    Errors,
}

#[derive(Debug, Clone)]
struct Spec {
    effect: Effect,
    after: Vec<usize>,
    fate: Fate,
}

fn plan(specs: &[Spec]) -> RunPlan {
    let stages = specs.iter().enumerate().map(|(index, spec)| PlannedStage {
        after: spec.after.iter().map(|&before| name(before)).collect(),
        ..PlannedStage::new(name(index), TypeName::new("test").unwrap(), spec.effect)
    });
    RunPlan {
        stages: stages.collect(),
        ..RunPlan::new("p".try_into().unwrap(), "c".try_into().unwrap())
    }
}

/// A worker that executes commands by fate, and can die.
struct World {
    journal: MemoryJournal,
    clock: ManualClock,
    run: RunId,
    specs: Vec<Spec>,
    /// How often the effect of each stage really happened.
    effects: BTreeMap<usize, u32>,
    /// The order in which effects happened.
    order: Vec<usize>,
}

impl World {
    async fn new(specs: &[Spec]) -> Self {
        let world = Self {
            journal: MemoryJournal::new(),
            clock: ManualClock::at("2026-11-20T12:00:00Z"),
            run: RunId::new("r").unwrap(),
            specs: specs.to_vec(),
            effects: BTreeMap::new(),
            order: Vec::new(),
        };
        let created = RunCreated::new(plan(specs)).unwrap();
        let event = NewEvent::new(Actor::person("alice").unwrap(), RunEvent::from(created));
        let batch = Batch::new(world.clock.now()).event(&StreamId::run(&world.run), Expected::At(0), event);
        let _ = world.journal.append(batch).await.unwrap();
        world
    }

    async fn load(&self) -> RunState {
        let events = self
            .journal
            .read_stream(&StreamId::run(&self.run), 0)
            .await
            .unwrap();
        RunState::from_events(&self.run, &events).unwrap()
    }

    async fn advance(&self, state: &mut RunState, input: Input) {
        self.clock.advance(SignedDuration::from_secs(1));
        let batch = state
            .advance(&Gates::default(), &input, self.clock.now())
            .unwrap();
        if !batch.is_empty() {
            let _ = self.journal.append(batch).await.unwrap();
        }
    }

    /// Executes commands in the order that `choices` gives, until nothing is due, or until the worker dies:
    /// after `lives` commands, with the effect of the last one done but not reported.
    async fn drive(
        &mut self,
        choices: &mut impl Iterator<Item = usize>,
        mut lives: Option<usize>,
    ) -> RunState {
        let mut state = self.load().await;
        if state.finished().is_some() {
            return state;
        }
        self.advance(
            &mut state,
            Input::Claim {
                worker: "test".into(),
            },
        )
        .await;
        state.touch_all();
        let mut due: Vec<Command> = Vec::new();
        loop {
            for stage in state.take_touched() {
                due.extend(
                    state
                        .due(stage, self.clock.now())
                        .filter(|command| !due.contains(command)),
                );
            }
            if due.is_empty() {
                return state;
            }
            let command = due.swap_remove(choices.next().unwrap_or(0) % due.len());
            let dies = lives == Some(0);
            if let Some(lives) = &mut lives {
                *lives = lives.saturating_sub(1);
            }
            let Some(input) = self.execute(&state, command, dies) else {
                return state;
            };
            self.advance(&mut state, input).await;
        }
    }

    fn execute(&mut self, state: &RunState, command: Command, dies: bool) -> Option<Input> {
        match command {
            Command::Prepare { stage, locked } => Some(Input::Prepared(Box::new(Preparation {
                stage,
                locked,
                action_plan: None,
                fingerprint: Digest::of(stage.to_be_bytes()),
                reuse: None,
                evidence: EvidenceSet::default(),
                error: Vec::new(),
            }))),
            Command::Execute { stage } => {
                let attempt = state.view(stage).attempt().unwrap();
                let index = stage as usize;
                *self.effects.entry(index).or_default() += 1;
                self.order.push(index);
                if dies {
                    return None;
                }
                let result = match self.specs[index].fate {
                    Fate::Succeeds => StageResult::Completed {
                        outcome: Arc::new(Outcome::succeeded()),
                    },
                    Fate::Fails => StageResult::Completed {
                        outcome: Arc::new(Outcome::failed("no")),
                    },
                    Fate::Errors => StageResult::Failed {
                        failure: Failure::Errored,
                        error: vec!["broken".into()],
                    },
                };
                Some(Input::Finished {
                    stage: index as u32,
                    attempt: attempt.attempt,
                    epoch: attempt.epoch,
                    result,
                    output: None,
                })
            }
            Command::Inspect { stage } => {
                let index = stage as usize;
                let happened = self.effects.get(&index).is_some_and(|count| *count > 0);
                let found = if happened && self.specs[index].fate == Fate::Succeeds {
                    Inspection::Happened(Box::new(Outcome::succeeded()))
                } else {
                    Inspection::DidNotHappen
                };
                let attempt = state.view(stage).attempt().unwrap().attempt;
                Some(Input::Inspected {
                    stage: index as u32,
                    attempt,
                    found,
                })
            }
            other => panic!("nobody cancelled: {other:?}"),
        }
    }
}

fn specs() -> impl Strategy<Value = Vec<Spec>> {
    let effect = prop_oneof![
        Just(Effect::Pure),
        Just(Effect::Idempotent),
        Just(Effect::Inspectable),
        Just(Effect::AtMostOnce)
    ];
    let fate = prop_oneof![8 => Just(Fate::Succeeds), 1 => Just(Fate::Fails), 1 => Just(Fate::Errors)];
    let one = (
        effect,
        fate,
        proptest::collection::vec(any::<prop::sample::Index>(), 0..3),
    );
    proptest::collection::vec(one, 1..12).prop_map(|all| {
        let stages = all.into_iter().enumerate().map(|(index, (effect, fate, after))| {
            let after: BTreeSet<_> = if index == 0 {
                BTreeSet::new()
            } else {
                after.iter().map(|pick| pick.index(index)).collect()
            };
            Spec {
                effect,
                after: after.into_iter().collect(),
                fate,
            }
        });
        stages.collect()
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

proptest! {
    /// Without crashes: what depends on a failure never begins, everything ends, nothing happens twice, and
    /// order is kept.
    #[test]
    fn a_run_keeps_order_and_stops_on_failure(specs in specs(), choices in proptest::collection::vec(any::<usize>(), 0..200)) {
        runtime().block_on(async {
            let mut world = World::new(&specs).await;
            let state = world.drive(&mut choices.into_iter(), None).await;
            let (outcome, _) = state.finished().expect("it ended");
            let any_failed = state.stages().any(|stage| {
                specs[stage.planned().name.as_str()[1..].parse::<usize>().unwrap()].fate != Fate::Succeeds
                    && stage.attempts() > 0
            });
            prop_assert_eq!(outcome, if any_failed { RunOutcome::Failed } else { RunOutcome::Succeeded });
            prop_assert!(world.effects.values().all(|&count| count == 1));
            for (place, index) in world.order.iter().enumerate() {
                for before in &specs[*index].after {
                    let earlier = world.order[..place].contains(before);
                    prop_assert!(earlier, "s{} before s{}", index, before);
                    prop_assert_eq!(specs[*before].fate, Fate::Succeeds);
                }
            }
            for stage in state.stages() {
                prop_assert!(stage.state().is_done());
            }
            // The journal alone tells the same.
            let again = world.load().await;
            prop_assert_eq!(again.finished(), state.finished());
            for (a, b) in again.stages().zip(state.stages()) {
                prop_assert_eq!(a.state(), b.state());
            }
            Ok(())
        })?;
    }

    /// With crashes at any point: every effect class keeps its promise.
    #[test]
    fn a_run_survives_crashes(
        specs in specs(),
        choices in proptest::collection::vec(any::<usize>(), 0..300),
        deaths in proptest::collection::vec(0_usize..6, 0..6),
    ) {
        runtime().block_on(async {
            let mut world = World::new(&specs).await;
            let mut choices = choices.into_iter();
            let mut state = world.load().await;
            let mut lives = deaths.into_iter().map(Some).chain(std::iter::repeat(None));
            for _ in 0..50 {
                state = world.drive(&mut choices, lives.next().flatten()).await;
                if state.finished().is_some() {
                    break;
                }
                let unknown: Vec<_> = state
                    .stages()
                    .filter(|stage| matches!(stage.state(), StageState::Unknown { .. }))
                    .map(|stage| stage.planned().name.clone())
                    .collect();
                if state.status() == RunStatus::NeedsDecision {
                    prop_assert!(!unknown.is_empty());
                }
                for stage in unknown {
                    let index: usize = stage.as_str()[1..].parse().unwrap();
                    let happened = world.effects.get(&index).is_some_and(|&count| count > 0);
                    let decide = Input::Decide(pipeline_core::DecideRequest {
                        stage,
                        happened,
                        by: Actor::person("bob").unwrap(),
                        comment: String::new(),
                    });
                    let batch = state.record_only(&Gates::default(), &decide, world.clock.now()).unwrap();
                    let _ = world.journal.append(batch).await.unwrap();
                }
            }
            prop_assert!(state.finished().is_some(), "it never ended");
            for (index, spec) in specs.iter().enumerate() {
                let count = world.effects.get(&index).copied().unwrap_or(0);
                if spec.effect == Effect::AtMostOnce {
                    prop_assert!(count <= 1, "s{} happened {} times", index, count);
                }
            }
            for (place, index) in world.order.iter().enumerate() {
                for before in &specs[*index].after {
                    prop_assert!(world.order[..place].contains(before));
                }
            }
            Ok(())
        })?;
    }

    /// Feeding any event again, or all of them, changes nothing.
    #[test]
    fn events_may_be_repeated(specs in specs(), pick in any::<prop::sample::Index>()) {
        runtime().block_on(async {
            let mut world = World::new(&specs).await;
            let mut state = world.drive(&mut std::iter::empty(), None).await;
            let before: Vec<_> = state.stages().map(|stage| stage.state().clone()).collect();
            let events = world.journal.read_stream(&StreamId::run(&world.run), 0).await.unwrap();
            state.apply(&events[pick.index(events.len())]).unwrap();
            for event in &events {
                state.apply(event).unwrap();
            }
            let after: Vec<_> = state.stages().map(|stage| stage.state().clone()).collect();
            prop_assert_eq!(before, after);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn a_gap_in_the_stream_is_refused() {
    let spec = Spec {
        effect: Effect::Idempotent,
        after: vec![],
        fate: Fate::Succeeds,
    };
    let mut world = World::new(&[spec.clone(), spec]).await;
    world.drive(&mut std::iter::empty(), None).await;
    let mut events = world
        .journal
        .read_stream(&StreamId::run(&world.run), 0)
        .await
        .unwrap();
    events.remove(2);
    let error = RunState::from_events(&world.run, &events).unwrap_err();
    assert_eq!(
        error.to_string(),
        "run r: stream `run/r` goes from event 2 to event 4"
    );
}

#[tokio::test]
async fn a_skipped_stage_names_the_stage_that_is_the_reason() {
    let stage = |after: &[usize], fate| Spec {
        effect: Effect::Idempotent,
        after: after.to_vec(),
        fate,
    };
    let specs = [
        stage(&[], Fate::Fails),
        stage(&[0], Fate::Succeeds),
        stage(&[1], Fate::Succeeds),
        stage(&[], Fate::Succeeds),
    ];
    let mut world = World::new(&specs).await;
    let state = world.drive(&mut std::iter::empty(), None).await;
    let reasons: Vec<_> = state
        .stages()
        .map(|stage| stage.end().unwrap().reason())
        .collect();
    assert_eq!(reasons[1], "it depends on stage `s0`, which failed");
    assert_eq!(reasons[2], "it depends on stage `s0`, which failed");
    assert_eq!(reasons[3], "", "it had begun, so it went on");
}
