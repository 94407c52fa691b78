use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use pipeline_core::{SecretError, SourcePath};

use super::VariableName;

/// A program that could not be run, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// There is no such program.
    #[error("program `{program}` is not found in `{searched}`")]
    NotFound {
        /// The program, as the settings name it.
        program: String,
        /// Where it was looked for: a `PATH`, or the file that the name means.
        searched: String,
    },
    /// The directory does not exist.
    #[error("program `{program}` cannot run in `{}`", directory.display())]
    Directory {
        /// The program, as the settings name it.
        program: String,
        /// Where it was to run.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A directory of the source is named, and there is no source.
    #[error("program `{program}` cannot run in `{directory}`: this worker has no source for the run")]
    NoSource {
        /// The program, as the settings name it.
        program: String,
        /// Where it was to run.
        directory: SourcePath,
    },
    /// A secret for its environment cannot be had.
    #[error("program `{program}` cannot be given `{variable}`")]
    Secret {
        /// The program, as the settings name it.
        program: String,
        /// The variable that was to hold the secret.
        variable: VariableName,
        /// Why.
        source: SecretError,
    },
    /// The system does not start it.
    #[error("program `{program}` cannot be started")]
    Start {
        /// The program, as the settings name it.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// It was started, and nobody can tell how it ended.
    #[error("program `{program}` was lost sight of")]
    Lost {
        /// The program, as the settings name it.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// The stage was asked to stop before the program was started.
    #[error("program `{program}` was not started: {reason}")]
    NotStarted {
        /// The program, as the settings name it.
        program: String,
        /// Why the stage was asked.
        reason: Arc<str>,
    },
    /// The stage was asked to stop, so the program was stopped.
    #[error("program `{program}` was stopped: {reason}")]
    Stopped {
        /// The program, as the settings name it.
        program: String,
        /// Why the stage was asked.
        reason: Arc<str>,
    },
}

impl ProgramError {
    /// Whether the program may have done something before it went wrong.
    pub fn was_started(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::Stopped { .. })
    }
}
