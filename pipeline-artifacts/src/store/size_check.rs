//! What an artifact is said to have, against what is taken.

use pipeline_core::StoreError;

use super::LocalStore;
use super::artifact::fits;
use crate::form::{Manifest, TocFault};
use crate::{LimitExceeded, limits};

impl LocalStore {
    /// Refuses a manifest whose artifact has more than is taken: as its sizes say, and its table of contents, when that is
    /// here.
    pub(crate) fn check_manifest(&self, manifest: &Manifest) -> Result<(), StoreError> {
        let Some((toc, _)) = manifest.parts() else {
            return Ok(());
        };
        let is_here = self.blob_size(&toc.digest)? == Some(toc.size);
        let checked = self.check_sizes(manifest).and_then(|sizes| match sizes {
            Ok(()) if is_here => self.check_contents(manifest),
            checked => Ok(checked),
        })?;
        checked.map_err(|exceeded| StoreError::Refused {
            what: "the artifact".to_owned(),
            reason: exceeded.to_string(),
        })
    }

    /// Holds the sizes in a manifest against the limits, as long as nothing of it is here.
    pub(crate) fn check_sizes(&self, manifest: &Manifest) -> Result<Result<(), LimitExceeded>, StoreError> {
        let Some((toc, tar)) = manifest.parts() else {
            return Ok(Ok(()));
        };
        let bytes = tar.iter().map(|layer| layer.size).fold(0, u64::saturating_add);
        if let Err(exceeded) = self.limits().check(bytes, 0) {
            return Ok(Err(exceeded));
        }
        if toc.size > limits::MAX_TOC {
            let most = limits::MAX_TOC;
            return Err(StoreError::Refused {
                what: "the artifact".to_owned(),
                reason: format!(
                    "its table of contents has {} bytes; at most {most} are allowed",
                    toc.size
                ),
            });
        }
        Ok(Ok(()))
    }

    /// Holds the table of contents of a manifest, which is here, against the limits, as long as the rest is not.
    pub(crate) fn check_contents(
        &self,
        manifest: &Manifest,
    ) -> Result<Result<(), LimitExceeded>, StoreError> {
        let Some((toc_layer, layers)) = manifest.parts() else {
            return Ok(Ok(()));
        };
        let toc = self.read_toc(&toc_layer.digest)?;
        fits(&toc, layers).map_err(|reason| self.toc_fault(&toc_layer.digest, TocFault::Wrong(reason)))?;
        Ok(self.limits().check(toc.cuts().size(), toc.len() as u64))
    }
}
