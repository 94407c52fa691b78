/// Reads moments. The last day is kept: in a log, the next moment is mostly of the same one.
#[derive(Debug, Default)]
pub(crate) struct Instants {
    date: [u8; 10],
    /// Since 1970; `None` of a date that is none.
    days: Option<i64>,
}

impl Instants {
    /// The microseconds since 1970 of `YYYY-MM-DDTHH:MM:SSZ`, with up to six digits after a point at the seconds; `None`
    /// of every other text, which may well be a moment all the same.
    pub(crate) fn parse(&mut self, text: &[u8]) -> Option<i64> {
        let (date, rest) = text.split_first_chunk::<10>()?;
        let (time, fraction) = rest.split_first_chunk::<9>()?;
        if *date != self.date {
            (self.date, self.days) = (*date, date_of(date));
        }
        let micros = fraction_of(fraction)? + seconds_of(time)? * 1_000_000;
        Some(self.days? * 86_400_000_000 + micros)
    }
}

/// The microseconds of what is behind the seconds.
fn fraction_of(fraction: &[u8]) -> Option<i64> {
    match fraction {
        b"Z" => Some(0),
        // The usual one.
        [b'.', digits @ .., b'Z'] if digits.len() == 3 => {
            let [a, b, c] = digits.first_chunk().map(|digits: &[u8; 3]| digits.map(digit))?;
            (a.max(b).max(c) <= 9).then(|| i64::from(a * 100 + b * 10 + c) * 1000)
        }
        [b'.', digits @ .., b'Z'] if (1..=6).contains(&digits.len()) => {
            let number = digits.iter().try_fold(0_i64, |number, &byte| {
                byte.is_ascii_digit()
                    .then(|| number * 10 + i64::from(byte - b'0'))
            })?;
            Some(number * 10_i64.pow(6 - digits.len() as u32))
        }
        _ => None,
    }
}

/// The seconds of `THH:MM:SS`.
fn seconds_of(&[t, h1, h2, first, m1, m2, second, s1, s2]: &[u8; 9]) -> Option<i64> {
    let [h1, h2, m1, m2, s1, s2] = [h1, h2, m1, m2, s1, s2].map(digit);
    let (hour, minute, seconds) = (h1 * 10 + h2, m1 * 10 + m2, s1 * 10 + s2);
    let fits = [t, first, second] == *b"T::" && h2.max(m2).max(s2) <= 9 && hour <= 23 && m1 <= 5 && s1 <= 5;
    fits.then(|| i64::from(hour * 3600 + minute * 60 + seconds))
}

/// The days since 1970 of `YYYY-MM-DD`.
fn date_of(date: &[u8; 10]) -> Option<i64> {
    for at in [0, 1, 2, 3, 5, 6, 8, 9] {
        if !date[at].is_ascii_digit() {
            return None;
        }
    }
    let two = |at: usize| digit(date[at]) * 10 + digit(date[at + 1]);
    let year = two(0) * 100 + two(2);
    let (month, day) = (two(5), two(8));
    let fits =
        [date[4], date[7]] == *b"--" && (1..=12).contains(&month) && day >= 1 && day <= length(year, month);
    fits.then(|| days(year, month, day))
}

fn digit(byte: u8) -> u32 {
    u32::from(byte.wrapping_sub(b'0'))
}

/// The days of a month.
fn length(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970 of a date of the Gregorian calendar. Years begin in March here, so that the odd day is at the end.
fn days(year: u32, month: u32, day: u32) -> i64 {
    let (year, month) = if month > 2 {
        (i64::from(year), i64::from(month) - 3)
    } else {
        (i64::from(year) - 1, i64::from(month) + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (153 * month + 2) / 5 + i64::from(day) - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::Instants;
    use crate::moment::micros;

    fn parse(text: &[u8]) -> Option<i64> {
        Instants::default().parse(text)
    }

    fn jiff(text: &str) -> Option<i64> {
        text.parse::<Timestamp>().ok().map(micros)
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "",
            "2025-01-06",
            "2025-02-29T00:00:00Z",
            "2025-13-01T00:00:00Z",
            "2025-00-01T00:00:00Z",
            "2025-01-00T00:00:00Z",
            "2025-01-01T24:00:00Z",
            "2025-01-01T00:60:00Z",
            "2025-01-01T00:00:00.Z",
            "2025-01-01T00:00:00.00:Z",
            "2025-01-01T00:00:00./00Z",
            "2025-01-01T00:00:00.1234567Z",
            "2025-01-01 00:00:00Z",
            "2025-01-01T00:00:00+00:00",
            "+025-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse(b"1970-01-01T00:00:00.000Z"), Some(0));
        assert_eq!(parse(b"2024-02-29T12:00:00.5Z"), jiff("2024-02-29T12:00:00.5Z"));
    }

    #[test]
    fn a_day_is_kept_as_what_it_is() {
        let mut instants = Instants::default();
        for text in [
            "2025-01-06T08:00:00Z",
            "2025-01-06T09:00:00Z",
            "2025-02-30T08:00:00Z",
            "2025-02-30T09:00:00Z",
            "2025-01-06T08:00:00Z",
            "2025-01-07T08:00:00Z",
        ] {
            assert_eq!(instants.parse(text.as_bytes()), jiff(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_moment_is_the_one_that_jiff_reads(second in -62_000_000_000_i64..253_000_000_000, micro in 0..1_000_000_i64, digits in 0..7_usize) {
            let at = Timestamp::from_microsecond(second * 1_000_000 + micro).unwrap();
            let text = match digits {
                0 => at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                digits => at.strftime(&format!("%Y-%m-%dT%H:%M:%S.%{digits}fZ")).to_string(),
            };
            prop_assert_eq!(parse(text.as_bytes()), jiff(&text), "{}", text);
        }

        #[test]
        fn a_mangled_moment_is_none_or_the_same(at in 0..24_usize, byte in any::<u8>()) {
            let mut text = *b"2024-02-29T23:59:59.999Z";
            text[at] = byte;
            let mut instants = Instants::default();
            for _ in 0..2 {
                // The second time, the day is known.
                if let Some(fast) = instants.parse(&text) {
                    prop_assert_eq!(Some(fast), jiff(std::str::from_utf8(&text).unwrap()));
                }
            }
        }
    }
}
