use std::borrow::Cow;

use pipeline_core::{Masker, Secret};

/// From how many bytes on a line is passed on in pieces.
const LONGEST: usize = 8 * 1024;

/// A line of output, or a piece of a very long one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) text: Cow<'a, str>,
    /// Whether this is all of the line.
    pub(super) whole: bool,
}

/// Cuts bytes into lines, in bounded memory: an endless line comes in pieces. No piece ends inside a secret,
/// for half a secret would not be recognised and masked.
#[derive(Debug)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    /// Whether a piece of the line in the buffer was passed on.
    begun: bool,
    /// What must not be cut, as the masker knows it: secrets, and their lines.
    whole: Vec<Vec<u8>>,
    longest: usize,
}

impl Lines {
    pub(super) fn new(secrets: &[Secret]) -> Self {
        let mut whole: Vec<Vec<u8>> = Vec::new();
        for secret in secrets {
            let value = secret.expose();
            let parts = std::iter::once(value).chain(value.lines()).map(str::trim);
            whole.extend(parts.filter(|part| !part.is_empty()).map(|part| part.into()));
        }
        // At least a character is kept back, so that none is cut either.
        let longest = whole.iter().map(Vec::len).max().unwrap_or(0).max(4);
        Self {
            buffer: Vec::new(),
            begun: false,
            whole,
            longest,
        }
    }

    /// Takes bytes, and passes on the lines that they complete.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(Line<'_>)) {
        let most = LONGEST + self.longest;
        while !bytes.is_empty() {
            let room = most.saturating_sub(self.buffer.len()).max(1);
            let piece = &bytes[..bytes.len().min(room)];
            match piece.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    self.buffer.extend_from_slice(&piece[..end]);
                    bytes = &bytes[end + 1..];
                    self.end(&mut each);
                }
                None => {
                    self.buffer.extend_from_slice(piece);
                    bytes = &bytes[piece.len()..];
                    if self.buffer.len() >= most {
                        self.cut(&mut each);
                    }
                }
            }
        }
    }

    /// Passes on a last line that has no end.
    pub(super) fn finish(&mut self, mut each: impl FnMut(Line<'_>)) {
        if !self.buffer.is_empty() {
            self.end(&mut each);
        }
    }

    fn end(&mut self, each: &mut impl FnMut(Line<'_>)) {
        if self.buffer.last() == Some(&b'\r') {
            self.buffer.pop();
        }
        each(Line {
            text: String::from_utf8_lossy(&self.buffer),
            whole: !self.begun,
        });
        self.buffer.clear();
        self.begun = false;
    }

    fn cut(&mut self, each: &mut impl FnMut(Line<'_>)) {
        self.begun = true;
        let at = self.place_to_cut();
        if at == 0 {
            // A secret as long as a piece, or secrets that overlap from end to end.
            each(Line {
                text: Masker::MASK.into(),
                whole: false,
            });
            let end = self.end_of_secrets();
            self.buffer.drain(..end);
            return;
        }
        each(Line {
            text: String::from_utf8_lossy(&self.buffer[..at]),
            whole: false,
        });
        self.buffer.drain(..at);
    }

    /// The last place, up to the bound, that is inside no secret and no character.
    fn place_to_cut(&self) -> usize {
        let mut at = LONGEST;
        // A character has at most four bytes, of which the later ones look like this.
        let inside = |at: usize| self.buffer.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
        for _ in 0..3 {
            if inside(at) {
                at -= 1;
            }
        }
        'again: loop {
            for secret in &self.whole {
                let from = at.saturating_sub(secret.len() - 1);
                let to = (at + secret.len() - 1).min(self.buffer.len());
                let around = self.buffer.get(from..to).unwrap_or_default();
                if let Some(start) = around.windows(secret.len()).position(|bytes| bytes == secret) {
                    at = from + start;
                    if at == 0 {
                        return 0;
                    }
                    continue 'again;
                }
            }
            return at;
        }
    }

    /// Where the secrets end with which the buffer begins, taken together where they overlap.
    fn end_of_secrets(&self) -> usize {
        let mut end = 1;
        loop {
            let ends = self.whole.iter().filter_map(|secret| {
                let windows = self.buffer.windows(secret.len()).take(end);
                let mut starts = windows.enumerate().filter(|(_, bytes)| bytes == secret);
                starts.next_back().map(|(start, _)| start + secret.len())
            });
            match ends.max() {
                Some(further) if further > end => end = further,
                _ => return end,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(secrets: &[&str], chunks: &[&[u8]]) -> Vec<(String, bool)> {
        let secrets: Vec<_> = secrets.iter().map(|value| Secret::new(*value)).collect();
        let mut lines = Lines::new(&secrets);
        let mut seen = Vec::new();
        for chunk in chunks {
            lines.push(chunk, |line| seen.push((line.text.into_owned(), line.whole)));
        }
        lines.finish(|line| seen.push((line.text.into_owned(), line.whole)));
        seen
    }

    #[test]
    fn lines_end_with_either_sign_or_none() {
        let seen = lines(&[], &[b"a\r\nb\n\nc", b"d"]);
        let texts: Vec<_> = seen.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(texts, ["a", "b", "", "cd"]);
    }

    #[test]
    fn a_long_line_comes_in_pieces_that_are_not_whole() {
        let long = "ä".repeat(10_000);
        let seen = lines(&[], &[b"x", long.as_bytes(), b"\nshort\n"]);
        assert!(
            seen.iter()
                .all(|(text, _)| text.len() < LONGEST + 4 && !text.contains('\u{fffd}'))
        );
        let (last, pieces) = seen.split_last().unwrap();
        assert_eq!(last, &("short".to_owned(), true));
        assert!(pieces.len() > 2 && pieces.iter().all(|(_, whole)| !whole));
        let together: String = pieces.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(together, format!("x{long}"));
    }

    #[test]
    fn overlapping_secrets_hide_the_whole_piece() {
        let seen = lines(&["aa"], &["a".repeat(20_000).as_bytes()]);
        assert!(seen[..2].iter().all(|(text, _)| text == Masker::MASK));
    }

    #[test]
    fn a_secret_longer_than_a_piece_is_hidden_whole() {
        let secret: String = (10_000..12_000).map(|i| i.to_string()).collect();
        let line = secret.repeat(3) + "end";
        let masker = Masker::new();
        masker.add(&Secret::new(secret.as_str()));
        let seen = lines(&[&secret], &[line.as_bytes()]);
        let shown: String = seen.iter().map(|(text, _)| masker.mask(text)).collect();
        assert_eq!(shown, "*********end");
    }

    proptest! {
        #[test]
        fn no_piece_ends_inside_a_secret(before in 0..9_000_usize, chunk in 1..5_000_usize, times in 1..4_usize) {
            let secret = "hunter2-and-more";
            let line = format!("{}{}", "x".repeat(before), secret.repeat(times)) + &"y".repeat(9_000);
            let chunks: Vec<_> = line.as_bytes().chunks(chunk).collect();
            let masker = Masker::new();
            masker.add(&Secret::new(secret));
            let shown: String = lines(&[secret], &chunks).iter().map(|(text, _)| masker.mask(text)).collect();
            prop_assert_eq!(shown, masker.mask(&line));
        }
    }
}
