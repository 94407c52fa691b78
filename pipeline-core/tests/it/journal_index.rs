//! The index beside a journal: it saves time and changes nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use pipeline_core::testing::journal::{event, stream};
use pipeline_core::{
    Actor, Batch, Checkpoint, Digest, EventRef, Expected, FileJournal, FindingKind, Journal, JournalExt,
    OpenReport, ReadError, Timestamp, verify_files,
};
use proptest::prelude::*;

use crate::journal::{block_on, bytes, file, open, said, say, small};

const DIGEST: usize = 32;

fn index(directory: &Path) -> PathBuf {
    directory.join("derived").join("index")
}

/// Everything that a journal says, however it was opened.
fn all(journal: &FileJournal) -> (Checkpoint, Vec<String>, Vec<Vec<String>>) {
    let plain = |events: Vec<pipeline_core::Event>| -> Vec<String> {
        events.iter().map(|event| format!("{event:?}")).collect()
    };
    let checkpoint = block_on(journal.checkpoint()).unwrap();
    let streams = checkpoint.heads.keys();
    let streams = streams.map(|stream| plain(block_on(journal.read_stream(stream, 0)).unwrap()));
    let streams = streams.collect();
    (
        checkpoint,
        plain(block_on(journal.read_everything(0)).unwrap()),
        streams,
    )
}

/// A copy of a journal without anything that was derived from it.
fn bare(directory: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    fs::copy(file(directory), file(copy.path())).unwrap();
    copy
}

/// Opens a journal with what lies beside it, and checks that this made no difference.
fn opened(directory: &Path) -> OpenReport {
    let whole = all(&open(bare(directory).path()).0);
    assert_eq!(all(&FileJournal::open_read_only(directory).unwrap()), whole);
    let (journal, report) = open(directory);
    assert_eq!(all(&journal), whole);
    report
}

/// The small journal with an index of all of it.
fn indexed() -> tempfile::TempDir {
    let directory = small();
    open(directory.path()).0.save_index().unwrap();
    assert_eq!(opened(directory.path()).indexed, 6);
    directory
}

/// Writes an index with a good digest.
fn forge(directory: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let path = index(directory);
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(bytes.len() - DIGEST);
    change(&mut bytes);
    let digest = Digest::of(&bytes);
    bytes.extend_from_slice(digest.as_bytes());
    fs::write(path, bytes).unwrap();
}

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<u8>),
    Save,
    Reopen,
    Erase(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec(0..5u8, 1..5).prop_map(Step::Append),
        2 => Just(Step::Save),
        1 => Just(Step::Reopen),
        1 => (0..40u8).prop_map(Step::Erase),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 5, ..ProptestConfig::default() })]

    #[test]
    fn an_index_makes_no_difference(steps in prop::collection::vec(step(), 1..20)) {
        let directory = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(directory.path());
        let mut saved = 0;
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Append(streams) => {
                    let names: Vec<_> = streams.iter().map(|stream| format!("run/s{stream}")).collect();
                    let names: Vec<_> = names.iter().map(String::as_str).collect();
                    say(&journal, &names, &format!("{number}"));
                }
                Step::Save => {
                    journal.save_index().unwrap();
                    saved = block_on(journal.checkpoint()).unwrap().cursor;
                }
                Step::Reopen => {
                    prop_assert_eq!(opened(directory.path()).indexed, saved);
                    journal = open(directory.path()).0;
                }
                Step::Erase(number) => {
                    let found = block_on(journal.read_all(number.into(), 1)).unwrap();
                    if let Some(event) = found.first().filter(|event| !event.payload.is_erased()) {
                        let by = Actor::person("alice").unwrap();
                        if journal.erase(&event.reference(), by, "asked to", Timestamp::UNIX_EPOCH).is_ok() {
                            saved = 0;
                        }
                    }
                }
            }
        }
        prop_assert_eq!(opened(directory.path()).indexed, saved);
        let report = verify_files(directory.path(), None);
        prop_assert!(report.is_clean(), "{}", report);
    }
}

#[test]
fn whatever_is_wrong_with_an_index_the_journal_is_read() {
    let directory = indexed();
    let good = fs::read(index(directory.path())).unwrap();
    for end in 0..good.len() {
        fs::write(index(directory.path()), &good[..end]).unwrap();
        assert_eq!(opened(directory.path()).indexed, 0, "cut off at {end}");
        let mut flipped = good.clone();
        flipped[end] ^= 1 << (end % 8);
        fs::write(index(directory.path()), &flipped).unwrap();
        assert_eq!(opened(directory.path()).indexed, 0, "flipped at {end}");
    }
    fs::write(index(directory.path()), [&good[..], b"x"].concat()).unwrap();
    assert_eq!(opened(directory.path()).indexed, 0, "longer");
    fs::remove_file(index(directory.path())).unwrap();
    fs::create_dir(index(directory.path())).unwrap();
    assert_eq!(opened(directory.path()).indexed, 0, "a folder");
}

#[test]
fn an_index_of_another_form_is_passed_over() {
    let directory = indexed();
    forge(directory.path(), |_| {});
    assert_eq!(
        opened(directory.path()).indexed,
        6,
        "the forger works by the rules"
    );
    let version = b"release-pipeline index\n".len();
    forge(directory.path(), |bytes| bytes[version] = 2);
    assert_eq!(opened(directory.path()).indexed, 0, "a newer version");
    assert!(verify_files(directory.path(), None).is_clean());
}

#[test]
fn no_forged_number_changes_what_is_read() {
    let directory = indexed();
    let good = fs::read(index(directory.path())).unwrap();
    let whole = said(&open(bare(directory.path()).path()).0);
    let mut believed = 0;
    for at in 0..good.len() - DIGEST {
        for value in [0, 1, 0x7f, 0xff] {
            fs::write(index(directory.path()), &good).unwrap();
            forge(directory.path(), |bytes| bytes[at] = value);
            let (journal, report) = open(directory.path());
            assert_eq!(said(&journal), whole, "byte {at} is {value}");
            let (journal, _) = open(directory.path());
            for stream in block_on(journal.checkpoint()).unwrap().heads.keys() {
                let events = block_on(journal.read_stream(stream, 0)).unwrap();
                assert!(
                    events.iter().all(|event| event.stream == *stream),
                    "byte {at} is {value}"
                );
            }
            // What opening takes and is wrong is found by verifying.
            let forged = fs::read(index(directory.path())).unwrap();
            let report_kinds = verify_files(directory.path(), None).findings;
            let kinds: Vec<_> = report_kinds.iter().map(|finding| finding.kind).collect();
            let taken = report.indexed > 0 && forged != good;
            believed += u32::from(taken);
            assert_eq!(
                kinds,
                if taken {
                    vec![FindingKind::IndexDiffers]
                } else {
                    vec![]
                },
                "byte {at} is {value}"
            );
        }
    }
    assert!(believed > 0);
}

#[test]
fn an_index_that_is_behind_saves_what_it_can() {
    let directory = indexed();
    say(&open(directory.path()).0, &["run/a", "run/new"], "more");
    let report = opened(directory.path());
    assert_eq!((report.indexed, report.events), (6, 8));
    assert!(verify_files(directory.path(), None).is_clean());
}

#[test]
fn an_index_of_what_is_not_there_is_passed_over() {
    let directory = indexed();
    let whole = bytes(directory.path());
    let text = String::from_utf8(whole.clone()).unwrap();
    let commits: Vec<_> = text.match_indices("{\"commit\"").map(|(at, _)| at).collect();
    let end = commits[1] + text[commits[1]..].find('\n').unwrap() + 1;
    fs::write(file(directory.path()), &whole[..end]).unwrap();
    assert_eq!(opened(directory.path()).indexed, 0, "the journal was cut off");
    let (journal, _) = open(directory.path());
    say(
        &journal,
        &["run/b", "environment/production", "run/a"],
        "three \"4\"",
    );
    assert_eq!(bytes(directory.path()).len(), whole.len());
    assert_eq!(opened(directory.path()).indexed, 0, "it went on in another way");

    let other = small();
    fs::create_dir(other.path().join("derived")).unwrap();
    say(&open(other.path()).0, &["run/a"], "x");
    open(other.path()).0.save_index().unwrap();
    fs::copy(index(other.path()), index(directory.path())).unwrap();
    assert_eq!(opened(directory.path()).indexed, 0, "it is another journal's");
}

#[test]
fn damage_that_an_index_passes_over_is_found_when_it_is_read() {
    let directory = indexed();
    let path = file(directory.path());
    let text = fs::read_to_string(&path)
        .unwrap()
        .replacen("\"one\"", "\"oen\"", 1);
    fs::write(&path, text).unwrap();
    let journal = FileJournal::open_read_only(directory.path()).unwrap();
    assert_eq!(block_on(journal.read(&stream("run/b"), 0, 9)).unwrap().len(), 2);
    match block_on(journal.read(&stream("run/a"), 0, 9)) {
        Err(ReadError::Corrupt { line: 2, reason, .. }) => {
            assert_eq!(reason, "the payload does not fit its digest");
        }
        other => panic!("{other:?}"),
    }
    let report = verify_files(directory.path(), None);
    let found: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.kind, finding.line))
        .collect();
    assert_eq!(found, [(FindingKind::Damaged, Some(2))]);
}

#[test]
fn an_index_is_written_when_enough_was_appended() {
    let many = |events: usize| {
        let mut batch = Batch::new(Timestamp::UNIX_EPOCH);
        for _ in 0..events {
            batch.push(&stream("run/a"), Expected::Any, event("x"));
        }
        batch
    };
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = open(directory.path());
    let _commit = block_on(journal.append(many(1000))).unwrap();
    drop(journal);
    assert!(!index(directory.path()).exists(), "few events are read as fast");
    let (journal, _) = open(directory.path());
    let _commit = block_on(journal.append(many(100))).unwrap();
    drop(journal);
    assert_eq!(opened(directory.path()).indexed, 1100);
    let (journal, _) = open(directory.path());
    let before = fs::read(index(directory.path())).unwrap();
    let _commit = block_on(journal.append(many(4096))).unwrap();
    while fs::read(index(directory.path())).is_ok_and(|now| now == before) {
        thread::yield_now();
    }
    assert_eq!(opened(directory.path()).indexed, 5196);
}

#[test]
fn a_writer_that_was_killed_leaves_nothing_that_matters() {
    let directory = indexed();
    let derived = directory.path().join("derived");
    // Killed before the file got its name: what it wrote is whole, or only begun.
    let good = fs::read(index(directory.path())).unwrap();
    fs::write(derived.join("index.4711-0.tmp"), &good).unwrap();
    fs::write(derived.join("index.4711-1.tmp"), &good[..good.len() / 2]).unwrap();
    assert_eq!(
        said(&FileJournal::open_read_only(directory.path()).unwrap()).len(),
        6
    );
    assert_eq!(
        fs::read_dir(&derived).unwrap().count(),
        3,
        "reading changes nothing"
    );
    assert_eq!(opened(directory.path()).indexed, 6);
    assert_eq!(fs::read_dir(&derived).unwrap().count(), 1);
}

#[test]
fn reading_writes_no_index() {
    let directory = small();
    let journal = FileJournal::open_read_only(directory.path()).unwrap();
    journal.save_index().unwrap();
    assert!(!index(directory.path()).exists());
}

#[test]
fn an_erasure_takes_the_index_with_it() {
    let directory = indexed();
    let (journal, _) = open(directory.path());
    let event = EventRef {
        stream: stream("run/a"),
        position: 1,
    };
    journal
        .erase(&event, Actor::Engine, "asked to", Timestamp::UNIX_EPOCH)
        .unwrap();
    assert!(!index(directory.path()).exists());
    assert_eq!(opened(directory.path()).indexed, 0);
    journal.save_index().unwrap();
    assert_eq!(opened(directory.path()).indexed, 7);
}

const DIRECTORY: &str = "PIPELINE_TEST_INDEX";

/// Not a test of its own: appends, and writes the index again and again.
#[test]
#[ignore = "run by `opening_while_another_process_appends`"]
#[expect(
    clippy::disallowed_methods,
    reason = "the parent says so where the journal is"
)]
fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else {
        return;
    };
    let (journal, _) = open(directory.as_ref());
    for number in 0..300 {
        say(&journal, &["run/a", "run/b"], &number.to_string());
        if number % 3 == 0 {
            // The parent, which opens the journal, may just now have taken its draft for one of a dead process.
            let _ = journal.save_index();
        }
    }
}

#[test]
fn opening_while_another_process_appends() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "journal_index::child"])
        .env(DIRECTORY, directory.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut before = Vec::new();
    loop {
        let over = child.try_wait().unwrap();
        let reader = FileJournal::open_read_only(directory.path()).unwrap();
        let now = said(&reader);
        assert!(now.starts_with(&before), "what was there stays");
        let (writer, report) = open(directory.path());
        assert!(report.events >= now.len() as u64 && report.indexed <= report.events);
        drop(writer);
        before = now;
        if let Some(status) = over {
            assert!(status.success());
            break;
        }
    }
    assert_eq!(said(&open(directory.path()).0).len(), 600);
    let report = verify_files(directory.path(), None);
    assert!(report.is_clean(), "{report}");
    assert!(opened(directory.path()).indexed > 0);
}
