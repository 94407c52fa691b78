//! The source: the code that enters the pipeline at the start, and the revision that it is.

mod contract;
mod directory;

pub use contract::{NoSource, Revision, Source, SourceError, SourcePath, SourcePathError};
pub use directory::DirectorySource;
