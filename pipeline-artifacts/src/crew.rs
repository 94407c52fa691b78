//! A few threads that do one thing together.

use std::thread;

/// No more than this many threads by default, however many processors there are: each has a buffer, and a disk is
/// busy with few.
const MOST: usize = 4;

/// As many threads as there are processors, up to four.
pub(crate) fn default_threads() -> usize {
    thread::available_parallelism().map_or(1, |count| count.get().min(MOST))
}

/// Runs `work` on so many threads at once, this one among them, and waits for all of them. What each of them made, or the
/// first error in the order of the threads.
pub(crate) fn crew<T: Send, E: Send>(
    threads: usize,
    work: impl Fn() -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(&work)).collect();
        let own = work();
        let others = others.into_iter().map(|thread| match thread.join() {
            Ok(made) => made,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        std::iter::once(own).chain(others.collect::<Vec<_>>()).collect()
    })
}
