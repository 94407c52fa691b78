//! The suite for stores of artifacts.

mod artifacts;
mod promises;
mod publish;
mod suite;
mod world;

pub use suite::store;
pub use world::StoreWorld;
