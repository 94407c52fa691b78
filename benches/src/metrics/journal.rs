//! From a journal of our own, beside a delivery log of the same facts.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pipeline_core::{
    ArtifactRef, Batch, Configuration, Deployed, DeploymentFailed, Digest, EnvironmentEvent, EventRef,
    Expected, FileJournal, IncidentEvent, IncidentOpened, IncidentResolved, Journal, NewEvent, Purpose,
    Release, Revision, StreamId, SystemEntropy, Tier, Timestamp,
};
use pipeline_metrics::Facts;
use serde::Deserialize;
use serde_json::json;
use tempfile::TempDir;

use super::whole::{self, Log, Numbers};
use crate::measure::Settings;
use crate::report::{Figure, Sink};
use crate::rounds::{Rounds, Samples};
use crate::threads::Threads;
use crate::{Failure, ensure, scratch};

const ROUNDS: Rounds = Rounds {
    at_least: 5,
    at_most: 11,
    budget: Duration::from_secs(10),
};

/// How much longer a journal may take than a log of the same facts.
const OF_LOG: f64 = 2.0;

/// How many events are read at once.
const PAGE: usize = 1_000;

const MB: f64 = 1e6;

pub(super) fn measure(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let both = Both::write(settings)?;
    let mut samples = Samples::of(2);
    for round in ROUNDS.iter() {
        let (read, facts) = both.read_journal(settings.threads)?;
        ensure(facts.problems().len() == 0, "events could not be read")?;
        let (compute, from_journal) = whole::compute(&facts)?;
        drop(facts);
        let journal = read + compute;
        let (read, facts) = whole::read(&both.log, 1)?;
        let (compute, from_log) = whole::compute(&facts)?;
        drop(facts);
        same(&from_journal, &from_log)?;
        if round > 0 {
            samples.push(&[journal, read + compute].map(|time| time.as_secs_f64()));
        }
    }
    let bytes = [both.journal_file.as_path(), &both.log].map(std::fs::metadata);
    for (at, (what, bytes)) in ["a journal", "the log"].iter().zip(bytes).enumerate() {
        let name = format!("metrics, {} events: from {what}", both.events);
        sink.figure(Figure::told(name.clone(), samples.median(at) * 1e3, "ms"))?;
        sink.figure(Figure::told(
            format!("{name}: size"),
            bytes?.len() as f64 / MB,
            "MB",
        ))?;
    }
    sink.figure(Figure::at_most(
        OF_LOG,
        "metrics: from a journal / from the log",
        samples.ratio(0, 1),
        "x",
    ))?;
    Ok(())
}

/// Whoever computes something else is not compared.
fn same(journal: &Numbers, log: &Numbers) -> Result<(), Failure> {
    // All of it: counts, shares and medians.
    let equal = journal == log;
    let some = log.overall.changes > 0 && log.overall.incidents > 0;
    ensure(
        equal && some,
        &format!("other numbers: {journal:?}, and those of the log: {log:?}"),
    )
}

/// A line of the year.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line {
    Change {
        ts: Timestamp,
        sha: String,
    },
    Deployment {
        ts: Timestamp,
        service: String,
        id: String,
        environment: String,
        result: String,
        kind: String,
        started: Timestamp,
        changes: Vec<String>,
    },
    IncidentOpened {
        ts: Timestamp,
        service: String,
        id: String,
        deployment: Option<String>,
    },
    IncidentResolved {
        ts: Timestamp,
        service: String,
        id: String,
    },
}

/// The same facts twice: what a journal can say of a year. It knows a change from a deployment that brought it, and
/// of a failed attempt neither its changes nor its purpose.
struct Both {
    directory: TempDir,
    journal_file: PathBuf,
    log: PathBuf,
    events: u64,
}

impl Both {
    fn write(settings: &Settings<'_>) -> Result<Self, Failure> {
        let year = Log::write(settings.size(100_000))?;
        let lines = BufReader::new(File::open(&year.path)?).lines();
        let lines: Vec<Line> = lines
            .map(|line| Ok(serde_json::from_str(&line?)?))
            .collect::<Result<_, Failure>>()?;
        // Each event is written to the disk by itself, which is not measured and takes long unless the disk is memory.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| scratch::directory())?;
        let log = directory.path().join("events.jsonl");
        let (journal, _) = FileJournal::open(directory.path().join("journal"), Arc::new(SystemEntropy))?;
        let journal_file = journal.path().to_owned();
        let writer = Writer {
            commits: HashMap::new(),
            positions: HashMap::new(),
            deployed: HashMap::new(),
            log: BufWriter::new(File::create_new(&log)?),
            journal,
            events: 0,
        };
        let events = settings.threads.run(writer.write(lines))?;
        Ok(Self {
            directory,
            journal_file,
            log,
            events,
        })
    }

    fn read_journal(&self, threads: &Threads) -> Result<(Duration, Facts), Failure> {
        let directory = self.directory.path().join("journal");
        threads.time(async move { read(&directory).await })
    }
}

async fn read(directory: &Path) -> Result<Facts, Failure> {
    let (journal, _) = FileJournal::open(directory, Arc::new(SystemEntropy))?;
    let mut facts = Facts::new();
    let mut after = 0;
    loop {
        let events = journal.read_all(after, PAGE).await?;
        let Some(last) = events.last() else {
            return Ok(facts);
        };
        after = last.cursor;
        facts.add_events(&events);
    }
}

struct Writer {
    journal: FileJournal,
    log: BufWriter<File>,
    /// When each change was made, and whether the log says so.
    commits: HashMap<String, (Timestamp, bool)>,
    positions: HashMap<StreamId, u64>,
    /// The events of the deployments, by their ids.
    deployed: HashMap<String, EventRef>,
    events: u64,
}

impl Writer {
    async fn write(mut self, lines: Vec<Line>) -> Result<u64, Failure> {
        // A few changes are made after they were deployed.
        for line in &lines {
            if let Line::Change { ts, sha } = line {
                self.commits.insert(sha.clone(), (*ts, false));
            }
        }
        for line in lines {
            self.line(line).await?;
        }
        self.log.flush()?;
        Ok(self.events)
    }

    async fn line(&mut self, line: Line) -> Result<(), Failure> {
        match line {
            Line::Change { .. } => Ok(()),
            Line::Deployment { .. } => self.deployment(line).await,
            Line::IncidentOpened {
                ts,
                service,
                id,
                deployment,
            } => {
                let mut said =
                    json!({"type": "incident_opened", "ts": text(ts), "service": service, "id": id});
                if let Some(deployment) = &deployment {
                    said["deployment"] = json!(deployment);
                }
                self.say(&said)?;
                let cause = match &deployment {
                    Some(id) => Some(self.deployed.get(id).ok_or("an unknown deployment")?.clone()),
                    None => None,
                };
                let opened = IncidentEvent::Opened(IncidentOpened {
                    component: service.parse()?,
                    environment: None,
                    deployment: cause,
                    title: "checkout answers slowly".to_owned(),
                });
                let stream = format!("incident/{id}").parse()?;
                self.append(&stream, ts, NewEvent::engine(opened)).await?;
                Ok(())
            }
            Line::IncidentResolved { ts, service, id } => {
                self.say(
                    &json!({"type": "incident_resolved", "ts": text(ts), "service": service, "id": id}),
                )?;
                let resolved = IncidentEvent::Resolved(IncidentResolved {
                    resolution: "restarted".to_owned(),
                });
                let stream = format!("incident/{id}").parse()?;
                self.append(&stream, ts, NewEvent::engine(resolved)).await?;
                Ok(())
            }
        }
    }

    async fn deployment(&mut self, line: Line) -> Result<(), Failure> {
        let Line::Deployment {
            ts,
            service,
            id,
            environment,
            result,
            kind,
            started,
            mut changes,
        } = line
        else {
            return Ok(());
        };
        let release = release(&service, &id)?;
        let release_digest = release.digest()?;
        let tier = match &*environment {
            "production" => Tier::Production,
            _ => Tier::Staging,
        };
        let success = result == "success";
        let rework = success && kind == "hotfix";
        let mut said = json!({
            "type": "deployment", "ts": text(ts), "service": service, "id": id, "environment": environment,
            "result": result, "kind": if rework { "rework" } else { "planned" }, "started": text(started),
            "release": release_digest.to_string(),
        });
        let event = if success {
            let revisions = self.revisions(&service, &changes)?;
            said["version"] = json!(release.version.to_string());
            said["changes"] = json!(std::mem::take(&mut changes));
            let configuration = configuration(&environment)?;
            EnvironmentEvent::from(Deployed {
                run: format!("run-{id}").parse()?,
                stage: format!("deploy-{environment}").parse()?,
                pipeline: service.parse()?,
                tier,
                release,
                release_digest,
                configuration_digest: configuration.digest()?,
                configuration,
                unchanged: false,
                purpose: if rework { Purpose::Rework } else { Purpose::Planned },
                revision: revisions.first().cloned(),
                revisions,
                requested_at: Some(started),
                started_at: started,
            })
        } else {
            EnvironmentEvent::DeploymentFailed(DeploymentFailed {
                run: format!("run-{id}").parse()?,
                stage: format!("deploy-{environment}").parse()?,
                pipeline: service.parse()?,
                component: service.parse()?,
                tier,
                release_digest: Some(release_digest),
                error: vec!["the health check answered 503".to_owned()],
                started_at: started,
            })
        };
        self.say(&said)?;
        let stream = format!("environment/{environment}").parse()?;
        let placed = self.append(&stream, ts, NewEvent::engine(event)).await?;
        self.deployed.insert(id, placed);
        Ok(())
    }

    /// The changes with their times. The log says each once.
    fn revisions(&mut self, service: &str, changes: &[String]) -> Result<Vec<Revision>, Failure> {
        let mut revisions = Vec::new();
        for sha in changes {
            let (at, said) = self.commits.get_mut(sha).ok_or("an unknown change")?;
            let at = *at;
            if !std::mem::replace(said, true) {
                self.say(&json!({"type": "change", "ts": text(at), "service": service, "sha": sha}))?;
            }
            revisions.push(Revision {
                id: sha.clone(),
                at,
                summary: String::new(),
            });
        }
        Ok(revisions)
    }

    fn say(&mut self, line: &serde_json::Value) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.log, line)?;
        self.log.write_all(b"\n")?;
        Ok(())
    }

    /// Appends an event as a commit of its own.
    async fn append(
        &mut self,
        stream: &StreamId,
        at: Timestamp,
        event: NewEvent,
    ) -> Result<EventRef, Failure> {
        let position = self.positions.entry(stream.clone()).or_default();
        let batch = Batch::new(at).event(stream, Expected::At(*position), event);
        let _ = self.journal.append(batch).await?;
        *position += 1;
        self.events += 1;
        Ok(EventRef {
            stream: stream.clone(),
            position: *position,
        })
    }
}

/// As the year writes it.
fn text(at: Timestamp) -> String {
    format!("{at:.3}")
}

fn release(service: &str, id: &str) -> Result<Release, Failure> {
    let number: u64 = id.trim_start_matches('d').parse()?;
    let version = semver::Version::new(1, 0, number);
    let artifact = ArtifactRef {
        name: service.parse()?,
        version: version.clone(),
        digest: Digest::of(id),
    };
    Ok(Release {
        component: service.parse()?,
        version,
        artifacts: BTreeMap::from([(service.parse()?, artifact)]),
    })
}

fn configuration(environment: &str) -> Result<Configuration, Failure> {
    let mut configuration = Configuration::empty(environment.parse()?);
    for (key, value) in [
        ("url", json!("https://shop.example")),
        ("replicas", json!(3)),
        ("log", json!("info")),
    ] {
        configuration.values.insert(key.to_owned(), value);
    }
    Ok(configuration)
}
