//! The runtime that everybody runs on, and the stopwatch.

use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use crate::Failure;

/// Two worker threads, and a main thread that only waits for them.
#[derive(Debug)]
pub struct Threads {
    runtime: Runtime,
}

impl Threads {
    /// Starts the worker threads.
    ///
    /// # Errors
    ///
    /// When the system gives no threads.
    pub fn start() -> Result<Self, Failure> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()?;
        Ok(Self { runtime })
    }

    /// Does some work on the worker threads.
    ///
    /// # Errors
    ///
    /// When the work fails or panics.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        self.runtime.block_on(self.runtime.spawn(work))?
    }

    /// Does some work on the worker threads, and tells how long it took there.
    ///
    /// # Errors
    ///
    /// When the work fails or panics.
    pub fn time<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<(Duration, T), Failure> {
        self.run(async {
            let watch = Stopwatch::start();
            let done = work.await?;
            Ok((watch.elapsed(), done))
        })
    }
}

/// Measures time.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Does some work on this thread, and tells how long it took.
///
/// # Errors
///
/// When the work fails.
pub fn time<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<(Duration, T), Failure> {
    let watch = Stopwatch::start();
    let done = work()?;
    Ok((watch.elapsed(), done))
}
