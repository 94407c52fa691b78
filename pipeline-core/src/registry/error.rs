use std::error::Error;
use std::fmt;

use super::SettingPath;

/// What a [`Registry`](super::Registry) builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TypeKind {
    /// A stage.
    Stage,
    /// A gate.
    Gate,
    /// An environment.
    Environment,
}

impl fmt::Display for TypeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stage => "stage",
            Self::Gate => "gate",
            Self::Environment => "environment",
        })
    }
}

/// One reason why something could not be built from its settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildProblem {
    /// Nothing is registered under the name.
    #[error("no {kind} type `{name}` is registered")]
    UnknownType {
        /// What was to be built.
        kind: TypeKind,
        /// The name of the type.
        name: String,
        /// The registered name that is most like it.
        nearest: Option<String>,
        /// All registered names, sorted.
        known: Vec<String>,
    },
    /// A setting is missing or has a value that the type does not take.
    #[error("{}: {message}", subject(path))]
    DoesNotFit {
        /// Where it is; the table when something is missing in it.
        path: SettingPath,
        /// What is wrong with it.
        message: String,
    },
    /// A setting that the type does not know.
    #[error("nobody reads setting `{path}`")]
    Unread {
        /// Where it is.
        path: SettingPath,
        /// The settings that are known there, as far as the type tells.
        known: Vec<String>,
        /// The one that is most like it.
        nearest: Option<String>,
    },
    /// The settings could be read, and the builder refuses them.
    #[error("type `{type_name}` refuses its settings")]
    Refused {
        /// The type.
        type_name: String,
        /// What the builder says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl BuildProblem {
    /// The setting that is wrong; the root when it is all of them, or the type.
    pub fn path(&self) -> SettingPath {
        match self {
            Self::DoesNotFit { path, .. } | Self::Unread { path, .. } => path.clone(),
            Self::UnknownType { .. } => SettingPath::root().key("type"),
            Self::Refused { .. } => SettingPath::root(),
        }
    }

    /// What may help.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownType {
                nearest: Some(nearest),
                ..
            }
            | Self::Unread {
                nearest: Some(nearest),
                ..
            } => Some(format!("did you mean `{nearest}`?")),
            Self::UnknownType { kind, known, .. } if known.is_empty() => {
                Some(format!("no {kind} types are registered at all"))
            }
            Self::UnknownType { known, .. } => Some(format!("registered are {}", quoted(known))),
            Self::Unread { known, .. } if !known.is_empty() => Some(format!("known are {}", quoted(known))),
            _ => None,
        }
    }
}

fn subject(path: &SettingPath) -> String {
    if path.is_root() {
        "the settings do not fit".to_owned()
    } else {
        format!("setting `{path}` does not fit")
    }
}

/// Names in backticks, with commas between them.
fn quoted(names: &[impl AsRef<str>]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    quoted.join(", ")
}

/// An error with its causes, in one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Why something could not be built from its settings: all that is wrong with them, as far as it can be told
/// at once.
#[derive(Debug, thiserror::Error)]
#[error("{kind} type `{type_name}` cannot be built: {}", joined(problems))]
pub struct BuildError {
    /// What was to be built.
    pub kind: TypeKind,
    /// Its type.
    pub type_name: String,
    /// What is wrong, never empty.
    pub problems: Vec<BuildProblem>,
}

impl BuildError {
    /// The same error for settings that are part of larger ones: the paths start at `outer`.
    #[must_use]
    pub fn within(mut self, outer: &SettingPath) -> Self {
        for problem in &mut self.problems {
            if let BuildProblem::DoesNotFit { path, .. } | BuildProblem::Unread { path, .. } = problem {
                *path = outer.clone().join(path);
            }
        }
        self
    }
}

fn joined(problems: &[BuildProblem]) -> String {
    let texts: Vec<_> = problems.iter().map(|problem| with_causes(problem)).collect();
    texts.join("; ")
}
