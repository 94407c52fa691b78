//! Payloads of events: reading never panics, and what was read is written so that it is read again.

use pipeline_core::{EnvironmentEvent, EventPayload, IncidentEvent, JournalEvent, RunEvent};

/// The input is `kind`, a line feed, `version`, a line feed, and the payload.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut parts = text.splitn(3, '\n');
    let (Some(kind), Some(version), Some(json)) = (parts.next(), parts.next(), parts.next()) else {
        return;
    };
    let version = version.parse().unwrap_or(1);
    same::<RunEvent>(kind, version, json);
    same::<EnvironmentEvent>(kind, version, json);
    same::<IncidentEvent>(kind, version, json);
    same::<JournalEvent>(kind, version, json);
}

fn same<P: EventPayload>(kind: &str, version: u16, json: &str) {
    let read = match P::decode(kind, version, json) {
        Ok(Some(read)) => read,
        Ok(None) => return,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert_eq!(read.kind(), kind);
    assert!(read.version() >= version);
    let written = read.encode().expect("what was read can be written");
    let again = P::decode(kind, read.version(), &written);
    let again = again
        .expect("what was written can be read")
        .expect("it is of the family");
    assert_eq!(again.encode().expect("what was read can be written"), written);
}
