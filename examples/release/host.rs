use std::path::{Path, PathBuf};
use std::sync::Arc;

use pipeline_artifacts::{Attestor, LocalStore, Package};
use pipeline_change::{ChangeEvidence, ChangeGate, ChangeLog, WindowGate};
use pipeline_core::attestation::PrivateKey;
use pipeline_core::{
    Checkpoint, Clock, Definition, DirectorySource, EnvironmentDescriptor, Estate, FileJournal, FileLeases,
    Journal, JournalExt, Lease, Leases, Observer, Pipeline, Registry, RunId, RunRequest, RunState, RunStatus,
    Runner, RunnerOptions, SystemClock, SystemEntropy,
};
use pipeline_stages::{
    ApprovalGate, Command, Deploy, DirectoryEnvironment, DirectorySettings, EnvironmentSecrets,
    VerifyDeployment,
};

use crate::answer::Problem;
use crate::origin::{self, BUILDER, HostOrigin, SourceOrigin};
use crate::{revisions, snapshot};

/// Everything that the program needs, in one directory:
///
/// ```text
/// STORE/journal/        the truth
/// STORE/artifacts/      the bytes that the truth names
/// STORE/runs/ID/source/ the code of a run that has not succeeded
/// STORE/runs/ID/origin.json  where that code was taken from
/// STORE/keys/           the key that signs provenance, and its public half
/// STORE/leases/         which process drives which run; no truth
/// STORE/environments/   where directory environments are whose path is relative
/// ```
pub struct Host {
    root: PathBuf,
    /// The journal.
    pub journal: Arc<FileJournal>,
    /// The artifacts.
    pub artifacts: Arc<LocalStore>,
    /// The change records.
    pub changes: Arc<ChangeLog>,
    leases: FileLeases,
    /// Signs where artifacts come from; none in a store that is only looked at and has none.
    key: Option<Arc<PrivateKey>>,
}

impl Host {
    /// Opens a store to write to it, or makes one.
    pub fn open(root: &Path) -> Result<Self, Problem> {
        std::fs::create_dir_all(root)?;
        let root = root.canonicalize()?;
        has_journal(&root)?;
        let (journal, report) = FileJournal::open(Self::journal_directory(&root), Arc::new(SystemEntropy))?;
        if let Some(cut) = report.cut {
            eprintln!(
                "note: an interrupted write was cut from the journal and kept in {}",
                cut.path.display()
            );
        }
        let key = origin::key(&root, true)?;
        Self::with(root, journal, key)
    }

    /// Opens a store that is there, to write to it.
    pub fn open_existing(root: &Path) -> Result<Self, Problem> {
        Self::open(&existing(root)?)
    }

    /// Opens a store to look at it: nothing is made, and nothing is mended.
    pub fn look_at(root: &Path) -> Result<Self, Problem> {
        let root = existing(root)?;
        let journal = FileJournal::open_read_only(Self::journal_directory(&root))?;
        let key = origin::key(&root, false)?;
        Self::with(root, journal, key)
    }

    /// Opens a store to look at it; if there is none, makes one in a place that does not last.
    pub fn look_or_open(root: &Path, scratch: &Path) -> Result<Self, Problem> {
        if root.exists() {
            Self::look_at(root)
        } else {
            Self::open(scratch)
        }
    }

    fn with(root: PathBuf, journal: FileJournal, key: Option<Arc<PrivateKey>>) -> Result<Self, Problem> {
        let journal = Arc::new(journal);
        Ok(Self {
            artifacts: Arc::new(LocalStore::open(root.join("artifacts"))?),
            changes: Arc::new(ChangeLog::new(Arc::clone(&journal) as Arc<dyn Journal>)),
            leases: FileLeases::new(root.join("leases")),
            journal,
            root,
            key,
        })
    }

    /// Where the journal is.
    pub fn journal_directory(root: &Path) -> PathBuf {
        root.join("journal")
    }

    /// The types that definitions may use: each crate's own.
    pub fn registry(&self) -> Registry {
        let mut registry = Registry::new();
        registry
            .stage::<Command>()
            .stage::<Deploy>()
            .stage::<VerifyDeployment>();
        let store = Arc::clone(&self.artifacts);
        let attestor = Arc::new(self.attestor());
        registry.stage_with(move |settings| {
            Package::new(Arc::clone(&store), settings).map(|stage| stage.attestor(Arc::clone(&attestor)))
        });
        registry
            .gate::<ApprovalGate>()
            .gate::<ChangeGate>()
            .gate::<WindowGate>();
        let environments = self.root.join("environments");
        registry.environment(
            DirectoryEnvironment::TYPE,
            move |descriptor: EnvironmentDescriptor, settings: DirectorySettings| {
                DirectoryEnvironment::new(descriptor, settings.below(&environments))
            },
        );
        registry
    }

    /// Says where packages come from.
    fn attestor(&self) -> Attestor {
        let journal = Arc::clone(&self.journal) as Arc<dyn Journal>;
        let attestor = Attestor::new(BUILDER, Arc::new(HostOrigin::new(journal, &self.root)))
            .version("release", env!("CARGO_PKG_VERSION"));
        match &self.key {
            Some(key) => attestor.signer(Arc::clone(key) as _),
            None => attestor,
        }
    }

    /// The pipeline that a file defines.
    pub fn define(&self, file: &Path) -> Result<Pipeline, Problem> {
        Ok(Definition::load(file)?.pipeline(&self.registry())?)
    }

    /// Whether this program has all the types that a run's plan names.
    pub fn has_types_of(&self, state: &RunState) -> bool {
        Pipeline::from_plan(state.plan(), &self.registry()).is_ok()
    }

    /// A runner over some code.
    pub fn runner(&self, source: &Path, observer: Option<impl Observer + 'static>) -> Arc<Runner> {
        let runner = Runner::new(Arc::clone(&self.journal) as _, Arc::clone(&self.artifacts) as _)
            .source(DirectorySource::new(source).exclude(&self.root))
            .secrets(EnvironmentSecrets)
            .leases(self.leases.clone())
            .evidence(ChangeEvidence::new(
                Arc::clone(&self.changes),
                Arc::new(SystemClock),
            ))
            .options(RunnerOptions {
                worker: format!("process {}", std::process::id()),
                ..RunnerOptions::default()
            });
        Arc::new(match observer {
            Some(observer) => runner.observer(observer),
            None => runner,
        })
    }

    /// A runner that only reads and records.
    pub fn clerk(&self) -> Arc<Runner> {
        self.runner(&self.root, None::<fn(&pipeline_core::Signal<'_>)>)
    }

    /// What is live where.
    pub async fn estate(&self) -> Result<Estate, Problem> {
        let mut estate = Estate::default();
        for event in self.journal.read_everything(0).await? {
            estate.apply(&event)?;
        }
        Ok(estate)
    }

    /// The runs of the journal, the newest first.
    pub async fn runs(&self) -> Result<Vec<RunId>, Problem> {
        let events = self.journal.read_everything(0).await?;
        let created = events.iter().filter(|event| event.kind == "run.created");
        let mut runs: Vec<_> = created
            .filter_map(|event| RunId::new(event.stream.name()).ok())
            .collect();
        runs.reverse();
        Ok(runs)
    }

    /// Creates a run of a definition: takes its source aside, and asks git what is new for each environment.
    pub async fn create(&self, file: &Path, mut request: RunRequest) -> Result<RunId, Problem> {
        let pipeline = self.define(file)?;
        let root = source_root(file)?;
        let names = pipeline
            .environments()
            .map(|environment| environment.descriptor().name.clone());
        let revisions = revisions::of(&root, names, &self.estate().await?)?;
        request.revision = revisions.head;
        request.revisions = revisions.new;
        let id = new_id();
        // Nobody takes it for a left-over meanwhile.
        let _lease = self.leases.take(&id)?;
        // First the source, then the event: a run in the journal has its code.
        self.copy_source(&root, &self.source(&id))?;
        if let Some(origin) = revisions::origin(&root) {
            origin.write(&self.directory(&id))?;
        }
        request.source = Some(source_digest(&self.source(&id)).await?);
        request.id = Some(id.clone());
        Ok(self.clerk().create(&pipeline, request).await?)
    }

    /// Creates a run that begins an ended one again, with the same source: the one that the store kept, or another copy
    /// of it.
    pub async fn create_again(
        &self,
        old: &RunId,
        source: Option<&Path>,
        mut request: RunRequest,
    ) -> Result<RunId, Problem> {
        let clerk = self.clerk();
        let state = clerk.load(old).await?;
        let pipeline = Pipeline::from_plan(state.plan(), &self.registry())?;
        let kept = self.source(old);
        if source.is_none() && !kept.is_dir() {
            return Err(Problem::input(format!(
                "the source of run {old} is not in the store any more: say --source DIR"
            )));
        }
        let id = new_id();
        let _lease = self.leases.take(&id)?;
        let own = self.source(&id);
        match source {
            Some(source) => self.copy_source(source, &own)?,
            None => snapshot::take_again(&kept, &own)?,
        }
        if let Some(origin) = SourceOrigin::read(&self.directory(old)) {
            origin.write(&self.directory(&id))?;
        }
        let found = source_digest(&own).await?;
        if state.source().is_some_and(|expected| expected != found) {
            std::fs::remove_dir_all(self.directory(&id))?;
            return Err(Problem::input(match source {
                Some(source) => format!("{} is not the source of run {old}", source.display()),
                None => format!("the stages of run {old} changed its source: say --source DIR"),
            }));
        }
        request.id = Some(id.clone());
        let run = clerk.create_again(&pipeline, old, request).await;
        if run.is_err() {
            std::fs::remove_dir_all(self.directory(&id))?;
        }
        Ok(run?)
    }

    fn directory(&self, run: &RunId) -> PathBuf {
        self.root.join("runs").join(run.as_str())
    }

    /// Copies the source aside as a run sees it.
    pub fn copy_source(&self, root: &Path, into: &Path) -> Result<(), Problem> {
        Ok(snapshot::take(root, &self.root, into)?)
    }

    /// Where the code of a run is.
    pub fn source(&self, run: &RunId) -> PathBuf {
        self.directory(run).join("source")
    }

    /// Drives a run until it ends or waits, and follows it with its change records. A run that names types which this
    /// program lacks is parked.
    pub async fn drive(&self, runner: &Arc<Runner>, run: &RunId) -> Result<RunState, Problem> {
        let state = runner.resume(run, &self.registry()).await?;
        self.settle(&state).await?;
        Ok(state)
    }

    /// What follows from where a run stands: its change records, and the end of its source. May be repeated.
    ///
    /// The source of a run that did not succeed is kept for `rerun`, until a later run of its pipeline succeeds.
    pub async fn settle(&self, state: &RunState) -> Result<(), Problem> {
        self.changes.sync(SystemClock.now()).await?;
        if state.status() == RunStatus::Succeeded {
            self.forget(state.id());
            for run in self.with_source()? {
                let old = self.clerk().load(&run).await;
                if old.is_ok_and(|old| {
                    old.finished().is_some()
                        && old.plan().pipeline == state.plan().pipeline
                        && old.requested_at() < state.requested_at()
                }) {
                    self.forget(&run);
                }
            }
        }
        Ok(())
    }

    /// Removes the source of a run: nothing reads it again.
    fn forget(&self, run: &RunId) {
        if let Err(error) = std::fs::remove_dir_all(self.directory(run))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            eprintln!("note: the source of run {run} stays in the store: {error}");
        }
    }

    /// The runs whose source is in the store.
    fn with_source(&self) -> Result<Vec<RunId>, Problem> {
        let Ok(directories) = std::fs::read_dir(self.root.join("runs")) else {
            return Ok(Vec::new());
        };
        let mut runs = Vec::new();
        for directory in directories {
            let name = directory?.file_name();
            runs.extend(name.to_str().and_then(|name| RunId::new(name).ok()));
        }
        Ok(runs)
    }

    /// Removes the sources of runs that were killed before the journal knew of them.
    pub async fn tidy(&self) -> Result<(), Problem> {
        let known = self.runs().await?;
        for run in self.with_source()? {
            if !known.contains(&run)
                && let Some(_lease) = self.leases.take(&run)?
            {
                std::fs::remove_dir_all(self.directory(&run))?;
            }
        }
        Ok(())
    }

    /// Whether no process drives the run.
    pub fn is_free(&self, run: &RunId) -> Result<Option<Lease>, Problem> {
        Ok(self.leases.take(run)?)
    }

    /// The heads of all streams.
    pub async fn checkpoint(&self) -> Result<Checkpoint, Problem> {
        Ok(self.journal.checkpoint().await?)
    }
}

/// Whether a store has its journal. Artifacts without one are a store whose journal was lost: a new journal would say
/// that nothing ever happened there.
fn has_journal(root: &Path) -> Result<bool, Problem> {
    let there = Host::journal_directory(root).join("journal.jsonl").exists();
    if !there && root.join("artifacts").exists() {
        let text = format!("{} is a store whose journal is missing", root.display());
        return Err(Problem::failure(text));
    }
    Ok(there)
}

/// The whole path of a store that is there.
fn existing(root: &Path) -> Result<PathBuf, Problem> {
    match root.canonicalize() {
        Ok(root) if has_journal(&root)? => Ok(root),
        _ => Err(Problem::input(format!(
            "{} is no store: run something first, or say --store DIR",
            root.display()
        ))),
    }
}

fn new_id() -> RunId {
    RunId::generate(
        SystemClock.now(),
        pipeline_core::Entropy::next_u64(&SystemEntropy),
    )
}

/// The digest of a whole source.
pub async fn source_digest(root: &Path) -> Result<pipeline_core::Digest, Problem> {
    use pipeline_core::{Source, SourcePath};
    Ok(DirectorySource::new(root).digest(&[SourcePath::root()]).await?)
}

/// The directory that a definition lies in: the source.
pub fn source_root(file: &Path) -> Result<PathBuf, Problem> {
    let file = file
        .canonicalize()
        .map_err(|error| Problem::input(format!("{}: {error}", file.display())))?;
    Ok(file.parent().unwrap_or(Path::new("/")).to_owned())
}
