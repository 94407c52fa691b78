use std::collections::BTreeMap;
use std::time::Duration;

use pipeline_core::{Effect, SecretRef, SourcePath};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::process::{Program, VariableName, program_methods};

/// Runs a program; it succeeds when the program exits with 0.
///
/// ```toml
/// type = "command"
/// program = "make"
/// args = ["publish"]
/// directory = "site"                     # of the source; "." unless said otherwise
/// env = { SITE = "docs" }
/// inherit = ["HOME"]                     # variables of the worker's environment
/// secrets = { TOKEN = "env:DEPLOY_TOKEN" }
/// inputs = ["site"]                      # what it reads of the source; its directory unless said otherwise
/// success-codes = [0]
/// grace-seconds = 10
/// effect = "inspectable"                 # or "pure", "idempotent"; "at-most-once" unless said otherwise
/// inspect = { program = "make", args = ["is-published"] }
/// ```
///
/// # What may follow a crash
///
/// Nobody but the author knows what a program does, so `effect` is `at-most-once` unless the settings say
/// otherwise: when the worker is killed while the program runs, the run is parked until a person decides.
/// With `inspectable`, the program under `inspect` is run first, with the same environment: it exits with 0
/// when the effect happened and with 1 when it did not; anything else parks the run.
///
/// # The environment of the program
///
/// It is empty except for what is listed: `PATH` with [`DEFAULT_PATH`](crate::DEFAULT_PATH), then what
/// `inherit` names (what the worker does not have is left out), `env`, `secrets`, and the variables below; of
/// two with one name the later counts. So the same definition does the same on every worker.
///
/// | Variable | What it holds |
/// |---|---|
/// | `PIPELINE_RUN` | the run |
/// | `PIPELINE_STAGE` | the stage |
/// | `PIPELINE_COMPONENT` | what the pipeline releases |
/// | `PIPELINE_KEY` | the idempotency key: the same when a call is repeated |
/// | `PIPELINE_ATTEMPT` | which attempt, from 1 |
/// | `PIPELINE_ITEM` | the item, when the stage runs over a list: a text as it is, anything else as JSON |
/// | `PIPELINE_WORKER` | the process id of the worker |
/// | `PIPELINE_ARTIFACT_NAME` | for each needed artifact the digest; `NAME` in capitals, `-` and `.` as `_` |
/// | `PIPELINE_ENVIRONMENT` | the environment that the stage targets, if it does |
/// | `PIPELINE_FENCE` | orders the calls to it: `token.epoch` |
/// | `PIPELINE_LOCATION` | where what is live there is reached, if the environment tells |
///
/// A program is looked for in the `PATH` that it will have; a name with `/` is relative to `directory`. A run
/// without a source runs programs in an empty directory. Standard input is empty.
///
/// # Output and facts
///
/// Both streams are passed on line by line, secrets masked; a line without end in pieces of 8 KiB. A line
/// `::fact name=value` on standard output becomes a fact of the outcome, a text of at most 1 KiB, and a line
/// `::fact name:=value` one that is JSON, of at most 7 KiB: `::fact regions:=["eu", "us"]` is a list that a
/// later stage can run over (`each = { stage = "…", fact = "regions" }`). At most 64 are kept; of two with one name
/// the later counts. A malformed one is a warning.
///
/// # Processes
///
/// The program leads a process group. When the stage is asked to stop, the group gets `SIGTERM`, and
/// `SIGKILL` after the grace period. When the program ends, or the engine drops the stage, whatever is left
/// of the group is killed: nothing goes on in the background. A process that leaves the group (`setsid`)
/// is beyond it. On systems other than unix only the program itself is killed, without `SIGTERM`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case", deny_unknown_fields)]
pub struct Command {
    pub(super) program: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default = "SourcePath::root")]
    pub(super) directory: SourcePath,
    #[serde(default)]
    env: BTreeMap<VariableName, String>,
    #[serde(default)]
    inherit: Vec<VariableName>,
    #[serde(default)]
    secrets: BTreeMap<VariableName, SecretRef>,
    #[serde(default = "at_most_once")]
    pub(super) effect: Effect,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) inspect: Option<InspectProgram>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) inputs: Option<Vec<SourcePath>>,
    #[serde(default = "zero")]
    pub(super) success_codes: Vec<i32>,
    #[serde(default = "ten")]
    grace_seconds: u32,
}

/// The program that finds out whether the effect of a [`Command`] happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct InspectProgram {
    /// The program. It exits with 0 when the effect happened, with 1 when it did not.
    pub program: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
}

fn at_most_once() -> Effect {
    Effect::AtMostOnce
}

fn zero() -> Vec<i32> {
    vec![0]
}

fn ten() -> u32 {
    10
}

impl Command {
    /// Runs this program.
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            directory: SourcePath::root(),
            env: BTreeMap::new(),
            inherit: Vec::new(),
            secrets: BTreeMap::new(),
            effect: at_most_once(),
            inspect: None,
            inputs: None,
            success_codes: zero(),
            grace_seconds: ten(),
        }
    }

    program_methods!();

    /// It changes nothing outside, and equal inputs give equal outputs.
    #[must_use]
    pub fn pure(mut self) -> Self {
        (self.effect, self.inspect) = (Effect::Pure, None);
        self
    }

    /// Doing it twice is as good as once.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        (self.effect, self.inspect) = (Effect::Idempotent, None);
        self
    }

    /// This program finds out whether it happened.
    #[must_use]
    pub fn inspectable(mut self, by: InspectProgram) -> Self {
        (self.effect, self.inspect) = (Effect::Inspectable, Some(by));
        self
    }

    /// What it reads of the source. Without this, its directory.
    #[must_use]
    pub fn inputs(mut self, paths: impl IntoIterator<Item = SourcePath>) -> Self {
        self.inputs = Some(paths.into_iter().collect());
        self
    }

    /// The exit codes that mean success. Without this, 0.
    #[must_use]
    pub fn success_codes(mut self, codes: impl IntoIterator<Item = i32>) -> Self {
        self.success_codes = codes.into_iter().collect();
        self
    }

    pub(super) fn to_program(&self) -> Program<'_> {
        Program {
            program: &self.program,
            args: &self.args,
            directory: &self.directory,
            env: &self.env,
            inherit: &self.inherit,
            secrets: &self.secrets,
            grace: Duration::from_secs(self.grace_seconds.into()),
            limit: None,
            inspects: false,
            more: Vec::new(),
        }
    }

    fn check(&self) -> Result<(), &'static str> {
        match (self.effect, &self.inspect) {
            (Effect::Inspectable, None) => {
                Err("`effect = \"inspectable\"` needs a program under `inspect` that finds out")
            }
            (Effect::Inspectable, Some(_)) | (_, None) => Ok(()),
            (_, Some(_)) => Err("`inspect` is asked only with `effect = \"inspectable\"`"),
        }?;
        if self.success_codes.is_empty() {
            return Err("`success-codes` is empty: nothing would be a success");
        }
        Ok(())
    }
}

// `remote = "Self"` makes the derived code inherent functions, so that it can be followed by a check.
impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let command = Self::deserialize(deserializer)?;
        command.check().map_err(D::Error::custom)?;
        Ok(command)
    }
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}
