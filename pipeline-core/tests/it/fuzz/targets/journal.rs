//! The file of a journal: whatever it holds, nothing panics, opening and verifying say the same, and nothing that was
//! finished is lost.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use pipeline_core::{Digest, DigestBuilder, FileJournal, FindingKind, Journal, SystemEntropy, verify_files};
use serde_json::value::RawValue;

use super::support::{Input, batch, edit, ready, said, small};

/// The first byte chooses: the file as it is, edits of a good file, or edits after which all digests are computed
/// anew, so that what they say is looked at.
pub(crate) fn run(data: &[u8]) {
    let mut input = Input(data);
    let choice = input.byte() % 3;
    let bytes = if choice == 0 {
        input.0.to_vec()
    } else {
        let mut bytes = small().to_vec();
        edit(&mut bytes, &mut input);
        if choice == 1 { bytes } else { resealed(&bytes) }
    };
    check(&bytes);
}

fn check(bytes: &[u8]) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("journal.jsonl");
    fs::write(&path, bytes).expect("a file");

    let report = verify_files(directory.path(), None);
    let shown = report.to_string();
    let good = |kind| matches!(kind, FindingKind::Unfinished | FindingKind::UnfinishedErasure);
    let good = report.findings.iter().all(|finding| good(finding.kind));
    match FileJournal::open_read_only(directory.path()) {
        Ok(journal) => {
            assert!(good, "opened, but {shown}");
            let said = said(&journal).expect("what was opened can be read");
            assert_eq!(said.len() as u64, report.events);
        }
        Err(error) => assert!(!good || report.commits == 0, "{error:?}, but {shown}"),
    }
    assert_eq!(
        fs::read(&path).expect("the file"),
        bytes,
        "reading changes nothing"
    );

    match FileJournal::open(directory.path(), Arc::new(SystemEntropy)) {
        Ok((journal, opened)) => {
            assert!(good, "opened, but {shown}");
            assert_eq!(
                (opened.events, opened.commits),
                (report.events, report.commits),
                "{shown}"
            );
            let now = fs::read(&path).expect("the file");
            if opened.erased == 0 && !opened.created {
                let cut = opened
                    .cut
                    .map_or_else(Vec::new, |cut| fs::read(cut.path).expect("the piece"));
                assert!(now.iter().chain(&cut).eq(bytes), "bytes were lost");
            }
            let _commit = ready(journal.append(batch(&["run/a", "run/new"], "more"))).expect("appended");
            let said = said(&journal).expect("it can be read");
            assert_eq!(said.len() as u64, report.events + 2);
            checked_again(directory.path());
        }
        Err(error) => {
            assert!(!good, "{error:?}, but {shown}");
            assert_eq!(fs::read(&path).expect("the file"), bytes, "damage stays as it is");
        }
    }
}

fn checked_again(directory: &Path) {
    let report = verify_files(directory, None);
    assert!(report.is_clean(), "{report}");
}

/// Computes all digests anew, where the lines look like lines of a journal.
fn resealed(bytes: &[u8]) -> Vec<u8> {
    let mut tips: HashMap<Vec<u8>, Digest> = HashMap::new();
    let (mut before, mut hashes) = (Digest::ZERO, Vec::new());
    let mut out = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let mut line = line.to_vec();
        if line.starts_with(b"{\"commit\"") {
            let number = |key: &str| number(&line, key);
            let mut builder = DigestBuilder::new();
            builder.update(before.as_bytes());
            builder.update(number("{\"number\":").to_be_bytes());
            builder.update(number(",\"cursor\":").to_be_bytes());
            hashes
                .drain(..)
                .for_each(|hash: Digest| builder.update(hash.as_bytes()));
            let digest = builder.finish();
            replace(&mut line, "\"previous\":\"", &before);
            replace(&mut line, "\"digest\":\"", &digest);
            before = digest;
        } else if let Some(hash) = event(&mut line, &mut tips) {
            hashes.push(hash);
        }
        out.extend_from_slice(&line);
    }
    out
}

/// Computes the digests of an event's line, and returns the event's hash.
fn event(line: &mut Vec<u8>, tips: &mut HashMap<Vec<u8>, Digest>) -> Option<Digest> {
    const PREFIX: &[u8] = b"{\"event\":";
    const SALT: &[u8] = b",\"salt\":\"";
    const DATA: &[u8] = b"\",\"data\":";
    let rest = line.strip_prefix(PREFIX)?;
    let envelope = serde_json::Deserializer::from_slice(rest)
        .into_iter::<Box<RawValue>>()
        .next()?
        .ok()?;
    let envelope = envelope.get().as_bytes().to_vec();
    let body = rest[envelope.len()..].to_vec();
    let mut envelope = envelope;
    if let Some(salted) = body.strip_prefix(SALT)
        && let Some((salt, data)) = salted.split_at_checked(32)
        && let Some(data) = data.strip_prefix(DATA)
        && let Some(data) = data.strip_suffix(b"}\n")
    {
        let mut builder = DigestBuilder::new();
        builder.update(salt);
        builder.update(data);
        replace(&mut envelope, "\"payload\":\"", &builder.finish());
    }
    let stream = envelope.split(|byte| *byte == b'"').nth(3)?.to_vec();
    let previous = tips.get(&stream).copied().unwrap_or(Digest::ZERO);
    replace(&mut envelope, "\"previous\":\"", &previous);
    let hash = Digest::of(&envelope);
    tips.insert(stream, hash);
    *line = [PREFIX, &envelope, &body].concat();
    Some(hash)
}

fn find(line: &[u8], key: &str) -> Option<usize> {
    let at = line
        .windows(key.len())
        .rposition(|window| window == key.as_bytes())?;
    Some(at + key.len())
}

/// Puts a digest behind the last such key, if one stands there.
fn replace(line: &mut [u8], key: &str, digest: &Digest) {
    let text = digest.to_string();
    if let Some(at) = find(line, key)
        && let Some(place) = line.get_mut(at..at + text.len())
        && place.starts_with(b"sha256:")
    {
        place.copy_from_slice(text.as_bytes());
    }
}

fn number(line: &[u8], key: &str) -> u64 {
    let digits = find(line, key).map_or(&[][..], |at| &line[at..]);
    let digits: String = digits
        .iter()
        .map_while(|byte| byte.is_ascii_digit().then_some(*byte as char))
        .collect();
    digits.parse().unwrap_or(0)
}
