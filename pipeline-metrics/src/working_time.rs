use std::collections::BTreeSet;
use std::fmt;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Which time counts when something takes long: all of it, or working hours only.
///
/// The two differ by more than a factor of four for a week of 40 hours, so every number that uses one says
/// which.
///
/// ```
/// use pipeline_metrics::{WorkingTime, WorkingWeek};
/// use jiff::SignedDuration;
///
/// let from = "2025-01-10T15:00:00Z".parse()?; // a Friday
/// let to = "2025-01-13T10:00:00Z".parse()?; // the Monday after it
/// assert_eq!(WorkingTime::Calendar.between(from, to), SignedDuration::from_hours(67));
/// // 15 to 17 on Friday and 9 to 10 on Monday.
/// let office = WorkingTime::Week(WorkingWeek::office());
/// assert_eq!(office.between(from, to), SignedDuration::from_hours(3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum WorkingTime {
    /// All time, 24 hours on every day. Users wait at night too.
    #[default]
    Calendar,
    /// The hours of a week.
    Week(WorkingWeek),
}

/// The hours of a week in which people work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkingWeek {
    days: [bool; 7],
    from: SignedDuration,
    to: SignedDuration,
    zone: TimeZone,
    holidays: BTreeSet<Date>,
}

impl WorkingWeek {
    /// Monday to Friday, 9 to 17 o'clock, UTC: five days of eight hours.
    pub fn office() -> Self {
        Self {
            days: [true, true, true, true, true, false, false],
            from: SignedDuration::from_hours(9),
            to: SignedDuration::from_hours(17),
            zone: TimeZone::UTC,
            holidays: BTreeSet::new(),
        }
    }

    /// The same hours on these days of the week, and on no others.
    #[must_use]
    pub fn days(mut self, days: impl IntoIterator<Item = Weekday>) -> Self {
        self.days = [false; 7];
        for day in days {
            self.days[index(day)] = true;
        }
        self
    }

    /// Other hours of the day, by the clocks of the zone.
    ///
    /// # Errors
    ///
    /// When the day does not end after it starts.
    pub fn hours(mut self, from: Time, to: Time) -> Result<Self, WorkingHoursError> {
        if from >= to {
            return Err(WorkingHoursError { from, to });
        }
        self.from = since_midnight(from);
        self.to = since_midnight(to);
        Ok(self)
    }

    /// The clocks that people go by.
    #[must_use]
    pub fn zone(mut self, zone: TimeZone) -> Self {
        self.zone = zone;
        self
    }

    /// Days without work.
    #[must_use]
    pub fn holidays(mut self, days: impl IntoIterator<Item = Date>) -> Self {
        self.holidays.extend(days);
        self
    }

    /// How long a working day is.
    pub fn day(&self) -> SignedDuration {
        self.to - self.from
    }

    /// How long a working week without holidays is.
    pub fn week(&self) -> SignedDuration {
        self.day() * self.days.iter().filter(|works| **works).count() as i32
    }

    fn works(&self, date: Date) -> bool {
        self.days[index(date.weekday())] && !self.holidays.contains(&date)
    }

    /// The working time of a day up to a time of that day.
    fn until(&self, at: DateTime) -> SignedDuration {
        if !self.works(at.date()) {
            return SignedDuration::ZERO;
        }
        since_midnight(at.time()).clamp(self.from, self.to) - self.from
    }

    /// Working days from a date up to and without another: whole weeks at once, so that a span of years is
    /// as quick as one of days.
    fn working_days(&self, from: Date, to: Date) -> i64 {
        let days = day_number(to) - day_number(from);
        let first = index(from.weekday());
        let rest = (0..days.rem_euclid(7) as usize).filter(|day| self.days[(first + day) % 7]);
        let weekly = self.days.iter().filter(|works| **works).count() as i64;
        let off = self.holidays.range(from..to);
        let off = off.filter(|date| self.days[index(date.weekday())]).count() as i64;
        days.div_euclid(7) * weekly + rest.count() as i64 - off
    }

    fn between(&self, from: Timestamp, to: Timestamp) -> SignedDuration {
        let start = self.zone.to_datetime(from);
        // Where clocks are put back, a later moment may have an earlier time.
        let end = self.zone.to_datetime(to).max(start);
        let days = self.working_days(start.date(), end.date());
        let days = i32::try_from(days).unwrap_or(i32::MAX);
        self.day().saturating_mul(days) + self.until(end) - self.until(start)
    }
}

impl WorkingTime {
    /// The time that counts from one moment to another; below zero when the second is the earlier one, and
    /// in calendar time so, for then clocks disagree.
    pub fn between(&self, from: Timestamp, to: Timestamp) -> SignedDuration {
        match self {
            Self::Week(week) if from <= to => week.between(from, to),
            _ => to.duration_since(from),
        }
    }
}

impl fmt::Display for WorkingTime {
    /// A sentence for whoever reads a number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Week(week) = self else {
            return f.write_str("Time is calendar time: 24 hours on every day.");
        };
        const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        let days: Vec<_> = NAMES
            .iter()
            .zip(week.days)
            .filter_map(|(name, works)| works.then_some(*name))
            .collect();
        let clock = |time: SignedDuration| {
            let minutes = time.as_mins();
            format!("{:02}:{:02}", minutes / 60, minutes % 60)
        };
        write!(
            f,
            "Time is working time: {}, {} to {}",
            days.join(" "),
            clock(week.from),
            clock(week.to)
        )?;
        match week.zone.iana_name() {
            Some(name) => write!(f, " ({name})")?,
            None if week.zone == TimeZone::UTC => f.write_str(" (UTC)")?,
            None => f.write_str(" (local)")?,
        }
        match week.holidays.len() {
            0 => f.write_str("."),
            count => write!(f, ", without {count} holidays."),
        }
    }
}

/// Working hours that hold no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a working day must end after it starts, and {to} is not after {from}")]
pub struct WorkingHoursError {
    /// When it was to start.
    pub from: Time,
    /// When it was to end.
    pub to: Time,
}

fn index(day: Weekday) -> usize {
    usize::from(day.to_monday_zero_offset().unsigned_abs())
}

fn since_midnight(time: Time) -> SignedDuration {
    time.duration_since(Time::midnight())
}

/// Days since 1970-01-01.
fn day_number(date: Date) -> i64 {
    let days = date.duration_since(Date::constant(1970, 1, 1));
    days.as_hours().div_euclid(24)
}
