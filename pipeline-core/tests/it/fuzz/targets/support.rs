//! What targets share: edits of something good, since random bytes seldom get past the first check.

use std::sync::Arc;

use pipeline_core::{
    Actor, Batch, EventRef, Expected, FileJournal, Journal, JournalExt, NewEvent, Payload, ReadError,
    SystemEntropy, Timestamp,
};

/// Takes numbers and texts from the input; zeros when it is used up.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// A number below a limit, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let number = self
            .take(4)
            .iter()
            .fold(0, |number, byte| number << 8 | usize::from(*byte));
        number % limit
    }

    pub(crate) fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// Changes bytes as the input says.
pub(crate) fn edit(bytes: &mut Vec<u8>, input: &mut Input<'_>) {
    for _ in 0..32 {
        if input.is_empty() || bytes.is_empty() {
            return;
        }
        let operation = input.byte();
        let at = input.below(bytes.len());
        let len = (1 + usize::from(input.byte())).min(bytes.len() - at);
        match operation % 8 {
            0 => bytes[at] ^= 1 << (len % 8),
            1 => bytes[at] = input.byte(),
            2 => drop(bytes.drain(at..at + len)),
            3 => bytes.truncate(at),
            4 => {
                let copy = bytes[at..at + len].to_vec();
                let to = input.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            5 => bytes[at..at + len].fill(0),
            6 => {
                let text = input.take(len.min(16));
                bytes.splice(at..at, text.iter().copied());
            }
            _ => {
                let text = input.take(len.min(16));
                let end = (at + text.len()).min(bytes.len());
                bytes.splice(at..end, text.iter().copied());
            }
        }
    }
}

/// Drives a future that never waits: outside a runtime, a file journal does its work at once.
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

/// A batch that says something in each of these streams.
pub(crate) fn batch(streams: &[&str], text: &str) -> Batch {
    let payload = serde_json::to_string(text).expect("text has a JSON form");
    streams
        .iter()
        .fold(Batch::new(Timestamp::UNIX_EPOCH), |batch, stream| {
            let event = NewEvent::raw("test.said", 1, Payload::json(payload.as_str()));
            batch.event(&stream.parse().expect("a stream"), Expected::Any, event)
        })
}

/// The bytes of a small journal: some commits, a cause, an erased payload.
pub(crate) fn small() -> &'static [u8] {
    static SMALL: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    SMALL.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a directory");
        let (journal, _) = FileJournal::open(directory.path(), Arc::new(SystemEntropy)).expect("a journal");
        for batch in [
            batch(&["run/a"], "one"),
            batch(&["run/a", "run/b", "run/a"], "two \"2\""),
            batch(&["environment/production", "run/b"], "three"),
        ] {
            let _commit = ready(journal.append(batch)).expect("appended");
        }
        let event = EventRef {
            stream: "run/b".parse().expect("a stream"),
            position: 1,
        };
        let by = Actor::person("Zoë").expect("a name");
        journal
            .erase(&event, by, "asked to", Timestamp::UNIX_EPOCH)
            .expect("erased");
        let _commit = ready(journal.append(batch(&["run/a"], "four"))).expect("appended");
        std::fs::read(journal.path()).expect("the journal")
    })
}

/// Every event of a journal as text.
pub(crate) fn said(journal: &FileJournal) -> Result<Vec<String>, ReadError> {
    let events = ready(journal.read_everything(0))?;
    Ok(events.iter().map(|event| format!("{event:?}")).collect())
}
