use std::any::Any;
use std::fmt::{self, Debug};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::fence::IdempotencyKey;
use crate::testing::MemoryArtifacts;
use crate::{ArtifactStore, Configuration, DeployRequest, Environment, Fence, Release, RunId, StageName};

type Meddle = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;
type Reopen = Arc<dyn Fn() -> Arc<dyn Environment> + Send + Sync>;

/// An environment in which nothing is live yet, and what can be deployed to it.
pub struct EnvironmentWorld {
    pub(super) environment: Arc<dyn Environment>,
    pub(super) artifacts: Arc<dyn ArtifactStore>,
    pub(super) first: (Release, Configuration),
    pub(super) second: (Release, Configuration),
    meddle: Option<Meddle>,
    reopen: Option<Reopen>,
    _keep: Vec<Box<dyn Any>>,
}

impl EnvironmentWorld {
    /// A world with an environment, a store, and two different releases whose artifacts are in it, each with the
    /// configuration that it runs with.
    pub fn new(
        environment: Arc<dyn Environment>,
        artifacts: impl ArtifactStore,
        first: (Release, Configuration),
        second: (Release, Configuration),
    ) -> Self {
        Self {
            environment,
            artifacts: Arc::new(artifacts),
            first,
            second,
            meddle: None,
            reopen: None,
            _keep: Vec::new(),
        }
    }

    /// How somebody changes what is live by hand, so that it is no longer what was deployed.
    #[must_use]
    pub fn meddle<F, Fut>(mut self, meddle: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.meddle = Some(Arc::new(move || Box::pin(meddle())));
        self
    }

    /// The same environment as another process sees it: another handle that shares no memory with the first.
    #[must_use]
    pub fn reopen(mut self, reopen: impl Fn() -> Arc<dyn Environment> + Send + Sync + 'static) -> Self {
        self.reopen = Some(Arc::new(reopen));
        self
    }

    /// Keeps something as long as the world lasts, such as a temporary directory.
    #[must_use]
    pub fn keep(mut self, value: impl Any) -> Self {
        self._keep.push(Box::new(value));
        self
    }

    pub(super) fn request(
        &self,
        (release, configuration): &(Release, Configuration),
        fence: Option<Fence>,
    ) -> DeployRequest {
        DeployRequest {
            release: release.clone(),
            configuration: configuration.clone(),
            artifacts: Arc::clone(&self.artifacts),
            key: key(),
            fence,
        }
    }

    /// The same request with a store that has nothing.
    pub(super) fn request_from_nothing(&self, what: &(Release, Configuration)) -> DeployRequest {
        DeployRequest {
            artifacts: Arc::new(MemoryArtifacts::new()),
            ..self.request(what, None)
        }
    }

    pub(super) async fn meddled(&self) -> bool {
        match &self.meddle {
            Some(meddle) => {
                meddle().await;
                true
            }
            None => false,
        }
    }

    pub(super) fn reopened(&self) -> Option<Arc<dyn Environment>> {
        self.reopen.as_ref().map(|reopen| reopen())
    }
}

#[expect(clippy::expect_used, reason = "the constants are names")]
fn key() -> IdempotencyKey {
    let run = RunId::new("conformance").expect("a name");
    let stage = StageName::new("deploy").expect("a name");
    IdempotencyKey::new(&run, &stage, 1)
}

impl Debug for EnvironmentWorld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvironmentWorld")
            .field("environment", &self.environment)
            .field("first", &self.first.0)
            .field("second", &self.second.0)
            .field("meddle", &self.meddle.is_some())
            .field("reopen", &self.reopen.is_some())
            .finish_non_exhaustive()
    }
}
