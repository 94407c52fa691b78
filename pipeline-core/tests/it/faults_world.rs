//! A world in which stages have effects that are counted, and a person who knows it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use pipeline_core::testing::{MemoryArtifacts, RepeatableEntropy};
use pipeline_core::{
    Abilities, Action, ActionPlan, Actor, ApproveRequest, Clock, DecideRequest, DeployRequest,
    DeploymentReport, Digest, Effect, Environment, EnvironmentDescriptor, EnvironmentError, EvidenceSet,
    Failure, Fence, Gate, GateRequest, Inspect, Inspection, Journal, JournalExt, Observation, Outcome,
    Pipeline, PlanActions, Release, RetryPolicy, RunError, RunEvent, RunId, RunRequest, RunState, Runner,
    SignedDuration, Stage, StageContext, StageSpec, StageState, StreamId, Tier, Timestamp, Verdict, When,
};
use serde::Serialize;
use tokio::time::Instant;

/// A call of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) stage: String,
    pub(crate) generation: u32,
    pub(crate) key: String,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) calls: Vec<Call>,
    /// The effects that really happened: stage and key.
    pub(crate) effects: Vec<(String, String)>,
    /// What never may happen, and did.
    pub(crate) violations: Vec<String>,
    /// What is used exclusively now, and by how many.
    at_work: BTreeMap<String, u32>,
    /// The highest fence that each environment saw.
    fences: BTreeMap<String, Fence>,
    /// Which process used which delivery epoch.
    epochs: BTreeMap<u64, u32>,
    /// How many processes there were.
    pub(crate) process: u32,
}

/// The world, and the journal as it really is.
#[derive(Debug, Clone)]
pub(crate) struct World {
    state: Arc<Mutex<State>>,
    pub(crate) journal: Arc<dyn Journal>,
    start: Instant,
}

impl World {
    pub(crate) fn new(journal: Arc<dyn Journal>) -> Self {
        Self {
            state: Arc::default(),
            journal,
            start: Instant::now(),
        }
    }

    /// The same world, after the journal was opened again.
    pub(crate) fn over(&self, journal: Arc<dyn Journal>) -> Self {
        Self {
            journal,
            ..self.clone()
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A test that fails while it looks at the state must not break the stages, too.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wrong(&self, text: impl Into<String>) {
        self.state().violations.push(text.into());
    }

    pub(crate) fn happened(&self, stage: &str, key: &str) -> bool {
        let state = self.state();
        state
            .effects
            .iter()
            .any(|(name, its)| name == stage && its == key)
    }

    /// The keys under which the effect of a stage happened, with repetitions.
    pub(crate) fn keys(&self, stage: &str) -> Vec<String> {
        let state = self.state();
        let own = state.effects.iter().filter(|(name, _)| name == stage);
        own.map(|(_, key)| key.clone()).collect()
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// Nothing may be at work any more.
    pub(crate) fn idle(&self) {
        let busy = self.state().at_work.values().any(|count| *count > 0);
        if busy {
            self.wrong("something is still at work");
        }
    }

    async fn run_events(&self, run: &RunId) -> Vec<RunEvent> {
        let events = self.journal.read_stream(&StreamId::run(run), 0).await.unwrap();
        events
            .iter()
            .filter_map(|event| event.read::<RunEvent>().unwrap().map(Cow::into_owned))
            .collect()
    }
}

/// Uses something exclusively until it is dropped.
struct Use {
    world: World,
    what: String,
}

impl Use {
    fn begin(world: &World, what: String) -> Self {
        let count = {
            let mut state = world.state();
            let count = state.at_work.entry(what.clone()).or_default();
            *count += 1;
            *count
        };
        if count > 1 {
            world.wrong(format!("{count} at once in {what}"));
        }
        Self {
            world: world.clone(),
            what,
        }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        *self.world.state().at_work.get_mut(&self.what).unwrap() -= 1;
    }
}

/// A stage with one effect, in the middle of its work.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Worker {
    effect: Effect,
    /// Whether its first generation fails before the effect.
    flaky: bool,
    pool: Option<&'static str>,
    gated: bool,
    milliseconds: u64,
    #[serde(skip)]
    world: World,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    #[error("it fails the first time")]
    Flaky,
    #[error("it comes too late")]
    Late,
}

impl Worker {
    fn new(world: &World, effect: Effect) -> Self {
        Self {
            effect,
            flaky: false,
            pool: None,
            gated: false,
            milliseconds: 40,
            world: world.clone(),
        }
    }

    async fn half(&self) {
        tokio::time::sleep(Duration::from_millis(self.milliseconds / 2)).await;
    }

    fn release() -> Release {
        Release {
            component: "c".try_into().unwrap(),
            version: "1.0.0".parse().unwrap(),
            artifacts: Default::default(),
        }
    }

    fn outcome(cx: &StageContext) -> Outcome {
        let Some(target) = cx.target() else {
            return Outcome::succeeded();
        };
        Outcome::succeeded().deployment(DeploymentReport::Deployed {
            release: Self::release(),
            configuration: target.configuration.clone(),
        })
    }

    /// What must be in the journal before a stage is called.
    async fn check_intent(&self, cx: &StageContext, fence: Option<Fence>) {
        let events = self.world.run_events(cx.run()).await;
        let name = cx.stage();
        let begun = events.iter().rposition(|event| match event {
            RunEvent::StageStarted(started) => started.stage == *name && started.attempt == cx.attempt(),
            _ => false,
        });
        let Some(begun) = begun else {
            return self.wrong(format!("{name} is called, and the journal does not know"));
        };
        let ended = events[begun..].iter().any(|event| match event {
            RunEvent::StageFinished(finished) => finished.stage == *name,
            _ => false,
        });
        if ended {
            self.wrong(format!("{name} is called, and the journal says that it ended"));
        }
        if cx.attempt() == 1 && self.gated {
            let allowed = events[..begun].iter().any(|event| match event {
                RunEvent::GatesEvaluated(gates) => {
                    let allowed = gates.verdicts.iter().all(|gate| gate.verdict.allows());
                    gates.stage == *name && allowed && gates.locked == fence.is_some()
                }
                _ => false,
            });
            if !allowed {
                self.wrong(format!("{name} is called without its gates"));
            }
        }
        let RunEvent::StageStarted(started) = &events[begun] else {
            unreachable!("it was found")
        };
        let mut state = self.world.state();
        let process = state.process;
        if *state.epochs.entry(started.epoch).or_insert(process) != process {
            let text = format!("{name}: epoch {} is another process's", started.epoch);
            state.violations.push(text);
        }
    }

    fn wrong(&self, text: String) {
        self.world.wrong(text);
    }
}

impl Stage for Worker {
    const TYPE: &'static str = "worker";
    type Error = WorkerError;

    fn effect(&self) -> Effect {
        self.effect
    }

    async fn run(&self, cx: &StageContext) -> Result<Outcome, WorkerError> {
        let fence = cx.target().and_then(|target| target.fence);
        self.world.state().calls.push(Call {
            stage: cx.stage().to_string(),
            generation: cx.call().generation,
            key: cx.key().to_string(),
        });
        self.check_intent(cx, fence).await;
        let place = cx.environment().map(|place| place.descriptor().name.to_string());
        let _place = place.clone().map(|place| Use::begin(&self.world, place));
        let _pool = self
            .pool
            .map(|pool| Use::begin(&self.world, format!("pool {pool}")));
        if let Some(place) = place {
            let Some(fence) = fence else {
                self.wrong(format!("{} has no fence", cx.stage()));
                return Err(WorkerError::Late);
            };
            let mut state = self.world.state();
            let highest = state.fences.entry(place).or_insert(fence);
            if *highest > fence {
                state.violations.push(format!("{} has an old fence", cx.stage()));
                return Err(WorkerError::Late);
            }
            *highest = fence;
        }
        self.half().await;
        if self.flaky && cx.call().generation == 1 {
            return Err(WorkerError::Flaky);
        }
        let effect = (cx.stage().to_string(), cx.key().to_string());
        self.world.state().effects.push(effect);
        self.half().await;
        Ok(Self::outcome(cx))
    }

    fn failure(&self, _: &WorkerError) -> Failure {
        Failure::Errored
    }

    fn abilities() -> Abilities<Self> {
        Abilities::new().inspect().plan()
    }
}

impl Inspect for Worker {
    async fn inspect(&self, cx: &StageContext) -> Result<Inspection, WorkerError> {
        Ok(
            match self.world.happened(cx.stage().as_str(), cx.key().as_str()) {
                true => Inspection::Happened(Box::new(Self::outcome(cx))),
                false => Inspection::DidNotHappen,
            },
        )
    }
}

impl PlanActions for Worker {
    async fn plan(&self, cx: &StageContext) -> Result<ActionPlan, WorkerError> {
        let target = cx.target().unwrap();
        Ok(ActionPlan {
            environment: target.descriptor.name.clone(),
            release: Self::release().digest().unwrap(),
            title: cx.stage().to_string(),
            configuration: target.configuration.digest().unwrap(),
            actions: vec![Action::new("do", cx.stage().as_str())],
            rollback: vec![],
            success_measures: vec![],
            facts: Default::default(),
        })
    }
}

/// Allows what somebody approved.
#[derive(Debug, Serialize)]
struct Approved;

impl Gate for Approved {
    const TYPE: &'static str = "approved";

    fn decide(&self, request: &GateRequest, _: &EvidenceSet, now: Timestamp) -> Verdict {
        match self.uses(request, now).is_empty() {
            true => Verdict::wait("nobody approved").who(["anybody"]),
            false => Verdict::allow("somebody approved"),
        }
    }

    fn uses(&self, request: &GateRequest, now: Timestamp) -> Vec<usize> {
        let mut all = request.approvals.iter().enumerate();
        let used = all.find(|(_, one)| one.counts(&request.subject, now));
        used.map(|(index, _)| index).into_iter().collect()
    }
}

/// An environment that only has a name: its stages act on the world.
#[derive(Debug)]
struct Place(EnvironmentDescriptor);

#[async_trait]
impl Environment for Place {
    fn descriptor(&self) -> &EnvironmentDescriptor {
        &self.0
    }

    async fn observe(&self) -> Result<Observation, EnvironmentError> {
        Ok(Observation::default())
    }

    async fn deploy(&self, _: &DeployRequest) -> Result<(), EnvironmentError> {
        Ok(())
    }

    async fn retire(&self, _: &Digest, _: Option<Fence>) -> Result<(), EnvironmentError> {
        Ok(())
    }
}

fn place(name: &str) -> Arc<Place> {
    Arc::new(Place(EnvironmentDescriptor {
        name: name.try_into().unwrap(),
        tier: Tier::Production,
        type_name: "place".try_into().unwrap(),
        settings: serde_json::Value::Null,
        configuration: None,
    }))
}

/// What a scenario's stage is; the model reads it, too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) effect: Effect,
    pub(crate) flaky: bool,
    pub(crate) gated: bool,
    pub(crate) place: bool,
    pub(crate) pool: bool,
    pub(crate) after: &'static [&'static str],
    pub(crate) always: bool,
    milliseconds: u64,
}

impl Part {
    pub(crate) const fn new(name: &'static str, effect: Effect, after: &'static [&'static str]) -> Self {
        Self {
            name,
            effect,
            flaky: false,
            gated: false,
            place: false,
            pool: false,
            after,
            always: false,
            milliseconds: 40,
        }
    }

    pub(crate) const fn flaky(mut self) -> Self {
        self.flaky = true;
        self
    }

    pub(crate) const fn gated(mut self) -> Self {
        self.gated = true;
        self
    }

    pub(crate) const fn in_place(mut self) -> Self {
        self.place = true;
        self
    }

    pub(crate) const fn in_pool(mut self) -> Self {
        self.pool = true;
        self
    }

    pub(crate) const fn always(mut self) -> Self {
        self.always = true;
        self
    }

    pub(crate) const fn taking(mut self, milliseconds: u64) -> Self {
        self.milliseconds = milliseconds;
        self
    }
}

/// The pipeline of a scenario, with stages of their own, as a new process has it.
pub(crate) fn pipeline(world: &World, parts: &[Part]) -> Pipeline {
    let mut builder = Pipeline::builder("p").component("c");
    if parts.iter().any(|part| part.place) {
        builder = builder.environment(place("prod"));
    }
    if parts.iter().any(|part| part.pool) {
        builder = builder.pool("rig", 1);
    }
    for part in parts {
        let worker = Worker {
            flaky: part.flaky,
            gated: part.gated,
            pool: part.pool.then_some("rig"),
            milliseconds: part.milliseconds,
            ..Worker::new(world, part.effect)
        };
        let mut spec = StageSpec::new(part.name, worker).after(part.after.iter().copied());
        if part.flaky {
            spec = spec.retry(RetryPolicy::new(3));
        }
        if part.gated {
            spec = spec.gate(Approved);
        }
        if part.place {
            spec = spec.environment("prod");
        }
        if part.pool {
            spec = spec.pools(["rig"]);
        }
        if part.always {
            spec = spec.when(When::Always);
        }
        builder = builder.stage(spec);
    }
    builder.build().unwrap()
}

/// The runtime's own time, which stands still while something is done.
#[derive(Debug)]
struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        let start: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let passed = SignedDuration::try_from(self.0.elapsed()).unwrap();
        start.saturating_add(passed).unwrap()
    }
}

pub(crate) fn alice() -> Actor {
    Actor::person("alice").unwrap()
}

pub(crate) fn id() -> RunId {
    RunId::new("the-run").unwrap()
}

/// A process: a runner that has nothing but the journal.
pub(crate) fn runner(world: &World, journal: Arc<dyn Journal>) -> Arc<Runner> {
    let runner = Runner::new(journal, Arc::new(MemoryArtifacts::new()))
        .clock(RuntimeClock(world.start))
        .entropy(RepeatableEntropy::new(7));
    Arc::new(runner)
}

/// One process: creates the run if there is none, and drives it to its end, with a person who does what is asked.
pub(crate) async fn process(
    world: &World,
    parts: &[Part],
    journal: Arc<dyn Journal>,
) -> Result<RunState, RunError> {
    world.state().process += 1;
    let (runner, pipeline) = (runner(world, journal), pipeline(world, parts));
    let known = world.journal.read(&StreamId::run(&id()), 0, 1).await.unwrap();
    if known.is_empty() {
        let request = RunRequest {
            id: Some(id()),
            ..RunRequest::new(alice())
        };
        runner.create(&pipeline, request).await?;
    }
    for _ in 0..20 {
        let state = runner.drive(&pipeline, &id()).await?;
        if state.finished().is_some() || !attend(world, &runner, &state).await? {
            return Ok(state);
        }
    }
    panic!("it goes round in circles");
}

/// A person does what a run waits for. Tells whether there was anything.
async fn attend(world: &World, runner: &Runner, state: &RunState) -> Result<bool, RunError> {
    let mut some = false;
    for stage in state.stages() {
        let name = stage.planned().name.clone();
        match stage.state() {
            StageState::Held { .. } => {
                let request = ApproveRequest {
                    stage: name,
                    action_plan: stage.gates().unwrap().subject,
                    by: alice(),
                    valid_for: SignedDuration::from_hours(24),
                    comment: String::new(),
                };
                runner.approve(state.id(), request).await?;
                some = true;
            }
            StageState::Unknown { attempt, .. } => {
                let key = pipeline_core::IdempotencyKey::new(state.id(), &name, attempt.generation);
                let request = DecideRequest {
                    happened: world.happened(name.as_str(), key.as_str()),
                    stage: name,
                    by: alice(),
                    comment: String::new(),
                };
                runner.decide(state.id(), request).await?;
                some = true;
            }
            _ => {}
        }
    }
    Ok(some)
}

/// The keys of a list, each once.
pub(crate) fn distinct(keys: &[String]) -> BTreeSet<&String> {
    keys.iter().collect()
}
