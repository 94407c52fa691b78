use std::any::Any;
use std::fmt;
use std::process::ExitCode;

use pipeline_core::{
    ActorParseError, ChainDisplay, DefinitionError, DigestParseError, NameError, PipelineError, RunError,
    RunStatus,
};
use pipeline_metrics::{CalendarError, CsvError, LogError, ReadGitError, SourceError, WindowError};
use serde_json::{Value, json};

/// How the program ends. Scripts rely on these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It was done.
    Succeeded = 0,
    /// The run failed or was cancelled, or something in the store is wrong.
    Failed = 1,
    /// The input is bad, or the request is refused.
    BadInput = 2,
    /// The run waits for an approval, a time, another run.
    Waiting = 3,
    /// It is not known whether an effect happened: a person has to decide.
    NeedsDecision = 4,
}

impl Exit {
    /// The one that a script must hear of: a decision before a failure before a wait.
    pub fn worst(self, other: Self) -> Self {
        let weight = |exit: Self| match exit {
            Self::Succeeded => 0,
            Self::Waiting => 1,
            Self::BadInput => 2,
            Self::Failed => 3,
            Self::NeedsDecision => 4,
        };
        if weight(other) > weight(self) { other } else { self }
    }
}

impl From<RunStatus> for Exit {
    fn from(status: RunStatus) -> Self {
        match status {
            RunStatus::Succeeded => Self::Succeeded,
            RunStatus::Failed | RunStatus::Cancelled => Self::Failed,
            RunStatus::Running | RunStatus::Waiting => Self::Waiting,
            RunStatus::NeedsDecision | RunStatus::Parked => Self::NeedsDecision,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What a command answers: the same thing for a person and for a program.
#[derive(Debug)]
pub struct Answer {
    /// How the program ends.
    pub exit: Exit,
    /// For a program; an object.
    pub data: Value,
    /// For a person; nothing when everything was said already.
    pub text: String,
    /// Whether everything was said already, to a program as to a person.
    pub is_said: bool,
}

impl Answer {
    /// An answer.
    pub fn new(exit: Exit, data: Value, text: impl Into<String>) -> Self {
        Self {
            exit,
            data,
            text: text.into(),
            is_said: false,
        }
    }
}

impl Answer {
    /// The answer of a command that has printed what it had to say.
    pub fn silent() -> Self {
        Self::new(Exit::Succeeded, json!({}), "")
    }

    /// The answer of a command that has said everything, too long to be held: also the document of `--json`.
    pub fn said() -> Self {
        Self {
            is_said: true,
            ..Self::silent()
        }
    }
}

/// Why a command has no answer.
#[derive(Debug)]
pub struct Problem {
    /// How the program ends.
    pub exit: Exit,
    text: String,
}

impl Problem {
    /// The caller's mistake.
    pub fn input(text: impl Into<String>) -> Self {
        Self {
            exit: Exit::BadInput,
            text: text.into(),
        }
    }

    /// Something is wrong that asking otherwise does not mend.
    pub fn failure(text: impl Into<String>) -> Self {
        Self {
            exit: Exit::Failed,
            text: text.into(),
        }
    }

    /// The same problem as an answer.
    pub fn answer(self) -> Answer {
        Answer::new(
            self.exit,
            json!({ "error": self.text }),
            format!("error: {}", self.text),
        )
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Any error of the crates: what it says, and what caused it. What the caller can mend by asking otherwise is bad
/// input; the rest is a failure.
impl<E: std::error::Error + 'static> From<E> for Problem {
    fn from(error: E) -> Self {
        let exit = if is_input(&error) {
            Exit::BadInput
        } else {
            Exit::Failed
        };
        Self {
            exit,
            text: ChainDisplay(&error).to_string(),
        }
    }
}

fn is_input(error: &dyn Any) -> bool {
    let refused = matches!(
        error.downcast_ref::<RunError>(),
        Some(
            RunError::Refused(_)
                | RunError::Load { .. }
                | RunError::OtherPipeline { .. }
                | RunError::NotAgain { .. }
                | RunError::Taken { .. }
        )
    );
    refused
        || error.is::<DefinitionError>()
        || error.is::<PipelineError>()
        || error.is::<NameError>()
        || error.is::<ActorParseError>()
        || error.is::<DigestParseError>()
        || error.is::<LogError>()
        || error.is::<SourceError>()
        || error.is::<CsvError>()
        || error.is::<ReadGitError>()
        || error.is::<CalendarError>()
        || error.is::<WindowError>()
        || error.is::<jiff::Error>()
}
