use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::text::{Stop, Text};
use crate::event::{Actor, Cursor, Event, EventRef, Payload, StreamId};
use crate::journal::chain::{EnvelopeParts, SALT_LEN, payload_digest, put_all, put_digest, put_number};
use crate::{Digest, Timestamp};

/// The first line of a journal, with its end.
pub(super) const HEADER: &str = "{\"journal\":\"release-pipeline\",\"format\":1}\n";

/// The longest line, in bytes. A longer one is not written, and not read.
pub(super) const MAX_LINE: u64 = 256 * 1024 * 1024;

pub(super) const COMMIT: &str = r#"{"commit":{"number":"#;
const EVENT: &str = r#"{"event":"#;
const SALT: &str = r#","salt":""#;
const DATA: &str = r#"","data":"#;
const ERASED: &str = r#","erased":true}"#;

/// The envelope of an event as it stands in a line.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    pub(super) stream: &'a str,
    pub(super) position: u64,
    pub(super) at: &'a str,
    pub(super) kind: Cow<'a, str>,
    pub(super) version: u16,
    pub(super) actor: Cow<'a, str>,
    pub(super) causes: Vec<(&'a str, u64)>,
    pub(super) payload: Digest,
    pub(super) previous: Digest,
}

impl<'a> Envelope<'a> {
    fn read(text: &mut Text<'a>) -> Result<Self, Stop> {
        text.literal(r#"{"stream":""#)?;
        let stream = text.plain()?;
        text.literal(r#"","position":"#)?;
        let position = text.number()?;
        text.literal(r#","at":""#)?;
        let at = text.plain()?;
        text.literal(r#"","kind":"#)?;
        let kind = text.string()?;
        text.literal(r#","version":"#)?;
        let version = text.number()?;
        let version = u16::try_from(version).map_err(|_| text.wrong("a version up to 65535"))?;
        text.literal(r#","actor":"#)?;
        let actor = text.string()?;
        text.literal(r#","causes":["#)?;
        let mut causes = Vec::new();
        while text.rest().first() != Some(&b']') {
            if !causes.is_empty() {
                text.literal(",")?;
            }
            text.literal(r#"{"stream":""#)?;
            let stream = text.plain()?;
            text.literal(r#"","position":"#)?;
            causes.push((stream, text.number()?));
            text.literal("}")?;
        }
        text.literal(r#"],"payload":""#)?;
        let payload = text.digest()?;
        text.literal(r#"","previous":""#)?;
        let previous = text.digest()?;
        text.literal("\"}")?;
        Ok(Self {
            stream,
            position,
            at,
            kind,
            version,
            actor,
            causes,
            payload,
            previous,
        })
    }
}

/// What follows the envelope in a line.
#[derive(Debug)]
pub(super) enum Body<'a> {
    /// The payload is there.
    Data { payload: &'a [u8] },
    /// The payload was erased.
    Erased,
    /// The payload is there, but is not what was written.
    Damaged,
}

/// The line of an event, without its end.
#[derive(Debug)]
pub(super) struct EventLine<'a> {
    pub(super) envelope: Envelope<'a>,
    pub(super) hash: Digest,
    pub(super) body: Body<'a>,
}

impl<'a> EventLine<'a> {
    /// Reads a whole line; only the one way to write it is taken.
    pub(super) fn read(line: &'a [u8]) -> Result<Self, Stop> {
        let mut text = Text::new(line);
        let (envelope, hash) = Self::envelope(&mut text)?;
        if text.rest() == ERASED.as_bytes() {
            return Ok(Self {
                envelope,
                hash,
                body: Body::Erased,
            });
        }
        text.literal(SALT)?;
        let salt = text.hex(32)?;
        text.literal(DATA)?;
        let payload = text.rest().strip_suffix(b"}").ok_or(Stop::Short)?;
        if payload_digest(salt, payload) != envelope.payload {
            return Err(Stop::Wrong("the payload does not fit its digest".to_owned()));
        }
        Ok(Self {
            envelope,
            hash,
            body: Body::Data { payload },
        })
    }

    fn envelope(text: &mut Text<'a>) -> Result<(Envelope<'a>, Digest), Stop> {
        text.literal(EVENT)?;
        let (start, from) = (text.at(), text.rest());
        let envelope = Envelope::read(text)?;
        Ok((envelope, Digest::of(&from[..text.at() - start])))
    }

    /// Only the envelope of a line whose payload is damaged.
    pub(super) fn without_payload(line: &'a [u8]) -> Result<Self, Stop> {
        let (envelope, hash) = Self::envelope(&mut Text::new(line))?;
        Ok(Self {
            envelope,
            hash,
            body: Body::Damaged,
        })
    }

    /// Checks that some bytes are the beginning of an event's line. The envelope is handed over when it is
    /// there in full.
    pub(super) fn begins(
        line: &'a [u8],
        link: impl FnOnce(&Envelope<'a>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut text = Text::new(line);
        let (envelope, _) = Self::envelope(&mut text)?;
        link(&envelope)?;
        text.literal(SALT)?;
        text.hex(32)?;
        text.literal(DATA)?;
        let at = text.at();
        let mut json = serde_json::Deserializer::from_slice(text.rest()).into_iter::<IgnoredAny>();
        match json.next() {
            None => Err(Stop::Short),
            Some(Err(error)) if error.is_eof() => Err(Stop::Short),
            Some(Err(_)) => Err(text.wrong("a payload")),
            Some(Ok(_)) => match &line[at + json.byte_offset()..] {
                [] => Err(Stop::Short),
                b"}" => Self::read(line).map(|_| ()),
                _ => Err(text.wrong("one payload and the end of the line")),
            },
        }
    }

    /// Why [`event`](Self::event) would refuse. `known` is a time that is one, and becomes this event's: the events of
    /// a commit share theirs.
    pub(super) fn unreadable(&self, known: &mut String) -> Option<String> {
        let Envelope {
            at, actor, causes, ..
        } = &self.envelope;
        if known != at {
            if at.parse::<Timestamp>().is_err() {
                return Some(format!("`{at}` is not a time"));
            }
            known.clear();
            known.push_str(at);
        }
        if actor != "engine"
            && let Err(error) = actor.parse::<Actor>()
        {
            return Some(error.to_string());
        }
        if let Some((stream, _)) = causes
            .iter()
            .find(|(stream, _)| stream.parse::<StreamId>().is_err())
        {
            return Some(format!("`{stream}` is not a stream"));
        }
        match self.body {
            Body::Data { payload } => utf8(payload).err(),
            Body::Erased | Body::Damaged => None,
        }
    }

    /// The event with everything that it says. `known` is a time and its text, and becomes this event's: the events of a
    /// commit share theirs.
    pub(super) fn event(
        &self,
        stream: StreamId,
        cursor: Cursor,
        known: &mut (String, Timestamp),
    ) -> Result<Event, String> {
        let Envelope {
            position,
            at,
            kind,
            version,
            actor,
            causes,
            ..
        } = &self.envelope;
        let cause = |(stream, position): &(&str, u64)| {
            Ok(EventRef {
                stream: stream.parse().map_err(|error| format!("{error}"))?,
                position: *position,
            })
        };
        if known.0 != *at {
            let time = at.parse().map_err(|_| format!("`{at}` is not a time"))?;
            *known = ((*at).to_owned(), time);
        }
        Ok(Event {
            stream,
            position: *position,
            cursor,
            at: known.1,
            kind: Cow::Owned(kind.clone().into_owned()),
            version: *version,
            actor: actor.parse::<Actor>().map_err(|error| error.to_string())?,
            causes: causes.iter().map(cause).collect::<Result<_, String>>()?,
            payload: match self.body {
                Body::Erased => Payload::erased(),
                Body::Damaged => return Err("the payload does not fit its digest".to_owned()),
                Body::Data { payload } => Payload::json(utf8(payload)?),
            },
        })
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "the payload is not UTF-8".to_owned())
}

/// Writes the line of an event, with its end, and returns the event's hash. The envelope names the payload's
/// digest.
pub(super) fn write_event(
    out: &mut Vec<u8>,
    envelope: &EnvelopeParts<'_>,
    salt: &[u8; SALT_LEN],
    payload: &str,
) -> Digest {
    out.extend_from_slice(EVENT.as_bytes());
    let start = out.len();
    envelope.write(out);
    let hash = Digest::of(&out[start..]);
    out.extend_from_slice(SALT.as_bytes());
    out.extend_from_slice(salt);
    put_all(out, [DATA, payload, "}\n"]);
    hash
}

/// The line of an event, with its end, after its payload was erased.
pub(super) fn erased(line: &[u8]) -> Result<Vec<u8>, Stop> {
    let mut text = Text::new(line);
    EventLine::envelope(&mut text)?;
    let mut out = line[..text.at()].to_vec();
    out.extend_from_slice(ERASED.as_bytes());
    out.push(b'\n');
    Ok(out)
}

/// The line that closes a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CommitLine {
    pub(super) number: u64,
    pub(super) events: u64,
    pub(super) cursor: Cursor,
    pub(super) previous: Digest,
    pub(super) digest: Digest,
}

impl CommitLine {
    pub(super) fn read(line: &[u8]) -> Result<Self, Stop> {
        let mut text = Text::new(line);
        text.literal(COMMIT)?;
        let number = text.number()?;
        text.literal(r#","events":"#)?;
        let events = text.number()?;
        text.literal(r#","cursor":"#)?;
        let cursor = text.number()?;
        text.literal(r#","previous":""#)?;
        let previous = text.digest()?;
        text.literal(r#"","digest":""#)?;
        let digest = text.digest()?;
        text.literal("\"}}")?;
        if text.rest().is_empty() {
            Ok(Self {
                number,
                events,
                cursor,
                previous,
                digest,
            })
        } else {
            Err(text.wrong("the end of the line"))
        }
    }

    /// Writes the line without its end.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for (text, number) in [
            (COMMIT, self.number),
            (r#","events":"#, self.events),
            (r#","cursor":"#, self.cursor),
        ] {
            out.extend_from_slice(text.as_bytes());
            put_number(out, number);
        }
        out.extend_from_slice(br#","previous":""#);
        put_digest(out, &self.previous);
        out.extend_from_slice(br#"","digest":""#);
        put_digest(out, &self.digest);
        out.extend_from_slice(br#""}}"#);
    }

    /// What differs from the line that should stand here.
    pub(super) fn difference(&self, expected: &Self) -> String {
        let number = |what, found: u64, expected: u64| format!("{what} is {found}, expected {expected}");
        if self.number != expected.number {
            number("the commit's number", self.number, expected.number)
        } else if self.events != expected.events {
            number("the commit's count of events", self.events, expected.events)
        } else if self.cursor != expected.cursor {
            number("the commit's cursor", self.cursor, expected.cursor)
        } else if self.previous != expected.previous {
            "the commit does not follow the commit before it".to_owned()
        } else {
            format!("commit {} does not fit the digest that closes it", self.number)
        }
    }
}
