use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

/// How a run or a task of another pipeline tool ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunResult {
    /// Well.
    Success,
    /// Badly.
    Failure,
    /// It was skipped, cancelled, or has no result: it deployed nothing.
    Other,
}

/// A run of a pipeline of another tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineRun {
    /// Its id.
    pub id: Arc<str>,
    /// What it belongs to: a project, a component.
    pub scope: Arc<str>,
    /// Whether somebody said that the pipeline is one that deploys.
    pub deploys: bool,
    /// The environment, if the pipeline names one.
    pub environment: Option<Arc<str>>,
    /// How it ended.
    pub result: RunResult,
    /// When it ended, if it did.
    pub finished: Option<Timestamp>,
    /// How long it took.
    pub duration: SignedDuration,
    /// The commits that it ran for, and the repository of each.
    pub commits: Vec<(Arc<str>, Arc<str>)>,
}

/// A task of such a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRun {
    /// The id of the run.
    pub run: Arc<str>,
    /// Whether somebody said that the task is one that deploys.
    pub deploys: bool,
    /// The environment, if the task names one.
    pub environment: Option<Arc<str>>,
    /// How it ended.
    pub result: RunResult,
}

/// A deployment that a run made, one for each repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDeployment {
    /// The run, a colon, the repository.
    pub id: String,
    /// The id of the run.
    pub run: Arc<str>,
    /// What it belongs to.
    pub scope: Arc<str>,
    /// The commit.
    pub sha: Arc<str>,
    /// The repository.
    pub repository: Arc<str>,
    /// The environment, if run or tasks tell it.
    pub environment: Option<Arc<str>>,
    /// How it ended; never [`RunResult::Other`].
    pub result: RunResult,
    /// When it began: its duration before its end.
    pub started: Option<Timestamp>,
    /// When it ended; `None` while it goes on.
    pub finished: Option<Timestamp>,
}

/// Finds the deployments among the runs of pipelines, as the plugin `dora` of Apache `DevLake` does: a run that
/// succeeded or failed deploys if its pipeline is said to deploy, or one of its tasks that succeeded or failed is.
/// Its environment is that of the pipeline; if that names none, the first of `environments` that a task names, so
/// they go from the nearest to users to the farthest.
///
/// ```
/// use jiff::SignedDuration;
/// use pipeline_metrics::{PipelineRun, RunResult, TaskRun, deployments_of_runs};
///
/// let run = PipelineRun {
///     id: "7".into(),
///     scope: "shop".into(),
///     deploys: false,
///     environment: None,
///     result: RunResult::Success,
///     finished: Some("2025-01-06T12:00:00Z".parse()?),
///     duration: SignedDuration::from_mins(10),
///     commits: vec![("81899a8".into(), "shop.git".into())],
/// };
/// let task = |environment: &str| TaskRun {
///     run: "7".into(),
///     deploys: true,
///     environment: Some(environment.into()),
///     result: RunResult::Success,
/// };
/// let found = deployments_of_runs(&[run], &[task("staging"), task("production")], &["production", "staging"]);
/// let deployment = found.first().ok_or("no deployment")?;
/// assert_eq!(deployment.environment.as_deref(), Some("production"));
/// assert_eq!(deployment.started, Some("2025-01-06T11:50:00Z".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn deployments_of_runs(
    runs: &[PipelineRun],
    tasks: &[TaskRun],
    environments: &[&str],
) -> Vec<RunDeployment> {
    let mut of_run: HashMap<&str, Vec<&TaskRun>> = HashMap::new();
    for task in tasks {
        of_run.entry(&task.run).or_default().push(task);
    }
    let mut deployments = Vec::new();
    for run in runs.iter().filter(|run| run.result != RunResult::Other) {
        let tasks = of_run.get(&*run.id).map_or(&[][..], Vec::as_slice);
        let deploys = |task: &&TaskRun| task.deploys && task.result != RunResult::Other;
        if !run.deploys && !tasks.iter().any(deploys) {
            continue;
        }
        let of_tasks = || {
            let named = |name: &&&str| {
                tasks
                    .iter()
                    .any(|task| task.environment.as_deref() == Some(**name))
            };
            environments.iter().find(named).map(|name| Arc::from(*name))
        };
        let environment = run.environment.clone().or_else(of_tasks);
        for (sha, repository) in &run.commits {
            deployments.push(RunDeployment {
                id: format!("{}:{repository}", run.id),
                run: Arc::clone(&run.id),
                scope: Arc::clone(&run.scope),
                sha: Arc::clone(sha),
                repository: Arc::clone(repository),
                environment: environment.clone(),
                result: run.result,
                // A moment that no timestamp can express is no beginning.
                started: run
                    .finished
                    .and_then(|finished| finished.checked_sub(run.duration).ok()),
                finished: run.finished,
            });
        }
    }
    deployments.sort_by(|one, other| one.id.cmp(&other.id));
    deployments
}
