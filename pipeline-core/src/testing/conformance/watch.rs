use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use crate::Cancellation;

/// A place in the life of a future: after so many polls that did not end it. Asleep is right after the poll, while
/// what it waits for goes on; woken is when it would be polled again, so that what it waited for is done and
/// nobody heard of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AwaitPoint {
    pub(super) polls: usize,
    pub(super) woken: bool,
}

impl AwaitPoint {
    /// The place in words, to follow "dropped" or "cancelled".
    pub(super) fn text(self) -> String {
        match (self.polls, self.woken) {
            (0, _) => "before its first poll".to_owned(),
            (polls, false) => format!("at await point {polls}"),
            (polls, true) => format!("after what it waited for at await point {polls}"),
        }
    }
}

/// What is done to a future.
#[derive(Debug)]
pub(super) enum Disturbance {
    Nothing,
    Drop(AwaitPoint),
    Cancel(AwaitPoint, Cancellation),
}

/// How a watched future ended.
#[derive(Debug)]
pub(super) enum End<T> {
    /// It ended by itself.
    Done(T),
    /// It was dropped.
    Dropped,
    /// It waits, and nothing is left that could wake it.
    Stuck,
    /// It took longer than the limit.
    Late(Duration),
    /// It panicked.
    Panicked(String),
}

impl<T> End<T> {
    /// What came out, or in words what happened instead.
    pub(super) fn done(self) -> Result<T, String> {
        match self {
            Self::Done(value) => Ok(value),
            Self::Dropped => Err("it was dropped".to_owned()),
            Self::Stuck => Err("it waits, and nothing is left that could wake it".to_owned()),
            Self::Late(limit) => Err(format!("it did not end within {limit:?}")),
            Self::Panicked(text) => Err(format!("it panicked: {text}")),
        }
    }
}

/// What a watch found.
#[derive(Debug)]
pub(super) struct Watched<T> {
    pub(super) end: End<T>,
    /// How many polls did not end it.
    pub(super) polls: usize,
    /// Whether the disturbance took place.
    pub(super) disturbed: bool,
}

/// What is shared with the one who watches the time.
#[derive(Default)]
struct Outside {
    late: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Outside {
    fn wake(&self) {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The waker that the watched future gets: it tells apart who was woken, and whether anybody still can.
struct Inside {
    woken: AtomicBool,
    outside: Arc<Outside>,
}

impl Wake for Inside {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.outside.wake();
    }
}

/// Wakes when a time is over. Needs no runtime and reads no clock; its thread ends with the sender.
fn watch_time(limit: Duration, outside: &Arc<Outside>) -> Sender<()> {
    let (ended, end) = channel();
    let outside = Arc::clone(outside);
    thread::spawn(move || {
        if let Err(RecvTimeoutError::Timeout) = end.recv_timeout(limit) {
            outside.late.store(true, Ordering::SeqCst);
            outside.wake();
        }
    });
    ended
}

/// Drives a future and counts its polls; drops or cancels it where it is told to.
///
/// The future is polled only when it was woken, so that the places mean the same however often the caller is polled.
pub(super) async fn watch<'a, T>(
    future: impl Future<Output = T> + 'a,
    mut disturbance: Disturbance,
    limit: Duration,
) -> Watched<T> {
    let outside = Arc::new(Outside::default());
    let _ended = watch_time(limit, &outside);
    let inside = Arc::new(Inside {
        woken: AtomicBool::new(true),
        outside: Arc::clone(&outside),
    });
    let waker = Waker::from(Arc::clone(&inside));
    // Ours and the waker's.
    let own = Arc::strong_count(&inside);
    let mut future: Pin<Box<dyn Future<Output = T> + 'a>> = Box::pin(future);
    let (mut polls, mut disturbed) = (0, false);
    let end = poll_fn(|cx| {
        *outside.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        loop {
            if outside.late.load(Ordering::SeqCst) {
                return Poll::Ready(End::Late(limit));
            }
            let here = |at: &AwaitPoint| {
                polls == at.polls && (!at.woken || polls == 0 || inside.woken.load(Ordering::SeqCst))
            };
            match &disturbance {
                Disturbance::Drop(at) if here(at) => {
                    disturbed = true;
                    return Poll::Ready(End::Dropped);
                }
                Disturbance::Cancel(at, cancellation) if here(at) => {
                    disturbed = true;
                    cancellation.cancel("the conformance suite asks");
                    disturbance = Disturbance::Nothing;
                }
                _ => {}
            }
            if !inside.woken.swap(false, Ordering::SeqCst) {
                let alone = Arc::strong_count(&inside) == own;
                // Whoever gave up the last waker may have used it before.
                fence(Ordering::Acquire);
                return match alone && !inside.woken.load(Ordering::SeqCst) {
                    true => Poll::Ready(End::Stuck),
                    false => Poll::Pending,
                };
            }
            let polled = catch_unwind(AssertUnwindSafe(|| {
                future.as_mut().poll(&mut Context::from_waker(&waker))
            }));
            match polled {
                Ok(Poll::Ready(value)) => return Poll::Ready(End::Done(value)),
                Ok(Poll::Pending) => polls += 1,
                Err(panic) => return Poll::Ready(End::Panicked(text_of(&*panic))),
            }
        }
    })
    .await;
    drop(future);
    Watched {
        end,
        polls,
        disturbed,
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "with something that is no text".to_owned())
}
