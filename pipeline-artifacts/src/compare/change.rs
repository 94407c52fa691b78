use pipeline_core::{ArtifactEntry, EntryKind};
use serde::Serialize;

/// One path that differs. At least one of both sides is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// The path.
    pub path: String,
    /// How it differs.
    pub change: ChangeKind,
    /// What was there before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<EntryKind>,
    /// What is there after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<EntryKind>,
}

/// How a path differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ChangeKind {
    /// It was not there before.
    Added,
    /// It is not there any more.
    Removed,
    /// The bytes of a file, or the target of a link; perhaps also whether the file may be executed.
    Changed,
    /// Only whether the file may be executed.
    Mode,
    /// It was a file and is a link now, or the like.
    Kind,
}

impl Change {
    /// The change between two sides of a path, if there is one.
    pub(super) fn of(before: Option<ArtifactEntry>, after: Option<ArtifactEntry>) -> Option<Self> {
        let split = |entry: ArtifactEntry| (entry.path, entry.kind);
        let (old_path, before) = before.map(split).unzip();
        let (new_path, after) = after.map(split).unzip();
        let change = match (&before, &after) {
            (None, None) => return None,
            (None, Some(_)) => ChangeKind::Added,
            (Some(_), None) => ChangeKind::Removed,
            (Some(before), Some(after)) if before == after => return None,
            (Some(EntryKind::File { digest: before, .. }), Some(EntryKind::File { digest: after, .. }))
                if before == after =>
            {
                ChangeKind::Mode
            }
            (Some(EntryKind::File { .. }), Some(EntryKind::File { .. }))
            | (Some(EntryKind::Symlink { .. }), Some(EntryKind::Symlink { .. })) => ChangeKind::Changed,
            (Some(_), Some(_)) => ChangeKind::Kind,
        };
        Some(Self {
            path: old_path.or(new_path)?,
            change,
            before,
            after,
        })
    }

    /// Whether the file may be executed where it may not on the other side: before and after.
    pub fn mode(&self) -> Option<(bool, bool)> {
        match (&self.before, &self.after) {
            (
                Some(EntryKind::File {
                    executable: before, ..
                }),
                Some(EntryKind::File {
                    executable: after, ..
                }),
            ) if before != after => Some((*before, *after)),
            _ => None,
        }
    }
}
