use pipeline_core::{Clock, RunId, SystemClock};
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
