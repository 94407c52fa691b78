use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

/// How long one call may take by the computer's time.
const LIMIT: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Time {
    over: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

/// What comes of a future, or that it took too long. Needs no runtime and reads no clock.
pub(super) async fn in_time<T>(future: impl Future<Output = T>) -> Result<T, String> {
    within(LIMIT, future).await
}

async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Result<T, String> {
    let time = Arc::new(Time::default());
    let (ended, end) = channel::<()>();
    thread::spawn({
        let time = Arc::clone(&time);
        move || {
            if let Err(RecvTimeoutError::Timeout) = end.recv_timeout(limit) {
                time.over.store(true, Ordering::SeqCst);
                let waker = time.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
                waker.iter().for_each(Waker::wake_by_ref);
            }
        }
    });
    let mut future = pin!(future);
    let done = poll_fn(|cx| {
        *time.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        if time.over.load(Ordering::SeqCst) {
            return Poll::Ready(Err(format!("no answer within {limit:?}")));
        }
        future.as_mut().poll(cx).map(Ok)
    })
    .await;
    // Ends the thread.
    drop(ended);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_never_answers_is_late() {
        let late = within(Duration::from_millis(1), std::future::pending::<()>()).await;
        assert_eq!(late, Err("no answer within 1ms".to_owned()));
        assert_eq!(within(LIMIT, std::future::ready(1)).await, Ok(1));
    }
}
