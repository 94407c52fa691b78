use std::collections::BTreeMap;
use std::io::{self, Write};

use aho_corasick::AhoCorasick;

/// Finds values in a stream of bytes, in one pass, whichever way the stream is cut into pieces. It keeps one piece, and of
/// the bytes before it as many as the longest value has, less one.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    values: &'a AhoCorasick,
    /// The end of what was seen; then the piece that is looked at.
    window: Vec<u8>,
    /// How many bytes were seen before the window.
    before: u64,
    /// How many line feeds are in them.
    lines: u64,
    found: BTreeMap<usize, Place>,
}

/// Where a value was found first, and how often it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) line: u64,
    pub(super) times: u64,
}

/// How many bytes are looked at together: pieces may be larger.
const PIECE: usize = 256 * 1024;

impl<'a> Scanner<'a> {
    pub(super) fn new(values: &'a AhoCorasick) -> Self {
        Self {
            values,
            window: Vec::new(),
            before: 0,
            lines: 0,
            found: BTreeMap::new(),
        }
    }

    /// The values that were found, by number.
    pub(super) fn finish(self) -> BTreeMap<usize, Place> {
        self.found
    }

    fn look(&mut self, piece: &[u8]) {
        let seen = self.window.len();
        self.window.extend_from_slice(piece);
        let (mut line, mut counted) = (self.lines, 0);
        let mut first: Vec<(usize, usize)> = Vec::new();
        for found in self.values.find_overlapping_iter(&self.window) {
            // What ends in what was seen was found then.
            if found.end() <= seen {
                continue;
            }
            let value = found.pattern().as_usize();
            match self.found.get_mut(&value) {
                Some(place) => place.times += 1,
                None => {
                    let offset = self.before + found.start() as u64;
                    self.found.insert(
                        value,
                        Place {
                            offset,
                            line: 0,
                            times: 1,
                        },
                    );
                    first.push((found.start(), value));
                }
            }
        }
        // They come in the order of their ends.
        first.sort_unstable();
        for (start, value) in first {
            line += feeds(&self.window[counted..start]);
            counted = start;
            if let Some(place) = self.found.get_mut(&value) {
                place.line = line + 1;
            }
        }
        let kept = self
            .values
            .max_pattern_len()
            .saturating_sub(1)
            .min(self.window.len());
        let gone = self.window.len() - kept;
        self.lines += feeds(&self.window[..gone]);
        self.before += gone as u64;
        self.window.drain(..gone);
    }
}

fn feeds(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

impl Write for Scanner<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        bytes.chunks(PIECE).for_each(|piece| self.look(piece));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a reader of the whole text would find.
    fn plain(values: &[String], text: &[u8]) -> BTreeMap<usize, Place> {
        let mut found = BTreeMap::new();
        for (index, value) in values.iter().enumerate() {
            let starts = text.windows(value.len()).enumerate();
            let starts: Vec<_> = starts.filter(|(_, window)| *window == value.as_bytes()).collect();
            if let Some(&(offset, _)) = starts.first() {
                let place = Place {
                    offset: offset as u64,
                    line: feeds(&text[..offset]) + 1,
                    times: starts.len() as u64,
                };
                found.insert(index, place);
            }
        }
        found
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            values in prop::collection::btree_set("[ab\n]{1,5}", 1..5),
            pieces in prop::collection::vec("[ab\n]{0,9}", 0..9),
        ) {
            let values: Vec<_> = values.into_iter().collect();
            let automaton = AhoCorasick::new(&values).unwrap();
            let mut scanner = Scanner::new(&automaton);
            for piece in &pieces {
                scanner.write_all(piece.as_bytes()).unwrap();
            }
            let expected = plain(&values, pieces.concat().as_bytes());
            prop_assert_eq!(scanner.finish(), expected);
        }
    }
}
