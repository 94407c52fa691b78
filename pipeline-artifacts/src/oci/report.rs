use pipeline_core::{ArtifactRef, Digest};
use serde::Serialize;

/// How much travelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Transferred {
    /// How many blobs travelled.
    pub blobs: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many blobs were there already.
    pub present: usize,
}

impl Transferred {
    pub(super) fn note(&mut self, moved: bool, size: u64) {
        if moved {
            self.blobs += 1;
            self.bytes += size;
        } else {
            self.present += 1;
        }
    }
}

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PushReport {
    /// The artifact.
    pub artifact: ArtifactRef,
    /// Where it is now, by tag.
    pub place: String,
    /// What travelled, besides manifests.
    pub moved: Transferred,
    /// What is attached to it there now, of what is attached to it here.
    pub attachments: usize,
}

/// What a pull did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PullReport {
    /// The artifact, in the local store now.
    pub artifact: ArtifactRef,
    /// Where it came from.
    pub place: String,
    /// What travelled, besides manifests.
    pub moved: Transferred,
    /// What is attached to it here now, of what is attached to it there.
    pub attachments: Vec<Digest>,
    /// What is attached to it there, and was not taken.
    pub skipped: Vec<SkippedAttachment>,
    /// Whether still more is attached to it there than is read of a list: see
    /// [`MAX_LISTED`](crate::limits::MAX_LISTED) and [`MAX_LIST_PAGES`](crate::limits::MAX_LIST_PAGES).
    pub more_are_listed: bool,
}

/// Something that a registry says to be attached, and that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SkippedAttachment {
    /// What the registry calls it; shortened, when that is no digest.
    pub digest: String,
    /// Why it was not taken.
    pub reason: String,
}
