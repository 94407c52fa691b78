use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// How often a condition is looked at before a test gives up: about a minute.
const TRIES: u32 = 30_000;

/// The program under test: the example beside this test.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("target/PROFILE/deps/TEST");
    let program = profile
        .join("examples")
        .join(format!("release{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.is_file(),
        "{} is missing: build it with `cargo build -p pipeline-examples --example release`",
        program.display()
    );
    program
}

/// Whether there is time for the long form.
#[expect(
    clippy::disallowed_methods,
    reason = "how long a test may take is the caller's choice"
)]
pub fn long() -> bool {
    std::env::var_os("PIPELINE_LONG").is_some()
}

/// The folder with material of others; `None`, said aloud, where it is absent.
#[expect(
    clippy::disallowed_methods,
    reason = "where the fixtures are depends on the machine"
)]
pub fn fixtures() -> Option<PathBuf> {
    let fixtures = match std::env::var_os("PIPELINE_FIXTURES") {
        Some(fixtures) => PathBuf::from(fixtures),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"),
    };
    if fixtures.is_dir() {
        return Some(fixtures);
    }
    eprintln!(
        "SKIPPED: there is no {}; set PIPELINE_FIXTURES",
        fixtures.display()
    );
    None
}

/// Looks at a condition until it holds. The pause between two looks only spares the processor.
pub fn wait_for(what: &str, condition: impl FnMut() -> bool) {
    wait(what, TRIES, condition);
}

fn wait(what: &str, tries: u32, mut condition: impl FnMut() -> bool) {
    for _ in 0..tries {
        if condition() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(2));
    }
    panic!("waited in vain: {what}");
}

/// A directory of its own with a source, a store, and a place outside both that stages write to.
pub struct TestSpace {
    directory: TempDir,
    variables: Vec<(String, String)>,
    outputs: AtomicU32,
}

impl TestSpace {
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("release-e2e-").tempdir().unwrap();
        for name in ["source", "outside"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        Self {
            directory,
            variables: Vec::new(),
            outputs: AtomicU32::new(0),
        }
    }

    /// A source with an app that is checked by a stage of one's own, packaged, and deployed to both environments.
    pub fn to_production(check: &str) -> Self {
        let staging = deployment("staging", "package");
        let production = deployment("production", "verify-staging");
        Self::with_app(&[check, PACKAGE, &staging, &production].concat())
    }

    /// A source with an app to package, two environments, and stages of one's own after `PREAMBLE`.
    pub fn with_app(stages: &str) -> Self {
        let space = Self::new();
        space.write("app/VERSION", "1.0.0\n");
        space.write("app/health", "good\n");
        space.write("app/greeting.template", "hello from {{ name }}\n");
        space.write("config/staging.toml", "name = \"staging\"\n");
        space.write("config/production.toml", "name = \"production\"\n");
        space.write(
            "scripts/smoke.sh",
            "grep -qx good \"$PIPELINE_LOCATION/app/health\" || { echo \"health is bad\" >&2; exit 1; }\n",
        );
        space.define(stages);
        space
    }

    /// Writes `pipeline.toml`: the environments, then the stages. `OUTSIDE` stands for the place outside.
    pub fn define(&self, stages: &str) {
        self.define_as("pipeline.toml", stages);
    }

    pub fn define_as(&self, file: &str, stages: &str) {
        let stages = stages.replace("OUTSIDE", &self.outside().display().to_string());
        self.write(file, &format!("{PREAMBLE}{stages}"));
    }

    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    pub fn source(&self) -> PathBuf {
        self.root().join("source")
    }

    pub fn store(&self) -> PathBuf {
        self.root().join("store")
    }

    pub fn outside(&self) -> PathBuf {
        self.root().join("outside")
    }

    pub fn file(&self) -> String {
        self.source().join("pipeline.toml").display().to_string()
    }

    /// Writes a file of the source.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.source().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// What a stage wrote outside; empty if there is nothing.
    pub fn read_outside(&self, name: &str) -> String {
        fs::read_to_string(self.outside().join(name)).unwrap_or_default()
    }

    fn command(&self, store: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.arg("--store").arg(store).args(args);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.root());
        command
    }

    /// Starts the program and does not wait.
    pub fn start(&self, args: &[&str]) -> Process {
        self.start_in(&self.store(), args)
    }

    /// The same with another store.
    pub fn start_in(&self, store: &Path, args: &[&str]) -> Process {
        self.start_fed(store, args, Stdio::null())
    }

    fn start_fed(&self, store: &Path, args: &[&str], input: Stdio) -> Process {
        let number = self.outputs.fetch_add(1, Ordering::Relaxed);
        let out = self.root().join(format!("{number}.out"));
        let err = self.root().join(format!("{number}.err"));
        let mut command = self.command(store, args);
        command.stdin(input);
        command.stdout(File::create(&out).unwrap());
        command.stderr(File::create(&err).unwrap());
        Process {
            args: args.join(" "),
            child: command.spawn().unwrap(),
            out,
            err,
        }
    }

    /// Runs the program to its end.
    pub fn release(&self, args: &[&str]) -> Ran {
        self.start(args).end()
    }

    /// Runs the program to its end, with a text on its standard input.
    pub fn release_fed(&self, input: &str, args: &[&str]) -> Ran {
        let file = self.root().join("input");
        fs::write(&file, input).unwrap();
        let input = File::open(file).unwrap();
        self.start_fed(&self.store(), args, input.into()).end()
    }

    /// Runs the program with `--json`: one document on standard output and nothing else.
    pub fn json(&self, args: &[&str]) -> Said {
        Said::of(self.release(&[&["--json"], args].concat()))
    }

    /// Runs the pipeline, and expects this exit code.
    pub fn run(&self, exit: i32) -> Said {
        self.json(&["run", &self.file()]).expect(exit)
    }

    /// The events of the journal, as data; in its order.
    pub fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.journal()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.filter(|line: &Value| line.get("event").is_some()).collect()
    }

    pub fn journal(&self) -> PathBuf {
        self.store().join("journal/journal.jsonl")
    }

    /// How long the journal is; 0 before there is one.
    pub fn journal_length(&self) -> u64 {
        fs::metadata(self.journal()).map_or(0, |metadata| metadata.len())
    }

    /// What the link of an environment names.
    pub fn current(&self, environment: &str) -> Option<PathBuf> {
        fs::read_link(self.environment(environment).join("current")).ok()
    }

    pub fn environment(&self, name: &str) -> PathBuf {
        self.store().join("environments").join(name)
    }

    /// What is live in an environment: a file of it.
    pub fn live(&self, environment: &str, file: &str) -> String {
        fs::read_to_string(self.environment(environment).join("current").join(file)).unwrap()
    }

    /// The runs of the store, the newest first; none where there is no store yet.
    pub fn runs(&self) -> Vec<String> {
        if !self.journal().exists() {
            return Vec::new();
        }
        let status = self.json(&["status"]).expect(0);
        let runs = status.document["runs"].as_array().unwrap().iter();
        runs.map(|run| run["run"].as_str().unwrap().to_owned()).collect()
    }

    /// `verify` finds nothing.
    pub fn assert_verifies(&self) {
        let verified = self.release(&["verify"]);
        assert_eq!(verified.exit, 0, "{verified}");
    }

    /// In every environment's stream: one run has the lock at a time, and what happens happens under it.
    pub fn assert_exclusive(&self) {
        let mut holders = std::collections::BTreeMap::new();
        for event in self.events() {
            let envelope = &event["event"];
            let (stream, kind) = (text(&envelope["stream"]), text(&envelope["kind"]));
            if !stream.starts_with("environment/") {
                continue;
            }
            let run = text(&event["data"]["run"]);
            let holder: &mut Option<String> = holders.entry(stream.clone()).or_default();
            match kind.as_str() {
                "environment.locked" => {
                    assert_eq!(*holder, None, "{stream} was locked twice");
                    *holder = Some(run);
                }
                "environment.released" => assert_eq!(holder.take(), Some(run), "{stream} was released"),
                _ => assert_eq!(*holder, Some(run), "{kind} without the lock of {stream}"),
            }
        }
        for (stream, holder) in holders {
            assert_eq!(holder, None, "{stream} is still locked");
        }
    }

    /// Waits until no process is left that works in this space: those that a killed program left behind, too.
    pub fn wait_for_quiet(&self) {
        // A look at all processes takes longer than one at a file.
        wait(
            "processes that work in the test's directory end",
            TRIES / 20,
            || self.processes().is_empty(),
        );
    }

    /// The command lines of processes that name this space.
    pub fn processes(&self) -> Vec<String> {
        let root = self.root().display().to_string();
        let listed = Command::new("ps").args(["-A", "-o", "args="]).output();
        let listed = listed.expect("the tests need `ps`");
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        text.lines()
            .filter(|line| line.contains(&root))
            .map(str::to_owned)
            .collect()
    }
}

/// Two environments, beside each other below the store.
const PREAMBLE: &str = r#"[pipeline]
name = "shop"

[environments.staging]
type = "directory"
tier = "staging"
configuration = "config/staging.toml"
path = "staging"

[environments.production]
type = "directory"
tier = "production"
configuration = "config/production.toml"
path = "production"

"#;

/// Builds the artifact that the environments get.
pub const PACKAGE: &str = r#"
[stages.package]
type = "package"
name = "app"
path = "app"
version-file = "app/VERSION"
produces = ["app"]
"#;

/// A deployment to an environment, after a stage; then its verification.
pub fn deployment(environment: &str, after: &str) -> String {
    format!(
        r#"
[stages.deploy-{environment}]
type = "deploy"
environment = "{environment}"
needs = ["app"]
after = ["{after}"]

[stages.verify-{environment}]
type = "verify"
environment = "{environment}"
needs = ["app"]
after = ["deploy-{environment}"]
program = "sh"
args = ["scripts/smoke.sh"]
"#
    )
}

/// A process that runs.
pub struct Process {
    args: String,
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Process {
    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// What it has written to standard output so far.
    pub fn said_on_stdout(&self) -> String {
        fs::read_to_string(&self.out).unwrap()
    }

    /// What it has written to standard error so far.
    pub fn said_on_stderr(&self) -> String {
        fs::read_to_string(&self.err).unwrap()
    }

    /// Waits for its end, but not forever.
    pub fn end(mut self) -> Ran {
        let mut status: Option<ExitStatus> = None;
        for _ in 0..TRIES {
            status = self.child.try_wait().unwrap();
            if status.is_some() {
                break;
            }
            std::thread::park_timeout(Duration::from_millis(2));
        }
        let Some(status) = status else {
            self.kill();
            panic!("`release {}` does not end", self.args);
        };
        Ran {
            exit: status.code().unwrap_or(-1),
            stdout: fs::read_to_string(&self.out).unwrap(),
            stderr: fs::read_to_string(&self.err).unwrap(),
            args: std::mem::take(&mut self.args),
        }
    }

    /// Sends it a signal, such as `INT`, and nothing that the program started.
    pub fn signal(&self, name: &str) {
        let (name, id) = (format!("-{name}"), self.child.id().to_string());
        assert!(Command::new("kill").args([name, id]).status().unwrap().success());
    }

    /// `kill -9`, and nothing that the program started.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A test that failed leaves nothing running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that ended.
pub struct Ran {
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
    args: String,
}

impl Ran {
    #[track_caller]
    pub fn expect(self, exit: i32) -> Self {
        assert_eq!(self.exit, exit, "{self}");
        self
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = format!("`release {}` exited with {}\n", self.args, self.exit);
        let _ = write!(text, "--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr);
        f.write_str(&text)
    }
}

/// What a process said with `--json`.
pub struct Said {
    pub exit: i32,
    pub document: Value,
    pub stderr: String,
}

impl Said {
    #[track_caller]
    fn of(ran: Ran) -> Self {
        let parsed: Result<Value, _> = serde_json::from_str(&ran.stdout);
        let Ok(document) = parsed else {
            panic!("standard output is not one document: {ran}");
        };
        assert!(document.is_object(), "{ran}");
        assert_eq!(
            document["exit"], ran.exit,
            "the document tells another exit code: {ran}"
        );
        Self {
            exit: ran.exit,
            document,
            stderr: ran.stderr,
        }
    }

    #[track_caller]
    pub fn expect(self, exit: i32) -> Self {
        assert_eq!(self.exit, exit, "{self}");
        self
    }

    /// The run that it is about.
    pub fn run(&self) -> String {
        text(&self.document["run"])
    }

    /// The word for a stage's state.
    #[track_caller]
    pub fn state(&self, stage: &str) -> String {
        text(&self.stage(stage)["state"])
    }

    /// A stage of the run.
    #[track_caller]
    pub fn stage(&self, name: &str) -> &Value {
        let stages = self.document["stages"].as_array().unwrap();
        let found = stages.iter().find(|stage| stage["stage"] == name);
        found.unwrap_or_else(|| panic!("no stage `{name}` in {self}"))
    }

    /// The error of a refused request.
    #[track_caller]
    pub fn error(&self) -> String {
        text(&self.document["error"])
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "exit {}\n--- document\n{:#}\n--- stderr\n{}",
            self.exit, self.document, self.stderr
        )
    }
}

/// A value that is a text.
#[track_caller]
pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}

/// Every file below a directory, in order.
pub fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    files
}

/// The names in a directory; none where there is none.
pub fn names_in(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
