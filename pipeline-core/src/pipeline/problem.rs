use std::fmt;

use serde_json::Number;

use crate::registry::{SettingPath, with_causes};
use crate::{BuildError, NameError, SignedDuration, TypeKind};

/// One thing that is wrong with a pipeline.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A text that is no name.
    #[error(transparent)]
    BadName(#[from] NameError),
    /// There is nothing to do.
    #[error("the pipeline has no stages")]
    NoStages,
    /// There is too much to do.
    #[error("the pipeline has {count} stages, which is more than 2^32 - 1")]
    TooManyStages {
        /// How many.
        count: usize,
    },
    /// Two stages with one name.
    #[error("there are two stages `{stage}`")]
    DuplicateStage {
        /// The name.
        stage: String,
    },
    /// Two environments with one name.
    #[error("there are two environments `{environment}`")]
    DuplicateEnvironment {
        /// The name.
        environment: String,
    },
    /// The settings of a stage or a gate have no JSON form.
    #[error("{kind} type `{type_name}` of stage `{stage}` cannot be written as JSON: {message}")]
    Settings {
        /// The stage.
        stage: String,
        /// Whether it is the stage or one of its gates.
        kind: TypeKind,
        /// The type.
        type_name: String,
        /// Why not.
        message: String,
    },
    /// A number that would be another one when it is read back.
    #[error("{number} in setting `{setting}` of {kind} `{name}` is beyond 2^53, and JSON would change it")]
    InexactNumber {
        /// Whether it is a stage or an environment; gates count as their stage.
        kind: TypeKind,
        /// The name of the stage or environment.
        name: String,
        /// The setting.
        setting: SettingPath,
        /// The number.
        number: Number,
    },
    /// A stage that waits for a stage that does not exist.
    #[error("stage `{stage}` comes after `{after}`, which does not exist")]
    UnknownStage {
        /// The stage that waits.
        stage: String,
        /// What it waits for.
        after: String,
        /// The stage whose name is most like it.
        nearest: Option<String>,
    },
    /// A stage that needs what nobody produces.
    #[error("stage `{stage}` needs artifact `{artifact}`, which no stage produces")]
    UnknownArtifact {
        /// The stage.
        stage: String,
        /// The artifact.
        artifact: String,
        /// The artifact whose name is most like it.
        nearest: Option<String>,
    },
    /// A stage that targets an environment that does not exist.
    #[error("stage `{stage}` targets environment `{environment}`, which does not exist")]
    UnknownEnvironment {
        /// The stage.
        stage: String,
        /// The environment.
        environment: String,
        /// The environment whose name is most like it.
        nearest: Option<String>,
    },
    /// A stage that waits for itself.
    #[error("stage `{stage}` comes after itself")]
    AfterItself {
        /// The stage.
        stage: String,
    },
    /// A stage that needs what it produces.
    #[error("stage `{stage}` needs artifact `{artifact}`, which it produces itself")]
    NeedsItself {
        /// The stage.
        stage: String,
        /// The artifact.
        artifact: String,
    },
    /// Two stages that produce one artifact.
    #[error("stages `{first}` and `{second}` both produce artifact `{artifact}`")]
    TwoProducers {
        /// The artifact.
        artifact: String,
        /// One producer.
        first: String,
        /// The other.
        second: String,
    },
    /// A stage that produces an artifact twice.
    #[error("stage `{stage}` produces artifact `{artifact}` twice")]
    RepeatedProduct {
        /// The stage.
        stage: String,
        /// The artifact.
        artifact: String,
    },
    /// Stages that wait for each other.
    #[error("stages wait for each other: {}", Circle(stages))]
    Cycle {
        /// The stages; each waits for the next, and the last for the first.
        stages: Vec<String>,
    },
    /// A stage that says its effect can be inspected, and cannot inspect it.
    #[error("stage `{stage}` is inspectable, but type `{type_name}` cannot inspect")]
    CannotInspect {
        /// The stage.
        stage: String,
        /// Its type.
        type_name: String,
    },
    /// A time limit that no attempt can keep.
    #[error("stage `{stage}` has a timeout of {timeout:#}")]
    BadTimeout {
        /// The stage.
        stage: String,
        /// The limit.
        timeout: SignedDuration,
    },
    /// A pool that has nothing to give.
    #[error("pool `{pool}` has no slots")]
    EmptyPool {
        /// The pool.
        pool: String,
    },
    /// A stage that takes a slot of a pool that does not exist.
    #[error("stage `{stage}` uses pool `{pool}`, which does not exist")]
    UnknownPool {
        /// The stage.
        stage: String,
        /// The pool.
        pool: String,
        /// The pool whose name is most like it.
        nearest: Option<String>,
    },
    /// A limit under which nothing could ever run.
    #[error("the limit `{limit}` of the pipeline is 0")]
    ZeroLimit {
        /// The limit.
        limit: &'static str,
    },
    /// A retry policy that makes no sense.
    #[error("stage `{stage}` cannot be retried so: {reason}")]
    BadRetry {
        /// The stage.
        stage: String,
        /// Why not.
        reason: &'static str,
    },
    /// A stage that runs over a list, and cannot.
    #[error("stage `{stage}` cannot run over a list: {reason}")]
    BadEach {
        /// The stage.
        stage: String,
        /// Why not.
        reason: String,
    },
    /// What the parts of a pipeline are together is no plan.
    #[error(transparent)]
    Unsound(#[from] crate::run::UnsoundPlan),
    /// A stored plan in a form that this program does not know.
    #[error("the plan has format {format}, this program reads format 1")]
    UnknownFormat {
        /// The form.
        format: u32,
    },
    /// A stored plan that needs a type in a version that this program does not have.
    #[error("stage `{stage}` needs {kind} type {type_name}@{version}, this program has {}", Has(type_name, *has))]
    WrongVersion {
        /// The stage.
        stage: String,
        /// Whether it is the stage or one of its gates.
        kind: TypeKind,
        /// The type.
        type_name: String,
        /// The version that the plan was made with.
        version: u32,
        /// The version that is registered.
        has: Option<u32>,
    },
    /// A stage, gate or environment that cannot be built from what is stored.
    #[error("cannot build {kind} `{name}` of the plan")]
    CannotBuild {
        /// Whether it is a stage or an environment; gates count as their stage.
        kind: TypeKind,
        /// The name of the stage or environment.
        name: String,
        /// Why not.
        #[source]
        source: BuildError,
    },
}

/// How many stages of a cycle are shown at most.
const SHOWN: usize = 12;

struct Circle<'a>(&'a [String]);

impl fmt::Display for Circle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for stage in self.0.iter().take(SHOWN) {
            write!(f, "`{stage}` → ")?;
        }
        if self.0.len() > SHOWN {
            write!(f, "… {} more … → ", self.0.len() - SHOWN)?;
        }
        write!(f, "`{}`", self.0.first().map_or("", String::as_str))
    }
}

struct Has<'a>(&'a str, Option<u32>);

impl fmt::Display for Has<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(version) => write!(f, "{}@{version}", self.0),
            None => f.write_str("none"),
        }
    }
}

impl Problem {
    /// What may help.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownStage { nearest, .. }
            | Self::UnknownArtifact { nearest, .. }
            | Self::UnknownPool { nearest, .. }
            | Self::UnknownEnvironment { nearest, .. } => nearest
                .as_ref()
                .map(|nearest| format!("did you mean `{nearest}`?")),
            Self::EmptyPool { .. } => Some("give it a capacity of 1 or more".to_owned()),
            Self::ZeroLimit { .. } => Some("leave it out if nothing is to be limited".to_owned()),
            Self::InexactNumber { .. } => Some("write it as a text".to_owned()),
            Self::TwoProducers { .. } => Some("give one of the artifacts another name".to_owned()),
            Self::Cycle { .. } => {
                Some("each of them waits for the next; let one of them not wait".to_owned())
            }
            Self::CannotInspect { .. } => {
                Some("name the ability in `Stage::abilities`, or choose another effect".to_owned())
            }
            Self::BadTimeout { .. } => Some("a timeout is longer than nothing".to_owned()),
            Self::WrongVersion { .. } => {
                Some("resume with the program that made the plan, or start a new run".to_owned())
            }
            Self::CannotBuild { source, .. } => source.problems.iter().find_map(crate::BuildProblem::hint),
            _ => None,
        }
    }
}

/// A pipeline that cannot be: all that is wrong with it, in a fixed order.
#[derive(Debug, thiserror::Error)]
#[error("the pipeline cannot be built:{}", Lines(problems))]
pub struct PipelineError {
    /// What is wrong, never empty.
    pub problems: Vec<Problem>,
}

struct Lines<'a>(&'a [Problem]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in self.0 {
            write!(f, "\n- {}", with_causes(problem))?;
            if let Some(hint) = problem.hint() {
                write!(f, "\n  hint: {hint}")?;
            }
        }
        Ok(())
    }
}
