use crate::{DeploymentKind, DeploymentResult};

/// A piece of a log, whole lines only, and the rows that were found in it.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    pub(super) rows: Vec<Row>,
    /// The shas of all rows, in their order.
    pub(super) shas: Vec<[u8; 20]>,
    /// How many lines there are, empty ones included.
    pub(super) lines: u64,
}

/// A text in the bytes of a batch.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Text {
    pub(super) start: u32,
    pub(super) end: u32,
}

/// A line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// The number of the line in its batch, from 0.
    pub(super) line: u32,
    pub(super) form: Form,
    /// Where its shas end in those of the batch.
    pub(super) shas: u32,
}

/// What a line tells.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Change {
        service: Text,
        at: i64,
    },
    Deployment {
        service: Text,
        id: Text,
        environment: Text,
        finished: i64,
        started: Option<i64>,
        result: DeploymentResult,
        kind: DeploymentKind,
    },
    Opened {
        service: Text,
        id: Text,
        at: i64,
        deployment: Option<Text>,
    },
    Resolved {
        id: Text,
        at: i64,
    },
    /// Anything unusual: the whole line, for the general reader.
    Other(Text),
    /// A line that was too long to be kept.
    TooLong,
}

impl Batch {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.rows.clear();
        self.shas.clear();
        self.lines = 0;
    }

    pub(super) fn bytes(&self, text: Text) -> &[u8] {
        self.bytes
            .get(text.start as usize..text.end as usize)
            .unwrap_or_default()
    }

    /// A text that was checked to be ASCII.
    pub(super) fn text(&self, text: Text) -> &str {
        std::str::from_utf8(self.bytes(text)).unwrap_or_default()
    }
}
