use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use serde::{Deserialize, Serialize};

use crate::{CalendarError, CalendarOptions};

/// How moments are written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[non_exhaustive]
pub enum CsvTime {
    /// As RFC 3339, `2025-01-06T08:00:00Z`, with any offset and with a space for the `T`.
    #[default]
    Rfc3339,
    /// Without an offset, `2025-01-06 08:00:00`, by clocks of one place. An hour that these show twice is taken as the
    /// first, and one that they pass over as that much later.
    Local {
        /// The time zone: `UTC`, an offset such as `+08:00`, or a name such as `Europe/Berlin` (with the crate's feature
        /// `zones`).
        time_zone: String,
        /// The form, as `strptime` has it: `%d.%m.%Y %H:%M`. Without it, that of ISO 8601.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        format: Option<String>,
    },
    /// Seconds since 1970.
    UnixSeconds,
    /// Milliseconds since 1970.
    UnixMilliseconds,
}

/// Reads moments that are written in one way.
#[derive(Debug)]
pub(super) enum Clock<'t> {
    Rfc3339,
    Local(TimeZone, Option<&'t str>),
    UnixSeconds,
    UnixMilliseconds,
}

impl CsvTime {
    /// # Errors
    ///
    /// When the time zone is unknown.
    pub(super) fn clock(&self) -> Result<Clock<'_>, CalendarError> {
        Ok(match self {
            Self::Rfc3339 => Clock::Rfc3339,
            Self::Local { time_zone, format } => {
                let calendar = CalendarOptions {
                    time_zone: time_zone.clone(),
                    ..CalendarOptions::default()
                };
                Clock::Local(calendar.zone()?, format.as_deref())
            }
            Self::UnixSeconds => Clock::UnixSeconds,
            Self::UnixMilliseconds => Clock::UnixMilliseconds,
        })
    }
}

impl Clock<'_> {
    pub(super) fn read(&self, text: &str) -> Option<Timestamp> {
        match self {
            Self::Rfc3339 => text.parse().ok(),
            Self::Local(zone, format) => {
                let civil: civil::DateTime = match format {
                    Some(format) => civil::DateTime::strptime(format, text).ok()?,
                    None => text.parse().ok()?,
                };
                zone.to_timestamp(civil).ok()
            }
            Self::UnixSeconds => Timestamp::from_second(text.parse().ok()?).ok(),
            Self::UnixMilliseconds => Timestamp::from_millisecond(text.parse().ok()?).ok(),
        }
    }

    pub(super) fn expected(&self) -> &'static str {
        match self {
            Self::Rfc3339 => "no moment with its offset from UTC, such as `2025-01-06T08:00:00Z`",
            Self::Local(_, None) => "no moment such as `2025-01-06 08:00:00`",
            Self::Local(_, Some(_)) => "no moment in the form that was set",
            Self::UnixSeconds => "no number of seconds since 1970",
            Self::UnixMilliseconds => "no number of milliseconds since 1970",
        }
    }
}
