use std::path::Path;

use pipeline_artifacts::{Healed, HealedRecords, LocalStore, Problem as Found, StoreReport};
use pipeline_core::attestation::Policy;
use pipeline_core::{ArtifactRef, Clock, SystemClock};
use serde_json::{Value, json};

use crate::answer::{Answer, Exit, Problem};
use crate::artifacts::{find, input};
use crate::host::Host;

/// What a person does about damage.
const WHAT_TO_DO: &str = "take what is damaged or missing from a store that has it with `--heal-from STORE`, or build and package \
    the same again\n";

/// What a person does about views.
const HOW_TO_MEND: &str = "make the layouts, which other tools read, anew with `--mend`\n";

/// `release artifact verify [ARTIFACT]`
pub async fn verify(
    host: &Host,
    query: Option<&str>,
    policy: Option<&Path>,
    heal_from: Option<&Path>,
    mend: bool,
) -> Result<Answer, Problem> {
    let store = &host.artifacts;
    let policy = policy.map(read_policy).transpose()?;
    let asked = query.map(|query| find(store, query)).transpose()?;
    let (mut good, mut text, mut data) = (true, String::new(), json!({}));
    let one = heal_from.is_none() && !mend;
    let report = if let (Some(artifact), true) = (&asked, one) {
        let report = store.verify_artifact(artifact)?;
        let whole = if report.is_good() {
            ": every byte is right"
        } else {
            ""
        };
        text.push_str(&format!("{artifact}{whole}\n"));
        report
    } else {
        match heal_from {
            None => store.verify()?,
            Some(other) => {
                let (healed, records, report) = heal(store, &open_other(other)?).await?;
                let (whole, left) = (healed.healed.len(), healed.left.len());
                text.push_str(&format!("healed {whole} of {} blobs\n", whole + left));
                for (digest, why) in &healed.left {
                    text.push_str(&format!("  not healed: {digest}: {why}\n"));
                }
                for artifact in &records.healed {
                    text.push_str(&format!(
                        "took the record of {artifact}: compare its digest with the journal's\n"
                    ));
                }
                for (path, why) in &records.left {
                    text.push_str(&format!("  not healed: {}: {why}\n", path.display()));
                }
                let digests: Vec<_> = healed.healed.iter().map(|blob| blob.digest).collect();
                data["healed"] = json!(digests);
                data["left"] = json!(healed.left);
                data["records"] = json!({ "healed": records.healed, "left": records.left });
                report
            }
        }
    };
    // Last, because what is healed is shown, too.
    let report = if mend {
        store.write_layouts()?;
        let mended = store.verify()?;
        let gone = |found: &&Found| is_view(found) && !mended.problems.contains(found);
        let gone: Vec<_> = report
            .problems
            .iter()
            .filter(gone)
            .map(ToString::to_string)
            .collect();
        for problem in &gone {
            text.push_str(&format!("made anew: {problem}\n"));
        }
        data["mended"] = json!(gone);
        mended
    } else {
        report
    };
    good &= report.is_good();
    text.push_str(&format!("{report}\n"));
    let part = if asked.is_some() && one {
        "content"
    } else {
        "store"
    };
    data[part] = json!({
        "blobs": report.blobs,
        "bytes": report.bytes,
        "records": report.records,
        "problems": report.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "outdated": report.outdated().count(),
    });
    if !report.problems.iter().all(is_view) {
        text.push_str(WHAT_TO_DO);
    }
    if report.problems.iter().any(is_view) {
        text.push_str(HOW_TO_MEND);
    }
    if let Some(policy) = policy {
        let mut reports: Vec<Value> = Vec::new();
        // A record that is damaged is in the report above.
        let artifacts = asked.map_or_else(|| all(store), |artifact| Ok(vec![artifact]));
        if let Err(problem) = &artifacts {
            good = false;
            text.push_str(&format!("it is not known what must be proven: {problem}\n"));
            data["unknown"] = json!(problem.to_string());
        }
        for artifact in &artifacts.unwrap_or_default() {
            let report = store.check_origin(artifact, &policy, SystemClock.now());
            good &= report.allowed();
            text.push_str(&format!("{report}\n\n"));
            reports.push(json!({ "allowed": report.allowed(), "report": report }));
        }
        data["origin"] = json!(reports);
    }
    let exit = if good { Exit::Succeeded } else { Exit::Failed };
    Ok(Answer::new(exit, data, text))
}

/// Whether it is in what other tools read, and not in the store itself.
fn is_view(problem: &Found) -> bool {
    problem.path.starts_with("layouts")
}

/// A policy; one that cannot be used is the caller's to mend.
pub fn read_policy(file: &Path) -> Result<Policy, Problem> {
    Policy::read(file).map_err(input)
}

fn all(store: &LocalStore) -> Result<Vec<ArtifactRef>, Problem> {
    let versions = store.catalog().all()?;
    let refs = versions.iter().flat_map(|versions| {
        let name = versions.name();
        versions.kept().map(move |entry| entry.reference(name))
    });
    Ok(refs.collect())
}

/// Takes what is broken from another store that has it. What only a manifest or a record names that was broken itself is
/// found when that one is whole again, so it goes on as long as there is more to heal.
async fn heal(
    store: &LocalStore,
    other: &LocalStore,
) -> Result<(Healed, HealedRecords, StoreReport), Problem> {
    let (mut blobs, mut records) = (Healed::default(), HealedRecords::default());
    loop {
        let report = store.verify()?;
        let healed = store.heal(&report, other).await?;
        let found = store.heal_records(&report, other)?;
        (blobs.left, records.left) = (healed.left, found.left);
        if healed.healed.is_empty() && found.healed.is_empty() {
            return Ok((blobs, records, report));
        }
        blobs.healed.extend(healed.healed);
        records.healed.extend(found.healed);
    }
}

/// A store of this program, or a store of artifacts alone.
fn open_other(path: &Path) -> Result<LocalStore, Problem> {
    let within = path.join("artifacts");
    let path = if within.is_dir() { within } else { path.to_owned() };
    if !path.join("store.json").is_file() {
        return Err(Problem::input(format!(
            "{} is no store of artifacts: name a directory that has a `store.json`, or a store of this program",
            path.display()
        )));
    }
    Ok(LocalStore::open(path)?)
}
