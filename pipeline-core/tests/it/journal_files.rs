//! What becomes of the files: torn writes, damage, checkpoints.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use pipeline_core::testing::journal::{event, stream};
use pipeline_core::{
    AppendError, Batch, Checkpoint, Digest, Expected, FileJournal, FindingKind, Journal, NewEvent, OpenError,
    Payload, ReadError, Timestamp, verify_files,
};

use crate::journal::{Counter, block_on, bytes, chain, file, open, said, say, small};

fn reopen(directory: &Path) -> Result<FileJournal, OpenError> {
    FileJournal::open(directory, Arc::new(Counter::default())).map(|(journal, _)| journal)
}

/// Where the lines start.
pub(crate) fn starts(bytes: &[u8]) -> Vec<usize> {
    let ends = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(at, _)| at + 1);
    std::iter::once(0)
        .chain(ends)
        .filter(|start| *start < bytes.len())
        .collect()
}

/// Where the last commit starts, and the line there.
pub(crate) fn last_commit(bytes: &[u8]) -> (usize, u64) {
    let starts = starts(bytes);
    let before = starts[..starts.len() - 1]
        .iter()
        .rposition(|start| bytes[*start..].starts_with(b"{\"commit\""));
    let line = before.unwrap_or(0) + 1;
    (starts[line], line as u64 + 1)
}

#[test]
fn a_commit_torn_at_any_byte_is_cut_off_and_kept_aside() {
    let directory = small();
    let whole = bytes(directory.path());
    let (start, line) = last_commit(&whole);
    for end in start..whole.len() {
        for zeros in [0, 1, 5000] {
            // A whole last line with a zero instead of its end is not what an interrupted write leaves.
            if zeros > 0 && end == whole.len() - 1 {
                continue;
            }
            let directory = tempfile::tempdir().unwrap();
            let mut torn = whole[..end].to_vec();
            torn.resize(end + zeros, 0);
            fs::write(file(directory.path()), &torn).unwrap();

            let reader = FileJournal::open_read_only(directory.path()).unwrap();
            assert_eq!(said(&reader), ["\"one\"", "\"two\"", "\"two\""], "torn at {end}");
            assert_eq!(bytes(directory.path()), torn, "reading changes nothing");
            let report = verify_files(directory.path(), None);
            let unfinished: Vec<_> = report.findings.iter().map(|f| (f.kind, f.line)).collect();

            let (journal, report) = open(directory.path());
            assert_eq!((report.events, report.commits), (3, 2), "torn at {end}");
            assert_eq!(bytes(directory.path()), whole[..start]);
            if torn.len() == start {
                assert_eq!((report.cut, unfinished), (None, vec![]));
            } else {
                let cut = report.cut.unwrap();
                assert_eq!((cut.line, cut.bytes), (line, (torn.len() - start) as u64));
                assert_eq!(fs::read(&cut.path).unwrap(), torn[start..], "torn at {end}");
                assert_eq!(journal.cuts(), [cut]);
                assert_eq!(unfinished, [(FindingKind::Unfinished, Some(line))]);
            }
            say(&journal, &["run/a"], "after");
            assert!(verify_files(directory.path(), None).is_clean());
        }
    }
}

#[test]
fn a_last_line_that_ends_wrongly_is_damage() {
    let directory = small();
    let whole = bytes(directory.path());
    for end in [&b"\0"[..], b"\0\0\0", b" ", b"}", b"\r"] {
        fs::write(file(directory.path()), [&whole[..whole.len() - 1], end].concat()).unwrap();
        match reopen(directory.path()) {
            Err(OpenError::Corrupt { line: 10, reason, .. }) => {
                assert_eq!(reason, "the line that closes the commit does not end");
            }
            other => panic!("{end:?}: {other:?}"),
        }
    }
}

#[test]
fn a_torn_first_line_is_a_new_journal() {
    let header = bytes(small().path());
    let header = &header[..starts(&header)[1]];
    for end in 0..header.len() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(file(directory.path()), &header[..end]).unwrap();
        let (journal, report) = open(directory.path());
        assert!(report.created, "{end}");
        say(&journal, &["run/a"], "x");
        assert!(verify_files(directory.path(), None).is_clean());
    }
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let directory = small();
    let whole = bytes(directory.path());
    let starts = starts(&whole);
    let checkpoint = block_on(open(directory.path()).0.checkpoint()).unwrap();
    let path = file(directory.path());
    for at in 0..whole.len() {
        // Two bits of each byte, other ones from byte to byte.
        for bit in [at % 8, (5 * at + 3) % 8] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            fs::write(&path, &flipped).unwrap();

            let line = starts.partition_point(|start| *start <= at);
            let closes = |line: &usize| whole[starts[*line - 1]..].starts_with(b"{\"commit\"") || *line == 1;
            let commit = (line..).find(closes).unwrap();
            let report = verify_files(directory.path(), None);
            let first = report
                .findings
                .first()
                .unwrap_or_else(|| panic!("bit {bit} of byte {at} was not found"));
            let found = first.line.unwrap() as usize;
            assert!(
                (line..=commit).contains(&found),
                "byte {at} of line {line} was found as {first}"
            );
            assert!(!verify_files(directory.path(), Some(&checkpoint)).is_clean());

            match reopen(directory.path()) {
                Err(OpenError::Corrupt { line: found, .. }) => {
                    assert!(
                        (line..=commit).contains(&(found as usize)),
                        "byte {at} of line {line}: line {found}"
                    );
                }
                other => panic!("bit {bit} of byte {at}: {other:?}"),
            }
            assert!(
                FileJournal::open_read_only(directory.path()).is_err(),
                "bit {bit} of byte {at}"
            );
            assert_eq!(bytes(directory.path()), flipped, "damage stays as it is");
        }
    }
}

#[test]
fn one_flipped_bit_of_a_payload_is_one_finding() {
    let directory = small();
    let path = file(directory.path());
    let text = fs::read_to_string(&path)
        .unwrap()
        .replacen("\"two\"", "\"twn\"", 1);
    fs::write(&path, text.replacen("three", "thrfe", 1)).unwrap();
    let report = verify_files(directory.path(), None);
    let lines: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.kind, finding.line))
        .collect();
    assert_eq!(
        lines,
        [(FindingKind::Damaged, Some(4)), (FindingKind::Damaged, Some(7))]
    );
    assert_eq!((report.events, report.commits, report.streams), (6, 3, 3));
}

#[test]
fn every_damaged_line_is_reported_once() {
    let directory = small();
    let path = file(directory.path());
    let whole = fs::read_to_string(&path).unwrap();
    for line in 1..=10 {
        let broken: Vec<_> = whole
            .lines()
            .enumerate()
            .map(|(at, text)| if at + 1 == line { "gibberish" } else { text })
            .collect();
        fs::write(&path, broken.join("\n") + "\n").unwrap();
        let report = verify_files(directory.path(), None);
        let lines: Vec<_> = report
            .findings
            .iter()
            .map(|finding| finding.line.unwrap())
            .collect();
        assert_eq!(lines.first(), Some(&(line as u64)), "{report}");
        assert!(lines.len() == 1 || line != 4, "{report}");
    }
}

#[test]
fn damage_after_opening_is_found_when_the_event_is_read() {
    let directory = small();
    let (journal, _) = open(directory.path());
    let path = file(directory.path());
    for (from, to) in [
        ("three", "thrfe"),
        ("\"actor\":\"engine\"", "\"actor\":\"enginf\""),
    ] {
        let whole = fs::read_to_string(&path).unwrap();
        let at = whole.rfind(from).unwrap();
        fs::write(&path, [&whole[..at], to, &whole[at + from.len()..]].concat()).unwrap();
        match block_on(journal.read(&stream("run/a"), 2, 9)) {
            Err(ReadError::Corrupt { line: 9, .. }) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(block_on(journal.read(&stream("run/a"), 0, 2)).unwrap().len(), 2);
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn errors_say_where_and_what() {
    let directory = small();
    let path = file(directory.path());
    let whole = fs::read_to_string(&path).unwrap();
    let mut texts = String::new();
    for (from, to) in [
        ("pipeline\",\"format\":1", "pipeline\",\"format\":2"),
        ("{\"journal\"", "{\"diary\""),
        ("\"kind\":", "\"kinf\":"),
        ("\"two\"", "\"too\""),
        ("\"position\":2", "\"position\":3"),
        ("\"events\":2", "\"events\":4"),
        ("\"cursor\":6", "\"cursor\":60"),
        ("1970", "1971"),
    ] {
        fs::write(&path, whole.replacen(from, to, 1)).unwrap();
        match reopen(directory.path()) {
            Err(error) => texts += &chain(&error),
            Ok(_) => texts += "good",
        }
        texts += "\n";
    }
    let texts = texts.replace(&format!("{}/", directory.path().display()), "DIR/");
    insta::assert_snapshot!(texts, @r###"
    DIR/journal.jsonl:1: the journal is damaged: the journal has format 2; this program reads format 1
    DIR/journal.jsonl:1: the journal is damaged: this is not the first line of a journal
    DIR/journal.jsonl:2: the journal is damaged: expected `","kind":` at byte 67
    DIR/journal.jsonl:4: the journal is damaged: the payload does not fit its digest
    DIR/journal.jsonl:4: the journal is damaged: `run/a#3` follows `run/a#1`
    DIR/journal.jsonl:6: the journal is damaged: the commit's count of events is 4, expected 2
    DIR/journal.jsonl:10: the journal is damaged: the commit's cursor is 60, expected 6
    DIR/journal.jsonl:3: the journal is damaged: commit 1 does not fit the digest that closes it
    "###);
}

#[test]
fn a_checkpoint_shows_that_the_last_commit_was_removed() {
    let directory = small();
    let checkpoint = block_on(open(directory.path()).0.checkpoint()).unwrap();
    assert!(verify_files(directory.path(), Some(&checkpoint)).is_clean());
    let whole = bytes(directory.path());
    fs::write(file(directory.path()), &whole[..last_commit(&whole).0]).unwrap();
    assert!(
        verify_files(directory.path(), None).is_clean(),
        "it is good in itself"
    );
    insta::assert_snapshot!(shown(directory.path(), &checkpoint), @r###"
    DIR/journal.jsonl: the journal has 3 events in 2 commits, but had 6 in 3 at the checkpoint
      hint: somebody with access to the file changed it: compare with other copies
    DIR/journal.jsonl: stream `environment/production` is gone; it had 1 events
      hint: somebody with access to the file changed it: compare with other copies
    DIR/journal.jsonl: stream `run/a` has 2 events, but had 3
      hint: somebody with access to the file changed it: compare with other copies
    DIR/journal.jsonl: stream `run/b` has 1 events, but had 2
      hint: somebody with access to the file changed it: compare with other copies
    3 events in 2 commits and 2 streams: 4 findings
    "###);
}

/// The findings against a checkpoint.
fn shown(directory: &Path, checkpoint: &Checkpoint) -> String {
    let report = verify_files(directory, Some(checkpoint));
    report
        .to_string()
        .replace(&format!("{}/", directory.display()), "DIR/")
}

/// Writes the small journal anew, as somebody would who knows the format, with other events.
fn forge(directory: &Path, change: impl Fn(&str, &str) -> Option<String>) {
    let (journal, _) = open(directory);
    for (streams, text) in [
        (&["run/a"][..], "one"),
        (&["run/a", "run/b"], "two"),
        (&["run/b", "environment/production", "run/a"], "three \"3\""),
    ] {
        let mut batch = Batch::new(Timestamp::UNIX_EPOCH);
        for name in streams {
            if let Some(text) = change(name, text) {
                batch = batch.event(&stream(name), Expected::Any, event(&text));
            }
        }
        let _commit = block_on(journal.append(batch)).unwrap();
    }
}

#[test]
fn a_checkpoint_shows_a_forged_journal() {
    let checkpoint = block_on(open(small().path()).0.checkpoint()).unwrap();
    let same = tempfile::tempdir().unwrap();
    forge(same.path(), |_, text| Some(text.to_owned()));
    assert!(
        verify_files(same.path(), Some(&checkpoint)).is_clean(),
        "the forger works by the rules"
    );

    let deleted = tempfile::tempdir().unwrap();
    forge(deleted.path(), |name, text| {
        (name != "run/b").then(|| text.to_owned())
    });
    assert!(verify_files(deleted.path(), None).is_clean());
    let report = shown(deleted.path(), &checkpoint);
    insta::assert_snapshot!(report, @r###"
    DIR/journal.jsonl: the journal has 4 events in 3 commits, but had 6 in 3 at the checkpoint
      hint: somebody with access to the file changed it: compare with other copies
    DIR/journal.jsonl:8: commit 3 is another one than at the checkpoint
      hint: somebody with access to the file changed it: compare with other copies
    DIR/journal.jsonl:6: `environment/production#1` is another event than at the checkpoint
      hint: somebody with access to the file changed it: compare with other copies
    DIR/journal.jsonl:7: `run/a#3` is another event than at the checkpoint
      hint: somebody with access to the file changed it: compare with other copies
    DIR/journal.jsonl: stream `run/b` is gone; it had 2 events
      hint: somebody with access to the file changed it: compare with other copies
    4 events in 3 commits and 2 streams: 5 findings
    "###);

    let changed = tempfile::tempdir().unwrap();
    forge(changed.path(), |name, text| {
        Some(if name == "run/b" {
            "other".to_owned()
        } else {
            text.to_owned()
        })
    });
    assert!(verify_files(changed.path(), None).is_clean());
    let report = shown(changed.path(), &checkpoint);
    insta::assert_snapshot!(report, @r###"
    DIR/journal.jsonl:10: commit 3 is another one than at the checkpoint
      hint: somebody with access to the file changed it: compare with other copies
    DIR/journal.jsonl:7: `run/b#2` is another event than at the checkpoint
      hint: somebody with access to the file changed it: compare with other copies
    6 events in 3 commits and 3 streams: 2 findings
    "###);
}

#[test]
fn a_journal_that_grew_still_fits_its_checkpoint() {
    let directory = small();
    let (journal, _) = open(directory.path());
    let checkpoint = block_on(journal.checkpoint()).unwrap();
    say(&journal, &["run/b", "run/new"], "more");
    let report = verify_files(directory.path(), Some(&checkpoint));
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.events, report.commits, report.streams), (8, 4, 4));
    let empty = Checkpoint {
        cursor: 0,
        commits: 0,
        commit: Digest::ZERO,
        heads: Default::default(),
        ..checkpoint
    };
    assert!(verify_files(directory.path(), Some(&empty)).is_clean());
}

#[test]
fn what_is_not_there_is_not_made_by_reading() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(
        FileJournal::open_read_only(directory.path()),
        Err(OpenError::Io { .. })
    ));
    assert_eq!(
        verify_files(directory.path(), None).findings[0].kind,
        FindingKind::Unreadable
    );
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);

    drop(small_in(directory.path()));
    let names = |directory: &Path| -> BTreeSet<_> {
        fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect()
    };
    let before = names(directory.path());
    let journal = FileJournal::open_read_only(directory.path()).unwrap();
    let result = block_on(journal.append(Batch::new(Timestamp::UNIX_EPOCH)));
    assert!(matches!(result, Err(AppendError::Io { .. })), "{result:?}");
    assert_eq!(names(directory.path()), before);
}

fn small_in(directory: &Path) -> FileJournal {
    let (journal, _) = open(directory);
    say(&journal, &["run/a"], "one");
    journal
}

#[test]
fn text_that_is_no_json_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let journal = small_in(directory.path());
    for bad in ["", "{", "1 2", "{\"a\":\"\n\"}x", "nul", "\"a\nb"] {
        let new = NewEvent::raw("test.said", 1, Payload::json(bad));
        let batch = Batch::new(Timestamp::UNIX_EPOCH).event(&stream("run/b"), Expected::At(0), event("good"));
        let result = block_on(journal.append(batch.event(&stream("run/a"), Expected::Any, new)));
        assert!(
            matches!(result, Err(AppendError::Invalid { source: Some(_), .. })),
            "{bad:?}: {result:?}"
        );
    }
    say(&journal, &["run/a", "run/b"], "two");
    assert_eq!(said(&journal), ["\"one\"", "\"two\"", "\"two\""]);
    assert!(verify_files(directory.path(), None).is_clean());
}

#[test]
fn handles_see_each_other_and_cut_what_the_other_left() {
    let directory = tempfile::tempdir().unwrap();
    let first = small_in(directory.path());
    let (second, _) = open(directory.path());
    let reader = FileJournal::open_read_only(directory.path()).unwrap();
    say(&second, &["run/a"], "two");
    assert_eq!(said(&first), ["\"one\"", "\"two\""]);
    say(&first, &["run/b"], "three");
    assert_eq!(said(&second).len(), 3);

    // Another process stops in the middle of an append.
    let whole = bytes(directory.path());
    let (start, _) = last_commit(&whole);
    let half = whole[start..whole.len() - 40].to_vec();
    let half = String::from_utf8(half).unwrap().replace("run/b", "run/c");
    fs::write(
        file(directory.path()),
        [&whole[..], half.split_at(300).0.as_bytes()].concat(),
    )
    .unwrap();
    assert_eq!(said(&first).len(), 3);
    assert_eq!(said(&reader).len(), 3);
    say(&first, &["run/b"], "four");
    assert_eq!((first.cuts().len(), second.cuts().len()), (1, 0));
    assert_eq!(said(&second).len(), 4);
    assert_eq!(said(&reader).len(), 4);
    assert!(verify_files(directory.path(), None).is_clean());
}
