//! The stage that runs a program.

mod settings;
mod stage;

pub use settings::{Command, InspectProgram};
