use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use crate::answer::{Answer, Exit, Problem};
use crate::commands::{self, Consent};
use crate::host::Host;
use crate::metrics::{self, MetricsArgs};
use crate::session::Session;
use crate::{artifacts, checks, reports, runs, show};

/// The definition of the bundled sample.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/infra/pipeline.toml");

/// `release` without a command: the bundled sample from a commit to production, told in the terminal.
pub async fn tell(store: &Path, session: &Arc<Session>, json: bool) -> Result<Answer, Problem> {
    let host = Host::open(store)?;
    let file = Path::new(SAMPLE);
    let say = |text: &str| {
        if json {
            eprintln!("{text}")
        } else {
            println!("{text}")
        }
    };
    say(&format!(
        "The sample in {} goes to production. Everything is kept in {}.\n",
        parent(file),
        store.display()
    ));

    say("1. Run the pipeline.");
    let first = runs::run(&host, session, file, runs::request("you", false, false)?).await?;
    let run = first.data["run"].as_str().unwrap_or_default().to_owned();
    if first.exit != Exit::Waiting || session.is_ending() {
        return Ok(first);
    }
    say(&format!("\n2. It waits. `release why {run}` says:"));
    say(&commands::why(&host, &run).await?.text);

    say("3. Somebody else approves exactly that.");
    let consent = Consent {
        by: "release-manager",
        stage: None,
        plan: None,
        valid_for: "1h",
        comment: "it was good in staging",
    };
    commands::approve(&host, &run, &consent).await?;
    say(&format!(
        "   release-manager approved.\n\n4. `release resume {run}` goes on."
    ));
    let second = runs::resume(&host, session, &run).await?;
    if second.exit != Exit::Succeeded || session.is_ending() {
        return Ok(second);
    }

    say("\n5. The same again, with nothing changed: what is pure is reused, what is live is left alone.");
    let again = runs::run(&host, session, file, runs::request("you", false, false)?).await?;
    let again_run = again.data["run"].as_str().unwrap_or_default().to_owned();
    let again = if again.exit == Exit::Waiting {
        commands::approve(&host, &again_run, &consent).await?;
        runs::resume(&host, session, &again_run).await?
    } else {
        again
    };

    say("\n6. What is live where:");
    say(&show::estate_text(&host.estate().await?));
    say("7. The change record:");
    let change = reports::change(&host, &run).await?;
    say(&change.text);
    say("8. The delivery metrics:");
    let metrics = metrics::metrics(Some(&host), &MetricsArgs::default()).await?;
    say(&metrics.text);
    say("9. The journal and the artifacts, verified:");
    let verified = checks::verify(store, None).await?;
    say(&verified.text);
    say("10. The artifact, with what says where it comes from:");
    let artifact = artifacts::show(&host, "edge-routes")?;
    say(&artifact.text);
    let exit = if again.exit == Exit::Succeeded {
        verified.exit
    } else {
        again.exit
    };
    let data = json!({
        "first": second.data, "second": again.data, "change": change.data, "metrics": metrics.data, "verified": verified.data,
        "artifact": artifact.data,
    });
    let text = format!(
        "Look around with `cargo run --example release -- --store {} status`.",
        store.display()
    );
    Ok(Answer::new(exit, data, text))
}

fn parent(file: &Path) -> std::path::Display<'_> {
    file.parent().unwrap_or(file).display()
}
