//! The runner: drives runs on tokio.
//!
//! One task owns the state of a run. It decides, commits, and only then does what is due: preparations and
//! attempts are tasks of their own that report back. Whatever is observed has been committed.

mod attempt;
mod create;
mod drive;
mod error;
mod fingerprint;
mod forecast;
mod guard;
mod history;
mod lanes;
mod lease;
mod load;
mod prepare;
mod read_ahead;
mod request;
mod resume;
mod signal;
mod slots;
mod snapshot;
mod worker;

pub use error::RunError;
pub use forecast::{Forecast, ForecastPlan, StageForecast, Verb};
pub use lease::{FileLeases, Lease, LeaseError, Leases, MemoryLeases};
pub use request::RunRequest;
pub use signal::{Lagged, Observer, OwnedSignal, Signal, Subscription};
pub use worker::{Runner, RunnerOptions};
