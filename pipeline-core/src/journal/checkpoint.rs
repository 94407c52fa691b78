use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::event::{Cursor, Position, StreamId};

/// The last event of a stream, and the hash that covers it and all before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// How many events the stream holds.
    pub position: Position,
    /// The hash of the last one.
    pub hash: Digest,
}

/// All heads of a journal at one moment: some hundred bytes that, kept elsewhere, show later whether
/// anything before them was changed, cut off or deleted.
///
/// A checkpoint is data; sign it or print it. Taking one from [`Journal::checkpoint`](super::Journal::checkpoint)
/// and comparing it later are the only two uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The form of this checkpoint: 1.
    pub format: u32,
    /// How many events the journal held.
    pub cursor: Cursor,
    /// How many commits the journal held.
    pub commits: u64,
    /// The hash of the last commit; [`Digest::ZERO`] for an empty journal.
    pub commit: Digest,
    /// The head of every stream.
    pub heads: BTreeMap<StreamId, Head>,
}

impl Checkpoint {
    /// The digest of the checkpoint: what a signature signs.
    pub fn digest(&self) -> Digest {
        let mut builder = crate::digest::DigestBuilder::new();
        builder.field(self.format.to_be_bytes());
        builder.field(self.cursor.to_be_bytes());
        builder.field(self.commits.to_be_bytes());
        builder.field(self.commit.as_bytes());
        for (stream, head) in &self.heads {
            builder.field(stream.as_str());
            builder.field(head.position.to_be_bytes());
            builder.field(head.hash.as_bytes());
        }
        builder.finish()
    }
}
