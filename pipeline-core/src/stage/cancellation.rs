use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Asks a stage to stop. Clones share one request; it cannot be taken back. Needs no runtime.
#[derive(Clone, Default)]
pub struct Cancellation(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    reason: Option<Arc<str>>,
    waiting: Vec<Waker>,
}

impl Cancellation {
    /// Nobody asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks, and says why. The first reason stays.
    pub fn cancel(&self, reason: impl Into<Arc<str>>) {
        let waiting = {
            let mut state = self.state();
            if state.reason.is_none() {
                state.reason = Some(reason.into());
            }
            std::mem::take(&mut state.waiting)
        };
        for waker in waiting {
            waker.wake();
        }
    }

    /// Why somebody asked, if somebody did.
    pub fn reason(&self) -> Option<Arc<str>> {
        self.state().reason.clone()
    }

    /// Ends when somebody asks, with the reason.
    pub fn cancelled(&self) -> Cancelled {
        Cancelled(self.clone())
    }
}

impl fmt::Debug for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancellation").field(&self.reason()).finish()
    }
}

/// Ends when a stage is asked to stop; see [`Cancellation::cancelled`].
#[derive(Debug)]
#[must_use = "it waits only when awaited"]
pub struct Cancelled(Cancellation);

impl Future for Cancelled {
    type Output = Arc<str>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Arc<str>> {
        let mut state = self.0.state();
        match &state.reason {
            Some(reason) => Poll::Ready(Arc::clone(reason)),
            None => {
                if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                    state.waiting.push(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}
