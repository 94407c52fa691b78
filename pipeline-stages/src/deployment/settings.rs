use std::collections::BTreeMap;
use std::time::Duration;

use pipeline_core::{ArtifactName, SecretRef, SourcePath};
use serde::{Deserialize, Serialize};

use crate::process::{Program, VariableName, program_methods};

/// Checks what is live with a program, and goes back to what was verified last when the check says no.
///
/// ```toml
/// [stage.verify-staging]
/// type = "verify"
/// environment = "staging"
/// needs = ["app"]                   # as the deployment; without it, what the journal says is live
/// program = "./smoke.sh"
/// args = ["--fast"]
/// attempts = 5                      # 1 unless said otherwise
/// interval-seconds = 10             # between two attempts
/// attempt-seconds = 60              # how long one may take; 300 unless said otherwise
/// on-failure = "rollback"           # or "keep"
/// ```
///
/// `version-of` is that of [`Deploy`](crate::Deploy). `directory`, `env`, `inherit`, `secrets` and
/// `grace-seconds` are those of [`Command`](crate::Command), and so is the environment of the program, with
/// `PIPELINE_RELEASE`, the digest of what is verified, besides; `PIPELINE_LOCATION` says where it is.
///
/// # What it does
///
/// 1. It asks the environment what is live. Anything but the expected release with its configuration, as it
///    was deployed, is an error, and nothing is touched: whatever is there, this run did not put it there.
/// 2. It runs the program until it exits with 0, `attempts` times at most. An attempt that takes too long
///    has failed. A program that cannot be run at all is an error and says nothing about the release.
/// 3. When the program said yes, it looks again at what is live, reports it as verified, and retires the
///    release that was verified before.
/// 4. When it said no, the stage fails, and with `rollback` the release that was verified last is deployed
///    first, with the configuration that it had then. If nothing was verified before, or just this, it
///    stays. A rollback that does not work out is an error that says so; it starts no other.
///
/// It is idempotent. An attempt after a first one that finds the environment rolled back reports that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VerifyDeployment {
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
    #[serde(default = "ten")]
    grace_seconds: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version_of: Option<ArtifactName>,
    #[serde(default = "one")]
    pub(super) attempts: u32,
    #[serde(default)]
    pub(super) interval_seconds: u32,
    #[serde(default = "five_minutes")]
    attempt_seconds: u32,
    #[serde(default)]
    pub(super) on_failure: OnFailure,
}

/// What follows a check that says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// What was verified last is deployed again.
    #[default]
    Rollback,
    /// What is live stays, for a person to look at.
    Keep,
}

fn ten() -> u32 {
    10
}

fn one() -> u32 {
    1
}

fn five_minutes() -> u32 {
    300
}

impl VerifyDeployment {
    /// Checks with this program, once.
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            directory: SourcePath::root(),
            env: BTreeMap::new(),
            inherit: Vec::new(),
            secrets: BTreeMap::new(),
            grace_seconds: ten(),
            version_of: None,
            attempts: one(),
            interval_seconds: 0,
            attempt_seconds: five_minutes(),
            on_failure: OnFailure::default(),
        }
    }

    program_methods!();

    /// Tries this often, with this many seconds between.
    #[must_use]
    pub fn attempts(mut self, attempts: u32, interval_seconds: u32) -> Self {
        (self.attempts, self.interval_seconds) = (attempts, interval_seconds);
        self
    }

    /// An attempt may take this many seconds.
    #[must_use]
    pub fn attempt_seconds(mut self, seconds: u32) -> Self {
        self.attempt_seconds = seconds;
        self
    }

    /// Which artifact gives the release its version.
    #[must_use]
    pub fn version_of(mut self, artifact: ArtifactName) -> Self {
        self.version_of = Some(artifact);
        self
    }

    /// What follows when the check says no.
    #[must_use]
    pub fn on_failure(mut self, what: OnFailure) -> Self {
        self.on_failure = what;
        self
    }

    pub(super) fn to_program(&self, release: String) -> Program<'_> {
        Program {
            program: &self.program,
            args: &self.args,
            directory: &self.directory,
            env: &self.env,
            inherit: &self.inherit,
            secrets: &self.secrets,
            grace: Duration::from_secs(self.grace_seconds.into()),
            limit: Some(Duration::from_secs(self.attempt_seconds.into())),
            inspects: false,
            more: vec![("RELEASE".to_owned(), release)],
        }
    }
}
