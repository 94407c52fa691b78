//! Provenance out of runs.

use std::sync::{Arc, Mutex};

use pipeline_core::attestation::{
    Built, Predicate, Provenance, ProvenanceError, RUN_BUILD_TYPE, ResourceDescriptor, RunParameters,
    RunProvenance, Statement,
};
use pipeline_core::testing::{ManualClock, MemoryArtifacts, RepeatableEntropy, ScriptedStage, Step};
use pipeline_core::{
    Actor, ArtifactRef, Digest, DirectorySource, Effect, JournalExt, MemoryJournal, Outcome, Pipeline, Reads,
    Revision, RunRequest, RunState, Runner, Source, SourcePath, Stage, StageContext, StageSpec, StreamId,
    Timestamp,
};
use serde::Serialize;
use serde_json::{Value, json};

const REVISION: &str = "8f70009fde0c94ade6ce2a054b94718c819126ec";

pub(super) fn artifact(name: &str, version: &str) -> ArtifactRef {
    ArtifactRef {
        name: name.parse().unwrap(),
        version: version.parse().unwrap(),
        digest: Digest::of(format!("{name} {version}")),
    }
}

fn builds(artifact: ArtifactRef) -> ScriptedStage {
    let outcome = Outcome::succeeded().artifact(artifact);
    ScriptedStage::new(Effect::Idempotent).then(Step::End(Box::new(outcome)))
}

fn time() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

/// A run: `base` gives the artifact `base`, of which `build` makes `shop`; `other` and `side`, which needs it, have
/// nothing to do with that.
async fn run(revision: &str) -> RunState {
    let pipeline = Pipeline::builder("shop-pipeline")
        .component("shop")
        .stage(StageSpec::new("base", builds(artifact("base", "3.0.0"))).produces(["base"]))
        .stage(StageSpec::new("other", builds(artifact("other", "0.1.0"))).produces(["other"]))
        .stage(
            StageSpec::new("build", builds(artifact("shop", "1.2.3")))
                .needs(["base"])
                .produces(["shop"]),
        )
        .stage(StageSpec::new("side", ScriptedStage::new(Effect::Idempotent)).needs(["other"]))
        .stage(
            StageSpec::new("broken", ScriptedStage::new(Effect::Idempotent))
                .after(["build", "side"])
                .produces(["broken"]),
        )
        .build()
        .unwrap();
    let runner = Runner::new(Arc::new(MemoryJournal::new()), Arc::new(MemoryArtifacts::new()))
        .clock(ManualClock::at("2026-11-20T12:00:00Z"))
        .entropy(RepeatableEntropy::new(1));
    let runner = Arc::new(runner);
    let request = RunRequest {
        revision: Some(Revision {
            id: revision.to_owned(),
            at: time(),
            summary: String::new(),
        }),
        ..RunRequest::new(Actor::person("alice").unwrap())
    };
    let run = runner.create(&pipeline, request).await.unwrap();
    runner.drive(&pipeline, &run).await.unwrap()
}

fn from(state: &RunState) -> RunProvenance<'_> {
    RunProvenance::new(state, "https://ci.example.com/release")
        .source("git+https://git.example.com/shop", Some("refs/heads/main"))
}

#[tokio::test]
async fn a_run_says_what_it_built_from_what() {
    let state = run(REVISION).await;
    let tree = Digest::of("the table of contents");
    let statement = from(&state)
        .builder_version("release", "4.5.6")
        .dependency(ResourceDescriptor::uri("compiler", "pkg:generic/rustc@1.88.0"))
        .statement([Built::new(artifact("shop", "1.2.3")).tree(tree)])
        .unwrap();
    assert_eq!(
        statement.subjects,
        [
            ResourceDescriptor::sha256("shop@1.2.3", artifact("shop", "1.2.3").digest),
            ResourceDescriptor::sha256("shop@1.2.3#tree", tree),
        ]
    );
    let provenance: Provenance = statement.predicate().unwrap();
    let build = &provenance.build_definition;
    assert_eq!(build.build_type, RUN_BUILD_TYPE);
    let parameters = Value::Object(build.external_parameters.clone());
    assert_eq!(
        parameters,
        json!({
            "pipeline": "shop-pipeline",
            "component": "shop",
            "source": {
                "uri": "git+https://git.example.com/shop",
                "ref": "refs/heads/main",
                "revision": REVISION,
            },
            "stages": ["build"],
        })
    );
    serde_json::from_value::<RunParameters>(parameters).unwrap();
    assert_eq!(
        Value::Object(build.internal_parameters.clone()),
        json!({"delivery": 1, "purpose": "planned"})
    );
    let git = ResourceDescriptor {
        uri: Some("git+https://git.example.com/shop@refs/heads/main".into()),
        name: Some("source".into()),
        digest: [("gitCommit".to_owned(), REVISION.to_owned())].into(),
        annotations: serde_json::from_value(json!({"revision": {"id": REVISION, "at": time()}})).unwrap(),
        ..ResourceDescriptor::default()
    };
    assert_eq!(
        build.resolved_dependencies,
        [
            ResourceDescriptor::sha256("plan", state.plan_digest()),
            git,
            ResourceDescriptor::sha256("base@3.0.0", artifact("base", "3.0.0").digest),
            ResourceDescriptor::uri("compiler", "pkg:generic/rustc@1.88.0"),
        ]
    );
    let details = &provenance.run_details;
    assert_eq!(details.builder.id, "https://ci.example.com/release");
    assert_eq!(details.builder.version["release"], "4.5.6");
    assert_eq!(
        details.builder.version["pipeline-core"],
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(
        details.metadata.invocation_id.as_deref(),
        Some(state.id().as_str())
    );
    assert_eq!(details.metadata.started_on, Some(time()));
    assert_eq!(details.metadata.finished_on, Some(time()));
    // Nobody's name is in what is copied to many places.
    assert!(
        !String::from_utf8(statement.to_bytes().unwrap())
            .unwrap()
            .contains("alice")
    );
}

#[tokio::test]
async fn several_artifacts_share_a_statement_and_a_foreign_revision_is_no_commit() {
    let state = run("r42").await;
    let built = [artifact("shop", "1.2.3"), artifact("base", "3.0.0")].map(Built::new);
    let statement = RunProvenance::new(&state, "b").statement(built).unwrap();
    assert_eq!(statement.subjects.len(), 2);
    let build = statement.predicate::<Provenance>().unwrap().build_definition;
    assert_eq!(build.external_parameters["stages"], json!(["base", "build"]));
    assert!(!build.external_parameters.contains_key("source"));
    let revision = &build.resolved_dependencies[1];
    assert_eq!(
        revision.digest,
        [("revision".to_owned(), "r42".to_owned())].into()
    );
}

#[tokio::test]
async fn a_run_claims_only_what_it_built() {
    let state = run(REVISION).await;
    let claim = |artifact: ArtifactRef| from(&state).statement([Built::new(artifact)]).unwrap_err();
    for (name, version) in [("unknown", "1.0.0"), ("broken", "1.0.0")] {
        let error = claim(artifact(name, version));
        assert!(matches!(error, ProvenanceError::NotBuilt { .. }), "{error}");
    }
    let error = claim(artifact("shop", "1.2.4"));
    assert!(matches!(error, ProvenanceError::Other { .. }), "{error}");
    let mut other = artifact("shop", "1.2.3");
    other.digest = Digest::of("other bytes");
    assert!(matches!(claim(other), ProvenanceError::Other { .. }));
    let nothing = from(&state).statement([]).unwrap_err();
    assert!(matches!(nothing, ProvenanceError::Statement(_)));
    let nobody = RunProvenance::new(&state, "").statement([Built::new(artifact("shop", "1.2.3"))]);
    assert!(nobody.is_err());
}

#[derive(Debug, Clone, Serialize)]
struct PureBuild(#[serde(skip)] Option<ArtifactRef>);

impl Stage for PureBuild {
    const TYPE: &'static str = "pure-build";
    type Error = std::convert::Infallible;

    fn effect(&self) -> Effect {
        Effect::Pure
    }

    fn reads(&self) -> Reads {
        Reads::Source(vec![SourcePath::root()])
    }

    async fn run(&self, cx: &StageContext) -> Result<Outcome, Self::Error> {
        cx.log("built");
        Ok(Outcome::succeeded().artifact(self.0.clone().unwrap()))
    }
}

#[tokio::test]
async fn what_was_used_again_is_claimed_by_the_run_that_built_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("code"), "hello").unwrap();
    let source = DirectorySource::new(folder.path());
    let artifacts = MemoryArtifacts::new();
    let shop = artifacts.add("shop", "1.2.3", &[("a", b"b", false)]);
    let pipeline = Pipeline::builder("shop")
        .stage(StageSpec::new("build", PureBuild(Some(shop.clone()))).produces(["shop"]))
        .build()
        .unwrap();
    let runner = Runner::new(Arc::new(MemoryJournal::new()), Arc::new(artifacts)).source(source.clone());
    let runner = Arc::new(runner);
    let mut states = Vec::new();
    for _ in 0..2 {
        let request = RunRequest {
            source: Some(source.digest(&[SourcePath::root()]).await.unwrap()),
            ..RunRequest::new(Actor::person("alice").unwrap())
        };
        let run = runner.create(&pipeline, request).await.unwrap();
        states.push(runner.drive(&pipeline, &run).await.unwrap());
    }
    let built = || [Built::new(shop.clone())];
    let provenance = from(&states[0])
        .statement(built())
        .unwrap()
        .predicate::<Provenance>()
        .unwrap();
    let output = states[0]
        .stage(&"build".parse().unwrap())
        .unwrap()
        .output()
        .unwrap();
    assert_eq!(
        provenance.run_details.byproducts,
        [ResourceDescriptor::sha256("build/output", output)]
    );
    let tree = ResourceDescriptor::sha256("source-tree", states[0].source().unwrap());
    assert!(provenance.build_definition.resolved_dependencies.contains(&tree));
    match from(&states[1]).statement(built()).unwrap_err() {
        ProvenanceError::Reused { from, .. } => assert_eq!(&from, states[0].id()),
        other => panic!("{other}"),
    }
    assert_eq!(Provenance::TYPE, "https://slsa.dev/provenance/v1");
}

/// A stage that says where its artifact comes from while it is at work.
#[derive(Debug, Serialize)]
struct SaysItself {
    #[serde(skip)]
    journal: Arc<MemoryJournal>,
    #[serde(skip)]
    said: Arc<Mutex<Vec<Result<Provenance, ProvenanceError>>>>,
}

impl Stage for SaysItself {
    const TYPE: &'static str = "says-itself";
    type Error = std::convert::Infallible;

    fn effect(&self) -> Effect {
        Effect::Idempotent
    }

    async fn run(&self, cx: &StageContext) -> Result<Outcome, Self::Error> {
        let events = self
            .journal
            .read_stream(&StreamId::run(cx.run()), 0)
            .await
            .unwrap();
        let state = RunState::from_events(cx.run(), &events).unwrap();
        let shop = artifact("shop", "1.2.3");
        for stage in ["build", "base"] {
            let statement = from(&state)
                .at_work(stage.parse().unwrap(), time())
                .since(
                    artifact("shop", "1.2.2"),
                    ["c", "b"].map(|id| Revision {
                        id: id.to_owned(),
                        at: time(),
                        summary: String::new(),
                    }),
                )
                .statement([Built::new(shop.clone())]);
            let said = statement.map(|statement| statement.predicate().unwrap());
            self.said.lock().unwrap().push(said);
        }
        Ok(Outcome::succeeded().artifact(shop))
    }
}

#[tokio::test]
async fn a_stage_that_is_at_work_says_what_it_builds_and_no_other() {
    let journal = Arc::new(MemoryJournal::new());
    let said = Arc::new(Mutex::new(Vec::new()));
    let stage = SaysItself {
        journal: Arc::clone(&journal),
        said: Arc::clone(&said),
    };
    let pipeline = Pipeline::builder("shop-pipeline")
        .stage(StageSpec::new("base", builds(artifact("base", "3.0.0"))).produces(["base"]))
        .stage(StageSpec::new("build", stage).needs(["base"]).produces(["shop"]))
        .build()
        .unwrap();
    let runner = Runner::new(journal, Arc::new(MemoryArtifacts::new()))
        .clock(ManualClock::at("2026-11-20T11:00:00Z"))
        .entropy(RepeatableEntropy::new(1));
    let runner = Arc::new(runner);
    let request = RunRequest {
        revision: Some(Revision {
            id: REVISION.to_owned(),
            at: time(),
            summary: String::new(),
        }),
        ..RunRequest::new(Actor::person("alice").unwrap())
    };
    let run = runner.create(&pipeline, request).await.unwrap();
    let state = runner.drive(&pipeline, &run).await.unwrap();

    let said = said.lock().unwrap();
    let [Ok(own), Err(ProvenanceError::NotBuilt { .. })] = &said[..] else {
        panic!("{said:?}");
    };
    assert_eq!(own.run_details.metadata.finished_on, Some(time()));
    assert!(own.run_details.byproducts.is_empty());
    let source = &own.build_definition.resolved_dependencies[1];
    assert_eq!(
        Value::Object(source.annotations.clone()),
        json!({
            "revision": {"id": REVISION, "at": time()},
            "since": "shop@1.2.2",
            "revisions": [{"id": "c", "at": time()}, {"id": "b", "at": time()}],
            "revisionsInAll": 2,
        })
    );

    // Afterwards the journal says the same, but for when it ended.
    let statement = from(&state)
        .statement([Built::new(artifact("shop", "1.2.3"))])
        .unwrap();
    let later: Provenance = statement.predicate().unwrap();
    assert_eq!(
        later.build_definition.external_parameters,
        own.build_definition.external_parameters
    );
    assert_eq!(
        later.run_details.metadata.started_on,
        own.run_details.metadata.started_on
    );

    // And a stage that has ended is not at work any more.
    let other = from(&state)
        .at_work("build".parse().unwrap(), time())
        .statement([Built::new(artifact("shop", "9.9.9"))]);
    assert!(matches!(other, Err(ProvenanceError::Other { .. })), "{other:?}");
}

#[test]
fn provenance_that_leaves_out_what_it_must_say_is_refused() {
    let good = json!({
        "buildDefinition": {
            "buildType": "https://example.com/build/v1", "externalParameters": {},
            "resolvedDependencies": [{"uri": "git+https://git.example.com/shop"}],
        },
        "runDetails": {
            "builder": {"id": "https://ci.example.com", "builderDependencies": [{"uri": "b"}]},
            "byproducts": [{"uri": "c"}],
        },
    });
    let read = |predicate: &Value| {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "shop", "digest": {"sha256": Digest::of("x").hex()}}],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": predicate,
        });
        let statement = Statement::parse(statement.to_string().as_bytes()).unwrap();
        statement
            .predicate::<Provenance>()
            .map_err(|error| error.to_string())
    };
    read(&good).unwrap();
    let nothing = json!({"name": "neither uri nor digest"});
    for (pointer, value, said) in [
        (
            "/buildDefinition/buildType",
            json!(""),
            "`buildDefinition.buildType` is empty",
        ),
        (
            "/runDetails/builder/id",
            json!(""),
            "`runDetails.builder.id` is empty",
        ),
        (
            "/buildDefinition/resolvedDependencies/0",
            nothing.clone(),
            "`buildDefinition.resolvedDependencies[0]`: it needs",
        ),
        (
            "/runDetails/builder/builderDependencies/0",
            nothing.clone(),
            "`runDetails.builder.builderDependencies[0]`: it needs",
        ),
        (
            "/runDetails/byproducts/0",
            nothing,
            "`runDetails.byproducts[0]`: it needs",
        ),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        let error = read(&bad).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}
