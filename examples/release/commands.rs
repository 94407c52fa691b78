use std::path::Path;

use pipeline_core::{
    Actor, ApproveRequest, Clock, DecideRequest, Digest, Forecast, RunId, RunRequest, RunStatus,
    SignedDuration, StageName, StageState, SystemClock, Verb,
};
use serde_json::{Value, json};

use crate::answer::{Answer, Exit, Problem};
use crate::host::{Host, source_root};
use crate::show;

/// `release plan FILE`
pub async fn plan(store: &Path, file: &Path) -> Result<Answer, Problem> {
    // Without a store there is no history, and looking makes none.
    let scratch = tempfile::tempdir()?;
    let host = Host::look_or_open(store, scratch.path())?;
    let host = &host;
    let pipeline = host.define(file)?;
    // What a run would see: without what git ignores.
    let source = tempfile::tempdir()?;
    host.copy_source(&source_root(file)?, source.path())?;
    let runner = host.runner(source.path(), None::<fn(&pipeline_core::Signal<'_>)>);
    let forecast = runner
        .forecast(&pipeline, &RunRequest::new(Actor::service("plan")?))
        .await?;
    let fails = forecast.stages.iter().any(|stage| stage.verb == Verb::Fail);
    let exit = if fails { Exit::Failed } else { Exit::Succeeded };
    Ok(Answer::new(
        exit,
        serde_json::to_value(&forecast)?,
        forecast_text(&forecast),
    ))
}

fn forecast_text(forecast: &Forecast) -> String {
    let mut text = format!(
        "pipeline `{}`, run plan {}\n",
        forecast.plan.pipeline, forecast.plan_digest
    );
    for stage in &forecast.stages {
        let verb = match stage.verb {
            Verb::Run => "run",
            Verb::Reuse => "reuse",
            Verb::Unchanged => "unchanged",
            Verb::Fail => "fail",
        };
        text.push_str(&format!("  {:<20} {verb:<10} {}\n", stage.stage, stage.reason));
        for gate in &stage.gates {
            text.push_str(&format!(
                "    gate `{}` would say: {}\n",
                gate.gate, gate.verdict.reason
            ));
        }
        if let Some(plan) = &stage.action_plan {
            text.push_str(&show::plan_text(&plan.plan, plan.digest));
        }
    }
    text
}

/// What `release approve` was asked for.
pub struct Consent<'a> {
    pub by: &'a str,
    pub stage: Option<&'a str>,
    pub plan: Option<&'a str>,
    pub valid_for: &'a str,
    pub comment: &'a str,
}

/// `release approve RUN`
pub async fn approve(host: &Host, run: &str, consent: &Consent<'_>) -> Result<Answer, Problem> {
    let run = run_id(run)?;
    let clerk = host.clerk();
    let state = clerk.load(&run).await?;
    let held: Vec<_> = state
        .stages()
        .filter(|stage| matches!(stage.state(), StageState::Held { .. }))
        .collect();
    let stage = match consent.stage {
        Some(name) => state
            .stage(&StageName::new(name)?)
            .ok_or_else(|| no_stage(&run, name))?,
        None => match held.as_slice() {
            [one] => *one,
            [] => return Err(Problem::input(format!("no stage of run {run} waits"))),
            several => {
                let names: Vec<_> = several
                    .iter()
                    .map(|stage| stage.planned().name.as_str())
                    .collect();
                return Err(Problem::input(format!(
                    "several stages wait: say --stage {}",
                    names.join(" or ")
                )));
            }
        },
    };
    let current = stage.gates().map(|gates| gates.subject);
    let action_plan = match (consent.plan, current) {
        (Some(digest), _) => digest.parse::<Digest>()?,
        (None, Some(digest)) => digest,
        (None, None) => {
            return Err(Problem::input(format!(
                "stage `{}` does not wait",
                stage.planned().name
            )));
        }
    };
    let valid_for: SignedDuration = consent.valid_for.parse()?;
    if !valid_for.is_positive() {
        return Err(Problem::input(
            "an approval must count for some time: say --valid-for 8h",
        ));
    }
    let request = ApproveRequest {
        stage: stage.planned().name.clone(),
        action_plan,
        by: Actor::person(consent.by)?,
        valid_for,
        comment: consent.comment.to_owned(),
    };
    let mut text = format!("{} approves stage `{}`:\n", consent.by, request.stage);
    if let Some(planned) = stage.action_plan() {
        text.push_str(&show::plan_text(&planned.plan, action_plan));
    }
    text.push_str(&format!("go on with: release resume {run}\n"));
    let data = json!({ "run": run, "stage": request.stage, "action_plan": action_plan, "by": consent.by });
    clerk.approve(&run, request).await?;
    host.changes.sync(SystemClock.now()).await?;
    Ok(Answer::new(Exit::Succeeded, data, text))
}

/// `release decide RUN STAGE`
pub async fn decide(
    host: &Host,
    run: &str,
    stage: &str,
    happened: bool,
    by: &str,
    comment: &str,
) -> Result<Answer, Problem> {
    let run = run_id(run)?;
    let request = DecideRequest {
        stage: StageName::new(stage)?,
        happened,
        by: Actor::person(by)?,
        comment: comment.to_owned(),
    };
    let state = host.clerk().decide(&run, request).await?;
    let text = format!("{}go on with: release resume {run}\n", show::run_text(&state));
    Ok(Answer::new(Exit::Succeeded, show::run_data(&state), text))
}

/// `release status [RUN]`
pub async fn status(host: &Host, run: Option<&str>) -> Result<Answer, Problem> {
    if let Some(run) = run {
        let run = run_id(run)?;
        let state = host.clerk().load(&run).await?;
        let mut data = show::run_data(&state);
        let interrupted = state.status() == RunStatus::Running && host.is_free(&run)?.is_some();
        data["interrupted"] = Value::Bool(interrupted);
        let mut text = show::run_text(&state);
        if interrupted {
            text.push_str(&format!(
                "no process drives it; go on with: release resume {run}\n"
            ));
        }
        return Ok(Answer::new(Exit::Succeeded, data, text));
    }
    let (mut runs, mut text) = (Vec::new(), String::from("runs, the newest first:\n"));
    for run in host.runs().await? {
        let state = host.clerk().load(&run).await?;
        text.push_str(&format!(
            "  {run}  {:<16} {:<16} by {}{}\n",
            show::status_word(state.status()),
            state.plan().pipeline,
            state.requested_by().name(),
            match state.waits_for_run() {
                Some(before) => format!(", after run {before}"),
                None => String::new(),
            }
        ));
        let data = json!({
            "run": run,
            "pipeline": state.plan().pipeline,
            "status": state.status(),
            "requested_at": state.requested_at(),
            "finished_at": state.finished().map(|(_, at)| at),
            "waits_for_run": state.waits_for_run(),
            "parked": state.parked(),
        });
        runs.push(data);
    }
    let estate = host.estate().await?;
    text.push_str("live:\n");
    text.push_str(&show::estate_text(&estate));
    let data = json!({ "runs": runs, "environments": show::estate_data(&estate) });
    Ok(Answer::new(Exit::Succeeded, data, text))
}

/// `release why RUN`
pub async fn why(host: &Host, run: &str) -> Result<Answer, Problem> {
    let state = host.clerk().load(&run_id(run)?).await?;
    let mut text = show::why_text(&state);
    if text.is_empty() {
        text = format!(
            "nothing holds run {}: it is {}\n",
            state.id(),
            show::status_word(state.status())
        );
    }
    let data = json!({
        "run": state.id(),
        "status": state.status(),
        "waiting": show::waiting(&state),
        "waits_for_run": state.waits_for_run(),
        "parked": state.parked(),
    });
    Ok(Answer::new(Exit::Succeeded, data, text))
}

/// `release output RUN STAGE`
pub async fn output(host: &Host, run: &str, stage: &str) -> Result<Answer, Problem> {
    use pipeline_core::ArtifactStore;
    let run = run_id(run)?;
    let state = host.clerk().load(&run).await?;
    let view = state
        .stage(&StageName::new(stage)?)
        .ok_or_else(|| no_stage(&run, stage))?;
    let text = match view.output() {
        Some(digest) => String::from_utf8_lossy(&host.artifacts.blob(&digest).await?).into_owned(),
        None => String::new(),
    };
    let data = json!({ "run": run, "stage": stage, "output": text, "digest": view.output() });
    Ok(Answer::new(Exit::Succeeded, data, text))
}

pub fn run_id(run: &str) -> Result<RunId, Problem> {
    Ok(RunId::new(run)?)
}

fn no_stage(run: &RunId, stage: &str) -> Problem {
    Problem::input(format!("run {run} has no stage `{stage}`"))
}
