//! A journal that fails at every append of a run: whatever happens there, the resumed run does what a model predicts.

use std::sync::Arc;
use std::time::Duration;

use pipeline_core::testing::{Fault, FaultyJournal};
use pipeline_core::{
    Actor, AppendError, Batch, Effect, Expected, Journal, JournalExt, MemoryJournal, NewEvent, RunClaimed,
    RunError, RunEvent, RunRequest, RunState, StreamId, Timestamp,
};
use tokio::sync::Notify;

use crate::faults_model::{check_end, forecast};
use crate::faults_world::{Part, World, alice, id, pipeline, process, runner};

/// Every effect class at work at once, a gate, a retry, a pool, an environment that two stages use, and a clean-up.
pub(crate) const WHOLE: &[Part] = &[
    Part::new("build", Effect::Pure, &[]),
    Part::new("flaky", Effect::Idempotent, &["build"])
        .flaky()
        .taking(60),
    Part::new("probe", Effect::Inspectable, &["build"])
        .in_pool()
        .taking(50),
    Part::new("pay", Effect::AtMostOnce, &["build"])
        .in_pool()
        .taking(30),
    Part::new("deploy", Effect::Idempotent, &["flaky", "probe", "pay"])
        .gated()
        .in_place()
        .in_pool(),
    Part::new("check", Effect::Inspectable, &["deploy"]).in_place(),
    Part::new("announce", Effect::AtMostOnce, &["deploy"]).gated(),
    Part::new("tidy", Effect::Idempotent, &[]).always(),
];

pub(crate) const fn alone(effect: Effect) -> [Part; 3] {
    [
        Part::new("first", Effect::Idempotent, &[]),
        Part::new("it", effect, &["first"]).flaky().in_pool(),
        Part::new("tidy", Effect::Pure, &[]).always(),
    ]
}

pub(crate) const fn placed(effect: Effect) -> [Part; 3] {
    [
        Part::new("it", effect, &[]).flaky().in_pool().in_place(),
        Part::new("next", effect, &["it"]).gated().in_place(),
        Part::new("tidy", Effect::AtMostOnce, &[]).always().in_pool(),
    ]
}

/// The scenarios, by name.
fn scenarios() -> Vec<(String, Vec<Part>)> {
    let mut all = vec![("whole".to_owned(), WHOLE.to_vec())];
    for effect in [
        Effect::Pure,
        Effect::Idempotent,
        Effect::Inspectable,
        Effect::AtMostOnce,
    ] {
        all.push((format!("{effect} alone"), alone(effect).to_vec()));
        all.push((format!("{effect} in an environment"), placed(effect).to_vec()));
    }
    all
}

/// The faults that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Refused,
    Written,
    Lost,
    Conflict,
    Slow,
    /// The process dies before it writes, while its stages go on for some milliseconds.
    Death(u64),
    /// Another worker claims the run.
    Thief,
    Cancel,
}

struct Disturbed {
    world: World,
    journal: Arc<FaultyJournal<Arc<dyn Journal>>>,
    died: Arc<Notify>,
}

impl Disturbed {
    fn new(inner: Arc<dyn Journal>) -> Self {
        Self {
            world: World::new(Arc::clone(&inner)),
            journal: Arc::new(FaultyJournal::new(inner)),
            died: Arc::new(Notify::new()),
        }
    }

    /// A new process opens the journal, and something will happen to it.
    fn reopen(&mut self, number: u64, kind: Kind) {
        let world = self.world.clone();
        let fault = match kind {
            Kind::Refused => Fault::Refused,
            Kind::Written => Fault::Written,
            Kind::Lost => Fault::Lost,
            Kind::Conflict => Fault::Conflict,
            Kind::Slow => Fault::behind(tokio::time::sleep(Duration::from_millis(70))),
            Kind::Death(milliseconds) => {
                let died = Arc::clone(&self.died);
                Fault::behind(async move {
                    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                    died.notify_one();
                    std::future::pending().await
                })
            }
            Kind::Thief => Fault::behind(async move { claim(&world).await }),
            Kind::Cancel => Fault::behind(async move {
                // Refused when there is no run yet, or none any more.
                let _ = runner(&world, Arc::clone(&world.journal))
                    .cancel(&id(), alice(), "I changed my mind".to_owned())
                    .await;
            }),
        };
        let journal = FaultyJournal::new(Arc::clone(&self.world.journal)).at(number, fault);
        self.journal = Arc::new(journal);
    }

    /// One process. `None` when it died.
    async fn process(&self, parts: &[Part]) -> Option<Result<RunState, RunError>> {
        let journal: Arc<dyn Journal> = self.journal.clone();
        let result = tokio::select! {
            biased;
            () = self.died.notified() => None,
            result = process(&self.world, parts, journal) => Some(result),
        };
        match &result {
            // When the drive has returned, its stages are gone.
            Some(_) => self.world.idle(),
            // What is left of a dead process is dropped before the next one comes.
            None => {
                for _ in 0..16 {
                    tokio::task::yield_now().await;
                }
                self.world.idle();
            }
        }
        result
    }
}

/// Another worker takes the run, and does nothing with it.
async fn claim(world: &World) {
    let stream = StreamId::run(&id());
    let events = world.journal.read_stream(&stream, 0).await.unwrap();
    let epochs = events
        .iter()
        .filter_map(|event| match event.read::<RunEvent>().unwrap().as_deref() {
            Some(RunEvent::Claimed(claimed)) => Some(claimed.epoch),
            _ => None,
        });
    let epoch = epochs.max().unwrap_or(0) + 1;
    if events.is_empty() {
        return;
    }
    let worker = "thief".to_owned();
    let event = NewEvent::new(Actor::Engine, RunEvent::from(RunClaimed { epoch, worker }));
    let batch = Batch::new(Timestamp::UNIX_EPOCH).event(&stream, Expected::At(events.len() as u64), event);
    let _ = world.journal.append(batch).await.unwrap();
}

fn memory() -> Arc<dyn Journal> {
    Arc::new(MemoryJournal::new())
}

/// How many appends a run takes that nothing disturbs.
async fn undisturbed(name: &str, parts: &[Part]) -> u64 {
    let disturbed = Disturbed::new(memory());
    let predicted = forecast(&disturbed.world, parts).await;
    let state = disturbed.process(parts).await.unwrap().unwrap();
    predicted.check(&disturbed.world, 0, &state, name);
    check_end(&disturbed.world, parts, &state, name).await;
    disturbed.journal.appends()
}

/// A run to which these things happen, one in each process; then a last process that nothing disturbs. Every process
/// does what was predicted when it began.
async fn interrupted(parts: &[Part], faults: &[(u64, Kind)], case: &str) {
    let mut disturbed = Disturbed::new(memory());
    for &(number, kind) in faults {
        disturbed.reopen(number, kind);
        match disturbed.process(parts).await {
            None => {}
            Some(Err(error)) => {
                let expected = match (&error, kind) {
                    (
                        RunError::Append {
                            source: AppendError::Io { .. },
                            ..
                        },
                        Kind::Refused,
                    )
                    | (
                        RunError::Append {
                            source: AppendError::Uncertain { .. },
                            ..
                        },
                        Kind::Written | Kind::Lost,
                    )
                    | (RunError::Taken { .. }, Kind::Thief) => true,
                    // Nobody else can have the host's own id.
                    (
                        RunError::Append {
                            source: AppendError::Conflict(_),
                            ..
                        },
                        Kind::Conflict,
                    ) => number == 1,
                    _ => false,
                };
                assert!(expected, "{case}: {error:?}");
            }
            Some(Ok(state)) => assert!(state.finished().is_some(), "{case}: it stopped"),
        }
    }
    let predicted = forecast(&disturbed.world, parts).await;
    let calls = disturbed.world.calls().len();
    disturbed.reopen(u64::MAX, Kind::Slow);
    let state = disturbed.process(parts).await.unwrap().unwrap();
    if state.cancel().is_none() {
        predicted.check(&disturbed.world, calls, &state, case);
    }
    check_end(&disturbed.world, parts, &state, case).await;
}

const ALL: [Kind; 10] = [
    Kind::Refused,
    Kind::Written,
    Kind::Lost,
    Kind::Conflict,
    Kind::Slow,
    Kind::Death(0),
    Kind::Death(25),
    Kind::Death(500),
    Kind::Thief,
    Kind::Cancel,
];

#[tokio::test(start_paused = true)]
async fn every_fault_at_every_append_ends_as_the_model_predicts() {
    let mut cases = 0;
    for (name, parts) in scenarios() {
        let appends = undisturbed(&name, &parts).await;
        assert!(appends > 6, "{name} has {appends} appends");
        for number in 1..=appends {
            for kind in ALL {
                interrupted(
                    &parts,
                    &[(number, kind)],
                    &format!("{name}: {kind:?} at {number}"),
                )
                .await;
                cases += 1;
            }
        }
    }
    assert!(cases > 1000, "{cases} cases");
}

#[tokio::test(start_paused = true)]
async fn a_run_interrupted_twice_resumes_twice() {
    for (name, parts) in scenarios() {
        let appends = undisturbed(&name, &parts).await;
        for first in (2..=appends).step_by(2) {
            for (second, kinds) in [
                (1, [Kind::Written, Kind::Written]),
                (2, [Kind::Death(25), Kind::Refused]),
                (2, [Kind::Written, Kind::Written]),
                (3, [Kind::Lost, Kind::Death(25)]),
                (4, [Kind::Cancel, Kind::Written]),
                (5, [Kind::Written, Kind::Cancel]),
            ] {
                let case = format!("{name}: {kinds:?} at {first} and {second}");
                interrupted(&parts, &[(first, kinds[0]), (second, kinds[1])], &case).await;
            }
        }
    }
}

/// What is told does not matter as long as nothing was lost: the calls are those of a run that nothing disturbed.
#[tokio::test(start_paused = true)]
async fn conflicts_and_slowness_repeat_no_effect() {
    for (name, parts) in scenarios() {
        let appends = undisturbed(&name, &parts).await;
        for number in 2..=appends {
            for kind in [Kind::Conflict, Kind::Slow] {
                let case = format!("{name}: {kind:?} at {number}");
                let mut disturbed = Disturbed::new(memory());
                let predicted = forecast(&disturbed.world, &parts).await;
                disturbed.reopen(number, kind);
                let state = disturbed.process(&parts).await.unwrap().unwrap();
                predicted.check(&disturbed.world, 0, &state, &case);
                check_end(&disturbed.world, &parts, &state, &case).await;
            }
        }
    }
}

/// Whoever drives a run next meets nothing of a drive that was given up.
#[tokio::test(start_paused = true)]
async fn a_drive_that_is_dropped_keeps_the_run_until_its_stages_are_gone() {
    for effect in [Effect::Pure, Effect::Idempotent, Effect::Inspectable] {
        let parts = placed(effect);
        let world = World::new(memory());
        let (runner, pipeline) = (
            runner(&world, Arc::clone(&world.journal)),
            pipeline(&world, &parts),
        );
        let request = RunRequest {
            id: Some(id()),
            ..RunRequest::new(alice())
        };
        runner.create(&pipeline, request).await.unwrap();
        for _ in 0..3 {
            world.state().process += 1;
            let at_work = Duration::from_millis(10);
            loop {
                match tokio::time::timeout(at_work, runner.drive(&pipeline, &id())).await {
                    Err(_) => break,
                    Ok(result) => assert!(matches!(result, Err(RunError::Taken { .. })), "{result:?}"),
                }
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(world.calls().len(), 3);
        assert_eq!(world.state().violations, Vec::<String>::new(), "{effect}");
    }
}
