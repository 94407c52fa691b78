mod block;

pub use block::{Block, Totals, ValueStream};
