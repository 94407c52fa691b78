//! Time and chance, which come in through parameters.
//!
//! Nothing else in these crates reads the clock or asks for random bits; a lint forbids it. So a run can
//! be simulated, and a test about a change window of next Tuesday needs no waiting.

use std::fmt::Debug;

pub use jiff::{SignedDuration, Timestamp};

/// Tells the wall-clock time. The engine records what it told; a replay never asks again.
///
/// # Contract
///
/// A clock may stand still and, as computers' clocks do, may be set back. It must not block.
pub trait Clock: Debug + Send + Sync + 'static {
    /// What time it is.
    fn now(&self) -> Timestamp;
}

/// The computer's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Gives random bits, for run ids, salts and later for jitter.
///
/// # Contract
///
/// Two calls give independent values; nobody else can guess them. It must not block for long.
pub trait Entropy: Debug + Send + Sync + 'static {
    /// 64 random bits.
    fn next_u64(&self) -> u64;
}

/// The operating system's source of random bits.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the system for random bits"
    )]
    #[expect(
        clippy::expect_used,
        reason = "an operating system without random bits cannot run a release"
    )]
    fn next_u64(&self) -> u64 {
        getrandom::u64().expect("the operating system gives random bits")
    }
}
