use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::RunError;
use super::history::History;
use super::lease::{Leases, MemoryLeases};
use super::signal::{Observer, Observers, Signal};
use super::slots::Slots;
use crate::journal::{AppendError, Batch, Journal};
use crate::run::{ApproveRequest, DecideRequest, Gates, Input, RunState};
use crate::{
    Actor, ArtifactStore, Clock, Entropy, EvidenceKind, EvidenceSource, NoSecrets, NoSource, RunId,
    SecretSource, Services, Source, SystemClock, SystemEntropy,
};

/// What a runner may take its time with.
#[derive(Debug, Clone)]
pub struct RunnerOptions {
    /// How long a stage may take to stop after it was asked, before its future is dropped: longer than any stage's
    /// own grace period. 30 s.
    pub grace: Duration,
    /// How long planning, gathering evidence and inspecting may take. 5 min.
    pub preparation: Duration,
    /// How often the journal is asked for what other processes appended, while stages run. 250 ms.
    pub poll: Duration,
    /// The longest wait for another attempt that a drive sits out when nothing else goes on; before a longer one it
    /// returns, and whoever drives the run later goes on. 60 s.
    pub linger: Duration,
    /// How many attempts may be at work at once, over all runs of this runner. As many as there are.
    pub parallel: Option<u32>,
    /// The name of this worker in the journal. `runner`.
    pub worker: String,
}

impl Default for RunnerOptions {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(30),
            preparation: Duration::from_secs(300),
            poll: Duration::from_millis(250),
            linger: Duration::from_secs(60),
            parallel: None,
            worker: "runner".to_owned(),
        }
    }
}

/// Creates runs and drives them: commits what a run decides, and does what is due.
///
/// A runner keeps nothing that is not in the journal; dropping it at any moment, or killing its process, loses
/// nothing that was acknowledged.
#[derive(Debug)]
pub struct Runner {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) services: Services,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) leases: Arc<dyn Leases>,
    pub(super) evidence: BTreeMap<EvidenceKind, Arc<dyn EvidenceSource>>,
    pub(super) observers: Observers,
    pub(super) options: RunnerOptions,
    history: Mutex<History>,
    pub(super) slots: Arc<Slots>,
    draining: AtomicBool,
}

/// How often a decision is made again because somebody else was first, before the runner gives up.
pub(super) const TRIES: u32 = 100;

/// How many events are read at once.
const PAGE: usize = 4096;

impl Runner {
    /// A runner with the computer's clock, no source and no secrets.
    pub fn new(journal: Arc<dyn Journal>, artifacts: Arc<dyn ArtifactStore>) -> Self {
        Self {
            journal,
            services: Services {
                clock: Arc::new(SystemClock),
                artifacts,
                source: Arc::new(NoSource),
                secrets: Arc::new(NoSecrets),
            },
            entropy: Arc::new(SystemEntropy),
            leases: Arc::new(MemoryLeases::default()),
            evidence: BTreeMap::new(),
            observers: Observers::default(),
            options: RunnerOptions::default(),
            history: Mutex::default(),
            slots: Arc::new(Slots::new(None)),
            draining: AtomicBool::new(false),
        }
    }

    /// With another clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.services.clock = Arc::new(clock);
        self
    }

    /// With another source of chance.
    #[must_use]
    pub fn entropy(mut self, entropy: impl Entropy) -> Self {
        self.entropy = Arc::new(entropy);
        self
    }

    /// With the code that runs work on.
    #[must_use]
    pub fn source(mut self, source: impl Source) -> Self {
        self.services.source = Arc::new(source);
        self
    }

    /// With a source of secrets.
    #[must_use]
    pub fn secrets(mut self, secrets: impl SecretSource) -> Self {
        self.services.secrets = Arc::new(secrets);
        self
    }

    /// With leases that other processes know of, too.
    #[must_use]
    pub fn leases(mut self, leases: impl Leases) -> Self {
        self.leases = Arc::new(leases);
        self
    }

    /// With a source of evidence more.
    #[must_use]
    pub fn evidence(mut self, source: impl EvidenceSource) -> Self {
        self.evidence.insert(source.kind().clone(), Arc::new(source));
        self
    }

    /// With an observer more.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observers.add(Arc::new(observer));
        self
    }

    /// With other options.
    #[must_use]
    pub fn options(mut self, options: RunnerOptions) -> Self {
        self.slots = Arc::new(Slots::new(options.parallel));
        self.options = options;
        self
    }

    /// The journal that the runner writes.
    pub fn journal(&self) -> &Arc<dyn Journal> {
        &self.journal
    }

    /// Lets every drive of this runner come to an orderly end, for good: nothing begins any more, what is at work ends
    /// and is recorded, and then the drives return. What comes next is for whoever drives the runs later. A drive
    /// that has nothing to wait for notices within [`poll`](RunnerOptions::poll); one that takes too long can be dropped.
    ///
    /// A run keeps an environment that it is in the middle of using, such as one with a deployment that was not
    /// verified yet.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Random bits for a decision about a run, if it may need some.
    pub(super) fn chance(&self, state: &RunState) -> u64 {
        if state.takes_chances() {
            self.entropy.next_u64()
        } else {
            0
        }
    }

    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        // What it knows of an event is whole before the next one.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is new about outcomes that may be used again.
    pub(super) async fn refresh_history(&self) -> Result<(), RunError> {
        if self.history().cursor() == 0 {
            let kept = History::kept(&*self.journal).await;
            let mut history = self.history();
            if history.cursor() == 0 {
                *history = kept;
            }
        }
        let mut anew = self.history().cursor() == 0;
        loop {
            let after = self.history().cursor();
            let events = self.journal.read_all(after, PAGE).await;
            let events = events.map_err(RunError::Read)?;
            let mut history = self.history();
            if !anew && events.iter().any(|event| event.kind == "journal.payload-erased") {
                // What it knows may be what nobody should know any more.
                *history = History::default();
                anew = true;
                continue;
            }
            if history.extend(after, &events) && events.len() < PAGE {
                break;
            }
        }
        let worth_keeping = match self.journal.keeps_folds() {
            true => self.history().worth_keeping(),
            false => None,
        };
        if let Some(fold) = worth_keeping {
            // Nothing is lost without it but time.
            let _ = self.journal.store_fold(fold).await;
        }
        Ok(())
    }

    /// Appends a batch on the spot, if nobody watches and the journal waits for nothing.
    #[inline]
    pub(super) fn append_now(&self, batch: &mut Batch) -> Option<Result<(), AppendError>> {
        if !self.observers.is_idle() {
            return None;
        }
        Some(self.journal.append_now(batch)?.map(|_| ()))
    }

    /// Appends a batch and shows its events to the observers.
    pub(super) async fn append(&self, run: &RunId, batch: Batch) -> Result<(), RunError> {
        let shown = (!self.observers.is_idle()).then(|| batch.clone());
        let commit = self.journal.append(batch).await;
        let commit = commit.map_err(|source| RunError::Append {
            run: run.clone(),
            source,
        })?;
        if let Some(batch) = shown {
            for event in commit.events(&batch) {
                self.observers.send(&Signal::Event(&event));
            }
        }
        Ok(())
    }

    /// Approves what a stage would do.
    ///
    /// # Errors
    ///
    /// When the run refuses, or the journal fails.
    pub async fn approve(&self, run: &RunId, request: ApproveRequest) -> Result<RunState, RunError> {
        self.record(run, &Input::Approve(request)).await
    }

    /// Decides whether the effect of a stage happened that nobody knows the end of.
    ///
    /// # Errors
    ///
    /// When the run refuses, or the journal fails.
    pub async fn decide(&self, run: &RunId, request: DecideRequest) -> Result<RunState, RunError> {
        self.record(run, &Input::Decide(request)).await
    }

    /// Asks a run to stop. Whoever drives it stops what is running; if nobody does, drive it to end it. A run that
    /// waits for its turn ends at once. The first request leaves the clean-up; a second one stops that, too.
    ///
    /// # Errors
    ///
    /// When the run refuses, or the journal fails.
    pub async fn cancel(&self, run: &RunId, by: Actor, reason: String) -> Result<RunState, RunError> {
        self.record(run, &Input::Cancel { by, reason }).await
    }

    /// Records somebody's word, and nothing that follows from it: what follows is for whoever drives the run.
    pub(super) async fn record(&self, run: &RunId, input: &Input) -> Result<RunState, RunError> {
        for _ in 0..TRIES {
            let mut state = self.load(run).await?;
            let now = self.services.clock.now();
            let batch = match input {
                // Nobody can drive it yet, so nobody else ends it.
                Input::Cancel { .. } if state.waits_for_run().is_some() => {
                    state.advance(&Gates::default(), input, now)
                }
                _ => state.record_only(&Gates::default(), input, now),
            };
            let batch = batch.map_err(RunError::Refused)?;
            match self.append(run, batch).await {
                Ok(()) => return Ok(state),
                Err(RunError::Append {
                    source: AppendError::Conflict(_),
                    ..
                }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(RunError::Contended {
            run: run.clone(),
            tries: TRIES,
        })
    }
}
