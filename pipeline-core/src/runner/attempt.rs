use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::Runner;
use super::lanes::Work;
use super::signal::Signal;
use crate::chain::error_chain;
use crate::run::StageResult;
use crate::stage::{AnyStage, StageContext, StageError};
use crate::{Digest, Failure, Masker, Outcome};

/// How long a dropped stage may take to be gone.
pub(super) const GONE: Duration = Duration::from_secs(5);

/// How the work of an attempt ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// It returned.
    Returned(Result<Outcome, StageError>),
    /// It panicked: what it said.
    Panicked(String),
}

/// The limits of an attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Supervised {
    /// How long it may take.
    pub(super) limit: Option<Duration>,
    /// How long it may take to stop after it was asked to.
    pub(super) grace: Duration,
}

impl Supervised {
    /// Watches an attempt to its end: hard limit, request to stop, panic.
    ///
    /// A request to stop, or the deadline, first asks through the context; when the stage has not ended after the
    /// grace period, its future is dropped, and nobody knows what it did last. A request to drop it does so at once.
    pub(super) async fn watch(self, work: Work, cx: &StageContext) -> StageResult {
        let mut task = JoinSet::new();
        // A task of its own: it may block its thread, and is watched all the same.
        task.spawn(work);
        let deadline = async {
            match self.limit {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        let (cancelled, drop_now) = (cx.cancelled(), cx.drop_now().cancelled());
        tokio::pin!(deadline, cancelled, drop_now);
        let mut timed_out = false;
        // Until the stage ends, or is asked to.
        let early = loop {
            tokio::select! {
                biased;
                joined = task.join_next() => break joined,
                _ = &mut cancelled => break None,
                _ = &mut drop_now => break None,
                () = &mut deadline, if !timed_out => {
                    timed_out = true;
                    cx.cancellation().cancel(self.too_long());
                }
            }
        };
        let joined = match early {
            Some(joined) => Some(joined),
            None => tokio::select! {
                biased;
                joined = task.join_next() => joined,
                _ = &mut drop_now => None,
                () = tokio::time::sleep(self.grace) => None,
            },
        };
        match joined {
            Some(Ok(ended)) => judge(cx, ended, timed_out),
            Some(Err(error)) => judge(cx, Ended::Panicked(super::guard::task_text(error)), timed_out),
            None => {
                task.abort_all();
                // Until it is really gone, so that nothing of it outlives the report; but what blocks its thread
                // cannot be dropped, and is not waited for.
                let _ = tokio::time::timeout(GONE, task.join_next()).await;
                self.dropped(cx)
            }
        }
    }

    /// What is said when the limit is over. What is left of it when it is read is a little less than was set.
    pub(super) fn too_long(self) -> String {
        let seconds = self.limit.unwrap_or_default().as_millis().div_ceil(1000);
        format!("it took longer than {seconds} s")
    }

    /// The result of an attempt that did not stop.
    pub(super) fn dropped(self, cx: &StageContext) -> StageResult {
        let why = reason(cx);
        let error = match cx.drop_now().reason() {
            Some(_) => format!("{why}; it was dropped at once"),
            None => format!(
                "{why}; it did not stop within {} s and was dropped",
                self.grace.as_secs()
            ),
        };
        StageResult::Failed {
            failure: Failure::Unknown,
            error: vec![error],
        }
    }
}

/// What the end of the work means for the stage.
pub(super) fn judge(cx: &StageContext, ended: Ended, timed_out: bool) -> StageResult {
    match ended {
        Ended::Returned(Ok(outcome)) if outcome.is_success() => completed(cx, outcome),
        Ended::Returned(Ok(_))
        | Ended::Returned(Err(StageError {
            failure: Failure::Failed | Failure::Errored,
            ..
        })) if cx.is_cancelled() && !timed_out => StageResult::Cancelled {
            reason: reason(cx).to_string(),
        },
        Ended::Returned(Ok(outcome)) if !timed_out => completed(cx, outcome),
        Ended::Returned(Ok(outcome)) => {
            let error = vec![reason(cx).to_string(), cx.masker().mask(&outcome.reason)];
            StageResult::Failed {
                failure: Failure::Errored,
                error,
            }
        }
        Ended::Returned(Err(error)) => {
            let mut texts = if timed_out {
                vec![reason(cx).to_string()]
            } else {
                Vec::new()
            };
            texts.extend(error_chain(&error).iter().map(|text| cx.masker().mask(text)));
            StageResult::Failed {
                failure: error.failure,
                error: texts,
            }
        }
        Ended::Panicked(text) => {
            let error = vec![cx.masker().mask(&text)];
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
        outcome: match cx.is_masking() {
            true => Arc::new(masked(cx.masker(), outcome)),
            false => Arc::new(outcome),
        },
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

pub(super) async fn run_and_check(stage: &AnyStage, cx: &StageContext) -> Result<Outcome, StageError> {
    let outcome = stage.run(cx).await?;
    if !outcome.is_success() || !stage.can_verify() {
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

impl Runner {
    /// Keeps the output of an attempt as a blob.
    pub(super) async fn keep_output(&self, context: &StageContext) -> Option<Digest> {
        let log = context.output_log();
        if log.is_empty() {
            return None;
        }
        match self.services.artifacts.put_blob(log.to_string().as_bytes()).await {
            Ok(digest) => Some(digest),
            Err(error) => {
                let text = format!(
                    "output of stage `{}` is not kept: {}",
                    context.stage(),
                    error_chain(&error).join(": ")
                );
                self.observers.send(&Signal::Warning {
                    run: context.run(),
                    text: &text,
                });
                None
            }
        }
    }
}
