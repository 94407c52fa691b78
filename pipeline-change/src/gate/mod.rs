//! The gates: whether a change may be carried out, and whether it is the hour for it.

mod change;
mod settings;
mod window;
mod window_settings;

pub use change::ChangeGate;
pub use settings::{ChangeSettings, ChangeSettingsError};
pub use window::WindowGate;
pub use window_settings::{Weekday, WindowSettings, WindowSettingsError};
