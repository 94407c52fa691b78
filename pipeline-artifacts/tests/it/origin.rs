//! Where packages come from: provenance of the run that made them, and building them again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use pipeline_artifacts::{
    AttachmentKind, Attestor, Fineness, JournalOrigin, LocalStore, NewAttachment, Origin, Package, Packer,
    RebuildError, Rebuilder, RecordedBuild, StoredArtifact, rebuild,
};
use pipeline_core::attestation::{Algorithm, Policy, PrivateKey, Provenance, ResourceDescriptor, Statement};
use pipeline_core::testing::RepeatableEntropy;
use pipeline_core::{
    Actor, ArtifactRef, Digest, DirectorySource, Journal, MemoryJournal, OutcomeStatus, Pipeline, Revision,
    RunId, RunRequest, RunState, RunStatus, Runner, StageName, StageSpec, Timestamp,
};
use serde_json::{Value, json};

use crate::{Bench, attach, shop, v};

fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn key() -> Arc<PrivateKey> {
    Arc::new(PrivateKey::generate(
        Algorithm::EcdsaP256,
        &RepeatableEntropy::new(7),
    ))
}

/// What a host would know.
#[derive(Debug)]
struct Host(JournalOrigin);

#[async_trait]
impl Origin for Host {
    async fn run(&self, run: &RunId) -> Result<RunState, Box<dyn std::error::Error + Send + Sync>> {
        self.0.run(run).await
    }

    fn repository(&self, _: &RunState) -> Option<(String, Option<String>)> {
        let main = Some("refs/heads/main".to_owned());
        Some(("git+https://git.example.com/shop".to_owned(), main))
    }

    fn revisions(&self, run: &RunState, since: &str) -> Option<Vec<Revision>> {
        let own = run.revision()?.clone();
        (since != own.id).then(|| vec![own])
    }

    fn tools(&self, _: &RunState) -> Vec<ResourceDescriptor> {
        vec![ResourceDescriptor::uri("compiler", "pkg:generic/rustc@1.88.0")]
    }

    fn notes(&self, _: &RunState, artifact: &ArtifactRef) -> Option<String> {
        Some(format!("# What is new in {}\n", artifact.version))
    }
}

/// Runs a pipeline that packages `src/dist`.
pub(crate) async fn release(bench: &Bench, settings: &str, revision: &str) -> RunState {
    let journal: Arc<dyn Journal> = Arc::new(MemoryJournal::new());
    let origin = Host(JournalOrigin::new(Arc::clone(&journal)));
    let attestor = Attestor::new("https://ci.example.com/release", Arc::new(origin))
        .version("release", "4.5.6")
        .signer(key());
    let store = Arc::new(bench.store.clone());
    let package = Package::new(Arc::clone(&store), toml::from_str(settings).unwrap()).unwrap();
    let pipeline = Pipeline::builder("shop")
        .stage(StageSpec::new("package", package.attestor(Arc::new(attestor))).produces(["shop"]))
        .build()
        .unwrap();
    let runner = Arc::new(Runner::new(journal, store).source(DirectorySource::new(bench.path("src"))));
    let request = RunRequest {
        revision: Some(Revision {
            id: revision.repeat(40),
            at: now(),
            summary: format!("Change {revision}"),
        }),
        ..RunRequest::new(Actor::person("alice").unwrap())
    };
    let run = runner.create(&pipeline, request).await.unwrap();
    runner.drive(&pipeline, &run).await.unwrap()
}

fn policy() -> Policy {
    attach::policy(&key())
}

fn provenance(bench: &Bench, artifact: &ArtifactRef) -> Provenance {
    let attached = bench.store.attachments(&artifact.digest).unwrap();
    let one = attached
        .iter()
        .find(|one| one.kind() == AttachmentKind::Provenance)
        .unwrap();
    let bytes = bench.store.read_attachment(one).unwrap();
    let envelope = pipeline_core::attestation::Envelope::parse(&bytes).unwrap();
    Statement::parse(envelope.unverified_payload())
        .unwrap()
        .predicate()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_says_where_it_comes_from() {
    let bench = Bench::new();
    bench.tree("src/dist").filled();
    let settings = |version| format!("name = 'shop'\npath = 'dist'\nversion = '{version}'");
    let first = release(&bench, &settings("1.0.0"), "a").await;
    assert_eq!(first.status(), RunStatus::Succeeded);
    let artifact = bench.store.find(&shop(), &v("1.0.0")).unwrap().unwrap();
    let report = bench.store.check_origin(&artifact, &policy(), now());
    assert!(report.allowed(), "{report}");
    let outcome = first
        .stage(&StageName::new("package").unwrap())
        .unwrap()
        .end()
        .unwrap()
        .outcome()
        .unwrap();
    let fact = outcome
        .facts
        .iter()
        .find(|(name, _)| name.as_str() == "provenance")
        .unwrap()
        .1;
    assert_eq!(*fact, json!(report.envelopes[0].to_string()));

    let said = provenance(&bench, &artifact);
    let metadata = &said.run_details.metadata;
    assert_eq!(metadata.invocation_id.as_deref(), Some(first.id().as_str()));
    assert_eq!(said.run_details.builder.version["release"], "4.5.6");
    let used = &said.build_definition.resolved_dependencies;
    assert!(used.iter().any(|used| used.name.as_deref() == Some("compiler")));
    let source = used
        .iter()
        .find(|used| used.name.as_deref() == Some("source"))
        .unwrap();
    assert_eq!(source.digest["gitCommit"], "a".repeat(40));
    assert!(
        !source.annotations.contains_key("since"),
        "there is no version before"
    );

    // Nothing of that is in the artifact: the same bytes in another run are the same artifact.
    let packed = Packer::new(bench.path("src/dist")).pack(&bench.store).unwrap();
    assert_eq!(packed.digest, artifact.digest);
    let notes = bench.store.attachments(&artifact.digest).unwrap();
    let notes = notes
        .iter()
        .find(|one| one.kind() == AttachmentKind::Note)
        .unwrap();
    assert_eq!(
        bench.store.read_attachment(notes).unwrap(),
        b"# What is new in 1.0.0\n"
    );

    // The next version tells what is new since the one before.
    std::fs::write(bench.path("src/dist/new"), "new").unwrap();
    release(&bench, &settings("1.1.0"), "b").await;
    let next = bench.store.find(&shop(), &v("1.1.0")).unwrap().unwrap();
    let said = provenance(&bench, &next);
    let source = &said.build_definition.resolved_dependencies[1];
    assert_eq!(source.annotations["since"], "shop@1.0.0");
    assert_eq!(source.annotations["revisions"][0]["summary"], "Change b");
    // So does its record, which needs no provenance to be read.
    let record = bench
        .store
        .catalog()
        .record(&shop(), &v("1.1.0"))
        .unwrap()
        .unwrap();
    assert_eq!(
        serde_json::to_value(&record.revisions).unwrap()[0]["summary"],
        "Change b"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_with_values_of_environments_is_not_published() {
    let bench = Bench::new();
    bench
        .tree("src")
        .file("dist/app.conf", "host = staging.example.com\n")
        .file("config/staging.toml", "host = 'staging.example.com'")
        .file("config/production.toml", "host = 'www.example.com'");
    let settings = |more| {
        format!(
            "name = 'shop'\npath = 'dist'\nversion = '1.0.0'\n[environment-free]\n\
             configurations = {{ staging = 'config/staging.toml', production = 'config/production.toml' }}\n{more}"
        )
    };
    let state = release(&bench, &settings(""), "a").await;
    assert_eq!(state.status(), RunStatus::Failed);
    let stage = state.stage(&StageName::new("package").unwrap()).unwrap();
    let outcome = stage.end().unwrap().outcome().unwrap();
    assert_eq!(outcome.status, OutcomeStatus::Failed);
    insta::assert_snapshot!(outcome.reason);
    assert_eq!(bench.store.find(&shop(), &v("1.0.0")).unwrap(), None);

    // Allowed, or without it: published.
    let state = release(&bench, &settings("allow = ['staging.example.com']"), "a").await;
    assert_eq!(state.status(), RunStatus::Succeeded);
}

/// Packs a directory: what a host does with stages.
#[derive(Debug)]
struct Again {
    tree: PathBuf,
    store: LocalStore,
    fineness: Fineness,
}

impl Again {
    fn of(bench: &Bench, tree: &Path) -> Self {
        Self {
            tree: tree.to_owned(),
            store: LocalStore::open(bench.path("scratch")).unwrap(),
            fineness: Fineness::default(),
        }
    }
}

#[async_trait]
impl Rebuilder for Again {
    async fn build_again(
        &self,
        recorded: &RecordedBuild,
    ) -> Result<StoredArtifact, Box<dyn std::error::Error + Send + Sync>> {
        assert_eq!(recorded.revision, Some("a".repeat(40)));
        let packed = Packer::new(&self.tree)
            .fineness(self.fineness)
            .pack(&self.store)?;
        let version = &recorded.artifact.version;
        let artifact = self
            .store
            .publish(&recorded.artifact.name, version, &packed.digest)?;
        Ok(self.store.artifact(&artifact)?)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_is_built_again_and_compared() {
    let bench = Bench::new();
    bench.tree("src/dist").filled();
    let run = release(&bench, "name = 'shop'\npath = 'dist'\nversion = '1.0.0'", "a").await;
    let artifact = bench.store.find(&shop(), &v("1.0.0")).unwrap().unwrap();
    let records = || RecordedBuild::claimed(&bench.store, &artifact);
    assert_eq!(records()[0].run, *run.id());
    assert_eq!(records()[0].plan, Some(run.plan_digest()));
    assert_eq!(records()[0].parameters.stages[0].as_str(), "package");
    assert_eq!(
        RecordedBuild::proven(&bench.store, &artifact, &policy(), now()),
        records()
    );

    let same = Again::of(&bench, &bench.path("src/dist"));
    let report = rebuild(&bench.store, &artifact, records(), &same).await.unwrap();
    assert!(report.is_same() && report.has_same_files(), "{report}");
    assert!(report.to_string().starts_with("the same: shop 1.0.0"), "{report}");

    std::fs::write(
        bench.path("src/dist/etc/app.conf"),
        "threads = 5, built at noon\n",
    )
    .unwrap();
    let error = rebuild(&bench.store, &artifact, records(), &same)
        .await
        .unwrap_err();
    // The store of the first time knows the version: the host makes a new one each time.
    assert!(matches!(error, RebuildError::Build { .. }), "{error}");
    let fresh = Again {
        store: LocalStore::open(bench.path("scratch-2")).unwrap(),
        ..Again::of(&bench, &bench.path("src/dist"))
    };
    let report = rebuild(&bench.store, &artifact, records(), &fresh).await.unwrap();
    assert!(!report.is_same());
    let text = report.to_string();
    assert!(
        text.contains("NOT THE SAME: shop 1.0.0") && text.contains("~ etc/app.conf  12 B -> 27 B"),
        "{text}"
    );

    // Packed in another way the files are the same, and that is what it says.
    std::fs::write(bench.path("src/dist/etc/app.conf"), "threads = 4\n").unwrap();
    let cut = (0..300).fold(bench.tree("src/dist"), |tree, number| {
        tree.file(&format!("data/{number}"), vec![b'd'; 60_000])
    });
    let run = release(&bench, "name = 'shop'\npath = 'dist'\nversion = '3.0.0'", "a").await;
    let third = bench.store.find(&shop(), &v("3.0.0")).unwrap().unwrap();
    let otherwise = Again {
        fineness: Fineness::Fine,
        ..Again::of(&bench, &cut.0)
    };
    let records = RecordedBuild::claimed(&bench.store, &third);
    assert_eq!(records[0].run, *run.id());
    let report = rebuild(&bench.store, &third, records, &otherwise).await.unwrap();
    assert!(!report.is_same() && report.has_same_files(), "{report}");
    assert!(
        report
            .to_string()
            .starts_with("the same files, PACKED OTHERWISE: shop 3.0.0"),
        "{report}"
    );

    let bare = bench.publish(&bench.tree("bare").file("x", "x"), "2.0.0");
    let records = RecordedBuild::claimed(&bench.store, &bare);
    let error = rebuild(&bench.store, &bare, records, &fresh).await.unwrap_err();
    assert!(matches!(error, RebuildError::NoRecord { .. }), "{error}");
}

/// A statement that somebody attached, changed somehow, signed by somebody.
fn claim(bench: &Bench, artifact: &ArtifactRef, key: &PrivateKey, change: impl FnOnce(&mut Value)) {
    let statement = attach::statement(artifact, "r7", "2026-11-20T11:00:00Z");
    let mut value: Value = serde_json::from_slice(&statement.to_bytes().unwrap()).unwrap();
    change(&mut value);
    let changed = Statement::parse(value.to_string().as_bytes()).unwrap();
    let envelope = attach::signed(&changed, Some(key));
    let new = NewAttachment::envelope(&envelope);
    bench.store.attach(&artifact.digest, &new).unwrap();
}

#[test]
fn what_came_under_a_tag_is_still_what_was_built() {
    let bench = Bench::new();
    let built = bench.publish(&bench.tree("dist").file("app", "12345"), "1.4.0+build.5");
    claim(&bench, &built, &key(), |_| {});
    // A tag of a registry has no build metadata.
    let pulled = ArtifactRef {
        version: v("1.4.0"),
        ..built
    };
    assert!(bench.store.check_origin(&pulled, &policy(), now()).allowed());
    assert_eq!(
        RecordedBuild::proven(&bench.store, &pulled, &policy(), now()).len(),
        1
    );
}

#[test]
fn only_records_of_this_artifact_by_a_run_are_builds_the_newest_first() {
    let bench = Bench::new();
    let shop_1 = bench.publish(&bench.tree("dist").file("app", "12345"), "1.4.0");
    let runs = |records: Vec<RecordedBuild>| -> Vec<String> {
        records.iter().map(|record| record.run.to_string()).collect()
    };
    let claimed = || runs(RecordedBuild::claimed(&bench.store, &shop_1));
    let proven = || runs(RecordedBuild::proven(&bench.store, &shop_1, &policy(), now()));
    let ours = key();
    let theirs = PrivateKey::generate(Algorithm::EcdsaP256, &RepeatableEntropy::new(8));
    let run = |value: &mut Value, run: &str, at: &str| {
        value["predicate"]["runDetails"]["metadata"]["invocationId"] = json!(run);
        value["predicate"]["runDetails"]["metadata"]["finishedOn"] = json!(at);
    };
    claim(&bench, &shop_1, &ours, |value| {
        run(value, "old", "2026-11-18T11:00:00Z")
    });
    claim(&bench, &shop_1, &ours, |value| {
        run(value, "new", "2026-11-20T11:00:00Z")
    });
    claim(&bench, &shop_1, &ours, |value| {
        run(value, "middle", "2026-11-19T11:00:00Z")
    });
    assert_eq!(claimed(), ["new", "middle", "old"]);
    assert_eq!(proven(), claimed());

    // Of another version with the same bytes, of other bytes under this name, by another kind of build.
    claim(&bench, &shop_1, &ours, |value| {
        run(value, "other-version", "2026-11-21T11:00:00Z");
        value["subject"][0]["name"] = json!("shop@1.5.0");
    });
    claim(&bench, &shop_1, &ours, |value| {
        run(value, "other-bytes", "2026-11-21T11:00:00Z");
        value["subject"][0]["digest"]["sha256"] = json!(Digest::of("other").hex());
    });
    claim(&bench, &shop_1, &ours, |value| {
        run(value, "other-type", "2026-11-21T11:00:00Z");
        value["predicate"]["buildDefinition"]["buildType"] = json!("https://example.com/make/v1");
    });
    assert_eq!(claimed(), ["new", "middle", "old"]);
    // Signed by somebody else it is a claim, and no proof.
    claim(&bench, &shop_1, &theirs, |value| {
        run(value, "theirs", "2026-11-22T11:00:00Z")
    });
    assert_eq!(claimed(), ["theirs", "new", "middle", "old"]);
    assert_eq!(proven(), ["new", "middle", "old"]);
}
