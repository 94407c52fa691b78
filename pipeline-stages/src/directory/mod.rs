//! The environment that is a directory.

mod build;
mod environment;
mod file;
mod layout;
mod lock;
mod manifest;
mod observe;
mod settings;
mod template;
mod tree;

pub use environment::DirectoryEnvironment;
pub use settings::DirectorySettings;
