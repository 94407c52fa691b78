use std::collections::BTreeMap;

use pipeline_core::{ArtifactRef, StoreError, Timestamp};

use super::{Fate, RetentionDecision, RetentionPlan};
use crate::catalog::Layout;
use crate::{Because, InUse, LocalStore, MarkKind};

/// What was done of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CarriedOut {
    /// What was removed now.
    pub removed: Vec<ArtifactRef>,
    /// What was removed before, by somebody else.
    pub already: Vec<ArtifactRef>,
}

/// A plan that was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarryOutError {
    /// Something is needed now that was not when the plan was made. Nothing was removed.
    #[error("{artifact} is needed now ({reason}): make a new plan")]
    Needed {
        /// What it would have removed.
        artifact: ArtifactRef,
        /// Why it is kept now.
        reason: String,
    },
    /// The plan is of another store, or of another time.
    #[error("{artifact} is not in this store: make a new plan")]
    Unknown {
        /// What it would have removed.
        artifact: ArtifactRef,
    },
    /// The store failed. What was removed before stays removed; the plan can be carried out again.
    #[error("the plan was not carried out to its end")]
    Store(#[from] StoreError),
}

impl LocalStore {
    /// Removes what a plan says, and nothing else: marks it, durably. The versions stay taken; their bytes go with the
    /// next [`collect`](LocalStore::collect), and until then publishing the same content again brings them back.
    ///
    /// Everything is judged once more before: with what is in use now, at the time of now, and with what was published
    /// and yanked since.
    ///
    /// # Errors
    ///
    /// [`CarryOutError::Needed`] when that would keep what the plan removes: nothing is removed then.
    pub fn carry_out(
        &self,
        plan: &RetentionPlan,
        in_use: &[InUse],
        why: &Because,
        now: Timestamp,
    ) -> Result<CarriedOut, CarryOutError> {
        let catalog = self.catalog();
        let mut names = BTreeMap::new();
        for decision in plan.removed() {
            let name = &decision.artifact.name;
            if !names.contains_key(name) {
                let versions = catalog.versions(name)?;
                let decisions = plan.policy.decide(&versions, in_use, now);
                let by_version = |now: RetentionDecision| (now.artifact.version.clone(), now);
                let decisions: BTreeMap<_, _> = decisions.into_iter().map(by_version).collect();
                names.insert(name.clone(), (versions, decisions));
            }
        }
        let mut done = CarriedOut::default();
        for decision in plan.removed() {
            let artifact = &decision.artifact;
            let unknown = || CarryOutError::Unknown {
                artifact: artifact.clone(),
            };
            let (versions, decisions) = names.get(&artifact.name).ok_or_else(unknown)?;
            let entry = versions
                .get(&artifact.version)
                .filter(|entry| entry.digest == artifact.digest);
            if entry.ok_or_else(unknown)?.removed {
                done.already.push(artifact.clone());
                continue;
            }
            let now = decisions
                .get(&artifact.version)
                .filter(|now| now.artifact == *artifact)
                .ok_or_else(unknown)?;
            if now.fate == Fate::Kept {
                return Err(CarryOutError::Needed {
                    artifact: artifact.clone(),
                    reason: now.reason.clone(),
                });
            }
            done.removed.push(artifact.clone());
        }
        for artifact in &done.removed {
            catalog.mark(&artifact.name, &artifact.version, MarkKind::Removed, why)?;
        }
        for name in names.keys() {
            Layout::of(self, name).lock()?.anew()?;
        }
        Ok(done)
    }
}
