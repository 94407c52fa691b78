use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::directory::Directory;
use super::finding::{Finding, FindingKind, VerifyReport};
use super::index_check::IndexCheck;
use super::lines::{Lines, Next};
use super::scan::{Closed, Fault, Observer, Pending, Scan, Stream};
use crate::Digest;
use crate::event::StreamId;
use crate::journal::Checkpoint;

const RESTORE: &str = "keep the file as it is and restore a copy that verifies";
const UNFINISHED: &str =
    "if nobody is writing, opening the journal for writing cuts it off and keeps it aside";
const ERASE: &str = "opening the journal for writing finishes the erasure";
const REMOVE: &str = "remove it: it is made again from the journal";
const COMPARE: &str = "somebody with access to the file changed it: compare with other copies";

/// Reads a journal's files from the first byte to the last and reports everything that is wrong with them,
/// and everything in which they contradict a checkpoint that was taken earlier.
///
/// Changes nothing and takes no lock. A journal that grew since the checkpoint is fine. Without a checkpoint,
/// a journal whose last commits were removed, or that somebody wrote anew from the first event on, looks
/// like any other. An index that opening the journal would take is compared with the journal. Takes time in
/// proportion to the files, and memory in proportion to the number of streams and the size of the index.
///
/// ```
/// use pipeline_core::{FileJournal, SystemEntropy, verify_files};
///
/// let directory = tempfile::tempdir()?;
/// FileJournal::open(directory.path(), std::sync::Arc::new(SystemEntropy))?;
/// let report = verify_files(directory.path(), None);
/// assert_eq!(report.to_string(), "0 events in 0 commits and 0 streams: nothing is wrong");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify_files(directory: &Path, against: Option<&Checkpoint>) -> VerifyReport {
    let directory = Directory::new(directory);
    let mut report = Report {
        path: directory.journal().to_owned(),
        findings: Vec::new(),
    };
    let mut compare = Compare::new(against);
    let mut scan = Scan::new(false);
    match read(&directory, &mut scan, &mut compare, &mut report) {
        Ok(index) => {
            let whole = report
                .findings
                .iter()
                .all(|found| found.kind != FindingKind::Damaged);
            if whole && index.differs(&scan) {
                let what = "the index says something else than the journal".to_owned();
                report.add(FindingKind::IndexDiffers, None, what, Some(REMOVE));
                if let Some(finding) = report.findings.last_mut() {
                    finding.path = index.path;
                }
            }
        }
        Err(error) => {
            let what = format!("the file cannot be read: {error}");
            report.add(FindingKind::Unreadable, None, what, None);
        }
    }
    for Fault { line, reason } in scan.erasures.unrecorded() {
        report.add(FindingKind::UnrecordedErasure, Some(line), reason, Some(COMPARE));
    }
    for (event, line) in scan.erasures.unfinished() {
        let position = scan
            .stream(&event.stream)
            .map_or(0, |index| scan.streams[index as usize].tip.position);
        if event.position <= position {
            let what = format!("the payload of `{event}` is recorded as erased, but still there");
            report.add(FindingKind::UnfinishedErasure, Some(line), what, Some(ERASE));
        }
    }
    report
        .findings
        .sort_by_key(|finding| finding.line.unwrap_or(u64::MAX));
    if let Some(checkpoint) = against {
        compare.finish(checkpoint, &scan, &mut report);
    }
    VerifyReport {
        events: scan.closed.cursor,
        commits: scan.closed.commits,
        streams: scan
            .streams
            .iter()
            .filter(|stream| stream.tip.position > 0)
            .count() as u64,
        findings: report.findings,
    }
}

struct Report {
    path: PathBuf,
    findings: Vec<Finding>,
}

impl Report {
    fn add(&mut self, kind: FindingKind, line: Option<u64>, what: String, hint: Option<&'static str>) {
        self.findings.push(Finding {
            kind,
            path: self.path.clone(),
            line,
            what,
            hint,
        });
    }

    fn damage(&mut self, Fault { line, reason }: Fault) {
        self.add(FindingKind::Damaged, Some(line), reason, Some(RESTORE));
    }
}

fn read(
    directory: &Directory,
    scan: &mut Scan,
    compare: &mut Compare<'_>,
    report: &mut Report,
) -> io::Result<IndexCheck> {
    let file = File::open(directory.journal())?;
    let mut observer = Both(compare, IndexCheck::new(&file, directory.derived()));
    let mut lines = Lines::new(&file, 0);
    loop {
        match lines.next()? {
            Next::Line(line) => scan.line(line, &mut observer),
            Next::Long(bytes) => scan.skip(bytes),
            Next::End(partial) => {
                let line = scan.closed.line + 1;
                let (events, bytes) = (
                    scan.pending.len(),
                    scan.offset() - scan.closed.offset + partial.len() as u64,
                );
                let begins = scan.begins(partial);
                scan.rollback();
                if let Err(fault) = begins {
                    report.damage(fault);
                } else if bytes > 0 && report.findings.iter().all(|finding| finding.line < Some(line)) {
                    let what =
                        format!("the last commit is not finished: {bytes} bytes, {events} whole events");
                    report.add(FindingKind::Unfinished, Some(line), what, Some(UNFINISHED));
                }
                return Ok(observer.1);
            }
        }
        for fault in scan.faults.drain(..) {
            report.damage(fault);
        }
    }
}

/// Two that want to know of each commit.
struct Both<'a, 'b>(&'a mut Compare<'b>, IndexCheck);

impl Observer for Both<'_, '_> {
    fn closed(&mut self, closed: &Closed, streams: &[Stream], events: &[Pending]) {
        self.0.closed(closed, streams, events);
        self.1.closed(closed, streams, events);
    }
}

/// What was found at the places of which the checkpoint speaks.
struct Compare<'a> {
    checkpoint: Option<&'a Checkpoint>,
    commit: Option<(u64, Digest)>,
    heads: HashMap<&'a StreamId, (u64, Digest)>,
}

impl<'a> Compare<'a> {
    fn new(checkpoint: Option<&'a Checkpoint>) -> Self {
        Self {
            checkpoint,
            commit: None,
            heads: HashMap::new(),
        }
    }

    fn finish(self, checkpoint: &Checkpoint, scan: &Scan, report: &mut Report) {
        use FindingKind::{Rewritten, Shortened, StreamMissing, UnknownCheckpoint};
        if checkpoint.format != 1 {
            let what = format!(
                "the checkpoint has format {}; this program reads format 1",
                checkpoint.format
            );
            return report.add(UnknownCheckpoint, None, what, None);
        }
        let closed = &scan.closed;
        if closed.commits < checkpoint.commits || closed.cursor < checkpoint.cursor {
            let what = format!(
                "the journal has {} events in {} commits, but had {} in {} at the checkpoint",
                closed.cursor, closed.commits, checkpoint.cursor, checkpoint.commits
            );
            report.add(Shortened, None, what, Some(COMPARE));
        }
        match self.commit {
            Some((line, digest)) if digest != checkpoint.commit => {
                let what = format!(
                    "commit {} is another one than at the checkpoint",
                    checkpoint.commits
                );
                report.add(Rewritten, Some(line), what, Some(COMPARE));
            }
            _ => {}
        }
        for (stream, head) in &checkpoint.heads {
            let held = scan.tip(stream).position;
            match self.heads.get(stream) {
                Some((line, hash)) if *hash != head.hash => {
                    let what = format!(
                        "`{stream}#{}` is another event than at the checkpoint",
                        head.position
                    );
                    report.add(Rewritten, Some(*line), what, Some(COMPARE));
                }
                Some(_) => {}
                None if held == 0 => {
                    let what = format!("stream `{stream}` is gone; it had {} events", head.position);
                    report.add(StreamMissing, None, what, Some(COMPARE));
                }
                None => {
                    let what = format!("stream `{stream}` has {held} events, but had {}", head.position);
                    report.add(Shortened, None, what, Some(COMPARE));
                }
            }
        }
    }
}

impl Observer for Compare<'_> {
    fn closed(&mut self, closed: &Closed, streams: &[Stream], events: &[Pending]) {
        let Some(checkpoint) = self.checkpoint else { return };
        if closed.commits == checkpoint.commits {
            self.commit = Some((closed.line, closed.digest));
        }
        for event in events {
            let stream = &streams[event.stream as usize].id;
            if let Some((stream, head)) = checkpoint.heads.get_key_value(stream)
                && head.position == event.position
            {
                self.heads.insert(stream, (event.line, event.hash));
            }
        }
    }
}
