use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::commit::Committed;
use super::drive_state::{Drive, Flight};
use crate::run::{Command, Input, StageIndex, StageResult};
use crate::runner::RunError;
use crate::runner::lanes::{First, Job};

/// After so many commits the drive looks up: at the alarm, at what others want.
const TURN: u32 = 64;

/// A stretch of a run in which one attempt at a time is at work, and each ends at once.
///
/// No thread is woken for such an attempt and no report is passed on: it is polled here, and its end and the beginning of
/// the next one are committed. As long as the journal need not be waited for, that is a loop without a future. Whatever
/// is not as simple as that is left to [`Drive::work`].
impl Drive {
    /// Polls an attempt here, the only one at work, and those that follow it one by one.
    pub(super) async fn go_alone(&mut self, mut job: Job) -> Result<(), RunError> {
        let mut flight = self.in_flight.remove(job.stage);
        let mut ended = [self.succeeded(&job)];
        loop {
            let stretch = poll_fn(|cx| Poll::Ready(self.stretch(&mut job, &mut flight, &mut ended, cx)));
            let Some(committed) = stretch.await? else {
                break;
            };
            self.see_through(&ended, committed).await?;
            match self.next_alone() {
                Some(next) => job = next,
                None => return Ok(()),
            }
        }
        self.breathe().await;
        Ok(())
    }

    /// Goes on as long as nothing has to be waited for. Gives the commit of an end that must be seen through, if that is
    /// why it stops.
    fn stretch(
        &mut self,
        job: &mut Job,
        flight: &mut Option<Flight>,
        ended: &mut [Input; 1],
        cx: &mut Context<'_>,
    ) -> Result<Option<Committed>, RunError> {
        loop {
            match self.lanes.first(job, cx) {
                First::Succeeded => {}
                first => {
                    let flight = flight.take().unwrap_or_else(|| Flight::simple(job));
                    self.in_flight.insert(job.stage, flight);
                    let report = self.lanes.after_first(job, first);
                    self.reports.extend(report);
                    return Ok(None);
                }
            }
            *flight = None;
            self.slots.give_back(1);
            let [now] = &mut *ended;
            if let Input::Finished {
                stage,
                attempt,
                epoch,
                ..
            } = now
            {
                (*stage, *attempt, *epoch) = (job.stage, job.attempt, job.epoch);
            }
            // What follows from it must not begin any more.
            self.leave_if_asked();
            match self.commit_now(&*ended)? {
                Committed::Yes => {}
                committed => return Ok(Some(committed)),
            }
            match self.next_alone() {
                Some(next) => *job = next,
                None => return Ok(None),
            }
        }
    }

    /// That an attempt succeeded, and had nothing more to say.
    fn succeeded(&self, job: &Job) -> Input {
        Input::Finished {
            stage: job.stage,
            attempt: job.attempt,
            epoch: job.epoch,
            result: StageResult::Completed {
                outcome: Arc::clone(&self.plain),
            },
            output: None,
        }
    }

    /// The attempt that is to be polled next, if it is the only one and nothing else is to be done.
    fn next_alone(&mut self) -> Option<Job> {
        if self.commits.is_multiple_of(TURN) || !self.is_quick() {
            return None;
        }
        let stage = self.state.only_touched()?;
        let due = self.state.due(stage, self.now);
        if !matches!(due, Some(Command::Execute { .. })) || !self.state.is_simple_call(stage) {
            return None;
        }
        self.state.take_touched_into(&mut self.touched);
        self.simple_job(stage)
    }

    /// An attempt whose call says nothing but which attempt of which stage it is.
    pub(super) fn simple_job(&mut self, stage: StageIndex) -> Option<Job> {
        let attempt = self.state.view(stage).attempt()?;
        let (attempt, generation, epoch) = (attempt.attempt, attempt.generation, attempt.epoch);
        let task = self.task();
        Some(Job {
            stage,
            task,
            attempt,
            generation,
            epoch,
            rich: None,
        })
    }
}
