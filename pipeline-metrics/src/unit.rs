use serde::Serialize;

/// The unit of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Unit {
    /// A number of things.
    Count,
    /// A share, 0 to 1.
    Share,
    /// A time, in milliseconds.
    Milliseconds,
    /// How often per day of 24 hours.
    PerDay,
}
