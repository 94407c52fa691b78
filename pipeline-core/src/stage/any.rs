use std::error::Error;
use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;

use super::{
    Effect, Failure, Inspect, Inspection, Outcome, PlanActions, Reads, Stage, StageContext, Undo, Verify,
};
use crate::ActionPlan;

/// An error of a stage whose type is not known, with what it means.
#[derive(Debug)]
pub struct StageError {
    /// What the error means.
    pub failure: Failure,
    source: Box<dyn Error + Send + Sync>,
}

impl StageError {
    /// An error with a meaning.
    pub fn new(failure: Failure, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            failure,
            source: source.into(),
        }
    }

    fn of<S: Stage>(stage: &S, error: S::Error) -> Self {
        Self {
            failure: stage.failure(&error),
            source: Box::new(error),
        }
    }
}

impl fmt::Display for StageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.source, f)
    }
}

impl Error for StageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source()
    }
}

/// A stage whose type is not known at compile time: what the engine holds. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct AnyStage(Arc<dyn Erased>);

/// A stage at work.
#[cfg(feature = "runtime")]
pub(crate) type Started = std::pin::Pin<Box<dyn Future<Output = Result<Outcome, StageError>> + Send>>;

/// The object-safe twin of [`Stage`].
#[async_trait]
trait Erased: Debug + Send + Sync {
    fn type_name(&self) -> &'static str;
    fn version(&self) -> u32;
    fn effect(&self) -> Effect;
    fn reads(&self) -> Reads;
    fn portable(&self) -> bool;
    async fn run(&self, cx: &StageContext) -> Result<Outcome, StageError>;
    /// The same in one piece, which needs nobody else's memory.
    #[cfg(feature = "runtime")]
    fn start(self: Arc<Self>, cx: StageContext) -> Started;
    fn planner(&self) -> Option<&dyn ErasedPlan>;
    fn inspector(&self) -> Option<&dyn ErasedInspect>;
    fn undoer(&self) -> Option<&dyn ErasedUndo>;
    fn verifier(&self) -> Option<&dyn ErasedVerify>;
}

/// The object-safe twin of [`PlanActions`].
#[async_trait]
pub(super) trait ErasedPlan: Send + Sync {
    async fn plan(&self, cx: &StageContext) -> Result<ActionPlan, StageError>;
}

/// The object-safe twin of [`Inspect`].
#[async_trait]
pub(super) trait ErasedInspect: Send + Sync {
    async fn inspect(&self, cx: &StageContext) -> Result<Inspection, StageError>;
}

/// The object-safe twin of [`Undo`].
#[async_trait]
pub(super) trait ErasedUndo: Send + Sync {
    async fn undo(&self, cx: &StageContext, outcome: &Outcome) -> Result<(), StageError>;
}

/// The object-safe twin of [`Verify`].
#[async_trait]
pub(super) trait ErasedVerify: Send + Sync {
    async fn verify(&self, cx: &StageContext, outcome: &Outcome) -> Result<(), StageError>;
}

#[async_trait]
impl<S: Stage> Erased for S {
    fn type_name(&self) -> &'static str {
        S::TYPE
    }

    fn version(&self) -> u32 {
        S::VERSION
    }

    fn effect(&self) -> Effect {
        Stage::effect(self)
    }

    fn reads(&self) -> Reads {
        Stage::reads(self)
    }

    fn portable(&self) -> bool {
        Stage::portable(self)
    }

    async fn run(&self, cx: &StageContext) -> Result<Outcome, StageError> {
        Stage::run(self, cx)
            .await
            .map_err(|error| StageError::of(self, error))
    }

    #[cfg(feature = "runtime")]
    fn start(self: Arc<Self>, cx: StageContext) -> Started {
        Box::pin(async move {
            Stage::run(&*self, &cx)
                .await
                .map_err(|error| StageError::of(&*self, error))
        })
    }

    fn planner(&self) -> Option<&dyn ErasedPlan> {
        S::abilities().plan.map(|ability| ability(self))
    }

    fn inspector(&self) -> Option<&dyn ErasedInspect> {
        S::abilities().inspect.map(|ability| ability(self))
    }

    fn undoer(&self) -> Option<&dyn ErasedUndo> {
        S::abilities().undo.map(|ability| ability(self))
    }

    fn verifier(&self) -> Option<&dyn ErasedVerify> {
        S::abilities().verify.map(|ability| ability(self))
    }
}

#[async_trait]
impl<S: PlanActions> ErasedPlan for S {
    async fn plan(&self, cx: &StageContext) -> Result<ActionPlan, StageError> {
        PlanActions::plan(self, cx)
            .await
            .map_err(|error| StageError::of(self, error))
    }
}

#[async_trait]
impl<S: Inspect> ErasedInspect for S {
    async fn inspect(&self, cx: &StageContext) -> Result<Inspection, StageError> {
        Inspect::inspect(self, cx)
            .await
            .map_err(|error| StageError::of(self, error))
    }
}

#[async_trait]
impl<S: Undo> ErasedUndo for S {
    async fn undo(&self, cx: &StageContext, outcome: &Outcome) -> Result<(), StageError> {
        Undo::undo(self, cx, outcome)
            .await
            .map_err(|error| StageError::of(self, error))
    }
}

#[async_trait]
impl<S: Verify> ErasedVerify for S {
    async fn verify(&self, cx: &StageContext, outcome: &Outcome) -> Result<(), StageError> {
        Verify::verify(self, cx, outcome)
            .await
            .map_err(|error| StageError::of(self, error))
    }
}

impl AnyStage {
    /// Wraps a stage.
    pub fn new(stage: impl Stage) -> Self {
        Self(Arc::new(stage))
    }

    /// The name of its type.
    pub fn type_name(&self) -> &'static str {
        self.0.type_name()
    }

    /// The version of its type.
    pub fn version(&self) -> u32 {
        self.0.version()
    }

    /// See [`Stage::effect`].
    pub fn effect(&self) -> Effect {
        self.0.effect()
    }

    /// See [`Stage::reads`].
    pub fn reads(&self) -> Reads {
        self.0.reads()
    }

    /// See [`Stage::portable`].
    pub fn portable(&self) -> bool {
        self.0.portable()
    }

    /// Whether it can plan its actions.
    pub fn can_plan(&self) -> bool {
        self.0.planner().is_some()
    }

    /// Whether it can inspect its effect.
    pub fn can_inspect(&self) -> bool {
        self.0.inspector().is_some()
    }

    /// Whether it can undo its effect.
    pub fn can_undo(&self) -> bool {
        self.0.undoer().is_some()
    }

    /// Whether it verifies its effect.
    pub fn can_verify(&self) -> bool {
        self.0.verifier().is_some()
    }

    /// See [`Stage::run`].
    ///
    /// # Errors
    ///
    /// Those of the stage.
    pub async fn run(&self, cx: &StageContext) -> Result<Outcome, StageError> {
        self.0.run(cx).await
    }

    /// Begins it, without looking at what came of it.
    #[cfg(feature = "runtime")]
    pub(crate) fn start(&self, cx: StageContext) -> Started {
        Arc::clone(&self.0).start(cx)
    }

    /// See [`PlanActions::plan`]; `None` when the stage cannot plan.
    ///
    /// # Errors
    ///
    /// Those of the stage.
    pub async fn plan(&self, cx: &StageContext) -> Result<Option<ActionPlan>, StageError> {
        match self.0.planner() {
            Some(planner) => planner.plan(cx).await.map(Some),
            None => Ok(None),
        }
    }

    /// See [`Inspect::inspect`]; [`Inspection::Unknown`] when the stage cannot inspect.
    ///
    /// # Errors
    ///
    /// Those of the stage.
    pub async fn inspect(&self, cx: &StageContext) -> Result<Inspection, StageError> {
        match self.0.inspector() {
            Some(inspector) => inspector.inspect(cx).await,
            None => Ok(Inspection::Unknown {
                reason: format!("`{}` cannot inspect its effect", self.type_name()),
            }),
        }
    }

    /// See [`Undo::undo`]; `false` when the stage cannot undo.
    ///
    /// # Errors
    ///
    /// Those of the stage.
    pub async fn undo(&self, cx: &StageContext, outcome: &Outcome) -> Result<bool, StageError> {
        match self.0.undoer() {
            Some(undoer) => undoer.undo(cx, outcome).await.map(|()| true),
            None => Ok(false),
        }
    }

    /// See [`Verify::verify`]; `Ok` when the stage has nothing to verify.
    ///
    /// # Errors
    ///
    /// Those of the stage.
    pub async fn verify(&self, cx: &StageContext, outcome: &Outcome) -> Result<(), StageError> {
        match self.0.verifier() {
            Some(verifier) => verifier.verify(cx, outcome).await,
            None => Ok(()),
        }
    }
}
