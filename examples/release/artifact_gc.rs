use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use pipeline_artifacts::{Because, Collection, InUse, RetentionPolicy};
use pipeline_change::{ChangeEvent, ChangeId};
use pipeline_core::{Actor, Clock, JournalExt, RunId, SignedDuration, SystemClock};
use serde_json::json;

use crate::answer::{Answer, Exit, Problem};
use crate::artifacts::input;
use crate::host::Host;

/// `release artifact gc`: first what would be done; with `yes`, it is.
pub async fn gc(
    host: &Host,
    policy: Option<&Path>,
    yes: bool,
    by: &str,
    keep_trash: Option<&str>,
) -> Result<Answer, Problem> {
    // What is wrong with the request is found before anything is done.
    let grace = keep_trash.map(grace).transpose()?;
    let (store, now) = (&host.artifacts, SystemClock.now());
    let in_use = in_use(host).await?;
    let mut text = String::new();
    let mut data = json!({ "done": yes });
    if let Some(file) = policy {
        let name = file.display().to_string();
        let written =
            std::fs::read_to_string(file).map_err(|error| Problem::input(format!("{name}: {error}")))?;
        let policy = RetentionPolicy::parse(&written, &name).map_err(input)?;
        let plan = store.plan_retention(&policy, &in_use, now)?;
        text.push_str(&format!("{plan}\n"));
        data["plan"] = serde_json::to_value(&plan)?;
        if yes {
            // A run may have begun meanwhile.
            let in_use = self::in_use(host).await?;
            let why = Because::new(&format!("retention by {name}"), Actor::person(by)?, now)?;
            let done = store.carry_out(&plan, &in_use, &why, now)?;
            text.push_str(&format!("removed {} versions\n", done.removed.len()));
        }
    }
    let in_use = if yes { self::in_use(host).await? } else { in_use };
    let mut collection = Collection::new(now).in_use(in_use);
    if let Some(grace) = grace {
        collection = collection.grace(grace);
    }
    if !yes {
        collection = collection.dry_run();
    }
    let collected = store.collect(&collection)?;
    text.push_str(&format!("{collected}\n"));
    if collected.young > 0 {
        text.push_str("what is too young goes with a later gc, a week after it was used last; `--keep-trash` says another time\n");
    }
    if !yes {
        text.push_str("nothing was changed; do it with --yes\n");
    }
    data["collected"] = json!({
        "moved": collected.moved.len(),
        "moved_bytes": collected.moved_bytes(),
        "deleted": collected.deleted,
        "freed": collected.freed,
    });
    Ok(Answer::new(Exit::Succeeded, data, text))
}

/// How long what nothing needs is left alone.
fn grace(time: &str) -> Result<SignedDuration, Problem> {
    let wrong = |why: &str| Problem::input(format!("--keep-trash `{time}` is no time such as 24h: {why}"));
    match time.parse::<SignedDuration>() {
        Ok(grace) if grace.is_negative() => Err(wrong("it lies in the future")),
        Ok(grace) => Ok(grace),
        Err(error) => Err(wrong(&error.to_string())),
    }
}

/// What environments run or could go back to, what runs that have not ended have built, and what is evidence: what somebody
/// approved, and what a change record is about.
async fn in_use(host: &Host) -> Result<Vec<InUse>, Problem> {
    let mut in_use = InUse::in_estate(&host.estate().await?);
    let changes = changes(host).await?;
    for run in host.runs().await? {
        let state = host.clerk().load(&run).await?;
        let mut reasons = BTreeSet::new();
        if state.finished().is_none() {
            reasons.insert(format!("run {run} is not over"));
        }
        let approvals = state.stages().flat_map(|stage| stage.approvals());
        reasons
            .extend(approvals.map(|approval| format!("evidence: {} approved it in run {run}", approval.by)));
        let changes = changes.get(&run).into_iter().flatten();
        reasons.extend(changes.map(|change| format!("evidence of change {change}")));
        let names = state.plan().stages.iter().flat_map(|stage| &stage.produces);
        for artifact in names.filter_map(|name| state.artifact(name)) {
            in_use.extend(reasons.iter().map(|reason| InUse::new(artifact.digest, reason)));
        }
    }
    Ok(in_use)
}

/// The changes of each run, as they are written down: whoever only looks writes none.
async fn changes(host: &Host) -> Result<BTreeMap<RunId, Vec<ChangeId>>, Problem> {
    let mut changes: BTreeMap<RunId, Vec<ChangeId>> = BTreeMap::new();
    for event in host.journal.read_everything(0).await? {
        if event.payload.is_erased() {
            continue;
        }
        if let Some(change) = event.read::<ChangeEvent>()?
            && let ChangeEvent::Opened(opened) = &*change
        {
            changes
                .entry(opened.run.clone())
                .or_default()
                .push(opened.id.clone());
        }
    }
    Ok(changes)
}
