use std::borrow::Cow;

use crate::Digest;

/// Why a line could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// The line ends too early: it may be the beginning of a good one.
    Short,
    /// The line is not one that a journal writes.
    Wrong(String),
}

/// Reads the text of a line from left to right, in the one way in which it can be written.
#[derive(Debug)]
pub(super) struct Text<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Text<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    pub(super) fn wrong(&self, expected: &str) -> Stop {
        Stop::Wrong(format!("expected {expected} at byte {}", self.at + 1))
    }

    /// Takes these bytes.
    pub(super) fn literal(&mut self, literal: &str) -> Result<(), Stop> {
        let rest = self.rest();
        if rest.starts_with(literal.as_bytes()) {
            self.at += literal.len();
            Ok(())
        } else if literal.as_bytes().starts_with(rest) {
            Err(Stop::Short)
        } else {
            Err(self.wrong(&format!("`{literal}`")))
        }
    }

    /// Takes exactly so many bytes.
    fn exactly(&mut self, count: usize) -> Result<&'a [u8], Stop> {
        let taken = self.rest().get(..count).ok_or(Stop::Short)?;
        self.at += count;
        Ok(taken)
    }

    /// Takes a number without sign and without leading zeros; something else follows it.
    pub(super) fn number(&mut self) -> Result<u64, Stop> {
        let rest = self.rest();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == rest.len() && digits <= 20 {
            return Err(Stop::Short);
        }
        let text = std::str::from_utf8(&rest[..digits]).unwrap_or_default();
        if text.len() > 1 && text.starts_with('0') {
            return Err(self.wrong("a number without leading zeros"));
        }
        let number = text.parse().map_err(|_| self.wrong("a number"))?;
        self.at += digits;
        Ok(number)
    }

    /// Takes what stands before the next quotation mark; nothing in it is escaped.
    pub(super) fn plain(&mut self) -> Result<&'a str, Stop> {
        let rest = self.rest();
        let end = rest
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
        let Some(end) = end else { return Err(Stop::Short) };
        if rest[end] != b'"' {
            return Err(self.wrong("plain text"));
        }
        let text = std::str::from_utf8(&rest[..end]).map_err(|_| self.wrong("UTF-8"))?;
        self.at += end;
        Ok(text)
    }

    /// Takes a JSON string with its quotation marks, escaped in the one way in which it is written.
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, Stop> {
        self.literal("\"")?;
        let rest = self.rest();
        let mut end = 0;
        let mut escaped = false;
        loop {
            match rest.get(end) {
                None => return Err(Stop::Short),
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    end += 2;
                }
                Some(0..0x20) => return Err(self.wrong("text without control characters")),
                Some(_) => end += 1,
            }
        }
        let text = if escaped {
            let quoted = &self.bytes[self.at - 1..=self.at + end];
            let text: String = serde_json::from_slice(quoted).map_err(|_| self.wrong("a JSON string"))?;
            if serde_json::to_vec(&text).ok().as_deref() != Some(quoted) {
                return Err(self.wrong("a JSON string with the usual escapes"));
            }
            Cow::Owned(text)
        } else {
            Cow::Borrowed(std::str::from_utf8(&rest[..end]).map_err(|_| self.wrong("UTF-8"))?)
        };
        self.at += end + 1;
        Ok(text)
    }

    /// Takes a digest without quotation marks.
    pub(super) fn digest(&mut self) -> Result<Digest, Stop> {
        const PREFIX: &str = "sha256:";
        self.literal(PREFIX)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(self.hex(64)?.chunks_exact(2)) {
            *byte = NIBBLES[usize::from(pair[0])] << 4 | NIBBLES[usize::from(pair[1])];
        }
        Ok(Digest::from(bytes))
    }

    /// Takes so many lower-case hexadecimal digits.
    pub(super) fn hex(&mut self, count: usize) -> Result<&'a [u8], Stop> {
        let rest = self.rest();
        let taken = &rest[..count.min(rest.len())];
        // All of them, whatever the first ones are: so the processor takes many at once.
        let good = taken.iter().fold(true, |good, byte| good & is_hex(*byte));
        if !good {
            return Err(self.wrong(&format!("{count} hexadecimal digits")));
        }
        self.exactly(count)
    }
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// What each hexadecimal digit stands for.
const NIBBLES: [u8; 256] = {
    let mut nibbles = [0; 256];
    let mut value = 0;
    while value < 16 {
        nibbles[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    nibbles
};

#[cfg(test)]
mod tests {
    use super::*;

    fn stop<'a, T: std::fmt::Debug>(
        text: &'a str,
        take: impl FnOnce(&mut Text<'a>) -> Result<T, Stop>,
    ) -> String {
        match take(&mut Text::new(text.as_bytes())) {
            Ok(taken) => format!("{taken:?}"),
            Err(Stop::Short) => "short".to_owned(),
            Err(Stop::Wrong(reason)) => reason,
        }
    }

    #[test]
    fn everything_has_one_spelling() {
        assert_eq!(stop("12,", Text::number), "12");
        assert_eq!(stop("0,", Text::number), "0");
        assert_eq!(stop("12", Text::number), "short");
        assert_eq!(
            stop("012,", Text::number),
            "expected a number without leading zeros at byte 1"
        );
        assert_eq!(stop("+1,", Text::number), "expected a number at byte 1");
        assert_eq!(
            stop("18446744073709551616,", Text::number),
            "expected a number at byte 1"
        );
        assert_eq!(stop(r#""a\"b","#, Text::string), r#""a\"b""#);
        assert_eq!(
            stop(r#""\u0061","#, Text::string),
            "expected a JSON string with the usual escapes at byte 2"
        );
        assert_eq!(stop(r#""a\"#, Text::string), "short");
        assert_eq!(stop("ab", |text| text.literal("abc")), "short");
        assert_eq!(stop("ax", |text| text.literal("abc")), "expected `abc` at byte 1");
        assert_eq!(
            stop("sha256:0A", Text::digest),
            "expected 64 hexadecimal digits at byte 8"
        );
        assert_eq!(stop("sha256:0a", Text::digest), "short");
    }
}
