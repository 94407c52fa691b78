//! Artifacts from one store to another, and whole again.

mod heal;
mod heal_marks;
mod heal_records;
mod promotion;

pub use heal::Healed;
pub use heal_records::HealedRecords;
pub use promotion::{Promoted, Promotion};
