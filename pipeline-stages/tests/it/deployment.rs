use std::fs;
use std::sync::Arc;

use pipeline_core::testing::{MemoryArtifacts, TestCall};
use pipeline_core::{
    AnyStage, ArtifactRef, ArtifactStore, Configuration, DeploymentReport, Digest, Effect, Environment,
    Failure, Inspection, LiveRelease, NoSource, Outcome, OutcomeStatus, Release, Stage, StageCall,
    StageContext,
};
use pipeline_stages::{Deploy, DeployError, OnFailure, VerifyDeployment, VerifyError};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    PLANTED, chain, configuration, environment, fence, files, release, services_in, settings,
};

struct Site {
    root: TempDir,
    store: MemoryArtifacts,
    environment: Arc<dyn Environment>,
    old: ArtifactRef,
    new: ArtifactRef,
}

impl Site {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = MemoryArtifacts::new();
        Self {
            environment: Arc::new(environment(root.path())),
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

    fn call(&self, artifact: &ArtifactRef, configuration: &Configuration) -> TestCall {
        TestCall::new("stage").artifact(artifact.clone()).environment(
            Arc::clone(&self.environment),
            configuration.clone(),
            Some(fence(1, 1)),
        )
    }

    fn context(&self, call: TestCall) -> StageContext {
        call.context(services_in(Arc::new(NoSource), &self.store))
    }

    async fn deploy(&self, artifact: &ArtifactRef, configuration: &Configuration) -> Outcome {
        let cx = self.context(self.call(artifact, configuration));
        Deploy::default().run(&cx).await.unwrap()
    }

    /// The old release is live and verified, then the new one is deployed.
    async fn upgraded(&self) -> TestCall {
        self.deploy(&self.old, &one()).await;
        self.deploy(&self.new, &two()).await;
        let old = release(&[&self.old]);
        self.call(&self.new, &two())
            .verified(old, one().digest().unwrap())
    }

    async fn live(&self) -> LiveRelease {
        self.environment.observe().await.unwrap().live.unwrap()
    }

    fn page(&self) -> String {
        fs::read_to_string(self.root.path().join("current/app/page")).unwrap()
    }

    fn releases(&self) -> usize {
        fs::read_dir(self.root.path().join("releases")).unwrap().count()
    }
}

fn one() -> Configuration {
    configuration(json!({"n": 1}))
}

fn two() -> Configuration {
    configuration(json!({"n": 2}))
}

fn check(script: &str) -> VerifyDeployment {
    VerifyDeployment::new("sh").args(["-c", script])
}

fn digest(release: &Release) -> Digest {
    release.digest().unwrap()
}

#[tokio::test]
async fn a_deployment_is_planned_made_and_found() {
    let site = Site::new();
    let deploy: Deploy = settings(json!({"version-of": "app", "success-measures": ["no errors"]}));
    let stage = AnyStage::new(deploy);
    assert_eq!(stage.effect(), Effect::Inspectable);
    let old = release(&[&site.old]);
    let cx = site.context(site.call(&site.old, &one()));
    let plan = stage.plan(&cx).await.unwrap().unwrap();
    assert_eq!(stage.inspect(&cx).await.unwrap(), Inspection::DidNotHappen);
    let outcome = stage.run(&cx).await.unwrap();
    assert_eq!(outcome.status, OutcomeStatus::Succeeded);
    assert_eq!(outcome.facts["version"], "1.0.0");
    assert_eq!(outcome.facts["release"], digest(&old).to_string());
    let report = DeploymentReport::Deployed {
        release: old.clone(),
        configuration: one(),
    };
    assert_eq!(outcome.deployment.as_deref(), Some(&report));
    match stage.inspect(&cx).await.unwrap() {
        Inspection::Happened(found) => assert_eq!(found.deployment, outcome.deployment),
        other => panic!("{other:?}"),
    }
    let again = stage.run(&cx).await.unwrap();
    assert_eq!(
        (again.status, again.deployment),
        (OutcomeStatus::Unchanged, outcome.deployment)
    );
    assert!(stage.plan(&cx).await.unwrap().unwrap().is_unchanged());
    for blob in [digest(&old), one().digest().unwrap()] {
        assert!(site.store.blob(&blob).await.is_ok(), "a rollback loads it");
    }

    let call = site
        .call(&site.new, &one())
        .verified(old.clone(), one().digest().unwrap());
    let call = call.with(|call| call.target.as_mut().unwrap().live = Some((old, one().digest().unwrap())));
    let next = stage.plan(&site.context(call)).await.unwrap().unwrap();
    fs::write(site.root.path().join("current/app/page"), "defaced").unwrap();
    let repair = stage.plan(&cx).await.unwrap().unwrap();
    insta::assert_snapshot!(
        [plan, next, repair].map(|plan| serde_json::to_string_pretty(&json!({
            "title": plan.title, "actions": plan.actions.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "rollback": plan.rollback.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "success": plan.success_measures, "facts": plan.facts,
        })).unwrap()).join("\n"),
        @r#"
    {
      "actions": [
        "deploy test 1.0.0 (configuration bc4160a3e765)"
      ],
      "facts": {
        "os": "debian-13"
      },
      "rollback": [
        "keep test 1.0.0 (nothing was verified here, so there is nothing to go back to)"
      ],
      "success": [
        "no errors"
      ],
      "title": "test 1.0.0"
    }
    {
      "actions": [
        "deploy test 2.0.0 (configuration bc4160a3e765)",
        "replace test 1.0.0 (configuration bc4160a3e765; kept for a rollback)"
      ],
      "facts": {
        "os": "debian-13"
      },
      "rollback": [
        "deploy test 1.0.0 (configuration bc4160a3e765; verified last)"
      ],
      "success": [
        "no errors"
      ],
      "title": "test 2.0.0"
    }
    {
      "actions": [
        "deploy test 1.0.0 (configuration bc4160a3e765)",
        "repair test 1.0.0 (what is live drifted)"
      ],
      "facts": {
        "os": "debian-13"
      },
      "rollback": [
        "keep test 1.0.0 (nothing was verified here, so there is nothing to go back to)"
      ],
      "success": [
        "no errors"
      ],
      "title": "test 1.0.0"
    }
    "#
    );
    assert_eq!(stage.run(&cx).await.unwrap().status, OutcomeStatus::Succeeded);
    assert_eq!(site.page(), "old");
}

#[tokio::test]
async fn deployments_that_cannot_be_say_why() {
    let site = Site::new();
    let other = site.store.add("other", "3.0.0", &[("a", b"{{", false)]);
    let broken = site
        .store
        .add("broken", "1.0.0", &[("a.template", b"{{ m }}", false)]);
    let both = || site.call(&site.old, &one()).artifact(other.clone());
    let late = |call: &mut StageCall| call.target.as_mut().unwrap().fence = Some(fence(1, 0));
    let cx = site.context(site.call(&site.old, &one()));
    let plan = AnyStage::new(Deploy::default()).plan(&cx).await.unwrap();
    site.deploy(&site.old, &one()).await;
    let named = |name: &str| -> Deploy { settings(json!({"version-of": name})) };
    let mut told = Vec::new();
    for (stage, call, failure) in [
        (
            Deploy::default(),
            TestCall::new("stage").artifact(site.old.clone()),
            Failure::Errored,
        ),
        (Deploy::default(), both(), Failure::Errored),
        (named("none"), both(), Failure::Errored),
        (
            Deploy::default(),
            both().with(|call| call.artifacts.clear()),
            Failure::Errored,
        ),
        (Deploy::default(), site.call(&broken, &one()), Failure::Failed),
        (
            Deploy::default(),
            site.call(&site.new, &one()).with(late),
            Failure::Failed,
        ),
        (
            Deploy::default(),
            site.call(&site.new, &one())
                .with(|call| call.target.as_mut().unwrap().action_plan = plan),
            Failure::Failed,
        ),
    ] {
        let error = stage.run(&site.context(call)).await.unwrap_err();
        assert_eq!(stage.failure(&error), failure, "{error}");
        told.push(chain(&error));
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    the stage targets no environment
    there is no release to deploy: which artifact gives the release its version? set `version-of` to one of `app`, `other`
    there is no release to deploy: `version-of` is `none`, but the stage needs `app`, `other`
    there is no release to deploy: the stage has no artifact to release: name what it `needs`
    the release is not live: environment `staging` refuses: template `a.template`, line 1: the configuration of `staging` has no value `m`; did you mean `n`?
    the release is not live: environment `staging` has seen fence 1.1; this call has 1.0 and comes too late
    the action plan is for aeb5a16054aa with configuration bc4160a3e765, and this would deploy 4543b01302c8 with configuration bc4160a3e765
    "#);
    assert_eq!(site.page(), "old");
}

#[tokio::test]
async fn a_failure_of_the_store_did_not_happen() {
    let site = Site::new();
    site.store.damage(&Digest::of(b"old"));
    let cx = site.context(site.call(&site.old, &one()));
    let error = Deploy::default().run(&cx).await.unwrap_err();
    assert!(matches!(error, DeployError::Deploy(_)));
    assert_eq!(Deploy::default().failure(&error), Failure::Errored);
}

#[tokio::test]
async fn what_is_good_is_verified_and_what_was_before_retired() {
    let site = Site::new();
    let call = site.upgraded().await;
    assert_eq!(site.releases(), 2);
    let stage = check(
        r#"grep -q new "$PIPELINE_LOCATION/app/page" && grep -q 2 "$PIPELINE_LOCATION/config/n" && echo "::fact seen=$PIPELINE_RELEASE""#,
    );
    let outcome = stage.run(&site.context(call)).await.unwrap();
    let new = release(&[&site.new]);
    assert_eq!(outcome.status, OutcomeStatus::Succeeded, "{}", outcome.reason);
    assert_eq!(outcome.facts["seen"], digest(&new).to_string());
    let report = DeploymentReport::Verified {
        release: digest(&new),
        configuration: two().digest().unwrap(),
    };
    assert_eq!(outcome.deployment.as_deref(), Some(&report));
    assert_eq!(site.releases(), 1);
}

#[tokio::test]
async fn what_is_not_good_is_rolled_back() {
    let site = Site::new();
    let call = site.upgraded().await;
    let stage =
        check("echo $TOKEN; exit 4").secret("TOKEN".parse().unwrap(), "test:planted".parse().unwrap());
    let cx = site.context(call);
    let outcome = stage.run(&cx).await.unwrap();
    assert_eq!(
        outcome.reason,
        "`sh` exited with 4; rolled back from test 2.0.0 to test 1.0.0"
    );
    assert_eq!(outcome.status, OutcomeStatus::Failed);
    let old = release(&[&site.old]);
    let report = DeploymentReport::RolledBack {
        from: digest(&release(&[&site.new])),
        to: Some(old.clone()),
        configuration: Some(one()),
    };
    assert_eq!(outcome.deployment.as_deref(), Some(&report));
    let live = site.live().await;
    assert_eq!(
        (live.release, live.configuration),
        (digest(&old), one().digest().unwrap())
    );
    assert_eq!(site.page(), "old");

    // Killed before anybody heard of it, it is called again.
    let call = site
        .call(&site.new, &two())
        .verified(old, one().digest().unwrap());
    let again = stage
        .run(&site.context(call.with(|call| call.attempt = 2)))
        .await
        .unwrap();
    assert_eq!(again.deployment.as_deref(), Some(&report));
    assert_eq!(
        again.reason,
        "an earlier attempt rolled back from test 2.0.0 to test 1.0.0"
    );

    assert!(!cx.output_log().to_string().contains(PLANTED));
    for file in files(site.root.path()).iter().filter(|file| file.is_file()) {
        assert!(!String::from_utf8_lossy(&fs::read(file).unwrap()).contains(PLANTED));
    }
}

#[tokio::test]
async fn a_configuration_is_rolled_back_too() {
    let site = Site::new();
    site.deploy(&site.new, &one()).await;
    site.deploy(&site.new, &two()).await;
    let new = release(&[&site.new]);
    let call = site
        .call(&site.new, &two())
        .verified(new.clone(), one().digest().unwrap());
    let outcome = check("exit 1").run(&site.context(call)).await.unwrap();
    assert!(
        matches!(outcome.deployment.as_deref(), Some(DeploymentReport::RolledBack { from, .. }) if *from == digest(&new))
    );
    let rendered = fs::read_to_string(site.root.path().join("current/config/n")).unwrap();
    assert_eq!(rendered, "1");
}

#[tokio::test]
async fn what_cannot_be_rolled_back_stays_and_says_so() {
    let site = Site::new();
    site.deploy(&site.new, &two()).await;
    let call = || site.call(&site.new, &two());
    let new = release(&[&site.new]);
    let same = (new.clone(), two().digest().unwrap());
    let mut told = Vec::new();
    for (stage, call) in [
        (check("exit 1"), call()),
        (check("exit 1"), call().verified(same.0, same.1)),
        (
            check("exit 1").on_failure(OnFailure::Keep),
            call().verified(release(&[&site.old]), Digest::ZERO),
        ),
    ] {
        let outcome = stage.run(&site.context(call)).await.unwrap();
        assert_eq!(
            (outcome.status, outcome.deployment),
            (OutcomeStatus::Failed, None)
        );
        told.push(outcome.reason);
    }
    let lost = call().verified(release(&[&site.old]), Digest::of(b"lost"));
    let error = check("exit 1").run(&site.context(lost)).await.unwrap_err();
    assert_eq!(check("").failure(&error), Failure::Errored);
    told.push(chain(&error));
    insta::assert_snapshot!(told.join("\n"), @r#"
    `sh` exited with 1; test 2.0.0 stays live: nothing was verified here before
    `sh` exited with 1; test 2.0.0 stays live: it is itself what was verified last
    `sh` exited with 1; test 2.0.0 stays live: the settings say so
    the check failed (`sh` exited with 1), and so did the rollback to test 1.0.0: its configuration 76f75e6129fe cannot be read: blob sha256:76f75e6129fe30135bd44d80ab7cc46fdba81907758dc808f3e2517beef2b1e9 is not in the store
    "#);
    assert_eq!(site.live().await.release, digest(&new));
}

#[tokio::test]
async fn what_is_not_ours_is_not_touched() {
    let site = Site::new();
    let stage = check("echo called");
    site.deploy(&site.old, &one()).await;
    let cx = site.context(
        site.call(&site.new, &one())
            .verified(release(&[&site.new]), one().digest().unwrap()),
    );
    let mut told = Vec::new();
    let error = stage.run(&cx).await.unwrap_err();
    assert_eq!(stage.failure(&error), Failure::Failed);
    told.push(chain(&error));
    fs::write(site.root.path().join("current/app/page"), "defaced").unwrap();
    let cx = site.context(site.call(&site.old, &one()));
    told.push(chain(&stage.run(&cx).await.unwrap_err()));
    assert!(cx.output_log().is_empty(), "the check was not called");
    insta::assert_snapshot!(told.join("\n"), @r#"
    test 2.0.0 (4543b01302c8 with configuration bc4160a3e765) is to be verified, but the environment runs aeb5a16054aa with configuration bc4160a3e765
    test 1.0.0 (aeb5a16054aa with configuration bc4160a3e765) is to be verified, but the environment drifted: `app/page` was changed
    "#);
    assert_eq!(site.page(), "defaced");
    // A check that changes what it checks gives no evidence.
    site.deploy(&site.old, &one()).await;
    let stage = check("echo >> $PIPELINE_LOCATION/app/page");
    let error = stage
        .run(&site.context(site.call(&site.old, &one())))
        .await
        .unwrap_err();
    assert!(matches!(error, VerifyError::NotLive { .. }));
}

#[tokio::test]
async fn the_journal_says_what_to_verify_when_no_artifact_is_needed() {
    let site = Site::new();
    site.deploy(&site.old, &one()).await;
    let live = (release(&[&site.old]), one().digest().unwrap());
    // Its configuration was edited since: what was deployed is verified, not what would be.
    let call = site.call(&site.old, &two()).with(|call| {
        call.artifacts.clear();
        call.target.as_mut().unwrap().live = Some(live);
    });
    assert!(
        check("exit 0")
            .run(&site.context(call))
            .await
            .unwrap()
            .is_success()
    );
}

#[tokio::test]
async fn a_program_that_is_missing_says_nothing_about_the_release() {
    let site = Site::new();
    let call = site.upgraded().await;
    let error = VerifyDeployment::new("no-such-program")
        .run(&site.context(call))
        .await
        .unwrap_err();
    assert!(matches!(error, VerifyError::Check(_)));
    assert_eq!(site.page(), "new");
}

#[tokio::test]
async fn a_check_is_tried_again_and_may_not_hang() {
    let site = Site::new();
    site.deploy(&site.old, &one()).await;
    let counter = tempfile::tempdir().unwrap();
    let script = format!(
        "cd {}; echo >> n; [ $(wc -l < n) -ge 3 ]",
        counter.path().display()
    );
    let stage = check(&script).attempts(3, 0);
    let outcome = stage
        .run(&site.context(site.call(&site.old, &one())))
        .await
        .unwrap();
    assert_eq!(
        (outcome.is_success(), &outcome.facts["attempts"]),
        (true, &json!(3))
    );
    let stage = check("sleep 60").attempt_seconds(0);
    let outcome = stage
        .run(&site.context(site.call(&site.old, &one())))
        .await
        .unwrap();
    assert!(
        outcome
            .reason
            .starts_with("`sh` took longer than 0 s and was stopped"),
        "{}",
        outcome.reason
    );
}

#[tokio::test]
async fn a_check_stops_between_two_attempts() {
    let site = Site::new();
    let cx = site.context(site.upgraded().await);
    let stage = check("exit 1").attempts(2, 3600);
    let stop = async {
        while !cx.output_log().to_string().contains("attempt 1 of 2") {
            tokio::task::yield_now().await;
        }
        cx.cancellation().cancel("a newer run");
    };
    let (result, ()) = tokio::join!(stage.run(&cx), stop);
    assert_eq!(
        chain(&result.unwrap_err()),
        "the check cannot be run: program `sh` was not started: a newer run"
    );
    assert_eq!(site.page(), "new", "who stops a check did not say no");
}
