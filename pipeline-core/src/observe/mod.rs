//! Runs in the words of other tools: the names of OpenTelemetry, and spans of `tracing`.
//!
//! | feature | what |
//! |---|---|
//! | `otel-names` | [`names`]: the names and values of the conventions for CI/CD, as constants; no dependency |
//! | `tracing` | `TracingObserver`: spans and events, under those names |
//!
//! Both are off by default. The names are a feature of their own because exporters of other kinds (metrics, logs, a
//! log pipeline's mapping) need them without `tracing`, and because they follow a document with versions of its own: a
//! newer version of the conventions may change what [`names`] says, and concerns only those who asked for it.

pub mod names;
#[cfg(feature = "tracing")]
mod spans;

#[cfg(feature = "tracing")]
pub use spans::TracingObserver;
