use std::any::Any;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};

use crate::Masker;

/// Runs what others wrote (a plan, an inspection, a source of evidence) on a task of its own: it may panic, and it
/// may not take for ever. The text says what went wrong.
pub(super) async fn guarded<T: Send + 'static>(
    limit: Duration,
    masker: &Masker,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, String> {
    match tokio::time::timeout(limit, AbortOnDrop(tokio::spawn(work))).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(masker.mask(&task_text(error))),
        Err(_) => Err(format!("it took longer than {} s", limit.as_secs())),
    }
}

/// What a task that broke said.
pub(super) fn task_text(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => panic_text(&*panic),
        Err(_) => "it was dropped".to_owned(),
    }
}

/// What a panic said.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!(
        "it panicked: {}",
        text.unwrap_or_else(|| "without a message".to_owned())
    )
}

/// A task that ends with whoever waits for it.
pub(super) struct AbortOnDrop<T>(pub(super) JoinHandle<T>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
