use std::collections::{BTreeMap, HashMap};

use super::erasures::{Erasures, recorded};
use super::line::{Body, COMMIT, CommitLine, Envelope, EventLine, HEADER};
use super::text::{Stop, Text};
use crate::Digest;
use crate::event::{Cursor, EventRef, StreamId};
use crate::journal::chain::commit_digest;
use crate::journal::{Head, JournalEvent};

/// Something wrong in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) line: u64,
    pub(super) reason: String,
}

/// The last event of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tip {
    pub(super) position: u64,
    pub(super) hash: Digest,
    line: u64,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: StreamId,
    pub(super) tip: Tip,
    /// How much damage lay before the last event of the stream.
    seen: u64,
    /// Whether the last event may be damaged.
    doubted: bool,
}

/// An event of a commit that is not closed yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) stream: u32,
    pub(super) position: u64,
    pub(super) hash: Digest,
    pub(super) offset: u64,
    pub(super) len: u32,
    pub(super) line: u64,
    before: Tip,
    erased: bool,
    /// The event whose erasure this event records.
    record: Option<Box<EventRef>>,
}

/// A commit that is closed and not made known yet.
#[derive(Debug)]
pub(super) struct Sealed {
    closed: Closed,
    events: Vec<Pending>,
}

/// Everything up to the last closed commit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closed {
    pub(super) commits: u64,
    pub(super) cursor: Cursor,
    pub(super) digest: Digest,
    /// Where the next commit starts in the file.
    pub(super) offset: u64,
    /// The line that ends here.
    pub(super) line: u64,
}

/// What wants to know of each commit.
pub(super) trait Observer {
    fn closed(&mut self, closed: &Closed, streams: &[Stream], events: &[Pending]);
}

/// Reads a journal line by line and checks every byte: framing, numbers, links and digests.
///
/// A strict scan stops at the first fault, before the commit that holds it is closed. A patient one notes
/// the fault, takes what is there as given and goes on, so that one fault is reported once.
#[derive(Debug)]
pub(super) struct Scan {
    strict: bool,
    by_text: HashMap<Box<str>, u32>,
    pub(super) streams: Vec<Stream>,
    pub(super) closed: Closed,
    pub(super) pending: Vec<Pending>,
    pub(super) faults: Vec<Fault>,
    pub(super) erasures: Erasures,
    line: u64,
    offset: u64,
    /// How many lines could not be read so far.
    damage: u64,
    /// Lines of the open commit that could not be read.
    lost: u64,
    /// Another digest that the commit before may have had.
    alternative: Option<Digest>,
    /// The last time that was read, as text: the events of a commit share it.
    at: String,
}

impl Tip {
    /// Before the first event.
    pub(super) const START: Self = Self {
        position: 0,
        hash: Digest::ZERO,
        line: 0,
    };

    /// Goes on to the next event.
    pub(super) fn follow(&mut self, hash: Digest, line: u64) {
        *self = Self {
            position: self.position + 1,
            hash,
            line,
        };
    }
}

impl Stream {
    pub(super) fn new(id: StreamId, tip: Tip) -> Self {
        Self {
            id,
            tip,
            seen: 0,
            doubted: false,
        }
    }
}

impl Scan {
    pub(super) fn new(strict: bool) -> Self {
        Self {
            strict,
            by_text: HashMap::new(),
            streams: Vec::new(),
            closed: Closed {
                commits: 0,
                cursor: 0,
                digest: Digest::ZERO,
                offset: 0,
                line: 0,
            },
            pending: Vec::new(),
            faults: Vec::new(),
            erasures: Erasures::default(),
            line: 0,
            offset: 0,
            damage: 0,
            lost: 0,
            alternative: None,
            at: String::new(),
        }
    }

    /// A strict scan that has read so much already. `None` if a stream occurs twice.
    pub(super) fn restore(closed: Closed, streams: Vec<Stream>, erasures: Erasures) -> Option<Self> {
        let numbered = (0..).zip(&streams);
        let by_text: HashMap<_, _> = numbered
            .map(|(number, stream)| (stream.id.as_str().into(), number))
            .collect();
        (by_text.len() == streams.len()).then_some(Self {
            by_text,
            streams,
            erasures,
            line: closed.line,
            offset: closed.offset,
            closed,
            ..Self::new(true)
        })
    }

    /// Where the next line starts.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The number of the next line.
    pub(super) fn next_line(&self) -> u64 {
        self.line + 1
    }

    pub(super) fn stream(&self, stream: &StreamId) -> Option<u32> {
        self.by_text.get(stream.as_str()).copied()
    }

    /// The last event of a stream, that of an open commit included.
    pub(super) fn tip(&self, stream: &StreamId) -> Tip {
        self.stream(stream)
            .map_or(Tip::START, |index| self.streams[index as usize].tip)
    }

    /// The heads of all streams.
    pub(super) fn heads(&self) -> BTreeMap<StreamId, Head> {
        let held = self.streams.iter().filter(|stream| stream.tip.position > 0);
        held.map(|s| {
            (
                s.id.clone(),
                Head {
                    position: s.tip.position,
                    hash: s.tip.hash,
                },
            )
        })
        .collect()
    }

    fn fault(&mut self, reason: impl Into<String>) {
        self.faults.push(Fault {
            line: self.line,
            reason: reason.into(),
        });
    }

    /// Notes a line that cannot be read, so what depends on it is no fault of its own.
    fn lose(&mut self, stop: Stop) {
        self.fault(match stop {
            Stop::Short => "the line ends too early".to_owned(),
            Stop::Wrong(reason) => reason,
        });
        self.damage += 1;
        self.lost += 1;
    }

    /// Notes a line that is too long to be read.
    pub(super) fn skip(&mut self, bytes: u64) {
        self.line += 1;
        self.offset += bytes;
        self.lose(Stop::Wrong(
            "the line is longer than any that is written".to_owned(),
        ));
    }

    /// Takes the next line, with its end.
    pub(super) fn line(&mut self, line: &[u8], observer: &mut impl Observer) {
        let start = self.offset;
        self.line += 1;
        self.offset += line.len() as u64;
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        if self.line == 1 {
            if line != HEADER.as_bytes() {
                self.fault(header_fault(text));
            }
            (self.closed.offset, self.closed.line) = (self.offset, 1);
        } else if text.starts_with(&COMMIT.as_bytes()[..10]) {
            self.commit(text, observer);
        } else {
            self.event(text, start, line.len());
        }
    }

    fn event(&mut self, text: &[u8], offset: u64, len: usize) {
        let read = match EventLine::read(text) {
            Ok(read) => read,
            Err(stop) => {
                let Stop::Wrong(reason) = &stop else {
                    return self.lose(stop);
                };
                let Ok(read) = EventLine::without_payload(text) else {
                    return self.lose(stop);
                };
                self.fault(reason.clone());
                read
            }
        };
        let envelope = &read.envelope;
        let Some(index) = self.index(envelope.stream) else {
            return self.lose(Stop::Wrong(format!("`{}` is not a stream", envelope.stream)));
        };
        let stream = &self.streams[index as usize];
        if let Some(reason) = unlinked(envelope, &stream.tip)
            && !(stream.doubted || stream.seen < self.damage)
        {
            self.fault(reason);
        }
        if let Some(reason) = read.unreadable(&mut self.at) {
            self.fault(reason);
        }
        let envelope = &read.envelope;
        let erased = matches!(read.body, Body::Erased);
        let record = record(&read);
        if erased && envelope.stream == JournalEvent::erasures().as_str() {
            self.fault("the record of an erasure is erased");
        }
        let (position, hash) = (envelope.position, read.hash);
        let stream = &mut self.streams[index as usize];
        (stream.seen, stream.doubted) = (self.damage, false);
        self.push(Pending {
            stream: index,
            position,
            hash,
            offset,
            len: len as u32, // lines are shorter than `MAX_LINE`
            before: Tip::START,
            line: self.line,
            erased,
            record,
        });
    }

    /// Adds an event to the open commit.
    fn push(&mut self, mut event: Pending) {
        let stream = &mut self.streams[event.stream as usize];
        event.before = stream.tip;
        stream.tip = Tip {
            position: event.position,
            hash: event.hash,
            line: event.line,
        };
        self.pending.push(event);
    }

    /// Takes an event that was written just now, behind all others of its stream: `len` bytes with the end of the
    /// line.
    pub(super) fn written(&mut self, stream: u32, hash: Digest, len: u32, record: Option<Box<EventRef>>) {
        let offset = self.offset;
        self.line += 1;
        self.offset += u64::from(len);
        self.push(Pending {
            stream,
            position: self.streams[stream as usize].tip.position + 1,
            hash,
            offset,
            len,
            before: Tip::START,
            line: self.line,
            erased: false,
            record,
        });
    }

    /// The number of a stream, which may be new.
    pub(super) fn number(&mut self, stream: &StreamId) -> Option<u32> {
        self.stream(stream).or_else(|| self.enter(stream.clone()))
    }

    fn index(&mut self, text: &str) -> Option<u32> {
        // Neighbours are often of one stream.
        let last = self.pending.last().map(|event| event.stream);
        if let Some(last) = last.filter(|&last| self.streams[last as usize].id.as_str() == text) {
            return Some(last);
        }
        if let Some(index) = self.by_text.get(text) {
            return Some(*index);
        }
        self.enter(text.parse().ok()?)
    }

    fn enter(&mut self, id: StreamId) -> Option<u32> {
        let index = u32::try_from(self.streams.len()).ok()?;
        self.by_text.insert(id.as_str().into(), index);
        self.streams.push(Stream {
            seen: self.damage,
            ..Stream::new(id, Tip::START)
        });
        Some(index)
    }

    /// The line that closes the commit as it stands.
    pub(super) fn closing(&self) -> CommitLine {
        let Closed {
            commits,
            cursor,
            digest: previous,
            ..
        } = self.closed;
        let events = self.pending.len() as u64;
        let (number, cursor) = (commits + 1, cursor + events);
        let digest = commit_digest(
            &previous,
            number,
            cursor,
            self.pending.iter().map(|event| &event.hash),
        );
        CommitLine {
            number,
            events,
            cursor,
            previous,
            digest,
        }
    }

    fn commit(&mut self, text: &[u8], observer: &mut impl Observer) {
        let stated = match CommitLine::read(text) {
            Ok(stated) => stated,
            Err(stop) => {
                self.lose(stop);
                if !self.strict {
                    let computed = self.closing();
                    self.close(&computed, observer);
                    self.lost = 1; // an event of the next commit may have been in this line
                }
                return;
            }
        };
        if let Some(other) = self.alternative.take()
            && stated.previous == other
        {
            self.closed.digest = other;
        }
        let mut computed = self.closing();
        if self.lost > 0 && stated.events == computed.events + self.lost {
            // The digest cannot be checked; all else can.
            (computed.events, computed.cursor) = (stated.events, computed.cursor + self.lost);
            computed.digest = stated.digest;
        }
        if computed.events == 0 {
            self.fault("a commit without events");
        } else if stated != computed && self.lost == 0 {
            self.fault(stated.difference(&computed));
            for event in &self.pending {
                self.streams[event.stream as usize].doubted = true;
            }
        } else if stated != computed {
            computed = stated.clone();
        }
        if self.strict && !self.faults.is_empty() {
            return;
        }
        self.alternative = (stated.digest != computed.digest).then_some(stated.digest);
        self.close(&computed, observer);
    }

    fn close(&mut self, commit: &CommitLine, observer: &mut impl Observer) {
        let sealed = self.seal(commit);
        self.pending = self.confirm(sealed, observer);
        self.lost = 0;
    }

    /// Closes a commit whose last line was taken or written.
    fn seal(&mut self, commit: &CommitLine) -> Sealed {
        self.closed = Closed {
            commits: commit.number,
            cursor: commit.cursor,
            digest: commit.digest,
            offset: self.offset,
            line: self.line,
        };
        Sealed {
            closed: self.closed,
            events: std::mem::take(&mut self.pending),
        }
    }

    /// Closes a commit that is written, but not on the disk yet: `len` bytes are its last line with the end.
    pub(super) fn seal_written(&mut self, commit: &CommitLine, len: usize) -> Sealed {
        self.line += 1;
        self.offset += len as u64;
        self.seal(commit)
    }

    /// Makes a sealed commit known. Returns its list of events, empty.
    pub(super) fn confirm(&mut self, sealed: Sealed, observer: &mut impl Observer) -> Vec<Pending> {
        let Sealed { closed, mut events } = sealed;
        for event in &mut events {
            if event.erased {
                let stream = self.streams[event.stream as usize].id.clone();
                self.erasures.erased.insert(
                    EventRef {
                        stream,
                        position: event.position,
                    },
                    event.line,
                );
            }
            if let Some(record) = event.record.take() {
                self.erasures.recorded.entry(*record).or_insert(event.line);
            }
        }
        observer.closed(&closed, &self.streams, &events);
        events.clear();
        events
    }

    /// Forgets commits that were sealed one after another, but did not reach the disk; `before` is what was closed
    /// before the first.
    pub(super) fn unseal(&mut self, sealed: Vec<Sealed>, before: Closed) {
        self.rollback();
        for event in sealed
            .into_iter()
            .rev()
            .flat_map(|commit| commit.events.into_iter().rev())
        {
            self.streams[event.stream as usize].tip = event.before;
        }
        self.closed = before;
        (self.offset, self.line) = (before.offset, before.line);
    }

    /// Forgets everything after the last closed commit.
    pub(super) fn rollback(&mut self) {
        for event in self.pending.drain(..).rev() {
            self.streams[event.stream as usize].tip = event.before;
        }
        (self.offset, self.line) = (self.closed.offset, self.closed.line);
        self.lost = 0;
        self.faults.clear();
    }

    /// Checks that what follows the last whole line is the beginning of a good line, as an interrupted write
    /// leaves it: cut short, or with zeros where the rest should be.
    pub(super) fn begins(&self, partial: &[u8]) -> Result<(), Fault> {
        let fault = |reason: String| {
            Err(Fault {
                line: self.next_line(),
                reason,
            })
        };
        let end = partial
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        let (text, zeros) = (&partial[..end], partial.len() - end);
        if self.line == 0 {
            let good = HEADER.as_bytes().starts_with(text);
            return if good { Ok(()) } else { fault(header_fault(text)) };
        }
        let mut closing = Vec::new();
        self.closing().write(&mut closing);
        if !self.pending.is_empty() && closing.starts_with(text) && (text != closing || zeros == 0) {
            return Ok(());
        }
        let link = |envelope: &Envelope<'_>| {
            let tip = envelope.stream.parse().map(|stream| self.tip(&stream));
            let tip = tip.map_err(|_| Stop::Wrong(format!("`{}` is not a stream", envelope.stream)))?;
            unlinked(envelope, &tip).map_or(Ok(()), |reason| Err(Stop::Wrong(reason)))
        };
        match EventLine::begins(text, link) {
            Ok(()) | Err(Stop::Short) => Ok(()),
            Err(Stop::Wrong(_)) if text.starts_with(&closing) => {
                fault("the line that closes the commit does not end".to_owned())
            }
            Err(Stop::Wrong(reason)) => fault(reason),
        }
    }
}

/// Why an event does not follow the event before it in its stream.
fn unlinked(envelope: &Envelope<'_>, tip: &Tip) -> Option<String> {
    let Envelope {
        stream,
        position,
        previous,
        ..
    } = envelope;
    if *position != tip.position.saturating_add(1) {
        return Some(format!(
            "`{stream}#{position}` follows `{stream}#{}`",
            tip.position
        ));
    }
    let line = tip.line;
    (*previous != tip.hash).then(|| match position {
        1 => format!("`{stream}#1` is the first of its stream, but follows another event"),
        _ => format!("`{stream}#{position}` does not fit the event before it, in line {line}"),
    })
}

/// The event whose erasure an event records.
fn record(line: &EventLine<'_>) -> Option<Box<EventRef>> {
    let Body::Data { payload } = line.body else {
        return None;
    };
    let Envelope {
        stream,
        kind,
        version,
        ..
    } = &line.envelope;
    // Cheap for all other events.
    if !stream.starts_with("journal/") {
        return None;
    }
    recorded(stream, kind, *version, std::str::from_utf8(payload).ok()?)
}

/// The format that a first line names.
pub(super) fn format_of(line: &[u8]) -> Option<u64> {
    let mut text = Text::new(line);
    text.literal(&HEADER[..HEADER.len() - 3]).ok()?;
    let format = text.number().ok()?;
    (text.rest() == b"}").then_some(format)
}

fn header_fault(line: &[u8]) -> String {
    match format_of(line) {
        Some(format) => format!("the journal has format {format}; this program reads format 1"),
        None => "this is not the first line of a journal".to_owned(),
    }
}
