//! What a runner tells while it works, and who hears it: observers are called, subscriptions are read.

mod contract;
mod observers;
mod owned;
mod subscription;

pub use contract::{Observer, Signal};
pub(super) use observers::Observers;
pub use owned::OwnedSignal;
pub use subscription::{Lagged, Subscription};
