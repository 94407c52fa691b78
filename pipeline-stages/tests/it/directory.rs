use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};

use pipeline_core::testing::MemoryArtifacts;
use pipeline_core::{
    Configuration, Digest, Environment, EnvironmentError, Fence, LiveRelease, Release, StoreError,
};
use pipeline_stages::{DirectoryEnvironment, DirectorySettings};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{PLANTED, chain, configuration, environment, fence, files, release, request, settings};

struct Site {
    root: TempDir,
    store: MemoryArtifacts,
    environment: DirectoryEnvironment,
    configuration: Configuration,
    first: Release,
    second: Release,
}

impl Site {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = MemoryArtifacts::new();
        let add = |version: &str| {
            let page = format!("version {version}");
            let files: [(&str, &[u8], bool); 3] = [
                ("bin/run", b"#!/bin/sh\n", true),
                ("page", page.as_bytes(), false),
                ("etc/site.conf.template", b"port = {{ server.port }}\n", false),
            ];
            release(&[&store.add("app", version, &files)])
        };
        let (first, second) = (add("1.0.0"), add("2.0.0"));
        Self {
            environment: environment(&root.path().join("env")),
            root,
            store,
            configuration: configuration(json!({
                "server": {"port": 80}, "token": {"secret": "test:planted"},
            })),
            first,
            second,
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join("env").join(path)
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    async fn deploy_with(&self, release: &Release, fence: Option<Fence>) -> Result<(), EnvironmentError> {
        let request = request(&self.store, release, &self.configuration, fence);
        self.environment.deploy(&request).await
    }

    async fn deploy(&self, release: &Release) {
        self.deploy_with(release, None).await.unwrap();
    }

    async fn live(&self) -> Option<LiveRelease> {
        self.environment.observe().await.unwrap().live
    }

    async fn drift(&self) -> Vec<String> {
        self.live().await.unwrap().drift
    }

    async fn assert_live(&self, release: &Release) {
        let expected = LiveRelease {
            release: release.digest().unwrap(),
            configuration: self.configuration.digest().unwrap(),
            drift: Vec::new(),
        };
        assert_eq!(self.live().await, Some(expected));
    }

    fn current(&self) -> String {
        fs::read_link(self.path("current")).unwrap().display().to_string()
    }

    fn releases(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("releases")).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn releases_lie_side_by_side() {
    let site = Site::new();
    assert_eq!(site.live().await, None);
    assert!(!site.path("").exists(), "observing changes nothing");
    site.deploy(&site.first).await;
    site.assert_live(&site.first).await;
    assert_eq!(site.text("current/app/page"), "version 1.0.0");
    assert_eq!(site.text("current/config/etc/site.conf"), "port = 80\n");
    assert_eq!(mode(&site.path("current/app/bin/run")), 0o755);
    let first = site.current();
    site.deploy(&site.second).await;
    site.assert_live(&site.second).await;
    assert_eq!(site.text(&format!("{first}/app/page")), "version 1.0.0");
    assert_eq!(site.releases().len(), 2);
    site.deploy(&site.first).await;
    assert_eq!((site.current(), site.releases().len()), (first, 2));
    let facts = site.environment.observe().await.unwrap().facts;
    assert_eq!(facts["os"], "debian-13");
}

#[tokio::test]
async fn a_deployment_of_what_is_live_changes_nothing() {
    let site = Site::new();
    site.deploy(&site.first).await;
    let before = fs::symlink_metadata(site.path("current"))
        .unwrap()
        .modified()
        .unwrap();
    site.store.damage(&Digest::of(b"version 1.0.0"));
    site.deploy(&site.first).await;
    assert_eq!(
        fs::symlink_metadata(site.path("current"))
            .unwrap()
            .modified()
            .unwrap(),
        before
    );
}

#[tokio::test]
async fn several_artifacts_have_directories_of_their_own() {
    let site = Site::new();
    let a = site
        .store
        .add("a", "1.0.0", &[("x.template", b"{{ server.port }}", false)]);
    let b = site.store.add("b", "1.0.0", &[("x", b"b", false)]);
    site.deploy(&release(&[&a, &b])).await;
    assert_eq!(site.text("current/app/b/x"), "b");
    assert_eq!(site.text("current/config/a/x"), "80");
}

#[tokio::test]
async fn drift_is_told_and_mended() {
    let site = Site::new();
    site.deploy(&site.first).await;
    let old = site.current();
    let app = site.path("current/app");
    fs::write(app.join("page"), "defaced").unwrap();
    fs::remove_file(site.path("current/config/etc/site.conf")).unwrap();
    fs::write(app.join("extra"), "").unwrap();
    fs::set_permissions(app.join("bin/run"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::remove_file(app.join("etc/site.conf.template")).unwrap();
    symlink("/etc/passwd", app.join("etc/site.conf.template")).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(app.join("pipe"))
            .status()
            .unwrap()
            .success()
    );
    insta::assert_snapshot!(site.drift().await.join("\n"), @r#"
    `app/bin/run` has the mode 644 instead of 755
    `app/etc/site.conf.template` is something else
    `app/extra` was added
    `app/page` was changed
    `app/pipe` was added
    `config/etc/site.conf` is missing
    "#);
    site.deploy(&site.first).await;
    site.assert_live(&site.first).await;
    assert_eq!(
        site.releases(),
        [format!("{}.2", old.strip_prefix("releases/").unwrap())]
    );
}

#[tokio::test]
async fn much_drift_is_told_shortly() {
    let site = Site::new();
    site.deploy(&site.first).await;
    for i in 0..100 {
        fs::write(site.path(&format!("current/app/extra{i}")), "").unwrap();
    }
    let drift = site.drift().await;
    assert_eq!(
        (drift.len(), drift.last().unwrap().as_str()),
        (21, "… and 80 more")
    );
}

#[tokio::test]
async fn what_is_unknown_is_said_to_be_and_mended() {
    let site = Site::new();
    site.deploy(&site.first).await;
    let manifest = site.path("current/deployment.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let mut told = Vec::new();
    let name = site.current();
    let mut tell =
        |drift: Vec<String>| told.push(drift.join("\n").replace(&name["releases/".len()..], "NAME"));
    let damages = [
        text.replace("80", "81"),
        text.replace("\"format\": 1", "\"format\": 2"),
        "{".to_owned(),
    ];
    for damage in damages {
        fs::write(&manifest, damage).unwrap();
        assert_eq!(site.live().await.unwrap().release, Digest::ZERO);
        tell(site.drift().await);
    }
    fs::remove_dir_all(site.path(&name)).unwrap();
    tell(site.drift().await);
    fs::remove_file(site.path("current")).unwrap();
    symlink("/tmp", site.path("current")).unwrap();
    tell(site.drift().await);
    insta::assert_snapshot!(told.join("\n"), @r#"
    `NAME/deployment.json` is damaged: its digests do not fit
    `NAME/deployment.json` has form 2, and only 1 is known
    `NAME/deployment.json` is damaged: EOF while parsing an object at line 1 column 1
    `NAME/deployment.json` cannot be read: No such file or directory (os error 2)
    `current` points to `/tmp`, which is no release of this environment
    "#);
    site.deploy(&site.first).await;
    site.assert_live(&site.first).await;
}

#[tokio::test]
async fn a_foreign_current_is_left_alone() {
    let site = Site::new();
    fs::create_dir_all(site.path("current")).unwrap();
    fs::write(site.path("current/precious"), "").unwrap();
    assert!(site.environment.observe().await.is_err());
    let error = site.deploy_with(&site.first, None).await.unwrap_err();
    assert!(
        error.to_string().contains("cannot read the symbolic link"),
        "{error}"
    );
    assert!(site.path("current/precious").exists());
}

#[tokio::test]
async fn whatever_a_crash_leaves_is_swept() {
    let site = Site::new();
    site.deploy(&site.first).await;
    // While building.
    fs::create_dir_all(site.path("releases/.unfinished-abc/app")).unwrap();
    fs::write(site.path("releases/.unfinished-abc/app/page"), "half").unwrap();
    // Before the fence, or the link, was renamed.
    fs::write(site.path(".next-fence.json"), "{").unwrap();
    symlink("releases/half", site.path(".next-current")).unwrap();
    site.assert_live(&site.first).await;
    site.deploy_with(&site.second, Some(fence(1, 1))).await.unwrap();
    site.assert_live(&site.second).await;
    assert_eq!(site.releases().len(), 2);
    assert!(fs::symlink_metadata(site.path(".next-current")).is_err());
}

#[tokio::test]
async fn what_was_built_and_not_switched_is_used_if_it_is_whole() {
    let site = Site::new();
    site.deploy(&site.first).await;
    let first = site.current();
    site.deploy(&site.second).await;
    let second = site.current();
    let back = |name: &str| {
        fs::remove_file(site.path("current")).unwrap();
        symlink(name, site.path("current")).unwrap();
    };
    back(&first);
    site.assert_live(&site.first).await;
    site.store.damage(&Digest::of(b"version 2.0.0"));
    site.deploy(&site.second).await;
    site.assert_live(&site.second).await;
    // Half of it, under its own name, is not.
    back(&first);
    fs::remove_dir_all(site.path(&second).join("app")).unwrap();
    let error = site.deploy_with(&site.second, None).await.unwrap_err();
    let cause = std::error::Error::source(&error)
        .unwrap()
        .downcast_ref::<StoreError>();
    assert!(matches!(cause, Some(StoreError::Damaged { .. })), "{error}");
    site.assert_live(&site.first).await;
    assert_eq!(site.releases().len(), 1, "a failure leaves nothing");
    site.store
        .add("heal", "1.0.0", &[("page", b"version 2.0.0", false)]);
    site.deploy(&site.second).await;
    site.assert_live(&site.second).await;
}

#[tokio::test]
async fn templates_must_fit_the_configuration() {
    let site = Site::new();
    let mut told = Vec::new();
    for (i, template) in ["ok\n{{ server.prot }}", "{{ token }}", "{{ server", "\u{1}\n{{}}"]
        .into_iter()
        .enumerate()
    {
        let version = format!("{}.0.0", i + 3);
        let app = site.store.add(
            "app",
            &version,
            &[("conf/a.template", template.as_bytes(), false)],
        );
        told.push(
            site.deploy_with(&release(&[&app]), None)
                .await
                .unwrap_err()
                .to_string(),
        );
    }
    let app = site.store.add("app", "9.0.0", &[("b.template", b"\xff", false)]);
    told.push(
        site.deploy_with(&release(&[&app]), None)
            .await
            .unwrap_err()
            .to_string(),
    );
    insta::assert_snapshot!(told.join("\n"), @r#"
    environment `staging` refuses: template `conf/a.template`, line 2: the configuration of `staging` has no value `server.prot`; did you mean `server.port`?
    environment `staging` refuses: template `conf/a.template`, line 1: `token` is the secret `test:planted`, and secrets are never written to files: give it to the program that needs it in its environment
    environment `staging` refuses: template `conf/a.template`, line 1: `{{` has no `}}` on its line; `{{{{` stands for `{{`
    environment `staging` refuses: template `conf/a.template`, line 2: the configuration of `staging` has no value ``
    environment `staging` refuses: template `b.template` is not UTF-8
    "#);
    assert_eq!(site.live().await, None);
    assert!(site.releases().is_empty());
}

#[tokio::test]
async fn what_does_not_belong_there_is_refused() {
    let site = Site::new();
    let mut told = Vec::new();
    let other: Configuration = settings(json!({"environment": "production", "values": {}}));
    let refused = site
        .environment
        .deploy(&request(&site.store, &site.first, &other, None))
        .await;
    told.push(chain(&refused.unwrap_err()));
    let mut empty = site.first.clone();
    empty.artifacts.clear();
    told.push(chain(&site.deploy_with(&empty, None).await.unwrap_err()));
    let relative = DirectorySettings::new("envs/staging");
    let descriptor = site.environment.descriptor().clone();
    told.push(chain(
        &DirectoryEnvironment::new(descriptor.clone(), relative.clone()).unwrap_err(),
    ));
    insta::assert_snapshot!(told.join("\n"), @r#"
    environment `staging` refuses: the configuration belongs to `production`
    environment `staging` refuses: test 1.0.0 has no artifacts
    environment `staging` refuses: its path `envs/staging` is not absolute
    "#);
    let below = DirectoryEnvironment::new(descriptor, relative.below(Path::new("/srv"))).unwrap();
    assert_eq!(below.location().unwrap(), "/srv/envs/staging/current");
}

#[tokio::test]
async fn the_live_release_is_not_retired() {
    let site = Site::new();
    let digest = |release: &Release| release.digest().unwrap();
    site.environment.retire(&digest(&site.first), None).await.unwrap();
    site.deploy(&site.first).await;
    site.deploy(&site.second).await;
    let error = site
        .environment
        .retire(&digest(&site.second), None)
        .await
        .unwrap_err();
    assert!(matches!(error, EnvironmentError::Refused { .. }), "{error}");
    site.environment.retire(&digest(&site.first), None).await.unwrap();
    assert_eq!(site.releases().len(), 1);
    site.assert_live(&site.second).await;
}

#[tokio::test]
async fn a_lower_fence_comes_too_late() {
    let site = Site::new();
    site.deploy_with(&site.first, Some(fence(2, 1))).await.unwrap();
    site.deploy_with(&site.first, Some(fence(2, 1))).await.unwrap();
    for late in [fence(1, 9), fence(2, 0)] {
        let error = site.deploy_with(&site.second, Some(late)).await.unwrap_err();
        assert!(matches!(error, EnvironmentError::Fenced { .. }), "{error}");
        let error = site
            .environment
            .retire(&Digest::of(b""), Some(late))
            .await
            .unwrap_err();
        assert!(matches!(error, EnvironmentError::Fenced { .. }), "{error}");
    }
    site.assert_live(&site.first).await;
    let fenced = site.environment.fenced().unwrap();
    assert_eq!(fenced.highest_fence().await.unwrap(), Some(fence(2, 1)));
    site.deploy(&site.second).await;
    fs::write(site.path("fence.json"), "").unwrap();
    let error = site
        .deploy_with(&site.first, Some(fence(9, 1)))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("fence.json"),
        "a lost fence is not no fence: {error}"
    );
}

#[test]
fn of_two_that_race_the_higher_fence_is_last() {
    for _ in 0..20 {
        let site = Arc::new(Site::new());
        let barrier = Arc::new(Barrier::new(2));
        let race = |offered: Fence, which: fn(&Site) -> &Release| {
            let (site, barrier) = (Arc::clone(&site), Arc::clone(&barrier));
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                barrier.wait();
                runtime.block_on(site.deploy_with(which(&site), Some(offered)))
            })
        };
        let late = race(fence(1, 1), |site| &site.first);
        let high = race(fence(1, 2), |site| &site.second);
        let late = late.join().unwrap();
        high.join().unwrap().unwrap();
        assert!(matches!(late, Ok(()) | Err(EnvironmentError::Fenced { .. })));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(site.assert_live(&site.second));
    }
}

#[tokio::test]
async fn dropping_a_deployment_at_any_point_harms_nothing() {
    for polls in 0..40 {
        let site = Site::new();
        site.deploy(&site.first).await;
        let mut deployment = Box::pin(site.deploy_with(&site.second, Some(fence(1, 1))));
        let mut done = false;
        for _ in 0..polls {
            let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(deployment.as_mut().poll(cx)));
            if polled.await.is_ready() {
                done = true;
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(deployment);
        assert_eq!(site.drift().await, Vec::<String>::new());
        if !done {
            site.deploy(&site.first).await;
            site.assert_live(&site.first).await;
        }
    }
}

#[tokio::test]
async fn no_file_holds_a_secret() {
    let site = Site::new();
    site.deploy(&site.first).await;
    let files = files(&site.path(""));
    assert!(files.len() > 5);
    for file in files.iter().filter(|file| file.is_file()) {
        let bytes = fs::read(file).unwrap();
        assert!(
            !String::from_utf8_lossy(&bytes).contains(PLANTED),
            "{}",
            file.display()
        );
    }
    assert!(site.text("current/deployment.json").contains("test:planted"));
}
