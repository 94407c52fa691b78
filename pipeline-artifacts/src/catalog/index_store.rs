//! The index as a file: read whole, replaced whole.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use tempfile::Builder;

use super::index_file::IndexFile;
use crate::store::Locked;

const FILE: &str = "catalog.index";
const LOCK: &str = "catalog.lock";
/// What is not finished.
const PREFIX: &str = "catalog.";
const SUFFIX: &str = ".new";

/// The index; `None` when there is none that can be believed.
pub(super) fn load(cache: &Path) -> Option<IndexFile> {
    IndexFile::decode(fs::read(cache.join(FILE)).ok()?)
}

/// Replaces the index by what `make` makes of it. Does nothing when another process does so at this moment, or
/// when nothing can be written here: it is a cache. It is not flushed either; one that was cut shows.
pub(super) fn save(cache: &Path, make: impl FnOnce(Option<IndexFile>) -> Vec<u8>) {
    let Ok(lock) = File::options().create(true).append(true).open(cache.join(LOCK)) else {
        return;
    };
    let Ok(Some(_lock)) = Locked::try_alone(lock) else {
        return;
    };
    clean(cache);
    let bytes = make(load(cache));
    let written = Builder::new()
        .prefix(PREFIX)
        .suffix(SUFFIX)
        .tempfile_in(cache)
        .and_then(|mut file| {
            file.write_all(&bytes)?;
            Ok(file)
        });
    // What was not written is tried again when more was read.
    let _ = written.map(|file| file.persist(cache.join(FILE)));
}

/// Removes what a killed process left; the lock is held.
fn clean(cache: &Path) {
    let Ok(files) = fs::read_dir(cache) else { return };
    for file in files.flatten() {
        let name = file.file_name();
        if name
            .to_str()
            .is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX))
        {
            let _ = fs::remove_file(file.path());
        }
    }
}
