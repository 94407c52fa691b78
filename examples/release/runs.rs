use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use pipeline_core::{
    Actor, Clock, ENVIRONMENT_LOCK, Observer, Purpose, RunId, RunRequest, RunState, RunStatus, StageState,
    SystemClock,
};
use serde_json::json;

use crate::answer::{Answer, Exit, Problem};
use crate::commands::run_id;
use crate::host::Host;
use crate::session::Session;
use crate::show;

/// How long a run waits for what another run uses, or for its turn, before it is left to `tick`.
const PATIENCE: Duration = Duration::from_secs(30);

/// What somebody asks for with a new run.
pub fn request(by: &str, rework: bool, rollback: bool) -> Result<RunRequest, Problem> {
    let mut request = RunRequest::new(Actor::person(by)?);
    if rework {
        request.purpose = Purpose::Rework;
    }
    request.rollback = rollback;
    Ok(request)
}

/// `release run FILE`
pub async fn run(
    host: &Host,
    session: &Arc<Session>,
    file: &Path,
    request: RunRequest,
) -> Result<Answer, Problem> {
    let run = host.create(file, request).await?;
    Ok(answer(&drive(host, session, &run).await?))
}

/// `release rerun RUN`
pub async fn rerun(
    host: &Host,
    session: &Arc<Session>,
    old: &str,
    source: Option<&Path>,
    request: RunRequest,
) -> Result<Answer, Problem> {
    let run = host.create_again(&run_id(old)?, source, request).await?;
    Ok(answer(&drive(host, session, &run).await?))
}

/// `release resume RUN`
pub async fn resume(host: &Host, session: &Arc<Session>, run: &str) -> Result<Answer, Problem> {
    Ok(answer(&go_on(host, session, &run_id(run)?).await?))
}

async fn go_on(host: &Host, session: &Arc<Session>, run: &RunId) -> Result<RunState, Problem> {
    let state = host.clerk().load(run).await?;
    if state.finished().is_some() {
        // Whoever ended it may have been killed before the rest was done.
        host.settle(&state).await?;
        return Ok(state);
    }
    drive(host, session, run).await
}

/// Drives a run until it ends or waits for more than others that are at work, or until somebody asks the program to end.
async fn drive(host: &Host, session: &Arc<Session>, run: &RunId) -> Result<RunState, Problem> {
    session.begin(run);
    let runner = host.runner(&host.source(run), Some(Watch(Arc::clone(session))));
    let mut left = PATIENCE;
    loop {
        let mut drive = pin!(host.drive(&runner, run));
        let state = tokio::select! {
            biased;
            state = &mut drive => state,
            () = session.ending() => {
                runner.drain();
                drive.await
            }
        };
        let state = match state {
            Ok(state) if state.finished().is_none() => state,
            ended => {
                session.end(run);
                return ended;
            }
        };
        let pause = Duration::from_millis(200);
        if left.is_zero() || session.is_ending() || !waits_for_others(&state) {
            return Ok(state);
        }
        if left == PATIENCE {
            for (what, why) in show::taken(&state) {
                session.live.waits(&what, &why);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => left = left.saturating_sub(pause),
            () = session.ending() => return Ok(state),
        }
    }
}

/// Whether a run waits for nothing but what other runs give back when they end.
fn waits_for_others(state: &RunState) -> bool {
    state.status() == RunStatus::Waiting
        && (state.waits_for_run().is_some()
            || state.stages().all(|stage| match stage.state() {
                StageState::Held { verdicts, .. } => verdicts
                    .iter()
                    .all(|gate| gate.verdict.allows() || gate.gate == ENVIRONMENT_LOCK),
                StageState::Backoff(_) => false,
                _ => true,
            }))
}

/// `release tick`: one run that cannot go on does not keep the others from it.
pub async fn tick(host: &Host, session: &Arc<Session>) -> Result<Answer, Problem> {
    host.tidy().await?;
    let mut exit = Exit::Succeeded;
    let (mut woken, mut failed, mut text) = (Vec::new(), Vec::new(), String::new());
    for run in host.runs().await?.into_iter().rev() {
        if session.is_ending() {
            break;
        }
        match wake(host, session, &run).await {
            Ok(None) => {}
            Ok(Some(state)) => {
                exit = exit.worst(match Exit::from(state.status()) {
                    Exit::Waiting => Exit::Succeeded,
                    other => other,
                });
                text.push_str(&show::run_text(&state));
                woken.push(show::run_data(&state));
                if !session.is_ending() {
                    // It waits for something else now.
                    session.end(&run);
                }
            }
            Err(problem) => {
                exit = exit.worst(Exit::Failed);
                text.push_str(&format!("run {run} cannot go on: {problem}\n"));
                failed.push(json!({ "run": run, "error": problem.to_string() }));
            }
        }
    }
    if woken.is_empty() && failed.is_empty() {
        text.push_str("no run's time has come\n");
    }
    Ok(Answer::new(
        exit,
        json!({ "woken": woken, "failed": failed }),
        text,
    ))
}

/// Goes on with a run if its time has come and nobody drives it.
async fn wake(host: &Host, session: &Arc<Session>, run: &RunId) -> Result<Option<RunState>, Problem> {
    let state = host.clerk().load(run).await?;
    let due = match state.status() {
        RunStatus::Running => true,
        // This program may have what another one lacked.
        RunStatus::Parked => host.has_types_of(&state),
        _ => state.next_wake().is_some_and(|at| at <= SystemClock.now()),
    };
    if state.finished().is_some() || !due || host.is_free(run)?.is_none() {
        return Ok(None);
    }
    go_on(host, session, run).await.map(Some)
}

/// `release cancel RUN`
pub async fn cancel(
    host: &Host,
    session: &Arc<Session>,
    run: &str,
    by: &str,
    reason: &str,
) -> Result<Answer, Problem> {
    let run = run_id(run)?;
    let asked = host
        .clerk()
        .cancel(&run, Actor::person(by)?, reason.to_owned())
        .await?;
    // Whoever drives it stops it. If nobody does, it is ended here.
    let free = host.is_free(&run)?.is_some();
    let state = if free {
        go_on(host, session, &run).await?
    } else {
        host.clerk().load(&run).await?
    };
    let exit = match state.status() {
        RunStatus::Cancelled | RunStatus::Running => Exit::Succeeded,
        other => Exit::from(other),
    };
    let mut text = show::run_text(&state);
    if !free {
        text.push_str("the process that drives it was asked to stop; see release status\n");
        if asked.cancel().is_some_and(|cancel| !cancel.force) {
            text.push_str("once more, and it stops at once and cleans nothing up\n");
        }
    }
    Ok(Answer::new(exit, show::run_data(&state), text))
}

/// How a drive ended, as an answer.
fn answer(state: &RunState) -> Answer {
    let mut text = show::run_text(state);
    let run = state.id();
    match state.status() {
        RunStatus::Waiting => text.push_str(&format!("when something changed: release resume {run}\n")),
        RunStatus::Parked => text.push_str(&format!("with a program that has it: release resume {run}\n")),
        _ => {}
    }
    Answer::new(Exit::from(state.status()), show::run_data(state), text)
}

/// Shares one live view between runners.
struct Watch(Arc<Session>);

impl Observer for Watch {
    fn observe(&self, signal: &pipeline_core::Signal<'_>) {
        self.0.live.observe(signal);
    }
}
