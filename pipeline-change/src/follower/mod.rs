//! From the events of runs to the events of changes.

mod facts;
mod next;
mod projection;
mod stage;

pub use projection::{ChangeFollower, DueChange, FollowError};
