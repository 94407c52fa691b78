//! Stages, gates and environments for a release pipeline: what most pipelines need, ready to be named in a
//! definition.
//!
//! The contracts are those of [`pipeline_core`]: a stage touches the world, a gate decides, an environment is
//! where releases go. Everything here is made of settings: it can be read from a definition with serde, or
//! built in code.
//!
//! ```
//! use std::sync::Arc;
//!
//! use pipeline_core::testing::{ManualClock, MemoryArtifacts, TestCall, services};
//! use pipeline_core::{NoSource, Stage};
//! use pipeline_stages::{Command, EnvironmentSecrets};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let stage = Command::new("sh").args(["-c", "echo ::fact tests=12"]).pure();
//!
//! // The engine makes the context; here it is made by hand.
//! let clock = ManualClock::at("2026-11-20T12:00:00Z");
//! let store = Arc::new(MemoryArtifacts::new());
//! let services = services(clock, store, Arc::new(NoSource), Arc::new(EnvironmentSecrets));
//! let outcome = stage.run(&TestCall::new("test").context(services)).await?;
//! assert!(outcome.is_success());
//! assert_eq!(outcome.facts["tests"], "12");
//! # Ok(())
//! # }
//! ```
//!
//! # What there is
//!
//! | Type | Name | Use it to |
//! |---|---|---|
//! | [`Command`] | stage `command` | run a program: build, test, publish, notify |
//! | [`Deploy`] | stage `deploy` | make artifacts live in an environment, as one release |
//! | [`VerifyDeployment`] | stage `verify` | check what is live with a program, and roll back when it is not good |
//! | [`ApprovalGate`] | gate `approval` | wait until enough persons agreed to exactly what would be done |
//! | [`DirectoryEnvironment`] | environment `directory` | run releases from a directory of one machine: a site, a test bed, a first try |
//! | [`EnvironmentSecrets`] | secrets `env:NAME` | hand a worker's own variables to programs, masked in all output |
//!
//! A deployment is two stages, so that what it changed is in the journal before anybody judges it:
//!
//! ```toml
//! [stage.deploy-staging]
//! type = "deploy"
//! environment = "staging"
//! needs = ["site"]
//! gates = [{ type = "approval", count = 1 }]
//!
//! [stage.verify-staging]
//! type = "verify"
//! environment = "staging"
//! after = ["deploy-staging"]
//! needs = ["site"]
//! program = "./smoke.sh"
//! attempts = 5
//! interval-seconds = 10
//! ```
//!
//! # What it does not do
//!
//! - It does not isolate programs: they run with the worker's rights, and a process that leaves its group is
//!   not followed. Containers and users are the host's.
//! - It does not start what it deploys. A service manager that watches `current`, or a `command` after the
//!   deployment, does.
//! - It does not mask what a program makes of a secret: encoded or split, it is shown.
//! - Processes are followed and directories switched as Unix does it. Elsewhere there is no
//!   `DirectoryEnvironment`, and only the program itself is stopped.
#![forbid(unsafe_code)]

mod approval;
mod command;
mod deployment;
#[cfg(unix)]
mod directory;
mod process;
mod secrets;

pub use approval::ApprovalGate;
pub use command::{Command, InspectProgram};
pub use deployment::{
    Deploy, DeployError, OnFailure, ReleaseError, RollbackError, VerifyDeployment, VerifyError,
};
#[cfg(unix)]
pub use directory::{DirectoryEnvironment, DirectorySettings};
pub use process::{DEFAULT_PATH, ProgramError, VariableName, VariableNameError};
pub use secrets::EnvironmentSecrets;

/// The examples of the README run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
