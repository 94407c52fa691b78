use serde::Serialize;

/// An hour in milliseconds.
pub const HOUR_MS: f64 = 3_600_000.0;
/// A day of 24 hours in milliseconds.
pub const DAY_MS: f64 = 24.0 * HOUR_MS;
/// A week in milliseconds.
pub const WEEK_MS: f64 = 7.0 * DAY_MS;
/// A month in milliseconds: a twelfth of 365.25 days. DORA does not say how long one is.
pub const MONTH_MS: f64 = 365.25 / 12.0 * DAY_MS;

/// One of the six answers of DORA's survey to how long or how often, from the worst, 1, to the best, 6.
///
/// | | lead time, recovery time | deployment frequency |
/// |---|---|---|
/// | 1 | more than six months | fewer than once per six months |
/// | 2 | one to six months | between once per month and once every six months |
/// | 3 | one week to one month | between once per week and once per month |
/// | 4 | one day to one week | between once per day and once per week |
/// | 5 | less than one day | between once per hour and once per day |
/// | 6 | less than one hour | on demand (multiple deploys per day) |
///
/// The words are those of `survey_questions/core.json` of dora.dev. The last two frequencies overlap as written;
/// measured data are taken for "on demand" from two deployments per day on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Answer(u8);

impl Answer {
    /// An answer by its number; `None` unless it is 1 to 6.
    pub fn new(number: u8) -> Option<Self> {
        (1..=6).contains(&number).then_some(Self(number))
    }

    /// The answer that a time in milliseconds is; `None` of a negative one and of what is no number.
    ///
    /// ```
    /// use pipeline_metrics::benchmark::{Answer, DAY_MS};
    ///
    /// assert_eq!(Answer::of_time(0.9 * DAY_MS), Answer::new(5));
    /// assert_eq!(Answer::of_time(DAY_MS), Answer::new(4));
    /// ```
    pub fn of_time(milliseconds: f64) -> Option<Self> {
        let number = match milliseconds {
            time if time.is_nan() || time < 0.0 => return None,
            time if time < HOUR_MS => 6,
            time if time < DAY_MS => 5,
            time if time < WEEK_MS => 4,
            time if time < MONTH_MS => 3,
            time if time <= 6.0 * MONTH_MS => 2,
            _ => 1,
        };
        Some(Self(number))
    }

    /// The answer that so many deployments per day are; `None` of a negative number and of what is no number.
    pub fn of_frequency(per_day: f64) -> Option<Self> {
        let per = |time: f64| DAY_MS / time;
        let number = match per_day {
            rate if rate.is_nan() || rate < 0.0 => return None,
            rate if rate >= 2.0 => 6,
            rate if rate > 1.0 => 5,
            rate if rate >= per(WEEK_MS) => 4,
            rate if rate >= per(MONTH_MS) => 3,
            rate if rate >= per(6.0 * MONTH_MS) => 2,
            _ => 1,
        };
        Some(Self(number))
    }

    /// Its number, 1 to 6.
    pub fn number(self) -> u8 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_the_answers_of_the_survey() {
        let number = |time| Answer::of_time(time).map(Answer::number);
        for (time, expected) in [
            (0.0, 6),
            (HOUR_MS - 1.0, 6),
            (HOUR_MS, 5),
            (WEEK_MS, 3),
            (MONTH_MS, 2),
            (6.0 * MONTH_MS, 2),
            (6.0 * MONTH_MS + 1.0, 1),
            (f64::INFINITY, 1),
        ] {
            assert_eq!(number(time), Some(expected), "{time}");
        }
        assert_eq!((number(-1.0), number(f64::NAN)), (None, None));
    }

    #[test]
    fn frequencies_fall_into_the_answers_of_the_survey() {
        let number = |rate| Answer::of_frequency(rate).map(Answer::number);
        for (rate, expected) in [
            (30.0, 6),
            (2.0, 6),
            (1.5, 5),
            (1.0, 4),
            (1.0 / 7.0, 4),
            (1.0 / 8.0, 3),
            (1.0 / 40.0, 2),
            (1.0 / 365.0, 1),
            (0.0, 1),
        ] {
            assert_eq!(number(rate), Some(expected), "{rate}");
        }
        assert_eq!((number(-1.0), number(f64::NAN)), (None, None));
    }
}
