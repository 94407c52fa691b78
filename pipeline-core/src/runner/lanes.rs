use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

use super::Runner;
use super::attempt::{Ended, GONE, Supervised, judge};
use super::guard::panic_text;
use crate::Outcome;
use crate::run::{Input, StageIndex};
use crate::stage::{StageContext, StageError};

/// What a task reports back.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) stage: StageIndex,
    /// Which task reports: a stage may have had another one meanwhile.
    pub(super) task: u64,
    /// Nothing, if the task broke.
    pub(super) input: Option<Input>,
}

/// An attempt that was begun in the journal.
pub(super) struct Job {
    pub(super) stage: StageIndex,
    pub(super) task: u64,
    pub(super) attempt: u32,
    pub(super) epoch: u64,
    pub(super) context: StageContext,
    pub(super) work: Work,
    pub(super) supervised: Supervised,
    /// Whether the work was polled for the first time; until then a lane has it.
    pub(super) begun: Option<Arc<AtomicBool>>,
}

/// Where attempts run.
///
/// A task of the runtime for each attempt would cost more than most of the engine. So a few lanes, as many as
/// the runtime has threads, poll each attempt for the first time; what is not done then becomes a task of its own. A stage
/// that computes keeps its lane busy and no other.
pub(super) struct Lanes {
    shared: Arc<Shared>,
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
    runner: Arc<Runner>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while one of these locks is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lanes {
    pub(super) fn new(runner: Arc<Runner>) -> Self {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            work: Notify::new(),
            ahead: AtomicUsize::new(0),
            reports: Mutex::default(),
            news: Notify::new(),
            tasks: Mutex::new(JoinSet::new()),
            runner,
        });
        let threads = tokio::runtime::Handle::current().metrics().num_workers();
        let mut lanes = JoinSet::new();
        for _ in 0..threads.clamp(1, 64) {
            lanes.spawn(lane(Arc::clone(&shared)));
        }
        Self {
            shared,
            lanes,
        }
    }

    /// Ends the lanes, and waits until all tasks have ended, which were asked to; not for what blocks its thread.
    pub(super) async fn end(&mut self) {
        lock(&self.shared.queue).clear();
        self.lanes.abort_all();
        let all = async {
            while self.lanes.join_next().await.is_some() {}
            let mut tasks = std::mem::take(&mut *lock(&self.shared.tasks));
            while tasks.join_next().await.is_some() {}
        };
        let _ = tokio::time::timeout(2 * GONE, all).await;
    }

    /// Hands attempts to the lanes.
    pub(super) fn begin(&self, jobs: Vec<Job>) {
        let count = jobs.len();
        if count == 0 {
            return;
        }
        self.shared.ahead.fetch_add(count, Ordering::Relaxed);
        lock(&self.shared.queue).extend(jobs);
        self.shared.work.notify_one();
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

    /// What was reported since the last call.
    pub(super) fn reports(&self) -> Vec<Report> {
        std::mem::take(&mut *lock(&self.shared.reports))
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
                input: Some(input),
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
            self.shared.report(Report { stage, task, input: None });
        }
    }
}

/// How many jobs a lane takes before it lets other tasks of the runtime have their turn.
const TURN: u32 = 64;

async fn lane(shared: Arc<Shared>) {
    let mut turn = 0;
    loop {
        let (job, more) = {
            let mut queue = lock(&shared.queue);
            (queue.pop_front(), !queue.is_empty())
        };
        let Some(job) = job else {
            shared.work.notified().await;
            continue;
        };
        // One lane wakes the next, as long as there is something to do.
        if more && turn == 0 {
            shared.work.notify_one();
        }
        begin(&shared, job).await;
        shared.ahead.fetch_sub(1, Ordering::Relaxed);
        turn += 1;
        if turn == TURN {
            turn = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// Polls an attempt for the first time. If it ends, that is all; else it becomes a task.
async fn begin(shared: &Arc<Shared>, job: Job) {
    let Job {
        stage,
        task,
        attempt,
        epoch,
        context,
        mut work,
        supervised,
        begun,
    } = job;
    let first = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut work).poll(cx))).await;
    if let Some(begun) = begun {
        begun.store(true, Ordering::Release);
    }
    match first {
        Poll::Ready(ended) if context.is_silent() => {
            let result = judge(&context, ended, false);
            let input = Input::Finished {
                stage,
                attempt,
                epoch,
                result,
                output: None,
            };
            shared.report(Report {
                stage,
                task,
                input: Some(input),
            });
        }
        first => {
            let runner = Arc::clone(&shared.runner);
            Shared::spawn(shared, stage, task, async move {
                let result = match first {
                    Poll::Ready(ended) => judge(&context, ended, false),
                    Poll::Pending => supervised.watch(work, &context).await,
                };
                let output = runner.keep_output(&context).await;
                Input::Finished {
                    stage,
                    attempt,
                    epoch,
                    result,
                    output,
                }
            });
        }
    }
}

/// The work of a stage until its end, its panic included.
pub(super) struct Work(Pin<Box<dyn Future<Output = Result<Outcome, StageError>> + Send>>);

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
