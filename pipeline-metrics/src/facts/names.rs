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
        if let Some(number) = self.find_hashed(hash, name) {
            return number;
        }
        let number = self.ends.len() as u32;
        self.text.push_str(name);
        self.ends.push(self.text.len());
        let (text, ends) = (&self.text, &self.ends);
        self.index.insert(hash, number, |number| {
            hash::bytes(slice(text, ends, number).as_bytes())
        });
        number
    }

    /// The number of a text, if it is kept.
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.find_hashed(hash::bytes(name.as_bytes()), name)
    }

    fn find_hashed(&self, hash: u64, name: &str) -> Option<u32> {
        self.index.find(hash, |number| self.get(number) == name)
    }

    /// The text with a number; empty for a number that was not given out.
    pub(crate) fn get(&self, number: u32) -> &str {
        slice(&self.text, &self.ends, number)
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }
}

fn slice<'a>(text: &'a str, ends: &[usize], number: u32) -> &'a str {
    let number = number as usize;
    let start = number
        .checked_sub(1)
        .and_then(|before| ends.get(before))
        .copied()
        .unwrap_or(0);
    let end = ends.get(number).copied().unwrap_or(start);
    text.get(start..end).unwrap_or_default()
}
