use super::batch::{Batch, Form, Row, Text};
use crate::fact::decode;
use crate::instant::Instants;
use crate::{DeploymentKind, DeploymentResult};

/// Finds the lines of a batch. A line of the usual form is read here: compact, each field once, only known fields,
/// texts of ASCII without escapes, shas of forty digits, times in UTC. Everything else is left to the general reader,
/// so that what a line means never depends on who read it.
pub(super) fn scan(batch: &mut Batch) {
    let Batch {
        bytes,
        rows,
        shas,
        lines,
    } = batch;
    let mut scanner = Scanner {
        bytes,
        at: 0,
        instants: Instants::default(),
    };
    while scanner.at < bytes.len() {
        let (start, before) = (scanner.at, shas.len());
        let form = scanner.line(shas).or_else(|| {
            shas.truncate(before);
            let rest = &bytes[start..];
            let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
            scanner.at = start + end + 1;
            let blank = rest[..end].trim_ascii().is_empty();
            (!blank).then(|| Form::Other(text(start, start + end)))
        });
        rows.extend(form.map(|form| Row {
            line: *lines as u32,
            form,
            shas: shas.len() as u32,
        }));
        *lines += 1;
    }
}

fn text(start: usize, end: usize) -> Text {
    Text {
        start: start as u32,
        end: end as u32,
    }
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    instants: Instants,
}

/// The fields of a line, as bits of a set.
mod field {
    pub(super) const TYPE: u32 = 1;
    pub(super) const TS: u32 = 1 << 1;
    pub(super) const SERVICE: u32 = 1 << 2;
    pub(super) const SHA: u32 = 1 << 3;
    pub(super) const ID: u32 = 1 << 4;
    pub(super) const ENVIRONMENT: u32 = 1 << 5;
    pub(super) const RESULT: u32 = 1 << 6;
    pub(super) const KIND: u32 = 1 << 7;
    pub(super) const STARTED: u32 = 1 << 8;
    pub(super) const CHANGES: u32 = 1 << 9;
    pub(super) const DEPLOYMENT: u32 = 1 << 10;

    pub(super) const ALWAYS: u32 = TYPE | TS | SERVICE;
    pub(super) const OF_DEPLOYMENT: u32 = ALWAYS | ID | ENVIRONMENT | RESULT | KIND;
}

#[derive(Clone, Copy, PartialEq)]
enum Type {
    Change,
    Deployment,
    Opened,
    Resolved,
}

/// Where the first byte is that ends a text or makes it unusual: a quote, a backslash, and what is no printable ASCII.
#[inline]
fn stop(text: &[u8]) -> Option<usize> {
    let (words, rest) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let stops = stops(u64::from_le_bytes(*word));
        if stops != 0 {
            return Some(at * 8 + stops.trailing_zeros() as usize / 8);
        }
    }
    let at = words.len() * 8;
    let is_stop = |&byte: &u8| {
        stops(u64::from_le_bytes([
            byte, b' ', b' ', b' ', b' ', b' ', b' ', b' ',
        ])) != 0
    };
    rest.iter().position(is_stop).map(|found| at + found)
}

/// The highest bit of each byte of eight that stops; after the first of them, bits may be set that mean nothing.
#[inline]
fn stops(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    // A byte below a limit borrows from its highest bit.
    let below = |word: u64, limit: u64| word.wrapping_sub(limit * ONES) & !word;
    let quote = below(word ^ (u64::from(b'"') * ONES), 1);
    let backslash = below(word ^ (u64::from(b'\\') * ONES), 1);
    (word | below(word, 0x20) | quote | backslash) & HIGH
}

impl<'a> Scanner<'a> {
    fn take(&mut self, byte: u8) -> Option<()> {
        if self.bytes.get(self.at) == Some(&byte) {
            self.at += 1;
            Some(())
        } else {
            None
        }
    }

    /// A text in quotes.
    fn string(&mut self) -> Option<Text> {
        self.take(b'"')?;
        let start = self.at;
        let length = stop(&self.bytes[start..])?;
        self.at = start + length;
        self.take(b'"')?;
        Some(text(start, start + length))
    }

    fn slice(&self, text: Text) -> &'a [u8] {
        &self.bytes[text.start as usize..text.end as usize]
    }

    fn instant(&mut self) -> Option<i64> {
        let text = self.string()?;
        self.instants.parse(self.slice(text))
    }

    /// A sha in quotes, of forty digits.
    fn sha(&mut self) -> Option<[u8; 20]> {
        self.take(b'"')?;
        let digits = self.bytes.get(self.at..self.at + 40)?;
        self.at += 40;
        self.take(b'"')?;
        decode(digits)
    }

    fn shas(&mut self, shas: &mut Vec<[u8; 20]>) -> Option<()> {
        self.take(b'[')?;
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            shas.push(self.sha()?);
            if self.take(b',').is_none() {
                return self.take(b']');
            }
        }
    }

    /// A whole line with its end; `None` when it is not of the usual form.
    fn line(&mut self, shas: &mut Vec<[u8; 20]>) -> Option<Form> {
        let mut seen = 0;
        let mut kind = Type::Change;
        let (mut at, mut started) = (0, None);
        let (mut service, mut id) = (Text::default(), Text::default());
        let (mut environment, mut deployment) = (Text::default(), None);
        let (mut result, mut purpose) = (DeploymentResult::Success, DeploymentKind::Planned);
        self.take(b'{')?;
        loop {
            let key = self.string()?;
            self.take(b':')?;
            let field = match self.slice(key) {
                b"type" => {
                    let text = self.string()?;
                    kind = match self.slice(text) {
                        b"change" => Type::Change,
                        b"deployment" => Type::Deployment,
                        b"incident_opened" => Type::Opened,
                        b"incident_resolved" => Type::Resolved,
                        _ => return None,
                    };
                    field::TYPE
                }
                b"ts" => {
                    at = self.instant()?;
                    field::TS
                }
                b"service" => {
                    service = self.string()?;
                    field::SERVICE
                }
                b"sha" => {
                    shas.push(self.sha()?);
                    field::SHA
                }
                b"id" => {
                    id = self.string()?;
                    field::ID
                }
                b"environment" => {
                    environment = self.string()?;
                    field::ENVIRONMENT
                }
                b"result" => {
                    let text = self.string()?;
                    result = match self.slice(text) {
                        b"success" => DeploymentResult::Success,
                        b"failure" => DeploymentResult::Failure,
                        _ => return None,
                    };
                    field::RESULT
                }
                b"kind" => {
                    let text = self.string()?;
                    purpose = match self.slice(text) {
                        b"planned" => DeploymentKind::Planned,
                        b"rework" => DeploymentKind::Rework,
                        b"hotfix" => DeploymentKind::Hotfix,
                        b"rollback" => DeploymentKind::Rollback,
                        _ => return None,
                    };
                    field::KIND
                }
                b"started" => {
                    started = Some(self.instant()?);
                    field::STARTED
                }
                b"changes" => {
                    self.shas(shas)?;
                    field::CHANGES
                }
                b"deployment" => {
                    deployment = Some(self.string()?);
                    field::DEPLOYMENT
                }
                _ => return None,
            };
            if seen & field != 0 {
                return None;
            }
            seen |= field;
            if self.take(b',').is_none() {
                break;
            }
        }
        self.take(b'}')?;
        if self.at < self.bytes.len() {
            self.take(b'\n')?;
        }
        match kind {
            Type::Change if seen == field::ALWAYS | field::SHA => Some(Form::Change { service, at }),
            Type::Deployment if seen & !(field::STARTED | field::CHANGES) == field::OF_DEPLOYMENT => {
                Some(Form::Deployment {
                    service,
                    id,
                    environment,
                    finished: at,
                    started,
                    result,
                    kind: purpose,
                })
            }
            Type::Opened if seen & !field::DEPLOYMENT == field::ALWAYS | field::ID => Some(Form::Opened {
                service,
                id,
                at,
                deployment,
            }),
            Type::Resolved if seen == field::ALWAYS | field::ID => Some(Form::Resolved { id, at }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::stop;

    proptest! {
        #[test]
        fn a_text_stops_at_the_first_byte_that_is_not_usual(
            text in proptest::collection::vec(prop_oneof![6 => 0x20..0x80_u8, 1 => any::<u8>()], 0..40)
        ) {
            let plain = |&byte: &u8| matches!(byte, 0x20..0x80) && byte != b'"' && byte != b'\\';
            prop_assert_eq!(stop(&text), text.iter().position(|byte| !plain(byte)));
        }
    }
}
