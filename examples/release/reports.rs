use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use pipeline_core::{Clock, JournalExt, RunId, SystemClock};
use pipeline_metrics::{Delivery, Facts, LogReader, ReportOptions, render_text, weekly_csv};
use serde_json::json;

use crate::answer::{Answer, Exit, Problem};
use crate::host::Host;

/// `release change RUN`
pub async fn change(host: &Host, run: &str) -> Result<Answer, Problem> {
    let run = RunId::new(run)?;
    host.clerk().load(&run).await?;
    host.changes.sync(SystemClock.now()).await?;
    let records = host.changes.records_of(&run);
    let mut text: String = records.iter().map(|record| record.render_text() + "\n").collect();
    if records.is_empty() {
        text = format!(
            "run {run} has no change record: none of its stages has a change gate, or none got that far\n"
        );
    }
    Ok(Answer::new(
        Exit::Succeeded,
        json!({ "run": run, "changes": records }),
        text,
    ))
}

/// What `release metrics` was asked for.
pub struct MetricsRequest<'a> {
    pub log: Option<&'a Path>,
    pub strict: bool,
    pub weekly_csv: bool,
}

/// `release metrics [LOG]`
pub async fn metrics(host: Option<&Host>, request: &MetricsRequest<'_>) -> Result<Answer, Problem> {
    let mut facts = Facts::new();
    match (request.log, host) {
        (Some(log), _) => {
            let name = log.display().to_string();
            let file = File::open(log).map_err(|error| Problem::input(format!("{name}: {error}")))?;
            let reader = LogReader::new(&name);
            let reader = if request.strict { reader.strict() } else { reader };
            reader.read(BufReader::new(file), &mut facts)?;
        }
        (None, Some(host)) => facts.add_events(&host.journal.read_everything(0).await?),
        (None, None) => {}
    }
    let delivery = Delivery::of(&facts);
    if request.weekly_csv {
        let csv = weekly_csv(&delivery);
        return Ok(Answer::new(Exit::Succeeded, json!({ "weekly_csv": csv }), csv));
    }
    let Some(window) = facts.weeks() else {
        return Ok(Answer::new(
            Exit::Succeeded,
            json!({ "report": null }),
            "nothing was deployed yet\n",
        ));
    };
    let report = delivery.report(&ReportOptions::new(window));
    let mut text = render_text(&report);
    for problem in facts.problems() {
        text.push_str(&format!("left out: {}: {}\n", problem.source, problem.reason));
    }
    Ok(Answer::new(Exit::Succeeded, json!({ "report": report }), text))
}
