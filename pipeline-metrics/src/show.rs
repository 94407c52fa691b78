//! Numbers as people read them.

use jiff::Timestamp;

use crate::Unit;

const SECOND: f64 = 1000.0;
#[cfg(any(test, feature = "report"))]
const MINUTE: f64 = 60.0 * SECOND;
#[cfg(any(test, feature = "report"))]
const HOUR: f64 = 60.0 * MINUTE;
#[cfg(any(test, feature = "report"))]
const DAY: f64 = 24.0 * HOUR;

/// What stands where nothing was observed.
pub(crate) const NOTHING: &str = "–";

/// A number in its unit; nothing observed is a dash, never 0.
pub(crate) fn number(value: Option<f64>, unit: Unit) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else {
        return NOTHING.to_owned();
    };
    match unit {
        Unit::Count => count(value),
        Unit::Share => format!("{:.1} %", value * 100.0),
        Unit::Milliseconds => duration(value),
        Unit::PerDay => frequency(value),
    }
}

/// The two largest units; never rounded up to a longer time than it was.
pub(crate) fn duration(milliseconds: f64) -> String {
    if milliseconds < 0.0 {
        return format!("−{}", duration(-milliseconds));
    }
    if milliseconds > 0.0 && milliseconds < SECOND {
        return format!("{milliseconds:.0} ms");
    }
    let seconds = (milliseconds / SECOND) as u64;
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest} s"),
        (0, 0, _) => format!("{minutes} min {rest} s"),
        (0, ..) => format!("{hours} h {minutes} min"),
        (100.., ..) => format!("{} d", grouped(days)),
        _ => format!("{days} d {hours} h"),
    }
}

/// A range of numbers; without an upper end it goes beyond what was seen.
pub(crate) fn range(low: f64, high: Option<f64>, unit: Unit) -> String {
    match high {
        Some(high) => format!("{} to {}", number(Some(low), unit), number(Some(high), unit)),
        None => format!("{} or more", number(Some(low), unit)),
    }
}

/// A number in few letters: one unit, two digits.
#[cfg(feature = "report")]
pub(crate) fn brief(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Milliseconds => {
            if value > 0.0 && value < SECOND {
                return format!("{value:.0} ms");
            }
            let sizes = [(DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s")];
            let (size, name) = sizes
                .into_iter()
                .find(|(size, _)| value >= *size)
                .unwrap_or((SECOND, "s"));
            format!("{} {name}", rounded(value / size))
        }
        Unit::Share => format!("{} %", rounded(value * 100.0)),
        Unit::Count | Unit::PerDay => rounded(value),
    }
}

#[cfg(feature = "report")]
fn rounded(value: f64) -> String {
    if value >= 10.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

/// How often, in the unit in which it is at least once; a month is a twelfth of 365.25 days.
fn frequency(per_day: f64) -> String {
    match per_day {
        rate if rate >= 1.0 => format!("{rate:.1} per day"),
        rate if rate * 7.0 >= 1.0 => format!("{:.1} per week", rate * 7.0),
        rate => format!("{:.1} per month", rate * 365.25 / 12.0),
    }
}

fn count(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        let sign = if value < 0.0 { "−" } else { "" };
        return format!("{sign}{}", grouped(value.abs() as u64));
    }
    format!("{value:.1}")
}

/// Thousands apart from each other.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// One thing or several: `1 day`, `2 days`.
pub(crate) fn several(number: usize, one: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{} {one}{end}", grouped(number as u64))
}

/// The UTC day of a moment.
pub(crate) fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// A text from elsewhere, without what could move a terminal's cursor or change the direction of what follows.
pub(crate) fn plain(text: &str) -> String {
    let plain = |letter: char| match letter {
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        letter if letter.is_control() => '\u{fffd}',
        letter => letter,
    };
    text.chars().map(plain).collect()
}

/// A commit's id as people write it; any other name as it is.
pub(crate) fn short(id: &str) -> String {
    let is_sha = id.len() == 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_sha {
        id[..10].to_owned()
    } else {
        id.to_owned()
    }
}

/// A name from elsewhere as a sentence can hold it.
#[cfg(feature = "report")]
pub(crate) fn shortened(name: &str) -> String {
    const MOST: usize = 40;
    match name.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", name[..end].trim_end()),
        None => name.to_owned(),
    }
}

/// Round numbers for an axis from 0 to at least `most`, about four of them, each with a short text.
#[cfg(feature = "report")]
pub(crate) fn ticks(most: f64, unit: Unit) -> Vec<(f64, String)> {
    if !most.is_finite() || most <= 0.0 {
        return vec![(0.0, tick(0.0, unit))];
    }
    let step = match unit {
        Unit::Milliseconds => time_step(most / 4.0),
        Unit::Share => decimal_step((most / 4.0).max(0.01)),
        Unit::Count => decimal_step(most / 4.0).max(1.0),
        Unit::PerDay => decimal_step(most / 4.0),
    };
    let last = (most / step - 1e-9).ceil() as u32;
    (0..=last)
        .map(|number| f64::from(number) * step)
        .map(|at| (at, tick(at, unit)))
        .collect()
}

/// The least of 1, 2, 5, 10, … times a power of ten that is not below.
#[cfg(feature = "report")]
fn decimal_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * power);
    step.into_iter()
        .find(|step| *step >= least * (1.0 - 1e-9))
        .unwrap_or(10.0 * power)
}

#[cfg(feature = "report")]
fn time_step(least: f64) -> f64 {
    let usual = [
        SECOND,
        5.0 * SECOND,
        15.0 * SECOND,
        30.0 * SECOND,
        MINUTE,
        2.0 * MINUTE,
        5.0 * MINUTE,
        10.0 * MINUTE,
        15.0 * MINUTE,
        30.0 * MINUTE,
        HOUR,
        2.0 * HOUR,
        3.0 * HOUR,
        6.0 * HOUR,
        12.0 * HOUR,
        DAY,
        2.0 * DAY,
        7.0 * DAY,
        14.0 * DAY,
        30.0 * DAY,
    ];
    match usual.into_iter().find(|step| *step >= least) {
        Some(step) => step,
        None => DAY * decimal_step(least / DAY),
    }
}

/// A value of an axis: short, and exact since it is round.
#[cfg(feature = "report")]
pub(crate) fn tick(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Milliseconds => {
            let (size, name) = match value {
                value if value >= DAY => (DAY, "d"),
                value if value >= HOUR => (HOUR, "h"),
                value if value >= MINUTE => (MINUTE, "min"),
                value if value > 0.0 => (SECOND, "s"),
                _ => return "0".to_owned(),
            };
            format!("{} {name}", trimmed(value / size))
        }
        Unit::Share => format!("{} %", trimmed(value * 100.0)),
        Unit::Count | Unit::PerDay => trimmed(value),
    }
}

#[cfg(feature = "report")]
fn trimmed(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        for (value, unit, text) in [
            (1_234_567.0, Unit::Count, "1,234,567"),
            (999.0, Unit::Count, "999"),
            (2.25, Unit::Count, "2.2"),
            (0.107, Unit::Share, "10.7 %"),
            (0.0, Unit::Milliseconds, "0 s"),
            (12.0, Unit::Milliseconds, "12 ms"),
            (59_999.0, Unit::Milliseconds, "59 s"),
            (61_000.0, Unit::Milliseconds, "1 min 1 s"),
            (98_132_205.0, Unit::Milliseconds, "1 d 3 h"),
            (101.0 * DAY, Unit::Milliseconds, "101 d"),
            (-61_000.0, Unit::Milliseconds, "−1 min 1 s"),
            (2.0, Unit::PerDay, "2.0 per day"),
            (0.5, Unit::PerDay, "3.5 per week"),
            (0.1, Unit::PerDay, "3.0 per month"),
        ] {
            assert_eq!(number(Some(value), unit), text);
        }
        assert_eq!(number(None, Unit::Count), NOTHING);
        assert_eq!(number(Some(f64::NAN), Unit::Count), NOTHING);
    }

    #[cfg(feature = "report")]
    #[test]
    fn axes_have_round_numbers() {
        let texts = |most, unit| {
            ticks(most, unit)
                .into_iter()
                .map(|(_, text)| text)
                .collect::<Vec<_>>()
        };
        assert_eq!(texts(7.0, Unit::Count), ["0", "2", "4", "6", "8"]);
        assert_eq!(texts(1.0, Unit::Count), ["0", "1"]);
        assert_eq!(texts(0.33, Unit::Share), ["0 %", "10 %", "20 %", "30 %", "40 %"]);
        assert_eq!(
            texts(20.0 * HOUR, Unit::Milliseconds),
            ["0", "6 h", "12 h", "18 h", "1 d"]
        );
        assert_eq!(
            texts(2000.0 * DAY, Unit::Milliseconds),
            ["0", "500 d", "1000 d", "1500 d", "2000 d"]
        );
        assert_eq!(texts(0.0, Unit::Count), ["0"]);
    }
}
