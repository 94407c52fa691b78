use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pipeline_core::{
    Configuration, DeployRequest, DeploymentReport, Effect, Environment, EnvironmentError, FactName, Failure,
    LiveRelease, Outcome, Reads, Release, Stage, StageContext, Target,
};
use serde_json::Value;

use super::release::{Wanted, described, of_call, target};
use super::{OnFailure, ReleaseError, RollbackError, VerifyDeployment, VerifyError};
use crate::process::{Ending, ProgramError};

/// What a call is about.
struct Check<'a> {
    cx: &'a StageContext,
    target: &'a Target,
    environment: &'a Arc<dyn Environment>,
    release: Release,
    wanted: Wanted,
}

impl<'a> Check<'a> {
    fn of(stage: &VerifyDeployment, cx: &'a StageContext) -> Result<Self, VerifyError> {
        let (target, environment) = target(cx).ok_or(VerifyError::NoEnvironment)?;
        let live = target.live.as_ref();
        let (release, configuration) = match (of_call(cx, stage.version_of.as_ref()), live) {
            (Ok(release), Some((journal, configuration))) if release == *journal => (release, *configuration),
            (Ok(release), _) => (release, target.configuration.digest()?),
            (Err(ReleaseError::NoArtifact), Some((release, configuration))) => {
                (release.clone(), *configuration)
            }
            (Err(error), _) => return Err(error.into()),
        };
        let wanted = Wanted::new(&release, configuration)?;
        Ok(Self {
            cx,
            target,
            environment,
            release,
            wanted,
        })
    }

    async fn live(&self) -> Result<Option<LiveRelease>, VerifyError> {
        let observation = self.environment.observe().await.map_err(VerifyError::Observe)?;
        Ok(observation.live)
    }

    fn not_live(&self, live: Option<&LiveRelease>) -> VerifyError {
        VerifyError::NotLive {
            expected: format!("{} ({})", self.release, self.wanted.short()),
            found: described(live),
        }
    }

    /// Runs the program until it says yes. `Err` inside is what it said last.
    async fn ask(
        &self,
        stage: &VerifyDeployment,
        facts: &mut BTreeMap<FactName, Value>,
    ) -> Result<Result<u32, String>, ProgramError> {
        let program = stage.to_program(self.wanted.release.to_string());
        let mut attempt = 1;
        loop {
            let ended = program.run(self.cx).await?;
            *facts = ended.facts;
            if ended.how == Ending::Exited(0) {
                return Ok(Ok(attempt));
            }
            let said = format!("`{}` {}", stage.program, ended.how);
            if attempt >= stage.attempts {
                return Ok(Err(said));
            }
            self.cx
                .log(format!("attempt {attempt} of {}: {said}", stage.attempts));
            attempt += 1;
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(stage.interval_seconds.into())) => {}
                reason = self.cx.cancelled() => {
                    let program = stage.program.clone();
                    return Err(ProgramError::NotStarted { program, reason });
                }
            }
        }
    }

    async fn succeeded(&self) -> Result<Outcome, VerifyError> {
        let live = self.live().await?;
        if !self.wanted.is_live(live.as_ref()) {
            return Err(self.not_live(live.as_ref()));
        }
        if let Some((before, _)) = &self.target.verified {
            let digest = before.digest()?;
            if digest != self.wanted.release {
                let retired = self.environment.retire(&digest, self.target.fence).await;
                match retired {
                    Ok(()) => {}
                    Err(error @ EnvironmentError::Fenced { .. }) => return Err(VerifyError::Late(error)),
                    // The release is good all the same.
                    Err(error) => self.cx.log(format!("warning: {before} is not retired: {error}")),
                }
            }
        }
        Ok(Outcome::succeeded().deployment(DeploymentReport::Verified {
            release: self.wanted.release,
            configuration: self.wanted.configuration,
        }))
    }

    async fn failed(&self, stage: &VerifyDeployment, said: String) -> Result<Outcome, VerifyError> {
        let kept = |why: &str| Outcome::failed(format!("{said}; {} stays live: {why}", self.release));
        let (to, configuration) = match (stage.on_failure, &self.target.verified) {
            (OnFailure::Keep, _) => return Ok(kept("the settings say so")),
            (OnFailure::Rollback, None) => return Ok(kept("nothing was verified here before")),
            (OnFailure::Rollback, Some((to, configuration))) => (to, *configuration),
        };
        if Wanted::new(to, configuration)? == self.wanted {
            return Ok(kept("it is itself what was verified last"));
        }
        let rolled_back = self.roll_back(to, configuration).await;
        let configuration = rolled_back.map_err(|source| VerifyError::Rollback {
            check: said.clone(),
            to: to.to_string(),
            source,
        })?;
        let reason = format!("{said}; rolled back from {} to {to}", self.release);
        Ok(self.rolled_back(reason, to, configuration))
    }

    async fn roll_back(
        &self,
        to: &Release,
        digest: pipeline_core::Digest,
    ) -> Result<Configuration, RollbackError> {
        self.cx.log(format!("rolling back to {to}"));
        let configuration = self.configuration(digest).await?;
        let request = DeployRequest {
            release: to.clone(),
            configuration: configuration.clone(),
            artifacts: Arc::clone(self.cx.artifacts()),
            key: self.cx.key().clone(),
            fence: self.target.fence,
        };
        self.environment
            .deploy(&request)
            .await
            .map_err(RollbackError::Deploy)?;
        let observed = self.environment.observe().await.map_err(RollbackError::Observe)?;
        let live = observed.live.as_ref();
        match Wanted::new(to, digest) {
            Ok(wanted) if wanted.is_live(live) => Ok(configuration),
            _ => Err(RollbackError::NotLive {
                found: described(live),
            }),
        }
    }

    async fn configuration(&self, digest: pipeline_core::Digest) -> Result<Configuration, RollbackError> {
        let unread = |source| RollbackError::Configuration { digest, source };
        let bytes = self
            .cx
            .artifacts()
            .blob(&digest)
            .await
            .map_err(|error| unread(error.into()))?;
        serde_json::from_slice(&bytes).map_err(|error| unread(error.into()))
    }

    /// What an earlier attempt did, whose report nobody heard.
    async fn rolled_back_before(&self, live: Option<&LiveRelease>) -> Result<Option<Outcome>, VerifyError> {
        let (Some((to, digest)), true) = (&self.target.verified, self.cx.call().attempt > 1) else {
            return Ok(None);
        };
        if !Wanted::new(to, *digest)?.is_live(live) {
            return Ok(None);
        }
        let reason = format!("an earlier attempt rolled back from {} to {to}", self.release);
        let configuration = self.configuration(*digest).await;
        let configuration = configuration.map_err(|source| VerifyError::Rollback {
            check: "in an earlier attempt".to_owned(),
            to: to.to_string(),
            source,
        })?;
        Ok(Some(self.rolled_back(reason, to, configuration)))
    }

    fn rolled_back(&self, reason: String, to: &Release, configuration: Configuration) -> Outcome {
        Outcome::failed(reason).deployment(DeploymentReport::RolledBack {
            from: self.wanted.release,
            to: Some(to.clone()),
            configuration: Some(configuration),
        })
    }
}

impl Stage for VerifyDeployment {
    const TYPE: &'static str = "verify";
    type Error = VerifyError;

    fn effect(&self) -> Effect {
        Effect::Idempotent
    }

    async fn run(&self, cx: &StageContext) -> Result<Outcome, VerifyError> {
        let check = Check::of(self, cx)?;
        let live = check.live().await?;
        if !check.wanted.is_live(live.as_ref()) {
            let before = check.rolled_back_before(live.as_ref()).await?;
            return before.ok_or_else(|| check.not_live(live.as_ref()));
        }
        let mut facts = BTreeMap::new();
        let mut outcome = match check.ask(self, &mut facts).await? {
            Ok(attempt) => check.succeeded().await?.fact("attempts", attempt),
            Err(said) => check
                .failed(self, said)
                .await?
                .fact("attempts", self.attempts.max(1)),
        };
        outcome.facts.extend(facts);
        Ok(outcome)
    }

    fn failure(&self, error: &VerifyError) -> Failure {
        match error {
            VerifyError::NotLive { .. }
            | VerifyError::Late(_)
            | VerifyError::Rollback {
                source:
                    RollbackError::Deploy(EnvironmentError::Fenced { .. } | EnvironmentError::Refused { .. }),
                ..
            } => Failure::Failed,
            _ => Failure::Errored,
        }
    }

    fn reads(&self) -> Reads {
        Reads::Source(vec![self.directory.clone()])
    }
}
