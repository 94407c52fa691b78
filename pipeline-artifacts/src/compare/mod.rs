//! What differs between two artifacts.

mod change;
mod comparison;
mod text;

pub use change::{Change, ChangeKind};
pub use comparison::Comparison;
