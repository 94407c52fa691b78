use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::commit::SLOW;
use super::drive_state::{Drive, FlightKind};
use crate::run::{Command, Input, Moment, StageIndex, StageResult};
use crate::runner::RunError;
use crate::runner::lanes::{Report, Reported};
use crate::runner::prepare;
use crate::stage::StageContext;
use crate::{Failure, Timestamp};

impl Drive {
    /// Takes the run, and works for it; if there is nothing to do, the run is left as it is.
    pub(super) async fn claim_and_work(&mut self) -> Result<(), RunError> {
        if !self.is_something_due().await {
            return Ok(());
        }
        let worker = self.runner.options.worker.clone();
        self.commit(Input::Claim { worker }).await?;
        self.epoch = self.state.epoch();
        self.state.touch_all();
        self.work().await
    }

    /// Whether there is something to do. A run that waits may be driven as often as one likes: nothing is appended as
    /// long as nothing came.
    async fn is_something_due(&mut self) -> bool {
        let mut moment = Moment::from(self.now);
        let Some(asked) = self.state.resting(moment) else {
            return true;
        };
        // A wait that is soon over is sat out.
        if let Some(next) = self.state.next_attempt()
            && self.left_until(next) <= self.runner.options.linger
        {
            return true;
        }
        for command in asked {
            let Command::Prepare { stage, locked } = command else {
                return true;
            };
            let context = self.context(stage);
            let Some(job) = prepare::Job::new(&self.state, &self.pipeline, context, stage) else {
                return true;
            };
            let preparation = self.runner.prepare(job, locked).await;
            moment.now = self.services.clock.now();
            if self.state.is_news(&self.gates, &preparation, moment) {
                return true;
            }
        }
        false
    }

    /// Drops all that goes on, as if the process had died, and waits until it is gone: whoever drives the run next must
    /// not meet it.
    pub(super) async fn leave(&mut self) {
        for flight in self.in_flight.iter() {
            match &flight.kind {
                FlightKind::Question(task) => task.abort(),
                FlightKind::Attempt(context) => context.drop_now().cancel(""),
                FlightKind::Simple { .. } | FlightKind::Unstarted => {}
            }
        }
        self.lanes.end().await;
    }

    pub(super) async fn work(&mut self) -> Result<(), RunError> {
        loop {
            self.leave_if_asked();
            self.dispatch();
            self.feed();
            if self.state.finished().is_some() {
                return Ok(());
            }
            if self.in_flight.is_empty() {
                if self.leaving {
                    return Ok(());
                }
                // A last look: what was said while the last task ended would otherwise wait for the next drive.
                if !self.catch_up().await? && !self.wait_alone().await? {
                    return Ok(());
                }
                continue;
            }
            if let Some(job) = self.here.take() {
                self.go_alone(job).await?;
                if self.is_overdue() {
                    self.alarmed().await?;
                }
                continue;
            }
            let mut reports = std::mem::take(&mut self.reports);
            if reports.is_empty() {
                self.lanes.reports(&mut reports);
            }
            let rang = reports.is_empty() && self.wait().await;
            if !rang {
                if reports.is_empty() {
                    self.lanes.reports(&mut reports);
                }
                self.let_others_end(&mut reports).await;
            }
            // What follows from the reports must not begin any more.
            self.leave_if_asked();
            let mut inputs = std::mem::take(&mut self.inputs);
            inputs.extend(reports.drain(..).filter_map(|report| self.take_in(report)));
            self.reports = reports;
            if !inputs.is_empty() {
                self.commit_all(&inputs).await?;
            }
            inputs.clear();
            self.inputs = inputs;
            if rang || self.is_overdue() {
                self.alarmed().await?;
            }
        }
    }

    /// Whether the alarm would have rung: who is never without a report does not wait for it. Now and then it looks.
    fn is_overdue(&self) -> bool {
        self.commits.is_multiple_of(64) && Instant::now() >= self.look.min(self.alarm.deadline())
    }

    /// When the runner drains, nothing begins from now on. What only finds something out is dropped; the next drive asks
    /// again.
    pub(super) fn leave_if_asked(&mut self) {
        if self.leaving || !self.runner.is_draining() {
            return;
        }
        self.leaving = true;
        self.in_flight.retain(|flight| match &flight.kind {
            FlightKind::Question(task) => {
                task.abort();
                false
            }
            FlightKind::Attempt(_) | FlightKind::Simple { .. } | FlightKind::Unstarted => true,
        });
    }

    /// How long it is until some time comes; nothing when it is over.
    fn left_until(&self, time: Timestamp) -> Duration {
        let left = time.duration_since(self.services.clock.now());
        Duration::try_from(left).unwrap_or(Duration::ZERO)
    }

    /// Waits for a report, or until it is time to look at the journal, the clock, or an attempt. Tells whether it is.
    pub(super) async fn wait(&mut self) -> bool {
        let mut until = self.look;
        if let Some(watch) = self.watched.iter().map(|watch| watch.at).min() {
            until = until.min(watch);
        }
        if let Some(timer) = self.state.next_timer() {
            let left = self.left_until(timer);
            // What is over and has not begun waits for a slot.
            if !left.is_zero() {
                until = until.min(Instant::now() + left);
            }
        }
        // Setting an alarm costs more than most waits take; one that rings too early is no harm.
        if self.alarm.is_elapsed() || until < self.alarm.deadline() {
            self.alarm.as_mut().reset(until);
        }
        tokio::select! {
            biased;
            () = self.lanes.news() => false,
            () = &mut self.alarm => true,
        }
    }

    /// The alarm rang: looks at the attempts that may block, at the journal, and at the clock.
    pub(super) async fn alarmed(&mut self) -> Result<(), RunError> {
        self.now = self.services.clock.now();
        self.look_after_watched();
        if Instant::now() >= self.look {
            self.catch_up().await?;
            self.state.touch_held();
        }
        if self.timer_is_over() {
            self.commit(Input::Tick).await?;
        }
        Ok(())
    }

    pub(super) fn timer_is_over(&self) -> bool {
        let timer = self.state.next_timer();
        timer.is_some_and(|timer| timer <= self.services.clock.now())
    }

    /// Nothing is going on: waits for what comes by itself soon, the next attempt or a free slot. Tells whether it
    /// is worth looking again.
    pub(super) async fn wait_alone(&mut self) -> Result<bool, RunError> {
        let poll = self.runner.options.poll;
        if self.runner.slots.is_full() && self.state.waits_for_slot() {
            self.runner.slots.wait(poll).await;
            self.leave_if_asked();
            self.commit(Input::Tick).await?;
            return Ok(true);
        }
        let Some(timer) = self.state.next_attempt() else {
            return Ok(false);
        };
        let before = self.services.clock.now();
        let left = self.left_until(timer);
        if left > self.runner.options.linger {
            return Ok(false);
        }
        tokio::time::sleep(left.min(poll)).await;
        self.leave_if_asked();
        let now = self.services.clock.now();
        // A clock that stands still is a test's: the wait is for whoever moves it.
        if now < timer && now == before && !left.is_zero() {
            return Ok(false);
        }
        let position = self.state.position();
        self.commit(Input::Tick).await?;
        // What is over and did not begin waits for something outside: a slot of a pool.
        Ok(now < timer || self.state.position() != position)
    }

    /// All that ends within the time that a commit takes shares one: a slow journal is written once for a wave.
    pub(super) async fn let_others_end(&mut self, reports: &mut Vec<Report>) {
        if self.commit_took < SLOW {
            return;
        }
        let until = Instant::now() + self.commit_took;
        while (self.lanes.ahead() > 0 || !self.backlog.is_empty()) && Instant::now() < until {
            self.feed();
            tokio::task::yield_now().await;
        }
        self.lanes.reports(reports);
    }

    /// Reads what others appended, and decides on it. Tells whether there was anything.
    pub(super) async fn catch_up(&mut self) -> Result<bool, RunError> {
        self.look = Instant::now() + self.runner.options.poll;
        if !self.runner.refresh(&mut self.state).await? {
            return Ok(false);
        }
        self.check_epoch()?;
        self.commit(Input::Tick).await?;
        Ok(true)
    }

    /// What a task reports; nothing, if nobody waits for its report.
    pub(super) fn take_in(&mut self, report: Report) -> Option<Input> {
        let Report {
            stage,
            task,
            reported,
        } = report;
        match self.in_flight.get(stage) {
            Some(flight) if flight.task == task => {}
            _ => return None,
        }
        if let Reported::Begun(context) = reported {
            self.begun(stage, context);
            return None;
        }
        let flight = self.in_flight.remove(stage)?;
        match &flight.kind {
            FlightKind::Question(_) => self.state.touch(stage),
            FlightKind::Attempt(_) | FlightKind::Simple { .. } | FlightKind::Unstarted => {
                self.slots.give_back(1);
            }
        }
        let input = match reported {
            Reported::Ended(input) => Some(*input),
            Reported::Succeeded { attempt, epoch } => Some(Input::Finished {
                stage,
                attempt,
                epoch,
                result: StageResult::Completed {
                    outcome: Arc::clone(&self.plain),
                },
                output: None,
            }),
            Reported::Begun(_) | Reported::Broke => None,
        };
        match (input, flight.kind) {
            (Some(input), _) => Some(input),
            // It was dropped or broke without a word: an attempt may have had its effect.
            (None, FlightKind::Simple { .. } | FlightKind::Attempt(_)) => {
                let number = self.state.view(stage).attempt()?.attempt;
                let result = StageResult::Failed {
                    failure: Failure::Unknown,
                    error: vec![format!("attempt {number} ended without a word")],
                };
                self.ended(stage, result)
            }
            (None, _) => None,
        }
    }

    /// A simple attempt did not end at once: from now on it can be asked to stop.
    pub(super) fn begun(&mut self, stage: StageIndex, context: StageContext) {
        let Some(flight) = self.in_flight.get_mut(stage) else {
            return;
        };
        if let FlightKind::Simple {
            stop: Some((why, force)),
        } = &flight.kind
        {
            context.cancellation().cancel(why.as_str());
            if *force {
                context.drop_now().cancel("");
            }
        }
        flight.kind = FlightKind::Attempt(context);
    }
}
