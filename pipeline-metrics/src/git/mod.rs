//! A repository's history as a source of facts.

mod facts;
mod graph;
mod history;
#[cfg(feature = "git")]
mod repository;

pub use facts::GitOptions;
pub use graph::CommitGraph;
pub use history::{Commit, CommitTime, GitHistory, Reverted, Tag, TaggedRelease, revert_in_message};
#[cfg(feature = "git")]
pub use repository::{ReadGitError, read_history};
