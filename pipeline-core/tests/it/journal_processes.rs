//! Several processes write one journal.

use std::process::{Command, Stdio};

use pipeline_core::testing::journal::{event, stream};
use pipeline_core::{
    AppendError, Batch, Expected, FileJournal, Journal, JournalExt, Timestamp, verify_files,
};

use crate::journal::{block_on, open};

const DIRECTORY: &str = "PIPELINE_TEST_JOURNAL";
const EVENTS: u64 = 60;

/// Not a test of its own: what each process does.
#[test]
#[ignore = "run by `two_processes_lose_nothing`"]
#[expect(
    clippy::disallowed_methods,
    reason = "the parent says so where the journal is"
)]
fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else {
        return;
    };
    let (journal, _) = open(directory.as_ref());
    let own = stream(&format!("run/p{}", std::process::id()));
    write(&journal, &own);
}

fn write(journal: &FileJournal, own: &pipeline_core::StreamId) {
    let shared = stream("environment/production");
    for number in 0..EVENTS {
        loop {
            let held = block_on(journal.read_stream(&shared, 0)).unwrap().len() as u64;
            let batch = Batch::new(Timestamp::UNIX_EPOCH).event(&shared, Expected::At(held), event("shared"));
            match block_on(journal.append(batch.event(own, Expected::At(number), event(&number.to_string()))))
            {
                Ok(_) => break,
                Err(AppendError::Conflict(conflict)) if conflict.stream == shared => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

#[test]
fn two_processes_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let spawn = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "journal_processes::child"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let children = [spawn(), spawn()];
    let (journal, _) = open(directory.path());
    write(&journal, &stream("run/parent"));
    let mut names = vec!["run/parent".to_owned()];
    for mut child in children {
        names.push(format!("run/p{}", child.id()));
        assert!(child.wait().unwrap().success());
    }
    for name in names {
        let own = block_on(journal.read_stream(&stream(&name), 0)).unwrap();
        let said: Vec<_> = own
            .iter()
            .map(|event| event.payload.to_json().unwrap().into_owned())
            .collect();
        assert_eq!(
            said,
            (0..EVENTS)
                .map(|number| format!("\"{number}\""))
                .collect::<Vec<_>>(),
            "{name}"
        );
    }
    let report = verify_files(directory.path(), None);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.events, report.commits), (6 * EVENTS, 3 * EVENTS));
}
