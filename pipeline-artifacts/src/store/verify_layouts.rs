use pipeline_core::{ArtifactName, ChainDisplay, StoreError};

use super::ProblemKind;
use super::verify::{Broken, Check, list};
use crate::catalog::{Layout, LayoutFaultKind};

impl Check<'_> {
    /// Holds what other tools read against the catalog. Nothing here breaks an artifact.
    pub(super) fn layouts(&mut self) -> Result<(), StoreError> {
        let dir = self.store.root().join("layouts");
        if dir.is_dir() {
            for file in list(&dir)? {
                let name = file.file_name();
                let is_name = name.to_str().is_some_and(|name| ArtifactName::new(name).is_ok());
                let is_dir = file.file_type().is_ok_and(|kind| kind.is_dir());
                // Notes of what is being attached lie there as well.
                if !(is_dir && (is_name || name == ".attaching")) {
                    self.unexpected(&file.path(), "it is not the layout of a name");
                }
            }
        }
        for name in self.store.shown_names()? {
            match Layout::of(self.store, &name).faults() {
                Ok(faults) => {
                    for fault in faults {
                        let kind = match fault.kind {
                            LayoutFaultKind::Behind => ProblemKind::Outdated,
                            LayoutFaultKind::False => ProblemKind::Damaged,
                            LayoutFaultKind::Unexpected => ProblemKind::Unexpected,
                        };
                        self.problem(&fault.path, kind, fault.what, &Broken::new());
                    }
                }
                // A damaged record is told of; what the view should show is not known then.
                Err(StoreError::Damaged { .. }) => {}
                Err(error) => {
                    let what = ChainDisplay(&error).to_string();
                    self.problem(
                        &dir.join(name.as_str()),
                        ProblemKind::Unreadable,
                        what,
                        &Broken::new(),
                    );
                }
            }
        }
        Ok(())
    }
}
