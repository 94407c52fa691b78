//! Reports for terminals, for monitoring, and as data.

mod figures;
mod json;
mod prometheus;
mod text;

pub use figures::{figure_json_schema, render_figures};
pub use json::json_schema;
pub use prometheus::prometheus_text;
#[cfg(feature = "report")]
pub(crate) use text::pace;
pub(crate) use text::{recovery, value};
pub use text::{render_explanation, render_text};
