use std::sync::Arc;

use pipeline_core::{
    Abilities, Action, ActionPlan, ArtifactName, Configuration, DeployRequest, DeploymentReport, Effect,
    Environment, EnvironmentError, Failure, Inspect, Inspection, LiveRelease, Observation, Outcome,
    PlanActions, Release, Stage, StageContext, Target, canonical_json,
};
use serde::{Deserialize, Serialize};

use super::DeployError;
use super::release::{Wanted, of_call, target};

/// Makes the artifacts that it needs live in its environment, as one release.
///
/// ```toml
/// [stage.deploy-staging]
/// type = "deploy"
/// environment = "staging"
/// needs = ["app", "assets"]
/// version-of = "app"                                  # may be left out with one artifact
/// success-measures = ["error rate stays below 1 %"]   # for the action plan
/// ```
///
/// It asks the environment what is live first. When that is the same release with the same configuration and
/// nothing drifted, the outcome is *unchanged*; an old outcome is never reused. Before it deploys, it stores
/// release and configuration as blobs under their digests, so that a rollback can load them.
///
/// Its facts are `release`, the digest; `version`; and `environment`.
///
/// # When it goes wrong
///
/// An environment that refuses, or has seen a higher fence, fails the stage: trying again would be refused
/// again. Of any other failure the environment is asked what is live; only if it does not answer, too, is
/// the outcome unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Deploy {
    /// Which artifact gives the release its version; the only one, if there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_of: Option<ArtifactName>,
    /// How success will be told, in words, for whoever approves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub success_measures: Vec<String>,
}

/// What a call is about.
struct Intent<'a> {
    target: &'a Target,
    environment: &'a Arc<dyn Environment>,
    release: Release,
    wanted: Wanted,
}

impl Deploy {
    fn intent<'a>(&self, cx: &'a StageContext) -> Result<Intent<'a>, DeployError> {
        let (target, environment) = target(cx).ok_or(DeployError::NoEnvironment)?;
        let release = of_call(cx, self.version_of.as_ref())?;
        let wanted = Wanted::new(&release, target.configuration.digest()?)?;
        Ok(Intent {
            target,
            environment,
            release,
            wanted,
        })
    }
}

impl Intent<'_> {
    async fn observe(&self) -> Result<Observation, DeployError> {
        self.environment.observe().await.map_err(DeployError::Observe)
    }

    fn is_live(&self, observation: &Observation) -> bool {
        self.wanted.is_live(observation.live.as_ref())
    }

    /// What was approved is what is done.
    fn check_plan(&self) -> Result<(), DeployError> {
        let Some(plan) = &self.target.action_plan else {
            return Ok(());
        };
        let planned = Wanted {
            release: plan.release,
            configuration: plan.configuration,
        };
        if planned == self.wanted {
            Ok(())
        } else {
            Err(DeployError::NotPlanned {
                planned: planned.short(),
                now: self.wanted.short(),
            })
        }
    }

    async fn store(&self, cx: &StageContext) -> Result<(), DeployError> {
        cx.artifacts().put_blob(&canonical_json(&self.release)?).await?;
        cx.artifacts()
            .put_blob(&canonical_json(&self.target.configuration)?)
            .await?;
        Ok(())
    }

    async fn deploy(&self, cx: &StageContext) -> Result<(), DeployError> {
        let request = DeployRequest {
            release: self.release.clone(),
            configuration: self.target.configuration.clone(),
            artifacts: Arc::clone(cx.artifacts()),
            key: cx.key().clone(),
            fence: self.target.fence,
        };
        let deployed = tokio::select! {
            deployed = self.environment.deploy(&request) => deployed,
            reason = cx.cancelled() => {
                return Err(DeployError::Stopped { reason: reason.to_string() });
            }
        };
        match deployed {
            Ok(()) => Ok(()),
            Err(error @ (EnvironmentError::Fenced { .. } | EnvironmentError::Refused { .. })) => {
                Err(DeployError::Deploy(error))
            }
            Err(error) => match self.environment.observe().await {
                Ok(observation) if self.is_live(&observation) => {
                    cx.log(format!(
                        "the environment reports a failure, but the release is live: {error}"
                    ));
                    Ok(())
                }
                Ok(_) => Err(DeployError::Deploy(error)),
                Err(_) => Err(DeployError::Lost(error)),
            },
        }
    }

    fn report(&self, outcome: Outcome) -> Outcome {
        outcome
            .fact("release", self.wanted.release.to_string())
            .fact("version", self.release.version.to_string())
            .fact("environment", self.target.descriptor.name.as_str())
            .deployment(DeploymentReport::Deployed {
                release: self.release.clone(),
                configuration: Configuration::clone(&self.target.configuration),
            })
    }

    fn actions(&self, live: Option<&LiveRelease>) -> Vec<Action> {
        if self.wanted.is_live(live) {
            return Vec::new();
        }
        let configuration = self.wanted.configuration.short();
        let mut actions = vec![
            Action::new("deploy", self.release.to_string()).detail(format!("configuration {configuration}")),
        ];
        let Some(live) = live else { return actions };
        if self.wanted.is_named_by(live) {
            actions.push(Action::new("repair", self.release.to_string()).detail("what is live drifted"));
            return actions;
        }
        let known = self.target.live.as_ref();
        let known = known.filter(|(release, _)| release.digest().is_ok_and(|digest| digest == live.release));
        let replaced = match known {
            Some((release, _)) => release.to_string(),
            None => format!("release {}", live.release.short()),
        };
        let detail = format!(
            "configuration {}; kept for a rollback",
            live.configuration.short()
        );
        actions.push(Action::new("replace", replaced).detail(detail));
        actions
    }

    fn rollback(&self) -> Vec<Action> {
        match &self.target.verified {
            Some((release, configuration)) => {
                let detail = format!("configuration {}; verified last", configuration.short());
                vec![Action::new("deploy", release.to_string()).detail(detail)]
            }
            None => {
                let detail = "nothing was verified here, so there is nothing to go back to";
                vec![Action::new("keep", self.release.to_string()).detail(detail)]
            }
        }
    }
}

impl Stage for Deploy {
    const TYPE: &'static str = "deploy";
    type Error = DeployError;

    fn effect(&self) -> Effect {
        Effect::Inspectable
    }

    async fn run(&self, cx: &StageContext) -> Result<Outcome, DeployError> {
        let intent = self.intent(cx)?;
        intent.check_plan()?;
        intent.store(cx).await?;
        if intent.is_live(&intent.observe().await?) {
            let reason = format!("{} is live already", intent.release);
            return Ok(intent.report(Outcome::unchanged(reason)));
        }
        intent.deploy(cx).await?;
        Ok(intent.report(Outcome::succeeded()))
    }

    fn failure(&self, error: &DeployError) -> Failure {
        match error {
            DeployError::Deploy(EnvironmentError::Fenced { .. } | EnvironmentError::Refused { .. })
            | DeployError::NotPlanned { .. } => Failure::Failed,
            DeployError::Lost(_) | DeployError::Stopped { .. } => Failure::Unknown,
            _ => Failure::Errored,
        }
    }

    fn abilities() -> Abilities<Self> {
        Abilities::new().plan().inspect()
    }
}

impl PlanActions for Deploy {
    async fn plan(&self, cx: &StageContext) -> Result<ActionPlan, DeployError> {
        let intent = self.intent(cx)?;
        let observation = intent.observe().await?;
        let actions = intent.actions(observation.live.as_ref());
        Ok(ActionPlan {
            environment: intent.target.descriptor.name.clone(),
            release: intent.wanted.release,
            title: intent.release.to_string(),
            configuration: intent.wanted.configuration,
            rollback: if actions.is_empty() {
                Vec::new()
            } else {
                intent.rollback()
            },
            actions,
            success_measures: self.success_measures.clone(),
            facts: observation.facts,
        })
    }
}

impl Inspect for Deploy {
    async fn inspect(&self, cx: &StageContext) -> Result<Inspection, DeployError> {
        let intent = self.intent(cx)?;
        if intent.is_live(&intent.observe().await?) {
            let outcome = intent.report(Outcome::succeeded().because("it is live"));
            Ok(Inspection::Happened(Box::new(outcome)))
        } else {
            Ok(Inspection::DidNotHappen)
        }
    }
}
