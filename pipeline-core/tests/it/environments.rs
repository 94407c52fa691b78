//! Runs that share an environment: gates, then the lock, then the gates again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use pipeline_core::testing::{ManualClock, MemoryArtifacts};
use pipeline_core::{
    Abilities, Action, ActionPlan, Actor, ApproveRequest, Configuration, DeployRequest, DeploymentReport,
    Digest, ENVIRONMENT_LOCK, Effect, Environment, EnvironmentDescriptor, EnvironmentError, Estate, Evidence,
    EvidenceError, EvidenceKind, EvidenceNeed, EvidenceSet, EvidenceSource, Fence, Gate, GateRequest,
    JournalExt, LiveRelease, MemoryJournal, Observation, Outcome, Pipeline, PlanActions, Release, RunRequest,
    RunState, RunStatus, Runner, SignedDuration, Stage, StageContext, StageSpec, StageState, Tier, Timestamp,
    Verdict,
};
use serde::Serialize;

/// An environment in memory.
#[derive(Debug)]
pub(crate) struct Place {
    descriptor: EnvironmentDescriptor,
    live: Mutex<Option<LiveRelease>>,
}

impl Place {
    pub(crate) fn new(name: &str) -> Arc<Self> {
        let descriptor = EnvironmentDescriptor {
            name: name.try_into().unwrap(),
            tier: Tier::Production,
            type_name: "place".try_into().unwrap(),
            settings: serde_json::Value::Null,
            configuration: None,
        };
        Arc::new(Self {
            descriptor,
            live: Mutex::default(),
        })
    }
}

#[async_trait]
impl Environment for Place {
    fn descriptor(&self) -> &EnvironmentDescriptor {
        &self.descriptor
    }

    async fn observe(&self) -> Result<Observation, EnvironmentError> {
        Ok(Observation {
            live: self.live.lock().unwrap().clone(),
            ..Observation::default()
        })
    }

    async fn deploy(&self, request: &DeployRequest) -> Result<(), EnvironmentError> {
        *self.live.lock().unwrap() = Some(LiveRelease {
            release: request.release.digest().unwrap(),
            configuration: request.configuration.digest().unwrap(),
            drift: Vec::new(),
        });
        Ok(())
    }

    async fn retire(&self, _: &Digest, _: Option<Fence>) -> Result<(), EnvironmentError> {
        Ok(())
    }
}

/// Deploys a release of a version.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Put {
    version: &'static str,
    #[serde(skip)]
    fences: Arc<Mutex<Vec<Fence>>>,
}

impl Put {
    pub(crate) fn new(version: &'static str) -> Self {
        Self {
            version,
            fences: Arc::default(),
        }
    }

    fn release(&self) -> Release {
        Release {
            component: "c".try_into().unwrap(),
            version: self.version.parse().unwrap(),
            artifacts: Default::default(),
        }
    }

    fn configuration(cx: &StageContext) -> Configuration {
        cx.target().unwrap().configuration.clone()
    }
}

impl Stage for Put {
    const TYPE: &'static str = "put";
    type Error = EnvironmentError;

    fn effect(&self) -> Effect {
        Effect::Idempotent
    }

    async fn run(&self, cx: &StageContext) -> Result<Outcome, EnvironmentError> {
        let fence = cx.target().unwrap().fence;
        self.fences.lock().unwrap().extend(fence);
        let (release, configuration) = (self.release(), Self::configuration(cx));
        let request = DeployRequest {
            release: release.clone(),
            configuration: configuration.clone(),
            artifacts: cx.artifacts().clone(),
            key: cx.key().clone(),
            fence,
        };
        cx.environment().unwrap().deploy(&request).await?;
        Ok(Outcome::succeeded().deployment(DeploymentReport::Deployed {
            release,
            configuration,
        }))
    }

    fn abilities() -> Abilities<Self> {
        Abilities::new().plan()
    }
}

impl PlanActions for Put {
    async fn plan(&self, cx: &StageContext) -> Result<ActionPlan, EnvironmentError> {
        let environment = cx.environment().unwrap();
        let live = environment.observe().await?.live;
        let release = self.release().digest().unwrap();
        let same = live.as_ref().is_some_and(|live| live.release == release);
        let from = live.map_or("nothing".to_owned(), |live| live.release.short());
        Ok(ActionPlan {
            environment: environment.descriptor().name.clone(),
            release,
            title: self.release().to_string(),
            configuration: Self::configuration(cx).digest().unwrap(),
            actions: if same {
                vec![]
            } else {
                vec![Action::new("replace", from)]
            },
            rollback: vec![],
            success_measures: vec![],
            facts: Default::default(),
        })
    }
}

/// A gate that wants fresh evidence of kind `weather` and one approval of the action plan.
#[derive(Debug, Serialize)]
struct Careful;

fn weather() -> EvidenceKind {
    EvidenceKind::new("weather").unwrap()
}

impl Gate for Careful {
    const TYPE: &'static str = "careful";

    fn needs(&self, request: &GateRequest) -> Vec<EvidenceNeed> {
        vec![EvidenceNeed {
            kind: weather(),
            subject: request.subject,
        }]
    }

    fn decide(&self, request: &GateRequest, evidence: &EvidenceSet, now: Timestamp) -> Verdict {
        let need = EvidenceNeed {
            kind: weather(),
            subject: request.subject,
        };
        if let Err(none) = evidence.find(&need, now) {
            return Verdict::wait(none.to_string());
        }
        match self.uses(request, now).is_empty() {
            true => Verdict::wait("nobody approved").who(["anybody"]),
            false => Verdict::allow("somebody approved in good weather"),
        }
    }

    fn uses(&self, request: &GateRequest, now: Timestamp) -> Vec<usize> {
        let mut all = request.approvals.iter().enumerate();
        all.find(|(_, one)| one.counts(&request.subject, now))
            .map(|(index, _)| index)
            .into_iter()
            .collect()
    }
}

/// The weather is good for so many questions.
#[derive(Debug)]
struct Weather {
    kind: EvidenceKind,
    good: Arc<AtomicUsize>,
}

#[async_trait]
impl EvidenceSource for Weather {
    fn kind(&self) -> &EvidenceKind {
        &self.kind
    }

    async fn gather(
        &self,
        need: &EvidenceNeed,
        request: &GateRequest,
    ) -> Result<Option<Evidence>, EvidenceError> {
        let good = self
            .good
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        Ok(good.ok().map(|_| Evidence {
            kind: need.kind.clone(),
            subject: need.subject,
            source: "window".into(),
            observed_at: request.requested_at,
            valid_until: None,
            content: serde_json::Value::Null,
        }))
    }
}

struct Bench {
    journal: Arc<MemoryJournal>,
    clock: ManualClock,
    good: Arc<AtomicUsize>,
}

impl Bench {
    fn new() -> Self {
        Self {
            journal: Arc::new(MemoryJournal::new()),
            clock: ManualClock::at("2026-11-20T12:00:00Z"),
            good: Arc::new(AtomicUsize::new(1000)),
        }
    }

    fn runner(&self) -> Arc<Runner> {
        let weather = Weather {
            kind: weather(),
            good: Arc::clone(&self.good),
        };
        let runner = Runner::new(self.journal.clone(), Arc::new(MemoryArtifacts::new()));
        Arc::new(runner.clock(self.clock.clone()).evidence(weather))
    }

    async fn start(&self, pipeline: &Pipeline) -> RunState {
        let runner = self.runner();
        let run = runner.create(pipeline, RunRequest::new(alice())).await.unwrap();
        let state = runner.drive(pipeline, &run).await.unwrap();
        self.the_journal_tells_the_same(&state).await;
        state
    }

    async fn the_journal_tells_the_same(&self, state: &RunState) {
        let loaded = self.runner().load(state.id()).await.unwrap();
        let states = |state: &RunState| {
            state
                .stages()
                .map(|stage| stage.state().clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(states(&loaded), states(state));
        assert_eq!(loaded.status(), state.status());
        assert_eq!(
            loaded.environments().collect::<Vec<_>>(),
            state.environments().collect::<Vec<_>>()
        );
    }

    async fn again(&self, pipeline: &Pipeline, state: &RunState) -> RunState {
        let state = self.runner().drive(pipeline, state.id()).await.unwrap();
        self.the_journal_tells_the_same(&state).await;
        state
    }

    async fn approve(&self, state: &RunState) {
        let stage = state
            .stages()
            .find(|stage| matches!(stage.state(), StageState::Held { .. }))
            .unwrap();
        let request = ApproveRequest {
            stage: stage.planned().name.clone(),
            action_plan: stage.gates().unwrap().subject,
            by: alice(),
            valid_for: SignedDuration::from_hours(24),
            comment: String::new(),
        };
        self.runner().approve(state.id(), request).await.unwrap();
    }

    async fn estate(&self) -> Estate {
        let mut estate = Estate::default();
        for event in self.journal.read_everything(0).await.unwrap() {
            estate.apply(&event).unwrap();
        }
        estate
    }

    async fn kinds(&self, stream: &str) -> Vec<String> {
        let events = self
            .journal
            .read_stream(&stream.parse().unwrap(), 0)
            .await
            .unwrap();
        events.iter().map(|event| event.kind.to_string()).collect()
    }
}

fn alice() -> Actor {
    Actor::person("alice").unwrap()
}

fn pipeline(place: &Arc<Place>, put: &Put, gated: bool) -> Pipeline {
    let spec = StageSpec::new("put", put.clone()).environment("prod");
    let spec = if gated { spec.gate(Careful) } else { spec };
    Pipeline::builder("p")
        .environment(place.clone())
        .stage(spec)
        .build()
        .unwrap()
}

fn reasons(state: &RunState) -> Vec<String> {
    let held = state.stages().filter_map(|stage| match stage.state() {
        StageState::Held { verdicts, .. } => Some(verdicts.to_vec()),
        _ => None,
    });
    held.flatten()
        .filter(|gate| !gate.verdict.allows())
        .map(|gate| gate.verdict.reason)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_deployment_locks_deploys_and_releases() {
    let bench = Bench::new();
    let (place, put) = (Place::new("prod"), Put::new("1.0.0"));
    let state = bench.start(&pipeline(&place, &put, false)).await;
    assert_eq!(state.status(), RunStatus::Succeeded);
    let kinds = bench.kinds("environment/prod").await;
    assert_eq!(
        kinds,
        [
            "environment.locked",
            "environment.deployed",
            "environment.released"
        ]
    );
    assert_eq!(*put.fences.lock().unwrap(), [Fence { token: 1, epoch: 1 }]);
    let estate = bench.estate().await;
    let live = estate
        .environment(&"prod".try_into().unwrap())
        .unwrap()
        .live
        .clone()
        .unwrap();
    assert_eq!((live.release, live.verified), (put.release(), false));
}

#[tokio::test(start_paused = true)]
async fn an_approval_never_holds_an_environment() {
    let bench = Bench::new();
    let place = Place::new("prod");
    let gated = pipeline(&place, &Put::new("1.0.0"), true);
    let waiting = bench.start(&gated).await;
    assert_eq!(waiting.status(), RunStatus::Waiting);
    assert!(
        bench.kinds("environment/prod").await.is_empty(),
        "it waits without the lock"
    );
    // Another run deploys meanwhile: what was to be approved is no longer what would happen.
    bench.approve(&waiting).await;
    let other = bench.start(&pipeline(&place, &Put::new("2.0.0"), false)).await;
    assert_eq!(other.status(), RunStatus::Succeeded);
    let state = bench.again(&gated, &waiting).await;
    assert_eq!(
        reasons(&state),
        ["nobody approved"],
        "the approval names another action plan"
    );
    bench.approve(&state).await;
    let state = bench.again(&gated, &state).await;
    assert_eq!(state.status(), RunStatus::Succeeded);
    let used: Vec<_> = state
        .stages()
        .next()
        .unwrap()
        .approvals()
        .iter()
        .map(|one| one.used)
        .collect();
    assert_eq!(used, [false, true]);
}

#[tokio::test(start_paused = true)]
async fn an_equal_plan_keeps_its_approval() {
    let bench = Bench::new();
    let place = Place::new("prod");
    let gated = pipeline(&place, &Put::new("1.0.0"), true);
    let waiting = bench.start(&gated).await;
    bench.approve(&waiting).await;
    bench.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(bench.again(&gated, &waiting).await.status(), RunStatus::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn gates_that_change_their_mind_under_the_lock_give_it_back() {
    let bench = Bench::new();
    let place = Place::new("prod");
    let gated = pipeline(&place, &Put::new("1.0.0"), true);
    let waiting = bench.start(&gated).await;
    bench.approve(&waiting).await;
    // Good once, for the evaluation before the lock; not for the one under it.
    bench.good.store(1, Ordering::SeqCst);
    let state = bench.again(&gated, &waiting).await;
    assert_eq!(state.status(), RunStatus::Waiting);
    assert!(
        reasons(&state)[0].starts_with("there is no evidence `weather`"),
        "{:?}",
        reasons(&state)
    );
    assert_eq!(
        bench.kinds("environment/prod").await,
        ["environment.locked", "environment.released"]
    );
    assert!(place.live.lock().unwrap().is_none(), "nothing was deployed");
    bench.good.store(1000, Ordering::SeqCst);
    assert_eq!(bench.again(&gated, &state).await.status(), RunStatus::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_run_waits_for_an_environment_that_another_uses() {
    let bench = Bench::new();
    let place = Place::new("prod");
    // A run that keeps the lock: its stage begins, and its process is gone.
    let stuck = Pipeline::builder("stuck")
        .environment(place.clone())
        .stage(
            StageSpec::new(
                "put",
                pipeline_core::testing::ScriptedStage::new(Effect::AtMostOnce)
                    .then(pipeline_core::testing::Step::Panic),
            )
            .environment("prod"),
        )
        .build()
        .unwrap();
    let holder = bench.start(&stuck).await;
    assert_eq!(holder.status(), RunStatus::NeedsDecision);
    let free = pipeline(&place, &Put::new("1.0.0"), false);
    let waiting = bench.start(&free).await;
    assert_eq!(waiting.status(), RunStatus::Waiting);
    let StageState::Held { verdicts, .. } = waiting.stages().next().unwrap().state().clone() else {
        panic!("held")
    };
    assert_eq!(verdicts[0].gate, ENVIRONMENT_LOCK);
    assert!(verdicts[0].verdict.reason.contains(holder.id().as_str()));
    // The person says that it happened: the lock is free, and the waiting run goes on.
    bench
        .runner()
        .decide(holder.id(), decision("put", true))
        .await
        .unwrap();
    assert_eq!(bench.again(&stuck, &holder).await.status(), RunStatus::Succeeded);
    let state = bench.runner().load(waiting.id()).await.unwrap();
    assert_eq!(state.status(), RunStatus::Running, "it could go on now");
    assert_eq!(bench.again(&free, &waiting).await.status(), RunStatus::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn many_runs_at_once_use_an_environment_one_after_the_other() {
    let bench = Bench::new();
    let place = Place::new("prod");
    let put = Put::new("1.0.0");
    let shared = Arc::new(pipeline(&place, &put, false));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (runner, shared) = (bench.runner(), Arc::clone(&shared));
        tasks.spawn(async move {
            let run = runner.create(&shared, RunRequest::new(alice())).await.unwrap();
            loop {
                if runner.drive(&shared, &run).await.unwrap().finished().is_some() {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    let kinds = bench.kinds("environment/prod").await;
    for turn in kinds.chunks(3) {
        assert_eq!(
            turn,
            [
                "environment.locked",
                "environment.deployed",
                "environment.released"
            ]
        );
    }
    let fences: Vec<u64> = put
        .fences
        .lock()
        .unwrap()
        .iter()
        .map(|fence| fence.token)
        .collect();
    assert_eq!(
        fences,
        (1..=8).collect::<Vec<_>>(),
        "each grant has a higher token"
    );
}

/// A stage that notices whether another is at work at the same time.
#[derive(Debug, Clone, Serialize)]
struct Alone {
    #[serde(skip)]
    at_work: Arc<AtomicUsize>,
}

impl Stage for Alone {
    const TYPE: &'static str = "alone";
    type Error = std::io::Error;

    fn effect(&self) -> Effect {
        Effect::Idempotent
    }

    async fn run(&self, _: &StageContext) -> std::io::Result<Outcome> {
        let others = self.at_work.fetch_add(1, Ordering::SeqCst);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        self.at_work.fetch_sub(1, Ordering::SeqCst);
        Ok(if others == 0 {
            Outcome::succeeded()
        } else {
            Outcome::failed("not alone")
        })
    }
}

#[tokio::test(start_paused = true)]
async fn stages_of_one_run_use_an_environment_one_after_the_other() {
    let bench = Bench::new();
    let stage = Alone {
        at_work: Arc::default(),
    };
    let mut builder = Pipeline::builder("p").environment(Place::new("prod"));
    for name in ["a", "b", "c"] {
        builder = builder.stage(StageSpec::new(name, stage.clone()).environment("prod"));
    }
    let state = bench.start(&builder.build().unwrap()).await;
    assert_eq!(state.status(), RunStatus::Succeeded);
    assert_eq!(
        bench.kinds("environment/prod").await,
        ["environment.locked", "environment.released"]
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_begins_in_an_environment_whose_state_nobody_knows() {
    use pipeline_core::testing::{ScriptedStage, Step};
    let bench = Bench::new();
    let broken = ScriptedStage::new(Effect::AtMostOnce).then(Step::Panic);
    let pipeline = Pipeline::builder("p")
        .environment(Place::new("prod"))
        .stage(StageSpec::new("a", broken).environment("prod"))
        .stage(StageSpec::new("b", Put::new("1.0.0")).environment("prod"))
        .build()
        .unwrap();
    let state = bench.start(&pipeline).await;
    assert_eq!(state.status(), RunStatus::NeedsDecision);
    assert_eq!(
        reasons(&state),
        ["nobody knows what stage `a` did to environment `prod`"]
    );
    // Looking again changes nothing, and asks for the same person.
    assert_eq!(
        bench.again(&pipeline, &state).await.status(),
        RunStatus::NeedsDecision
    );
    bench
        .runner()
        .decide(state.id(), decision("a", true))
        .await
        .unwrap();
    assert_eq!(
        bench.again(&pipeline, &state).await.status(),
        RunStatus::Succeeded
    );
}

fn decision(stage: &str, happened: bool) -> pipeline_core::DecideRequest {
    pipeline_core::DecideRequest {
        stage: stage.try_into().unwrap(),
        happened,
        by: alice(),
        comment: String::new(),
    }
}

/// A gate that opens at a time, and looks at the weather each time it is asked.
#[derive(Debug, Serialize)]
struct Late(Timestamp);

impl Gate for Late {
    const TYPE: &'static str = "late";

    fn needs(&self, request: &GateRequest) -> Vec<EvidenceNeed> {
        vec![EvidenceNeed {
            kind: weather(),
            subject: request.subject,
        }]
    }

    fn decide(&self, _: &GateRequest, _: &EvidenceSet, now: Timestamp) -> Verdict {
        if now >= self.0 {
            Verdict::allow("late enough")
        } else {
            Verdict::wait("too early").earliest(self.0)
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_opens_while_the_run_is_at_work_there_waits_its_turn() {
    use pipeline_core::testing::{ScriptedStage, Step};
    let bench = Bench::new();
    let opens: Timestamp = "2026-11-20T12:00:01Z".parse().unwrap();
    let long = ScriptedStage::new(Effect::Idempotent).then(Step::UntilCancelled);
    let pipeline = Pipeline::builder("p")
        .environment(Place::new("prod"))
        .stage(StageSpec::new("a", long).environment("prod"))
        .stage(
            StageSpec::new("b", Put::new("1.0.0"))
                .environment("prod")
                .gate(Late(opens)),
        )
        .build()
        .unwrap();
    let runner = bench.runner();
    let id = runner.create(&pipeline, RunRequest::new(alice())).await.unwrap();
    let canceller = bench.runner();
    let (state, ()) = tokio::join!(async { runner.drive(&pipeline, &id).await.unwrap() }, async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        bench.clock.set(opens);
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        canceller.cancel(&id, alice(), String::new()).await.unwrap();
    });
    assert_eq!(state.status(), RunStatus::Cancelled);
    let asked = 1000 - bench.good.load(Ordering::SeqCst);
    assert!(asked < 10, "it was prepared {asked} times");
}

/// A stage that plans something else each time.
#[derive(Debug, Clone, Serialize)]
struct Fickle {
    #[serde(skip)]
    times: Arc<AtomicUsize>,
}

impl Stage for Fickle {
    const TYPE: &'static str = "fickle";
    type Error = std::io::Error;

    fn effect(&self) -> Effect {
        Effect::Idempotent
    }

    async fn run(&self, _: &StageContext) -> std::io::Result<Outcome> {
        Ok(Outcome::succeeded())
    }

    fn abilities() -> Abilities<Self> {
        Abilities::new().plan()
    }
}

impl PlanActions for Fickle {
    async fn plan(&self, cx: &StageContext) -> std::io::Result<ActionPlan> {
        let times = self.times.fetch_add(1, Ordering::SeqCst);
        Ok(ActionPlan {
            environment: cx.environment().unwrap().descriptor().name.clone(),
            release: Digest::ZERO,
            title: "x".into(),
            configuration: Digest::ZERO,
            actions: vec![Action::new("count", times.to_string())],
            rollback: vec![],
            success_measures: vec![],
            facts: Default::default(),
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_is_never_the_same_is_refused() {
    let bench = Bench::new();
    let spec = StageSpec::new(
        "only",
        Fickle {
            times: Arc::default(),
        },
    )
    .environment("prod")
    .gate(Careful);
    let pipeline = Pipeline::builder("p")
        .environment(Place::new("prod"))
        .stage(spec)
        .build()
        .unwrap();
    let state = bench.start(&pipeline).await;
    assert_eq!(state.status(), RunStatus::Failed);
    let reason = state.stages().next().unwrap().end().unwrap().reason();
    assert_eq!(
        reason,
        "its action plan was different 3 times in a row: it holds what changes by itself"
    );
}

/// Tells its secret wherever it can.
#[derive(Debug, Clone, Serialize)]
struct Chatty {
    panics: bool,
}

#[async_trait]
impl pipeline_core::SecretSource for Chatty {
    async fn resolve(
        &self,
        _: &pipeline_core::SecretRef,
    ) -> Result<pipeline_core::Secret, pipeline_core::SecretError> {
        Ok(pipeline_core::Secret::new("hunter2-planted"))
    }
}

impl Stage for Chatty {
    const TYPE: &'static str = "chatty";
    type Error = std::io::Error;

    fn effect(&self) -> Effect {
        Effect::Inspectable
    }

    async fn run(&self, _: &StageContext) -> std::io::Result<Outcome> {
        Ok(Outcome::succeeded())
    }

    fn abilities() -> Abilities<Self> {
        Abilities::new().plan().inspect()
    }
}

impl PlanActions for Chatty {
    async fn plan(&self, cx: &StageContext) -> std::io::Result<ActionPlan> {
        let secret = cx.secret(&"test:x".parse().unwrap()).await.unwrap();
        assert!(!self.panics, "401 for {}", secret.expose());
        Err(std::io::Error::other(format!("401 for {}", secret.expose())))
    }
}

impl pipeline_core::Inspect for Chatty {
    async fn inspect(&self, cx: &StageContext) -> std::io::Result<pipeline_core::Inspection> {
        let secret = cx.secret(&"test:x".parse().unwrap()).await.unwrap();
        Ok(pipeline_core::Inspection::Unknown {
            reason: format!("403 for {}", secret.expose()),
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_in_a_failed_plan_is_in_no_event() {
    for panics in [false, true] {
        let bench = Bench::new();
        let stage = Chatty { panics };
        let spec = StageSpec::new("only", stage.clone()).environment("prod");
        let pipeline = Pipeline::builder("p")
            .environment(Place::new("prod"))
            .stage(spec)
            .build()
            .unwrap();
        let runner = Runner::new(bench.journal.clone(), Arc::new(MemoryArtifacts::new())).secrets(stage);
        let runner = Arc::new(runner.clock(bench.clock.clone()));
        let run = runner.create(&pipeline, RunRequest::new(alice())).await.unwrap();
        let state = runner.drive(&pipeline, &run).await.unwrap();
        let reason = state.stages().next().unwrap().end().unwrap().reason();
        assert!(reason.contains("401 for ***"), "{reason}");
        for event in bench.journal.read_everything(0).await.unwrap() {
            assert!(!event.payload.to_json().unwrap().contains("hunter2"), "{event:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_an_environment_that_was_just_freed_is_decided_anew() {
    use pipeline_core::journal::{Batch, Expected};
    use pipeline_core::run::{Gates, Input};
    use pipeline_core::{Clock, Journal, NewEvent, Released, RunId, StreamId};
    let bench = Bench::new();
    let place = Place::new("prod");
    let pipeline = pipeline(&place, &Put::new("1.0.0"), false);
    let runner = bench.runner();
    let run = runner.create(&pipeline, RunRequest::new(alice())).await.unwrap();
    let prod = StreamId::environment(&place.descriptor.name);
    let other = RunId::new("other").unwrap();
    let locked = pipeline_core::Locked {
        run: other.clone(),
        stage: "x".try_into().unwrap(),
        token: 1,
    };
    let locked = NewEvent::engine(pipeline_core::EnvironmentEvent::from(locked));
    let now = bench.clock.now();
    let _ = bench
        .journal
        .append(Batch::new(now).event(&prod, Expected::At(0), locked))
        .await
        .unwrap();
    // This worker sees the lock, and decides to wait; meanwhile the lock is given back.
    let mut state = runner.load(&run).await.unwrap();
    let claim = Input::Claim {
        worker: "test".into(),
    };
    let waits = state.advance(&Gates::default(), &claim, now).unwrap();
    assert_eq!(state.status(), RunStatus::Waiting);
    let released = NewEvent::engine(pipeline_core::EnvironmentEvent::from(Released {
        run: other,
        token: 1,
    }));
    let _ = bench
        .journal
        .append(Batch::new(now).event(&prod, Expected::At(1), released))
        .await
        .unwrap();
    assert!(
        bench.journal.append(waits).await.is_err(),
        "it was decided on what is no longer so"
    );
    assert_eq!(
        runner.drive(&pipeline, &run).await.unwrap().status(),
        RunStatus::Succeeded
    );
}
