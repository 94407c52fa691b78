use std::fmt::{self, Debug};
use std::future::Future;

use serde::{Deserialize, Serialize};

use super::{Abilities, Outcome, StageContext};
use crate::SourcePath;

/// What may follow when a stage was started and nobody knows how it ended: the worker was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It changes nothing outside its outputs, and equal inputs give equal outputs. It may be repeated, and
    /// its old outcome may be reused instead of running it.
    Pure,
    /// Doing it twice is as good as once. It may be repeated.
    Idempotent,
    /// Whether it happened can be found out. It is asked first, through [`Inspect`](super::Inspect).
    Inspectable,
    /// Nobody can tell, and twice would be wrong. The run is parked until a person decides.
    AtMostOnce,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pure => "pure",
            Self::Idempotent => "idempotent",
            Self::Inspectable => "inspectable",
            Self::AtMostOnce => "at-most-once",
        })
    }
}

/// What an error of a stage means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// The stage says no: the tests fail, the check finds something.
    Failed,
    /// The stage could not tell: the network is down, a program is missing. The effect did not happen, or
    /// happened in part.
    Errored,
    /// The stage lost sight of its effect: it may have happened. What follows depends on the [`Effect`].
    Unknown,
}

/// What a stage reads of the source; part of what decides whether an old outcome can be reused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Reads {
    /// Nothing: its settings and its inputs say it all.
    #[default]
    Nothing,
    /// Files or directories of the source.
    Source(Vec<SourcePath>),
}

/// A step of a pipeline: typed for its author, erased for the engine.
///
/// The stage's fields are its settings. A stage that implements `Deserialize` can be named in a definition;
/// one that implements `Serialize` can be added to a pipeline in code.
///
/// ```
/// use pipeline_core::{Effect, Outcome, Stage, StageContext};
/// use serde::{Deserialize, Serialize};
///
/// /// Adds two numbers.
/// #[derive(Debug, Serialize, Deserialize)]
/// struct Add {
///     a: u32,
///     b: u32,
/// }
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("{0} and {1} are too large to add")]
/// struct TooLarge(u32, u32);
///
/// impl Stage for Add {
///     const TYPE: &'static str = "add";
///     type Error = TooLarge;
///
///     fn effect(&self) -> Effect {
///         Effect::Pure
///     }
///
///     async fn run(&self, _: &StageContext) -> Result<Outcome, TooLarge> {
///         let sum = self.a.checked_add(self.b).ok_or(TooLarge(self.a, self.b))?;
///         Ok(Outcome::succeeded().fact("sum", sum))
///     }
/// }
/// ```
///
/// # Contract
///
/// What the engine may do: call `run` on any worker that has the stage's type and version; call it again
/// after a crash, as [`effect`](Stage::effect) allows; drop the future at any await point, when the stage
/// is cancelled and does not end within the grace period, or the process ends; run other stages at the
/// same time.
///
/// What an author owes: an honest `effect`; no blocking of the thread (a stage that blocks cannot be stopped); an end soon after
/// [`StageContext::cancelled`], with what was begun finished or undone; every output either complete or not
/// reported. Raw effects happen at least once anywhere: a stage that must not repeat one hands
/// [`StageContext::key`] to the target, or is `AtMostOnce`.
pub trait Stage: Debug + Send + Sync + Sized + 'static {
    /// The name that definitions call it by.
    const TYPE: &'static str;

    /// The version of its meaning. A run that was planned with another one is not resumed with this, and its
    /// old outcomes are not reused.
    const VERSION: u32 = 1;

    /// What can go wrong.
    type Error: std::error::Error + Send + Sync + 'static;

    /// What may follow when nobody knows how it ended.
    fn effect(&self) -> Effect;

    /// Does it.
    ///
    /// # Errors
    ///
    /// When the stage could not do its work. A stage that did its work and says no returns
    /// [`Outcome::failed`] instead.
    fn run(&self, cx: &StageContext) -> impl Future<Output = Result<Outcome, Self::Error>> + Send;

    /// What an error means; [`Failure::Errored`] unless the stage knows better.
    fn failure(&self, error: &Self::Error) -> Failure {
        let _ = error;
        Failure::Errored
    }

    /// What it reads of the source.
    fn reads(&self) -> Reads {
        Reads::Nothing
    }

    /// Whether another worker can build it from its type and settings. A stage around a closure cannot.
    fn portable(&self) -> bool {
        true
    }

    /// What else it can do: see [`Abilities`].
    fn abilities() -> Abilities<Self> {
        Abilities::new()
    }
}
