//! Erased payloads.

use std::fs;

use pipeline_core::testing::journal::stream;
use pipeline_core::{
    Actor, EraseError, EventRef, FileJournal, FindingKind, Journal, JournalEvent, OpenError, Timestamp,
    verify_files,
};

use crate::journal::{block_on, bytes, chain, file, open, said, say, small};

fn target() -> EventRef {
    EventRef {
        stream: stream("run/a"),
        position: 2,
    }
}

fn erase(journal: &FileJournal, event: &EventRef) -> Result<(), EraseError> {
    journal.erase(
        event,
        Actor::person("dora").unwrap(),
        "asked for",
        Timestamp::UNIX_EPOCH,
    )
}

#[test]
fn an_erased_payload_is_gone_and_the_chain_holds() {
    let directory = small();
    let (journal, _) = open(directory.path());
    let (other, _) = open(directory.path());
    let reader = FileJournal::open_read_only(directory.path()).unwrap();
    let before = block_on(journal.checkpoint()).unwrap();
    let old = bytes(directory.path());
    let salt = String::from_utf8(old)
        .unwrap()
        .lines()
        .nth(3)
        .unwrap()
        .split("\"salt\":\"")
        .nth(1)
        .unwrap()[..32]
        .to_owned();

    erase(&journal, &target()).unwrap();
    let text = String::from_utf8(bytes(directory.path())).unwrap();
    assert_eq!(text.matches("\"two\"").count(), 1, "that of run/b is still there");
    assert!(!text.contains(&salt), "so is its salt");
    assert!(verify_files(directory.path(), Some(&before)).is_clean());
    for journal in [&journal, &other, &reader, &open(directory.path()).0] {
        let events = block_on(journal.read(&stream("run/a"), 0, 9)).unwrap();
        let erased: Vec<_> = events.iter().map(|event| event.payload.is_erased()).collect();
        assert_eq!(erased, [false, true, false]);
        assert_eq!(events[1].kind, "test.said");
        let records = block_on(journal.read(&JournalEvent::erasures(), 0, 9)).unwrap();
        let record = records[0].read::<JournalEvent>().unwrap().unwrap().into_owned();
        let JournalEvent::PayloadErased(record) = record else {
            panic!("{record:?}")
        };
        assert_eq!((record.event, record.reason.as_str()), (target(), "asked for"));
        assert_eq!(records[0].actor.to_string(), "person:dora");
    }
    // Nobody writes to the file that was replaced.
    say(&other, &["run/a"], "more");
    assert_eq!(said(&journal).len(), 8);
    assert_eq!(said(&reader).len(), 8);
    erase(&other, &target()).unwrap();
    assert_eq!(said(&journal).len(), 8, "erasing twice changes nothing");
    assert!(!directory.path().join("journal.jsonl.rewrite").exists());
}

#[test]
fn a_crash_between_record_and_erasure_is_made_good() {
    let directory = small();
    let (journal, _) = open(directory.path());
    let old = bytes(directory.path());
    erase(&journal, &target()).unwrap();
    // The file as it was after the first step: the old lines, and the record.
    let text = String::from_utf8(bytes(directory.path())).unwrap();
    let record = text
        .lines()
        .skip(10)
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    let recorded = [&old[..], record.as_bytes()].concat();
    fs::write(file(directory.path()), &recorded).unwrap();
    fs::write(directory.path().join("journal.jsonl.rewrite"), &recorded[..500]).unwrap();

    let report = verify_files(directory.path(), None);
    let kinds: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.kind, finding.line))
        .collect();
    assert_eq!(kinds, [(FindingKind::UnfinishedErasure, Some(11))]);
    let reader = FileJournal::open_read_only(directory.path()).unwrap();
    assert!(
        !block_on(reader.read(&stream("run/a"), 1, 1)).unwrap()[0]
            .payload
            .is_erased()
    );

    let (again, report) = open(directory.path());
    assert_eq!((report.erased, report.events), (1, 7));
    assert!(
        block_on(again.read(&stream("run/a"), 1, 1)).unwrap()[0]
            .payload
            .is_erased()
    );
    assert_eq!(String::from_utf8(bytes(directory.path())).unwrap(), text);
    assert!(!directory.path().join("journal.jsonl.rewrite").exists());
    assert!(verify_files(directory.path(), None).is_clean());

    // A handle that erases again finishes it as well.
    fs::write(file(directory.path()), &recorded).unwrap();
    let (fresh, report) = open(directory.path());
    assert_eq!(report.erased, 1);
    erase(&fresh, &target()).unwrap();
    assert_eq!(said(&fresh).len(), 7);
}

#[test]
fn an_erasure_without_a_record_is_damage() {
    let directory = small();
    let path = file(directory.path());
    let text = fs::read_to_string(&path).unwrap();
    let line = text.lines().nth(3).unwrap();
    let erased = format!("{},\"erased\":true}}", line.split(",\"salt\"").next().unwrap());
    fs::write(&path, text.replacen(line, &erased, 1)).unwrap();
    let report = verify_files(directory.path(), None);
    let kinds: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.kind, finding.line))
        .collect();
    assert_eq!(kinds, [(FindingKind::UnrecordedErasure, Some(4))]);
    match FileJournal::open_read_only(directory.path()) {
        Err(OpenError::Corrupt { line: 4, reason, .. }) => {
            insta::assert_snapshot!(reason, @r###"
            the payload of `run/a#2` is erased, but no event records that
            "###);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_be_erased_is_refused() {
    let directory = small();
    let (journal, _) = open(directory.path());
    erase(&journal, &target()).unwrap();
    let refused = |stream_name: &str, position| {
        chain(
            &erase(
                &journal,
                &EventRef {
                    stream: stream(stream_name),
                    position,
                },
            )
            .unwrap_err(),
        )
    };
    let reader = FileJournal::open_read_only(directory.path()).unwrap();
    let texts = [
        refused("run/a", 0),
        refused("run/a", 9),
        refused("run/x", 1),
        refused("journal/erasures", 1),
        chain(&erase(&reader, &target()).unwrap_err()),
    ];
    let texts = texts
        .join("\n")
        .replace(&format!("{}/", directory.path().display()), "DIR/");
    insta::assert_snapshot!(texts, @r###"
    the journal holds no event `run/a#0`
    the journal holds no event `run/a#9`
    the journal holds no event `run/x#1`
    event `journal/erasures#1` records an erasure, so it stays
    cannot record that the payload of `run/a#2` is erased
      cannot append to journal DIR/journal.jsonl
      the journal was opened for reading only
    "###);
    assert_eq!(said(&journal).len(), 7, "no record of what was refused");
}
