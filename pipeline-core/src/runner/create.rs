use std::collections::BTreeMap;
use std::sync::Arc;

use super::worker::{Runner, TRIES};
use super::{RunError, RunRequest};
use crate::journal::{Append, AppendError, Batch, Expected};
use crate::pipeline::Pipeline;
use crate::queue::{PipelineEvent, RunQueued};
use crate::run::{Ahead, Gates, Input, RunCreated, RunEvent, RunState, StageEnd, StageReused};
use crate::{Digest, NewEvent, Outcome, QueueMode, RunId, StageName, StreamId, Timestamp};

/// How runs come into being.
impl Runner {
    /// Creates a run of a pipeline. It begins when it is driven, and it is its turn.
    ///
    /// # Errors
    ///
    /// When the journal does not take it, or the id is taken.
    pub async fn create(&self, pipeline: &Pipeline, request: RunRequest) -> Result<RunId, RunError> {
        let created = created(pipeline, &request)?;
        self.begin(pipeline, request, created, Vec::new()).await
    }

    /// Creates a run that begins an ended one again: what succeeded there is kept, and the rest runs. Revision,
    /// source and purpose are those of the old run.
    ///
    /// A stage is kept when all that it depends on is, its artifacts are still there, and, if it deployed, nobody has
    /// deployed over it since. The clean-up is never kept.
    ///
    /// # Errors
    ///
    /// When the old run has not ended, was of another pipeline, or has nothing to run again; or when the journal fails.
    pub async fn create_again(
        &self,
        pipeline: &Pipeline,
        old: &RunId,
        request: RunRequest,
    ) -> Result<RunId, RunError> {
        let old = self.load_over(old, Some(pipeline)).await?;
        let digest = pipeline.plan_digest().map_err(RunError::Canonical)?;
        let refuse = |reason: &str| RunError::NotAgain {
            run: old.id().clone(),
            reason: reason.to_owned(),
        };
        if old.finished().is_none() {
            return Err(refuse("it has not ended"));
        }
        if old.plan_digest() != digest {
            return Err(refuse("its pipeline was another one"));
        }
        let kept = self.kept(&old).await;
        if kept.len() == pipeline.len() {
            return Err(refuse("everything in it succeeded"));
        }
        let created = RunCreated {
            again: Some(old.id().clone()),
            purpose: old.purpose(),
            revision: old.revision().cloned(),
            source: old.source(),
            revisions: old.revisions().clone(),
            ..created(pipeline, &request)?
        };
        self.begin(pipeline, request, created, kept).await
    }

    async fn begin(
        &self,
        pipeline: &Pipeline,
        request: RunRequest,
        mut created: RunCreated,
        kept: Vec<StageReused>,
    ) -> Result<RunId, RunError> {
        let now = self.services.clock.now();
        let plan = Arc::clone(&created.plan);
        if plan.limits.parallel.is_some() || !plan.pools.is_empty() || self.options.parallel.is_some() {
            created.durations = self.durations(pipeline).await?;
        }
        let mut events = vec![NewEvent::new(request.by.clone(), RunEvent::from(created))];
        events.extend(
            kept.into_iter()
                .map(|kept| NewEvent::engine(RunEvent::from(kept))),
        );
        let mut id = request.id.clone();
        for _ in 0..TRIES {
            let run = id
                .clone()
                .unwrap_or_else(|| RunId::generate(now, self.entropy.next_u64()));
            let mut batch = Batch {
                at: now,
                appends: vec![Append {
                    stream: StreamId::run(&run),
                    expected: Expected::At(0),
                    events: events.clone(),
                }],
            };
            if plan.runs != QueueMode::Parallel {
                let queued = PipelineEvent::from(RunQueued { run: run.clone() });
                let stream = StreamId::pipeline(&plan.pipeline);
                batch.push(&stream, Expected::Any, NewEvent::new(request.by.clone(), queued));
            }
            match self.append(&run, batch).await {
                Ok(()) => {
                    if plan.runs == QueueMode::Supersede {
                        self.supersede(pipeline, &run).await?;
                    }
                    return Ok(run);
                }
                // Chance gave a taken id; a host's own id is its own matter.
                Err(RunError::Append {
                    source: AppendError::Conflict(_),
                    ..
                }) if request.id.is_none() => id = None,
                Err(error) => return Err(error),
            }
        }
        Err(RunError::Contended {
            run: RunId::generate(now, 0),
            tries: TRIES,
        })
    }

    /// Ends the runs that wait before a new one. One that began meanwhile goes on.
    async fn supersede(&self, pipeline: &Pipeline, newest: &RunId) -> Result<(), RunError> {
        let state = self.load_over(newest, Some(pipeline)).await?;
        let waiting: Vec<_> = state
            .queue()
            .map(|queue| {
                queue
                    .runs
                    .iter()
                    .take_while(|run| *run != newest)
                    .cloned()
                    .collect()
            })
            .unwrap_or_default();
        for run in waiting {
            let mut old = self.load_over(&run, Some(pipeline)).await?;
            if old.epoch() > 0 || old.finished().is_some() {
                continue;
            }
            let reason = format!("run {newest} superseded it");
            let now = self.services.clock.now();
            let mut ahead = Ahead::superseded(&old, newest.clone(), now.into());
            // What never began leaves nothing to clean up, so it is stopped at once.
            while !old.cancel().is_some_and(|cancel| cancel.force) {
                let (by, reason) = (crate::Actor::Engine, reason.clone());
                ahead
                    .decide(&mut old, &Gates::default(), &Input::Cancel { by, reason })
                    .map_err(RunError::Refused)?;
            }
            ahead.settle(&mut old);
            let batch = ahead.take_batch();
            match self.append(&run, batch).await {
                Ok(())
                | Err(RunError::Append {
                    source: AppendError::Conflict(_),
                    ..
                }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What of an ended run is kept when it begins again.
    async fn kept(&self, old: &RunState) -> Vec<StageReused> {
        let mut kept = vec![false; old.plan().stages.len()];
        let mut events = Vec::new();
        for index in 0..kept.len() {
            let stage = old.view(index as u32);
            let planned = stage.planned();
            let Some(outcome) = stage.end().filter(|end| end.is_success()).map(outcome) else {
                continue;
            };
            let all_before = old
                .dependencies(index as u32)
                .iter()
                .all(|&before| kept[before as usize]);
            if !all_before || planned.when.is_clean_up() {
                continue;
            }
            // What was kept before keeps the run that it came from.
            let from = match stage.end() {
                Some(StageEnd::Reused { from, .. }) => from,
                _ => old.id(),
            };
            let still_there = match &planned.environment {
                None => true,
                Some(name) => {
                    let live = old
                        .environment(name)
                        .and_then(|environment| environment.live.as_ref());
                    live.is_some_and(|live| live.run == *from && !live.rolled_back)
                }
            };
            if still_there && self.has_artifacts(&outcome).await {
                kept[index] = true;
                events.push(StageReused {
                    stage: planned.name.clone(),
                    fingerprint: Digest::ZERO,
                    from: from.clone(),
                    outcome,
                });
            }
        }
        events
    }

    pub(super) async fn has_artifacts(&self, outcome: &Outcome) -> bool {
        for artifact in outcome.artifacts.values() {
            if self.services.artifacts.open(artifact).await.is_err() {
                return false;
            }
        }
        true
    }

    /// How long the stages took in the last run of the pipeline that succeeded, in milliseconds.
    async fn durations(&self, pipeline: &Pipeline) -> Result<BTreeMap<StageName, u32>, RunError> {
        self.refresh_history().await?;
        let last = self.history().last(pipeline.name());
        let Some(last) = last else {
            return Ok(BTreeMap::new());
        };
        let last = self.load(&last).await?;
        let took = |began: Timestamp, ended: Timestamp| {
            let took = ended
                .duration_since(began)
                .as_millis()
                .clamp(1, i128::from(u32::MAX));
            u32::try_from(took).unwrap_or(1)
        };
        let stages = last.stages().filter_map(|stage| {
            Some((
                stage.planned().name.clone(),
                took(stage.started()?, stage.ended()?),
            ))
        });
        Ok(stages.filter(|(_, took)| *took > 1).collect())
    }
}

fn outcome(end: &StageEnd) -> Arc<Outcome> {
    match end.outcome() {
        Some(outcome) => Arc::clone(outcome),
        None => Arc::new(Outcome::succeeded().because(end.reason())),
    }
}

/// The first event of a run.
pub(super) fn created(pipeline: &Pipeline, request: &RunRequest) -> Result<RunCreated, RunError> {
    let digest = pipeline.plan_digest().map_err(RunError::Canonical)?;
    Ok(RunCreated {
        purpose: request.purpose,
        revision: request.revision.clone(),
        source: request.source,
        revisions: request.revisions.clone(),
        rollback: request.rollback,
        ..RunCreated::with_digest(digest, pipeline.plan())
    })
}
