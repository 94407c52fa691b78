use std::sync::Arc;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::OwnedSignal;
use crate::runner::Runner;

/// The signals of a runner as a stream, from the moment of [`Runner::subscribe`] on.
///
/// No run waits for a subscription. The newest 4,096 signals are kept for all subscriptions together; one that is
/// further behind loses the oldest, and is told how many. It ends when the runner is gone, and with it every stage
/// that could still say something. Whatever was lost, the events of it are in the journal: read them there.
///
/// ```
/// use std::sync::Arc;
///
/// use pipeline_core::testing::{MemoryArtifacts, ScriptedStage};
/// use pipeline_core::{
///     Actor, Effect, MemoryJournal, OwnedSignal, Pipeline, RunRequest, Runner, StageSpec,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pipeline = Pipeline::builder("edge-proxy")
///     .stage(StageSpec::new("build", ScriptedStage::new(Effect::Pure)))
///     .build()?;
/// let runner = Arc::new(Runner::new(Arc::new(MemoryJournal::new()), Arc::new(MemoryArtifacts::new())));
/// let mut signals = runner.subscribe();
/// let reader = tokio::spawn(async move {
///     let mut kinds = Vec::new();
///     while let Some(next) = signals.next().await {
///         match next {
///             Ok(signal) => {
///                 if let OwnedSignal::Event(event) = &*signal {
///                     kinds.push(event.kind.to_string());
///                 }
///             }
///             Err(lagged) => eprintln!("{lagged}"),
///         }
///     }
///     kinds
/// });
/// let run = runner.create(&pipeline, RunRequest::new(Actor::person("alice")?)).await?;
/// runner.drive(&pipeline, &run).await?;
/// drop(runner);
/// assert_eq!(
///     reader.await?,
///     ["run.created", "run.claimed", "run.stage-started", "run.stage-finished", "run.finished"]
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Subscription(pub(super) Receiver<Arc<OwnedSignal>>);

/// A subscription that was too slow: some signals are lost to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{missed} signals were lost, because they were not read in time")]
pub struct Lagged {
    /// How many, since the last signal that was read.
    pub missed: u64,
}

impl Subscription {
    /// Waits for the next signal; `None` when there will be no more. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// When signals were lost. The next call gives the oldest that is left.
    pub async fn next(&mut self) -> Option<Result<Arc<OwnedSignal>, Lagged>> {
        match self.0.recv().await {
            Ok(signal) => Some(Ok(signal)),
            Err(RecvError::Lagged(missed)) => Some(Err(Lagged { missed })),
            Err(RecvError::Closed) => None,
        }
    }

    /// The next signal, if there is one already.
    ///
    /// # Errors
    ///
    /// When signals were lost. The next call gives the oldest that is left.
    pub fn try_next(&mut self) -> Option<Result<Arc<OwnedSignal>, Lagged>> {
        match self.0.try_recv() {
            Ok(signal) => Some(Ok(signal)),
            Err(TryRecvError::Lagged(missed)) => Some(Err(Lagged { missed })),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }
}

impl Runner {
    /// Everything that this runner tells from now on, as a stream that no run waits for. There may be any number
    /// of them at once. See [`Subscription`] for an example.
    pub fn subscribe(&self) -> Subscription {
        self.observers.subscribe()
    }
}
