//! A real repository, made on the spot.

use std::path::Path;

use gix::actor::SignatureRef;
use gix::refs::transaction::PreviousValue;
use pipeline_metrics::{Facts, GitOptions, read_history};

fn commit(
    repository: &gix::Repository,
    message: &str,
    seconds: i64,
    parents: &[gix::ObjectId],
) -> gix::ObjectId {
    let time = format!("{seconds} +0200");
    let who = SignatureRef {
        name: "a".into(),
        email: "a@example.org".into(),
        time: &time,
    };
    let tree = repository.empty_tree().id;
    let parents = parents.iter().copied();
    let id = repository.commit_as(who, who, "refs/heads/main", message, tree, parents);
    id.unwrap().detach()
}

fn tag(repository: &gix::Repository, name: &str, target: gix::ObjectId, seconds: Option<i64>) {
    match seconds {
        None => drop(
            repository
                .tag_reference(name, target, PreviousValue::Any)
                .unwrap(),
        ),
        Some(seconds) => {
            let time = format!("{seconds} +0000");
            let who = SignatureRef {
                name: "a".into(),
                email: "a@example.org".into(),
                time: &time,
            };
            let kind = gix::object::Kind::Commit;
            drop(
                repository
                    .tag(name, target, kind, Some(who), "m", PreviousValue::Any)
                    .unwrap(),
            );
        }
    }
}

#[test]
fn tags_and_reverts_of_a_repository() {
    let folder = tempfile::tempdir().unwrap();
    let repository = gix::init_bare(folder.path()).unwrap();
    let a = commit(&repository, "a", 1000, &[]);
    let b = commit(&repository, "b", 2000, &[a]);
    tag(&repository, "v1", b, None);
    let revert = format!("Revert \"a\"\n\nThis reverts commit {a}.\n");
    let c = commit(&repository, &revert, 3000, &[b]);
    tag(&repository, "v2", c, Some(9000));
    tag(&repository, "note", c, Some(9000));
    let d = commit(&repository, "not tagged", 4000, &[c]);
    // HEAD of a bare repository may name another branch; what it names is read all the same.
    std::fs::write(folder.path().join("HEAD"), "ref: refs/heads/main\n").unwrap();

    let history = read_history(folder.path(), |tag| tag.starts_with('v')).unwrap();
    let mut shas: Vec<_> = history
        .commits
        .iter()
        .map(|commit| commit.sha.to_string())
        .collect();
    shas.sort();
    let mut expected = [a, b, c, d].map(|id| id.to_string());
    expected.sort();
    assert_eq!(shas, expected);
    let releases: Vec<_> = history
        .releases()
        .iter()
        .map(|one| (one.tag.name.to_string(), one.tag.at.as_second(), one.new.len()))
        .collect();
    assert_eq!(releases, [("v1".to_owned(), 2000, 2), ("v2".to_owned(), 9000, 1)]);
    let mut facts = Facts::new();
    history.facts(&GitOptions::new("shop"), &mut facts);
    assert_eq!((facts.incidents().count(), facts.recoveries().count()), (1, 1));
}

#[test]
fn no_repository_is_an_error_with_a_path() {
    let error = read_history(Path::new("/no/such/place"), |_| true).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no repository can be opened in `/no/such/place`"
    );
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn an_empty_repository_has_no_history() {
    let folder = tempfile::tempdir().unwrap();
    gix::init_bare(folder.path()).unwrap();
    let history = read_history(folder.path(), |_| true).unwrap();
    assert_eq!((history.commits.len(), history.tags.len()), (0, 0));
}
