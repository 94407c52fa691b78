//! What a person looks at: the page, and the monthly review.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use pipeline_core::{Clock, SystemClock};
use pipeline_metrics::page::{Band, DeliveryPage, Section, Table};
use pipeline_metrics::{Bucket, Delivery, ObservedStream, Report, ReviewOptions, Scope, render_review};
use serde_json::json;

use crate::answer::{Answer, Exit, Problem};
use crate::host::Host;
use crate::measuring::{FactsArgs, Measured, PartArgs, month};

/// What `release report` was asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct ReportArgs {
    #[command(flatten)]
    pub facts: FactsArgs,
    #[command(flatten)]
    pub part: PartArgs,
    /// The file to write. It is there whole or not at all.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// The title of the page.
    #[arg(long, default_value = "Delivery")]
    pub title: String,
    /// A freeze to show in the trends, such as 2025-12-19/2026-01-05 (the day after the last one); may be said several
    /// times.
    #[arg(long, value_name = "DAY/DAY")]
    pub freeze: Vec<String>,
}

/// What `release review` was asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct ReviewArgs {
    #[command(flatten)]
    pub facts: FactsArgs,
    /// The month, such as 2025-03.
    #[arg(long, value_name = "MONTH")]
    pub month: String,
    /// Only this service. Without it, all together.
    #[arg(long, value_name = "NAME", conflicts_with = "team")]
    pub service: Option<String>,
    /// Only this team.
    #[arg(long, value_name = "NAME")]
    pub team: Option<String>,
    /// The file to write; standard output without it.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `release report -o FILE [SOURCE]…`
pub async fn report(host: Option<&Host>, args: &ReportArgs) -> Result<Answer, Problem> {
    let measured = Measured::read(&args.facts, host).await?;
    let delivery = measured.delivery()?;
    let asked = args.part.window(&delivery)?;
    // A store without deployments has runs and waits to show; a log that tells nothing is a mistake.
    let week = || (measured.as_of > Timestamp::MIN).then(|| delivery.bucket(Bucket::Week, measured.as_of));
    let Some(window) = asked.or_else(week) else {
        return Err(Problem::input(
            "nothing was deployed yet: there is nothing to show",
        ));
    };
    let options = args.part.report(&delivery, window, measured.as_of)?;
    let report = Report::of(&delivery, &options);
    let service = &args.part.service;
    let figures = measured.figures(&delivery, window, service);
    let observed = ObservedStream::of(&measured.read.flow, &measured.figure_options(window, service));
    let mut page = DeliveryPage::new(&delivery, &report)
        .title(&args.title)
        .figures(&figures)
        .stream(&observed.stream)
        .freezes(freezes(&delivery, &args.freeze)?);
    for name in measured.read.names() {
        page = page.source(name);
    }
    if delivery.everything().is_none() {
        page = page.lead(measured.nothing_live().replacen('n', "N", 1) + ".");
    }
    if let Some(host) = host {
        host.changes.sync(SystemClock.now()).await?;
        page = page.section(change_outcomes(host));
    }
    let html = page.page().render()?;
    write(&args.output, &html)?;
    let file = args.output.display().to_string();
    let text = format!(
        "wrote {file}: {} KiB\n{}",
        html.len().div_ceil(1024),
        measured.read.problems()
    );
    Ok(Answer::new(
        Exit::Succeeded,
        measured.told(json!({ "file": file, "bytes": html.len() })),
        text,
    ))
}

/// `release review --month MONTH [SOURCE]…`
pub async fn review(host: Option<&Host>, args: &ReviewArgs) -> Result<Answer, Problem> {
    let measured = Measured::read(&args.facts, host).await?;
    let delivery = measured.delivery()?;
    let month = month(&args.month, &delivery)?;
    let asked = PartArgs {
        service: args.service.iter().cloned().collect(),
        team: args.team.iter().cloned().collect(),
        ..PartArgs::default()
    };
    let scope = asked
        .scopes(&delivery)?
        .first()
        .copied()
        .unwrap_or(Scope::Overall);
    let options = ReviewOptions::new(month, scope).as_of(measured.as_of);
    let text = render_review(
        &delivery,
        &measured.figures(&delivery, month, &asked.service),
        &options,
    );
    let Some(output) = &args.output else {
        return Ok(Answer::new(
            Exit::Succeeded,
            measured.told(json!({ "review": text })),
            text,
        ));
    };
    write(output, &text)?;
    let file = output.display().to_string();
    let said = format!("wrote {file}\n{}", measured.read.problems());
    Ok(Answer::new(
        Exit::Succeeded,
        measured.told(json!({ "file": file, "bytes": text.len() })),
        said,
    ))
}

fn freezes(delivery: &Delivery<'_>, texts: &[String]) -> Result<Vec<Band>, Problem> {
    let zone = delivery.options().calendar.zone()?;
    let freeze = |text: &String| {
        let bad = || Problem::input(format!("`{text}` is no freeze: say it as 2025-12-19/2026-01-05"));
        let (from, to) = text.split_once('/').ok_or_else(bad)?;
        let at = |day: &str| -> Result<Timestamp, Problem> {
            let day: Date = day.parse().map_err(|_| bad())?;
            Ok(day.to_zoned(zone.clone())?.timestamp())
        };
        let (from, to) = (at(from)?, at(to)?);
        if from >= to {
            return Err(bad());
        }
        let label = "freeze".to_owned();
        Ok(Band { from, to, label })
    };
    texts.iter().map(freeze).collect()
}

/// What the change records say: the page knows nothing of changes, and is told.
fn change_outcomes(host: &Host) -> Section {
    let title = "Change outcomes";
    let records = host.changes.all();
    if records.is_empty() {
        return Section::new(title);
    }
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for record in &records {
        let outcome = match &record.closure {
            Some(closure) => closure.code.to_string(),
            None => format!("not closed: {}", record.state),
        };
        *counts
            .entry((record.change_type.to_string(), outcome))
            .or_default() += 1;
    }
    let table = Table::new("Changes by type and outcome")
        .column("type")
        .column("outcome")
        .numbers("changes");
    let table = counts.into_iter().fold(table, |table, ((kind, outcome), count)| {
        table.row([kind, outcome, count.to_string()])
    });
    Section::new(title)
        .prose(format!("{} change records are in this store.", records.len()))
        .table(table)
}

/// Writes a file whole or not at all: beside it first, then in its place.
fn write(file: &Path, text: &str) -> Result<(), Problem> {
    let problem = |error: std::io::Error| Problem::input(format!("{}: {error}", file.display()));
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Who may read it is the user's choice, as of any file that a program writes.
    let mut beside = tempfile::Builder::new();
    #[cfg(unix)]
    beside.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut beside = beside.tempfile_in(folder).map_err(problem)?;
    beside.write_all(text.as_bytes()).map_err(problem)?;
    beside.as_file().sync_all().map_err(problem)?;
    beside.persist(file).map_err(|error| problem(error.error))?;
    Ok(())
}
