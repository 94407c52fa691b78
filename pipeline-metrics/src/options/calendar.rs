use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Serialize};

/// Days, weeks and months.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CalendarOptions {
    /// The time zone: `UTC`, a fixed offset such as `+08:00`, or a name of the IANA database such as
    /// `Europe/Berlin` (with the crate's feature `zones`).
    pub time_zone: String,
    /// The first day of a week.
    pub week_start: WeekStart,
    /// Buckets at the two ends of a window that lie only partly in it.
    pub partial: Partial,
}

impl Default for CalendarOptions {
    fn default() -> Self {
        Self {
            time_zone: "UTC".to_owned(),
            week_start: WeekStart::Monday,
            partial: Partial::Kept,
        }
    }
}

/// The first day of a week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeekStart {
    /// As ISO 8601 has it.
    Monday,
    /// As in North America, and in the `WEEK` of `BigQuery`.
    Sunday,
    /// As in much of the Arab world.
    Saturday,
}

/// What happens to a bucket that lies only partly in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Partial {
    /// It is one like the others, with what lies in the window.
    Kept,
    /// It is not made.
    LeftOut,
}

impl CalendarOptions {
    /// The time zone, ready for use.
    ///
    /// # Errors
    ///
    /// When it is neither `UTC`, nor an offset, nor a name that is known.
    pub fn zone(&self) -> Result<TimeZone, CalendarError> {
        let unknown = || CalendarError {
            time_zone: self.time_zone.clone(),
        };
        match self.time_zone.as_str() {
            "UTC" | "Z" => Ok(TimeZone::UTC),
            offset if offset.starts_with(['+', '-']) => {
                fixed(offset).map(TimeZone::fixed).ok_or_else(unknown)
            }
            name => named(name).ok_or_else(unknown),
        }
    }
}

/// `+08:00`, `-0330`, `+02`.
fn fixed(text: &str) -> Option<Offset> {
    let (sign, digits) = text.split_at_checked(1)?;
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) if hours.len() == 2 && minutes.len() == 2 => (hours, minutes),
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None if digits.len() == 2 => (digits, "00"),
        _ => return None,
    };
    let number = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse::<i32>().ok())?
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    if minutes > 59 {
        return None;
    }
    let seconds = (hours * 60 + minutes) * 60;
    Offset::from_seconds(if sign == "-" { -seconds } else { seconds }).ok()
}

#[cfg(feature = "zones")]
fn named(name: &str) -> Option<TimeZone> {
    jiff::tz::TimeZoneDatabase::bundled().get(name).ok()
}

#[cfg(not(feature = "zones"))]
fn named(_: &str) -> Option<TimeZone> {
    None
}

/// A time zone that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "time zone `{time_zone}` is unknown: write `UTC`, an offset such as `+08:00`, or (with the feature `zones`) an IANA name such as `Europe/Berlin`"
)]
#[non_exhaustive]
pub struct CalendarError {
    /// The name.
    pub time_zone: String,
}
