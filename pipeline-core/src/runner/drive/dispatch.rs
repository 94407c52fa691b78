use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::drive_state::{Drive, Flight, FlightKind};
use crate::chain::error_chain;
use crate::run::{Command, Input, StageIndex, StageResult};
use crate::runner::attempt::masked;
use crate::runner::guard::guarded;
use crate::runner::lanes::{Report, Reported};
use crate::runner::prepare;
use crate::runner::worker::Runner;
use crate::stage::StageContext;
use crate::{AnyStage, Inspection};

/// How many attempts the lanes are given ahead: enough to keep them busy, and not all of a million.
const AHEAD: usize = 1024;

/// How many attempts, one after another, tell whether they are quick, and what each may take then.
const STREAK: u32 = 8;

const QUICK: Duration = Duration::from_micros(50);

impl Drive {
    /// Starts what is due and not going on.
    pub(super) fn dispatch(&mut self) {
        let now = self.now;
        let mut touched = std::mem::take(&mut self.touched);
        self.state.take_touched_into(&mut touched);
        // What begins now goes to the lanes at once, unless it has to wait behind others.
        let room = match self.backlog.is_empty() {
            true => AHEAD.saturating_sub(self.lanes.ahead()),
            false => 0,
        };
        for &stage in &touched {
            let due = self.state.due(stage, now);
            match (due, self.in_flight.get(stage)) {
                (None, None) => {}
                (None, Some(flight)) => {
                    // Nobody wants the answer any more. An attempt always reports.
                    if let FlightKind::Question(task) = &flight.kind {
                        task.abort();
                        self.in_flight.remove(stage);
                    }
                }
                (Some(Command::Stop { force, .. }), Some(_)) => self.stop(stage, force),
                (Some(_), Some(_)) => {}
                // Decided to start, and to stop before it did.
                (Some(Command::Stop { stage, .. }), None) => self.report_unstarted(stage),
                (Some(Command::Prepare { .. } | Command::Inspect { .. }), None) if self.leaving => {}
                (Some(Command::Prepare { stage, locked }), None) => self.prepare(stage, locked),
                (Some(Command::Execute { stage }), None) if self.jobs.len() < room => {
                    let job = self.execute(stage);
                    self.jobs.extend(job);
                }
                (Some(Command::Execute { stage }), None) => self.backlog.push_back(stage),
                (Some(Command::Inspect { stage }), None) => self.inspect(stage),
            }
        }
        self.touched = touched;
    }

    /// Hands attempts to the lanes, as many as they can soon begin.
    pub(super) fn feed(&mut self) {
        let now = self.now;
        let mut jobs = std::mem::take(&mut self.jobs);
        while let Some(&stage) = self.backlog.front()
            && jobs.len() < AHEAD.saturating_sub(self.lanes.ahead())
        {
            self.backlog.pop_front();
            if self.in_flight.contains(stage) {
                continue;
            }
            match self.state.due(stage, now) {
                Some(Command::Execute { .. }) => jobs.extend(self.execute(stage)),
                Some(_) => self.state.touch(stage),
                None => {}
            }
        }
        let alone = jobs.len() == 1 && self.in_flight.len() == 1 && self.backlog.is_empty();
        // Where one with limits blocks, somebody must be there to notice.
        if alone && !jobs[0].is_watched() && self.is_quick() {
            self.here = jobs.pop();
        } else {
            self.lanes.begin(&mut jobs);
        }
        self.jobs = jobs;
    }

    /// Whether the last attempts, which came one after another, all ended at once, in next to no time: then the next one
    /// is polled for the first time here, and no thread has to be woken for it.
    #[inline]
    pub(super) fn is_quick(&mut self) -> bool {
        self.streak += 1;
        if self.streak.is_multiple_of(STREAK) {
            let now = Instant::now();
            // The commits between them are none of theirs, and take about as long as the last one.
            let quick = STREAK * (QUICK + 2 * self.commit_took);
            self.quick = now.duration_since(self.streak_began) < quick;
            self.streak_began = now;
        }
        self.quick
    }

    pub(super) fn stop(&mut self, stage: StageIndex, force: bool) {
        let why = match (self.state.cancel(), self.state.failed()) {
            (Some(cancel), _) if cancel.timed_out => cancel.reason.clone(),
            (Some(cancel), _) => format!("the run was cancelled by {}", cancel.by.name()),
            (None, Some(failed)) => format!("stage `{failed}` failed"),
            (None, None) => "the run stops".to_owned(),
        };
        let Some(flight) = self.in_flight.get_mut(stage) else {
            return;
        };
        match &mut flight.kind {
            FlightKind::Simple { stop } => *stop = Some((why, force)),
            FlightKind::Attempt(context) => {
                context.cancellation().cancel(why);
                if force {
                    context.drop_now().cancel("");
                }
            }
            FlightKind::Question(task) => {
                task.abort();
                self.in_flight.remove(stage);
                self.state.touch(stage);
            }
            FlightKind::Unstarted => {}
        }
    }

    pub(super) fn prepare(&mut self, stage: StageIndex, locked: bool) {
        let context = self.context(stage);
        let Some(job) = prepare::Job::new(&self.state, &self.pipeline, context, stage) else {
            return;
        };
        let runner = Arc::clone(&self.runner);
        self.ask(stage, async move {
            Input::Prepared(Box::new(runner.prepare(job, locked).await))
        });
    }

    /// Spawns a task that finds something out.
    pub(super) fn ask(&mut self, stage: StageIndex, question: impl Future<Output = Input> + Send + 'static) {
        let task = self.task();
        let handle = self.lanes.spawn(stage, task, question);
        let kind = FlightKind::Question(handle);
        self.in_flight.insert(stage, Flight { task, kind });
    }

    pub(super) fn task(&mut self) -> u64 {
        self.next_task += 1;
        self.next_task
    }

    /// The context of a stage's call, and the environment that it acts on.
    pub(super) fn context(&self, stage: StageIndex) -> StageContext {
        let environment = self.state.planned(stage).environment.as_ref();
        let environment = environment
            .and_then(|name| self.pipeline.environment(name.as_str()))
            .map(Arc::clone);
        let signals = (!self.runner.observers.is_idle()).then(|| Arc::clone(&self.signals));
        StageContext::heard(
            self.state.call(stage, None),
            Arc::clone(&self.services),
            environment,
            signals,
        )
    }

    pub(super) fn inspect(&mut self, stage: StageIndex) {
        let Some(node) = self.pipeline.get(self.state.template(stage)) else {
            return;
        };
        let Some((attempt, _)) = self.attempt(stage) else {
            return;
        };
        let (code, context) = (node.stage().clone(), self.context(stage));
        let runner = Arc::clone(&self.runner);
        self.ask(stage, async move {
            Input::Inspected {
                stage,
                attempt,
                found: runner.look_for_effect(code, context).await,
            }
        });
    }

    pub(super) fn report_unstarted(&mut self, stage: StageIndex) {
        let result = StageResult::Cancelled {
            reason: "it was cancelled before it began".to_owned(),
        };
        let Some(input) = self.ended(stage, result) else {
            return;
        };
        let task = self.task();
        let kind = FlightKind::Unstarted;
        self.in_flight.insert(stage, Flight { task, kind });
        self.lanes.report(Report {
            stage,
            task,
            reported: Reported::Ended(Box::new(input)),
        });
    }

    /// The end of the attempt that is at work, when the drive itself tells of it.
    pub(super) fn ended(&self, stage: StageIndex, result: StageResult) -> Option<Input> {
        let (attempt, epoch) = self.attempt(stage)?;
        Some(Input::Finished {
            stage,
            attempt,
            epoch,
            result,
            output: None,
        })
    }

    pub(super) fn attempt(&self, stage: StageIndex) -> Option<(u32, u64)> {
        self.state
            .view(stage)
            .attempt()
            .map(|attempt| (attempt.attempt, attempt.epoch))
    }
}

impl Runner {
    /// Lets a stage look for its effect. What it finds is masked.
    pub(super) async fn look_for_effect(
        self: &Arc<Self>,
        code: AnyStage,
        context: StageContext,
    ) -> Inspection {
        let masker = context.masker().clone();
        let runner = Arc::clone(self);
        let work = async move {
            let context = runner.configured(&context).await?;
            code.inspect(&context).await
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
}
