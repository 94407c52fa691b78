//! The suite for environments.

mod fences;
mod promises;
mod suite;
mod world;

pub use suite::environment;
pub use world::EnvironmentWorld;
