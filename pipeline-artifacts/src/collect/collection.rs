use pipeline_core::{SignedDuration, Timestamp};

use super::InUse;

/// What a collection is to do.
///
/// Two kinds of blobs are taken. What only [removed](crate::RetentionPlan) versions and their attachments had is taken
/// once nobody stored or reused it for the grace period. What nothing ever referred to, such as an artifact that was
/// packed and not published, is kept unless [`Collection::orphans_after`] says otherwise: stages store output and plans
/// that only the journal names, and the host must [say](Collection::in_use) which of them are needed.
#[derive(Debug, Clone)]
pub struct Collection {
    pub(super) now: Timestamp,
    pub(super) grace: SignedDuration,
    pub(super) orphans_after: Option<SignedDuration>,
    pub(super) in_use: Vec<InUse>,
    pub(super) dry_run: bool,
}

impl Collection {
    /// A collection at this time, with a grace period of a week.
    pub fn new(now: Timestamp) -> Self {
        Self {
            now,
            grace: SignedDuration::from_hours(7 * 24),
            orphans_after: None,
            in_use: Vec::new(),
            dry_run: false,
        }
    }

    /// How long a blob was left alone before it is moved to the trash, and how long it stays there before it is deleted.
    /// Longer than the longest time between packing and publishing.
    #[must_use]
    pub fn grace(mut self, grace: SignedDuration) -> Self {
        self.grace = grace;
        self
    }

    /// Takes also what nothing refers to and nobody stored or reused for so long.
    #[must_use]
    pub fn orphans_after(mut self, age: SignedDuration) -> Self {
        self.orphans_after = Some(age);
        self
    }

    /// Digests that are needed: with a manifest all its blobs, and what is attached to it.
    #[must_use]
    pub fn in_use(mut self, in_use: impl IntoIterator<Item = InUse>) -> Self {
        self.in_use.extend(in_use);
        self
    }

    /// Only tells what would be done; for this the store need not be writable.
    #[must_use]
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }
}
