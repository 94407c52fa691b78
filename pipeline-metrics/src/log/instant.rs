/// The microseconds since 1970 of `YYYY-MM-DDTHH:MM:SSZ`, with up to six digits after a point at the seconds; `None` of
/// every other text, which may well be a moment all the same.
pub(super) fn parse(text: &[u8]) -> Option<i64> {
    let (whole, fraction) = text.split_at_checked(19)?;
    let micros = match fraction {
        b"Z" => 0,
        // The usual one.
        [b'.', a, b, c, b'Z'] => {
            let number = digit(*a) * 100 + digit(*b) * 10 + digit(*c);
            if (*a | *b | *c) & 0xf0 != 0x30 || digit(*a).max(digit(*b)).max(digit(*c)) > 9 {
                return None;
            }
            i64::from(number) * 1000
        }
        [b'.', digits @ .., b'Z'] if (1..=6).contains(&digits.len()) => {
            let number = digits.iter().try_fold(0_i64, |number, &byte| {
                byte.is_ascii_digit()
                    .then(|| number * 10 + i64::from(byte - b'0'))
            })?;
            number * 10_i64.pow(6 - digits.len() as u32)
        }
        _ => return None,
    };
    let whole: &[u8; 19] = whole.try_into().ok()?;
    for at in [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18] {
        if !whole[at].is_ascii_digit() {
            return None;
        }
    }
    if [whole[4], whole[7], whole[10], whole[13], whole[16]] != *b"--T::" {
        return None;
    }
    let two = |at: usize| digit(whole[at]) * 10 + digit(whole[at + 1]);
    let year = two(0) * 100 + two(2);
    let (month, day) = (two(5), two(8));
    let (hour, minute, second) = (two(11), two(14), two(17));
    if !(1..=12).contains(&month)
        || day < 1
        || day > length(year, month)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + i64::from(hour * 3600 + minute * 60 + second);
    Some(seconds * 1_000_000 + micros)
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

    use super::parse;
    use crate::moment::micros;

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
            if let Some(fast) = parse(&text) {
                prop_assert_eq!(Some(fast), jiff(std::str::from_utf8(&text).unwrap()));
            }
        }
    }
}
