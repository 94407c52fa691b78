use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// How old something may be: `36h`, `90d`, `6 months`. Days have 24 hours, months and years are those of UTC.
///
/// ```
/// use pipeline_artifacts::Age;
///
/// let age: Age = "2 weeks".parse()?;
/// assert_eq!(age.to_string(), "2w");
/// assert_eq!(age.before("2026-11-25T12:00:00Z".parse()?), "2026-11-11T12:00:00Z".parse()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Age(Span);

impl Age {
    /// The moment so long before another. One that is further back than time reaches is the beginning of time.
    pub fn before(&self, now: Timestamp) -> Timestamp {
        let then = now.to_zoned(TimeZone::UTC).checked_sub(self.0);
        then.map_or(Timestamp::MIN, |then| then.timestamp())
    }
}

impl PartialEq for Age {
    /// As it is written: `1d` and `24h` are not equal.
    fn eq(&self, other: &Self) -> bool {
        self.0.fieldwise() == other.0.fieldwise()
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl FromStr for Age {
    type Err = AgeParseError;

    fn from_str(text: &str) -> Result<Self, AgeParseError> {
        let wrong = |reason: String| AgeParseError {
            text: text.chars().take(100).collect(),
            reason,
        };
        let span: Span = text
            .parse()
            .map_err(|error: jiff::Error| wrong(error.to_string()))?;
        if span.is_negative() {
            return Err(wrong("it lies in the future".to_owned()));
        }
        Ok(Self(span))
    }
}

impl TryFrom<String> for Age {
    type Error = AgeParseError;

    fn try_from(text: String) -> Result<Self, AgeParseError> {
        text.parse()
    }
}

impl From<Age> for String {
    fn from(age: Age) -> Self {
        age.to_string()
    }
}

/// A text that is no age.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no span of time such as `90d`: {reason}")]
pub struct AgeParseError {
    text: String,
    reason: String,
}
