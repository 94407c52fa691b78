//! Keeps calls that block off the threads of the runtime.

#[cfg(feature = "runtime")]
use std::{cell::Cell, pin::pin};

#[cfg(feature = "runtime")]
thread_local! {
    /// Whether what is polled here may block the thread in place.
    static IN_PLACE: Cell<bool> = const { Cell::new(false) };
}

/// Polls a future whose calls that block may do so where they are: the thread leaves the workers of the runtime while it
/// blocks, and another takes its place. Then what is waited for one after another wakes no thread each time. The future
/// must belong to a task of its own: whatever else the task does waits meanwhile.
#[cfg(feature = "runtime")]
pub(crate) async fn in_place<F: Future>(future: F) -> F::Output {
    /// Says again what was said before, after a panic, too.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            IN_PLACE.set(self.0);
        }
    }
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        let _before = Before(IN_PLACE.replace(true));
        future.as_mut().poll(cx)
    })
    .await
}

/// Runs a call that blocks: on tokio's threads for such calls where there is a runtime, else or if [`in_place`] says so
/// right here.
///
/// The error says that the runtime stopped before the call began.
pub(crate) async fn unblock<T: Send + 'static>(
    call: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
    #[cfg(feature = "runtime")]
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        let workers = runtime.runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread;
        if workers && IN_PLACE.get() {
            return Ok(tokio::task::block_in_place(call));
        }
        return match runtime.spawn_blocking(call).await {
            Ok(value) => Ok(value),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(Box::new(error)),
            },
        };
    }
    Ok(call())
}

#[cfg(test)]
#[cfg(feature = "runtime")]
mod tests {
    use std::thread;

    use super::*;

    /// Whether a call that blocks runs on the thread that asks for it: at large, and in place.
    async fn stays() -> (bool, bool) {
        let task = tokio::spawn(async {
            let here = thread::current().id();
            let in_place = in_place(unblock(move || thread::current().id() == here)).await;
            let here = thread::current().id();
            let at_large = unblock(move || thread::current().id() == here).await;
            (at_large.unwrap(), in_place.unwrap())
        });
        task.await.unwrap()
    }

    #[test]
    fn a_call_blocks_in_place_where_workers_can_be_replaced() {
        let workers = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        assert_eq!(workers.block_on(stays()), (false, true));
        let alone = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(alone.block_on(stays()), (false, false));
    }

    #[test]
    fn a_panic_leaves_no_leave_to_block() {
        let workers = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let panics = workers.block_on(async { tokio::spawn(in_place(async { panic!("it broke") })).await });
        assert!(panics.unwrap_err().is_panic());
        assert!(!workers.block_on(async { tokio::spawn(async { IN_PLACE.get() }).await.unwrap() }));
    }
}
