//! A few threads that do one thing together.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
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
        let others = others.into_iter().map(join);
        std::iter::once(own).chain(others.collect::<Vec<_>>()).collect()
    })
}

/// Waits for a thread; what it made. A panic goes on here.
pub(crate) fn join<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    match thread.join() {
        Ok(made) => made,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Does the same with each item, with several threads; the results in the order of the items.
pub(crate) fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    in_parallel_on(default_threads(), items, work)
}

/// The same, with so many threads at most.
pub(crate) fn in_parallel_on<T: Sync, R: Send>(
    threads: usize,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let threads = threads.min(items.len()).max(1);
    let made = crew(threads, || {
        let mut made = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            match items.get(number) {
                Some(item) => made.push((number, work(item))),
                None => return Ok::<_, Infallible>(made),
            }
        }
    });
    let Ok(made) = made;
    let mut made: Vec<_> = made.into_iter().flatten().collect();
    made.sort_by_key(|(number, _)| *number);
    made.into_iter().map(|(_, made)| made).collect()
}
