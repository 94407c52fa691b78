//! The suites for clocks and sources of chance.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::Report;
use crate::{Clock, Entropy};

mod clock_promises {
    use crate::testing::conformance::promises::promises;

    promises! {
        ANSWERS = "answers": "it tells a time, and does not panic";
        DOES_NOT_BLOCK = "does-not-block": "it answers at once, also when many threads ask";
    }
}

mod entropy_promises {
    use crate::testing::conformance::promises::promises;

    promises! {
        ANSWERS = "answers": "it gives bits, and does not panic";
        DOES_NOT_BLOCK = "does-not-block": "it answers soon, also when many threads ask";
        NEVER_REPEATS = "never-repeats": "no value comes twice, in one thread or in several";
        IS_EVEN = "is-even": "each bit is set about half of the time";
        IS_INDEPENDENT = "is-independent": "two of them give different values";
    }
}

const THREADS: usize = 8;
const CALLS: usize = 2_000;
/// How long all calls of all threads may take together: thousands of times what they need.
const LIMIT: Duration = Duration::from_secs(10);

/// What came of many calls from many threads.
enum Called<T> {
    Values(Vec<T>),
    Panicked,
    Late,
}

fn from_threads<T: Send + 'static>(
    limit: Duration,
    call: impl Fn() -> T + Send + Sync + 'static,
) -> Called<T> {
    let call = Arc::new(call);
    let (values, received) = channel();
    for _ in 0..THREADS {
        let (call, values) = (Arc::clone(&call), values.clone());
        std::thread::spawn(move || {
            let called: Vec<T> = (0..CALLS).map(|_| call()).collect();
            // Nobody waits any more when it took too long.
            let _ = values.send(called);
        });
    }
    drop(values);
    let mut all = Vec::new();
    for _ in 0..THREADS {
        match received.recv_timeout(limit) {
            Ok(values) => all.extend(values),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => return Called::Late,
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return Called::Panicked,
        }
    }
    Called::Values(all)
}

/// Checks a clock against the contract of [`Clock`]. A clock may stand still and be set back, so little can be
/// said of what it tells.
///
/// ```
/// use pipeline_core::SystemClock;
/// use pipeline_core::testing::conformance;
///
/// conformance::clock(SystemClock).assert_kept();
/// ```
pub fn clock(clock: impl Clock) -> Report {
    clock_within(LIMIT, clock)
}

fn clock_within(limit: Duration, clock: impl Clock) -> Report {
    use clock_promises as p;
    let mut report = Report::new(format!("clock `{clock:?}`"), p::ALL);
    match from_threads(limit, move || clock.now()) {
        Called::Values(_) => {
            report.check(p::ANSWERS, Ok(()));
            report.check(p::DOES_NOT_BLOCK, Ok(()));
        }
        Called::Panicked => report.check(p::ANSWERS, Err("a call panicked".to_owned())),
        Called::Late => report.check(p::DOES_NOT_BLOCK, Err(late(limit))),
    }
    report
}

fn late(limit: Duration) -> String {
    format!("{THREADS} threads with {CALLS} calls each take longer than {limit:?}")
}

/// Checks a source of chance against the contract of [`Entropy`]. `fresh` makes one as a host would. That nobody can
/// guess the values is beyond a test.
///
/// ```
/// use pipeline_core::SystemEntropy;
/// use pipeline_core::testing::conformance;
///
/// conformance::entropy(|| SystemEntropy).assert_kept();
/// ```
pub fn entropy<E: Entropy>(fresh: impl Fn() -> E) -> Report {
    entropy_within(LIMIT, fresh)
}

fn entropy_within<E: Entropy>(limit: Duration, fresh: impl Fn() -> E) -> Report {
    use entropy_promises as p;
    let one = fresh();
    let mut report = Report::new(format!("entropy `{one:?}`"), p::ALL);
    let values = match from_threads(limit, move || one.next_u64()) {
        Called::Values(values) => values,
        Called::Panicked => {
            report.check(p::ANSWERS, Err("a call panicked".to_owned()));
            return report;
        }
        Called::Late => {
            report.check(p::DOES_NOT_BLOCK, Err(late(limit)));
            return report;
        }
    };
    report.check(p::ANSWERS, Ok(()));
    report.check(p::DOES_NOT_BLOCK, Ok(()));
    // Among 16,000 values of 64 bits, chance repeats one in fewer than one of 10^11 tests.
    let different: BTreeSet<u64> = values.iter().copied().collect();
    let repeated = values.len() - different.len();
    let found = match repeated {
        0 => Ok(()),
        _ => Err(format!("of {} values, {repeated} came before", values.len())),
    };
    report.check(p::NEVER_REPEATS, found);
    // Eight standard deviations: chance goes beyond in fewer than one of 10^12 tests, for all bits together.
    let (half, limit) = (values.len() / 2, 4 * values.len().isqrt());
    let uneven = (0..64).find(|bit| {
        let set = values.iter().filter(|value| *value >> bit & 1 == 1).count();
        set.abs_diff(half) > limit
    });
    let found = match uneven {
        None => Ok(()),
        Some(bit) => Err(format!("bit {bit} is set too often or too seldom")),
    };
    report.check(p::IS_EVEN, found);
    let sequence = |entropy: E| -> Vec<u64> { (0..4).map(|_| entropy.next_u64()).collect() };
    let found = match sequence(fresh()) == sequence(fresh()) {
        true => Err("two of them give the same values".to_owned()),
        false => Ok(()),
    };
    report.check(p::IS_INDEPENDENT, found);
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    /// Answers when the test is over, which is never.
    #[derive(Debug)]
    struct Blocked;

    impl Clock for Blocked {
        fn now(&self) -> Timestamp {
            loop {
                std::thread::park();
            }
        }
    }

    impl Entropy for Blocked {
        fn next_u64(&self) -> u64 {
            self.now();
            0
        }
    }

    #[test]
    fn what_blocks_is_found() {
        let limit = Duration::from_millis(1);
        assert_eq!(clock_within(limit, Blocked).broken(), ["does-not-block"]);
        assert_eq!(entropy_within(limit, || Blocked).broken(), ["does-not-block"]);
    }
}
