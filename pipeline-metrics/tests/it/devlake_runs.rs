//! Deployments out of the runs of pipelines, and the commits in each, exactly as Apache `DevLake` finds them.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use pipeline_metrics::{CommitGraph, PipelineRun, RunResult, TaskRun, deployments_of_runs};

use crate::fixture::folder;
use crate::table::table;

fn result(text: &str) -> RunResult {
    match text {
        "SUCCESS" => RunResult::Success,
        "FAILURE" => RunResult::Failure,
        _ => RunResult::Other,
    }
}

fn known(text: &str) -> Option<std::sync::Arc<str>> {
    (!text.is_empty()).then(|| text.into())
}

fn moment(text: &str) -> Option<Timestamp> {
    (!text.is_empty()).then(|| text.parse().unwrap())
}

#[test]
fn deployments_of_runs_are_those_of_devlake() {
    let Some(folder) = folder("devlake/dora/deployment_generator") else {
        return;
    };
    let commits = table(&folder.join("cicd_pipeline_commits.csv"));
    let runs: Vec<_> = table(&folder.join("cicd_pipelines.csv"))
        .iter()
        .map(|row| PipelineRun {
            id: row["id"].as_str().into(),
            scope: row["cicd_scope_id"].as_str().into(),
            deploys: row["type"] == "DEPLOYMENT",
            environment: known(&row["environment"]),
            result: result(&row["result"]),
            finished: moment(&row["finished_date"]),
            duration: SignedDuration::from_secs(row["duration_sec"].parse().unwrap()),
            commits: commits
                .iter()
                .filter(|commit| commit["pipeline_id"] == row["id"])
                .map(|commit| {
                    (
                        commit["commit_sha"].as_str().into(),
                        commit["repo_url"].as_str().into(),
                    )
                })
                .collect(),
        })
        .collect();
    let tasks: Vec<_> = table(&folder.join("cicd_tasks.csv"))
        .iter()
        .map(|row| TaskRun {
            run: row["pipeline_id"].as_str().into(),
            deploys: row["type"] == "DEPLOYMENT",
            environment: known(&row["environment"]),
            result: result(&row["result"]),
        })
        .collect();
    let found = deployments_of_runs(&runs, &tasks, &["PRODUCTION", "STAGING", "TESTING"]);

    let scopes: BTreeSet<_> = table(&folder.join("project_mapping.csv"))
        .iter()
        .filter(|row| row["project_name"] == "project1" && row["table"] == "cicd_scopes")
        .map(|row| row["row_id"].clone())
        .collect();
    let date = |at: Option<Timestamp>| {
        at.map(|at| at.strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string())
            .unwrap_or_default()
    };
    let found: Vec<Vec<String>> = found
        .iter()
        .filter(|one| scopes.contains(&*one.scope))
        .map(|one| {
            vec![
                one.id.clone(),
                one.sha.to_string(),
                one.scope.to_string(),
                one.run.to_string(),
                format!("{:?}", one.result).to_uppercase(),
                one.repository.to_string(),
                one.environment.as_deref().unwrap_or_default().to_owned(),
                date(one.started),
                date(one.finished),
            ]
        })
        .collect();
    let expected = table(&folder.join("cicd_deployment_commits.csv"));
    let columns = [
        "id",
        "commit_sha",
        "cicd_scope_id",
        "cicd_deployment_id",
        "result",
        "repo_url",
        "environment",
        "started_date",
        "finished_date",
    ];
    let expected: Vec<Vec<String>> = expected
        .iter()
        .map(|row| columns.iter().map(|column| row[*column].clone()).collect())
        .collect();
    assert_eq!(expected.len(), 6);
    assert_eq!(found, expected);
}

#[test]
fn commits_of_deployments_are_those_of_devlake() {
    let Some(folder) = folder("devlake/refdiff/deployment_commit_diff") else {
        return;
    };
    let project: BTreeSet<_> = table(&folder.join("project_mapping.csv"))
        .iter()
        .filter(|row| row["project_name"] == "project1" && row["table"] == "repos")
        .map(|row| row["row_id"].clone())
        .collect();
    let commits: BTreeSet<_> = table(&folder.join("repo_commits.csv"))
        .iter()
        .filter(|row| project.contains(&row["repo_id"]))
        .map(|row| row["commit_sha"].clone())
        .collect();
    let mut graph = CommitGraph::new();
    for row in table(&folder.join("commit_parents.csv")) {
        if commits.contains(&row["commit_sha"]) {
            graph.add(&row["commit_sha"], [row["parent_commit_sha"].as_str()]);
        }
    }
    let deployments = table(&folder.join("cicd_deployment_commits.csv"));
    let mut rows = Vec::new();
    let mut pairs = Vec::new();
    for deployment in deployments
        .iter()
        .filter(|row| project.contains(&row["cicd_scope_id"]))
    {
        let before = &deployment["prev_success_deployment_commit_id"];
        let before = deployments.iter().find(|row| row["id"] == *before);
        let new = &deployment["commit_sha"];
        let old = before.map(|row| row["commit_sha"].as_str());
        pairs.push([new.clone(), old.unwrap_or_default().to_owned()]);
        for (number, sha) in graph.between(new, old).enumerate() {
            let old = old.unwrap_or_default().to_owned();
            rows.push([new.clone(), old, sha.to_owned(), (number + 1).to_string()]);
        }
    }
    let expected: Vec<_> = table(&folder.join("commits_diffs.csv"))
        .iter()
        .map(|row| {
            ["new_commit_sha", "old_commit_sha", "commit_sha", "sorting_index"].map(|name| row[name].clone())
        })
        .collect();
    assert_eq!(rows, expected);
    let finished: Vec<_> = table(&folder.join("_tool_refdiff_finished_commits_diffs.csv"))
        .iter()
        .map(|row| ["new_commit_sha", "old_commit_sha"].map(|name| row[name].clone()))
        .collect();
    assert_eq!(pairs, finished);
}
