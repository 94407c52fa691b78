//! A file that lists sources, for what is too long for a command line.

use std::path::{Path, PathBuf};

use globset::{Glob, GlobSet, GlobSetBuilder};
use pipeline_metrics::{CommitTime, CsvReader, GitOptions};
use serde::Deserialize;

use crate::answer::Problem;
use crate::source_args::Place;

/// What the file says; its paths are relative to it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct SourceFile {
    /// Whether the journal of the store is a source, too.
    pub journal: bool,
    /// Delivery logs.
    pub logs: Vec<PathBuf>,
    /// `CDEvents`, of which some facts need several, maybe of several files.
    pub cdevents: CdEventsEntry,
    /// Each a `file`, and how it is read: as `CsvReader` in the documentation of `pipeline-metrics`.
    tables: Vec<toml::Table>,
    /// Git repositories.
    repositories: Vec<RepositoryEntry>,
}

/// Files of `CDEvents`, and what the vocabulary leaves open.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct CdEventsEntry {
    /// The files.
    pub files: Vec<PathBuf>,
    /// Whether `service.published` is a deployment, too.
    pub published_deploys: bool,
    /// The component of an incident that names no service.
    pub component: Option<String>,
}

/// A git repository whose tags are deployments.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RepositoryEntry {
    directory: PathBuf,
    component: Option<String>,
    environment: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    clock: CommitTime,
    #[serde(default)]
    merges: bool,
}

/// A git repository, and how its history is read.
#[derive(Debug)]
pub struct Repository {
    /// Where it is.
    pub directory: PathBuf,
    /// What its history becomes.
    pub options: GitOptions,
    /// Which tags are deployments; all, where no pattern is said.
    tags: Option<GlobSet>,
}

impl Repository {
    /// A repository as this component, or as one that is called like its directory.
    pub fn new(directory: PathBuf, component: Option<String>, tags: &[String]) -> Result<Self, Problem> {
        let component = match component {
            Some(component) => component,
            None => name_of(&directory)?,
        };
        Ok(Self {
            directory,
            options: GitOptions::new(component),
            tags: if tags.is_empty() {
                None
            } else {
                Some(patterns(tags)?)
            },
        })
    }

    /// Whether a tag is a deployment, by its name.
    pub fn deploys(&self, tag: &str) -> bool {
        self.tags.as_ref().is_none_or(|tags| tags.is_match(tag))
    }
}

fn name_of(directory: &Path) -> Result<String, Problem> {
    let full = directory
        .canonicalize()
        .map_err(|error| Problem::input(format!("{}: {error}", directory.display())))?;
    let name = full.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.ok_or_else(|| Problem::input("say which component it is: git:NAME=DIR"))?;
    Ok(match name.strip_suffix(".git") {
        Some(bare) if !bare.is_empty() => bare.to_owned(),
        _ => name,
    })
}

fn patterns(texts: &[String]) -> Result<GlobSet, Problem> {
    let mut patterns = GlobSetBuilder::new();
    for text in texts {
        patterns
            .add(Glob::new(text).map_err(|error| Problem::input(format!("no pattern of tags: {error}")))?);
    }
    Ok(patterns.build()?)
}

impl SourceFile {
    /// Reads it.
    pub fn read(file: &Path) -> Result<Self, Problem> {
        let wrong = |error: &dyn std::fmt::Display| Problem::input(format!("{}: {error}", file.display()));
        let text = std::fs::read_to_string(file).map_err(|error| wrong(&error))?;
        let mut list: Self = toml::from_str(&text).map_err(|error| wrong(&error))?;
        let folder = file.parent().unwrap_or(Path::new(""));
        let files = list.logs.iter_mut().chain(&mut list.cdevents.files);
        for path in files.chain(list.repositories.iter_mut().map(|entry| &mut entry.directory)) {
            *path = beside(folder, path);
        }
        for (number, table) in list.tables.iter_mut().enumerate() {
            let Some(toml::Value::String(path)) = table.get_mut("file") else {
                return Err(wrong(&format!("table {} has no `file`", number + 1)));
            };
            *path = beside(folder, Path::new(path)).display().to_string();
        }
        Ok(list)
    }

    /// The tables, and how each is read.
    pub fn tables(&self) -> Result<Vec<(Place, CsvReader)>, Problem> {
        let read = |table: &toml::Table| {
            let mut table = table.clone();
            let file = table
                .remove("file")
                .and_then(|file| file.as_str().map(PathBuf::from));
            let file = file.unwrap_or_default();
            let reader = table.try_into().map_err(|error: toml::de::Error| {
                Problem::input(format!("the table {}: {}", file.display(), error.message()))
            })?;
            Ok((file.into(), reader))
        };
        self.tables.iter().map(read).collect()
    }

    /// The repositories, and how each is read.
    pub fn repositories(&self) -> Result<Vec<Repository>, Problem> {
        let read = |entry: &RepositoryEntry| {
            let mut repository =
                Repository::new(entry.directory.clone(), entry.component.clone(), &entry.tags)?;
            if let Some(environment) = &entry.environment {
                repository.options.environment.clone_from(environment);
            }
            (repository.options.clock, repository.options.merges) = (entry.clock, entry.merges);
            Ok(repository)
        };
        self.repositories.iter().map(read).collect()
    }
}

/// A path in a file is relative to that file; `-` is no path.
fn beside(folder: &Path, path: &Path) -> PathBuf {
    if path.as_os_str() == "-" {
        path.to_owned()
    } else {
        folder.join(path)
    }
}
