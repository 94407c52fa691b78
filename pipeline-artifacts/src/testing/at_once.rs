use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

pub(super) type Job = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// What threads found so far, and who waits for them.
#[derive(Default)]
struct Found {
    all: Vec<Result<(), String>>,
    waker: Option<Waker>,
}

#[derive(Default)]
struct Shared(Mutex<Found>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does jobs at the same time, each on a thread of its own. Who waits does not block, so that a runtime with this one thread
/// goes on, and what the jobs want of it is done.
pub(super) async fn at_once(jobs: Vec<Job>) -> Vec<Result<(), String>> {
    let (shared, count) = (Arc::new(Shared::default()), jobs.len());
    #[cfg(feature = "tokio")]
    let runtime = tokio::runtime::Handle::try_current().ok();
    for job in jobs {
        let shared = Arc::clone(&shared);
        #[cfg(feature = "tokio")]
        let runtime = runtime.clone();
        thread::spawn(move || {
            #[cfg(feature = "tokio")]
            let _inside = runtime.as_ref().map(tokio::runtime::Handle::enter);
            let found = catch_unwind(AssertUnwindSafe(|| wait_for(job)));
            let mut shared_now = shared.lock();
            shared_now
                .all
                .push(found.unwrap_or_else(|_| Err("a call panicked".to_owned())));
            shared_now.waker.iter().for_each(Waker::wake_by_ref);
        });
    }
    poll_fn(|cx| {
        let mut found = shared.lock();
        if found.all.len() == count {
            return Poll::Ready(std::mem::take(&mut found.all));
        }
        found.waker = Some(cx.waker().clone());
        Poll::Pending
    })
    .await
}

/// Waits for a future on this thread.
fn wait_for<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(done) => return done,
            Poll::Pending => thread::park(),
        }
    }
}
