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

/// After so many commits the drive looks at how long it has not let others have their turn, and how long that may be.
const LOOK: u32 = 16;
const BREATH: Duration = Duration::from_millis(1);

/// How many events a commit may grow to while outcomes are reused.
const LARGE: usize = 16_384;

/// What came of a commit that was to wait for nothing.
pub(super) enum Committed {
    /// It is there, or nothing was decided.
    Yes,
    /// The journal has to be waited for.
    Waits(Waiting),
    /// Somebody else was first. So many attempts would have begun.
    Overtaken { begun: u32 },
}

/// A commit that the journal has to be waited for.
pub(super) struct Waiting {
    batch: Batch,
    /// How many attempts begin with it.
    begun: u32,
    /// When it began, if it is measured.
    measured: Option<Instant>,
}

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
        let committed = self.commit_now(inputs)?;
        self.see_through(inputs, committed).await
    }

    /// Sees a commit through that was begun with some inputs.
    pub(super) async fn see_through(
        &mut self,
        inputs: &[Input],
        mut committed: Committed,
    ) -> Result<(), RunError> {
        for tried in 1.. {
            let begun = match committed {
                Committed::Yes => break,
                Committed::Overtaken { begun } => begun,
                Committed::Waits(Waiting {
                    batch,
                    begun,
                    measured,
                }) => {
                    // A drive is a task of its own, and can do nothing before the commit is there.
                    match in_place(self.runner.append(self.state.id(), batch)).await {
                        Ok(()) => {
                            self.measured(measured);
                            break;
                        }
                        Err(RunError::Append {
                            source: AppendError::Conflict(_),
                            ..
                        }) => begun,
                        Err(error) => return Err(error),
                    }
                }
            };
            self.read_again(begun).await?;
            if tried == TRIES {
                return Err(RunError::Contended {
                    run: self.state.id().clone(),
                    tries: TRIES,
                });
            }
            committed = self.commit_now(inputs)?;
        }
        self.breathe().await;
        Ok(())
    }

    /// The state ran ahead of a journal that went another way.
    async fn read_again(&mut self, begun: u32) -> Result<(), RunError> {
        self.slots.give_back(begun);
        self.state = self
            .runner
            .load_over(&self.state.id().clone(), Some(&self.pipeline))
            .await?;
        self.state.touch_all();
        self.reported.forget();
        self.check_epoch()
    }

    /// Now and then others have their turn, and the end of the drive: whoever is never without a report would not
    /// notice that nobody waits for it any more. Not often: the drive may go on in another thread then.
    pub(super) async fn breathe(&mut self) {
        if self.commits.is_multiple_of(LOOK) && self.breathed.elapsed() >= BREATH {
            tokio::task::yield_now().await;
            self.breathed = Instant::now();
        }
    }

    /// Decides on some inputs, and commits the decisions if nothing has to be waited for.
    pub(super) fn commit_now(&mut self, inputs: &[Input]) -> Result<Committed, RunError> {
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
        self.slots.keep(ahead.begun(), free);
        decided.map_err(RunError::Refused)?;
        let committed = self.append_now(&mut ahead);
        self.ahead = Some(ahead);
        committed
    }

    /// Appends what was decided, if nothing has to be waited for.
    fn append_now(&mut self, ahead: &mut Ahead) -> Result<Committed, RunError> {
        if ahead.batch().is_empty() {
            return Ok(Committed::Yes);
        }
        let measured = self.is_commit_measured().then(Instant::now);
        let begun = ahead.begun();
        match self.runner.append_now(ahead.batch()) {
            Some(Ok(())) => {
                self.measured(measured);
                Ok(Committed::Yes)
            }
            Some(Err(AppendError::Conflict(_))) => Ok(Committed::Overtaken { begun }),
            Some(Err(source)) => Err(RunError::Append {
                run: self.state.id().clone(),
                source,
            }),
            None => Ok(Committed::Waits(Waiting {
                batch: ahead.take_batch(),
                begun,
                measured,
            })),
        }
    }

    /// A commit is there.
    fn measured(&mut self, began: Option<Instant>) {
        if let Some(began) = began {
            self.commit_took = began.elapsed();
        }
    }

    /// Whether it is worth knowing how long the next commit takes: a quick journal stays one.
    fn is_commit_measured(&mut self) -> bool {
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
