use std::fs;

use super::derived::{Bytes, put_name};
use super::error::unreadable;
use super::image::Image;
use super::store::Store;
use crate::Digest;
use crate::journal::{FoldSnapshot, StoreFoldError};
use crate::name::FoldName;

const MAGIC: &[u8] = b"release-pipeline fold\n";
const VERSION: u32 = 1;

impl Store {
    /// The state of a fold, if it was kept and fits this journal.
    pub(super) fn load_fold(&self, name: &FoldName, version: u32) -> Option<FoldSnapshot> {
        let derived = self.directory.derived();
        let bytes = derived.read(&derived.fold(name))?;
        let (fold, hash) = decode(&bytes)?;
        if fold.name != *name || fold.version != version {
            return None;
        }
        let mut state = self.state();
        self.refresh(&mut state).ok()?;
        (place(&state.image, &fold) == Ok(hash)).then_some(fold)
    }

    /// Keeps the state of a fold; a handle for reading only does nothing.
    pub(super) fn store_fold(&self, fold: &FoldSnapshot) -> Result<(), StoreFoldError> {
        if self.entropy.is_none() {
            return Ok(());
        }
        let FoldSnapshot { name, .. } = fold;
        let unread = |source| StoreFoldError::Read {
            name: name.clone(),
            source,
        };
        let unfit = |reason| StoreFoldError::Unfit {
            name: name.clone(),
            reason,
        };
        let derived = self.directory.derived();
        let path = derived.fold(name);
        let refused = |source| StoreFoldError::Io {
            path: path.clone(),
            source,
        };
        let mut state = self.state();
        self.refresh(&mut state).map_err(unread)?;
        let hash = place(&state.image, fold).map_err(unfit)?;
        drop(state);
        let draft = derived.write(&path, encode(fold, &hash)).map_err(refused)?;
        // Under the lock, so that no erasure comes between the look and the name.
        let mut state = self.state();
        let lock = self.directory.lock_shared();
        let _lock = lock.map_err(unreadable(self.path())).map_err(unread)?;
        self.advance(&mut state).map_err(unread)?;
        place(&state.image, fold).map_err(unfit)?;
        draft.publish().map_err(refused)
    }
}

impl Store {
    /// Removes the state of a fold; a handle for reading only does nothing.
    pub(super) fn forget_fold(&self, name: &FoldName) {
        if self.entropy.is_some() {
            let derived = self.directory.derived();
            // What is left for now is removed when there are too many.
            let _ = fs::remove_file(derived.fold(name));
        }
    }
}

/// The hash of the last event that a fold saw.
fn place(image: &Image, fold: &FoldSnapshot) -> Result<Digest, &'static str> {
    let line = image.index.line(fold.cursor);
    if image.scan.erasures.recorded.values().any(|erased| *erased > line) {
        return Err("a payload was erased since");
    }
    let Some(last) = fold.cursor.checked_sub(1) else {
        return Ok(Digest::ZERO);
    };
    let entry = usize::try_from(last)
        .ok()
        .and_then(|last| image.index.entries().get(last));
    entry
        .map(|entry| entry.hash)
        .ok_or("the journal has no such event")
}

fn encode(fold: &FoldSnapshot, hash: &Digest) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + fold.bytes.len());
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    put_name(&mut out, fold.name.as_str());
    out.extend_from_slice(&fold.version.to_le_bytes());
    out.extend_from_slice(&fold.cursor.to_le_bytes());
    out.extend_from_slice(hash.as_bytes());
    out.extend_from_slice(&fold.bytes);
    out
}

fn decode(bytes: &[u8]) -> Option<(FoldSnapshot, Digest)> {
    let mut bytes = Bytes(bytes);
    if bytes.take(MAGIC.len())? != MAGIC || bytes.u32()? != VERSION {
        return None;
    }
    let name = FoldName::new(bytes.text()?).ok()?;
    let (version, cursor, hash) = (bytes.u32()?, bytes.u64()?, bytes.digest()?);
    let fold = FoldSnapshot {
        name,
        version,
        cursor,
        bytes: bytes.0.to_vec(),
    };
    Some((fold, hash))
}
