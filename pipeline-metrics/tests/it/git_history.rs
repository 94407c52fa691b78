//! A repository's history: the real one of Apache `DevLake`, and small ones.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use pipeline_metrics::{
    Aggregate, Commit, CommitGraph, CommitTime, Delivery, Facts, GitHistory, GitOptions, Metric, Options,
    Preset, Reason, Scope, Tag, revert_in_message,
};
use proptest::prelude::*;
use serde_json::Value;

use crate::fixture::folder;
use crate::table::table;

fn unix(text: &str) -> Timestamp {
    Timestamp::from_second(text.parse().unwrap()).unwrap()
}

/// The fixture tells the first tag of each commit and not the parents. So the commits of one tag are put into a
/// chain behind it, in front of the chain of the tag before: the tags alone decide then what came first.
fn devlake(folder: &std::path::Path) -> GitHistory {
    let rows = table(&folder.join("changes.csv"));
    let reverts: HashMap<_, _> = table(&folder.join("reverts.csv"))
        .into_iter()
        .map(|row| (row["revert_sha"].clone(), row["reverted_sha"].clone()))
        .collect();
    let mut tags: Vec<Tag> = table(&folder.join("deployments.csv"))
        .iter()
        .map(|row| Tag {
            name: row["tag"].as_str().into(),
            sha: row["commit_sha"][..12].into(),
            at: unix(&row["created_unix"]),
        })
        .collect();
    tags.sort_by_key(|tag| (tag.at, Arc::clone(&tag.name)));
    let heads: BTreeSet<&str> = tags.iter().map(|tag| &*tag.sha).collect();
    let mut of_tag: HashMap<&str, Vec<&HashMap<String, String>>> = HashMap::new();
    for row in &rows {
        of_tag.entry(&row["first_tag"]).or_default().push(row);
    }
    let mut commits = Vec::new();
    let mut before: Option<Arc<str>> = None;
    let names = tags.iter().map(|tag| &*tag.name).chain([""]);
    for name in names {
        let mut chain = of_tag.remove(name).unwrap_or_default();
        // Later tags of the same commit find it there.
        chain.sort_by_key(|row| !heads.contains(&*row["commit_sha"]));
        let shas: Vec<Arc<str>> = chain
            .iter()
            .map(|row| row["commit_sha"].as_str().into())
            .collect();
        for (number, row) in chain.iter().enumerate() {
            let next = shas.get(number + 1).cloned().or_else(|| before.clone());
            let second = (row["is_merge"] == "1").then(|| Arc::from("not here"));
            commits.push(Commit {
                sha: Arc::clone(&shas[number]),
                authored: unix(&row["author_unix"]),
                committed: unix(&row["commit_unix"]),
                parents: next.into_iter().chain(second).collect(),
                reverts: reverts.get(&*shas[number]).map(|sha| sha.as_str().into()),
            });
        }
        before = shas.first().cloned().or(before);
    }
    assert!(of_tag.is_empty());
    GitHistory { commits, tags }
}

#[test]
fn the_history_of_devlake() {
    let Some(folder) = folder("git-history/incubator-devlake") else {
        return;
    };
    let text = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let history = devlake(&folder);
    assert_eq!(history.graph().len(), 8124);

    // What each tag brought, to the last commit.
    let releases = history.releases();
    let brought: BTreeMap<&str, usize> = releases
        .iter()
        .map(|one| (&*one.tag.name, one.new.len()))
        .collect();
    let counts: BTreeMap<_, usize> = table(&folder.join("deployments.csv"))
        .into_iter()
        .map(|row| (row["tag"].clone(), row["new_commits"].parse().unwrap()))
        .collect();
    assert_eq!(releases.len() as u64, expected["tags"].as_u64().unwrap());
    for (tag, count) in &counts {
        assert_eq!(brought[tag.as_str()], *count, "{tag}");
    }
    let first: BTreeMap<&str, &str> = releases
        .iter()
        .flat_map(|one| one.new.iter().map(|commit| (&*commit.sha, &*one.tag.name)))
        .collect();
    for row in table(&folder.join("changes.csv")) {
        let tag = first.get(&*row["commit_sha"]).copied().unwrap_or_default();
        assert_eq!(tag, row["first_tag"], "{}", row["commit_sha"]);
    }
    let empty = releases.iter().filter(|one| one.new.is_empty()).count();
    assert_eq!(
        empty as u64,
        expected["tags_without_new_commits"].as_u64().unwrap()
    );
    let mut tagged: HashMap<&str, usize> = HashMap::new();
    for tag in &history.tags {
        *tagged.entry(&tag.sha).or_default() += 1;
    }
    let twice = tagged.values().filter(|count| **count > 1).count();
    assert_eq!(
        twice as u64,
        expected["same_commit_tagged_more_than_once"].as_u64().unwrap()
    );

    // Reverts.
    let reverted = history.reverted();
    assert_eq!(reverted.len() as u64, expected["reverts"].as_u64().unwrap());
    let tags: BTreeSet<_> = reverted
        .iter()
        .filter_map(|one| one.tag.map(|tag| &tag.name))
        .collect();
    assert_eq!(
        tags.len() as u64,
        expected["tags_containing_a_reverted_commit"].as_u64().unwrap()
    );

    // The numbers.
    let mut facts = Facts::new();
    history.facts(&GitOptions::new("devlake"), &mut facts);
    let delivery = Delivery::of(&facts, &Options::default()).unwrap();
    let selection = delivery.select(&Scope::Component("devlake"), delivery.everything().unwrap());
    let mut leads = selection.lead_times();
    leads.sort_by(f64::total_cmp);
    assert_eq!(leads.len() as u64, expected["n"].as_u64().unwrap());
    let mean = leads.iter().sum::<f64>() / leads.len() as f64;
    let close = |number: f64, name: &str| {
        let (seconds, expected) = (number / 1000.0, expected[name].as_f64().unwrap());
        assert!(
            (seconds - expected).abs() < 1e-6 * expected,
            "{name}: {seconds}, not {expected}"
        );
    };
    close(mean, "mean_author");
    close(selection.measures().lead_time.unwrap().median_ms, "med_author");
    close(leads[(leads.len() - 1) / 2], "lower_med_author");
    let explained = selection.explain(Metric::LeadTime);
    assert_eq!(
        explained.left_out_for(Reason::Skewed) as u64,
        expected["neg_author"].as_u64().unwrap()
    );
    // 10 commits were never tagged, none of them a merge.
    let waiting = delivery.facts().changes().count() - leads.len();
    assert_eq!(waiting as u64, expected["changes_never_tagged"].as_u64().unwrap());
    let days = selection.measures().deployment_frequency.unwrap().days;
    assert_eq!(days as u64, expected["days_utc"].as_u64().unwrap());
    let weeks = delivery.weeks().count();
    assert_eq!(
        weeks as u64,
        expected["weeks_utc_monday_with_deploy"].as_u64().unwrap()
    );

    // The ninth decile, where the day begins elsewhere, and from when the commit was made.
    let place = (leads.len() - 1) as f64 * 0.9;
    let (low, part) = (place as usize, place.fract());
    let p90 = leads[low] + (leads[low + 1] - leads[low]) * part;
    close(p90, "p90_author");
    let mut options = Options::default();
    options.lead_time.aggregate = Aggregate::Percentile(90.0);
    options.calendar.time_zone = "+08:00".to_owned();
    let shanghai = Delivery::of(&facts, &options).unwrap();
    let measures = shanghai
        .select(&Scope::Overall, shanghai.everything().unwrap())
        .measures();
    close(measures.lead_time.unwrap().ms, "p90_author");
    assert_eq!(
        measures.deployment_frequency.unwrap().days as u64,
        expected["days_shanghai"].as_u64().unwrap()
    );
    let mut committed = Facts::new();
    let mut git = GitOptions::new("devlake");
    git.clock = CommitTime::Committed;
    history.facts(&git, &mut committed);
    let delivery = Delivery::of(&committed, &Options::default()).unwrap();
    let selection = delivery.select(&Scope::Overall, delivery.everything().unwrap());
    close(selection.measures().lead_time.unwrap().median_ms, "med_commit");
    assert_eq!(
        selection.measures().skewed_changes as u64,
        expected["neg_commit"].as_u64().unwrap()
    );
}

#[test]
fn a_revert_is_a_failure_unless_users_never_had_it_alone() {
    let at = |hour: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour);
    let commit = |sha: &str, parent: &str, hour: i64, reverts: Option<&str>| Commit {
        sha: sha.into(),
        authored: at(hour),
        committed: at(hour),
        parents: vec![parent.into()],
        reverts: reverts.map(Into::into),
    };
    let tag = |name: &str, sha: &str, hour: i64| Tag {
        name: name.into(),
        sha: sha.into(),
        at: at(hour),
    };
    let history = GitHistory {
        commits: vec![
            commit("aaaaaaaa1", "", 1, None),
            commit("bbbbbbbb2", "aaaaaaaa1", 2, None),
            // Shortened, and within one tag.
            commit("cccccccc3", "bbbbbbbb2", 3, Some("bbbbbbbb")),
            commit("dddddddd4", "cccccccc3", 11, Some("aaaaaaaa1")),
            commit("eeeeeeee5", "dddddddd4", 12, Some("0123456789")),
        ],
        tags: vec![tag("v1", "cccccccc3", 10), tag("v2", "eeeeeeee5", 20)],
    };
    let mut facts = Facts::new();
    history.facts(&GitOptions::new("shop"), &mut facts);
    let incidents: Vec<_> = facts
        .incidents()
        .map(|one| (one.opened, one.deployment.map(str::to_owned)))
        .collect();
    assert_eq!(incidents, [(at(11), Some("shop@v1".to_owned()))]);
    let delivery = Delivery::of(&facts, &Options::default()).unwrap();
    let measures = delivery
        .select(&Scope::Component("shop"), delivery.everything().unwrap())
        .measures();
    assert_eq!(measures.change_fail_rate.map(|rate| rate.value()), Some(0.5));
    assert_eq!(
        measures.recovery_time.map(|time| time.median_ms),
        Some(10.0 * 3_600_000.0)
    );
}

#[test]
fn the_clock_and_the_environment_are_options() {
    let at = |hour: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour);
    let history = GitHistory {
        commits: vec![Commit {
            sha: "aaaaaaaa1".into(),
            authored: at(1),
            committed: at(5),
            parents: Vec::new(),
            reverts: None,
        }],
        tags: vec![Tag {
            name: "v1".into(),
            sha: "aaaaaaaa1".into(),
            at: at(10),
        }],
    };
    let first = |clock: CommitTime| {
        let mut facts = Facts::new();
        let options = GitOptions {
            clock,
            environment: "live".to_owned(),
            ..GitOptions::new("shop")
        };
        history.facts(&options, &mut facts);
        let environment = facts.deployments().next().unwrap().environment.to_owned();
        (facts.changes().next().unwrap().at, environment)
    };
    assert_eq!(first(CommitTime::Authored), (at(1), "live".to_owned()));
    assert_eq!(first(CommitTime::Committed), (at(5), "live".to_owned()));
}

/// A revert is an incident of the environment that the tags are deployed to, whatever that is called, from when it came
/// into the history.
#[test]
fn a_revert_is_an_incident_of_the_environment() {
    let at = |hour: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour);
    let commit = |sha: &str, parents: Vec<Arc<str>>, hour: i64, reverts: Option<&str>| Commit {
        sha: sha.into(),
        authored: at(hour - 1),
        committed: at(hour),
        parents,
        reverts: reverts.map(Into::into),
    };
    let history = GitHistory {
        commits: vec![
            commit("aaaaaaaa1", vec![], 2, None),
            commit("bbbbbbbb2", vec!["aaaaaaaa1".into()], 12, Some("aaaaaaaa1")),
        ],
        tags: vec![Tag {
            name: "v1".into(),
            sha: "aaaaaaaa1".into(),
            at: at(10),
        }],
    };
    let options = GitOptions {
        environment: "live".to_owned(),
        ..GitOptions::new("shop")
    };
    let mut facts = Facts::new();
    history.facts(&options, &mut facts);
    let incident = facts.incidents().next().unwrap();
    assert_eq!((incident.environment, incident.opened), (Some("live"), at(12)));
    let measures = |options: &Options| {
        let delivery = Delivery::of(&facts, options).unwrap();
        delivery
            .select(&Scope::Environment("live"), delivery.everything().unwrap())
            .measures()
    };
    // The tag says itself that it is for users, so nobody has to name the environment.
    let plain = measures(&Options::default());
    assert_eq!((plain.deployments, plain.open_incidents), (1, 1));
    // And what is counted by its opening alone counts, too.
    let opened = measures(&Preset::GitLab.options());
    assert_eq!(opened.change_fail_rate.map(|rate| rate.part()), Some(1));
    assert_eq!(opened.open_incidents, 1);
}

/// A message may shorten an id to seven letters, and no further; what is short for two commits is none of them.
#[test]
fn a_short_id_is_that_of_one_commit() {
    let at = |hour: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour);
    let reverted = |short: &str| {
        let commit = |sha: &str, reverts: Option<&str>| Commit {
            sha: sha.into(),
            authored: at(1),
            committed: at(1),
            parents: Vec::new(),
            reverts: reverts.map(Into::into),
        };
        let history = GitHistory {
            commits: vec![
                commit("abcdef0123", None),
                commit("abcdef0456", None),
                commit("fedcba9876", None),
                commit("0000000001", Some(short)),
            ],
            tags: Vec::new(),
        };
        let found = history.reverted();
        found[0].reverted.map(|commit| commit.sha.to_string())
    };
    assert_eq!(reverted("fedcba9").as_deref(), Some("fedcba9876"));
    assert_eq!(reverted("fedcba"), None);
    assert_eq!(reverted("abcdef0"), None);
    assert_eq!(reverted("abcdef01").as_deref(), Some("abcdef0123"));
    assert_eq!(reverted("9999999"), None);
}

#[test]
fn repositories_with_the_same_tags_are_told_apart() {
    let at = |hour: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour);
    let commit = |sha: &str, parents: Vec<Arc<str>>, hour: i64, reverts: Option<&str>| Commit {
        sha: sha.into(),
        authored: at(hour),
        committed: at(hour),
        parents,
        reverts: reverts.map(Into::into),
    };
    let tag = |name: &str, sha: &str, hour: i64| Tag {
        name: name.into(),
        sha: sha.into(),
        at: at(hour),
    };
    // One repository with two components, each with tags of its own.
    let history = GitHistory {
        commits: vec![
            commit("aaaaaaaa1", vec![], 1, None),
            commit("bbbbbbbb2", vec!["aaaaaaaa1".into()], 2, Some("aaaaaaaa1")),
        ],
        tags: vec![tag("v1", "aaaaaaaa1", 10), tag("v2", "bbbbbbbb2", 20)],
    };
    let mut facts = Facts::new();
    for component in ["api", "web"] {
        history.facts(&GitOptions::new(component), &mut facts);
    }
    assert_eq!((facts.deployments().count(), facts.incidents().count()), (4, 2));
    let delivery = Delivery::of(&facts, &Options::default()).unwrap();
    for component in ["api", "web"] {
        let selection = delivery.select(&Scope::Component(component), delivery.everything().unwrap());
        let measures = selection.measures();
        assert_eq!((measures.deployments, measures.changes), (2, 2), "{component}");
        assert_eq!(
            measures.change_fail_rate.map(|rate| rate.part()),
            Some(1),
            "{component}"
        );
    }
}

#[test]
fn a_message_says_what_it_takes_back() {
    let message =
        "Revert \"a\"\n\nThis reverts commit daee671fe5560ce578ec219a00df29d8b3c4df3d, reversing\nchanges.";
    assert_eq!(
        revert_in_message(message),
        Some("daee671fe5560ce578ec219a00df29d8b3c4df3d")
    );
    assert_eq!(revert_in_message("This reverts commit daee671."), Some("daee671"));
    assert_eq!(revert_in_message("This reverts commit daee67."), None);
    assert_eq!(revert_in_message("Fix"), None);
}

/// Some commits, each with parents among those before it, and heads among them.
fn graphs() -> impl Strategy<Value = (Vec<Vec<usize>>, Vec<usize>)> {
    prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..3), 1..30).prop_flat_map(
        |parents| {
            let parents: Vec<Vec<usize>> = parents
                .into_iter()
                .enumerate()
                .map(|(number, parents)| {
                    parents
                        .into_iter()
                        .filter(|_| number > 0)
                        .map(|one| one.index(number))
                        .collect()
                })
                .collect();
            let heads = prop::collection::vec(0..parents.len(), 1..6);
            (Just(parents), heads)
        },
    )
}

fn reach(parents: &[Vec<usize>], from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::from([from]);
    for parent in &parents[from] {
        reached.extend(reach(parents, *parent));
    }
    reached
}

proptest! {
    #[test]
    fn what_came_with_a_tag_is_what_no_earlier_one_reaches((parents, heads) in graphs(), reverse in any::<bool>()) {
        let name = |number: usize| format!("c{number:02}");
        let at = |hour: usize| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour as i64);
        let mut commits: Vec<_> = parents.iter().enumerate().map(|(number, parents)| Commit {
            sha: name(number).into(),
            authored: at(number),
            committed: at(number),
            parents: parents.iter().map(|parent| name(*parent).into()).collect(),
            reverts: None,
        }).collect();
        if reverse {
            commits.reverse();
        }
        let tags = heads.iter().enumerate().map(|(number, head)| Tag {
            name: format!("v{number}").into(),
            sha: name(*head).into(),
            at: at(100 + number),
        });
        let mut tags: Vec<_> = tags.collect();
        tags.rotate_left(1);
        let history = GitHistory { commits, tags };
        let mut seen = BTreeSet::new();
        for (release, head) in history.releases().iter().zip(&heads) {
            let new: BTreeSet<_> = release.new.iter().map(|commit| commit.sha.to_string()).collect();
            prop_assert_eq!(new.len(), release.new.len());
            let reached = reach(&parents, *head);
            let expected: BTreeSet<_> = reached.difference(&seen).map(|number| name(*number)).collect();
            prop_assert_eq!(new, expected);
            seen.extend(reached);
        }
        // And between two commits.
        let graph: CommitGraph = history.graph();
        let (new, old) = (heads[0], heads[heads.len() - 1]);
        let names = (name(new), name(old));
        let found: BTreeSet<_> = graph.between(&names.0, Some(&names.1)).map(str::to_owned).collect();
        let expected: BTreeSet<_> =
            reach(&parents, new).difference(&reach(&parents, old)).map(|number| name(*number)).collect();
        prop_assert_eq!(found, expected);
    }
}
