use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::batch::Batch;
use super::chunks::Chunks;
use super::error::{LogError, LogErrorKind};
use super::insert::Inserter;
use super::scan::scan;
use crate::Facts;

/// Reads the delivery log of another system: JSON lines.
///
/// | `type` | fields |
/// |---|---|
/// | `change` | `ts` of the commit, `service`, `sha`; perhaps `first_commit`, `opened`, `reviewed`, `merged` |
/// | `deployment` | `ts` of the end, `service`, `id`, `environment`, `result` (`success`, `failure`), `kind` (`planned`, `rework`, `hotfix`, `rollback`); perhaps `started`, `changes` (a list of shas), `version`, `release` (a digest), `team` |
/// | `incident_opened` | `ts`, `service`, `id`; perhaps `deployment` (an id), `environment`, `changes` (the shas that caused it) |
/// | `incident_resolved` | `ts`, `service`, `id` |
///
/// Moments are RFC 3339. Fields that nobody knows are ignored, empty lines are skipped. A line that does not fit is
/// a [problem](Facts::problems) with file, line and reason, and in a [strict](Self::strict) reader the end.
///
/// ```
/// use pipeline_metrics::{Facts, LogReader};
///
/// let log = r#"{"type":"change","ts":"2025-01-06T08:00:00Z","service":"shop","sha":"a"}
/// {"type":"chance","ts":"2025-01-06T08:00:00Z","service":"shop","sha":"b"}
/// "#;
/// let mut facts = Facts::new();
/// let summary = LogReader::new("events.jsonl").read(log.as_bytes(), &mut facts)?;
/// assert_eq!((summary.facts, summary.bad_lines), (1, 1));
/// let problem = facts.problems().next().ok_or("no problem")?;
/// assert_eq!(problem.source.to_string(), "events.jsonl:2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct LogReader {
    file: Arc<str>,
    strict: bool,
    threads: usize,
}

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSummary {
    /// Lines that told a fact, repeated ones included.
    pub facts: u64,
    /// Lines that did not fit.
    pub bad_lines: u64,
}

/// How many batches are under way between two threads.
const UNDER_WAY: usize = 4;

impl LogReader {
    /// A reader of a log with this name, which stands in sources and problems.
    pub fn new(file: &str) -> Self {
        Self {
            file: file.into(),
            strict: false,
            threads: 1,
        }
    }

    /// Stops at the first line that does not fit.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Reads on so many threads: on 2 or more, one finds the lines while the caller's reads and keeps the facts. What
    /// is read is the same.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Adds the log's facts and problems, line after line, without holding the log in memory.
    ///
    /// # Errors
    ///
    /// When the log cannot be read further, and in a strict reader when a line does not fit. The facts of
    /// the lines before have been added.
    pub fn read(&self, log: impl Read, facts: &mut Facts) -> Result<LogSummary, LogError> {
        let mut chunks = Chunks::new(log);
        let mut inserter = Inserter::new(facts, &self.file, self.strict);
        if self.threads < 2 {
            let mut batch = Batch::default();
            while chunks.fill(&mut batch) {
                scan(&mut batch);
                inserter.insert(&batch)?;
                batch.clear();
            }
        } else {
            thread::scope(|scope| {
                let (to_scan, filled) = sync_channel(UNDER_WAY);
                let (scanned, from_scan) = sync_channel(UNDER_WAY);
                scope.spawn(move || scan_all(&filled, &scanned));
                insert_all(&mut chunks, to_scan, &from_scan, &mut inserter)
            })?;
        }
        match chunks.error.take() {
            Some(error) => Err(inserter.error(inserter.lines + 1, LogErrorKind::Read(error))),
            None => Ok(inserter.summary),
        }
    }
}

fn scan_all(filled: &Receiver<Batch>, scanned: &SyncSender<Batch>) {
    while let Ok(mut batch) = filled.recv() {
        scan(&mut batch);
        if scanned.send(batch).is_err() {
            return;
        }
    }
}

/// Reads ahead, and inserts in the order of the log.
fn insert_all<R: Read>(
    chunks: &mut Chunks<R>,
    to_scan: SyncSender<Batch>,
    from_scan: &Receiver<Batch>,
    inserter: &mut Inserter<'_>,
) -> Result<(), LogError> {
    let (mut under_way, mut free) = (0, Vec::new());
    loop {
        while under_way < UNDER_WAY {
            let mut batch = free.pop().unwrap_or_default();
            if !chunks.fill(&mut batch) || to_scan.send(batch).is_err() {
                break;
            }
            under_way += 1;
        }
        if under_way == 0 {
            return Ok(());
        }
        let Ok(mut batch) = from_scan.recv() else {
            return Ok(());
        };
        under_way -= 1;
        inserter.insert(&batch)?;
        batch.clear();
        free.push(batch);
    }
}
