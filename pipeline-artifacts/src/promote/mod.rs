//! Artifacts from one store to another, and whole again.

mod heal;
mod promotion;

pub use heal::Healed;
pub use promotion::{Promoted, Promotion};
