//! What lies beside a journal: whatever it is, the journal says what it said.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::OnceLock;

use pipeline_core::{
    Digest, FileJournal, FindingKind, FoldName, FoldSnapshot, Journal, JournalExt, SystemEntropy,
    verify_files,
};

use super::support::{Input, edit, ready, said, small};

const DIGEST: usize = 32;

/// The first byte chooses a file: an index or the state of a fold, raw or edited. What follows is the file or the
/// edits. The file ends with a good digest, unless the choice says otherwise.
pub(crate) fn run(data: &[u8]) {
    let mut input = Input(data);
    let choice = input.byte();
    let directory = tempfile::tempdir().expect("a directory");
    let derived = directory.path().join("derived");
    fs::create_dir(&derived).expect("a folder");
    fs::write(directory.path().join("journal.jsonl"), small()).expect("a journal");
    let (index, fold) = good();
    let (name, good) = if choice & 1 == 0 {
        ("index", index)
    } else {
        ("history.fold", fold)
    };
    let mut bytes = if choice & 2 == 0 {
        let mut bytes = good[..good.len() - DIGEST].to_vec();
        edit(&mut bytes, &mut input);
        bytes
    } else {
        input.0.to_vec()
    };
    if choice & 4 == 0 {
        let digest = Digest::of(&bytes);
        bytes.extend_from_slice(digest.as_bytes());
    }
    fs::write(derived.join(name), &bytes).expect("a file");
    check(directory.path());
}

fn good() -> &'static (Vec<u8>, Vec<u8>) {
    static GOOD: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    GOOD.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("journal.jsonl"), small()).expect("a journal");
        let (journal, _) = FileJournal::open(directory.path(), Arc::new(SystemEntropy)).expect("a journal");
        journal.save_index().expect("an index");
        let fold = FoldSnapshot {
            name: FoldName::new("history").expect("a name"),
            version: 1,
            cursor: 8,
            bytes: b"state".to_vec(),
        };
        ready(journal.store_fold(fold)).expect("the state is kept");
        let read = |name| fs::read(directory.path().join("derived").join(name)).expect("a file");
        (read("index"), read("history.fold"))
    })
}

fn check(directory: &Path) {
    static TRUTH: OnceLock<(Vec<String>, String)> = OnceLock::new();
    let (truth, checkpoint) = TRUTH.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("journal.jsonl"), small()).expect("a journal");
        let journal = FileJournal::open_read_only(directory.path()).expect("a good journal");
        (
            said(&journal).expect("it can be read"),
            format!("{:?}", ready(journal.checkpoint())),
        )
    });
    let journal = FileJournal::open_read_only(directory).expect("the journal is good");
    if let Some(fold) = ready(journal.load_fold(&FoldName::new("history").expect("a name"), 1)) {
        assert!(fold.cursor <= truth.len() as u64);
    }
    let report = verify_files(directory, None);
    let kinds: Vec<_> = report.findings.iter().map(|finding| finding.kind).collect();
    assert!(
        kinds.iter().all(|kind| *kind == FindingKind::IndexDiffers),
        "{report}"
    );
    let claimed = ready(journal.checkpoint());
    for stream in claimed.as_ref().expect("the journal is good").heads.keys() {
        for event in ready(journal.read_stream(stream, 0)).expect("the journal is good") {
            assert_eq!(event.stream, *stream);
            assert!(
                truth.contains(&format!("{event:?}")),
                "{event:?} was never appended"
            );
        }
    }
    assert_eq!(said(&journal).expect("the journal is good"), *truth);
    if kinds.is_empty() {
        assert_eq!(
            format!("{claimed:?}"),
            *checkpoint,
            "a difference that verifying does not see"
        );
    }
}
