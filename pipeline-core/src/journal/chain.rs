//! How events and commits are linked: the bytes that are hashed, and in which order.

use std::borrow::Cow;

use crate::event::{Actor, Cursor, Event, EventRef, Payload, PayloadError, Position};
use crate::{Digest, digest::DigestBuilder};

/// The salt of a payload that needs none, since it never leaves the process.
pub(super) const NO_SALT: &str = "00000000000000000000000000000000";

/// The length of a salt as text.
pub(super) const SALT_LEN: usize = 32;

/// The digest that stands for a payload in the chain: of the salt as text, then of the payload as text.
pub(super) fn payload_digest(salt: &[u8], payload: &[u8]) -> Digest {
    let mut builder = DigestBuilder::new();
    builder.update(salt);
    builder.update(payload);
    builder.finish()
}

/// One salt of a commit, as text: 16 bytes that nobody can guess who does not know the seed.
pub(super) fn salt(seed: &[u8; 16], index: u64) -> [u8; SALT_LEN] {
    let mut builder = DigestBuilder::new();
    builder.update(seed);
    builder.update(index.to_be_bytes());
    let digest = builder.finish();
    let mut text = [0; SALT_LEN];
    for (pair, byte) in text.chunks_exact_mut(2).zip(digest.as_bytes()) {
        pair.copy_from_slice(&hex(*byte));
    }
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

/// What stands in the envelope of an event.
#[derive(Debug)]
pub(super) struct EnvelopeParts<'a> {
    pub(super) stream: &'a str,
    pub(super) position: Position,
    /// The time as text.
    pub(super) at: &'a str,
    pub(super) kind: &'a str,
    pub(super) version: u16,
    pub(super) actor: &'a Actor,
    pub(super) causes: &'a [EventRef],
    pub(super) payload: &'a Digest,
    pub(super) previous: &'a Digest,
}

impl EnvelopeParts<'_> {
    /// Writes the envelope: the bytes whose SHA-256 is the event's hash.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put_place(out, self.stream, self.position);
        put_all(out, [r#","at":""#, self.at, r#"","kind":"#]);
        put_text(out, self.kind);
        out.extend_from_slice(br#","version":"#);
        put_number(out, self.version.into());
        match self.actor {
            Actor::Engine => out.extend_from_slice(br#","actor":"engine","causes":["#),
            other => {
                out.extend_from_slice(br#","actor":"#);
                put_text(out, &other.to_string());
                out.extend_from_slice(br#","causes":["#);
            }
        }
        for (index, EventRef { stream, position }) in self.causes.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            put_place(out, stream.as_str(), *position);
            out.push(b'}');
        }
        out.extend_from_slice(br#"],"payload":""#);
        put_digest(out, self.payload);
        out.extend_from_slice(br#"","previous":""#);
        put_digest(out, self.previous);
        out.extend_from_slice(br#""}"#);
    }
}

/// Writes the envelope of an event.
pub(super) fn write_envelope(out: &mut Vec<u8>, event: &Event, payload: &Digest, previous: &Digest) {
    EnvelopeParts {
        stream: event.stream.as_str(),
        position: event.position,
        at: &event.at.to_string(),
        kind: &event.kind,
        version: event.version,
        actor: &event.actor,
        causes: &event.causes,
        payload,
        previous,
    }
    .write(out);
}

/// Appends texts as they are.
pub(super) fn put_all<const N: usize>(out: &mut Vec<u8>, texts: [&str; N]) {
    for text in texts {
        out.extend_from_slice(text.as_bytes());
    }
}

/// Appends a stream and a position, as the beginning of an object.
fn put_place(out: &mut Vec<u8>, stream: &str, position: Position) {
    put_all(out, [r#"{"stream":""#, stream, r#"","position":"#]);
    put_number(out, position);
}

/// Appends a number.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends a digest with its algorithm.
pub(super) fn put_digest(out: &mut Vec<u8>, digest: &Digest) {
    let mut text = *b"sha256:0000000000000000000000000000000000000000000000000000000000000000";
    for (pair, byte) in text[7..].chunks_exact_mut(2).zip(digest.as_bytes()) {
        pair.copy_from_slice(&hex(*byte));
    }
    out.extend_from_slice(&text);
}

fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

/// Appends a JSON string.
fn put_text(out: &mut Vec<u8>, text: &str) {
    let plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
    if text.as_bytes().iter().all(plain) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        return out.push(b'"');
    }
    #[expect(
        clippy::expect_used,
        reason = "every text has a JSON form, and a vector takes all bytes"
    )]
    serde_json::to_writer(out, text).expect("every text has a JSON form");
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn numbers_digests_and_texts_are_written_as_elsewhere() {
        for number in [0, 1, 9, 10, 99, 100, 65_535, u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            put_number(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
        }
        for digest in [Digest::ZERO, Digest::of("x"), Digest::from([0xf0; 32])] {
            let mut out = Vec::new();
            put_digest(&mut out, &digest);
            assert_eq!(out, digest.to_string().as_bytes());
        }
        for text in [
            "",
            "run.started",
            "a\"b",
            "a\\b",
            "\u{1f}",
            "\u{7f}",
            "Zoë \u{2028}",
        ] {
            let mut out = Vec::new();
            put_text(&mut out, text);
            assert_eq!(out, serde_json::to_vec(text).unwrap());
        }
        let text = salt(&[7; 16], 3);
        let mut seed = vec![7; 16];
        seed.extend_from_slice(&3u64.to_be_bytes());
        assert_eq!(text, Digest::of(seed).hex().as_bytes()[..SALT_LEN]);
    }

    #[test]
    fn salts_differ_and_payloads_stay_on_a_line() {
        assert_ne!(salt(&[0; 16], 0), salt(&[0; 16], 1));
        assert_ne!(salt(&[0; 16], 0), salt(&[1; 16], 0));
        assert_eq!(NO_SALT.len(), SALT_LEN);
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
