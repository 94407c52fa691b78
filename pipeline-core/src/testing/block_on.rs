use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// Waits for a future on this thread, inside tokio's runtime if there is one.
#[derive(Clone)]
pub(super) struct Runtime {
    #[cfg(feature = "runtime")]
    tokio: Option<tokio::runtime::Handle>,
}

impl Runtime {
    pub(super) fn current() -> Self {
        Self {
            #[cfg(feature = "runtime")]
            tokio: tokio::runtime::Handle::try_current().ok(),
        }
    }

    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        #[cfg(feature = "runtime")]
        if let Some(tokio) = &self.tokio {
            return tokio.block_on(future);
        }
        struct Unpark(std::thread::Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut future = std::pin::pin!(future);
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(done) => return done,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}
