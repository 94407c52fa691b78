use std::fmt;

use serde::{Serialize, Serializer};

/// What names a revision, such as a git commit's id.
///
/// Forty lower-case hexadecimal digits are kept as 20 bytes; every other text is kept as it is.
///
/// ```
/// use pipeline_metrics::Sha;
///
/// let sha = Sha::new("daee671fe5560ce578ec219a00df29d8b3c4df3d");
/// assert_eq!(sha.to_string(), "daee671fe5560ce578ec219a00df29d8b3c4df3d");
/// assert_eq!(Sha::new("v1.2").to_string(), "v1.2");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha<'a>(Form<'a>);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Form<'a> {
    Bytes([u8; 20]),
    Text(&'a str),
}

impl<'a> Sha<'a> {
    /// A sha out of its text.
    pub fn new(text: &'a str) -> Self {
        Self(decode(text.as_bytes()).map_or(Form::Text(text), Form::Bytes))
    }

    pub(crate) fn of_bytes(bytes: [u8; 20]) -> Self {
        Self(Form::Bytes(bytes))
    }

    pub(crate) fn form(&self) -> Form<'a> {
        self.0
    }
}

/// The bytes that forty lower-case hexadecimal digits stand for.
pub(crate) fn decode(text: &[u8]) -> Option<[u8; 20]> {
    let text: &[u8; 40] = text.try_into().ok()?;
    let (mut bytes, mut wrong) = ([0; 20], 0);
    for (four, eight) in bytes.as_chunks_mut().0.iter_mut().zip(text.as_chunks().0) {
        let (value, bad) = eight_digits(u64::from_le_bytes(*eight));
        *four = value.to_le_bytes();
        wrong |= bad;
    }
    (wrong == 0).then_some(bytes)
}

/// What eight digits stand for, all at once, the first in the lowest byte; and 0, or something else where one is none.
fn eight_digits(word: u64) -> (u32, u64) {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // Letters have bit 6, digits have not: 0x61 is 10, 0x30 is 0.
    let letters = (word >> 6) & ONES;
    let values = (word & (0x0f * ONES)) + 9 * letters;
    let is_as_it_was = (values + 0x30 * ONES + 0x27 * letters) ^ word;
    // Letters are 10 to 15, digits are below 10.
    let at_least_ten = ((values + 6 * ONES) >> 4) & ONES;
    let wrong = is_as_it_was | (values & (0x10 * ONES)) | (at_least_ten ^ letters);
    let pairs = ((values << 4) | (values >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | (pairs >> 8)) & 0x0000_ffff_0000_ffff;
    ((fours | (fours >> 16)) as u32, wrong)
}

impl<'a> From<&'a str> for Sha<'a> {
    fn from(text: &'a str) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Sha<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Form::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Form::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Sha<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha({self})")
    }
}

impl Serialize for Sha<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_a_digit_or_none_at_every_place() {
        for at in 0..40 {
            for byte in 0..=u8::MAX {
                let mut text = *b"0123456789abcdef0123456789abcdeffedcba98";
                text[at] = byte;
                let expected = text.iter().try_fold(Vec::new(), |mut values, &byte| {
                    let is_lower = !byte.is_ascii_uppercase();
                    values.push(char::from(byte).to_digit(16).filter(|_| is_lower)?);
                    Some(values)
                });
                let expected = expected.map(|values| {
                    let pairs = values.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8);
                    pairs.collect::<Vec<_>>()
                });
                assert_eq!(decode(&text).map(Vec::from), expected, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn only_forty_lower_case_digits_are_bytes() {
        let sha = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(decode(sha.as_bytes()).unwrap()[..4], [0x01, 0x23, 0x45, 0x67]);
        assert_eq!(Sha::new(sha).to_string(), sha);
        for text in [
            "",
            "0123",
            &sha.to_uppercase(),
            &sha.replace('7', "g"),
            &format!("{sha}0"),
        ] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
            assert_eq!(Sha::new(text).to_string(), *text);
        }
    }
}
