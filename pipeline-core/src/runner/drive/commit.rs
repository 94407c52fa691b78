use std::time::Duration;

use tokio::time::Instant;

use super::drive_state::Drive;
use crate::Digest;
use crate::blocking::in_place;
use crate::journal::{AppendError, Batch};
use crate::run::{Ahead, Input, Moment, Refusal, StageIndex};
use crate::runner::RunError;
use crate::runner::worker::TRIES;

/// A commit that takes so long is worth waiting for others.
pub(super) const SLOW: Duration = Duration::from_micros(50);

/// After so many commits other tasks, and the end of the drive, have their turn; after fewer where they are slow.
const TURN: u32 = 256;
const SLOW_TURN: u32 = 16;

/// How many events a commit may grow to while outcomes are reused.
const LARGE: usize = 16_384;

impl Drive {
    /// Whether the run is still this worker's.
    pub(super) fn check_epoch(&self) -> Result<(), RunError> {
        if self.epoch == 0 || self.state.epoch() == self.epoch {
            return Ok(());
        }
        Err(RunError::Taken {
            run: self.state.id().clone(),
        })
    }

    /// Decides on some inputs and commits the decisions. When somebody else was first: reads what is new, and
    /// decides again.
    pub(super) async fn commit(&mut self, input: Input) -> Result<(), RunError> {
        self.commit_all(&[input]).await
    }

    /// Decides on some inputs and commits the decisions together.
    pub(super) async fn commit_all(&mut self, inputs: &[Input]) -> Result<(), RunError> {
        for _ in 0..TRIES {
            let (begun, batch) = self.decide_all(inputs)?;
            if batch.is_empty() {
                return Ok(());
            }
            let before = self.is_commit_measured().then(Instant::now);
            let turn = if self.commit_took < SLOW { TURN } else { SLOW_TURN };
            if self.commits.is_multiple_of(turn) {
                // Whoever is never without a report would not notice that nobody waits for it any more.
                tokio::task::yield_now().await;
            }
            let done = match self.runner.append_now(self.state.id(), batch) {
                Ok(done) => done,
                // A drive is a task of its own, and can do nothing before the commit is there.
                Err(batch) => in_place(self.runner.append(self.state.id(), batch)).await,
            };
            match done {
                Ok(()) => {
                    if let Some(before) = before {
                        self.commit_took = before.elapsed();
                    }
                    return Ok(());
                }
                Err(RunError::Append {
                    source: AppendError::Conflict(_),
                    ..
                }) => {
                    // The state ran ahead of a journal that went another way.
                    self.slots.give_back(begun);
                    self.state = self
                        .runner
                        .load_over(&self.state.id().clone(), Some(&self.pipeline))
                        .await?;
                    self.state.touch_all();
                    self.reported.forget();
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

    /// Decides on some inputs. Gives the batch that makes it so, and how many attempts begin with it.
    fn decide_all(&mut self, inputs: &[Input]) -> Result<(u32, Batch), RunError> {
        self.now = self.services.clock.now();
        let free = self.runner.slots.take_all();
        let moment = Moment {
            now: self.now,
            chance: self.runner.chance(&self.state),
            free,
            leaving: self.leaving,
        };
        let ahead = self.ahead.take();
        let mut ahead = ahead.unwrap_or_else(|| Box::new(Ahead::of(&self.state, moment)));
        ahead.again(&self.state, moment, inputs.len());
        let decided = self.decide(&mut ahead, inputs);
        let begun = ahead.begun();
        self.slots.keep(begun, free);
        decided.map_err(RunError::Refused)?;
        let batch = ahead.batch(&self.state);
        self.ahead = Some(ahead);
        Ok((begun, batch))
    }

    /// Whether it is worth knowing how long the next commit takes: a quick journal stays one.
    pub(super) fn is_commit_measured(&mut self) -> bool {
        self.commits = self.commits.wrapping_add(1);
        self.commit_took >= SLOW || self.commits < 4 || self.commits.is_multiple_of(64)
    }

    /// Decides on some inputs and on all that follows, reuse included: what was done before needs no task, and a
    /// whole run of it no more than one commit.
    pub(super) fn decide(&mut self, ahead: &mut Ahead, inputs: &[Input]) -> Result<(), Refusal> {
        for input in inputs {
            ahead.decide(&mut self.state, &self.gates, input)?;
        }
        ahead.settle(&mut self.state);
        if !self.reuses {
            return Ok(());
        }
        let mut others = Vec::new();
        let mut touched = std::mem::take(&mut self.touched);
        loop {
            let mut some = false;
            self.state.take_touched_into(&mut touched);
            for &stage in &touched {
                match self.reusable_at_once(stage) {
                    Some((input, facts)) if ahead.len() < LARGE => {
                        ahead.decide(&mut self.state, &self.gates, &input)?;
                        self.reported.reused(&self.state, &input, facts);
                        some = true;
                    }
                    // Most were reused a moment ago.
                    None if self.is_over(stage) => {}
                    _ => others.push(stage),
                }
            }
            if !some {
                break;
            }
            ahead.settle(&mut self.state);
        }
        self.touched = touched;
        for stage in others {
            self.state.touch(stage);
        }
        Ok(())
    }

    /// The preparation of a stage that needs no task: nothing but what the run knows decides about it.
    pub(super) fn reusable_at_once(&mut self, stage: StageIndex) -> Option<(Input, Option<Digest>)> {
        if self.leaving || !self.state.is_simply_pure(stage) || self.in_flight.contains(stage) {
            return None;
        }
        let (fingerprint, reported) = (&mut self.fingerprint, &mut self.reported);
        self.runner
            .prepared_at_once(&self.state, &self.pipeline, stage, fingerprint, reported)
    }

    /// Whether a stage has ended, and no task works for it.
    fn is_over(&self, stage: StageIndex) -> bool {
        self.state.view(stage).state().is_done() && !self.in_flight.contains(stage)
    }
}
