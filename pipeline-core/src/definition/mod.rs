//! Definitions: a pipeline as TOML text, and where in it the mistakes are.

mod diagnostic;
mod document;
mod environments;
mod node;
mod place;
mod reader;
mod rules;
mod stages;

pub use diagnostic::{DefinitionError, Diagnostic};
pub use document::Definition;
#[cfg(feature = "signing")]
pub(crate) use place::Lines;
