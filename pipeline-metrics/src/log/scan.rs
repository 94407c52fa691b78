use super::batch::{Batch, Form, Row, Text};
use super::instant;
use crate::fact::decode;
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
    let mut scanner = Scanner { bytes, at: 0 };
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

/// Bytes that end a text or make it unusual.
const STOPS: [bool; 256] = {
    let mut stops = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        stops[byte] = byte < 0x20 || byte >= 0x80 || byte as u8 == b'"' || byte as u8 == b'\\';
        byte += 1;
    }
    stops
};

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
        let rest = &self.bytes[start..];
        let length = rest.iter().position(|&byte| STOPS[byte as usize])?;
        self.at = start + length;
        self.take(b'"')?;
        Some(text(start, start + length))
    }

    fn slice(&self, text: Text) -> &'a [u8] {
        &self.bytes[text.start as usize..text.end as usize]
    }

    fn instant(&mut self) -> Option<i64> {
        let text = self.string()?;
        instant::parse(self.slice(text))
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
