//! Reads facts from wherever they are, and tells what could not be read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read as _};
use std::path::{Path, PathBuf};

use pipeline_core::JournalExt;
use pipeline_metrics::{
    CdEvents, CdEventsOptions, CsvReader, CsvRows, Facts, Flow, JournalFlow, LogReader, SourceSummary,
    read_history,
};
use serde::Serialize;

use crate::answer::Problem;
use crate::host::Host;
use crate::source_args::{ColumnsArg, Place, SourceArg, SourceKind};
use crate::source_file::{Repository, SourceFile};

/// Where facts come from, and how they are read.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct SourcesArgs {
    /// Where the facts come from; several are taken together, and without any it is the journal of the store. A file of
    /// JSON lines is a delivery log or CDEvents, as its first line is. Everything else says what it is: `log:FILE`,
    /// `cdevents:FILE`, a table `changes:`, `deployments:`, `incidents:`, `stage-times:`, `waits:`, `holds:` or
    /// `manual-work:FILE`, a repository `git:DIR` or `git:COMPONENT=DIR`, the `journal` of the store. `-` is standard input.
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<SourceArg>,
    /// A TOML file that lists sources, with all that can be said of each.
    #[arg(long = "sources", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Which column of a table holds what, where it is not called so: `id=number,started=opened_at`. With several tables:
    /// `incidents:id=number`.
    #[arg(long, value_name = "[ROWS:]FIELD=COLUMN,…")]
    pub columns: Vec<ColumnsArg>,
    /// Which tags of git repositories are deployments, such as `v*`; may be said several times. Without it, all.
    #[arg(long, value_name = "PATTERN")]
    pub tags: Vec<String>,
    /// Stop at the first record that cannot be read.
    #[arg(long)]
    pub strict: bool,
}

/// All sources, ready to be read.
#[derive(Debug, Default)]
struct Sources {
    journal: bool,
    /// Delivery logs.
    logs: Vec<Place>,
    /// Delivery logs or `CDEvents`.
    json: Vec<Place>,
    cdevents: Vec<Place>,
    cdevents_options: CdEventsOptions,
    tables: Vec<(Place, CsvReader)>,
    repositories: Vec<Repository>,
}

/// What was read of one source.
#[derive(Debug, Clone, Serialize)]
pub struct SourceRead {
    /// Its name, as problems have it.
    pub source: String,
    /// What it is: `journal`, `log`, `cdevents`, `incidents`, `git`, …
    pub kind: String,
    /// Records that were in order and are of use.
    pub used: u64,
    /// Records that were in order and say nothing of delivery, by what they are.
    pub unused: BTreeMap<String, u64>,
    /// Records that could not be read.
    pub bad: u64,
}

/// What was read of all sources.
#[derive(Debug, Default)]
pub struct Reading {
    /// Changes, deployments, incidents.
    pub facts: Facts,
    /// How work flows.
    pub flow: Flow,
    /// Each source.
    pub sources: Vec<SourceRead>,
    /// Whether the journal is among them, which tells of the present.
    pub journal: bool,
}

impl SourcesArgs {
    /// Whether the journal of the store is among them.
    pub fn need_store(&self) -> Result<bool, Problem> {
        Ok(self.all()?.journal)
    }

    /// Reads all of them.
    pub async fn read(&self, host: Option<&Host>) -> Result<Reading, Problem> {
        let sources = self.all()?;
        let mut reading = Reading::default();
        if let (true, Some(host)) = (sources.journal, host) {
            let events = host.journal.read_everything(0).await?;
            reading.facts.add_events(&events);
            let mut journal = JournalFlow::new();
            journal.add_events(&events);
            reading.flow.extend(journal.facts());
            reading.journal = true;
            let used = events.len() as u64;
            reading.note(
                "the journal of this store",
                "journal",
                SourceSummary {
                    used,
                    ..Default::default()
                },
            );
        }
        for place in &sources.logs {
            reading.log(place, self.strict, open(place)?)?;
        }
        let options = CdEventsOptions {
            strict: self.strict,
            ..sources.cdevents_options
        };
        let mut events = CdEvents::new(options);
        for place in &sources.cdevents {
            let summary = events.read(&place.to_string(), open(place)?)?;
            reading.note(&place.to_string(), "cdevents", summary);
        }
        for place in &sources.json {
            let (first, input) = first_line(place)?;
            if is_cdevents(&first) {
                let summary = events.read(&place.to_string(), Cursor::new(first).chain(input))?;
                reading.note(&place.to_string(), "cdevents", summary);
            } else {
                reading.log(place, self.strict, Cursor::new(first).chain(input))?;
            }
        }
        events.facts(&mut reading.facts, &mut reading.flow);
        for (place, reader) in &sources.tables {
            let name = place.to_string();
            let summary = reader.read(&name, open(place)?, &mut reading.facts, &mut reading.flow)?;
            reading.note(&name, reader.rows().name(), summary);
        }
        for repository in &sources.repositories {
            let history = read_history(&repository.directory, |tag| repository.deploys(tag))?;
            history.facts(&repository.options, &mut reading.facts);
            let used = (history.commits.len() + history.tags.len()) as u64;
            let name = repository.directory.display().to_string();
            reading.note(
                &name,
                "git",
                SourceSummary {
                    used,
                    ..Default::default()
                },
            );
        }
        reading.count_problems();
        // Some records show only beside others that they cannot be used.
        if self.strict
            && let Some(problem) = reading.facts.problems().next()
        {
            return Err(Problem::input(format!("{}: {}", problem.source, problem.reason)));
        }
        Ok(reading)
    }

    /// What the command line and the file say together.
    fn all(&self) -> Result<Sources, Problem> {
        let mut all = Sources::default();
        for SourceArg { kind, place } in &self.sources {
            match kind {
                Some(SourceKind::Journal) => all.journal = true,
                Some(SourceKind::Log) => all.logs.push(place.clone()),
                Some(SourceKind::CdEvents) => all.cdevents.push(place.clone()),
                Some(SourceKind::Table(rows)) => all.tables.push((place.clone(), self.table(*rows, place)?)),
                Some(SourceKind::Git(component)) => {
                    let Place::Path(directory) = place else { continue };
                    all.repositories
                        .push(Repository::new(directory.clone(), component.clone(), &self.tags)?);
                }
                None => {
                    refuse_untold(place)?;
                    all.json.push(place.clone());
                }
            }
        }
        self.check_columns()?;
        if let Some(file) = &self.file {
            let list = SourceFile::read(file)?;
            all.journal |= list.journal;
            all.logs.extend(list.logs.iter().cloned().map(Place::from));
            all.cdevents
                .extend(list.cdevents.files.iter().cloned().map(Place::from));
            all.cdevents_options.published_deploys = list.cdevents.published_deploys;
            all.cdevents_options
                .component
                .clone_from(&list.cdevents.component);
            all.tables.extend(list.tables()?);
            all.repositories.extend(list.repositories()?);
        } else if self.sources.is_empty() {
            all.journal = true;
        }
        if self.strict {
            for (_, reader) in &mut all.tables {
                *reader = reader.clone().strict();
            }
        }
        let places = all.logs.iter().chain(&all.json).chain(&all.cdevents);
        let places = places.chain(all.tables.iter().map(|(place, _)| place));
        if places.filter(|place| **place == Place::Stdin).count() > 1 {
            return Err(Problem::input("standard input can be read once only"));
        }
        Ok(all)
    }

    /// How a table is read that the command line names.
    fn table(&self, rows: CsvRows, place: &Place) -> Result<CsvReader, Problem> {
        let mut reader = CsvReader::new(rows);
        if matches!(place, Place::Path(path) if extension(path) == "tsv") {
            reader = reader.delimiter('\t');
        }
        for columns in self
            .columns
            .iter()
            .filter(|one| one.rows.is_none_or(|other| other == rows))
        {
            for (field, column) in &columns.columns {
                reader = reader.column(*field, column);
            }
        }
        Ok(reader)
    }

    /// Columns are of a table that is there, and of one only where they do not say of which.
    fn check_columns(&self) -> Result<(), Problem> {
        let mut tables: Vec<CsvRows> = Vec::new();
        tables.extend(self.sources.iter().filter_map(|source| match source.kind {
            Some(SourceKind::Table(rows)) => Some(rows),
            _ => None,
        }));
        tables.sort_unstable();
        tables.dedup();
        for columns in &self.columns {
            match (columns.rows, tables.as_slice()) {
                (Some(rows), tables) if tables.contains(&rows) => {}
                (None, [_]) => {}
                (Some(rows), _) => {
                    return Err(Problem::input(format!(
                        "--columns {rows}: there is no table {rows}:FILE"
                    )));
                }
                (None, []) => {
                    return Err(Problem::input(
                        "--columns is about a table, and there is none, such as incidents:FILE",
                    ));
                }
                (None, _) => {
                    return Err(Problem::input(
                        "there are several kinds of tables: say of which, as --columns incidents:id=number",
                    ));
                }
            }
        }
        Ok(())
    }
}

impl Reading {
    fn log(&mut self, place: &Place, strict: bool, input: impl std::io::Read) -> Result<(), Problem> {
        let name = place.to_string();
        let reader = LogReader::new(&name).threads(2);
        let reader = if strict { reader.strict() } else { reader };
        let summary = reader.read(input, &mut self.facts)?;
        let used = summary.facts;
        self.note(
            &name,
            "log",
            SourceSummary {
                used,
                ..Default::default()
            },
        );
        Ok(())
    }

    fn note(&mut self, source: &str, kind: &str, summary: SourceSummary) {
        self.sources.push(SourceRead {
            source: source.to_owned(),
            kind: kind.to_owned(),
            used: summary.used,
            unused: summary.unused,
            bad: 0,
        });
    }

    /// Of which sources the problems are.
    fn count_problems(&mut self) {
        use pipeline_metrics::FactSource;
        for problem in self.facts.problems() {
            let of = |one: &&mut SourceRead| match problem.source {
                FactSource::Line { file, .. } => one.source == file,
                FactSource::Event { .. } => one.kind == "journal",
            };
            if let Some(source) = self.sources.iter_mut().find(of) {
                source.bad += 1;
            }
        }
    }

    /// Where everything comes from, for people.
    pub fn names(&self) -> Vec<&str> {
        self.sources.iter().map(|one| one.source.as_str()).collect()
    }

    /// What could not be read, for people; empty where everything could.
    pub fn problems(&self) -> String {
        const LISTED: usize = 5;
        let problems = self.facts.problems();
        let all = problems.len();
        if all == 0 {
            return String::new();
        }
        let mut text = match all {
            1 => "1 record could not be read and is in no number:\n".to_owned(),
            all => format!("{all} records could not be read and are in no number:\n"),
        };
        for problem in problems.take(LISTED) {
            text.push_str(&format!("  {}: {}\n", problem.source, problem.reason));
        }
        if all > LISTED {
            text.push_str(&format!("  and {} more\n", all - LISTED));
        }
        text
    }
}

fn extension(path: &Path) -> String {
    path.extension()
        .map(|end| end.to_string_lossy().to_lowercase())
        .unwrap_or_default()
}

/// Refuses what does not tell by itself what it is.
fn refuse_untold(place: &Place) -> Result<(), Problem> {
    let Place::Path(path) = place else {
        return Ok(());
    };
    let name = path.display();
    if path.is_dir() {
        return Err(Problem::input(format!(
            "{name} is a directory: if it is a git repository, say git:{name}"
        )));
    }
    if path.exists() && matches!(&*extension(path), "csv" | "tsv") {
        return Err(Problem::input(format!(
            "what are the rows of {name}? say changes:, deployments:, incidents:, stage-times:, waits:, holds: or \
             manual-work:{name}"
        )));
    }
    Ok(())
}

fn open(place: &Place) -> Result<Box<dyn BufRead>, Problem> {
    let Place::Path(path) = place else {
        return Ok(Box::new(std::io::stdin().lock()));
    };
    let name = path.display().to_string();
    let wrong = |error: std::io::Error| Problem::input(format!("{name}: {error}{}", hint(&name)));
    let file = File::open(path).map_err(wrong)?;
    if file.metadata().map_err(wrong)?.is_dir() {
        return Err(Problem::input(format!("{name} is a directory")));
    }
    Ok(Box::new(BufReader::with_capacity(1 << 16, file)))
}

/// Who misspells a kind names a file that is not there.
fn hint(name: &str) -> String {
    match name.split_once(':') {
        Some((word, _)) if word.len() > 1 && !word.contains(['/', '\\']) => format!(
            "; `{word}` is no kind of source: there are log, cdevents, git, changes, deployments, incidents, stage-times, \
             waits, holds and manual-work"
        ),
        _ => String::new(),
    }
}

/// The first line with something on it and all before it, and the rest.
fn first_line(place: &Place) -> Result<(Vec<u8>, Box<dyn BufRead>), Problem> {
    const LONGEST: u64 = 1 << 20;
    let mut input = open(place)?;
    let mut first = Vec::new();
    loop {
        let before = first.len();
        let read = input.by_ref().take(LONGEST).read_until(b'\n', &mut first);
        let read = read.map_err(|error| Problem::input(format!("{place}: {error}")))?;
        if read == 0 || !first[before..].trim_ascii().is_empty() {
            return Ok((first, input));
        }
    }
}

/// Whether a line is the beginning of `CDEvents`: one of them, or one that goes on on the next line, or a list. A line of
/// a delivery log is a whole object with a type.
fn is_cdevents(first: &[u8]) -> bool {
    let line = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii();
    match serde_json::from_slice::<serde_json::Value>(line) {
        Ok(value) => value.is_array() || value.get("context").is_some() || value.get("specversion").is_some(),
        Err(_) => line.first() == Some(&b'[') || line == b"{",
    }
}
