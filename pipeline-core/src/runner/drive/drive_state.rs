use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep};

use super::flights::Flights;
use crate::pipeline::Pipeline;
use crate::run::{Ahead, Gates, Input, RunState, StageIndex};
use crate::runner::attempt::Supervised;
use crate::runner::fingerprint::{Fingerprint, Reported};
use crate::runner::lanes::{Job, Lanes, Report};
use crate::runner::slots::Held;
use crate::runner::worker::Runner;
use crate::stage::{Signals, StageContext};
use crate::{Outcome, Services, Timestamp};

/// One drive of a run: the state, and the tasks that work for it.
pub(super) struct Drive {
    pub(super) runner: Arc<Runner>,
    pub(super) pipeline: Pipeline,
    pub(super) services: Arc<Services>,
    pub(super) signals: Arc<dyn Signals>,
    pub(super) gates: Gates,
    pub(super) state: RunState,
    /// The delivery that this is; another one means that another worker took over.
    pub(super) epoch: u64,
    pub(super) lanes: Lanes,
    /// One task a stage at most.
    pub(super) in_flight: Flights,
    /// Attempts that were begun in the journal and not handed to the lanes yet.
    pub(super) backlog: VecDeque<StageIndex>,
    /// Attempts that must be watched from here until they were polled for the first time.
    pub(super) watched: Vec<Watch>,
    pub(super) next_task: u64,
    /// The slots that its attempts have.
    pub(super) slots: Held,
    /// What time it is, as of the last look at the clock.
    pub(super) now: Timestamp,
    /// Rings when it is time to ask the journal what others appended, or earlier when something is due before.
    pub(super) alarm: Pin<Box<Sleep>>,
    /// When the journal is asked next.
    pub(super) look: Instant,
    /// Whether some stages are pure.
    pub(super) reuses: bool,
    // Lists that are used again and again.
    pub(super) reports: Vec<Report>,
    pub(super) inputs: Vec<Input>,
    pub(super) touched: Vec<StageIndex>,
    pub(super) jobs: Vec<Job>,
    pub(super) ahead: Option<Box<Ahead>>,
    /// Success and nothing more: one for all of the run's stages.
    pub(super) plain: Arc<Outcome>,
    pub(super) fingerprint: Fingerprint,
    pub(super) reported: Reported,
    /// An attempt to be polled for the first time here.
    pub(super) here: Option<Job>,
    /// How many attempts came one after another, when the last `STREAK` of them began, and whether they were quick.
    pub(super) streak: u32,
    pub(super) streak_began: Instant,
    pub(super) quick: bool,
    /// How long a commit took when that was last measured, and how many there were since.
    pub(super) commit_took: Duration,
    pub(super) commits: u32,
    /// When others last had their turn.
    pub(super) breathed: Instant,
    /// Whether it begins nothing any more, and returns when what is at work has ended.
    pub(super) leaving: bool,
}

/// A task that works for a stage.
pub(super) struct Flight {
    /// Reports of other tasks are stale.
    pub(super) task: u64,
    pub(super) kind: FlightKind,
}

impl Flight {
    /// An attempt whose context is made where it runs.
    pub(super) fn simple(job: &Job) -> Self {
        Self {
            task: job.task,
            kind: FlightKind::Simple { stop: None },
        }
    }
}

pub(super) enum FlightKind {
    /// It finds something out, and is dropped when nobody wants to know any more.
    Question(AbortHandle),
    /// It is asked to stop, and reports in any case.
    Attempt(StageContext),
    /// An attempt whose context is made where it runs; if it is to stop meanwhile, it is asked when it is there.
    Simple { stop: Option<(String, bool)> },
    /// It only reports that the attempt was never made.
    Unstarted,
}

/// Watches the first poll of an attempt, which nothing else can end: it may block its thread.
pub(super) struct Watch {
    pub(super) at: Instant,
    pub(super) stage: StageIndex,
    pub(super) task: u64,
    pub(super) supervised: Supervised,
    pub(super) begun: Arc<AtomicBool>,
    /// Whether it was asked to stop, and is given up next.
    pub(super) asked: bool,
}
