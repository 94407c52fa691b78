use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

use super::Runner;
use super::attempt::{Ended, GONE, Supervised, judge, run_and_check};
use super::guard::panic_text;
use crate::pipeline::Pipeline;
use crate::run::{Input, StageIndex, StageResult};
use crate::stage::{Signals, StageCall, StageContext, StageError, Started};
use crate::{ComponentName, Outcome, PipelineName, RunId, Services, StageName};

/// What a task reports back.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) stage: StageIndex,
    /// Which task reports: a stage may have had another one meanwhile.
    pub(super) task: u64,
    pub(super) reported: Reported,
}

/// What a task has to tell.
#[derive(Debug)]
pub(super) enum Reported {
    /// An attempt succeeded and had nothing more to say: no more than that goes from one thread to another.
    Succeeded { attempt: u32, epoch: u64 },
    /// It ended so.
    Ended(Box<Input>),
    /// An attempt did not end at once, and this is its context.
    Begun(StageContext),
    /// It broke, or was dropped.
    Broke,
}

/// An attempt that was begun in the journal.
pub(super) struct Job {
    pub(super) stage: StageIndex,
    pub(super) task: u64,
    pub(super) attempt: u32,
    pub(super) generation: u32,
    pub(super) epoch: u64,
    /// What it needs beyond that; nothing when its call is simple, and is made where it runs.
    pub(super) rich: Option<Box<Rich>>,
}

impl Job {
    /// Whether it is watched until it was polled for the first time.
    pub(super) fn is_watched(&self) -> bool {
        self.rich.as_ref().is_some_and(|rich| rich.begun.is_some())
    }
}

/// What an attempt needs that is more than a number.
pub(super) struct Rich {
    pub(super) context: StageContext,
    pub(super) work: Work,
    pub(super) supervised: Supervised,
    /// Whether the work was polled for the first time; until then a lane has it.
    pub(super) begun: Option<Arc<AtomicBool>>,
}

/// What contexts are made of. Every lane has its own copy, down to the counters of its parts: threads that count the
/// same references get in each other's way.
pub(super) struct Home {
    pipeline: Pipeline,
    run: RunId,
    pipeline_name: PipelineName,
    component: ComponentName,
    services: Arc<Services>,
    signals: Arc<dyn Signals>,
    runner: Arc<Runner>,
    /// The context of an attempt that ended, for the next one.
    spare: Option<StageContext>,
}

/// What came of the first poll of an attempt.
pub(super) enum First {
    /// Success, and nothing more.
    Succeeded,
    /// It ended in another way.
    Ended(StageResult),
    /// It goes on, or said something that is to be kept.
    Going(Box<Going>),
    /// There is no such stage.
    Broke,
}

/// An attempt that was polled for the first time.
pub(super) struct Going {
    context: StageContext,
    work: Work,
    polled: Poll<Ended>,
    supervised: Supervised,
    simple: bool,
}

impl Home {
    fn new(runner: &Arc<Runner>, pipeline: &Pipeline, run: &RunId) -> Self {
        // Names that were checked when they were made.
        let run = RunId::new(run.as_str()).unwrap_or_else(|_| run.clone());
        let name = pipeline.name();
        let pipeline_name = PipelineName::new(name.as_str()).unwrap_or_else(|_| name.clone());
        let component = pipeline.component();
        let component = ComponentName::new(component.as_str()).unwrap_or_else(|_| component.clone());
        Self {
            pipeline: pipeline.clone(),
            run,
            pipeline_name,
            component,
            services: Arc::new(runner.services.clone()),
            signals: Arc::new(runner.observers.clone()),
            runner: Arc::clone(runner),
            spare: None,
        }
    }

    /// Polls an attempt for the first time.
    fn first(&mut self, job: &mut Job, cx: &mut Context<'_>) -> First {
        let rich = job.rich.take().map(|rich| *rich);
        let simple = rich.is_none();
        let (context, mut work, supervised, begun) = match rich {
            Some(rich) => (rich.context, rich.work, rich.supervised, rich.begun),
            None => match self.simple(job) {
                Some((context, work)) => (context, work, self.supervised(), None),
                None => return First::Broke,
            },
        };
        let polled = Pin::new(&mut work).poll(cx);
        if let Some(begun) = begun {
            begun.store(true, Ordering::Release);
        }
        match polled {
            Poll::Ready(how) if context.is_silent() => match how {
                Ended::Returned(Ok(outcome)) if outcome.is_plain() => {
                    self.spare = simple.then_some(context);
                    First::Succeeded
                }
                how => First::Ended(judge(&context, how, false)),
            },
            polled => First::Going(Box::new(Going {
                context,
                work,
                polled,
                supervised,
                simple,
            })),
        }
    }

    /// A simple attempt: its context, and its work.
    fn simple(&mut self, job: &Job) -> Option<(StageContext, Work)> {
        let node = self.pipeline.get(job.stage)?;
        let signals = (!self.runner.observers.is_idle()).then(|| Arc::clone(&self.signals));
        let attempt = (node.name(), job.attempt, job.generation);
        let spare = self.spare.take().and_then(|mut spare| {
            let again = spare.again(attempt, signals.clone());
            again.then_some(spare)
        });
        let context = spare.unwrap_or_else(|| self.context(attempt, signals));
        let inner = context.clone();
        let work = match node.stage() {
            code if code.can_verify() => {
                let code = code.clone();
                Work::new(async move { run_and_check(&code, &inner).await })
            }
            code => Work(code.start(inner)),
        };
        Some((context, work))
    }

    /// The context of a simple attempt.
    fn context(
        &self,
        (stage, attempt, generation): (&StageName, u32, u32),
        signals: Option<Arc<dyn Signals>>,
    ) -> StageContext {
        let call = StageCall {
            run: self.run.clone(),
            pipeline: self.pipeline_name.clone(),
            component: self.component.clone(),
            stage: stage.clone(),
            attempt,
            generation,
            deadline: None,
            artifacts: BTreeMap::new(),
            facts: BTreeMap::new(),
            item: None,
            target: None,
        };
        StageContext::heard(call, Arc::clone(&self.services), None, signals)
    }

    /// The limits of a simple attempt.
    fn supervised(&self) -> Supervised {
        Supervised {
            limit: None,
            grace: self.runner.options.grace,
        }
    }
}

/// Where attempts run.
///
/// A task of the runtime for each attempt would cost more than most of the engine. So a few lanes, as many as
/// the runtime has threads, poll each attempt for the first time; what is not done then becomes a task of its own. A stage
/// that computes keeps its lane busy and no other.
pub(super) struct Lanes {
    shared: Arc<Shared>,
    /// Of whoever drives the run.
    home: Home,
    // Ends the lanes when it is dropped.
    lanes: JoinSet<()>,
}

struct Shared {
    queue: Mutex<VecDeque<Job>>,
    work: Notify,
    /// How many jobs were pushed and not polled yet.
    ahead: AtomicUsize,
    reports: Mutex<Vec<Report>>,
    news: Notify,
    /// Tasks of their own. They end when they are dropped.
    tasks: Mutex<JoinSet<()>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while one of these locks is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lanes {
    pub(super) fn new(runner: Arc<Runner>, pipeline: &Pipeline, run: &RunId) -> Self {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            work: Notify::new(),
            ahead: AtomicUsize::new(0),
            reports: Mutex::default(),
            news: Notify::new(),
            tasks: Mutex::new(JoinSet::new()),
        });
        let threads = tokio::runtime::Handle::current().metrics().num_workers();
        let mut lanes = JoinSet::new();
        for _ in 0..threads.clamp(1, 64) {
            lanes.spawn(lane(Arc::clone(&shared), Home::new(&runner, pipeline, run)));
        }
        Self {
            shared,
            home: Home::new(&runner, pipeline, run),
            lanes,
        }
    }

    /// Ends the lanes, and waits until all tasks have ended, which were asked to; not for what blocks its thread.
    pub(super) async fn end(&mut self) {
        lock(&self.shared.queue).clear();
        self.lanes.abort_all();
        let all = async {
            while self.lanes.join_next().await.is_some() {}
            // Attempts that became tasks meanwhile, and that nobody could ask.
            for report in lock(&self.shared.reports).iter() {
                if let Reported::Begun(context) = &report.reported {
                    context.drop_now().cancel("");
                }
            }
            let mut tasks = std::mem::take(&mut *lock(&self.shared.tasks));
            while tasks.join_next().await.is_some() {}
        };
        let _ = tokio::time::timeout(2 * GONE, all).await;
    }

    /// Hands attempts to the lanes.
    pub(super) fn begin(&self, jobs: &mut Vec<Job>) {
        let count = jobs.len();
        if count == 0 {
            return;
        }
        self.shared.ahead.fetch_add(count, Ordering::Relaxed);
        lock(&self.shared.queue).extend(jobs.drain(..));
        self.shared.work.notify_one();
    }

    /// Polls an attempt for the first time on the spot.
    pub(super) fn first(&mut self, job: &mut Job, cx: &mut Context<'_>) -> First {
        self.home.first(job, cx)
    }

    /// What is to be reported of an attempt that was polled on the spot. One that goes on reports later.
    pub(super) fn after_first(&self, job: &Job, first: First) -> Option<Report> {
        after_first(&self.shared, &self.home.runner, job, first)
    }

    /// How many attempts wait for their first poll, or are in it.
    pub(super) fn ahead(&self) -> usize {
        self.shared.ahead.load(Ordering::Relaxed)
    }

    /// Runs something as a task of its own, which reports its end however it ends.
    pub(super) fn spawn(
        &self,
        stage: StageIndex,
        task: u64,
        work: impl Future<Output = Input> + Send + 'static,
    ) -> AbortHandle {
        Shared::spawn(&self.shared, stage, task, work)
    }

    /// Reports in the name of a task.
    pub(super) fn report(&self, report: Report) {
        self.shared.report(report);
    }

    /// Adds what was reported since the last call.
    pub(super) fn reports(&self, reports: &mut Vec<Report>) {
        let mut waiting = lock(&self.shared.reports);
        if reports.is_empty() {
            std::mem::swap(&mut *waiting, reports);
        } else {
            reports.append(&mut waiting);
        }
    }

    /// Ends when there is something to report.
    pub(super) async fn news(&self) {
        self.shared.news.notified().await;
    }
}

impl Shared {
    fn report(&self, report: Report) {
        let first = {
            let mut reports = lock(&self.reports);
            reports.push(report);
            reports.len() == 1
        };
        if first {
            self.news.notify_one();
        }
    }

    fn spawn(
        shared: &Arc<Self>,
        stage: StageIndex,
        task: u64,
        work: impl Future<Output = Input> + Send + 'static,
    ) -> AbortHandle {
        let mut promise = Promise {
            shared: Arc::clone(shared),
            stage,
            task,
            kept: false,
        };
        let mut tasks = lock(&shared.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let input = work.await;
            promise.kept = true;
            promise.shared.report(Report {
                stage,
                task,
                reported: Reported::Ended(Box::new(input)),
            });
        })
    }
}

/// Reports when a task ends without having reported: it was dropped, or it broke.
struct Promise {
    shared: Arc<Shared>,
    stage: StageIndex,
    task: u64,
    kept: bool,
}

impl Drop for Promise {
    fn drop(&mut self) {
        if !self.kept {
            let (stage, task) = (self.stage, self.task);
            let reported = Reported::Broke;
            self.shared.report(Report {
                stage,
                task,
                reported,
            });
        }
    }
}

/// How many jobs a lane takes before it lets other tasks of the runtime have their turn.
const TURN: u32 = 64;

async fn lane(shared: Arc<Shared>, mut home: Home) {
    let mut turn = 0;
    loop {
        let (job, more) = {
            let mut queue = lock(&shared.queue);
            (queue.pop_front(), !queue.is_empty())
        };
        let Some(mut job) = job else {
            shared.work.notified().await;
            continue;
        };
        // One lane wakes the next, as long as there is something to do.
        if more && turn == 0 {
            shared.work.notify_one();
        }
        let first = poll_fn(|cx| Poll::Ready(home.first(&mut job, cx))).await;
        if let Some(report) = after_first(&shared, &home.runner, &job, first) {
            shared.report(report);
        }
        shared.ahead.fetch_sub(1, Ordering::Relaxed);
        turn += 1;
        if turn == TURN {
            turn = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// After its first poll: if an attempt ended, that is all, and it is reported; else it becomes a task, which will.
fn after_first(shared: &Arc<Shared>, runner: &Arc<Runner>, job: &Job, first: First) -> Option<Report> {
    let (stage, task, attempt, epoch) = (job.stage, job.task, job.attempt, job.epoch);
    let ended = move |result, output| Input::Finished {
        stage,
        attempt,
        epoch,
        result,
        output,
    };
    let reported = match first {
        First::Succeeded => Reported::Succeeded { attempt, epoch },
        First::Ended(result) => Reported::Ended(Box::new(ended(result, None))),
        First::Broke => Reported::Broke,
        First::Going(going) => {
            let Going {
                context,
                work,
                polled,
                supervised,
                simple,
            } = *going;
            if simple {
                let reported = Reported::Begun(context.clone());
                shared.report(Report {
                    stage,
                    task,
                    reported,
                });
            }
            let runner = Arc::clone(runner);
            Shared::spawn(shared, stage, task, async move {
                let result = match polled {
                    Poll::Ready(how) => judge(&context, how, false),
                    Poll::Pending => supervised.watch(work, &context).await,
                };
                let output = runner.keep_output(&context).await;
                ended(result, output)
            });
            return None;
        }
    };
    Some(Report {
        stage,
        task,
        reported,
    })
}

/// The work of a stage until its end, its panic included.
pub(super) struct Work(Started);

impl Work {
    pub(super) fn new(work: impl Future<Output = Result<Outcome, StageError>> + Send + 'static) -> Self {
        Self(Box::pin(work))
    }
}

impl Future for Work {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(result)) => Poll::Ready(Ended::Returned(result)),
            Err(panic) => Poll::Ready(Ended::Panicked(panic_text(&*panic))),
        }
    }
}
