//! What the journals share: helpers, and the conformance suite run on both.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pipeline_core::testing::journal as suite;
use pipeline_core::{Batch, Entropy, Expected, FileJournal, Journal, MemoryJournal, OpenReport, Timestamp};

/// Counts instead of being random, so that every run writes the same bytes.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Entropy for Counter {
    fn next_u64(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

pub(crate) fn open(directory: &Path) -> (FileJournal, OpenReport) {
    FileJournal::open(directory, Arc::new(Counter::default())).unwrap()
}

pub(crate) fn file(directory: &Path) -> PathBuf {
    directory.join("journal.jsonl")
}

pub(crate) fn bytes(directory: &Path) -> Vec<u8> {
    fs::read(file(directory)).unwrap()
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// Appends one commit: an event for each stream named, with the text as its payload.
pub(crate) fn say(journal: &impl Journal, streams: &[&str], text: &str) {
    let mut batch = Batch::new(Timestamp::UNIX_EPOCH);
    for stream in streams {
        batch = batch.event(&suite::stream(stream), Expected::Any, suite::event(text));
    }
    let _commit = block_on(journal.append(batch)).unwrap();
}

/// All payloads, in order.
pub(crate) fn said(journal: &impl Journal) -> Vec<String> {
    let events = block_on(journal.read_all(0, usize::MAX)).unwrap();
    events
        .iter()
        .map(|event| event.payload.to_json().unwrap().into_owned())
        .collect()
}

/// A journal of three commits in a directory of its own.
pub(crate) fn small() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = open(directory.path());
    say(&journal, &["run/a"], "one");
    say(&journal, &["run/a", "run/b"], "two");
    say(
        &journal,
        &["run/b", "environment/production", "run/a"],
        "three \"3\"",
    );
    directory
}

/// Every error of the chain, one per line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!("\n  {error}");
        source = error.source();
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_memory_journal_conforms() {
    suite::conforms(|| Arc::new(MemoryJournal::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_journal_conforms() {
    let directories = tempfile::tempdir().unwrap();
    let next = AtomicU64::new(0);
    suite::conforms(|| {
        let directory = directories
            .path()
            .join(next.fetch_add(1, Ordering::Relaxed).to_string());
        Arc::new(open(&directory).0)
    })
    .await;
}

#[test]
fn the_chain_of_a_memory_journal_is_that_of_a_file_but_for_the_salts() {
    let memory = MemoryJournal::new();
    let directory = tempfile::tempdir().unwrap();
    let (on_disk, _) = open(directory.path());
    say(&memory, &["run/a", "run/b"], "x");
    say(&on_disk, &["run/a", "run/b"], "x");
    let (memory, on_disk) = (
        block_on(memory.checkpoint()).unwrap(),
        block_on(on_disk.checkpoint()).unwrap(),
    );
    assert_eq!((memory.cursor, memory.commits), (on_disk.cursor, on_disk.commits));
    assert_ne!(memory.commit, on_disk.commit, "salts hide equal payloads");
}
