use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::drive_state::Drive;
use super::flights::Flights;
use crate::chain::error_chain;
use crate::pipeline::Pipeline;
use crate::run::{Gates, RunState};
use crate::runner::RunError;
use crate::runner::fingerprint::{Fingerprint, Reported};
use crate::runner::lanes::Lanes;
use crate::runner::lease::Lease;
use crate::runner::slots::Held;
use crate::runner::worker::Runner;
use crate::{Outcome, RunId};

impl Runner {
    /// Drives a run until it ends, or until all that is left waits for something outside. What a run waits for
    /// holds nothing here: drive it again when something changed, in this process or another. A host may also drive it
    /// every now and then: as long as nothing came, its gates are asked and nothing is appended.
    ///
    /// The work is done on the runtime, and dropping the future ends it, as if the process had died: what was going on
    /// is found out about when the run is driven again, which is refused until all of it is gone.
    ///
    /// # Errors
    ///
    /// When another process drives the run, the pipeline is not the one it was planned with, or the journal
    /// fails. What was running is dropped then, and its effects are found out about when it is driven again.
    pub async fn drive(self: &Arc<Self>, pipeline: &Pipeline, run: &RunId) -> Result<RunState, RunError> {
        let (runner, pipeline, id) = (Arc::clone(self), pipeline.clone(), run.clone());
        // Tells the task when nobody waits for it any more: it keeps the lease until what it began is gone.
        let (_wanted, unwanted) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move { runner.drive_here(pipeline, &id, unwanted).await });
        task.await.unwrap_or_else(|source| {
            Err(RunError::Task {
                run: run.clone(),
                source,
            })
        })
    }

    pub(super) async fn drive_here(
        self: Arc<Self>,
        pipeline: Pipeline,
        run: &RunId,
        unwanted: tokio::sync::oneshot::Receiver<()>,
    ) -> Result<RunState, RunError> {
        let _lease = self.lease(run)?;
        let state = self.load_over(run, Some(&pipeline)).await?;
        if state.finished().is_some() || state.waits_for_run().is_some() || self.is_draining() {
            return Ok(state);
        }
        let digest = pipeline.plan_digest().map_err(RunError::Canonical)?;
        if digest != state.plan_digest() {
            let reason = format!(
                "its plan is {}, this one's {}",
                state.plan_digest().short(),
                digest.short()
            );
            return Err(RunError::OtherPipeline {
                run: run.clone(),
                reason,
            });
        }
        if state.epoch() == 0 {
            self.check_source(&state).await?;
        }
        let reuses = pipeline.graph().reuses;
        if reuses {
            self.refresh_history().await?;
        }
        let gates = pipeline
            .stages()
            .filter(|node| !node.gates().is_empty())
            .map(|node| (node.name().clone(), node.gates().to_vec()));
        let gates = Gates::new(gates);
        let now = self.services.clock.now();
        let began = Instant::now();
        let look = began + self.options.poll;
        let mut drive = Drive {
            services: Arc::new(self.services.clone()),
            signals: Arc::new(self.observers.clone()),
            lanes: Lanes::new(Arc::clone(&self), &pipeline, state.id()),
            slots: Held::none(Arc::clone(&self.slots)),
            runner: self,
            pipeline,
            gates,
            state,
            epoch: 0,
            in_flight: Flights::default(),
            backlog: VecDeque::new(),
            watched: Vec::new(),
            next_task: 0,
            now,
            alarm: Box::pin(sleep_until(look)),
            look,
            reuses,
            reports: Vec::new(),
            inputs: Vec::new(),
            touched: Vec::new(),
            jobs: Vec::new(),
            ahead: None,
            plain: Arc::new(Outcome::succeeded()),
            fingerprint: Fingerprint::default(),
            reported: Reported::default(),
            here: None,
            streak: 0,
            streak_began: began,
            quick: false,
            commit_took: Duration::ZERO,
            commits: 0,
            breathed: began,
            leaving: false,
        };
        let worked = tokio::select! {
            biased;
            _ = unwanted => Err(RunError::Taken { run: run.clone() }),
            worked = drive.claim_and_work() => worked,
        };
        if worked.is_err() {
            drive.leave().await;
        }
        worked?;
        drive.runner.keep_snapshot(&drive.state).await;
        Ok(drive.state)
    }

    /// Takes the right to drive a run.
    pub(in crate::runner) fn lease(&self, run: &RunId) -> Result<Lease, RunError> {
        let lease = self.leases.take(run).map_err(|source| RunError::Lease {
            run: run.clone(),
            source,
        })?;
        lease.ok_or_else(|| RunError::Taken { run: run.clone() })
    }

    /// A run begins with the code that it was created with. From then on the source is the run's own: its stages
    /// may write there.
    pub(super) async fn check_source(&self, state: &RunState) -> Result<(), RunError> {
        let Some(expected) = state.source() else {
            return Ok(());
        };
        let other = |reason| RunError::OtherSource {
            run: state.id().clone(),
            reason,
        };
        let found = self.services.source.digest(&[crate::SourcePath::root()]).await;
        match found {
            Ok(found) if found == expected => Ok(()),
            Ok(found) => Err(other(format!(
                "it is {found}, the run was created with {expected}"
            ))),
            Err(error) => Err(other(error_chain(&error).join(": "))),
        }
    }
}
