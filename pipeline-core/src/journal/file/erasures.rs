use std::collections::BTreeMap;

use super::scan::Fault;
use crate::event::{EventPayload, EventRef};
use crate::journal::JournalEvent;

/// Which payloads were erased, and by which right.
#[derive(Debug, Default)]
pub(super) struct Erasures {
    /// What is recorded as erased, and the line that says so.
    pub(super) recorded: BTreeMap<EventRef, u64>,
    /// What is erased, and its line.
    pub(super) erased: BTreeMap<EventRef, u64>,
}

impl Erasures {
    /// The erased payloads that nobody recorded.
    pub(super) fn unrecorded(&self) -> Vec<Fault> {
        let missing = self
            .erased
            .iter()
            .filter(|(event, _)| !self.recorded.contains_key(event));
        let fault = |(event, line): (&EventRef, &u64)| Fault {
            line: *line,
            reason: format!("the payload of `{event}` is erased, but no event records that"),
        };
        missing.map(fault).collect()
    }

    /// What is recorded as erased, but still there.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = (&EventRef, u64)> {
        let open = |(event, _): &(&EventRef, &u64)| !self.erased.contains_key(event);
        self.recorded
            .iter()
            .filter(open)
            .map(|(event, line)| (event, *line))
    }
}

/// The event whose erasure is recorded by an event of this stream.
pub(super) fn recorded(stream: &str, kind: &str, version: u16, payload: &str) -> Option<Box<EventRef>> {
    if stream != JournalEvent::erasures().as_str() {
        return None;
    }
    match JournalEvent::decode(kind, version, payload) {
        Ok(Some(JournalEvent::PayloadErased(erased))) => Some(Box::new(erased.event)),
        Ok(None) | Err(_) => None,
    }
}
