use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    BuildDefinition, BuildMetadata, Builder, Provenance, ProvenanceError, RUN_BUILD_TYPE, ResourceDescriptor,
    RunDetails, RunParameters, RunSource, Statement,
};
use crate::run::StageView;
use crate::{ArtifactRef, Digest, PlannedStage, Purpose, Revision, RunState, StageEnd, StageName, Timestamp};

/// Says where artifacts come from: makes SLSA provenance of the run that built them.
///
/// Only what the journal knows is claimed, and only of artifacts that this run built: one whose stage was not run
/// because an old outcome was good enough gets its provenance from the run that built it. What the parameters are is
/// described in [`build_type_run_v1`](super::build_type_run_v1).
///
/// There is an example in the [module's documentation](super).
#[derive(Debug, Clone)]
pub struct RunProvenance<'a> {
    run: &'a RunState,
    builder: Builder,
    source: Option<(String, Option<String>)>,
    since: Option<(ArtifactRef, Vec<Revision>)>,
    dependencies: Vec<ResourceDescriptor>,
    at_work: Option<(StageName, Timestamp)>,
}

/// How many revisions provenance lists at most.
const MOST_REVISIONS: usize = 1000;

/// An artifact to say the origin of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    artifact: ArtifactRef,
    tree: Option<Digest>,
}

impl Built {
    /// An artifact.
    pub fn new(artifact: ArtifactRef) -> Self {
        Self { artifact, tree: None }
    }

    /// With the digest of its table of contents, which stays when the artifact is packed in another way.
    #[must_use]
    pub fn tree(mut self, digest: Digest) -> Self {
        self.tree = Some(digest);
        self
    }
}

/// What a subject is called: `name@version`.
pub(super) fn subject_name(artifact: &ArtifactRef) -> String {
    format!("{}@{}", artifact.name, artifact.version)
}

/// What the subject for the table of contents is called: `name@version#tree`.
pub(super) fn tree_name(artifact: &str) -> String {
    format!("{artifact}#tree")
}

impl<'a> RunProvenance<'a> {
    /// The provenance of what a run built. The builder is a URI for the host: whoever can change what it claims, or
    /// use its key, must be trusted by those who accept that builder.
    pub fn new(run: &'a RunState, builder: impl Into<String>) -> Self {
        let version = ("pipeline-core".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        Self {
            run,
            builder: Builder {
                id: builder.into(),
                version: BTreeMap::from([version]),
                builder_dependencies: Vec::new(),
            },
            source: None,
            since: None,
            dependencies: Vec::new(),
            at_work: None,
        }
    }

    /// Said by a stage that is at work, of what it has just built: its end is not in the journal yet, and what it gave is
    /// what it says itself. So the provenance can be there before anybody sees the artifact's stage succeed.
    #[must_use]
    pub fn at_work(mut self, stage: StageName, now: Timestamp) -> Self {
        self.at_work = Some((stage, now));
        self
    }

    /// With the version before it, and the revisions that are new since then, the newest first; no more than a thousand
    /// are listed.
    #[must_use]
    pub fn since(mut self, before: ArtifactRef, revisions: impl IntoIterator<Item = Revision>) -> Self {
        self.since = Some((before, revisions.into_iter().collect()));
        self
    }

    /// With the version of a part of the builder, such as the host program's.
    #[must_use]
    pub fn builder_version(mut self, part: impl Into<String>, version: impl Into<String>) -> Self {
        self.builder.version.insert(part.into(), version.into());
        self
    }

    /// With the repository that the code was taken from, and the branch or tag in full, such as `refs/heads/main`. Policies
    /// ask for both; neither is known to the journal.
    #[must_use]
    pub fn source(mut self, repository: impl Into<String>, reference: Option<&str>) -> Self {
        self.source = Some((repository.into(), reference.map(str::to_owned)));
        self
    }

    /// With something more that was used: a tool, a base image.
    #[must_use]
    pub fn dependency(mut self, used: ResourceDescriptor) -> Self {
        self.dependencies.push(used);
        self
    }

    /// The statement: its subjects are the manifest of each artifact, named `name@version`, and the table of contents,
    /// named `name@version#tree`, of those where it was given.
    ///
    /// # Errors
    ///
    /// When the run did not build one of them, or there is none.
    pub fn statement(
        &self,
        artifacts: impl IntoIterator<Item = Built>,
    ) -> Result<Statement, ProvenanceError> {
        let mut subjects = Vec::new();
        let mut built_by = BTreeSet::new();
        for Built { artifact, tree } in artifacts {
            built_by.insert(self.producer(&artifact)?);
            let name = subject_name(&artifact);
            let tree = tree.map(|tree| ResourceDescriptor::sha256(tree_name(&name), tree));
            subjects.push(ResourceDescriptor::sha256(name, artifact.digest));
            subjects.extend(tree);
        }
        Ok(Statement::new(subjects, &self.provenance(&built_by))?)
    }

    /// The stage that built an artifact, if it did so in this run.
    fn producer(&self, asked: &ArtifactRef) -> Result<&'a StageName, ProvenanceError> {
        let (run, artifact) = (self.run.id().clone(), asked.name.clone());
        let mut stages = self.run.plan().stages.iter();
        let producer = stages
            .find(|stage| stage.produces.contains(&artifact))
            .map(|stage| &stage.name);
        if let (Some(producer), Some((own, _))) = (producer, &self.at_work)
            && producer == own
            && self.run.stage(own).is_some_and(|view| view.attempt().is_some())
        {
            return Ok(producer);
        }
        let end = producer
            .and_then(|name| self.run.stage(name)?.end())
            .filter(|end| end.is_success());
        let built = end.and_then(|end| end.outcome()?.artifacts.get(&artifact));
        match (producer, end, built) {
            (Some(_), Some(StageEnd::Reused { from, .. }), Some(_)) => {
                let from = from.clone();
                Err(ProvenanceError::Reused { run, artifact, from })
            }
            (Some(producer), Some(_), Some(built)) if built == asked => Ok(producer),
            (Some(_), Some(_), Some(built)) => Err(ProvenanceError::Other {
                run,
                built: Box::new(built.clone()),
                asked: Box::new(asked.clone()),
            }),
            _ => Err(ProvenanceError::NotBuilt { run, artifact }),
        }
    }

    fn provenance(&self, built_by: &BTreeSet<&StageName>) -> Provenance {
        let involved = self.involved(built_by);
        let stages: Vec<_> = self.run.stages().collect();
        let among = |names: &BTreeSet<&StageName>, view: &StageView<'_>| names.contains(&view.planned().name);
        let logs = stages.iter().filter(|view| among(built_by, view));
        let speaks = |view: &StageView<'_>| {
            self.at_work
                .as_ref()
                .is_some_and(|(own, _)| view.planned().name == *own)
        };
        // What an earlier attempt said is not what this one does.
        let byproducts = logs.filter(|view| !speaks(view)).filter_map(|view| {
            let name = format!("{}/output", view.planned().name);
            Some(ResourceDescriptor::sha256(name, view.output()?))
        });
        let metadata = BuildMetadata {
            invocation_id: Some(self.run.id().to_string()),
            started_on: earliest(stages.iter().filter(|view| among(&involved, view))),
            finished_on: stages
                .iter()
                .filter(|view| among(built_by, view))
                .filter_map(|view| match &self.at_work {
                    Some((_, now)) if speaks(view) => Some(*now),
                    _ => view.ended(),
                })
                .max(),
        };
        Provenance {
            build_definition: BuildDefinition {
                build_type: RUN_BUILD_TYPE.to_owned(),
                external_parameters: object(&self.parameters(built_by)),
                internal_parameters: object(&Internal {
                    delivery: self.run.epoch(),
                    purpose: self.run.purpose(),
                }),
                resolved_dependencies: self.used(&involved),
            },
            run_details: RunDetails {
                builder: self.builder.clone(),
                metadata,
                byproducts: byproducts.collect(),
            },
        }
    }

    fn parameters(&self, built_by: &BTreeSet<&StageName>) -> RunParameters {
        let plan = self.run.plan();
        let source = self.source.as_ref().map(|(uri, reference)| RunSource {
            uri: uri.clone(),
            reference: reference.clone(),
            revision: self.run.revision().map(|revision| revision.id.clone()),
        });
        let names = plan.stages.iter().map(|stage| &stage.name);
        RunParameters {
            pipeline: plan.pipeline.clone(),
            component: plan.component.clone(),
            source,
            stages: names.filter(|name| built_by.contains(name)).cloned().collect(),
        }
    }

    /// Some stages and all that they waited for, directly or not.
    fn involved(&self, built_by: &BTreeSet<&'a StageName>) -> BTreeSet<&'a StageName> {
        let mut involved = built_by.clone();
        // In the plan, each stage stands after all that it waits for.
        for stage in self.run.plan().stages.iter().rev() {
            if involved.contains(&stage.name) {
                involved.extend(&stage.after);
            }
        }
        involved
    }

    /// What was used: the plan, the source, the artifacts that went in, and what the host adds.
    fn used(&self, involved: &BTreeSet<&StageName>) -> Vec<ResourceDescriptor> {
        let mut used = vec![ResourceDescriptor::sha256("plan", self.run.plan_digest())];
        if let Some(revision) = self.run.revision() {
            let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            let git = matches!(revision.id.len(), 40 | 64) && revision.id.chars().all(hex);
            let algorithm = if git { "gitCommit" } else { "revision" };
            used.push(ResourceDescriptor {
                name: Some("source".to_owned()),
                uri: self
                    .source
                    .as_ref()
                    .map(|(repository, reference)| match reference {
                        Some(reference) => format!("{repository}@{reference}"),
                        None => repository.clone(),
                    }),
                digest: BTreeMap::from([(algorithm.to_owned(), revision.id.clone())]),
                annotations: object(&SourceNotes {
                    revision,
                    since: self.since.as_ref().map(Since::of),
                }),
                ..ResourceDescriptor::default()
            });
        }
        if let Some(tree) = self.run.source() {
            used.push(ResourceDescriptor::sha256("source-tree", tree));
        }
        let stages = self.run.plan().stages.iter();
        let needs = |stage: &'a PlannedStage| involved.contains(&stage.name).then_some(&stage.needs);
        let needed: BTreeSet<_> = stages.filter_map(needs).flatten().collect();
        for artifact in needed.into_iter().filter_map(|name| self.run.artifact(name)) {
            used.push(ResourceDescriptor::sha256(
                subject_name(artifact),
                artifact.digest,
            ));
        }
        used.extend_from_slice(&self.dependencies);
        used
    }
}

#[derive(Serialize)]
struct Internal {
    delivery: u64,
    purpose: Purpose,
}

/// The source's annotations.
#[derive(Serialize)]
struct SourceNotes<'a> {
    revision: &'a Revision,
    #[serde(flatten)]
    since: Option<Since<'a>>,
}

/// What is new since the version before.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Since<'a> {
    since: String,
    revisions: &'a [Revision],
    revisions_in_all: usize,
}

impl<'a> Since<'a> {
    fn of((before, revisions): &'a (ArtifactRef, Vec<Revision>)) -> Self {
        Self {
            since: subject_name(before),
            revisions: &revisions[..revisions.len().min(MOST_REVISIONS)],
            revisions_in_all: revisions.len(),
        }
    }
}

fn earliest<'a>(stages: impl Iterator<Item = &'a StageView<'a>>) -> Option<Timestamp> {
    stages.filter_map(StageView::started).min()
}

fn object(parameters: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(parameters) {
        Ok(Value::Object(object)) => object,
        // Both parameters are structs of text and numbers.
        _ => Map::new(),
    }
}
