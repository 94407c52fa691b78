//! What a commit costs, and opening a journal.

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use pipeline_core::journal::{Batch, Expected};
use pipeline_core::{
    FileJournal, IncidentEvent, IncidentResolved, Journal, MemoryJournal, NewEvent, StreamId, SystemEntropy,
    Timestamp,
};

fn batch(events: usize) -> Batch {
    let stream: StreamId = "incident/bench".parse().expect("a stream");
    (0..events).fold(Batch::new(Timestamp::UNIX_EPOCH), |batch, index| {
        let event = IncidentEvent::from(IncidentResolved {
            resolution: format!("number {index}"),
        });
        batch.event(&stream, Expected::Any, NewEvent::engine(event))
    })
}

fn append(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let memory = MemoryJournal::new();
    c.bench_function("journal/append/memory", |b| {
        b.iter(|| runtime.block_on(memory.append(batch(1))).expect("appended"));
    });
    let directory = tempfile::tempdir().expect("a directory");
    let (file, _) =
        FileJournal::open(directory.path().join("journal"), Arc::new(SystemEntropy)).expect("opened");
    c.bench_function("journal/append/file", |b| {
        b.iter(|| runtime.block_on(file.append(batch(1))).expect("appended"));
    });
    let mut plain = File::create(directory.path().join("plain")).expect("a file");
    let line = vec![b'x'; 700];
    c.bench_function("journal/sync", |b| {
        b.iter(|| {
            plain.write_all(&line).expect("written");
            plain.sync_data().expect("synced");
        });
    });
}

fn open(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let directory = tempfile::tempdir().expect("a directory");
    let (file, _) = FileJournal::open(directory.path(), Arc::new(SystemEntropy)).expect("opened");
    for _ in 0..10 {
        let _ = runtime.block_on(file.append(batch(1_000))).expect("appended");
    }
    drop(file);
    c.bench_function("journal/open", |b| {
        b.iter(|| black_box(FileJournal::open_read_only(directory.path()).expect("opened")));
    });
}

criterion_group!(benches, append, open);
criterion_main!(benches);
