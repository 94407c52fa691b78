use std::collections::BTreeMap;
use std::sync::Arc;

use crate::stage::{Services, StageCall, StageContext, Target};
use crate::{
    ActionPlan, ArtifactRef, ArtifactStore, Clock, ComponentName, Configuration, Digest, Environment,
    FactName, Fence, PipelineName, Release, RunId, SecretSource, Source, StageName,
};

/// The services of a worker, put together from what a test has.
pub fn services(
    clock: impl Clock,
    artifacts: Arc<dyn ArtifactStore>,
    source: Arc<dyn Source>,
    secrets: Arc<dyn SecretSource>,
) -> Services {
    Services {
        clock: Arc::new(clock),
        artifacts,
        source,
        secrets,
    }
}

/// Builds the context of a call, for tests of stages.
#[derive(Debug, Clone)]
pub struct TestCall {
    call: StageCall,
    environment: Option<Arc<dyn Environment>>,
}

impl TestCall {
    /// A first attempt of a stage with this name, in run `test` of pipeline `test`.
    ///
    /// # Panics
    ///
    /// When the text is no name: this is for tests.
    #[expect(clippy::expect_used, reason = "for tests, which state their own names")]
    pub fn new(stage: &str) -> Self {
        let run = RunId::new("test").expect("a name");
        let stage = StageName::new(stage).expect("a stage's name");
        let call = StageCall {
            run,
            pipeline: PipelineName::new("test").expect("a name"),
            component: ComponentName::new("test").expect("a name"),
            stage,
            attempt: 1,
            generation: 1,
            item: None,
            deadline: None,
            artifacts: BTreeMap::new(),
            facts: BTreeMap::new(),
            target: None,
        };
        Self {
            call,
            environment: None,
        }
    }

    /// With an artifact that the stage needs.
    #[must_use]
    pub fn artifact(mut self, artifact: ArtifactRef) -> Self {
        self.call.artifacts.insert(artifact.name.clone(), artifact);
        self
    }

    /// With a fact of an earlier stage.
    ///
    /// # Panics
    ///
    /// When a text is no name: this is for tests.
    #[must_use]
    #[expect(clippy::expect_used, reason = "for tests, which state their own names")]
    pub fn fact(mut self, stage: &str, fact: &str, value: impl Into<serde_json::Value>) -> Self {
        let facts = self
            .call
            .facts
            .entry(StageName::new(stage).expect("a stage's name"))
            .or_default();
        facts.insert(FactName::new(fact).expect("a fact's name"), value.into());
        self
    }

    /// With an environment to act on, its configuration, and a fence.
    #[must_use]
    pub fn environment(
        mut self,
        environment: Arc<dyn Environment>,
        configuration: Configuration,
        fence: Option<Fence>,
    ) -> Self {
        self.call.target = Some(Box::new(Target {
            descriptor: environment.descriptor().clone(),
            configuration,
            fence,
            action_plan: None,
            live: None,
            verified: None,
        }));
        self.environment = Some(environment);
        self
    }

    /// With what the journal says was last verified in the environment.
    #[must_use]
    pub fn verified(mut self, release: Release, configuration: Digest) -> Self {
        if let Some(target) = &mut self.call.target {
            target.verified = Some((release, configuration));
        }
        self
    }

    /// As a later attempt of the same intention: a call that is repeated because nobody knows how the one before ended.
    /// The delivery epoch of the fence grows with it.
    #[must_use]
    pub fn repeated(mut self, attempt: u32) -> Self {
        let later = u64::from(attempt.saturating_sub(self.call.attempt));
        self.call.attempt = attempt;
        if let Some(fence) = self.call.target.as_mut().and_then(|target| target.fence.as_mut()) {
            fence.epoch += later;
        }
        self
    }

    /// As a new intention of the same stage, after a definite failure: with the key of this generation.
    #[must_use]
    pub fn generation(mut self, generation: u32) -> Self {
        self.call.generation = generation;
        self
    }

    /// As a call of another run.
    ///
    /// # Panics
    ///
    /// When the text is no name: this is for tests.
    #[must_use]
    #[expect(clippy::expect_used, reason = "for tests, which state their own names")]
    pub fn in_run(mut self, run: &str) -> Self {
        self.call.run = RunId::new(run).expect("a name");
        self.generation(1)
    }

    /// With the action plan that passed the gates.
    #[must_use]
    pub fn action_plan(mut self, plan: ActionPlan) -> Self {
        if let Some(target) = &mut self.call.target {
            target.action_plan = Some(plan);
        }
        self
    }

    /// With anything else that the engine would decide.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut StageCall)) -> Self {
        change(&mut self.call);
        self
    }

    /// The context.
    pub fn context(self, services: Services) -> StageContext {
        StageContext::new(self.call, services, self.environment)
    }
}
