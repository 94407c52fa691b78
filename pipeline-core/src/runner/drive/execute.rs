use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::drive_state::{Drive, Flight, FlightKind, Watch};
use crate::run::StageIndex;
use crate::runner::attempt::{GONE, Supervised, run_and_check};
use crate::runner::lanes::{Job, Report, Reported, Rich, Work};

impl Drive {
    pub(super) fn execute(&mut self, stage: StageIndex) -> Option<Job> {
        if self.state.is_simple_call(stage) {
            let job = self.simple_job(stage)?;
            self.in_flight.insert(stage, Flight::simple(&job));
            return Some(job);
        }
        let node = self.pipeline.get(self.state.template(stage))?;
        let code = node.stage().clone();
        let (attempt, epoch) = self.attempt(stage)?;
        let context = self.context(stage);
        let supervised = Supervised {
            limit: context.deadline().map(|deadline| {
                let left = deadline.duration_since(self.services.clock.now());
                Duration::try_from(left).unwrap_or(Duration::ZERO)
            }),
            grace: self.runner.options.grace,
        };
        let task = self.task();
        let work = match context.target().map(|target| target.descriptor.clone()) {
            None => {
                let context = context.clone();
                Work::new(async move { run_and_check(&code, &context).await })
            }
            Some(descriptor) => {
                let (runner, context) = (Arc::clone(&self.runner), context.clone());
                Work::new(async move {
                    let configuration = runner.configuration(&descriptor).await?;
                    run_and_check(&code, &context.configured(configuration)).await
                })
            }
        };
        let begun = supervised.limit.map(|limit| {
            let begun = Arc::new(AtomicBool::new(false));
            self.watched.push(Watch {
                at: Instant::now() + limit,
                stage,
                task,
                supervised,
                begun: Arc::clone(&begun),
                asked: false,
            });
            begun
        });
        let kind = FlightKind::Attempt(context.clone());
        self.in_flight.insert(stage, Flight { task, kind });
        Some(Job {
            stage,
            task,
            attempt,
            generation: 0,
            epoch,
            rich: Some(Box::new(Rich {
                context,
                work,
                supervised,
                begun,
            })),
        })
    }

    /// Attempts that block their thread are asked to stop at their limit, and given up after the grace period: their
    /// thread is lost, the run is not.
    pub(super) fn look_after_watched(&mut self) {
        if self.watched.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut given_up = Vec::new();
        let in_flight = &self.in_flight;
        self.watched.retain_mut(|watch| {
            let flight = in_flight
                .get(watch.stage)
                .filter(|flight| flight.task == watch.task);
            let Some(Flight {
                kind: FlightKind::Attempt(context),
                ..
            }) = flight
            else {
                return false;
            };
            if watch.begun.load(Ordering::Acquire) {
                return false;
            }
            if watch.at > now {
                return true;
            }
            if watch.asked {
                given_up.push((watch.stage, watch.task, watch.supervised.dropped(context)));
                return false;
            }
            context.cancellation().cancel(watch.supervised.too_long());
            watch.asked = true;
            watch.at = now + watch.supervised.grace + GONE;
            true
        });
        for (stage, task, result) in given_up {
            if let Some(input) = self.ended(stage, result) {
                self.lanes.report(Report {
                    stage,
                    task,
                    reported: Reported::Ended(Box::new(input)),
                });
            }
        }
    }
}
