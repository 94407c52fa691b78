use std::any::Any;
use std::fmt::{self, Debug};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::stage::{AnyStage, Services, Stage, StageContext};
use crate::testing::TestCall;
use crate::{
    Clock, Digest, Secret, SecretError, SecretRef, SecretSource, SignedDuration, Source, SourceError,
    SourcePath, Timestamp,
};

type Probe = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = String> + Send>> + Send + Sync>;
type Meddle = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// One small world for one check: a stage that was never called, the call, what a worker offers, and a way to look at
/// what the stage changes.
///
/// Two worlds that a suite asks for must be alike and independent: what happens in one is not seen in the other.
pub struct StageWorld {
    pub(super) stage: AnyStage,
    pub(super) call: TestCall,
    services: Services,
    probe: Option<Probe>,
    meddle: Option<Meddle>,
    produces: Vec<String>,
    seen: Arc<Seen>,
    keep: Vec<Box<dyn Any>>,
}

/// What the stage asked its worker for.
#[derive(Debug, Default)]
struct Seen {
    secrets: Mutex<Vec<Secret>>,
    paths: Mutex<Vec<SourcePath>>,
}

impl StageWorld {
    /// A world with a stage, the call of it, and the services of its worker.
    pub fn new(stage: impl Stage, call: TestCall, services: Services) -> Self {
        Self::any(AnyStage::new(stage), call, services)
    }

    /// The same for a stage whose type is not known.
    pub fn any(stage: AnyStage, call: TestCall, services: Services) -> Self {
        let seen = Arc::new(Seen::default());
        let services = Services {
            secrets: Arc::new(SeenSecrets(services.secrets, Arc::clone(&seen))),
            source: Arc::new(SeenSource(services.source, Arc::clone(&seen))),
            ..services
        };
        Self {
            stage,
            call,
            services,
            probe: None,
            meddle: None,
            produces: Vec::new(),
            seen,
            keep: Vec::new(),
        }
    }

    /// How to look at what the stage changes: a text that is equal when, and only when, the world is. Leave out what
    /// differs between two good calls, such as times.
    ///
    /// Without it, the world is what the call's environment says of itself when it is observed; without an
    /// environment, the promises about the world are not tried.
    #[must_use]
    pub fn probe<F, Fut>(mut self, probe: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = String> + Send + 'static,
    {
        self.probe = Some(Arc::new(move || Box::pin(probe())));
        self
    }

    /// How somebody else changes what the stage acts on, behind its back: the world that its action plan was computed
    /// for is gone then.
    #[must_use]
    pub fn meddle<F, Fut>(mut self, meddle: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.meddle = Some(Arc::new(move || Box::pin(meddle())));
        self
    }

    /// The name of an artifact that the stage must report when it succeeds.
    #[must_use]
    pub fn produces(mut self, artifact: impl Into<String>) -> Self {
        self.produces.push(artifact.into());
        self
    }

    /// Keeps something as long as the world lasts, such as a temporary directory.
    #[must_use]
    pub fn keep(mut self, value: impl Any) -> Self {
        self.keep.push(Box::new(value));
        self
    }

    pub(super) fn first(&self) -> StageContext {
        self.context(self.call.clone())
    }

    /// The call that follows when nobody knows how the first one ended.
    pub(super) fn repeated(&self) -> StageContext {
        self.context(self.call.clone().repeated(2))
    }

    /// The call that follows a definite failure of the first one.
    pub(super) fn next(&self) -> StageContext {
        self.context(self.call.clone().repeated(2).generation(2))
    }

    pub(super) fn context(&self, call: TestCall) -> StageContext {
        call.context(self.services.clone())
    }

    /// The same intention in another run, at another time.
    pub(super) fn elsewhere(&self) -> StageContext {
        let services = Services {
            clock: Arc::new(Later(Arc::clone(&self.services.clock))),
            ..self.services.clone()
        };
        self.call.clone().in_run("another").context(services)
    }

    /// Whether there is a way to look at the world.
    pub(super) fn has_probe(&self) -> bool {
        self.probe.is_some() || self.first().environment().is_some()
    }

    /// The world, if there is a way to look at it.
    pub(super) async fn look(&self) -> Option<String> {
        if let Some(probe) = &self.probe {
            return Some(probe().await);
        }
        let cx = self.first();
        let observed = cx.environment()?.observe().await;
        Some(match observed {
            Ok(observation) => serde_json::to_string(&observation).unwrap_or_else(|error| error.to_string()),
            Err(error) => format!("the environment cannot be observed: {error}"),
        })
    }

    /// Changes the world behind the stage's back. `false` when nobody said how.
    pub(super) async fn meddled(&self) -> bool {
        match &self.meddle {
            Some(meddle) => {
                meddle().await;
                true
            }
            None => false,
        }
    }

    pub(super) fn should_produce(&self) -> &[String] {
        &self.produces
    }

    /// The secrets that were asked for so far.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        lock(&self.seen.secrets).clone()
    }

    /// The paths of the source that were read so far through the context.
    pub(super) fn paths(&self) -> Vec<SourcePath> {
        lock(&self.seen.paths).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Debug for StageWorld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StageWorld")
            .field("stage", &self.stage)
            .field("call", &self.call)
            .field("probe", &self.probe.is_some())
            .field("meddle", &self.meddle.is_some())
            .field("produces", &self.produces)
            .finish_non_exhaustive()
    }
}

/// Remembers which secrets were handed out.
#[derive(Debug)]
struct SeenSecrets(Arc<dyn SecretSource>, Arc<Seen>);

#[async_trait]
impl SecretSource for SeenSecrets {
    async fn resolve(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        let secret = self.0.resolve(reference).await?;
        lock(&self.1.secrets).push(secret.clone());
        Ok(secret)
    }
}

/// Remembers which paths were read.
#[derive(Debug)]
struct SeenSource(Arc<dyn Source>, Arc<Seen>);

#[async_trait]
impl Source for SeenSource {
    fn root(&self) -> Option<&Path> {
        self.0.root()
    }

    async fn read(&self, path: &SourcePath) -> Result<Vec<u8>, SourceError> {
        lock(&self.1.paths).push(path.clone());
        self.0.read(path).await
    }

    async fn digest(&self, paths: &[SourcePath]) -> Result<Digest, SourceError> {
        lock(&self.1.paths).extend_from_slice(paths);
        self.0.digest(paths).await
    }
}

/// A clock that is an hour ahead of another one.
#[derive(Debug)]
struct Later(Arc<dyn Clock>);

impl Clock for Later {
    fn now(&self) -> Timestamp {
        let now = self.0.now();
        now.saturating_add(SignedDuration::from_hours(1)).unwrap_or(now)
    }
}
