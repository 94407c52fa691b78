//! The stage `package`.

mod settings;
mod stage;

pub use settings::{PackageSettings, PackageSettingsError, VersionSource};
pub use stage::{Package, PackageError};
