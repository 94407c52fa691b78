//! Tables of apache/incubator-devlake.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp, civil};
use pipeline_metrics::{
    Change, Delivery, Deployment, DeploymentKind, DeploymentResult, Fact, FactSource, Facts, Incident,
    PhaseTimes, Phases, Preset, Rounding, Sha,
};

use crate::fixture::folder;

type Row = HashMap<String, String>;

/// A table whose fields have neither quotes nor commas in them.
fn table(path: &Path) -> Vec<Row> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines().map(|line| line.trim_start_matches('\u{feff}'));
    let columns: Vec<_> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| {
        columns
            .iter()
            .map(ToString::to_string)
            .zip(line.split(',').map(str::to_owned))
            .collect()
    };
    lines.filter(|line| !line.is_empty()).map(row).collect()
}

/// `2023-4-10 6:51:47` or RFC 3339; `None` of nothing.
fn moment(text: &str) -> Option<Timestamp> {
    if text.is_empty() {
        return None;
    }
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let numbers: Vec<i16> = text
        .split([' ', '-', ':'])
        .map(|part| part.parse().unwrap())
        .collect();
    let [year, month, day, hour, minute, second] = *<&[i16; 6]>::try_from(&numbers[..]).unwrap();
    let at = civil::datetime(
        year,
        month as i8,
        day as i8,
        hour as i8,
        minute as i8,
        second as i8,
        0,
    );
    Some(at.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp())
}

const SOURCE: FactSource<'_> = FactSource::Line { file: "csv", line: 1 };

/// A deployment of a scope and repository, which are the component together.
fn deployment<'a>(row: &'a Row, component: &'a str, changes: Vec<Sha<'a>>) -> Fact<'a> {
    Fact::Deployment(Deployment {
        id: &row["id"],
        component,
        environment: &row["environment"],
        production: None,
        started: moment(&row["started_date"]),
        finished: moment(&row["finished_date"]).unwrap(),
        result: match &*row["result"] {
            "SUCCESS" => DeploymentResult::Success,
            _ => DeploymentResult::Failure,
        },
        kind: DeploymentKind::Planned,
        version: None,
        release: None,
        team: None,
        changes,
        source: SOURCE,
    })
}

fn component(row: &Row) -> String {
    format!("{} {}", row["cicd_scope_id"], row["repo_url"])
}

#[test]
fn lead_times_by_phase_are_as_expected() {
    let Some(folder) = folder("devlake/dora/change_lead_time") else {
        return;
    };
    let read = |name: &str| table(&folder.join(name));
    let (deployments, pulls, diffs) = (
        read("cicd_deployment_commits.csv"),
        read("pull_requests.csv"),
        read("commits_diffs.csv"),
    );
    let (commits, comments) = (
        read("pull_request_commits.csv"),
        read("pull_request_comments.csv"),
    );
    let phases = |pull: &Row| {
        let of = |row: &&Row| row["pull_request_id"] == pull["id"];
        let authored = commits
            .iter()
            .filter(of)
            .filter_map(|row| moment(&row["commit_authored_date"]));
        // Only what somebody else says is a review; where the author is unknown, anybody.
        let others = comments
            .iter()
            .filter(of)
            .filter(|row| row["account_id"] != pull["author_id"]);
        Phases {
            first_commit: authored.min(),
            opened: moment(&pull["created_date"]),
            reviewed: others.filter_map(|row| moment(&row["created_date"])).min(),
            merged: moment(&pull["merged_date"]),
        }
    };
    let mut facts = Facts::new();
    let components: Vec<_> = deployments.iter().map(component).collect();
    for (row, component) in deployments.iter().zip(&components) {
        let listed = diffs
            .iter()
            .filter(|diff| diff["new_commit_sha"] == row["commit_sha"]);
        let listed = listed.map(|diff| Sha::new(&diff["commit_sha"])).collect();
        facts.add(deployment(row, component, listed));
        for pull in pulls.iter().filter(|pull| !pull["merged_date"].is_empty()) {
            facts.add(Fact::Change(Change {
                component,
                sha: Sha::new(&pull["merge_commit_sha"]),
                at: moment(&pull["merged_date"]).unwrap(),
                phases: phases(pull),
                source: SOURCE,
            }));
        }
    }
    let delivery = Delivery::of(&facts, &Preset::DevLake.options()).unwrap();
    let mut deployed: BTreeMap<String, (String, Timestamp)> = BTreeMap::new();
    for (change, deployment) in delivery.deliveries() {
        deployed.insert(
            change.sha.to_string(),
            (deployment.id.to_owned(), deployment.finished),
        );
    }
    let round = Rounding::Ceil(SignedDuration::from_mins(1));
    let expected = read("project_pr_metrics.csv");
    let mut values = 0;
    for row in &expected {
        let pull = pulls.iter().find(|pull| pull["id"] == row["id"]).unwrap();
        let found = deployed.get(&pull["merge_commit_sha"]);
        let change = Change {
            component: "",
            sha: Sha::new(&pull["merge_commit_sha"]),
            at: moment(&pull["merged_date"]).unwrap(),
            phases: phases(pull),
            source: SOURCE,
        };
        let times = PhaseTimes::of(&change, found.map(|(_, at)| *at), round);
        for (column, time) in [
            ("pr_coding_time", times.coding),
            ("pr_pickup_time", times.pickup),
            ("pr_review_time", times.review),
            ("pr_deploy_time", times.deploy),
            ("pr_cycle_time", times.whole),
        ] {
            let minutes = time
                .map(|micros| (micros / 60_000_000).to_string())
                .unwrap_or_default();
            assert_eq!(minutes, row[column], "{} {column}", row["id"]);
            values += 1;
        }
        if !row["pr_deployed_date"].is_empty() {
            assert_eq!(
                found.map(|(_, at)| *at),
                moment(&row["pr_deployed_date"]),
                "{}",
                row["id"]
            );
            values += 1;
        } else {
            assert!(found.is_none(), "{}", row["id"]);
        }
    }
    assert_eq!(expected.len(), 6);
    assert!(values >= 30, "{values}");
}

#[test]
fn the_previous_success_is_as_expected() {
    let Some(folder) = folder("devlake/dora/prev_success_deployment_commit") else {
        return;
    };
    let rows = table(&folder.join("cicd_deployment_commits_before.csv"));
    let components: Vec<_> = rows.iter().map(component).collect();
    let mut facts = Facts::new();
    for (row, component) in rows.iter().zip(&components) {
        facts.add(deployment(row, component, Vec::new()));
    }
    let delivery = Delivery::of(&facts, &Preset::DevLake.options()).unwrap();
    let previous: HashMap<_, _> = delivery
        .previous_successes()
        .map(|(this, before)| (this.id.to_owned(), before.id.to_owned()))
        .collect();
    let expected = table(&folder.join("cicd_deployment_commits_after.csv"));
    assert_eq!(expected.len(), 16);
    for row in expected {
        let found = previous.get(&row["id"]).map_or("", |id| id);
        assert_eq!(found, row["prev_success_deployment_commit_id"], "{}", row["id"]);
    }
}

#[test]
fn incidents_belong_to_the_last_success_before_them() {
    let Some(folder) = folder("devlake/dora/connect_incident_to_deployment") else {
        return;
    };
    let rows = table(&folder.join("prev_success_deployment_commit/cicd_deployment_commits_after.csv"));
    let incidents = table(&folder.join("raw_tables/incidents.csv"));
    let projects = table(&folder.join("raw_tables/project_mapping.csv"));
    let project = |table: &str, id: &str| {
        let found = projects
            .iter()
            .find(|row| row["table"] == table && row["row_id"] == id);
        found.map_or("", |row| &*row["project_name"]).to_owned()
    };
    // A set of facts is a project.
    let components: Vec<_> = rows.iter().map(component).collect();
    let mut facts = Facts::new();
    for (row, component) in rows.iter().zip(&components) {
        if project("cicd_scopes", &row["cicd_scope_id"]) == "project1" {
            facts.add(deployment(row, component, Vec::new()));
        }
    }
    for row in &incidents {
        if project(&row["table"], &row["scope_id"]) == "project1" {
            facts.add(Fact::Incident(Incident {
                id: &row["id"],
                component: &row["scope_id"],
                environment: None,
                opened: moment(&row["created_date"]).unwrap(),
                deployment: None,
                changes: Vec::new(),
                source: SOURCE,
            }));
        }
    }
    let delivery = Delivery::of(&facts, &Preset::DevLake.options()).unwrap();
    let pipeline = |id: &str| &rows.iter().find(|row| row["id"] == id).unwrap()["cicd_deployment_id"];
    let mut found: Vec<_> = delivery
        .blames()
        .filter_map(|(incident, deployment)| {
            Some((incident.id.to_owned(), pipeline(deployment.ok()?.id).clone()))
        })
        .collect();
    found.sort();
    let expected = table(&folder.join("snapshot_tables/project_incident_deployment_relationships.csv"));
    let expected: Vec<_> = expected
        .into_iter()
        .map(|row| (row["id"].clone(), row["deployment_id"].clone()))
        .collect();
    assert_eq!(found, expected);
}
