use std::ops::Range;

use super::hash;
use super::index::Index;

/// Texts, each kept once and named by a number, from 0 in the order in which they came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    text: String,
    /// Where each ends; it begins where the one before ends.
    ends: Vec<usize>,
    index: Index,
}

impl Names {
    /// The number of a text, which is kept if it is new.
    pub(crate) fn intern(&mut self, name: &str) -> u32 {
        let hash = hash::bytes(name.as_bytes());
        if let Some(number) = self.find_hashed(hash, name.as_bytes()) {
            return number;
        }
        let number = self.ends.len() as u32;
        self.text.push_str(name);
        self.ends.push(self.text.len());
        let (text, ends) = (&self.text, &self.ends);
        self.index.insert(hash, number, |number| {
            let name = text.as_bytes().get(span(ends, number));
            hash::bytes(name.unwrap_or_default())
        });
        number
    }

    /// The number of a text, if it is kept.
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.find_bytes(name.as_bytes())
    }

    /// The same, of bytes that need not be checked to be a text.
    pub(crate) fn find_bytes(&self, name: &[u8]) -> Option<u32> {
        self.find_hashed(hash::bytes(name), name)
    }

    fn find_hashed(&self, hash: u64, name: &[u8]) -> Option<u32> {
        let (text, ends) = (self.text.as_bytes(), &*self.ends);
        self.index
            .find(hash, |number| text.get(span(ends, number)) == Some(name))
    }

    /// Where the search for a text begins; see [`Index::touch`].
    pub(crate) fn touch(&self, name: &[u8]) -> u32 {
        self.index.touch(hash::bytes(name)).unwrap_or_default()
    }

    /// The text with a number; empty for a number that was not given out.
    pub(crate) fn get(&self, number: u32) -> &str {
        self.text.get(span(&self.ends, number)).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }
}

/// Where a text is; nowhere if its number was not given out.
fn span(ends: &[usize], number: u32) -> Range<usize> {
    let number = number as usize;
    let start = number
        .checked_sub(1)
        .and_then(|before| ends.get(before))
        .copied()
        .unwrap_or(0);
    let end = ends.get(number).copied().unwrap_or(start);
    start..end
}
