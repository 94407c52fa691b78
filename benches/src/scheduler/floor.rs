//! What a file journal cannot do without: its events encoded, its bytes hashed, written and synced; or parsed and
//! hashed, to read it.

use std::borrow::Cow;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use pipeline_core::{Actor, Digest, Event, EventRef, FileJournal, JournalExt, Payload, RunEvent, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::threads::{Threads, time};
use crate::{Failure, ensure};

/// The commits of a journal: as bytes, and as the events that they were made from.
pub(super) struct Written(Vec<Commit>);

#[derive(Default)]
struct Commit {
    events: Vec<Event>,
    lines: Vec<u8>,
}

/// An envelope as it is encoded.
#[derive(Serialize)]
struct Envelope<'a> {
    stream: &'a str,
    position: u64,
    at: Timestamp,
    kind: &'a str,
    version: u16,
    actor: &'a Actor,
    causes: &'a [EventRef],
    payload: &'a str,
    previous: &'a str,
}

impl Written {
    /// Reads the journal of a run, but for its first commits.
    pub(super) fn read(threads: &Threads, journal: &FileJournal, skip: usize) -> Result<Self, Failure> {
        let reader = journal.clone();
        let events = threads.run(async move { Ok(reader.read_everything(0).await?) })?;
        let mut events = events.into_iter();
        let bytes = fs::read(journal.path())?;
        let mut commits = vec![Commit::default()];
        for line in bytes.split_inclusive(|&byte| byte == b'\n').skip(1) {
            let Some(open) = commits.last_mut() else { continue };
            open.lines.extend_from_slice(line);
            if is_commit(line) {
                commits.push(Commit::default());
            } else {
                open.events.push(events.next().ok_or("a line without an event")?);
            }
        }
        let left_over = commits.pop().is_none_or(|open| !open.lines.is_empty());
        ensure(!left_over && events.next().is_none(), "an open journal")?;
        let mut commits = commits.split_off(skip);
        for event in commits.iter_mut().flat_map(|commit| &mut commit.events) {
            let value = event
                .read::<RunEvent>()?
                .ok_or("an event of no run")?
                .into_owned();
            event.payload = Payload::value(value);
        }
        Ok(Self(commits))
    }

    /// Does by hand what the journal did, with so many syncs spread over the commits, and tells how long it took.
    pub(super) fn again(&self, path: &Path, syncs: u64) -> Result<Duration, Failure> {
        let mut file = File::create_new(path)?;
        let digest = Digest::ZERO.to_string();
        let mut encoded = Vec::new();
        let (time, ()) = time(|| {
            let mut synced = 0;
            for (number, commit) in (1..).zip(&self.0) {
                encoded.clear();
                for event in &commit.events {
                    let envelope = Envelope {
                        stream: event.stream.as_str(),
                        position: event.position,
                        at: event.at,
                        kind: &event.kind,
                        version: event.version,
                        actor: &event.actor,
                        causes: &event.causes,
                        payload: &digest,
                        previous: &digest,
                    };
                    serde_json::to_writer(&mut encoded, &envelope)?;
                    encoded.extend_from_slice(event.payload.to_json()?.as_bytes());
                }
                black_box(&encoded);
                for line in commit.lines.split_inclusive(|&byte| byte == b'\n') {
                    black_box(Sha256::digest(line));
                }
                file.write_all(&commit.lines)?;
                while synced < number * syncs / self.0.len() as u64 {
                    file.sync_data()?;
                    synced += 1;
                }
            }
            Ok(())
        })?;
        Ok(time)
    }
}

fn is_commit(line: &[u8]) -> bool {
    line.starts_with(b"{\"commit\":")
}

/// The line of an event, as whoever reads it without copying has it.
#[derive(Deserialize)]
#[expect(dead_code, reason = "parsing is what is measured")]
struct EventLine<'a> {
    #[serde(borrow)]
    event: EventEnvelope<'a>,
    salt: &'a str,
    data: &'a RawValue,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsing is what is measured")]
struct EventEnvelope<'a> {
    stream: &'a str,
    position: u64,
    at: &'a str,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    version: u16,
    #[serde(borrow)]
    actor: Cow<'a, str>,
    causes: Vec<Cause<'a>>,
    payload: &'a str,
    previous: &'a str,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsing is what is measured")]
struct Cause<'a> {
    stream: &'a str,
    position: u64,
}

/// The line that closes a commit.
#[derive(Deserialize)]
#[expect(dead_code, reason = "parsing is what is measured")]
struct CommitLine<'a> {
    #[serde(borrow)]
    commit: Closing<'a>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsing is what is measured")]
struct Closing<'a> {
    number: u64,
    events: u64,
    cursor: u64,
    previous: &'a str,
    digest: &'a str,
}

/// Parses all lines of a journal and computes a SHA-256 chain over all of its bytes. Gives the number of events.
pub(super) fn parse_and_chain(path: &Path) -> Result<u64, Failure> {
    let bytes = fs::read(path)?;
    let mut events = 0;
    let mut chain = [0; 32];
    for line in bytes.split_inclusive(|&byte| byte == b'\n').skip(1) {
        if is_commit(line) {
            black_box(serde_json::from_slice::<CommitLine<'_>>(line)?);
        } else {
            black_box(serde_json::from_slice::<EventLine<'_>>(line)?);
            events += 1;
        }
        let mut hash = Sha256::new();
        hash.update(chain);
        hash.update(line);
        chain = hash.finalize().into();
    }
    black_box(chain);
    Ok(events)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pipeline_core::{Journal, SystemEntropy};

    use super::*;
    use crate::shapes::Shape;
    use crate::{ours, scratch};

    #[test]
    fn the_floor_writes_the_same_bytes_and_reads_all_lines() {
        let threads = Threads::start().unwrap();
        let directory = scratch::directory().unwrap();
        let (journal, _) =
            FileJournal::open(directory.path().join("journal"), Arc::new(SystemEntropy)).unwrap();
        let path = journal.path().to_owned();
        let runner = ours::runner(journal.clone());
        let pipeline = ours::pipeline(Shape::layered(20, 5)).unwrap();
        let (_, run) = ours::create(&threads, &runner, &pipeline).unwrap();
        let created = fs::read(&path).unwrap();
        ours::drive(&threads, &runner, &pipeline, &run).unwrap();
        let whole = fs::read(&path).unwrap();

        let written = Written::read(&threads, &journal, 1).unwrap();
        let kinds = |kind| {
            let events = written.0.iter().flat_map(|commit| &commit.events);
            events.filter(|event| event.kind == kind).count()
        };
        assert_eq!(
            (
                kinds("run.created"),
                kinds("run.stage-started"),
                kinds("run.finished")
            ),
            (0, 20, 1)
        );
        let again = directory.path().join("again");
        written.again(&again, 3).unwrap();
        assert_eq!(fs::read(again).unwrap(), whole[created.len()..]);
        let held = threads.run(async move { Ok(journal.checkpoint().await?.cursor) });
        assert_eq!(parse_and_chain(&path).unwrap(), held.unwrap());
    }
}
