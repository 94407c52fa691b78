use std::collections::HashMap;
use std::hint::black_box;

use super::hash::mix;
use super::index::{AHEAD, Index};
use super::names::Names;
use super::{NEVER, SourceId};
use crate::fact::Form;
use crate::{Phases, Sha};

/// What names a revision: its component, and a sha as bytes or as the number of a kept text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    sha: [u8; 20],
    /// The component, and [`TEXT`].
    component: u32,
}

/// Marks a sha that is the number of a text.
const TEXT: u32 = 1 << 31;

impl Key {
    pub(crate) fn of_bytes(component: u32, sha: [u8; 20]) -> Self {
        Self { sha, component }
    }

    pub(crate) fn new(component: u32, sha: Sha<'_>, names: &mut Names) -> Self {
        match sha.form() {
            Form::Bytes(sha) => Self::of_bytes(component, sha),
            Form::Text(text) => {
                let mut sha = [0; 20];
                sha[..4].copy_from_slice(&names.intern(text).to_le_bytes());
                Self {
                    sha,
                    component: component | TEXT,
                }
            }
        }
    }

    pub(crate) fn component(self) -> u32 {
        self.component & !TEXT
    }

    pub(crate) fn sha(self, names: &Names) -> Sha<'_> {
        if self.component & TEXT == 0 {
            return Sha::of_bytes(self.sha);
        }
        let [a, b, c, d, ..] = self.sha;
        Sha::new(names.get(u32::from_le_bytes([a, b, c, d])))
    }

    pub(crate) fn hash(self) -> u64 {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = self.sha;
        let first = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let second = u64::from_le_bytes([i, j, k, l, m, n, o, p]);
        mix(first ^ u64::from(self.component).rotate_left(32), second)
    }
}

/// All revisions that were committed or only listed, in columns: linking reads when they were committed, all over the
/// table, and nothing else.
#[derive(Debug, Clone, Default)]
pub(crate) struct Revisions {
    keys: Vec<Key>,
    /// When each was committed, in microseconds; [`NEVER`] when it was only listed.
    at: Vec<i64>,
    sources: Vec<SourceId>,
    index: Index,
    /// Of those that have any.
    pub(crate) phases: HashMap<u32, Phases>,
    /// Whether a component has one with a commit, by its number.
    committed: Vec<bool>,
}

impl Revisions {
    pub(crate) fn intern(&mut self, key: Key) -> u32 {
        self.intern_hashed(key.hash(), key)
    }

    /// Adds the rows of many to a list. Each is somewhere else in a large table, so that some
    /// are asked for before the first is needed.
    pub(crate) fn intern_all(&mut self, keys: &[(Key, u64)], rows: &mut Vec<u32>) {
        for keys in keys.chunks(AHEAD) {
            let mut places = [None; AHEAD];
            for (place, (_, hash)) in places.iter_mut().zip(keys) {
                *place = self.index.touch(*hash);
            }
            let near = places[..keys.len()]
                .iter()
                .fold(0, |near, place| near ^ self.touch_row(*place));
            black_box(near);
            for (key, hash) in keys {
                rows.push(self.intern_hashed(*hash, *key));
            }
        }
    }

    fn intern_hashed(&mut self, hash: u64, key: Key) -> u32 {
        let keys = &self.keys;
        if let Some(row) = self.index.find(hash, |row| keys[row as usize] == key) {
            return row;
        }
        let row = self.keys.len() as u32;
        self.keys.push(key);
        self.at.push(NEVER);
        self.sources.push(SourceId::NOWHERE);
        let keys = &self.keys;
        self.index.insert(hash, row, |row| keys[row as usize].hash());
        row
    }

    /// Reads from a row that was [found early](Index::touch).
    fn touch_row(&self, row: Option<u32>) -> u8 {
        let key = row.and_then(|row| self.keys.get(row as usize));
        key.map_or(0, |key| key.sha[0])
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn key(&self, row: u32) -> Key {
        self.keys[row as usize]
    }

    /// When it was committed, in microseconds; [`NEVER`] when it was only listed.
    pub(crate) fn at(&self, row: u32) -> i64 {
        self.at[row as usize]
    }

    pub(crate) fn source(&self, row: u32) -> SourceId {
        self.sources[row as usize]
    }

    /// Those with a commit.
    pub(crate) fn committed(&self) -> impl Iterator<Item = u32> + '_ {
        (0..)
            .zip(&self.at)
            .filter(|(_, at)| **at != NEVER)
            .map(|(row, _)| row)
    }

    /// Whether a component has one with a commit, by its number; of the numbers beyond, none has.
    pub(crate) fn components(&self) -> &[bool] {
        &self.committed
    }

    /// A commit, in place of what was known.
    pub(crate) fn commit(&mut self, row: u32, at: i64, source: SourceId) {
        let place = row as usize;
        if self.at[place] == NEVER {
            let component = self.keys[place].component() as usize;
            if component >= self.committed.len() {
                self.committed.resize(component + 1, false);
            }
            self.committed[component] = true;
        }
        self.at[place] = at;
        self.sources[place] = source;
    }

    /// Takes the earliest of each phase that was told.
    pub(crate) fn add_phases(&mut self, row: u32, phases: Phases) -> bool {
        if phases.is_empty() {
            return false;
        }
        let kept = self.phases.entry(row).or_default();
        let before = *kept;
        let earliest = |kept: &mut Option<_>, new: Option<_>| {
            *kept = [*kept, new].into_iter().flatten().min();
        };
        earliest(&mut kept.first_commit, phases.first_commit);
        earliest(&mut kept.opened, phases.opened);
        earliest(&mut kept.reviewed, phases.reviewed);
        earliest(&mut kept.merged, phases.merged);
        before != *kept
    }
}
