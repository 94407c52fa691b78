use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pipeline_core::{ArtifactName, StoreError};

use super::index_file::{IndexFile, decode_block, encode_block};
use super::stamp::Stamp;
use super::{Versions, index_store, listing};
use crate::store::disk::failed;

/// So many records are read before the index is written anew: reading them again costs a new process some
/// milliseconds.
const SAVE_AFTER: usize = 512;

/// What is known of the catalog's directories. Every question compares the stamp of the directory first, so what
/// other processes published is seen, and what was not changed is not read again.
#[derive(Debug)]
pub(crate) struct View {
    dir: PathBuf,
    cache: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The stamp of the list of names, if it holds.
    root: Option<Stamp>,
    names: BTreeMap<ArtifactName, Slot>,
    /// How many records were read since the index was written.
    unsaved: usize,
    /// The index that the blocks are in.
    index: Arc<[u8]>,
}

/// What is known of a name.
#[derive(Debug, Default)]
struct Slot {
    /// The stamp of its directory, if it holds.
    stamp: Option<Stamp>,
    content: Content,
}

#[derive(Debug, Default)]
enum Content {
    #[default]
    Unknown,
    /// A part of the index.
    Block(Range<usize>),
    Known(Arc<Versions>),
}

impl View {
    /// The catalog in a directory, with its index in another one.
    pub(crate) fn open(dir: PathBuf, cache: PathBuf) -> Self {
        let mut state = State::default();
        if let Some(file) = index_store::load(&cache) {
            state.root = file.root;
            state.index = file.bytes;
            let slot = |stamp, block| Slot {
                stamp,
                content: Content::Block(block),
            };
            let names = file.names.into_iter();
            state.names = names
                .map(|found| (found.name, slot(found.stamp, found.block)))
                .collect();
        }
        Self {
            dir,
            cache,
            state: Mutex::new(state),
        }
    }

    /// The directory of a name.
    pub(super) fn dir_of(&self, name: &ArtifactName) -> PathBuf {
        self.dir.join(name.as_str())
    }

    /// Every version of a name as it is now.
    pub(super) fn versions(&self, name: &ArtifactName) -> Result<Arc<Versions>, StoreError> {
        let dir = self.dir_of(name);
        let found = Stamp::of(&dir).map_err(failed("cannot read", &dir))?;
        let mut state = self.state();
        if found.is_none() {
            return Ok(Arc::new(Versions::new(name.clone(), Vec::new())));
        }
        let known = state.known(name);
        if let Some(versions) = &known
            && state.names.get(name).is_some_and(|slot| slot.stamp == found)
        {
            return Ok(Arc::clone(versions));
        }
        let (listed, read) = listing::versions(&dir, &self.pulse(), name, known.as_deref())?;
        // What did not change keeps its place, and those who hold it share it.
        let versions = known.filter(|known| **known == listed.content);
        let versions = versions.unwrap_or_else(|| Arc::new(listed.content));
        let slot = Slot {
            stamp: listed.stamp,
            content: Content::Known(Arc::clone(&versions)),
        };
        state.names.insert(name.clone(), slot);
        state.unsaved += read;
        if state.unsaved >= SAVE_AFTER {
            self.save(&mut state);
        }
        Ok(versions)
    }

    /// What is known of a name already, by the index or a question before; not whether it is still so.
    pub(super) fn known(&self, name: &ArtifactName) -> Option<Arc<Versions>> {
        self.state().known(name)
    }

    /// All names that have a directory, sorted.
    pub(super) fn names(&self) -> Result<Vec<ArtifactName>, StoreError> {
        let found = Stamp::of(&self.dir).map_err(failed("cannot read", &self.dir))?;
        let mut state = self.state();
        if found.is_none() || state.root != found {
            let listed = listing::list(&self.dir, &self.pulse(), |files| {
                let names = files.into_iter().filter_map(|name| ArtifactName::new(name).ok());
                Ok(names.collect::<Vec<_>>())
            })?;
            let mut before = std::mem::take(&mut state.names);
            let slot = |name: ArtifactName| {
                let slot = before.remove(&name).unwrap_or_default();
                (name, slot)
            };
            state.names = listed.content.into_iter().map(slot).collect();
            state.root = listed.stamp;
        }
        Ok(state.names.keys().cloned().collect())
    }

    /// Brings the index on disk up to date, if it can be written.
    pub(super) fn flush(&self) {
        let mut state = self.state();
        if state.unsaved > 0 {
            self.save(&mut state);
        }
    }

    fn save(&self, state: &mut State) {
        // A cache: where it cannot be written, it is not.
        state.unsaved = 0;
        index_store::save(&self.cache, |current| {
            if let Some(current) = current {
                state.adopt(current);
            }
            let index = Arc::clone(&state.index);
            // Of what is not known there is the name: the list of names is complete when its stamp holds.
            let block = |content: &Content| match content {
                Content::Unknown => Vec::new(),
                Content::Block(at) => index[at.clone()].to_vec(),
                Content::Known(versions) => encode_block(versions),
            };
            let names = state.names.iter();
            let names = names.map(|(name, slot)| (name, slot.stamp, block(&slot.content)));
            IndexFile::encode(state.root, names)
        });
    }

    fn pulse(&self) -> PathBuf {
        pulse(&self.cache)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The file that the file system's clock is read off.
fn pulse(cache: &Path) -> PathBuf {
    let _ = fs::create_dir(cache);
    cache.join("pulse")
}

impl State {
    /// What is known of a name; not whether it is still so.
    fn known(&mut self, name: &ArtifactName) -> Option<Arc<Versions>> {
        let slot = self.names.get_mut(name)?;
        if let Content::Block(at) = &slot.content {
            let decoded = self
                .index
                .get(at.clone())
                .and_then(|block| decode_block(name, block));
            slot.content = decoded.map_or(Content::Unknown, |found| Content::Known(Arc::new(found)));
        }
        match &slot.content {
            Content::Known(versions) => Some(Arc::clone(versions)),
            _ => None,
        }
    }

    /// Takes over what another process wrote of names that are not known here. It is checked against their
    /// directories like everything else.
    fn adopt(&mut self, file: IndexFile) {
        if self.root.is_none() {
            self.root = file.root;
            for found in &file.names {
                self.names.entry(found.name.clone()).or_default();
            }
        }
        for found in file.names {
            let Some(slot) = self.names.get_mut(&found.name) else {
                continue;
            };
            if matches!(slot.content, Content::Unknown)
                && let Some(versions) = decode_block(&found.name, &file.bytes[found.block])
            {
                slot.stamp = found.stamp;
                slot.content = Content::Known(Arc::new(versions));
            }
        }
    }
}
