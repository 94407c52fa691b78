use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep, sleep_until};

use super::RunError;
use super::attempt::{GONE, Supervised};
use super::guard::guarded;
use super::lanes::{Job, Lanes, Report, Reported, Rich, Work};
use super::lease::Lease;
use super::slots::Held;
use super::worker::{Runner, TRIES};
use crate::chain::error_chain;
use crate::journal::AppendError;
use crate::pipeline::Pipeline;
use crate::run::{Ahead, Command, Gates, Input, Moment, RunState, StageIndex, StageResult};
use crate::stage::{Signals, StageContext};
use crate::{Effect, Failure, Inspection, RunId, Services, Timestamp};

/// One drive of a run: the state, and the tasks that work for it.
struct Drive {
    runner: Arc<Runner>,
    pipeline: Pipeline,
    services: Arc<Services>,
    signals: Arc<dyn Signals>,
    gates: Gates,
    state: RunState,
    /// The delivery that this is; another one means that another worker took over.
    epoch: u64,
    lanes: Lanes,
    /// One task a stage at most.
    in_flight: HashMap<StageIndex, Flight, Plain>,
    /// Attempts that were begun in the journal and not handed to the lanes yet.
    backlog: VecDeque<StageIndex>,
    /// Attempts that must be watched from here until they were polled for the first time.
    watched: Vec<Watch>,
    next_task: u64,
    /// The slots that its attempts have.
    slots: Held,
    /// What time it is, as of the last look at the clock.
    now: Timestamp,
    /// Rings when it is time to ask the journal what others appended, or earlier when something is due before.
    alarm: Pin<Box<Sleep>>,
    /// When the journal is asked next.
    look: Instant,
    /// Whether some stages are pure.
    reuses: bool,
    // Lists that are used again and again.
    reports: Vec<Report>,
    inputs: Vec<Input>,
    touched: Vec<StageIndex>,
    jobs: Vec<Job>,
    ahead: Option<Ahead>,
    /// An attempt to be polled for the first time here.
    here: Option<Job>,
    /// How many attempts came one after another, when the last `STREAK` of them began, and whether they were quick.
    streak: u32,
    streak_began: Instant,
    quick: bool,
    /// How long a commit took when that was last measured, and how many there were since.
    commit_took: Duration,
    commits: u32,
    /// Whether it begins nothing any more, and returns when what is at work has ended.
    leaving: bool,
}

/// Numbers are their own hash.
type Plain = std::hash::BuildHasherDefault<Number>;

#[derive(Debug, Default)]
struct Number(u64);

impl std::hash::Hasher for Number {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(31).wrapping_add(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        // Fibonacci hashing: the map looks at the upper bits.
        self.0 = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// A task that works for a stage.
struct Flight {
    /// Reports of other tasks are stale.
    task: u64,
    kind: FlightKind,
}

enum FlightKind {
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
struct Watch {
    at: Instant,
    stage: StageIndex,
    task: u64,
    supervised: Supervised,
    begun: Arc<AtomicBool>,
    /// Whether it was asked to stop, and is given up next.
    asked: bool,
}

/// How many attempts the lanes are given ahead: enough to keep them busy, and not all of a million.
const AHEAD: usize = 1024;

/// How many attempts, one after another, tell whether they are quick, and what each may take then.
const STREAK: u32 = 16;
const QUICK: Duration = Duration::from_micros(50);

/// A commit that takes so long is worth waiting for others.
const SLOW: Duration = Duration::from_micros(50);

/// How many events a commit may grow to while outcomes are reused.
const LARGE: usize = 16_384;

impl Runner {
    /// Drives a run until it ends, or until all that is left waits for something outside. What a run waits for
    /// holds nothing here: drive it again when something changed, in this process or another.
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

    async fn drive_here(
        self: Arc<Self>,
        pipeline: Pipeline,
        run: &RunId,
        unwanted: tokio::sync::oneshot::Receiver<()>,
    ) -> Result<RunState, RunError> {
        let _lease = self.lease(run)?;
        let state = self.load_over(run, Some(pipeline.graph())).await?;
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
        let reuses = pipeline
            .plan()
            .stages
            .iter()
            .any(|stage| stage.effect == Effect::Pure);
        if reuses {
            self.refresh_history().await?;
        }
        let gates = pipeline
            .stages()
            .filter(|node| !node.gates().is_empty())
            .map(|node| (node.name().clone(), node.gates().to_vec()));
        let gates = Gates::new(gates);
        let now = self.services.clock.now();
        let look = Instant::now() + self.options.poll;
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
            in_flight: HashMap::default(),
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
            here: None,
            streak: 0,
            streak_began: look,
            quick: false,
            commit_took: Duration::ZERO,
            commits: 0,
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
        worked.map(|()| drive.state)
    }

    /// Takes the right to drive a run.
    pub(super) fn lease(&self, run: &RunId) -> Result<Lease, RunError> {
        let lease = self.leases.take(run).map_err(|source| RunError::Lease {
            run: run.clone(),
            source,
        })?;
        lease.ok_or_else(|| RunError::Taken { run: run.clone() })
    }

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

impl Drive {
    async fn claim_and_work(&mut self) -> Result<(), RunError> {
        let worker = self.runner.options.worker.clone();
        self.commit(Input::Claim { worker }).await?;
        self.epoch = self.state.epoch();
        self.state.touch_all();
        self.work().await
    }

    /// Drops all that goes on, as if the process had died, and waits until it is gone: whoever drives the run next must
    /// not meet it.
    async fn leave(&mut self) {
        for flight in self.in_flight.values() {
            match &flight.kind {
                FlightKind::Question(task) => task.abort(),
                FlightKind::Attempt(context) => context.drop_now().cancel(""),
                FlightKind::Simple { .. } | FlightKind::Unstarted => {}
            }
        }
        self.lanes.end().await;
    }

    async fn work(&mut self) -> Result<(), RunError> {
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
            let mut reports = std::mem::take(&mut self.reports);
            if let Some(job) = self.here.take() {
                reports.extend(self.lanes.begin_here(job).await);
            }
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
            // Who is never without a report does not wait for the alarm.
            let overdue = || Instant::now() >= self.look.min(self.alarm.deadline());
            if rang || self.commits.is_multiple_of(64) && overdue() {
                self.alarmed().await?;
            }
        }
    }

    /// When the runner drains, nothing begins from now on. What only finds something out is dropped; the next drive asks
    /// again.
    fn leave_if_asked(&mut self) {
        if self.leaving || !self.runner.is_draining() {
            return;
        }
        self.leaving = true;
        self.in_flight.retain(|_, flight| match &flight.kind {
            FlightKind::Question(task) => {
                task.abort();
                false
            }
            FlightKind::Attempt(_) | FlightKind::Simple { .. } | FlightKind::Unstarted => true,
        });
    }

    /// Waits for a report, or until it is time to look at the journal, the clock, or an attempt. Tells whether it is.
    async fn wait(&mut self) -> bool {
        let mut until = self.look;
        if let Some(watch) = self.watched.iter().map(|watch| watch.at).min() {
            until = until.min(watch);
        }
        if let Some(timer) = self.state.next_timer() {
            let now = self.services.clock.now();
            let left = Duration::try_from(timer.duration_since(now)).unwrap_or(Duration::ZERO);
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
    async fn alarmed(&mut self) -> Result<(), RunError> {
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

    fn timer_is_over(&self) -> bool {
        let timer = self.state.next_timer();
        timer.is_some_and(|timer| timer <= self.services.clock.now())
    }

    /// Nothing is going on: waits for what comes by itself soon, the next attempt or a free slot. Tells whether it
    /// is worth looking again.
    async fn wait_alone(&mut self) -> Result<bool, RunError> {
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
        let left = Duration::try_from(timer.duration_since(before)).unwrap_or(Duration::ZERO);
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
    async fn let_others_end(&mut self, reports: &mut Vec<Report>) {
        if self.commit_took < SLOW {
            return;
        }
        let until = Instant::now() + self.commit_took;
        while self.lanes.ahead() > 0 && Instant::now() < until {
            tokio::task::yield_now().await;
        }
        self.lanes.reports(reports);
    }

    /// Reads what others appended, and decides on it. Tells whether there was anything.
    async fn catch_up(&mut self) -> Result<bool, RunError> {
        self.look = Instant::now() + self.runner.options.poll;
        if !self.runner.refresh(&mut self.state).await? {
            return Ok(false);
        }
        self.check_epoch()?;
        self.commit(Input::Tick).await?;
        Ok(true)
    }

    /// What a task reports; nothing, if nobody waits for its report.
    fn take_in(&mut self, report: Report) -> Option<Input> {
        let Report {
            stage,
            task,
            reported,
        } = report;
        match self.in_flight.get(&stage) {
            Some(flight) if flight.task == task => {}
            _ => return None,
        }
        if let Reported::Begun(context) = reported {
            self.begun(stage, context);
            return None;
        }
        let flight = self.in_flight.remove(&stage)?;
        match &flight.kind {
            FlightKind::Question(_) => self.state.touch(stage),
            FlightKind::Attempt(_) | FlightKind::Simple { .. } | FlightKind::Unstarted => {
                self.slots.give_back(1);
            }
        }
        let input = match reported {
            Reported::Ended(input) => Some(input),
            Reported::Begun(_) | Reported::Broke => None,
        };
        match (input, flight.kind) {
            (Some(input), _) => Some(input),
            (None, FlightKind::Simple { .. }) => {
                let (attempt, epoch) = self.attempt(stage)?;
                let result = StageResult::Failed {
                    failure: Failure::Unknown,
                    error: vec![format!("attempt {attempt} ended without a word")],
                };
                Some(Input::Finished {
                    stage,
                    attempt,
                    epoch,
                    result,
                    output: None,
                })
            }
            // It was dropped or broke without a word: an attempt may have had its effect.
            (None, FlightKind::Attempt(context)) => {
                let (attempt, epoch) = self.attempt(stage)?;
                let result = StageResult::Failed {
                    failure: Failure::Unknown,
                    error: vec![format!("attempt {} ended without a word", context.attempt())],
                };
                Some(Input::Finished {
                    stage,
                    attempt,
                    epoch,
                    result,
                    output: None,
                })
            }
            (None, _) => None,
        }
    }

    /// A simple attempt did not end at once: from now on it can be asked to stop.
    fn begun(&mut self, stage: StageIndex, context: StageContext) {
        let Some(flight) = self.in_flight.get_mut(&stage) else {
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
    async fn commit(&mut self, input: Input) -> Result<(), RunError> {
        self.commit_all(&[input]).await
    }

    /// Decides on some inputs and commits the decisions together.
    async fn commit_all(&mut self, inputs: &[Input]) -> Result<(), RunError> {
        for _ in 0..TRIES {
            self.now = self.services.clock.now();
            let free = self.runner.slots.take_all();
            let moment = Moment {
                now: self.now,
                chance: self.runner.chance(&self.state),
                free,
                leaving: self.leaving,
            };
            let ahead = self.ahead.take();
            let mut ahead = ahead.unwrap_or_else(|| Ahead::of(&self.state, moment));
            ahead.again(&self.state, moment);
            let decided = self.decide(&mut ahead, inputs);
            self.slots.keep(ahead.begun(), free);
            decided.map_err(RunError::Refused)?;
            let (begun, batch) = (ahead.begun(), ahead.batch(&self.state));
            self.ahead = Some(ahead);
            if batch.is_empty() {
                return Ok(());
            }
            let before = self.is_commit_measured().then(Instant::now);
            match self.runner.append(self.state.id(), batch).await {
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
                    let graph = self.pipeline.graph();
                    self.state = self
                        .runner
                        .load_over(&self.state.id().clone(), Some(graph))
                        .await?;
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

    /// Whether it is worth knowing how long the next commit takes: a quick journal stays one.
    fn is_commit_measured(&mut self) -> bool {
        self.commits = self.commits.wrapping_add(1);
        self.commit_took >= SLOW || self.commits < 4 || self.commits.is_multiple_of(64)
    }

    /// Decides on some inputs and on all that follows, reuse included: what was done before needs no task, and a
    /// whole run of it no more than one commit.
    fn decide(&mut self, ahead: &mut Ahead, inputs: &[Input]) -> Result<(), crate::run::Refusal> {
        for input in inputs {
            ahead.decide(&mut self.state, &self.gates, input)?;
        }
        ahead.settle(&mut self.state);
        if !self.reuses {
            return Ok(());
        }
        let mut others = Vec::new();
        loop {
            let mut some = false;
            for stage in self.state.take_touched() {
                match self.reusable_at_once(stage) {
                    Some(input) if ahead.len() < LARGE => {
                        ahead.decide(&mut self.state, &self.gates, &input)?;
                        some = true;
                    }
                    _ => others.push(stage),
                }
            }
            if !some {
                break;
            }
            ahead.settle(&mut self.state);
        }
        for stage in others {
            self.state.touch(stage);
        }
        Ok(())
    }

    /// The preparation of a stage that needs no task: nothing but what the run knows decides about it.
    fn reusable_at_once(&self, stage: StageIndex) -> Option<Input> {
        if self.leaving || !self.state.is_simply_pure(stage) || self.in_flight.contains_key(&stage) {
            return None;
        }
        self.runner.prepared_at_once(&self.state, &self.pipeline, stage)
    }

    /// Starts what is due and not going on.
    fn dispatch(&mut self) {
        let now = self.now;
        let mut touched = std::mem::take(&mut self.touched);
        self.state.take_touched_into(&mut touched);
        for &stage in &touched {
            let due = self.state.due(stage, now);
            match (due, self.in_flight.get(&stage)) {
                (None, None) => {}
                (None, Some(flight)) => {
                    // Nobody wants the answer any more. An attempt always reports.
                    if let FlightKind::Question(task) = &flight.kind {
                        task.abort();
                        self.in_flight.remove(&stage);
                    }
                }
                (Some(Command::Stop { force, .. }), Some(_)) => self.stop(stage, force),
                (Some(_), Some(_)) => {}
                // Decided to start, and to stop before it did.
                (Some(Command::Stop { stage, .. }), None) => self.report_unstarted(stage),
                (Some(Command::Prepare { .. } | Command::Inspect { .. }), None) if self.leaving => {}
                (Some(Command::Prepare { stage, locked }), None) => self.prepare(stage, locked),
                (Some(Command::Execute { stage }), None) => self.backlog.push_back(stage),
                (Some(Command::Inspect { stage }), None) => self.inspect(stage),
            }
        }
        self.touched = touched;
    }

    /// Hands attempts to the lanes, as many as they can soon begin.
    fn feed(&mut self) {
        if self.backlog.is_empty() {
            return;
        }
        let now = self.now;
        let room = AHEAD.saturating_sub(self.lanes.ahead());
        let mut jobs = std::mem::take(&mut self.jobs);
        while jobs.len() < room
            && let Some(stage) = self.backlog.pop_front()
        {
            if self.in_flight.contains_key(&stage) {
                continue;
            }
            match self.state.due(stage, now) {
                Some(Command::Execute { .. }) => jobs.extend(self.execute(stage)),
                Some(_) => self.state.touch(stage),
                None => {}
            }
        }
        if jobs.len() == 1 && self.in_flight.len() == 1 && self.backlog.is_empty() && self.is_quick() {
            self.here = jobs.pop();
        } else {
            self.lanes.begin(&mut jobs);
        }
        self.jobs = jobs;
    }

    /// Whether the last attempts, which came one after another, all ended at once, in next to no time: then the next one
    /// is polled for the first time here, and no thread has to be woken for it.
    fn is_quick(&mut self) -> bool {
        self.streak += 1;
        if self.streak.is_multiple_of(STREAK) {
            let now = Instant::now();
            self.quick = now.duration_since(self.streak_began) < STREAK * QUICK;
            self.streak_began = now;
        }
        self.quick
    }

    fn stop(&mut self, stage: StageIndex, force: bool) {
        let why = match (self.state.cancel(), self.state.failed()) {
            (Some(cancel), _) if cancel.timed_out => cancel.reason.clone(),
            (Some(cancel), _) => format!("the run was cancelled by {}", cancel.by.name()),
            (None, Some(failed)) => format!("stage `{failed}` failed"),
            (None, None) => "the run stops".to_owned(),
        };
        let Some(flight) = self.in_flight.get_mut(&stage) else {
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
                self.in_flight.remove(&stage);
                self.state.touch(stage);
            }
            FlightKind::Unstarted => {}
        }
    }

    fn prepare(&mut self, stage: StageIndex, locked: bool) {
        let context = self.context(stage);
        let Some(job) = super::prepare::Job::new(&self.state, &self.pipeline, context, stage) else {
            return;
        };
        let runner = Arc::clone(&self.runner);
        self.ask(stage, async move {
            Input::Prepared(Box::new(runner.prepare(job, locked).await))
        });
    }

    /// Spawns a task that finds something out.
    fn ask(&mut self, stage: StageIndex, question: impl Future<Output = Input> + Send + 'static) {
        let task = self.task();
        let handle = self.lanes.spawn(stage, task, question);
        let kind = FlightKind::Question(handle);
        self.in_flight.insert(stage, Flight { task, kind });
    }

    fn task(&mut self) -> u64 {
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

    fn execute(&mut self, stage: StageIndex) -> Option<Job> {
        if self.state.is_simple_call(stage) {
            let attempt = self.state.view(stage).attempt()?;
            let (attempt, generation, epoch) = (attempt.attempt, attempt.generation, attempt.epoch);
            let task = self.task();
            let kind = FlightKind::Simple { stop: None };
            self.in_flight.insert(stage, Flight { task, kind });
            return Some(Job {
                stage,
                task,
                attempt,
                generation,
                epoch,
                rich: None,
            });
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
                Work::new(async move { super::attempt::run_and_check(&code, &context).await })
            }
            Some(descriptor) => {
                let (runner, context) = (Arc::clone(&self.runner), context.clone());
                Work::new(async move {
                    let configuration = runner.configuration(&descriptor).await?;
                    super::attempt::run_and_check(&code, &context.configured(configuration)).await
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
    fn look_after_watched(&mut self) {
        if self.watched.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut given_up = Vec::new();
        let in_flight = &self.in_flight;
        self.watched.retain_mut(|watch| {
            let flight = in_flight
                .get(&watch.stage)
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
            if let Some((attempt, epoch)) = self.attempt(stage) {
                let input = Input::Finished {
                    stage,
                    attempt,
                    epoch,
                    result,
                    output: None,
                };
                self.lanes.report(Report {
                    stage,
                    task,
                    reported: Reported::Ended(input),
                });
            }
        }
    }

    fn inspect(&mut self, stage: StageIndex) {
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

    fn report_unstarted(&mut self, stage: StageIndex) {
        let Some((attempt, epoch)) = self.attempt(stage) else {
            return;
        };
        let result = StageResult::Cancelled {
            reason: "it was cancelled before it began".to_owned(),
        };
        let task = self.task();
        let kind = FlightKind::Unstarted;
        self.in_flight.insert(stage, Flight { task, kind });
        let input = Input::Finished {
            stage,
            attempt,
            epoch,
            result,
            output: None,
        };
        self.lanes.report(Report {
            stage,
            task,
            reported: Reported::Ended(input),
        });
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
    async fn look_for_effect(self: &Arc<Self>, code: crate::AnyStage, context: StageContext) -> Inspection {
        let masker = context.masker().clone();
        let runner = Arc::clone(self);
        let work = async move {
            let context = runner.configured(&context).await?;
            code.inspect(&context).await
        };
        let why = match guarded(self.options.preparation, &masker, work).await {
            Ok(Ok(Inspection::Happened(outcome))) => {
                return Inspection::Happened(Box::new(super::attempt::masked(&masker, *outcome)));
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
