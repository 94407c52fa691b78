use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use pipeline_artifacts::{LocalStore, ProblemKind};
use pipeline_core::{
    ArtifactRef, ChainDisplay, Checkpoint, DecodeError, Digest, EnvironmentEvent, Event, FileJournal,
    JournalExt, OutcomeStatus, RunEvent, StageResult, StoreError, VerifyReport, verify_files,
};
use serde_json::json;

use crate::answer::{Answer, Exit, Problem};
use crate::host::Host;

/// `release verify`: reads everything and changes nothing, not even an interrupted write.
pub async fn verify(store: &Path, checkpoint: Option<&Path>) -> Result<Answer, Problem> {
    let journal = Host::journal_directory(store);
    if !journal.is_dir() {
        return Err(Problem::input(format!(
            "{} is no store: it has no journal",
            store.display()
        )));
    }
    let against = match checkpoint {
        Some(file) => Some(read_checkpoint(file)?),
        None => None,
    };
    let report: VerifyReport = verify_files(&journal, against.as_ref());
    let mut findings: Vec<String> = report
        .findings
        .iter()
        .map(|finding| finding.to_string().trim_end().to_owned())
        .collect();
    let (mut blobs, mut versions) = (0, 0);
    // Views that a writer who was killed has not finished: no damage.
    let mut outdated: Vec<String> = Vec::new();
    let directory = store.join("artifacts");
    if !directory.is_dir() {
        return Err(Problem::failure(format!("{} is missing", directory.display())));
    }
    let artifacts = match LocalStore::open(&directory) {
        Ok(artifacts) => {
            let stored = artifacts.verify()?;
            (blobs, versions) = (stored.blobs, stored.records);
            let problems = stored.problems.iter();
            let (views, wrong): (Vec<_>, Vec<_>) =
                problems.partition(|problem| problem.kind == ProblemKind::Outdated);
            findings.extend(wrong.into_iter().map(ToString::to_string));
            outdated.extend(views.into_iter().map(ToString::to_string));
            Some(artifacts)
        }
        // A store whose mark was changed does not open.
        Err(error) => {
            findings.push(ChainDisplay(&error).to_string());
            None
        }
    };
    // What the journal names must be there. A journal that cannot be read was reported above.
    let mut named = Named::default();
    let events = match FileJournal::open_read_only(&journal) {
        Ok(opened) => opened.read_everything(0).await.unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    for event in &events {
        if let Err(error) = name_blobs(event, &mut named) {
            let at = event.reference();
            findings.push(format!("event {at} cannot be read: {}", ChainDisplay(&error)));
        }
    }
    if report.events == 0 && blobs > 0 {
        findings.push(format!(
            "the journal is empty, but there are {blobs} blobs: it was replaced"
        ));
    }
    if let Some(artifacts) = &artifacts {
        // What retention removed by its policy is gone on purpose; the catalog keeps its record.
        let removed = |one: &ArtifactRef| {
            let versions = artifacts.catalog().versions(&one.name).ok();
            versions.is_some_and(|versions| {
                versions
                    .get(&one.version)
                    .is_some_and(|entry| entry.removed && entry.digest == one.digest)
            })
        };
        let gone: BTreeSet<Digest> = named
            .versions
            .iter()
            .filter(|one| removed(one))
            .map(|one| one.digest)
            .collect();
        for (digest, what) in named.blobs.iter().filter(|(digest, _)| !gone.contains(digest)) {
            // Damage was found above; here it only matters whether it is there.
            if let Err(StoreError::NotFound { .. }) = artifacts.read_blob(digest) {
                findings.push(format!("blob {digest} is missing: {what}"));
            }
        }
        // A version that was published stands for its bytes for ever.
        for one in named.versions.iter().filter(|one| !gone.contains(&one.digest)) {
            if let Ok(None) = artifacts.find(&one.name, &one.version) {
                findings.push(format!(
                    "the catalog has no record of {one}, which the journal says was published"
                ));
            }
        }
    }
    let exit = if findings.is_empty() {
        Exit::Succeeded
    } else {
        Exit::Failed
    };
    let mut text = format!(
        "journal: {} events in {} streams and {} commits\nartifacts: {} blobs, {} published {}\n",
        report.events,
        report.streams,
        report.commits,
        blobs,
        versions,
        if versions == 1 { "version" } else { "versions" }
    );
    for finding in &findings {
        text.push_str(&format!("WRONG: {finding}\n"));
    }
    for view in &outdated {
        text.push_str(&format!(
            "note: {view}; make it anew with: release artifact verify --mend\n"
        ));
    }
    if findings.is_empty() {
        text.push_str(match against {
            Some(_) => "everything is as it was written, and holds against the checkpoint\n",
            None => "everything is as it was written\n",
        });
    }
    let data = json!({
        "events": report.events, "streams": report.streams, "commits": report.commits,
        "blobs": blobs, "versions": versions, "findings": findings, "outdated": outdated,
    });
    Ok(Answer::new(exit, data, text))
}

/// What events name, and what it is.
#[derive(Default)]
struct Named {
    blobs: BTreeSet<(Digest, String)>,
    versions: BTreeSet<ArtifactRef>,
}

/// The blobs that an event names, and what they are.
fn name_blobs(event: &Event, named: &mut Named) -> Result<(), DecodeError> {
    if event.payload.is_erased() {
        return Ok(());
    }
    if let Some(payload) = event.read::<EnvironmentEvent>()? {
        if let EnvironmentEvent::Deployed(deployed) = &*payload {
            // A rollback needs both.
            let place = format!("{} at position {}", event.stream, event.position);
            named
                .blobs
                .insert((deployed.release_digest, format!("release of {place}")));
            named
                .blobs
                .insert((deployed.configuration_digest, format!("configuration of {place}")));
        }
        return Ok(());
    }
    let Some(payload) = event.read::<RunEvent>()? else {
        return Ok(());
    };
    if let RunEvent::StageFinished(finished) = &*payload {
        let place = format!("stage `{}` of {}", finished.stage, event.stream);
        named.blobs.extend(
            finished
                .output
                .as_deref()
                .map(|output| (*output, format!("output of {place}"))),
        );
        if let StageResult::Completed { outcome } = &finished.result
            && outcome.status != OutcomeStatus::Failed
        {
            for one in outcome.artifacts.values() {
                named
                    .blobs
                    .insert((one.digest, format!("artifact {one} of {place}")));
                named.versions.insert(one.clone());
            }
        }
    }
    Ok(())
}

fn read_checkpoint(file: &Path) -> Result<Checkpoint, Problem> {
    let text =
        fs::read_to_string(file).map_err(|error| Problem::input(format!("{}: {error}", file.display())))?;
    serde_json::from_str(&text)
        .map_err(|error| Problem::input(format!("{}: no checkpoint: {error}", file.display())))
}

/// `release checkpoint`
pub async fn checkpoint(host: &Host, output: Option<&Path>) -> Result<Answer, Problem> {
    let checkpoint = host.checkpoint().await?;
    let data = serde_json::to_value(&checkpoint)?;
    let text = match output {
        Some(file) => {
            fs::write(file, format!("{data:#}\n"))?;
            format!(
                "{} streams at {} events: keep {} elsewhere\n",
                checkpoint.heads.len(),
                checkpoint.cursor,
                file.display()
            )
        }
        None => format!("{data:#}\n"),
    };
    Ok(Answer::new(Exit::Succeeded, data, text))
}
