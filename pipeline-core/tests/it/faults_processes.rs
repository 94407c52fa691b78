//! Two processes on one store. They say what they are about to do on their standard output, so that a test can kill one
//! at a moment that it chooses.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pipeline_core::testing::MemoryArtifacts;
use pipeline_core::{
    Abilities, Actor, Batch, Checkpoint, Commit, Cursor, DecideRequest, DeployRequest, DeploymentReport,
    Digest, Effect, Environment, EnvironmentDescriptor, EnvironmentError, EnvironmentEvent, Event, Fence,
    FileJournal, FileLeases, IdempotencyKey, Inspect, Inspection, Journal, JournalExt, Observation, Outcome,
    Pipeline, Position, ReadError, Refusal, Release, RunError, RunId, RunRequest, RunState, RunStatus,
    Runner, Stage, StageContext, StageSpec, StageState, StreamId, SystemEntropy, Tier, verify_files,
};
use serde::Serialize;

const DIRECTORY: &str = "PIPELINE_TEST_STORE";
/// The stage that waits for a line of its standard input.
const ASKS: &str = "PIPELINE_TEST_ASKS";
const RUNS: [&str; 2] = ["a", "b"];
/// Whoever looks so often, and sees no end, has waited for long enough.
const MOST_ROUNDS: u32 = 500;

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It looks on, and helps.
    Parent,
    Child,
    /// A child that waits for a word in the middle of this stage.
    Asking(&'static str),
}

/// Says something to whoever started this process. Not through `print!`, which tests capture.
fn say(role: Role, text: &str) {
    if role == Role::Parent {
        return;
    }
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "> {text}").and_then(|()| out.flush());
}

/// A target that is a file: a line for everything that happens.
#[derive(Debug, Clone)]
struct Target(PathBuf);

impl Target {
    fn write(&self, line: &str) {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.0.join("log"))
            .unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.0.join("log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The effects of a stage: key and fence.
    fn effects(&self, stage: &str) -> Vec<(String, String)> {
        let lines = self.lines();
        let effects = lines.iter().filter_map(|line| {
            let mut words = line.strip_prefix("effect ")?.split(' ').map(str::to_owned);
            Some((words.next()?, words.next()?, words.next()?))
        });
        effects
            .filter(|(name, ..)| name == stage)
            .map(|(_, key, fence)| (key, fence))
            .collect()
    }

    fn happened(&self, stage: &str, key: &IdempotencyKey) -> bool {
        self.effects(stage).iter().any(|(its, _)| its == key.as_str())
    }

    /// Uses something exclusively; the system lets go of it when this process dies.
    async fn exclusive(&self, what: &str) -> File {
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(self.0.join(what))
            .unwrap();
        // The system takes a moment to close the files of a dead process, one after the other.
        for _ in 0..3 {
            if fs4::FileExt::try_lock(&file).is_ok() {
                return file;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.write(&format!("VIOLATION two at once in {what}"));
        file
    }
}

/// A stage with an effect on the target.
#[derive(Debug, Clone, Serialize)]
struct Step {
    effect: Effect,
    uses: Vec<&'static str>,
    #[serde(skip)]
    role: Role,
    #[serde(skip)]
    target: Target,
}

impl Step {
    fn outcome(cx: &StageContext) -> Outcome {
        let Some(target) = cx.target() else {
            return Outcome::succeeded();
        };
        Outcome::succeeded().deployment(DeploymentReport::Deployed {
            release: Release {
                component: "c".try_into().unwrap(),
                version: "1.0.0".parse().unwrap(),
                artifacts: Default::default(),
            },
            configuration: target.configuration.clone(),
        })
    }
}

impl Stage for Step {
    const TYPE: &'static str = "step";
    type Error = std::io::Error;

    fn effect(&self) -> Effect {
        self.effect
    }

    async fn run(&self, cx: &StageContext) -> Result<Outcome, std::io::Error> {
        let (stage, key) = (cx.stage(), cx.key());
        let mut used = Vec::new();
        for what in &self.uses {
            used.push(self.target.exclusive(what).await);
        }
        say(self.role, &format!("begins {stage}"));
        if matches!(self.role, Role::Asking(asking) if stage.as_str() == asking) {
            let answer = || std::io::stdin().lock().read_line(&mut String::new());
            let _ = tokio::task::spawn_blocking(answer).await;
        }
        let fence = cx.target().and_then(|target| target.fence);
        let fence = fence.map_or("-".to_owned(), |fence| {
            format!("{:06}.{:06}", fence.token, fence.epoch)
        });
        let effects = self.target.effects(stage.as_str());
        if effects.iter().any(|(_, highest)| *highest > fence) {
            self.target.write(&format!("VIOLATION {stage} comes late"));
        }
        // What is idempotent knows what it did; what is not would do it again.
        if self.effect != Effect::Idempotent || !self.target.happened(stage.as_str(), &key) {
            self.target.write(&format!("effect {stage} {key} {fence}"));
        }
        say(self.role, &format!("did {stage}"));
        tokio::time::sleep(Duration::from_millis(1)).await;
        drop(used);
        Ok(Self::outcome(cx))
    }

    fn abilities() -> Abilities<Self> {
        Abilities::new().inspect()
    }
}

impl Inspect for Step {
    async fn inspect(&self, cx: &StageContext) -> Result<Inspection, std::io::Error> {
        Ok(match self.target.happened(cx.stage().as_str(), &cx.key()) {
            true => Inspection::Happened(Box::new(Self::outcome(cx))),
            false => Inspection::DidNotHappen,
        })
    }
}

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

/// A journal that says when it is about to write, and when it has.
#[derive(Debug)]
struct Telling(FileJournal, Role);

#[async_trait]
impl Journal for Telling {
    async fn append(&self, batch: Batch) -> Result<Commit, pipeline_core::AppendError> {
        say(self.1, "appends");
        let result = self.0.append(batch).await;
        say(self.1, "appended");
        result
    }

    async fn read(&self, stream: &StreamId, after: Position, limit: usize) -> Result<Vec<Event>, ReadError> {
        self.0.read(stream, after, limit).await
    }

    async fn read_all(&self, after: Cursor, limit: usize) -> Result<Vec<Event>, ReadError> {
        self.0.read_all(after, limit).await
    }

    async fn checkpoint(&self) -> Result<Checkpoint, ReadError> {
        self.0.checkpoint().await
    }
}

/// What a process has: the store, the target, the pipeline.
struct Process {
    runner: Arc<Runner>,
    pipeline: Pipeline,
    target: Target,
}

impl Process {
    fn new(directory: &Path, role: Role) -> Self {
        let target = Target(directory.join("target"));
        fs::create_dir_all(&target.0).unwrap();
        let (journal, _) = FileJournal::open(directory.join("journal"), Arc::new(SystemEntropy)).unwrap();
        let runner = Runner::new(Arc::new(Telling(journal, role)), Arc::new(MemoryArtifacts::new()))
            .leases(FileLeases::new(directory.join("leases")));
        let step = |effect, uses: &[&'static str]| Step {
            effect,
            uses: uses.to_vec(),
            role,
            target: target.clone(),
        };
        let place = |name: &str| {
            Arc::new(Place(EnvironmentDescriptor {
                name: name.try_into().unwrap(),
                tier: Tier::Production,
                type_name: "place".try_into().unwrap(),
                settings: serde_json::Value::Null,
                configuration: None,
            }))
        };
        let ship = StageSpec::new("ship", step(Effect::Idempotent, &["prod"]));
        let pipeline = Pipeline::builder("p")
            .component("c")
            .environment(place("lab"))
            .environment(place("prod"))
            .pool("rig", 1)
            .stage(
                StageSpec::new("build", step(Effect::Pure, &["rig"]))
                    .environment("lab")
                    .pools(["rig"]),
            )
            .stage(
                StageSpec::new("probe", step(Effect::Inspectable, &["rig"]))
                    .after(["build"])
                    .pools(["rig"]),
            )
            .stage(ship.after(["probe"]).environment("prod"))
            .stage(StageSpec::new("pay", step(Effect::AtMostOnce, &[])).after(["ship"]))
            .build()
            .unwrap();
        Self {
            runner: Arc::new(runner),
            pipeline,
            target,
        }
    }

    async fn create(&self, run: &str) {
        let request = RunRequest {
            id: Some(RunId::new(run).unwrap()),
            // Both may deploy, in any order.
            rollback: true,
            ..RunRequest::new(bob())
        };
        self.runner.create(&self.pipeline, request).await.unwrap();
    }

    async fn drive(&self, run: &str) -> Result<RunState, RunError> {
        self.runner.drive(&self.pipeline, &RunId::new(run).unwrap()).await
    }

    /// Drives all runs until all have ended, whoever ends them.
    async fn work(&self) {
        let mut last = Vec::new();
        for _ in 0..MOST_ROUNDS {
            last.clear();
            for run in RUNS {
                match self.drive(run).await {
                    Ok(state) if state.finished().is_some() => continue,
                    Ok(state) => {
                        self.decide(&state).await;
                        let stages = state.stages().map(|stage| format!("{:?}", stage.state()));
                        last.push(format!("{run}: {:?}", stages.collect::<Vec<_>>()));
                    }
                    Err(RunError::Taken { .. }) => last.push(format!("{run} is taken")),
                    Err(error) => panic!("{run}: {error:?}"),
                }
            }
            if last.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("deadlock: {last:#?}");
    }

    /// A person looks at the target.
    async fn decide(&self, state: &RunState) {
        for stage in state.stages() {
            let StageState::Unknown { attempt, .. } = stage.state() else {
                continue;
            };
            let name = stage.planned().name.clone();
            let key = IdempotencyKey::new(state.id(), &name, attempt.generation);
            let request = DecideRequest {
                happened: self.target.happened(name.as_str(), &key),
                stage: name,
                by: bob(),
                comment: String::new(),
            };
            match self.runner.decide(state.id(), request).await {
                // Somebody else did.
                Ok(_) | Err(RunError::Refused(Refusal::NothingToDecide { .. })) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

fn bob() -> Actor {
    Actor::person("bob").unwrap()
}

/// Not a test of its own: what each process does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the tests below"]
#[expect(clippy::disallowed_methods, reason = "the parent says so where the store is")]
async fn worker_child() {
    let Ok(directory) = std::env::var(DIRECTORY) else {
        return;
    };
    let role = match std::env::var(ASKS).as_deref() {
        Ok("probe") => Role::Asking("probe"),
        Ok(_) => Role::Asking("ship"),
        Err(_) => Role::Child,
    };
    Process::new(directory.as_ref(), role).work().await;
}

struct Worker {
    child: Child,
    said: std::io::Lines<BufReader<ChildStdout>>,
    answers: ChildStdin,
}

impl Worker {
    fn start(directory: &Path, asks: Option<&str>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--ignored", "--exact", "faults_processes::worker_child"])
            .env(DIRECTORY, directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(stage) = asks {
            command.env(ASKS, stage);
        }
        let mut child = command.spawn().unwrap();
        Self {
            said: BufReader::new(child.stdout.take().unwrap()).lines(),
            answers: child.stdin.take().unwrap(),
            child,
        }
    }

    /// The next thing that it says; `None` when it has ended.
    fn hear(&mut self) -> Option<String> {
        let mut lines = self.said.by_ref().map(Result::unwrap);
        // The test harness writes on the same line.
        lines.find_map(|line| Some(line.split_once("> ")?.1.to_owned()))
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn end(mut self) {
        while self.hear().is_some() {}
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

/// What must be true when both runs have ended.
async fn check(directory: &Path, case: &str) {
    let process = Process::new(directory, Role::Parent);
    let lines = process.target.lines();
    assert!(
        !lines.iter().any(|line| line.starts_with("VIOLATION")),
        "{case}: {lines:?}"
    );
    for run in RUNS {
        let state = process.runner.load(&RunId::new(run).unwrap()).await.unwrap();
        assert_eq!(state.status(), RunStatus::Succeeded, "{case}: {run}");
        for (name, environment) in state.environments() {
            assert_eq!(environment.lock, None, "{case}: {name}");
        }
        for (name, pool) in state.pools() {
            assert!(pool.slots.is_empty(), "{case}: {name}");
        }
    }
    for stage in ["probe", "ship", "pay"] {
        let effects = process.target.effects(stage);
        let mut runs: Vec<_> = effects
            .iter()
            .filter_map(|(key, _)| key.split('/').next())
            .collect();
        runs.sort_unstable();
        assert_eq!(runs, RUNS, "{case}: {stage}: {effects:?}");
    }
    let events = process.runner.journal().read_everything(0).await.unwrap();
    let deployed =
        events.iter().filter_map(
            |event| match event.read::<EnvironmentEvent>().unwrap().as_deref() {
                Some(EnvironmentEvent::Deployed(deployed)) if deployed.stage.as_str() == "ship" => {
                    Some(deployed.run.to_string())
                }
                _ => None,
            },
        );
    let mut deployed: Vec<_> = deployed.collect();
    deployed.sort();
    assert_eq!(deployed, RUNS, "{case}: recorded deployments");
    let report = verify_files(&directory.join("journal"), None);
    assert!(report.is_clean(), "{case}: {report}");
}

async fn store() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::new(directory.path(), Role::Parent);
    for run in RUNS {
        process.create(run).await;
    }
    directory
}

#[tokio::test]
async fn two_processes_share_runs_an_environment_and_a_pool() {
    let directory = store().await;
    let workers = [(); 2].map(|()| Worker::start(directory.path(), None));
    for worker in workers {
        worker.end();
    }
    check(directory.path(), "two").await;
}

/// One holds lease, lock and slot, and lives: the other is refused. It dies: the other goes on.
#[tokio::test]
async fn a_dead_process_leaves_its_lease_lock_and_slot_to_the_next() {
    // The one holds the slot when it dies, the other the environment; run `b` wants the same.
    for (holds, wants) in [("probe", "build"), ("ship", "ship")] {
        let directory = store().await;
        let mut worker = Worker::start(directory.path(), Some(holds));
        while worker.hear().unwrap() != format!("begins {holds}") {}
        let process = Process::new(directory.path(), Role::Parent);
        let refused = process.drive("a").await;
        assert!(matches!(refused, Err(RunError::Taken { .. })), "{refused:?}");
        let other = process.drive("b").await.unwrap();
        assert_eq!(other.finished(), None);
        let effects = process.target.effects(wants);
        assert!(
            !effects.iter().any(|(key, _)| key.starts_with("b/")),
            "{wants}: {effects:?}"
        );
        worker.kill();
        process.work().await;
        check(directory.path(), &format!("killed in {holds}")).await;
    }
}

/// One that waits in the middle of a deployment, and lives, ends it itself.
#[tokio::test]
async fn one_run_is_driven_by_one_process() {
    let directory = store().await;
    let mut worker = Worker::start(directory.path(), Some("ship"));
    while worker.hear().unwrap() != "begins ship" {}
    let process = Process::new(directory.path(), Role::Parent);
    for _ in 0..20 {
        let refused = process.drive("a").await;
        assert!(matches!(refused, Err(RunError::Taken { .. })), "{refused:?}");
    }
    worker.answers.write_all(b"go on\ngo on\n").unwrap();
    process.work().await;
    worker.end();
    check(directory.path(), "one driver").await;
}

#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "whoever starts the tests says how long they may take"
)]
async fn one_of_two_processes_is_killed_at_any_moment() {
    let (rounds, step) = match std::env::var("PIPELINE_LONG") {
        Ok(_) => (200, 1),
        Err(_) => (8, 11),
    };
    let mut kills = 0;
    for round in 0..rounds {
        let moment = (round * step) % 61;
        let directory = store().await;
        let mut victim = Worker::start(directory.path(), None);
        let other = Worker::start(directory.path(), None);
        let heard = (0..moment).map_while(|_| victim.hear()).count();
        kills += usize::from(heard == moment);
        victim.kill();
        other.end();
        check(directory.path(), &format!("killed after {moment} words")).await;
    }
    assert!(kills > rounds / 4, "{kills} of {rounds} were alive");
}
