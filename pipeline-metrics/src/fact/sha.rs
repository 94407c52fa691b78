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

/// The value of each lower-case hexadecimal digit; 16 of every other byte.
const DIGITS: [u8; 256] = {
    let mut digits = [16; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// The bytes that forty lower-case hexadecimal digits stand for.
pub(crate) fn decode(text: &[u8]) -> Option<[u8; 20]> {
    let text: &[u8; 40] = text.try_into().ok()?;
    let mut bytes = [0; 20];
    let mut seen = 0;
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let (high, low) = (DIGITS[pair[0] as usize], DIGITS[pair[1] as usize]);
        seen |= high | low;
        *byte = high << 4 | low & 15;
    }
    (seen < 16).then_some(bytes)
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
