use std::io::{self, BufRead};

use serde_json::value::RawValue;

/// The records of a text, whichever way they are written: one on a line, in an array, or one after another.
pub(super) enum Texts {
    /// The first line, whole, and its number; more lines follow.
    Lines(Vec<u8>, u64),
    /// All of it, from the line with this number on.
    Whole(Vec<u8>, u64),
    /// Nothing.
    None,
}

/// A piece of JSON and the number of the line on which it begins.
pub(super) struct Piece<'t> {
    pub(super) text: &'t str,
    pub(super) line: u64,
}

/// Finds out how the records are written: what has a whole JSON value on its first line goes on so.
///
/// On failure: the number of the line.
pub(super) fn sniff(input: &mut impl BufRead) -> Result<Texts, (u64, io::Error)> {
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let read = input
            .read_until(b'\n', &mut bytes)
            .map_err(|error| (line, error))?;
        if read == 0 {
            return Ok(Texts::None);
        }
        if line == 1 && bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
        }
        let start = bytes.trim_ascii();
        if start.is_empty() {
            continue;
        }
        let array = start.first() == Some(&b'[');
        let goes_on = match serde_json::from_slice::<&RawValue>(start) {
            Ok(_) => false,
            Err(error) => error.is_eof(),
        };
        if array || goes_on {
            input.read_to_end(&mut bytes).map_err(|error| (line, error))?;
            return Ok(Texts::Whole(bytes, line));
        }
        return Ok(Texts::Lines(bytes, line));
    }
    Ok(Texts::None)
}

/// The records of a whole text that is not one record on a line. On failure: the number of the line; what was
/// before it has been taken.
pub(super) fn pieces<E>(
    bytes: &[u8],
    first_line: u64,
    mut take: impl FnMut(Piece<'_>) -> Result<(), E>,
) -> Result<(), PieceError<E>> {
    let mut lines = Lines {
        bytes,
        at: 0,
        line: first_line,
    };
    let mut take = |text, lines: &mut Lines<'_>| {
        let line = lines.of(text);
        take(Piece { text, line }).map_err(PieceError::Taken)
    };
    for value in serde_json::Deserializer::from_slice(bytes).into_iter::<&RawValue>() {
        let form = |error: serde_json::Error, before: u64| {
            PieceError::Form(before + error.line().saturating_sub(1) as u64, error)
        };
        let text = value.map_err(|error| form(error, first_line))?.get();
        if text.starts_with('[') {
            let begins = lines.of(text);
            let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| form(error, begins))?;
            for element in elements {
                take(element.get(), &mut lines)?;
            }
        } else {
            take(text, &mut lines)?;
        }
    }
    Ok(())
}

/// Tells the line of a part of a text, of later parts later.
struct Lines<'t> {
    bytes: &'t [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    fn of(&mut self, part: &str) -> u64 {
        let offset = (part.as_ptr() as usize).saturating_sub(self.bytes.as_ptr() as usize);
        let between = self.bytes.get(self.at..offset).unwrap_or_default();
        self.line += between.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.at = offset.max(self.at);
        self.line
    }
}

/// Why a whole text was not taken to its end.
pub(super) enum PieceError<E> {
    /// From this line on, it is not JSON.
    Form(u64, serde_json::Error),
    /// A piece was refused.
    Taken(E),
}
