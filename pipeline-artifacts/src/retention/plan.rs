use std::collections::BTreeSet;
use std::fmt;

use pipeline_core::{ArtifactName, StoreError, Timestamp};
use semver::Version;
use serde::{Deserialize, Serialize};

use super::{Fate, RetentionDecision, RetentionPolicy};
use crate::collect::Live;
use crate::{CollectError, InUse, LocalStore};

/// What a policy would do to a store: every version, kept or removed, and why. Data, so that it can be shown, stored and
/// approved; [`LocalStore::carry_out`] does exactly what it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RetentionPlan {
    /// The policy.
    pub policy: RetentionPolicy,
    /// The time that it was judged at.
    pub at: Timestamp,
    /// Every version that was not removed yet, by name, the oldest first.
    pub decisions: Vec<RetentionDecision>,
    /// How many bytes nothing needs any more then: those of blobs that only removed versions have.
    pub frees: u64,
    /// How many bytes all blobs in the store have.
    pub of: u64,
}

impl LocalStore {
    /// What a policy would do now. Changes nothing, and needs no right to write; what is published or yanked meanwhile it may
    /// not know, and [`LocalStore::carry_out`] judges once more.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read, or it is not known what a version that stays needs.
    ///
    /// ```
    /// use pipeline_artifacts::{Fate, LocalStore, Packer, RetentionPolicy};
    /// # use pipeline_artifacts::{Because, Publication};
    /// # use pipeline_core::{Actor, ArtifactRef};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let dist = dir.path().join("dist");
    /// # std::fs::create_dir(&dist)?;
    /// # let now: pipeline_core::Timestamp = "2026-11-25T12:00:00Z".parse()?;
    /// # let store = LocalStore::open(dir.path().join("store"))?;
    /// for version in ["1.0.0", "1.1.0"] {
    ///     std::fs::write(dist.join("VERSION"), version)?;
    ///     let packed = Packer::new(&dist).pack(&store)?;
    ///     store.publish(&"shop".parse()?, &version.parse()?, &packed.digest)?;
    /// }
    /// let policy = RetentionPolicy::parse("keep-last = 1", "retention.toml")?;
    /// let in_use = []; // `InUse::in_estate` says what environments run
    /// let plan = store.plan_retention(&policy, &in_use, now)?;
    /// println!("{plan}");
    /// assert_eq!(plan.decisions[0].fate, Fate::Removed);
    ///
    /// let why = Because::new("it is old", Actor::person("ada")?, now)?;
    /// store.carry_out(&plan, &in_use, &why, now)?;
    /// assert_eq!(store.find(&"shop".parse()?, &"1.0.0".parse()?)?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn plan_retention(
        &self,
        policy: &RetentionPolicy,
        in_use: &[InUse],
        now: Timestamp,
    ) -> Result<RetentionPlan, CollectError> {
        let mut decisions = Vec::new();
        for versions in self.catalog().all()? {
            decisions.extend(policy.decide(&versions, in_use, now));
        }
        let mut plan = RetentionPlan {
            policy: policy.clone(),
            at: now,
            decisions,
            frees: 0,
            of: 0,
        };
        let removed = plan.removed().map(|decision| {
            let artifact = &decision.artifact;
            (artifact.name.clone(), artifact.version.clone())
        });
        let removed: BTreeSet<(ArtifactName, Version)> = removed.collect();
        let after = Live::without(self, in_use, &removed)?;
        // What the removed ones have; what was nobody's before is not freed by this.
        let mut had = BTreeSet::new();
        for decision in plan.removed() {
            match self.needed(&decision.artifact.digest) {
                Ok(blobs) => had.extend(blobs),
                // A version that is broken frees what is left of it; how much, nobody knows.
                Err(StoreError::NotFound { .. } | StoreError::Damaged { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        plan.frees = had
            .iter()
            .filter(|blob| !after.has(&blob.digest))
            .map(|blob| blob.size)
            .sum();
        plan.of = self.list_blobs()?.iter().map(|blob| blob.size).sum();
        Ok(plan)
    }
}

impl RetentionPlan {
    /// What would be removed.
    pub fn removed(&self) -> impl Iterator<Item = &RetentionDecision> {
        self.decisions
            .iter()
            .filter(|decision| decision.fate == Fate::Removed)
    }
}

impl fmt::Display for RetentionPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |text: &dyn Fn(&RetentionDecision) -> String| {
            let widths = self.decisions.iter().map(|decision| text(decision).len());
            widths.max().unwrap_or(0)
        };
        let version = width(&|decision| decision.artifact.version.to_string());
        let size = width(&|decision| bytes(decision.bytes));
        let mut name = None;
        for decision in &self.decisions {
            let artifact = &decision.artifact;
            if name != Some(&artifact.name) {
                writeln!(f, "{}", artifact.name)?;
                name = Some(&artifact.name);
            }
            let fate = match decision.fate {
                Fate::Kept => "keep  ",
                Fate::Removed => "remove",
            };
            let (spelt, bytes, why) = (
                artifact.version.to_string(),
                bytes(decision.bytes),
                &decision.reason,
            );
            writeln!(f, "  {fate}  {spelt:version$}  {bytes:>size$}  {why}")?;
        }
        let (removed, all) = (self.removed().count(), self.decisions.len());
        let (frees, of) = (self.frees, self.of);
        write!(
            f,
            "{removed} of {all} versions would be removed, which frees {frees} of {of} bytes"
        )
    }
}

fn bytes(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "?".to_owned(), |bytes| bytes.to_string())
}
