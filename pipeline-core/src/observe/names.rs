//! Names and values of the OpenTelemetry semantic conventions for CI/CD, and how a run maps to them.
//!
//! The names are those of version 1.44.0 of the conventions, where the group `cicd` is a release candidate and
//! `deployment.environment.name` and `error.type` are stable:
//! [attributes](https://opentelemetry.io/docs/specs/semconv/registry/attributes/cicd/),
//! [spans](https://opentelemetry.io/docs/specs/semconv/cicd/cicd-spans/).
//!
//! | here | there |
//! |---|---|
//! | pipeline, run | pipeline, pipeline run |
//! | stage, attempt | task, task run |
//! | worker | worker |
//!
//! | how an attempt ended | result | `error.type` |
//! |---|---|---|
//! | it succeeded, also without changing anything | `success` | |
//! | there was nothing to do | `skip` | |
//! | the stage said no | `failure` | `failed` |
//! | the stage could not tell | `error` | `errored` |
//! | nobody knows whether its effect happened | `error` | `unknown` |
//! | it was asked to stop, and did | `cancellation` | |
//!
//! ```
//! use pipeline_core::observe::names::{self, Ending};
//! use pipeline_core::{Failure, StageResult};
//!
//! let result = StageResult::Failed { failure: Failure::Errored, error: vec!["no network".into()] };
//! assert_eq!(Ending::of_attempt(&result), Ending { result: names::ERROR, error_type: Some(names::ERRORED) });
//! ```

use crate::{Failure, OutcomeStatus, RunOutcome, StageResult};

/// The version of the conventions.
pub const CONVENTIONS: &str = "1.44.0";
/// Where that version is described for programs.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";

/// The name of the pipeline.
pub const PIPELINE_NAME: &str = "cicd.pipeline.name";
/// What a pipeline run is for; always [`RUN`] here.
pub const PIPELINE_ACTION_NAME: &str = "cicd.pipeline.action.name";
/// The id of the run.
pub const PIPELINE_RUN_ID: &str = "cicd.pipeline.run.id";
/// Where the run is in its life: [`PENDING`] before a worker takes it, then [`EXECUTING`].
pub const PIPELINE_RUN_STATE: &str = "cicd.pipeline.run.state";
/// How the run ended.
pub const PIPELINE_RESULT: &str = "cicd.pipeline.result";
/// The name of the stage.
pub const TASK_NAME: &str = "cicd.pipeline.task.name";
/// Which attempt of which stage of which run: `RUN/STAGE/ATTEMPT`.
pub const TASK_RUN_ID: &str = "cicd.pipeline.task.run.id";
/// How the attempt ended.
pub const TASK_RUN_RESULT: &str = "cicd.pipeline.task.run.result";
/// The name of the worker that took the run.
pub const WORKER_NAME: &str = "cicd.worker.name";
/// The environment that the stage targets.
pub const ENVIRONMENT_NAME: &str = "deployment.environment.name";
/// The class of what went wrong.
pub const ERROR_TYPE: &str = "error.type";
/// The revision of the source that the run releases.
pub const HEAD_REVISION: &str = "vcs.ref.head.revision";

/// A result: it succeeded.
pub const SUCCESS: &str = "success";
/// A result: the work says no.
pub const FAILURE: &str = "failure";
/// A result: the work could not be done.
pub const ERROR: &str = "error";
/// A result: it took too long.
pub const TIMEOUT: &str = "timeout";
/// A result: somebody asked it to stop.
pub const CANCELLATION: &str = "cancellation";
/// A result: there was nothing to do.
pub const SKIP: &str = "skip";

/// The action of every run.
pub const RUN: &str = "RUN";
/// A state: nobody took the run yet.
pub const PENDING: &str = "pending";
/// A state: a worker has the run.
pub const EXECUTING: &str = "executing";

/// A class of error: the stage said no.
pub const FAILED: &str = "failed";
/// A class of error: the stage could not tell.
pub const ERRORED: &str = "errored";
/// A class of error: nobody knows whether the effect happened.
pub const UNKNOWN: &str = "unknown";
/// A class of error: a gate denied the stage.
pub const DENIED: &str = "denied";
/// A class of error: the worker went away during the attempt.
pub const INTERRUPTED: &str = "interrupted";
/// A class of error: any other.
pub const OTHER: &str = "_OTHER";

/// How something ended, in the words of the conventions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// The value of [`TASK_RUN_RESULT`] or [`PIPELINE_RESULT`].
    pub result: &'static str,
    /// The value of [`ERROR_TYPE`]; none when nothing went wrong.
    pub error_type: Option<&'static str>,
}

impl Ending {
    /// It went well.
    pub const SUCCESS: Self = Self::well(SUCCESS);
    /// It took too long.
    pub const TIMEOUT: Self = Self::badly(TIMEOUT, TIMEOUT);
    /// Nobody knows whether the effect happened.
    pub const UNKNOWN: Self = Self::badly(ERROR, UNKNOWN);
    /// The worker went away.
    pub const INTERRUPTED: Self = Self::badly(ERROR, INTERRUPTED);
    /// A gate denied it.
    pub const DENIED: Self = Self::badly(FAILURE, DENIED);

    const fn well(result: &'static str) -> Self {
        Self {
            result,
            error_type: None,
        }
    }

    const fn badly(result: &'static str, error_type: &'static str) -> Self {
        Self {
            result,
            error_type: Some(error_type),
        }
    }

    /// How an attempt ended. A result alone does not tell a timeout from another error: whoever knows the attempt's
    /// deadline does.
    pub fn of_attempt(result: &StageResult) -> Self {
        match result {
            StageResult::Completed { outcome } => match outcome.status {
                OutcomeStatus::Succeeded | OutcomeStatus::Unchanged => Self::SUCCESS,
                OutcomeStatus::Skipped => Self::well(SKIP),
                OutcomeStatus::Failed => Self::badly(FAILURE, FAILED),
            },
            StageResult::Failed { failure, .. } => match failure {
                Failure::Failed => Self::badly(FAILURE, FAILED),
                Failure::Errored => Self::badly(ERROR, ERRORED),
                Failure::Unknown => Self::UNKNOWN,
            },
            StageResult::Cancelled { .. } => Self::well(CANCELLATION),
        }
    }

    /// How a run ended; one that failed did so as the stage that made it fail, if that is known.
    pub fn of_run(outcome: RunOutcome, cause: Option<Self>) -> Self {
        match outcome {
            RunOutcome::Succeeded => Self::SUCCESS,
            RunOutcome::Cancelled => Self::well(CANCELLATION),
            RunOutcome::Failed => cause.unwrap_or(Self::badly(FAILURE, OTHER)),
        }
    }

    /// Whether something went wrong.
    pub fn is_error(&self) -> bool {
        self.error_type.is_some()
    }
}
