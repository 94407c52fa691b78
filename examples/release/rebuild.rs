use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use pipeline_artifacts::{RebuildError, Rebuilder, RecordedBuild, StoredArtifact, rebuild};
use pipeline_core::{
    Actor, ChainDisplay, Clock, Pipeline, RunPlan, RunRequest, RunState, RunStatus, Signal, StageName,
    SystemClock,
};
use serde_json::json;
use tempfile::TempDir;

use crate::answer::{Answer, Exit, Problem};
use crate::artifact_checks::read_policy;
use crate::artifacts::find;
use crate::host::{Host, source_digest};
use crate::{revisions, show};

/// `release artifact rebuild ARTIFACT`
pub async fn again(
    host: &Host,
    query: &str,
    source: &Path,
    policy: Option<&Path>,
) -> Result<Answer, Problem> {
    let artifact = find(&host.artifacts, query)?;
    let records = match policy {
        Some(policy) => RecordedBuild::proven(
            &host.artifacts,
            &artifact,
            &read_policy(policy)?,
            SystemClock.now(),
        ),
        None => RecordedBuild::claimed(&host.artifacts, &artifact),
    };
    let rebuilder = HostRebuilder {
        host,
        source: source.to_owned(),
        scratch: tempfile::Builder::new().prefix("release-rebuild-").tempdir()?,
    };
    let report = rebuild(&host.artifacts, &artifact, records, &rebuilder).await;
    let report = report.map_err(|error| match error {
        RebuildError::NoRecord { .. } => Problem::input(error.to_string()),
        error => Problem::failure(ChainDisplay(&error).to_string()),
    })?;
    let exit = if report.is_same() {
        Exit::Succeeded
    } else {
        Exit::Failed
    };
    let data = json!({ "same": report.is_same(), "same_files": report.has_same_files(), "report": report });
    Ok(Answer::new(exit, data, report.to_string()))
}

/// Runs the stages again that built an artifact, in a directory of its own.
struct HostRebuilder<'a> {
    host: &'a Host,
    source: PathBuf,
    scratch: TempDir,
}

impl std::fmt::Debug for HostRebuilder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostRebuilder")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Rebuilder for HostRebuilder<'_> {
    async fn build_again(
        &self,
        recorded: &RecordedBuild,
    ) -> Result<StoredArtifact, Box<dyn std::error::Error + Send + Sync>> {
        self.build(recorded)
            .await
            .map_err(|problem| problem.to_string().into())
    }
}

impl HostRebuilder<'_> {
    async fn build(&self, recorded: &RecordedBuild) -> Result<StoredArtifact, Problem> {
        let first = self.host.clerk().load(&recorded.run).await.map_err(|error| {
            Problem::failure(format!(
                "run {} is not in the journal of this store: build it again where it was built ({})",
                recorded.run,
                ChainDisplay(&error)
            ))
        })?;
        if recorded.plan.is_some_and(|plan| plan != first.plan_digest()) {
            return Err(Problem::failure(
                "its provenance names another plan than the journal has",
            ));
        }
        let source = self.source_of(recorded, &first).await?;
        let plan = building_part(first.plan(), &recorded.parameters.stages)?;
        let scratch = Host::open(&self.scratch.path().join("store"))?;
        let pipeline = Pipeline::from_plan(&plan, &scratch.registry())?;
        let request = RunRequest {
            revision: first.revision().cloned(),
            ..RunRequest::new(Actor::service("rebuild")?)
        };
        let runner = scratch.runner(&source, None::<fn(&Signal<'_>)>);
        let run = runner.create(&pipeline, request).await?;
        let state = runner.drive(&pipeline, &run).await?;
        if state.status() != RunStatus::Succeeded {
            let text = format!("the stages do not succeed again:\n{}", show::run_text(&state));
            return Err(Problem::failure(text));
        }
        let name = &recorded.artifact.name;
        let built = state
            .artifact(name)
            .ok_or_else(|| Problem::failure(format!("the stages built no {name}")))?;
        Ok(scratch.artifacts.artifact(built)?)
    }

    /// The code of the first run: the copy that is kept of it, or what git has of its revision. It must be the same.
    async fn source_of(&self, recorded: &RecordedBuild, first: &RunState) -> Result<PathBuf, Problem> {
        let own = self.scratch.path().join("source");
        let revision = recorded.revision.as_deref().ok_or_else(|| {
            Problem::failure("no revision is recorded, so it is not known what to build from")
        })?;
        revisions::check_out(&self.source, revision, &own)?;
        match first.source() {
            Some(expected) if source_digest(&own).await? != expected => Err(Problem::failure(format!(
                "revision {revision} in {} is not the source that run {} began with: it was another directory, or had changes that were not committed",
                self.source.display(),
                first.id()
            ))),
            _ => Ok(own),
        }
    }
}

/// The stages that built something, and all that they wait for. Gates are for deployments, and none is made.
fn building_part(plan: &RunPlan, built_by: &[StageName]) -> Result<RunPlan, Problem> {
    let mut wanted: BTreeSet<_> = built_by.iter().cloned().collect();
    for stage in plan.stages.iter().rev() {
        if wanted.contains(&stage.name) {
            wanted.extend(stage.after.iter().cloned());
        }
    }
    let mut part = RunPlan {
        pools: plan.pools.clone(),
        ..RunPlan::new(plan.pipeline.clone(), plan.component.clone())
    };
    for stage in plan.stages.iter().filter(|stage| wanted.contains(&stage.name)) {
        if let Some(environment) = &stage.environment {
            let text = format!(
                "stage `{}` works on environment `{environment}`, which a rebuild must not",
                stage.name
            );
            return Err(Problem::failure(text));
        }
        let mut stage = stage.clone();
        stage.gates.clear();
        part.stages.push(stage);
    }
    Ok(part)
}
