use jiff::civil::Time;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

/// A day of the week, written `mon` to `sun`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Weekday {
    /// All days, from Monday on.
    pub const ALL: [Self; 7] = [
        Self::Mon,
        Self::Tue,
        Self::Wed,
        Self::Thu,
        Self::Fri,
        Self::Sat,
        Self::Sun,
    ];

    pub(super) fn is(self, day: jiff::civil::Weekday) -> bool {
        self as i8 == day.to_monday_zero_offset()
    }
}

/// What a definition says of a [`WindowGate`](crate::WindowGate).
///
/// ```toml
/// [[stage.gate]]
/// type = "window"
/// days = ["mon", "tue", "wed", "thu"]   # every day when left out
/// from = "08:00"
/// until = "18:00"                       # the end itself is outside
/// time-zone = "Europe/Berlin"
/// ```
///
/// A window whose `until` is before its `from` ends on the next day; `days` are those on which it begins.
/// `until` may be `24:00`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WindowSettings {
    /// The days on which the window begins.
    #[serde(default = "every_day")]
    pub days: Vec<Weekday>,
    /// When it begins: hours and minutes, `HH:MM`.
    pub from: String,
    /// When it ends.
    pub until: String,
    /// Where the clock hangs: a name of the IANA time zone database.
    pub time_zone: String,
}

fn every_day() -> Vec<Weekday> {
    Weekday::ALL.to_vec()
}

/// Settings that were understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clockwork {
    pub(super) from: Time,
    pub(super) until: Time,
    /// Whether `until` belongs to the day after.
    pub(super) overnight: bool,
    pub(super) zone: TimeZone,
}

impl WindowSettings {
    pub(super) fn understood(&self) -> Result<Clockwork, WindowSettingsError> {
        if self.days.is_empty() {
            return Err(WindowSettingsError::NoDays);
        }
        let from = time("from", &self.from)?;
        let until = match &*self.until {
            "24:00" => Time::midnight(),
            until => time("until", until)?,
        };
        if from == until && self.until != "24:00" {
            return Err(WindowSettingsError::Empty {
                from: self.from.clone(),
            });
        }
        let zone = TimeZoneDatabase::bundled()
            .get(&self.time_zone)
            .map_err(|source| WindowSettingsError::Zone {
                name: self.time_zone.clone(),
                source,
            })?;
        Ok(Clockwork {
            from,
            until,
            overnight: until <= from,
            zone,
        })
    }
}

/// A time of exactly the form `HH:MM`.
fn time(key: &'static str, text: &str) -> Result<Time, WindowSettingsError> {
    let number = |part: &str| -> Option<i8> {
        (part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| part.parse().ok())
            .flatten()
    };
    text.split_once(':')
        .and_then(|(hour, minute)| Time::new(number(hour)?, number(minute)?, 0, 0).ok())
        .ok_or_else(|| WindowSettingsError::Time {
            key,
            text: text.to_owned(),
        })
}

/// Settings of a window gate that make no sense.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WindowSettingsError {
    /// The window never begins.
    #[error("`days` is empty: the window would never open")]
    NoDays,
    /// Not a time of day.
    #[error("`{key}` is `{text}`: expected hours and minutes such as 08:30")]
    Time {
        /// The setting.
        key: &'static str,
        /// What it says.
        text: String,
    },
    /// It would be open for no time, or always.
    #[error("`from` and `until` are both {from}: a whole day is from 00:00 until 24:00")]
    Empty {
        /// The time.
        from: String,
    },
    /// No such time zone.
    #[error("`time-zone` is `{name}`, which is no name of the IANA time zone database")]
    Zone {
        /// The name.
        name: String,
        /// What the database says.
        source: jiff::Error,
    },
}
