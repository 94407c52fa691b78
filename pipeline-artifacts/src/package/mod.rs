//! The stage `package`.

mod attestor;
mod free;
mod origin;
mod settings;
mod stage;

pub use attestor::{AttestError, Attestor};
pub use free::EnvironmentFreeSettings;
pub use origin::{JournalOrigin, Origin};
pub use settings::{PackageSettings, PackageSettingsError, VersionSource};
pub use stage::{Package, PackageError};
