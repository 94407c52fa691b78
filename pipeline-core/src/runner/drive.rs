use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use super::RunError;
use super::attempt::{attempt, masked};
use super::guard::guarded;
use super::prepare::Job;
use super::signal::Signal;
use super::worker::{Runner, TRIES};
use crate::chain::error_chain;
use crate::journal::{AppendError, Batch};
use crate::pipeline::Pipeline;
use crate::run::{Command, Gates, Input, RunState, StageIndex, StageResult};
use crate::{Cancellation, Digest, Inspection, RunId, StageContext};

/// What a task reports back.
struct Report {
    stage: StageIndex,
    input: Input,
}

/// One drive of a run: the state, and the tasks that work for it.
struct Drive<'a> {
    runner: Arc<Runner>,
    pipeline: &'a Pipeline,
    gates: Gates,
    state: RunState,
    /// The delivery that this is; another one means that another worker took over.
    epoch: u64,
    tasks: JoinSet<Report>,
    /// One task a stage at most.
    in_flight: HashMap<StageIndex, Flight>,
}

/// A task that works for a stage.
struct Flight {
    task: AbortHandle,
    /// An attempt is asked to stop; anything else is dropped when it is no longer wanted.
    attempt: Option<Cancellation>,
}

impl Runner {
    /// Drives a run until it ends, or until all that is left waits for something outside. What a run waits for
    /// holds nothing here: drive it again when something changed, in this process or another.
    ///
    /// # Errors
    ///
    /// When another process drives the run, the pipeline is not the one it was planned with, or the journal
    /// fails. What was running is dropped then, and its effects are found out about when it is driven again.
    pub async fn drive(self: &Arc<Self>, pipeline: &Pipeline, run: &RunId) -> Result<RunState, RunError> {
        let lease = self.leases.take(run).map_err(|source| RunError::Lease {
            run: run.clone(),
            source,
        })?;
        let _lease = lease.ok_or_else(|| RunError::Taken { run: run.clone() })?;
        let state = self.load(run).await?;
        if state.finished().is_some() {
            return Ok(state);
        }
        let digest = pipeline.plan().digest().map_err(RunError::Canonical)?;
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
        self.history.lock().await.refresh(&*self.journal).await?;
        let gates = pipeline
            .stages()
            .map(|node| (node.name().clone(), node.gates().to_vec()));
        let mut drive = Drive {
            runner: Arc::clone(self),
            pipeline,
            gates: Gates::new(gates),
            state,
            epoch: 0,
            tasks: JoinSet::new(),
            in_flight: HashMap::new(),
        };
        drive
            .commit(vec![Input::Claim {
                worker: self.options.worker.clone(),
            }])
            .await?;
        drive.epoch = drive.state.epoch();
        drive.state.touch_all();
        drive.work().await?;
        Ok(drive.state)
    }
}

impl Runner {
    /// A run begins with the code that it was created with. From then on the source is the run's own: its stages
    /// may write there.
    async fn check_source(&self, state: &RunState) -> Result<(), RunError> {
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

impl Drive<'_> {
    async fn work(&mut self) -> Result<(), RunError> {
        loop {
            self.dispatch();
            if self.state.finished().is_some() {
                return Ok(());
            }
            if self.in_flight.is_empty() {
                // A last look: what was said while the last task ended would otherwise wait for the next drive.
                if !self.catch_up().await? {
                    return Ok(());
                }
                continue;
            }
            let mut reports = Vec::new();
            tokio::select! {
                Some(report) = self.tasks.join_next_with_id() => reports.push(report),
                () = tokio::time::sleep(self.runner.options.poll) => {}
            }
            // All that ended meanwhile shares a commit.
            while let Some(report) = self.tasks.try_join_next_with_id() {
                reports.push(report);
            }
            if reports.is_empty() {
                self.catch_up().await?;
                self.state.touch_held();
                continue;
            }
            let mut inputs = Vec::with_capacity(reports.len());
            for report in reports {
                inputs.extend(self.take_in(report)?);
            }
            self.commit(inputs).await?;
        }
    }

    /// Reads what others appended, and decides on it. Tells whether there was anything.
    async fn catch_up(&mut self) -> Result<bool, RunError> {
        if !self.runner.refresh(&mut self.state).await? {
            return Ok(false);
        }
        self.check_epoch()?;
        self.commit(vec![Input::Tick]).await?;
        Ok(true)
    }

    /// What a task reports; nothing, if it was dropped because nobody wanted its report.
    fn take_in(&mut self, report: Result<(Id, Report), JoinError>) -> Result<Option<Input>, RunError> {
        match report {
            Ok((id, Report { stage, input })) => {
                if self
                    .in_flight
                    .get(&stage)
                    .is_some_and(|flight| flight.task.id() == id)
                {
                    self.in_flight.remove(&stage);
                }
                self.state.touch(stage);
                Ok(Some(input))
            }
            Err(error) if error.is_cancelled() => Ok(None),
            Err(source) => Err(RunError::Task {
                run: self.state.id().clone(),
                source,
            }),
        }
    }

    /// Whether the run is still this worker's.
    fn check_epoch(&self) -> Result<(), RunError> {
        if self.epoch == 0 || self.state.epoch() == self.epoch {
            return Ok(());
        }
        Err(RunError::Taken {
            run: self.state.id().clone(),
        })
    }

    /// Decides on some inputs and commits the decisions. When somebody else was first: reads what is new, and
    /// decides again.
    async fn commit(&mut self, inputs: Vec<Input>) -> Result<(), RunError> {
        for _ in 0..TRIES {
            let now = self.runner.services.clock.now();
            let mut batch = Batch::new(now);
            for input in &inputs {
                batch.follow(
                    self.state
                        .advance(&self.gates, input, now)
                        .map_err(RunError::Refused)?,
                );
            }
            if batch.is_empty() {
                return Ok(());
            }
            match self.runner.append(&self.state.id().clone(), batch).await {
                Ok(()) => return Ok(()),
                Err(RunError::Append {
                    source: AppendError::Conflict(_),
                    ..
                }) => {
                    // The state ran ahead of a journal that went another way.
                    self.state = self.runner.load(self.state.id()).await?;
                    self.state.touch_all();
                    self.check_epoch()?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(RunError::Contended {
            run: self.state.id().clone(),
            tries: TRIES,
        })
    }

    /// Starts what is due and not going on.
    fn dispatch(&mut self) {
        let now = self.runner.services.clock.now();
        for stage in self.state.take_touched() {
            let due = self.state.due(stage, now);
            match (due, self.in_flight.get(&stage)) {
                (None, None) => {}
                (None, Some(flight)) => {
                    // A preparation that nobody wants any more. An attempt always reports.
                    if flight.attempt.is_none() {
                        flight.task.abort();
                        self.in_flight.remove(&stage);
                    }
                }
                (
                    Some(Command::Stop { .. }),
                    Some(Flight {
                        attempt: Some(attempt),
                        ..
                    }),
                ) => {
                    if let Some(cancel) = self.state.cancel() {
                        attempt.cancel(format!("the run was cancelled by {}", cancel.by.name()));
                    }
                }
                (Some(_), Some(_)) => {}
                // Decided to start, and to stop before it did.
                (Some(Command::Stop { stage }), None) => self.report_unstarted(stage),
                (Some(Command::Prepare { stage, locked }), None) => self.prepare(stage, locked),
                (Some(Command::Execute { stage }), None) => self.execute(stage),
                (Some(Command::Inspect { stage }), None) => self.inspect(stage),
            }
        }
    }

    fn job(&self, stage: StageIndex) -> Option<Job> {
        Job::new(&self.state, self.pipeline, stage)
    }

    fn spawn(
        &mut self,
        stage: StageIndex,
        attempt: Option<Cancellation>,
        input: impl Future<Output = Input> + Send + 'static,
    ) {
        let task = self.tasks.spawn(async move {
            Report {
                stage,
                input: input.await,
            }
        });
        self.in_flight.insert(stage, Flight { task, attempt });
    }

    fn prepare(&mut self, stage: StageIndex, locked: bool) {
        let Some(job) = self.job(stage) else { return };
        let runner = Arc::clone(&self.runner);
        self.spawn(stage, None, async move {
            Input::Prepared(Box::new(runner.prepare(job, locked).await))
        });
    }

    fn execute(&mut self, stage: StageIndex) {
        let Some(job) = self.job(stage) else { return };
        let Some((number, epoch)) = self.attempt(stage) else {
            return;
        };
        let runner = Arc::clone(&self.runner);
        self.spawn(stage, Some(job.cancellation.clone()), async move {
            let name = job.planned.name.clone();
            let (result, output) = match runner.context(&job).await {
                Ok(context) => runner.execute(job, context).await,
                Err(error) => {
                    let error = StageResult::Failed {
                        failure: error.failure,
                        error: error_chain(&error),
                    };
                    (error, None)
                }
            };
            Input::Finished {
                stage: name,
                attempt: number,
                epoch,
                result,
                output,
            }
        });
    }

    fn inspect(&mut self, stage: StageIndex) {
        let Some(job) = self.job(stage) else { return };
        let Some((number, _)) = self.attempt(stage) else {
            return;
        };
        let runner = Arc::clone(&self.runner);
        self.spawn(stage, None, async move {
            let name = job.planned.name.clone();
            Input::Inspected {
                stage: name,
                attempt: number,
                found: runner.look_for_effect(job).await,
            }
        });
    }

    fn report_unstarted(&mut self, stage: StageIndex) {
        let Some((attempt, epoch)) = self.attempt(stage) else {
            return;
        };
        let name = self.state.view(stage).planned().name.clone();
        let result = StageResult::Cancelled {
            reason: "it was cancelled before it began".to_owned(),
        };
        let input = Input::Finished {
            stage: name,
            attempt,
            epoch,
            result,
            output: None,
        };
        self.spawn(stage, None, std::future::ready(input));
    }

    fn attempt(&self, stage: StageIndex) -> Option<(u32, u64)> {
        self.state
            .view(stage)
            .attempt()
            .map(|attempt| (attempt.attempt, attempt.epoch))
    }
}

impl Runner {
    /// Lets a stage look for its effect. What it finds is masked.
    async fn look_for_effect(self: &Arc<Self>, job: Job) -> Inspection {
        let masker = job.masker.clone();
        let runner = Arc::clone(self);
        let work = async move {
            let context = runner.context(&job).await?;
            job.stage.inspect(&context).await
        };
        let why = match guarded(self.options.preparation, &masker, work).await {
            Ok(Ok(Inspection::Happened(outcome))) => {
                return Inspection::Happened(Box::new(masked(&masker, *outcome)));
            }
            Ok(Ok(Inspection::Unknown { reason })) => {
                let reason = masker.mask(&reason);
                return Inspection::Unknown { reason };
            }
            Ok(Ok(Inspection::DidNotHappen)) => return Inspection::DidNotHappen,
            Ok(Err(error)) => masker.mask(&error_chain(&error).join(": ")),
            Err(text) => text,
        };
        Inspection::Unknown {
            reason: format!("it could not be inspected: {why}"),
        }
    }

    /// Runs an attempt, and keeps its output.
    async fn execute(&self, job: Job, context: StageContext) -> (StageResult, Option<Digest>) {
        let left = context.deadline().map(|deadline| {
            let left = deadline.duration_since(self.services.clock.now());
            Duration::try_from(left).unwrap_or(Duration::ZERO)
        });
        let result = attempt(job.stage, context.clone(), left, self.options.grace).await;
        let log = context.output_log();
        if log.is_empty() {
            return (result, None);
        }
        match self.services.artifacts.put_blob(log.to_string().as_bytes()).await {
            Ok(digest) => (result, Some(digest)),
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
                (result, None)
            }
        }
    }
}
