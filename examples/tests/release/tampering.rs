//! One changed byte anywhere is found and named; what was cut or written anew is found against a checkpoint.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{PACKAGE, Said, TestSpace, files_below, long};

/// A small run: everything it wrote is in some tens of kilobytes.
fn small() -> TestSpace {
    let stages = r#"
[stages.say]
type = "command"
program = "sh"
args = ["-c", "echo said"]
effect = "idempotent"

[stages.deploy]
type = "deploy"
environment = "staging"
needs = ["app"]
after = ["say"]
"#;
    let space = TestSpace::with_app(&[PACKAGE, stages].concat());
    space.run(0);
    space.assert_verifies();
    space
}

fn findings(space: &TestSpace, args: &[&str]) -> (i32, Vec<String>) {
    let said: Said = space.json(&[&["verify"], args].concat());
    let Some(findings) = said.document["findings"].as_array() else {
        panic!("`verify` found nothing out: {said}");
    };
    let findings = findings
        .iter()
        .map(|finding| finding.as_str().unwrap().to_owned());
    (said.exit, findings.collect())
}

/// The bytes of a file to flip: all of them, or some that are spread over it, the first and the last among them.
fn places(length: usize, most: usize) -> Vec<usize> {
    if long() || length <= most {
        return (0..length).collect();
    }
    (0..most).map(|place| place * (length - 1) / (most - 1)).collect()
}

/// Flips one bit of each of some bytes; `check` looks at what `verify` says.
fn flip(space: &TestSpace, path: &Path, most: usize, check: impl Fn(usize, &[String])) -> usize {
    let good = fs::read(path).unwrap();
    let places = places(good.len(), most);
    for &at in &places {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(path, &bad).unwrap();
        let (exit, findings) = findings(space, &[]);
        assert_eq!(
            exit,
            1,
            "byte {at} of {} was changed: {findings:?}",
            path.display()
        );
        check(at, &findings);
    }
    fs::write(path, &good).unwrap();
    places.len()
}

#[test]
fn one_flipped_bit_in_the_journal_is_found_and_its_line_named() {
    let space = small();
    let path = space.journal();
    let text = fs::read_to_string(&path).unwrap();
    let journal = fs::canonicalize(&path).unwrap().display().to_string();
    let flipped = flip(&space, &path, 150, |at, findings| {
        let line = 1 + text.as_bytes()[..at]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        let named = findings.iter().find_map(|finding| {
            let rest = finding.split_once("journal.jsonl:")?.1;
            rest.split_once(':')?.0.parse::<usize>().ok()
        });
        let Some(named) = named else {
            panic!("byte {at} of {journal}: no line is named in {findings:?}");
        };
        // A changed envelope is found where something fits it no more: at most at the next event of its stream.
        assert!(
            named >= line,
            "byte {at} is in line {line}, named was {named}: {findings:?}"
        );
    });
    eprintln!("{flipped} bytes of {}", text.len());
    space.assert_verifies();
}

/// What the store makes again of the rest, or only locks.
fn is_derived(artifacts: &Path, path: &Path) -> bool {
    let derived = ["cache", "layouts", "gc.lock"];
    derived.iter().any(|name| path.starts_with(artifacts.join(name)))
}

#[test]
fn one_flipped_bit_in_an_artifact_is_found_and_its_file_named() {
    let space = small();
    let artifacts = space.store().join("artifacts");
    let files = files_below(&artifacts);
    let has = |part: &str| files.iter().any(|file| file.to_string_lossy().contains(part));
    assert!(has("/blobs/sha256/") && has("/catalog/app/"), "{files:?}");
    let mut flipped = 0;
    for path in files {
        if fs::metadata(&path).unwrap().len() == 0 || is_derived(&artifacts, &path) {
            continue;
        }
        let name = path.strip_prefix(&artifacts).unwrap().display().to_string();
        flipped += flip(&space, &path, 12, |at, findings| {
            let named = findings.iter().any(|finding| finding.contains(&name));
            assert!(named, "byte {at} of {name}: it is not named in {findings:?}");
        });
    }
    eprintln!("{flipped} bytes");
    space.assert_verifies();
}

#[test]
fn a_blob_that_is_gone_is_missed() {
    let space = small();
    let artifacts = space.store().join("artifacts");
    for path in files_below(&artifacts) {
        // That something is attached is noted by a name; one that is gone is missed by whoever asks for proof.
        if is_derived(&artifacts, &path) || path.starts_with(artifacts.join("referrers")) {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let (exit, findings) = findings(&space, &[]);
        let name = path.file_name().unwrap().to_str().unwrap();
        // The mark of the store is written again. A record that is gone is missed by whoever publishes next.
        if !name.ends_with(".json") {
            assert_eq!(exit, 1, "{name} is gone: {findings:?}");
            assert!(
                findings.iter().any(|finding| finding.contains(name)),
                "{name}: {findings:?}"
            );
        }
        fs::write(&path, bytes).unwrap();
    }
    space.assert_verifies();
}

/// Takes a checkpoint and keeps it elsewhere.
fn checkpoint(space: &TestSpace) -> PathBuf {
    let file = space.outside().join("checkpoint.json");
    let name = file.display().to_string();
    space.release(&["checkpoint", "--output", &name]).expect(0);
    let (exit, findings) = findings(space, &["--checkpoint", &name]);
    assert_eq!((exit, findings.len()), (0, 0), "{findings:?}");
    file
}

/// The lines of the journal in commits: each ends with the line that closes it. The header stands alone.
fn commits(text: &str) -> Vec<Vec<&str>> {
    let mut commits = vec![Vec::new()];
    for line in text.lines() {
        commits.last_mut().unwrap().push(line);
        if line.starts_with("{\"commit\"") || line.starts_with("{\"journal\"") {
            commits.push(Vec::new());
        }
    }
    assert_eq!(
        commits.pop(),
        Some(Vec::new()),
        "the journal ends with a whole commit"
    );
    commits
}

fn write_lines(path: &Path, lines: impl IntoIterator<Item = impl AsRef<str>>) {
    let text: String = lines
        .into_iter()
        .map(|line| format!("{}\n", line.as_ref()))
        .collect();
    fs::write(path, text).unwrap();
}

#[test]
fn a_removed_last_commit_is_found_against_a_checkpoint_only() {
    let space = small();
    let kept = checkpoint(&space).display().to_string();
    let path = space.journal();
    let text = fs::read_to_string(&path).unwrap();
    let commits = commits(&text);
    assert!(commits.len() > 5, "{commits:?}");
    for left in 2..commits.len() {
        write_lines(&path, commits[..left].iter().flatten());
        let (exit, found) = findings(&space, &[]);
        // A journal that ends earlier looks like any other: this is what checkpoints are for.
        assert_eq!((exit, found.len()), (0, 0), "{found:?}");
        let (exit, found) = findings(&space, &["--checkpoint", &kept]);
        assert_eq!(exit, 1);
        let named = found
            .iter()
            .any(|finding| finding.contains("journal.jsonl") && finding.contains("checkpoint"));
        assert!(named, "{left} commits are left: {found:?}");
    }
    fs::write(&path, &text).unwrap();
    space.json(&["verify", "--checkpoint", &kept]).expect(0);
}

#[test]
fn a_cut_within_the_last_commit_is_told_as_an_interrupted_write() {
    let space = small();
    let path = space.journal();
    let text = fs::read(&path).unwrap();
    fs::write(&path, &text[..text.len() - 20]).unwrap();
    let (exit, found) = findings(&space, &[]);
    assert_eq!(exit, 1);
    assert!(
        found.iter().any(|finding| finding.contains("not finished")),
        "{found:?}"
    );
    // Looking mends nothing. It is cut when somebody writes next, kept aside, and said so.
    space.json(&["status"]).expect(0);
    assert_eq!(findings(&space, &[]).0, 1);
    let tick = space.json(&["tick"]);
    assert!(tick.stderr.contains("cut from the journal and kept in"), "{tick}");
    space.assert_verifies();
}

#[test]
fn a_deleted_stream_is_found_and_named() {
    let space = small();
    let kept = checkpoint(&space).display().to_string();
    let path = space.journal();
    let text = fs::read_to_string(&path).unwrap();
    let of_stream =
        |line: &&str| line.contains("\"stream\":\"environment/staging\"") && line.starts_with("{\"event\"");
    assert!(text.lines().any(|line| of_stream(&line)));
    write_lines(&path, text.lines().filter(|line| !of_stream(line)));
    let (exit, found) = findings(&space, &["--checkpoint", &kept]);
    assert_eq!(exit, 1);
    let gone = "stream `environment/staging` is gone";
    assert!(found.iter().any(|finding| finding.contains(gone)), "{found:?}");
    // Dropped lines leave commits that do not fit: that is seen without a checkpoint, too.
    assert_eq!(findings(&space, &[]).0, 1);
}

#[test]
fn a_journal_written_anew_is_found_against_a_checkpoint() {
    let space = small();
    let kept = checkpoint(&space).display().to_string();
    // Another run of the same makes a journal that is good in itself, and needs the same blobs.
    let other = small();
    fs::copy(other.journal(), space.journal()).unwrap();
    assert_eq!(findings(&space, &[]).0, 0);
    let (exit, found) = findings(&space, &["--checkpoint", &kept]);
    assert_eq!(exit, 1);
    let named = found
        .iter()
        .any(|finding| finding.contains("another one than at the checkpoint"));
    assert!(named, "{found:?}");
}

#[test]
fn a_changed_line_names_what_was_changed_before_anything_is_written_over_it() {
    let space = small();
    let path = space.journal();
    let text = fs::read_to_string(&path).unwrap();
    let forged = text.replacen("person:operator", "person:somebody", 1);
    assert_ne!(text, forged);
    fs::write(&path, &forged).unwrap();
    // Corruption blocks: no command writes on, and the file stays as it is.
    for args in [&["status"][..], &["run", &space.file()]] {
        let said = space.json(args).expect(1);
        assert!(said.error().contains("journal.jsonl"), "{said}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), forged);
}

#[test]
fn a_checkpoint_that_is_none_is_bad_input() {
    let space = small();
    space.write("checkpoint.json", "{}");
    let file = space.source().join("checkpoint.json").display().to_string();
    let said = space.json(&["verify", "--checkpoint", &file]).expect(2);
    assert!(said.error().contains("checkpoint"), "{said}");
    let document: &Value = &said.document;
    assert!(document.get("findings").is_none(), "{said}");
    space
        .json(&["verify", "--checkpoint", "/nowhere/at/all"])
        .expect(2);
}

#[test]
fn a_deleted_record_of_a_version_is_found_and_named() {
    let space = small();
    let catalog = space.store().join("artifacts/catalog");
    let name = fs::read_dir(&catalog).unwrap().next().unwrap().unwrap().path();
    let record = fs::read_dir(&name).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(&record).unwrap();
    let (exit, found) = findings(&space, &[]);
    assert_eq!(exit, 1);
    let named = found
        .iter()
        .any(|finding| finding.contains("the catalog has no record of"));
    assert!(named, "{found:?}");
}

#[test]
fn a_journal_that_is_gone_is_not_replaced_by_a_new_one() {
    let space = small();
    fs::remove_file(space.journal()).unwrap();
    for args in [&["status"][..], &["tick"], &["run", &space.file()]] {
        let said = space.json(args).expect(1);
        assert!(said.error().contains("whose journal is missing"), "{said}");
    }
    assert_eq!(findings(&space, &[]).0, 1);
}
