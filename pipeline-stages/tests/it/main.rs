//! Tests of the stages, gates and environments, with real processes and directories.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail as tests do"
)]

#[cfg(unix)]
mod command;
#[cfg(unix)]
mod conformance;
#[cfg(unix)]
mod deployment;
#[cfg(unix)]
mod directory;
#[cfg(unix)]
mod directory_model;
#[cfg(unix)]
mod processes;
#[cfg(unix)]
mod support;

mod approval;
