//! Pools: things of which there is only so much, shared by all runs of a journal.

mod event;
mod pool_state;

pub use event::{PoolEvent, SlotReturned, SlotTaken};
pub use pool_state::{PoolState, Slot};
