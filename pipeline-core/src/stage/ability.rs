use std::fmt;
use std::future::Future;
use std::marker::PhantomData;

use super::any::{ErasedInspect, ErasedPlan, ErasedUndo, ErasedVerify};
use super::{Outcome, Stage, StageContext};
use crate::ActionPlan;

/// A stage that can say what it would do.
pub trait PlanActions: Stage {
    /// Computes the action plan. Changes nothing; equal circumstances give an equal plan.
    ///
    /// The engine plans when the stage's inputs exist, and once more while it holds the environment's lock.
    ///
    /// # Errors
    ///
    /// When it cannot be told.
    fn plan(&self, cx: &StageContext) -> impl Future<Output = Result<ActionPlan, Self::Error>> + Send;
}

/// What a stage finds when it looks for its own effect.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Inspection {
    /// It happened, with this outcome.
    Happened(Box<Outcome>),
    /// It did not happen, or so partly that doing it is right.
    DidNotHappen,
    /// It cannot be told: the run is parked until a person decides.
    Unknown {
        /// Why not.
        reason: String,
    },
}

/// A stage that can find out whether its effect happened.
pub trait Inspect: Stage {
    /// Looks for the effect of the call with the context's key. Changes nothing.
    ///
    /// # Errors
    ///
    /// When it could not look; the run is parked, as for [`Inspection::Unknown`].
    fn inspect(&self, cx: &StageContext) -> impl Future<Output = Result<Inspection, Self::Error>> + Send;
}

/// A stage that can take its effect back.
pub trait Undo: Stage {
    /// Takes back what `outcome` reports. The engine calls it when [`Verify`] refuses the outcome. It may be
    /// called again after a crash.
    ///
    /// # Errors
    ///
    /// When it is not undone.
    fn undo(
        &self,
        cx: &StageContext,
        outcome: &Outcome,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// A stage that checks its own effect before it counts as done.
pub trait Verify: Stage {
    /// Checks what `outcome` reports, right after [`run`](Stage::run) succeeded, in the same attempt.
    ///
    /// # Errors
    ///
    /// When the outcome does not hold: the attempt fails, and is undone if the stage can [`Undo`].
    fn verify(
        &self,
        cx: &StageContext,
        outcome: &Outcome,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// What a stage can do besides running. "Can it undo?" is a question to the type: each method here compiles
/// only for a stage that has the ability.
///
/// ```
/// # use pipeline_core::{Abilities, Effect, Inspect, Inspection, Outcome, Stage, StageContext};
/// # #[derive(Debug)]
/// # struct Dns;
/// impl Stage for Dns {
/// #   const TYPE: &'static str = "dns";
/// #   type Error = std::io::Error;
/// #   fn effect(&self) -> Effect { Effect::Inspectable }
/// #   async fn run(&self, _: &StageContext) -> std::io::Result<Outcome> { Ok(Outcome::succeeded()) }
///     // …
///     fn abilities() -> Abilities<Self> {
///         Abilities::new().inspect()
///     }
/// }
///
/// impl Inspect for Dns {
///     async fn inspect(&self, _: &StageContext) -> std::io::Result<Inspection> {
///         Ok(Inspection::DidNotHappen)
///     }
/// }
/// ```
pub struct Abilities<S> {
    pub(super) plan: Option<fn(&S) -> &dyn ErasedPlan>,
    pub(super) inspect: Option<fn(&S) -> &dyn ErasedInspect>,
    pub(super) undo: Option<fn(&S) -> &dyn ErasedUndo>,
    pub(super) verify: Option<fn(&S) -> &dyn ErasedVerify>,
    stage: PhantomData<fn(&S)>,
}

impl<S: Stage> Abilities<S> {
    /// None.
    pub fn new() -> Self {
        Self {
            plan: None,
            inspect: None,
            undo: None,
            verify: None,
            stage: PhantomData,
        }
    }

    /// It can plan its actions.
    #[must_use]
    pub fn plan(mut self) -> Self
    where
        S: PlanActions,
    {
        self.plan = Some(|stage| stage);
        self
    }

    /// It can inspect its effect.
    #[must_use]
    pub fn inspect(mut self) -> Self
    where
        S: Inspect,
    {
        self.inspect = Some(|stage| stage);
        self
    }

    /// It can undo its effect.
    #[must_use]
    pub fn undo(mut self) -> Self
    where
        S: Undo,
    {
        self.undo = Some(|stage| stage);
        self
    }

    /// It can verify its effect.
    #[must_use]
    pub fn verify(mut self) -> Self
    where
        S: Verify,
    {
        self.verify = Some(|stage| stage);
        self
    }
}

impl<S: Stage> Default for Abilities<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> fmt::Debug for Abilities<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Abilities")
            .field("plan", &self.plan.is_some())
            .field("inspect", &self.inspect.is_some())
            .field("undo", &self.undo.is_some())
            .field("verify", &self.verify.is_some())
            .finish_non_exhaustive()
    }
}
