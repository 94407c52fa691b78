use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use pipeline_artifacts::{LocalStore, Package, PackageError, PackageSettings, PackageSettingsError};
use pipeline_core::testing::{ManualClock, TestCall, services};
use pipeline_core::{
    AnyStage, ArtifactStore, Channel, Digest, Effect, Failure, NoSecrets, NoSource, Outcome, OutcomeStatus,
    Reads, RunId, Secret, SecretError, SecretRef, SecretSource, Signals, Source, SourceError, SourcePath,
    Stage, StageContext, StageName,
};

use crate::attach_race::collect;
use crate::gated::Gated;
use crate::{Bench, shop, text, v};

/// A source in a directory.
#[derive(Debug)]
struct Directory(PathBuf);

#[async_trait]
impl Source for Directory {
    fn root(&self) -> Option<&Path> {
        Some(&self.0)
    }

    async fn read(&self, path: &SourcePath) -> Result<Vec<u8>, SourceError> {
        std::fs::read(path.below(&self.0)).map_err(|source| SourceError {
            path: path.to_string(),
            reason: "it cannot be read".to_owned(),
            source: Some(source),
        })
    }

    async fn digest(&self, _: &[SourcePath]) -> Result<Digest, SourceError> {
        Ok(Digest::ZERO)
    }
}

/// What `env:TOKEN` stands for.
const TOKEN: &str = "sw0rdfish-77aa";

#[derive(Debug)]
struct OneSecret;

#[async_trait]
impl SecretSource for OneSecret {
    async fn resolve(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        match reference.to_string().as_str() {
            "env:TOKEN" => Ok(Secret::new(TOKEN)),
            _ => NoSecrets.resolve(reference).await,
        }
    }
}

fn context(bench: &Bench, source: impl Source) -> StageContext {
    context_with(bench, source, NoSecrets)
}

fn context_with(bench: &Bench, source: impl Source, secrets: impl SecretSource) -> StageContext {
    let artifacts: Arc<dyn ArtifactStore> = Arc::new(bench.store.clone());
    let services = services(
        ManualClock::at("2026-11-20T12:00:00Z"),
        artifacts,
        Arc::new(source),
        Arc::new(secrets),
    );
    TestCall::new("package").context(services)
}

fn settings(text: &str) -> PackageSettings {
    toml::from_str(text).unwrap()
}

pub(crate) fn stage(bench: &Bench, text: &str) -> Package {
    Package::new(Arc::new(bench.store.clone()), settings(text)).unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn run(stage: &Package, cx: &StageContext) -> Result<Outcome, PackageError> {
    stage.run(cx).await
}

#[test]
fn a_directory_of_the_source_is_packed_and_published() {
    let bench = Bench::new();
    bench
        .tree("src")
        .file("dist/app", "12345")
        .file("dist/logs/x", "x")
        .file("VERSION", "1.4.0\nignored\n")
        .file("secret", "s");
    let stage = stage(
        &bench,
        "name = 'shop'\npath = 'dist'\nversion-file = 'VERSION'\nexclude = ['logs']",
    );
    let cx = context(&bench, Directory(bench.path("src")));
    let outcome = run(&stage, &cx).unwrap();
    let artifact = bench.store.find(&shop(), &v("1.4.0")).unwrap().unwrap();
    let mut expected = Outcome::succeeded()
        .artifact(artifact.clone())
        .fact("files", 1)
        .fact("bytes", 5);
    expected = expected.fact("digest", artifact.digest.to_string());
    assert_eq!(outcome, expected);
    assert_eq!(bench.store.artifact(&artifact).unwrap().entries().len(), 1);
    // Pure: it may be repeated.
    assert_eq!(run(&stage, &cx).unwrap(), outcome);

    assert_eq!(stage.effect(), Effect::Pure);
    let paths = ["dist", "VERSION"].map(|path| path.parse().unwrap());
    assert_eq!(stage.reads(), Reads::Source(paths.to_vec()));
    assert_eq!(AnyStage::new(stage).type_name(), "package");
}

/// What the check reads counts as well: with another configuration it says something else, and a secret may be another
/// one each time.
#[test]
fn a_check_for_values_is_part_of_what_the_stage_reads() {
    let bench = Bench::new();
    let text = "name = 'shop'\npath = 'dist'\nversion = '1.0.0'\n[environment-free]\n\
        configurations = { staging = 'config/staging.toml' }\n";
    let checked = stage(&bench, text);
    let paths = ["dist", "config/staging.toml"].map(|path| path.parse().unwrap());
    assert_eq!(checked.reads(), Reads::Source(paths.to_vec()));
    assert_eq!(checked.effect(), Effect::Pure);
    let secret = stage(&bench, &format!("{text}secrets = true\n"));
    assert_eq!(secret.effect(), Effect::Idempotent);
}

/// A configuration only refers to a secret: its value is what must not be in the artifact, nor in what is said of it.
#[test]
fn secrets_are_looked_for_when_that_is_asked() {
    let bench = Bench::new();
    bench
        .tree("src")
        .file("dist/app", format!("token={TOKEN}\n"))
        .file("config/staging.toml", "token = { secret = 'env:TOKEN' }\n");
    let directory = || Directory(bench.path("src"));
    let with = |more: &str| {
        let text = "name = 'shop'\npath = 'dist'\nversion = '1.0.0'\n[environment-free]\n\
            configurations = { staging = 'config/staging.toml' }\n";
        stage(&bench, &format!("{text}{more}"))
    };
    let cx = context_with(&bench, directory(), OneSecret);
    let outcome = run(&with("secrets = true"), &cx).unwrap();
    assert_eq!(outcome.status, OutcomeStatus::Failed);
    insta::assert_snapshot!(outcome.reason, @"it holds values of environments, which belong into their configurations: app:1 (byte 6): secret `token` of `staging`");
    assert!(!format!("{outcome:?}").contains(TOKEN), "{outcome:?}");
    assert!(bench.store.find(&shop(), &v("1.0.0")).unwrap().is_none());

    // One that cannot be had is not one that is absent.
    let stage = with("secrets = true");
    let error = run(&stage, &context(&bench, directory())).unwrap_err();
    assert_eq!(stage.failure(&error), Failure::Errored);
    insta::assert_snapshot!(text(&error, bench.dir.path()), @"a secret to look for cannot be had: secret `env:TOKEN` cannot be had: this host has no source of secrets");
    assert!(bench.store.find(&shop(), &v("1.0.0")).unwrap().is_none());

    // Nobody asks for it otherwise.
    let outcome = run(&with(""), &context(&bench, directory())).unwrap();
    assert_eq!(outcome.status, OutcomeStatus::Succeeded);
}

#[test]
fn a_collector_that_comes_while_something_is_packaged_takes_nothing_of_it() {
    let bench = Bench::new();
    bench.tree("src").filled();
    let mut gated = Gated::new(&bench);
    let stage = Package::new(
        Arc::new(LocalStore::open(&gated.root).unwrap()),
        settings("name = 'shop'\nversion = '1.0.0'"),
    );
    let (stage, cx) = (stage.unwrap(), context(&bench, Directory(bench.path("src"))));
    let packaging = std::thread::spawn(move || run(&stage, &cx));
    let mut gates = 0;
    gated.walk(&packaging, || {
        gates += 1;
        collect(&bench.store, 3);
    });
    let outcome = packaging.join().unwrap().unwrap();
    assert_eq!(outcome.status, OutcomeStatus::Succeeded);
    assert!(gates > 3, "blobs, and the record: {gates}");
    let report = bench.store.verify().unwrap();
    assert!(report.is_good(), "{report}");
    assert!(bench.store.find(&shop(), &v("1.0.0")).unwrap().is_some());
}

#[test]
fn other_content_under_a_taken_version_fails() {
    let bench = Bench::new();
    let tree = bench.tree("src").file("app", "1");
    let stage = stage(&bench, "name = 'shop'\nversion = '1.0.0'");
    let cx = context(&bench, Directory(bench.path("src")));
    let first = run(&stage, &cx).unwrap();
    tree.file("app", "2");
    let outcome = run(&stage, &cx).unwrap();
    assert_eq!(outcome.status, OutcomeStatus::Failed);
    assert!(outcome.artifacts.is_empty());
    insta::assert_snapshot!(outcome.reason, @"shop 1.0.0 is published with other content already (dc1209b70fc7 there, d644aa34705a here): raise the version");
    let published = bench.store.find(&shop(), &v("1.0.0")).unwrap().unwrap();
    assert_eq!(first.artifacts[&shop()], published);
}

#[test]
fn settings_name_exactly_one_version() {
    let bench = Bench::new();
    let store = Arc::new(bench.store.clone());
    let new = |text: &str| Package::new(Arc::clone(&store), settings(text)).map(|_| ());
    assert_eq!(new("name = 'a'"), Err(PackageSettingsError::NoVersion));
    assert_eq!(
        new("name = 'a'\nversion = '1.0.0'\nversion-file = 'V'"),
        Err(PackageSettingsError::TwoVersions)
    );
    assert_eq!(
        new("name = 'a'\nversion = '1.0.0'\nexclude = ['.']"),
        Err(PackageSettingsError::AllExcluded)
    );
    for bad in [
        "version = '1.0.0'",
        "name = 'a'\nversion = '1.0'",
        "name = 'a'\nversion = '1.0.0'\npath = '../x'",
        "name = 'a'\nversion = '1.0.0'\nexcludes = ['x']",
    ] {
        assert!(toml::from_str::<PackageSettings>(bad).is_err(), "{bad}");
    }
    // A stage's JSON is its settings, and reads back.
    let stage = stage(&bench, "name = 'a'\nversion-file = 'V'\nexclude = ['x']");
    let json = serde_json::to_string(&stage).unwrap();
    insta::assert_snapshot!(json, @r#"{"name":"a","path":".","version-file":"V","exclude":["x"]}"#);
    assert_eq!(
        &serde_json::from_str::<PackageSettings>(&json).unwrap(),
        stage.settings()
    );
}

#[test]
fn what_cannot_be_packaged_says_why() {
    let bench = Bench::new();
    bench
        .tree("src")
        .file("V", "v1.0\n")
        .dir("empty/dir")
        .dir("bad")
        .link("bad/link", "/etc")
        .file("ignoring/.artifactignore", "ok\n{a\n")
        .link("alias", "bad");
    let cx = context(&bench, Directory(bench.path("src")));
    let outcome = run(
        &stage(&bench, "name = 'a'\nversion = '1.0.0'\npath = 'empty'"),
        &cx,
    )
    .unwrap();
    assert_eq!(outcome.status, OutcomeStatus::Failed);
    let mut messages = vec![outcome.reason];
    for (settings, failure) in [
        ("version-file = 'V'", Failure::Failed),
        ("version-file = 'W'", Failure::Errored),
        ("version = '1.0.0'\npath = 'bad'", Failure::Failed),
        ("version = '1.0.0'\npath = 'ignoring'", Failure::Failed),
        ("version = '1.0.0'\npath = 'alias'", Failure::Failed),
        ("version = '1.0.0'\npath = 'missing'", Failure::Errored),
    ] {
        let stage = stage(&bench, &format!("name = 'a'\n{settings}"));
        let error = run(&stage, &cx).unwrap_err();
        assert_eq!(stage.failure(&error), failure, "{error}");
        messages.push(text(&error, bench.dir.path()));
    }
    let nothing = stage(&bench, "name = 'a'\nversion = '1.0.0'");
    let error = run(&nothing, &context(&bench, NoSource)).unwrap_err();
    messages.push(text(&error, bench.dir.path()));
    insta::assert_snapshot!(messages.join("\n"), @r#"
    there is no file in `empty`: was it built before it was packaged?
    the first line of `V` is `v1.0`, which is no version such as `1.2.3`: unexpected character 'v' while parsing major version number
    the version cannot be read: cannot read `W` of the source: it cannot be read: No such file or directory (os error 2)
    the source was not packed: "link" cannot be packed: it is a symbolic link to the absolute path "/etc"; make it relative or exclude it
    the source was not packed: .artifactignore, line 2: error parsing glob '{a': unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)
    `alias` is reached through a symbolic link: name the directory itself
    the source was not packed: cannot read "<dir>/src/missing": No such file or directory (os error 2)
    this worker has no source to package
    "#);
    assert!(bench.store.catalog().names().unwrap().is_empty());
}

/// Keeps what is reported, and asks the stage to stop before the second file.
#[derive(Debug, Default)]
struct Listener {
    seen: Mutex<Vec<String>>,
    stop: Mutex<Option<StageContext>>,
}

impl Signals for Listener {
    fn output(&self, _: &RunId, _: &StageName, _: Channel, _: &str) {}

    fn progress(&self, _: &RunId, _: &StageName, done: u64, total: Option<u64>, doing: &str) {
        self.seen
            .lock()
            .unwrap()
            .push(format!("{done}/{total:?} {doing}"));
        if doing == "b"
            && let Some(cx) = &*self.stop.lock().unwrap()
        {
            cx.cancellation().cancel("enough");
        }
    }
}

#[test]
fn progress_is_reported_and_a_request_to_stop_is_honoured() {
    let bench = Bench::new();
    bench.tree("src").file("a", "aa").file("b", "b").file("c", "c");
    let stage = stage(&bench, "name = 'shop'\nversion = '1.0.0'");
    let listener = Arc::new(Listener::default());
    let signals = Arc::clone(&listener);
    let cx = context(&bench, Directory(bench.path("src"))).with_signals(signals);
    *listener.stop.lock().unwrap() = Some(cx.clone());
    let error = run(&stage, &cx).unwrap_err();
    assert_eq!(
        text(&error, bench.dir.path()),
        "the source was not packed: packing was stopped"
    );
    assert_eq!(*listener.seen.lock().unwrap(), ["0/Some(4) a", "2/Some(4) b"]);
    assert!(bench.store.catalog().names().unwrap().is_empty());
    listener.stop.lock().unwrap().take();
}
