//! Programs: how stages run them, what they are given, and how they are stopped.

mod child;
mod ending;
mod error;
mod facts;
mod group;
mod leftovers;
mod lines;
mod lookup;
mod program;
mod settings;
mod sink;
mod variables;

pub(crate) use ending::Ending;
pub use error::ProgramError;
pub(crate) use program::Program;
pub(crate) use settings::program_methods;
pub use variables::{DEFAULT_PATH, VariableName, VariableNameError};
