//! Our stages, gate, environment and secrets against the contracts of the core.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use pipeline_core::testing::conformance::{self, EnvironmentWorld, Report, StageSuite, StageWorld};
use pipeline_core::testing::{MemoryArtifacts, TestCall};
use pipeline_core::{ArtifactRef, Environment, NoSource, Stage, StageContext};
use pipeline_stages::{
    Command, Deploy, DirectoryEnvironment, EnvironmentSecrets, InspectProgram, OnFailure, VerifyDeployment,
};
use serde_json::json;

use crate::support::{Checkout, configuration, environment, fence, release, request, services_in};

/// What is not even looked at, apart from what the stage does not promise.
#[track_caller]
fn assert_kept(report: &Report, not_tried: &[&str]) {
    report.assert_kept();
    assert_eq!(report.not_tried_names(), not_tried, "{report}");
}

fn sh(script: &str) -> Command {
    Command::new("sh").args(["-c", script])
}

/// A checkout with a file `in`, in which a program may write a file `out`.
fn command(command: Command) -> StageWorld {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("in"), "one\ntwo\n").unwrap();
    let out = directory.path().join("out");
    let source = Arc::new(Checkout(directory.path().to_owned()));
    let services = services_in(source, &MemoryArtifacts::new());
    StageWorld::new(command, TestCall::new("command"), services)
        .probe(move || {
            let found = fs::read_to_string(&out).unwrap_or_default();
            async move { found }
        })
        .keep(directory)
}

#[tokio::test]
async fn commands_keep_what_their_settings_say() {
    let token = |command: Command| command.secret("TOKEN".parse().unwrap(), "test:planted".parse().unwrap());
    let lines =
        "n=0; while read -r line; do n=$((n + 1)); done < in; echo ::fact lines=$n; echo ::fact t=$TOKEN";
    let write = "printf done > part && mv part out";
    let append = "echo done >> out";
    let found = || InspectProgram {
        program: "sh".to_owned(),
        args: vec!["-c".to_owned(), "test -s out".to_owned()],
    };
    for make in [
        &(|| token(sh(lines)).pure()) as &dyn Fn() -> Command,
        &|| sh(write).idempotent(),
        &|| sh(append).inspectable(found()),
        &|| sh(append),
        &|| sh("echo no >&2; exit 3"),
    ] {
        let suite = StageSuite::new(|| async { command(make()) });
        assert_kept(&suite.run().await, &[]);
    }
}

#[tokio::test]
async fn a_command_that_is_not_what_its_settings_say_is_found() {
    let append = || command(sh("echo done >> out").idempotent());
    let report = StageSuite::new(|| async { append() }).run().await;
    assert!(report.broken().contains(&"repeats"), "{report}");
}

/// A site with two releases, and a directory environment for them.
struct Site {
    root: tempfile::TempDir,
    store: MemoryArtifacts,
    environment: DirectoryEnvironment,
    old: ArtifactRef,
    new: ArtifactRef,
}

impl Site {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = MemoryArtifacts::new();
        Self {
            environment: environment(root.path()),
            root,
            old: store.add("app", "1.0.0", &[("page", b"old", false)]),
            new: store.add(
                "app",
                "2.0.0",
                &[("page", b"new", false), ("n.template", b"{{ n }}", false)],
            ),
            store,
        }
    }

    fn call(&self, artifact: &ArtifactRef) -> TestCall {
        let environment: Arc<dyn Environment> = Arc::new(self.environment.clone());
        let call = TestCall::new("stage").artifact(artifact.clone());
        call.environment(environment, configuration(json!({"n": 1})), Some(fence(3, 1)))
    }

    fn context(&self, artifact: &ArtifactRef) -> StageContext {
        self.call(artifact)
            .context(services_in(Arc::new(NoSource), &self.store))
    }

    async fn deploy(&self, artifact: &ArtifactRef) {
        Deploy::default().run(&self.context(artifact)).await.unwrap();
    }

    fn world(self, stage: impl Stage, call: TestCall) -> StageWorld {
        let services = services_in(Arc::new(NoSource), &self.store);
        let (by_hand, old) = (self.environment.clone(), release(&[&self.old]));
        let by_hand_from = request(&self.store, &old, &configuration(json!({"n": 7})), None);
        let root = self.root.path().to_owned();
        let probed = self.environment.clone();
        StageWorld::new(stage, call, services)
            .probe(move || {
                let (environment, releases) = (probed.clone(), names(&root.join("releases")));
                async move {
                    format!(
                        "{:?}, beside it {releases:?}",
                        environment.observe().await.unwrap().live
                    )
                }
            })
            .meddle(move || {
                let (environment, request) = (by_hand.clone(), by_hand_from.clone());
                async move { environment.deploy(&request).await.unwrap() }
            })
            .keep(self.root)
    }
}

/// The releases that are complete.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_deployment_keeps_what_it_promises() {
    let first = || async {
        let site = Site::new();
        let call = site.call(&site.new);
        site.world(Deploy::default(), call)
    };
    let mut report = StageSuite::new(first).run().await;
    assert_kept(&report, &[]);
    let upgrade = || async {
        let site = Site::new();
        site.deploy(&site.old).await;
        let call = site.call(&site.new);
        site.world(Deploy::default(), call)
    };
    report = StageSuite::new(upgrade).run().await;
    assert_kept(&report, &[]);
}

#[tokio::test]
async fn a_verification_keeps_what_it_promises() {
    for (program, what) in [
        ("true", OnFailure::Rollback),
        ("false", OnFailure::Keep),
        ("false", OnFailure::Rollback),
    ] {
        let upgraded = || async move {
            let site = Site::new();
            site.deploy(&site.old).await;
            site.deploy(&site.new).await;
            let old = configuration(json!({"n": 1})).digest().unwrap();
            let call = site.call(&site.new).verified(release(&[&site.old]), old);
            site.world(VerifyDeployment::new(program).on_failure(what), call)
        };
        assert_kept(&StageSuite::new(upgraded).run().await, &[]);
    }
}

#[tokio::test]
async fn a_directory_keeps_what_an_environment_promises() {
    let fresh = || async {
        let site = Site::new();
        let one = (release(&[&site.old]), configuration(json!({"n": 1})));
        let two = (release(&[&site.new]), configuration(json!({"n": 2})));
        let page = site.root.path().join("current/app/page");
        let root = site.root.path().to_owned();
        EnvironmentWorld::new(Arc::new(site.environment), site.store, one, two)
            .meddle(move || {
                fs::write(&page, "defaced").unwrap();
                async {}
            })
            .reopen(move || Arc::new(environment(&root)))
            .keep(site.root)
    };
    assert_kept(&conformance::environment(fresh).await, &[]);
}

#[tokio::test]
async fn secrets_of_the_worker_keep_what_a_source_promises() {
    // Cargo sets it, for every test.
    let (known, unknown) = (
        "env:CARGO_PKG_NAME".parse().unwrap(),
        "env:NO_SUCH_TOKEN".parse().unwrap(),
    );
    let report = conformance::secrets(&EnvironmentSecrets, Some((&known, "pipeline-stages")), &unknown).await;
    assert_kept(&report, &[]);
}
