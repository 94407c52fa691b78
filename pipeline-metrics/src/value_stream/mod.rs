//! Value streams: the blocks that work goes through, and their sums.

mod block;
mod observed;
mod pass;

pub use block::{Block, Totals, ValueStream};
pub use observed::ObservedStream;
pub(crate) use pass::{Journey, journeys};
