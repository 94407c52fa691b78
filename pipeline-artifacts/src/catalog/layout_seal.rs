use std::fs;
use std::io;
use std::path::Path;

use pipeline_core::{Digest, StoreError};
use serde::{Deserialize, Serialize};

use super::sealed;
use super::stamp::Stamp;
use crate::store::disk::failed;

pub(super) const FILE: &str = ".seal";

/// Says that a layout's index shows what there is, so that it need not be made from all records when one more is there:
/// the stamp of the name's directory in the catalog, the stamp of the index, and its digest.
///
/// It is broken before the catalog is changed and made anew after the index was written, both while the layout is locked.
/// So whoever is killed in between leaves none. A catalog that was changed in another way has another stamp, and so has an
/// index that somebody put there, were it an old one of ours. Then the index is made from the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LayoutSeal {
    pub(super) catalog: Stamp,
    pub(super) index: Stamp,
    pub(super) digest: Digest,
}

/// As it is written. Not every JSON carries large numbers exactly.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    catalog: String,
    digest: Digest,
    index: String,
}

impl LayoutSeal {
    /// The seal in a directory; `None` when there is none that can be believed.
    pub(super) fn read(dir: &Path) -> Option<Self> {
        let written: Written = sealed::read(&fs::read(dir.join(FILE)).ok()?).ok()?;
        Some(Self {
            catalog: Stamp::parse(&written.catalog)?,
            index: Stamp::parse(&written.index)?,
            digest: written.digest,
        })
    }

    /// Takes the seal off a directory.
    pub(super) fn break_off(dir: &Path) -> Result<(), StoreError> {
        let path = dir.join(FILE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("cannot remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Puts it on a directory. Half of one is none.
    pub(super) fn write(&self, dir: &Path) -> Result<(), StoreError> {
        let written = Written {
            catalog: self.catalog.to_string(),
            digest: self.digest,
            index: self.index.to_string(),
        };
        let bytes = sealed::write(&written).map_err(|error| StoreError::Other(Box::new(error)))?;
        let path = dir.join(FILE);
        fs::write(&path, bytes).map_err(failed("cannot write", &path))
    }
}
