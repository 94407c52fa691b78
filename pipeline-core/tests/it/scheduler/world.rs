//! A process that drives runs through the real machine and shows everything that it records to the model.

use std::sync::Arc;

use pipeline_core::journal::{Batch, Expected};
use pipeline_core::run::{Command, Gates, Input, Moment, Preparation};
use pipeline_core::testing::{
    ManualClock, advance_the_long_way, check_snapshots, same_state, through_snapshot,
};
use pipeline_core::{
    Actor, AppendError, Clock, Cursor, DecideRequest, Digest, Event, Failure, Inspection, Journal,
    JournalExt, MemoryJournal, NewEvent, Outcome, PoolEvent, RunCreated, RunEvent, RunId, RunState,
    RunStatus, SignedDuration, StageName, StageResult, StreamId, StreamKind,
};

use super::generate::{Case, Choice, Fate, Found, POOLS, Run, name};
use super::model::{Around, Last, Model, Place};

pub(super) struct World {
    journal: MemoryJournal,
    clock: ManualClock,
    case: Case,
    drivers: Vec<Driver>,
    /// Who has slots, by the journal: pool by pool.
    slots: [Vec<(RunId, StageName)>; 2],
    cursor: Cursor,
}

/// One run, and the worker that drives it.
struct Driver {
    id: RunId,
    state: RunState,
    /// Gets the same inputs, takes no short cut, and must decide the same.
    twin: RunState,
    model: Model,
    /// Reports that an older delivery still owes.
    stale: Vec<Input>,
    /// The state of the worker that died.
    zombie: Option<RunState>,
}

fn alice() -> Actor {
    Actor::person("alice").unwrap()
}

impl World {
    pub(super) async fn new(case: &Case) -> Self {
        let mut world = Self {
            journal: MemoryJournal::new(),
            clock: ManualClock::at("2026-11-20T12:00:00Z"),
            case: case.clone(),
            drivers: Vec::new(),
            slots: [Vec::new(), Vec::new()],
            cursor: Cursor::default(),
        };
        for (number, run) in case.runs.iter().enumerate() {
            world.create(number, run).await;
        }
        for driver in 0..world.drivers.len() {
            world.step(driver, claim()).await;
        }
        world
    }

    async fn create(&mut self, number: usize, run: &Run) {
        let id = RunId::new(format!("r{number}")).unwrap();
        let mut created = RunCreated::new(run.plan(number, self.case.capacities)).unwrap();
        // Of the first run it is known how long its stages take.
        let known = number == 0;
        if known {
            let durations = run.stages.iter().enumerate();
            created.durations = durations
                .map(|(index, spec)| (name(index), spec.milliseconds))
                .collect();
        }
        let event = NewEvent::new(alice(), RunEvent::from(created));
        let batch = Batch::new(self.clock.now()).event(&StreamId::run(&id), Expected::At(0), event);
        let _ = self.journal.append(batch).await.unwrap();
        let driver = Driver {
            state: self.fold(&id).await,
            twin: self.fold(&id).await,
            model: Model::new(run, self.case.capacities, self.clock.now(), known),
            id,
            stale: Vec::new(),
            zombie: None,
        };
        self.drivers.push(driver);
    }

    async fn fold(&self, id: &RunId) -> RunState {
        let events = self.journal.read_everything(0).await.unwrap();
        RunState::from_events(id, &events).unwrap()
    }

    /// What is around a run now.
    fn around(&self, driver: usize, reports: bool) -> Around {
        let own = &self.drivers[driver].id;
        let taken = [0, 1].map(|pool| self.slots[pool].iter().filter(|(run, _)| run != own).count() as u32);
        let at_work: usize = self.drivers.iter().map(|driver| driver.model.begun()).sum();
        let at_work = at_work as u32 - u32::from(reports);
        Around {
            now: self.clock.now(),
            taken,
            free: self
                .case
                .process
                .map_or(u32::MAX, |most| most.saturating_sub(at_work)),
        }
    }

    /// Reads what is new in the journal: the states apply it, the models judge what is their own.
    async fn read_news(&mut self, around: &mut Around) {
        let news = self.journal.read_everything(self.cursor).await.unwrap();
        for event in &news {
            self.cursor = event.cursor;
            for driver in &mut self.drivers {
                driver.state.apply(event).unwrap();
                driver.twin.apply(event).unwrap();
                if event.stream == StreamId::run(&driver.id)
                    && let Some(payload) = event.read::<RunEvent>().unwrap()
                    && !matches!(&*payload, RunEvent::Created(_))
                {
                    driver.model.accept(&payload, event.at, around);
                }
            }
            if event.stream.is(&StreamKind::POOL) {
                self.take_slot(event);
            }
        }
    }

    /// A pool never has more slots taken than it has, event by event.
    fn take_slot(&mut self, event: &Event) {
        let pool = POOLS
            .iter()
            .position(|name| *name == event.stream.name())
            .unwrap();
        let slots = &mut self.slots[pool];
        match &*event.read::<PoolEvent>().unwrap().unwrap() {
            PoolEvent::Taken(taken) => slots.push((taken.run.clone(), taken.stage.clone())),
            PoolEvent::Returned(returned) => {
                let held = (returned.run.clone(), returned.stage.clone());
                let place = slots.iter().position(|slot| *slot == held);
                slots.remove(place.unwrap_or_else(|| panic!("{held:?} had no slot")));
            }
            other => panic!("{other:?}"),
        }
        let capacity = self.case.capacities[pool] as usize;
        assert!(
            slots.len() <= capacity,
            "pool {} overflows: {slots:?}",
            POOLS[pool]
        );
    }

    /// One decision of a run and all that follows from it, until nothing is left to be done.
    async fn step(&mut self, driver: usize, input: Input) {
        let reports = matches!(input, Input::Finished { .. });
        let mut around = self.around(driver, false);
        self.read_news(&mut around).await;
        self.decide_from_snapshot(driver, &input, &around).await;
        let mut around = self.around(driver, reports && !self.drivers[driver].model.is_settled());
        if let Input::Claim { .. } = input {
            // What the last delivery began is none of this process.
            let begun = self.drivers[driver].model.begun() as u32;
            around.free = around.free.saturating_add(begun);
        }
        self.advance(driver, input, &mut around).await;
        for round in 0.. {
            assert!(round < 100, "it prepares for ever");
            let now = self.clock.now();
            let state = &mut self.drivers[driver].state;
            let due: Vec<_> = state.take_touched();
            let prepare: Vec<_> = due
                .into_iter()
                .filter_map(|stage| match state.due(stage, now)? {
                    Command::Prepare { stage, locked } => Some(Preparation {
                        locked,
                        fingerprint: Digest::of(stage.to_be_bytes()),
                        ..Preparation::empty(stage)
                    }),
                    _ => None,
                })
                .collect();
            if prepare.is_empty() {
                break;
            }
            for preparation in prepare {
                self.advance(driver, Input::Prepared(Box::new(preparation)), &mut around)
                    .await;
            }
        }
        self.check(driver, &around).await;
    }

    /// What was written down and read again decides as what the journal tells does.
    async fn decide_from_snapshot(&self, driver: usize, input: &Input, around: &Around) {
        let moment = Moment {
            now: around.now,
            chance: self.case.chance,
            free: around.free,
            leaving: false,
        };
        let mut state = self.fold(&self.drivers[driver].id).await;
        let mut kept = through_snapshot(&state).unwrap();
        let decided = state.advance(&Gates::default(), input, moment);
        let again = kept.advance(&Gates::default(), input, moment);
        assert_eq!(
            format!("{decided:?}"),
            format!("{again:?}"),
            "it decides differently after it was kept"
        );
    }

    /// The runs' states may be kept anywhere.
    pub(super) async fn check_snapshots(&self) {
        let events = self.journal.read_everything(0).await.unwrap();
        for driver in &self.drivers {
            check_snapshots(&driver.id, &events).unwrap();
        }
    }

    async fn advance(&mut self, driver: usize, input: Input, around: &mut Around) {
        let moment = Moment {
            now: around.now,
            chance: self.case.chance,
            free: around.free,
            leaving: false,
        };
        let Driver { state, twin, .. } = &mut self.drivers[driver];
        let batch = state.advance(&Gates::default(), &input, moment).unwrap();
        let again = advance_the_long_way(twin, &Gates::default(), &input, moment).unwrap();
        assert_eq!(
            format!("{batch:?}"),
            format!("{again:?}"),
            "it decides differently"
        );
        same_state(state, twin).unwrap();
        if batch.is_empty() {
            return;
        }
        let _ = self.journal.append(batch).await.unwrap();
        self.read_news(around).await;
    }

    /// Compares the run with the model, and with what the journal alone tells.
    async fn check(&mut self, driver: usize, around: &Around) {
        let again = self.fold(&self.drivers[driver].id).await;
        let overtaken = self.drivers[driver].model.take_overtaken();
        assert_eq!(
            overtaken,
            [],
            "the first began before the second, which is more urgent"
        );
        let Driver { state, model, .. } = &self.drivers[driver];
        assert!(
            model.is_settled(),
            "what was announced did not happen: {model:#?}"
        );
        let may_wait = |act: &super::model::Act| match act {
            super::model::Act::Start(unit) => model.spec(*unit).environment,
            _ => false,
        };
        let left: Vec<_> = model
            .enabled(around)
            .into_iter()
            .filter(|act| !may_wait(act))
            .collect();
        assert_eq!(left, [], "this was left undone");
        assert_eq!(state.stages().count(), model.units.len());
        for (at, stage) in state.stages().enumerate() {
            let unit = &model.units[at];
            assert_eq!(stage.planned().name.as_str(), unit.name);
            let word = match stage.state().word() {
                "waiting" if model.spec(at).environment => "ready",
                word => word,
            };
            assert_eq!(word, model.word(at), "{}", unit.name);
            assert_eq!(stage.attempts(), unit.attempts, "{}", unit.name);
            if let Some(attempt) = stage.attempt() {
                assert_eq!(attempt.generation, unit.generation, "{}", unit.name);
            }
        }
        if let Some(most) = model.limits().parallel {
            // What a person vouched for is looked at again, beside whatever began meanwhile.
            let counts = model.at_work().filter(|&unit| !model.units[unit].vouched);
            assert!(counts.count() <= most as usize);
        }
        for (pool, name) in POOLS.iter().enumerate() {
            let mut held: Vec<_> = self.slots[pool]
                .iter()
                .filter(|(run, _)| *run == *state.id())
                .map(|(_, stage)| stage.to_string())
                .collect();
            let mut expected: Vec<_> = model
                .in_pool(pool)
                .map(|unit| model.units[unit].name.clone())
                .collect();
            held.sort();
            expected.sort();
            assert_eq!(held, expected, "slots of pool {name}");
        }
        let uses = |unit: usize| model.spec(unit).environment;
        assert!(
            model.at_work().filter(|&unit| uses(unit)).count() <= 1,
            "two at work in `e`"
        );
        for unit in model.at_work().filter(|&unit| uses(unit)) {
            let lock = state
                .environments()
                .next()
                .and_then(|(_, environment)| environment.lock.as_ref());
            assert_eq!(
                lock.map(|lock| &lock.run),
                Some(state.id()),
                "{}",
                model.units[unit].name
            );
        }
        self.check_status(driver, around);
        if state.finished().is_some() {
            let locks = state
                .environments()
                .filter_map(|(_, environment)| environment.lock.as_ref());
            assert_eq!(
                locks.filter(|lock| lock.run == *state.id()).count(),
                0,
                "it keeps a lock"
            );
        }
        // The journal alone tells the same.
        assert_eq!(again.finished(), state.finished());
        assert_eq!(again.status(), state.status());
        assert_eq!(again.cancel(), state.cancel());
        assert_eq!(again.failed(), state.failed());
        assert_eq!(again.next_wake(), state.next_wake());
        assert!(again.environments().eq(state.environments()));
        assert!(again.pools().eq(state.pools()));
        for (a, b) in again.stages().zip(state.stages()) {
            assert_eq!(a.state(), b.state());
            assert_eq!(
                (a.attempts(), a.started(), a.ended()),
                (b.attempts(), b.started(), b.ended())
            );
        }
    }

    fn check_status(&self, driver: usize, around: &Around) {
        let Driver { state, model, .. } = &self.drivers[driver];
        if let Some(outcome) = model.outcome {
            assert_eq!(state.finished().map(|(outcome, _)| outcome), Some(outcome));
            return;
        }
        assert_eq!(state.finished(), None);
        let unlimited = Around {
            free: u32::MAX,
            ..*around
        };
        let works = model.at_work().count() > 0;
        if (0..model.units.len()).any(|unit| model.spec(unit).environment) && !works {
            return;
        }
        let ready = model
            .enabled(&unlimited)
            .iter()
            .any(|act| matches!(act, super::model::Act::Start(_)));
        let person = model.units.iter().any(|unit| unit.at == Place::Person);
        let expected = match (works || ready, person) {
            (true, _) => RunStatus::Running,
            (false, true) => RunStatus::NeedsDecision,
            (false, false) => RunStatus::Waiting,
        };
        assert_eq!(state.status(), expected);
    }

    /// One thing happens.
    pub(super) async fn happen(&mut self, second: bool, choice: &Choice) {
        let driver = usize::from(second) % self.drivers.len();
        if self.drivers[driver].model.outcome.is_some() {
            return;
        }
        match choice {
            Choice::Report(pick) => {
                let at_work: Vec<_> = self.drivers[driver].model.at_work().collect();
                if !at_work.is_empty() {
                    self.report(driver, at_work[pick.index(at_work.len())]).await;
                }
            }
            Choice::Wait(seconds) => {
                self.clock.advance(SignedDuration::from_secs(i64::from(*seconds)));
                self.step(driver, Input::Tick).await;
            }
            Choice::Cancel if self.drivers[driver].model.forced => {}
            Choice::Cancel => {
                let cancel = Input::Cancel {
                    by: alice(),
                    reason: String::new(),
                };
                self.record(driver, &cancel).await;
            }
            Choice::Die => self.die(driver).await,
            Choice::Stale(pick) => {
                let stale = &self.drivers[driver].stale;
                if !stale.is_empty() {
                    let report = stale[pick.index(stale.len())].clone();
                    self.step(driver, report).await;
                }
            }
            Choice::Decide(pick, happened) => {
                let unknown = self.unknown(driver);
                if !unknown.is_empty() {
                    self.decide(driver, unknown[pick.index(unknown.len())], *happened)
                        .await;
                }
            }
        }
    }

    fn unknown(&self, driver: usize) -> Vec<usize> {
        let units = self.drivers[driver].model.units.iter().enumerate();
        let unknown = units.filter(|(_, unit)| unit.at == Place::Person);
        unknown.map(|(at, _)| at).collect()
    }

    async fn decide(&mut self, driver: usize, unit: usize, happened: bool) {
        let decide = Input::Decide(DecideRequest {
            stage: StageName::new(&self.drivers[driver].model.units[unit].name).unwrap(),
            happened,
            by: alice(),
            comment: String::new(),
        });
        self.record(driver, &decide).await;
    }

    /// Somebody says something to the run; its worker reads it in the journal.
    async fn record(&mut self, driver: usize, input: &Input) {
        let mut state = self.fold(&self.drivers[driver].id).await;
        let batch = state
            .record_only(&Gates::default(), input, self.clock.now())
            .unwrap();
        let _ = self.journal.append(batch).await.unwrap();
        self.drivers[driver].model.asked = true;
        self.step(driver, Input::Tick).await;
    }

    /// Its worker dies, and the next one has nothing but the journal.
    async fn die(&mut self, driver: usize) {
        let at_work: Vec<_> = self.drivers[driver].model.at_work().collect();
        for unit in at_work {
            let report = self.finished(driver, unit, Last::Success);
            self.drivers[driver].stale.push(report);
        }
        let id = self.drivers[driver].id.clone();
        let next = self.fold(&id).await;
        let state = std::mem::replace(&mut self.drivers[driver].state, next);
        self.drivers[driver].twin = self.fold(&id).await;
        self.drivers[driver].zombie = Some(state);
        self.step(driver, claim()).await;
        self.zombie(driver).await;
    }

    /// The worker that was believed dead cannot write any more.
    async fn zombie(&mut self, driver: usize) {
        let Driver { zombie, stale, .. } = &mut self.drivers[driver];
        let (Some(mut zombie), Some(report)) = (zombie.take(), stale.last()) else {
            return;
        };
        let Ok(batch) = zombie.advance(&Gates::default(), report, self.clock.now()) else {
            return;
        };
        if !batch.is_empty() {
            let refused = self.journal.append(batch).await;
            assert!(
                matches!(refused, Err(AppendError::Conflict(_))),
                "a worker writes that lost its run"
            );
        }
    }

    /// A unit that is at work ends, as its fate is; one that waits for room to be begun again does not.
    async fn report(&mut self, driver: usize, unit: usize) {
        let Driver { model, state, .. } = &mut self.drivers[driver];
        let now = self.clock.now();
        let spec = model.spec(unit).clone();
        let Some(command) = state.due(unit as u32, now) else {
            assert!(self.case.process.is_some() && state.waits_for_slot());
            return;
        };
        if let Command::Inspect { stage } = command {
            let looks = model.units[unit].looks;
            model.units[unit].looks += 1;
            let found = spec.finds.get(looks).copied().unwrap_or(Found::Happened);
            model.announce_found(unit, found);
            let input = Input::Inspected {
                stage,
                attempt: model.units[unit].attempts,
                found: match found {
                    Found::Happened => Inspection::Happened(Box::new(success(&spec.fact))),
                    Found::DidNot => Inspection::DidNotHappen,
                    Found::Unknown => Inspection::Unknown {
                        reason: "who knows".into(),
                    },
                },
            };
            return self.step(driver, input).await;
        }
        let asked = model.asked_to_stop(unit);
        let stops = match command {
            Command::Execute { .. } => None,
            Command::Stop { force, .. } => Some(force),
            other => panic!("{} is at work: {other:?}", model.units[unit].name),
        };
        assert_eq!(stops, asked, "{}", model.units[unit].name);
        let attempt = model.units[unit].attempts as usize;
        let fate = spec.fates.get(attempt - 1).copied().unwrap_or(Fate::Succeeds);
        let last = match asked {
            Some(true) => Last::Unknown,
            Some(false) if spec.obeys => Last::Cancelled,
            _ => Last::from(fate),
        };
        model.announce(unit, last);
        let report = self.finished(driver, unit, last);
        self.step(driver, report).await;
    }

    fn finished(&self, driver: usize, unit: usize, last: Last) -> Input {
        let model = &self.drivers[driver].model;
        let failed = |failure| StageResult::Failed {
            failure,
            error: vec!["broken".into()],
        };
        Input::Finished {
            stage: unit as u32,
            attempt: model.units[unit].attempts,
            epoch: model.epoch,
            result: match last {
                Last::Success => StageResult::Completed {
                    outcome: Arc::new(success(&model.spec(unit).fact)),
                },
                Last::No => StageResult::Completed {
                    outcome: Arc::new(Outcome::failed("no")),
                },
                Last::Errored => failed(Failure::Errored),
                Last::Unknown => failed(Failure::Unknown),
                Last::Cancelled => StageResult::Cancelled {
                    reason: "it was asked".into(),
                },
            },
            output: None,
        }
    }

    /// From here on everything goes its way: every run ends.
    pub(super) async fn drain(&mut self) {
        for _ in 0..3000 {
            if self.drivers.iter().all(|driver| driver.model.outcome.is_some()) {
                return;
            }
            if !self.progress().await {
                let states: Vec<_> = self.drivers.iter().map(|driver| &driver.model.units).collect();
                panic!("nothing goes on any more: {states:#?}");
            }
        }
        panic!("it never ends");
    }

    async fn progress(&mut self) -> bool {
        for driver in 0..self.drivers.len() {
            if self.drivers[driver].model.outcome.is_some() {
                continue;
            }
            let before = self.cursor;
            self.step(driver, Input::Tick).await;
            let state = &self.drivers[driver].state;
            let now = self.clock.now();
            let mut at_work = self.drivers[driver].model.at_work();
            let unit = at_work.find(|&unit| state.due(unit as u32, now).is_some());
            drop(at_work);
            if let Some(unit) = unit {
                self.report(driver, unit).await;
            } else if let Some(unit) = self.unknown(driver).first().copied() {
                self.decide(driver, unit, true).await;
            } else if let Some(wake) = self.drivers[driver].state.next_wake()
                && wake > self.clock.now()
            {
                self.clock.set(wake);
                return true;
            }
            if self.cursor > before {
                return true;
            }
        }
        false
    }
}

fn claim() -> Input {
    Input::Claim {
        worker: "test".into(),
    }
}

fn success(fact: &Option<serde_json::Value>) -> Outcome {
    match fact {
        Some(fact) => Outcome::succeeded().fact("list", fact.clone()),
        None => Outcome::succeeded(),
    }
}
