use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use crate::moment::{micros, timestamp};
use crate::{CalendarError, CalendarOptions, WeekStart, Window};

/// A piece of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bucket {
    /// From midnight to midnight.
    Day,
    /// Seven days from the [first day of a week](CalendarOptions::week_start).
    Week,
    /// From the first day of a month.
    Month,
}

/// Days, weeks and months in a time zone.
#[derive(Debug, Clone)]
pub(crate) struct Calendar {
    zone: TimeZone,
    /// Where the zone never changes: seconds east of UTC.
    fixed: Option<i64>,
    /// Days from the first day of a week to the first of January 1970, a Thursday.
    thursday: i64,
}

/// A bucket: the number of its first day, from 1970-01-01 in the zone, and its moments in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) first_day: i64,
    pub(crate) start: i64,
    pub(crate) end: i64,
}

pub(crate) const DAY: i64 = 86_400_000_000;

impl Piece {
    pub(crate) fn contains(&self, at: i64) -> bool {
        self.start <= at && at < self.end
    }

    pub(crate) fn window(&self) -> Window {
        Window::of_micros(self.start, self.end)
    }
}

impl Calendar {
    pub(crate) fn new(options: &CalendarOptions) -> Result<Self, CalendarError> {
        let zone = options.zone()?;
        Ok(Self {
            fixed: zone
                .to_fixed_offset()
                .ok()
                .map(|offset| i64::from(offset.seconds())),
            zone,
            thursday: match options.week_start {
                WeekStart::Monday => 3,
                WeekStart::Sunday => 4,
                WeekStart::Saturday => 5,
            },
        })
    }

    /// The number of the day with this moment.
    pub(crate) fn day(&self, at: i64) -> i64 {
        let offset = match self.fixed {
            Some(seconds) => seconds,
            None => i64::from(self.zone.to_offset(timestamp(at)).seconds()),
        };
        (at + offset * 1_000_000).div_euclid(DAY)
    }

    /// The bucket with this moment.
    pub(crate) fn piece(&self, bucket: Bucket, at: i64) -> Piece {
        let day = self.day(at);
        let (first, next) = match bucket {
            Bucket::Day => (day, day + 1),
            Bucket::Week => {
                let first = day - (day + self.thursday).rem_euclid(7);
                (first, first + 7)
            }
            Bucket::Month => month(day),
        };
        Piece {
            first_day: first,
            start: self.start(first),
            end: self.start(next),
        }
    }

    /// The buckets that a window touches, in their order.
    pub(crate) fn pieces(&self, bucket: Bucket, window: Window) -> impl Iterator<Item = Piece> + '_ {
        let (from, to) = window.micros();
        let mut at = from;
        std::iter::from_fn(move || {
            if at >= to {
                return None;
            }
            let piece = self.piece(bucket, at);
            at = piece.end.max(at + 1);
            Some(piece)
        })
    }

    /// The date of a day, as `YYYY-MM-DD`.
    pub(crate) fn date(day: i64) -> Date {
        Date::new(1970, 1, 1)
            .and_then(|first| first.checked_add(day.days()))
            .unwrap_or(if day < 0 { Date::MIN } else { Date::MAX })
    }

    /// The first moment of a day.
    pub(crate) fn start(&self, day: i64) -> i64 {
        if let Some(seconds) = self.fixed {
            return day * DAY - seconds * 1_000_000;
        }
        let midnight = Self::date(day).at(0, 0, 0, 0).to_zoned(self.zone.clone());
        midnight.map_or_else(
            |_| micros(if day < 0 { Timestamp::MIN } else { Timestamp::MAX }),
            |midnight| micros(midnight.timestamp()),
        )
    }
}

/// The first days of the month with this day and of the next.
fn month(day: i64) -> (i64, i64) {
    let date = Calendar::date(day);
    let first = day - i64::from(date.day()) + 1;
    (first, first + i64::from(date.days_in_month()))
}
