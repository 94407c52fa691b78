//! The registry: from the names of types to the code behind them.

mod catalog;
mod error;
mod nearest;
mod path;
mod probe;
mod settings;

pub use catalog::Registry;
pub(crate) use error::with_causes;
pub use error::{BuildError, BuildProblem, TypeKind};
pub(crate) use nearest::{Suggestions, nearest};
pub use path::{PathSegment, SettingPath};
