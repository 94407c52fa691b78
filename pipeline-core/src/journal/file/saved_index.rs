use std::fs::File;
use std::io;

use super::derived::{Bytes, put_name};
use super::directory::read_exactly;
use super::erasures::Erasures;
use super::index::{Entry, Index};
use super::line::{CommitLine, HEADER};
use super::scan::{Closed, Scan, Stream, Tip};
use crate::event::{EventRef, StreamId};
use crate::journal::chain::commit_digest;

const MAGIC: &[u8] = b"release-pipeline index\n";
const VERSION: u32 = 1;
/// A stream's number, the length of the line, the hash.
const EVENT: usize = 4 + 4 + 32;
/// The cursor after the commit, and the length of its last line.
const COMMIT: usize = 8 + 4;

/// Writes down where everything lies, up to the last commit.
pub(super) fn encode(scan: &Scan, index: &Index) -> Vec<u8> {
    let (entries, commits) = (index.entries(), index.commits());
    let Erasures { recorded, erased } = &scan.erasures;
    let mut out = Vec::with_capacity(1024 + EVENT * entries.len() + COMMIT * commits.len());
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    for count in [
        scan.streams.len(),
        entries.len(),
        commits.len(),
        recorded.len(),
        erased.len(),
    ] {
        out.extend_from_slice(&(count as u64).to_le_bytes());
    }
    out.extend_from_slice(scan.closed.digest.as_bytes());
    for stream in &scan.streams {
        put_name(&mut out, stream.id.as_str());
    }
    for entry in entries {
        out.extend_from_slice(&entry.stream.to_le_bytes());
        out.extend_from_slice(&entry.len.to_le_bytes());
        out.extend_from_slice(entry.hash.as_bytes());
    }
    for cursor in commits {
        let last = &entries[*cursor as usize - 1];
        let next = entries
            .get(*cursor as usize)
            .map_or(scan.closed.offset, |next| next.offset);
        let len = next - last.offset - u64::from(last.len);
        out.extend_from_slice(&cursor.to_le_bytes());
        out.extend_from_slice(&(len as u32).to_le_bytes());
    }
    for (event, line) in recorded.iter().chain(erased) {
        put_name(&mut out, event.stream.as_str());
        out.extend_from_slice(&event.position.to_le_bytes());
        out.extend_from_slice(&line.to_le_bytes());
    }
    out
}

/// Reads what [`encode`] wrote. `None` if this is something else.
pub(super) fn decode(bytes: &[u8]) -> Option<(Scan, Index)> {
    let mut bytes = Bytes(bytes);
    if bytes.take(MAGIC.len())? != MAGIC || bytes.u32()? != VERSION {
        return None;
    }
    let mut count = || bytes.u64().and_then(|count| usize::try_from(count).ok());
    let (streams, events, commits, recorded, erased) = (count()?, count()?, count()?, count()?, count()?);
    let digest = bytes.digest()?;
    let mut ids = Vec::new();
    for _ in 0..streams {
        ids.push(bytes.text()?.parse::<StreamId>().ok()?);
    }
    let mut list = bytes.take(events.checked_mul(EVENT)?)?.chunks_exact(EVENT);
    let mut tips = vec![Tip::START; streams];
    let mut entries = Vec::with_capacity(events);
    let (mut offset, mut line) = (HEADER.len() as u64, 1);
    let mut ends = Vec::new();
    for commit in bytes.take(commits.checked_mul(COMMIT)?)?.chunks_exact(COMMIT) {
        let mut commit = Bytes(commit);
        let (cursor, len) = (commit.u64()?, commit.u32()?);
        let before = entries.len() as u64;
        if cursor <= before {
            return None;
        }
        for _ in before..cursor {
            let mut event = Bytes(list.next()?);
            let (stream, len, hash) = (event.u32()?, event.u32()?, event.digest()?);
            let entry = Entry {
                stream,
                offset,
                len,
                hash,
            };
            line += 1;
            tips.get_mut(stream as usize)?.follow(hash, line);
            offset = offset.checked_add(len.into())?;
            entries.push(entry);
        }
        line += 1;
        offset = offset.checked_add(len.into())?;
        ends.push(cursor);
    }
    let mut erasures = Erasures::default();
    for (map, count) in [(&mut erasures.recorded, recorded), (&mut erasures.erased, erased)] {
        for _ in 0..count {
            let stream = bytes.text()?.parse().ok()?;
            let position = bytes.u64()?;
            map.insert(EventRef { stream, position }, bytes.u64()?);
        }
    }
    let closed = Closed {
        commits: ends.len() as u64,
        cursor: entries.len() as u64,
        digest,
        offset,
        line,
    };
    let whole = list.next().is_none() && bytes.0.is_empty() && closed.commits > 0;
    let held: Vec<u64> = tips.iter().map(|tip| tip.position).collect();
    let streams = ids.into_iter().zip(tips).map(|(id, tip)| Stream::new(id, tip));
    let scan = Scan::restore(closed, streams.collect(), erasures).filter(|_| whole)?;
    Some((scan, Index::restore(entries, ends, &held)))
}

/// Whether a journal's file goes on from where an index ends: the index's last commit is closed in the file at the
/// place where the index says, by a line with the same digest, which covers what the index holds of its events.
pub(super) fn fits(file: &File, scan: &Scan, index: &Index) -> io::Result<bool> {
    let closed = &scan.closed;
    if file.metadata()?.len() < closed.offset {
        return Ok(false);
    }
    let (entries, commits) = (index.entries(), index.commits());
    let start = commits.len().checked_sub(2).map_or(0, |before| commits[before]);
    let Some(last) = entries.last() else {
        return Ok(false);
    };
    let end = last.offset + u64::from(last.len);
    let header = read_exactly(file, 0, HEADER.len())?;
    let line = read_exactly(file, end, (closed.offset - end) as usize)?;
    let Some(stated) = line
        .strip_suffix(b"\n")
        .and_then(|line| CommitLine::read(line).ok())
    else {
        return Ok(false);
    };
    let hashes = entries[start as usize..].iter().map(|entry| &entry.hash);
    let computed = CommitLine {
        number: closed.commits,
        events: closed.cursor - start,
        cursor: closed.cursor,
        previous: stated.previous,
        digest: commit_digest(&stated.previous, closed.commits, closed.cursor, hashes),
    };
    Ok(header == HEADER.as_bytes() && stated == computed && stated.digest == closed.digest)
}
