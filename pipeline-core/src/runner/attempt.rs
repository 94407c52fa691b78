use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::guard::panic_text;
use crate::chain::error_chain;
use crate::run::StageResult;
use crate::stage::{AnyStage, StageContext, StageError};
use crate::{Failure, Masker, Outcome};

/// How long a dropped stage may take to be gone.
const GONE: Duration = Duration::from_secs(5);

/// Runs one attempt to its end: hard limit, request to stop, panic.
///
/// A request to stop, or the deadline, first asks through the context; when the stage has not ended after the
/// grace period, its future is dropped, and nobody knows what it did last.
pub(super) async fn attempt(
    stage: AnyStage,
    cx: StageContext,
    limit: Option<Duration>,
    grace: Duration,
) -> StageResult {
    let mut task = JoinSet::new();
    let cancelled = cx.cancelled();
    let inner = cx.clone();
    task.spawn(async move { run_and_check(&stage, &inner).await });
    let deadline = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(deadline, cancelled);
    let mut timed_out = false;
    // Until the stage ends, or is asked to.
    let early = loop {
        tokio::select! {
            biased;
            joined = task.join_next() => break joined,
            _ = &mut cancelled => break None,
            () = &mut deadline, if !timed_out => {
                timed_out = true;
                // What is left of the limit is a little less than was set.
                let seconds = limit.unwrap_or_default().as_millis().div_ceil(1000);
                cx.cancellation().cancel(format!("it took longer than {seconds} s"));
            }
        }
    };
    let joined = match early {
        Some(joined) => joined,
        None => match tokio::time::timeout(grace, task.join_next()).await {
            Ok(Some(joined)) => joined,
            _ => {
                task.abort_all();
                // Until it is really gone, so that nothing of it outlives the report; but what blocks its thread
                // cannot be dropped, and is not waited for.
                let _ = tokio::time::timeout(GONE, task.join_next()).await;
                let seconds = grace.as_secs();
                let error = format!(
                    "{}; it did not stop within {seconds} s and was dropped",
                    reason(&cx)
                );
                return StageResult::Failed {
                    failure: Failure::Unknown,
                    error: vec![error],
                };
            }
        },
    };
    match joined {
        Ok(Ok(outcome)) if outcome.is_success() => completed(&cx, outcome),
        Ok(Ok(_))
        | Ok(Err(StageError {
            failure: Failure::Failed | Failure::Errored,
            ..
        })) if cx.is_cancelled() && !timed_out => StageResult::Cancelled {
            reason: reason(&cx).to_string(),
        },
        Ok(Ok(outcome)) if !timed_out => completed(&cx, outcome),
        Ok(Ok(outcome)) => {
            let error = vec![reason(&cx).to_string(), cx.masker().mask(&outcome.reason)];
            StageResult::Failed {
                failure: Failure::Errored,
                error,
            }
        }
        Ok(Err(error)) => {
            let mut texts = if timed_out {
                vec![reason(&cx).to_string()]
            } else {
                Vec::new()
            };
            texts.extend(error_chain(&error).iter().map(|text| cx.masker().mask(text)));
            StageResult::Failed {
                failure: error.failure,
                error: texts,
            }
        }
        Err(panic) => {
            let error = vec![cx.masker().mask(&panic_text(panic))];
            StageResult::Failed {
                failure: Failure::Unknown,
                error,
            }
        }
    }
}

fn reason(cx: &StageContext) -> Arc<str> {
    cx.cancellation()
        .reason()
        .unwrap_or_else(|| "it was asked to stop".into())
}

fn completed(cx: &StageContext, outcome: Outcome) -> StageResult {
    StageResult::Completed {
        outcome: Box::new(masked(cx.masker(), outcome)),
    }
}

/// What a stage reports goes into the journal, so it is masked like its output. A mask is no name, so a fact with a
/// secret in its name is left out.
pub(super) fn masked(masker: &Masker, mut outcome: Outcome) -> Outcome {
    outcome
        .facts
        .retain(|name, _| masker.mask(name.as_str()) == name.as_str());
    outcome.reason = masker.mask(&outcome.reason);
    for value in outcome.facts.values_mut() {
        masker.mask_data(value);
    }
    outcome
}

async fn run_and_check(stage: &AnyStage, cx: &StageContext) -> Result<Outcome, StageError> {
    let outcome = stage.run(cx).await?;
    if !outcome.is_success() {
        return Ok(outcome);
    }
    let Err(refused) = stage.verify(cx, &outcome).await else {
        return Ok(outcome);
    };
    let why = error_chain(&refused).join(": ");
    match stage.undo(cx, &outcome).await {
        Ok(true) => Ok(Outcome::failed(format!(
            "it did not verify and was undone: {why}"
        ))),
        Ok(false) => Err(refused),
        Err(error) => Err(StageError::new(
            Failure::Unknown,
            format!(
                "it did not verify ({why}), and undoing it failed: {}",
                error_chain(&error).join(": ")
            ),
        )),
    }
}
