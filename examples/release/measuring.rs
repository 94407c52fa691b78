//! What the commands about delivery are asked for, and the facts that they look at.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use pipeline_core::{Clock, SystemClock};
use pipeline_metrics::{
    Bucket, Delivery, Facts, Figure, FigureOptions, Options, Preset, ReportOptions, Scope, Window, figures,
};
use serde_json::{Value, json};

use crate::answer::Problem;
use crate::host::Host;
use crate::sources::{Reading, SourcesArgs};

/// Which facts, and how they are counted.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct FactsArgs {
    #[command(flatten)]
    pub sources: SourcesArgs,
    /// Count as another tool does: dora, four_keys, devlake, gitlab, metrik, pelorus, middleware, redgate.
    #[arg(long, value_name = "NAME", default_value = "dora", value_parser = preset)]
    pub preset: Option<Preset>,
    /// A TOML file with options by which these numbers differ from the preset, such as `lead_time.aggregate = "mean"`;
    /// `metrics --json` shows all there are.
    #[arg(long, value_name = "FILE")]
    pub options: Option<PathBuf>,
    /// The zone of days, weeks and months: UTC, +08:00, Europe/Berlin.
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// An environment with users; may be said several times. Without it, `production`.
    #[arg(long, value_name = "NAME")]
    pub production: Vec<String>,
}

/// Which part of the whole, and which time.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct PartArgs {
    /// Only this service; may be said several times.
    #[arg(long, value_name = "NAME")]
    pub service: Vec<String>,
    /// The deployments of this team; may be said several times.
    #[arg(long, value_name = "NAME")]
    pub team: Vec<String>,
    /// This environment; may be said several times.
    #[arg(long, value_name = "NAME")]
    pub environment: Vec<String>,
    /// All services together, too. DORA advises against it: blending hides which one it is.
    #[arg(long)]
    pub overall: bool,
    /// The first day, such as 2025-01-01. Without it, the first week with a deployment.
    #[arg(long, value_name = "DAY")]
    pub from: Option<Date>,
    /// The day after the last one. Without it, the end of the last week with a deployment.
    #[arg(long, value_name = "DAY")]
    pub to: Option<Date>,
}

fn preset(name: &str) -> Result<Preset, String> {
    name.parse()
        .map_err(|error: pipeline_metrics::UnknownPreset| error.to_string())
}

/// Facts, how they are counted, and how far they reach.
pub struct Measured {
    /// The facts, and where they were read.
    pub read: Reading,
    pub options: Options,
    /// Now, or the last that the facts tell of.
    pub as_of: Timestamp,
}

impl Measured {
    /// Reads the sources; the journal of the store where none was given.
    pub async fn read(args: &FactsArgs, host: Option<&Host>) -> Result<Self, Problem> {
        let mut options = args.preset.unwrap_or(Preset::Dora).options();
        if let Some(file) = &args.options {
            options = changed(&options, file)?;
        }
        if let Some(zone) = &args.time_zone {
            options.calendar.time_zone.clone_from(zone);
        }
        if !args.production.is_empty() {
            options.deployments.production = args.production.to_vec();
        }
        let read = args.sources.read(host).await?;
        let as_of = if read.journal {
            SystemClock.now()
        } else {
            last(&read.facts)
        };
        Ok(Self { read, options, as_of })
    }

    /// The facts with their links.
    pub fn delivery(&self) -> Result<Delivery<'_>, Problem> {
        Ok(Delivery::of(&self.read.facts, &self.options)?)
    }

    /// The further numbers of a window; of one service, where one was asked for.
    pub fn figures(&self, delivery: &Delivery<'_>, window: Window, service: &[String]) -> Vec<Figure> {
        figures(delivery, &self.read.flow, &self.figure_options(window, service))
    }

    /// How further numbers are made.
    pub fn figure_options(&self, window: Window, service: &[String]) -> FigureOptions {
        let options = FigureOptions::new(window).as_of(self.as_of);
        match service {
            [one] => options.component(one),
            _ => options,
        }
    }

    /// What to say where nothing went live: most often an environment has another name.
    pub fn nothing_live(&self) -> String {
        let mut elsewhere: BTreeMap<&str, usize> = BTreeMap::new();
        for deployment in self.read.facts.deployments() {
            *elsewhere.entry(deployment.environment).or_default() += 1;
        }
        if elsewhere.is_empty() {
            return "nothing was deployed yet".to_owned();
        }
        let named: Vec<_> = elsewhere
            .iter()
            .map(|(name, count)| format!("`{name}` ({count})"))
            .collect();
        format!(
            "nothing went live yet; deployments were tried in {}: say which of these has users with --production NAME",
            named.join(", ")
        )
    }

    /// The same answer with what was read, and what could not be: nobody takes a number for more than it is.
    pub fn told(&self, mut data: Value) -> Value {
        if let Value::Object(data) = &mut data {
            data.insert("sources".to_owned(), json!(self.read.sources));
            let problems: Vec<_> = self.read.facts.problems().collect();
            data.insert("problems".to_owned(), json!(problems));
        }
        data
    }
}

/// Options with what a file says otherwise.
fn changed(options: &Options, file: &Path) -> Result<Options, Problem> {
    let wrong = |error: &dyn Display| Problem::input(format!("{}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error))?;
    let other: Value = toml::from_str(&text).map_err(|error| wrong(&error))?;
    let mut all = serde_json::to_value(options)?;
    put(&mut all, other);
    serde_json::from_value(all).map_err(|error| wrong(&error))
}

/// Puts what one document says into another one, field by field.
fn put(into: &mut Value, other: Value) {
    match (into, other) {
        (Value::Object(into), Value::Object(other)) => {
            for (name, value) in other {
                put(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, other) => *into = other,
    }
}

/// The last moment that the facts tell of.
fn last(facts: &Facts) -> Timestamp {
    let changes = facts.changes().map(|change| change.at);
    let deployments = facts.deployments().map(|deployment| deployment.finished);
    let incidents = facts.incidents().map(|incident| incident.opened);
    let recoveries = facts.recoveries().map(|recovery| recovery.at);
    let all = changes.chain(deployments).chain(incidents).chain(recoveries);
    all.max().unwrap_or(Timestamp::MIN)
}

impl PartArgs {
    /// The window that was asked for; `None` when nothing was deployed and none was asked for.
    pub fn window(&self, delivery: &Delivery<'_>) -> Result<Option<Window>, Problem> {
        let start_of = |day: Date| -> Result<Timestamp, Problem> {
            let zone = delivery.options().calendar.zone()?;
            Ok(day.to_zoned(zone)?.timestamp())
        };
        let everything = delivery.everything();
        let start = self.from.map(start_of).transpose()?;
        let end = self.to.map(start_of).transpose()?;
        let start = start.or(everything.map(|window| window.start()));
        let end = end.or(everything.map(|window| window.end()));
        match start.zip(end) {
            Some((start, end)) => Ok(Some(Window::new(start, end)?)),
            None => Ok(None),
        }
    }

    /// The parts that were asked for; without any, all services, each for itself.
    pub fn scopes(&self, delivery: &Delivery<'_>) -> Result<Vec<Scope<'_>>, Problem> {
        let known = |kind: &str, name: &str, known: &[&str]| {
            if known.contains(&name) {
                return Ok(());
            }
            let hint = if known.is_empty() {
                "none is known".to_owned()
            } else {
                known.join(", ")
            };
            Err(Problem::input(format!(
                "no {kind} `{name}` in these facts: {hint}"
            )))
        };
        let components: Vec<_> = delivery.components().collect();
        let mut scopes = Vec::new();
        for name in &self.service {
            known("service", name, &components)?;
            scopes.push(Scope::Component(name));
        }
        for name in &self.team {
            known("team", name, &delivery.teams())?;
            scopes.push(Scope::Team(name));
        }
        for name in &self.environment {
            known("environment", name, &delivery.environments())?;
            scopes.push(Scope::Environment(name));
        }
        Ok(scopes)
    }

    /// What a report of a window is about.
    pub fn report<'a>(
        &'a self,
        delivery: &Delivery<'_>,
        window: Window,
        as_of: Timestamp,
    ) -> Result<ReportOptions<'a>, Problem> {
        let scopes = self.scopes(delivery)?;
        let mut options = ReportOptions::new(window).as_of(as_of);
        if !scopes.is_empty() {
            options = options.only(scopes);
        }
        Ok(if self.overall {
            options.with_overall()
        } else {
            options
        })
    }
}

/// The month with a day such as 2025-03-01, given as `2025-03`.
pub fn month(text: &str, delivery: &Delivery<'_>) -> Result<Window, Problem> {
    let middle: Date = format!("{text}-15")
        .parse()
        .map_err(|_| Problem::input(format!("`{text}` is no month: say it as 2025-03")))?;
    let zone = delivery.options().calendar.zone()?;
    let noon = middle.to_zoned(zone)?.timestamp() + SignedDuration::from_hours(12);
    Ok(delivery.bucket(Bucket::Month, noon))
}
