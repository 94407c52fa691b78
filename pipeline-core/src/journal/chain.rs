//! How events and commits are linked: the bytes that are hashed, and in which order.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::Write;

use crate::event::{Cursor, Event, Payload, PayloadError};
use crate::{Digest, digest::DigestBuilder};

/// The salt of a payload that needs none, since it never leaves the process.
pub(super) const NO_SALT: &str = "00000000000000000000000000000000";

/// The digest that stands for a payload in the chain: of the salt as text, then of the payload as text.
pub(super) fn payload_digest(salt: &[u8], payload: &[u8]) -> Digest {
    let mut builder = DigestBuilder::new();
    builder.update(salt);
    builder.update(payload);
    builder.finish()
}

/// One salt of a commit, as text: 16 bytes that nobody can guess who does not know the seed.
pub(super) fn salt(seed: &[u8; 16], index: u64) -> String {
    let mut builder = DigestBuilder::new();
    builder.update(seed);
    builder.update(index.to_be_bytes());
    let mut text = builder.finish().hex();
    text.truncate(NO_SALT.len());
    text
}

/// The digest that closes a commit. `cursor` is the journal's length after it.
pub(super) fn commit_digest<'a>(
    previous: &Digest,
    number: u64,
    cursor: Cursor,
    events: impl IntoIterator<Item = &'a Digest>,
) -> Digest {
    let mut builder = DigestBuilder::new();
    builder.update(previous.as_bytes());
    builder.update(number.to_be_bytes());
    builder.update(cursor.to_be_bytes());
    for event in events {
        builder.update(event.as_bytes());
    }
    builder.finish()
}

/// The payload as one line of text. JSON has line breaks only between its parts, where a space means the
/// same.
pub(super) fn payload_line(payload: &Payload) -> Result<Cow<'_, str>, PayloadError> {
    let text = payload.to_json()?;
    Ok(if text.contains(['\n', '\r']) {
        Cow::Owned(text.replace(['\n', '\r'], " "))
    } else {
        text
    })
}

/// Writes the envelope of an event: the bytes whose SHA-256 is the event's hash.
pub(super) fn write_envelope(out: &mut Vec<u8>, event: &Event, payload: &Digest, previous: &Digest) {
    put(
        out,
        format_args!(
            r#"{{"stream":"{}","position":{},"at":"{}","kind":"#,
            event.stream, event.position, event.at
        ),
    );
    put_text(out, &event.kind);
    put(out, format_args!(r#","version":{},"actor":"#, event.version));
    put_text(out, &event.actor.to_string());
    out.extend_from_slice(br#","causes":["#);
    for (index, cause) in event.causes.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        put(
            out,
            format_args!(
                r#"{comma}{{"stream":"{}","position":{}}}"#,
                cause.stream, cause.position
            ),
        );
    }
    put(
        out,
        format_args!(r#"],"payload":"{payload}","previous":"{previous}"}}"#),
    );
}

/// Appends what something displays.
pub(super) fn put(out: &mut Vec<u8>, what: impl Display) {
    #[expect(clippy::expect_used, reason = "a vector takes all bytes")]
    write!(out, "{what}").expect("a vector takes all bytes");
}

/// Appends a JSON string.
fn put_text(out: &mut Vec<u8>, text: &str) {
    #[expect(
        clippy::expect_used,
        reason = "every text has a JSON form, and a vector takes all bytes"
    )]
    serde_json::to_writer(out, text).expect("every text has a JSON form");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Actor, EventRef};

    fn event() -> Event {
        let stream = "run/a".parse().unwrap();
        Event {
            causes: vec![
                EventRef {
                    stream: "change/c-1".parse().unwrap(),
                    position: 4,
                },
                EventRef { stream, position: 1 },
            ],
            stream: "run/a".parse().unwrap(),
            position: 2,
            cursor: 9,
            at: "2026-03-01T12:00:00.5Z".parse().unwrap(),
            kind: "run.\"odd\"".into(),
            version: 1,
            actor: Actor::person("Zoë").unwrap(),
            payload: Payload::json("{}"),
        }
    }

    #[test]
    fn the_envelope_is_written_in_one_way() {
        let mut out = Vec::new();
        write_envelope(
            &mut out,
            &event(),
            &payload_digest(NO_SALT.as_bytes(), b"{}"),
            &Digest::ZERO,
        );
        let text = String::from_utf8(out).unwrap().replace(r#"","#, "\",\n");
        insta::assert_snapshot!(text, @r###"
        {"stream":"run/a",
        "position":2,"at":"2026-03-01T12:00:00.5Z",
        "kind":"run.\"odd\"",
        "version":1,"actor":"person:Zoë",
        "causes":[{"stream":"change/c-1",
        "position":4},{"stream":"run/a",
        "position":1}],"payload":"sha256:998c9338560a0fca61f3afd5b7f155343f987f12c19fafd59da1c3f613f5d07f",
        "previous":"sha256:0000000000000000000000000000000000000000000000000000000000000000"}
        "###);
    }

    #[test]
    fn salts_differ_and_payloads_stay_on_a_line() {
        assert_ne!(salt(&[0; 16], 0), salt(&[0; 16], 1));
        assert_ne!(salt(&[0; 16], 0), salt(&[1; 16], 0));
        assert_eq!(salt(&[0; 16], 0).len(), 32);
        assert_eq!(
            payload_line(&Payload::json("{\n \"a\":\r\n1}")).unwrap(),
            "{  \"a\":  1}"
        );
    }

    #[test]
    fn a_commit_covers_its_number_its_cursor_and_the_order() {
        let (a, b) = (Digest::of("a"), Digest::of("b"));
        let digest = commit_digest(&Digest::ZERO, 1, 2, [&a, &b]);
        for other in [
            commit_digest(&Digest::ZERO, 1, 2, [&b, &a]),
            commit_digest(&Digest::ZERO, 2, 2, [&a, &b]),
            commit_digest(&Digest::ZERO, 1, 3, [&a, &b]),
            commit_digest(&a, 1, 2, [&a, &b]),
        ] {
            assert_ne!(digest, other);
        }
    }
}
