use std::error::Error;

/// A page could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the chart `{chart}` could not be drawn")]
pub struct PageError {
    /// The title of the chart.
    pub chart: String,
    /// Why.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}
