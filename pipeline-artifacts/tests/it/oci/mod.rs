//! Pushing to a registry, and pulling from it: Debian's `docker-registry`, on this computer.

mod again;
mod at_once;
mod elsewhere;
mod endless;
mod helper;
mod http;
mod list;
mod pages;
mod proof;
mod ranges;
mod referrers;
mod slow;
pub(crate) mod strange;
mod tls;
mod token;
mod unasked;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use pipeline_artifacts::oci::{Credentials, OciError, Remote, RemoteName, RemoteOptions};
use pipeline_artifacts::{LocalStore, NewAttachment};
use pipeline_core::{ArtifactRef, Timestamp};

use crate::{Bench, files, shop, v};

/// What is broken may wait, or go on, for ever: then the test fails, and does not hang.
async fn in_time<T>(doing: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(Duration::from_secs(30), doing).await;
    done.expect("it ends")
}

/// A registry that ends with the test.
struct Registry {
    child: Child,
    port: u16,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Registry {
    /// `None` where it is not installed.
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    async fn start(bench: &Bench, more: &str) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let config = bench.path(&format!("registry-{port}.yml"));
        let data = bench.path("registry");
        let text = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n{more}",
            data.display()
        );
        std::fs::write(&config, text).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            eprintln!("SKIPPED: docker-registry is not installed");
            return None;
        };
        let registry = Self { child, port };
        for _ in 0..400 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(registry);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("docker-registry does not listen on {port}");
    }

    fn remote(&self) -> Remote {
        remote(self.port, Credentials::Anonymous)
    }

    /// The names of the blobs that it holds.
    fn blobs(&self, bench: &Bench) -> Vec<std::path::PathBuf> {
        let blobs = bench.path("registry/docker/registry/v2/blobs");
        if blobs.exists() { files(&blobs) } else { Vec::new() }
    }
}

/// When everything is pulled.
fn now() -> Timestamp {
    "2026-11-26T12:00:00Z".parse().unwrap()
}

fn remote(port: u16, credentials: Credentials) -> Remote {
    let name: RemoteName = format!("127.0.0.1:{port}/infra/shop").parse().unwrap();
    let mut options = RemoteOptions::default();
    options.plain_http = true;
    options.credentials = credentials;
    options.retries.first = Duration::ZERO;
    Remote::new(name, options).unwrap()
}

/// An artifact of more than one layer, where layers are cut.
fn published(bench: &Bench, version: &str, marker: &str) -> ArtifactRef {
    let mut tree = bench
        .tree(&format!("dist-{version}"))
        .filled()
        .file("marker", marker);
    for number in 0..200_u32 {
        let byte = number.to_le_bytes()[0];
        tree = tree.file(&format!("data/{number}"), vec![byte; 5000]);
    }
    let large: Vec<u8> = (0..3_000_000_u32)
        .map(|number| (number / 7).to_le_bytes()[0])
        .collect();
    bench.publish(&tree.file("large", large), version)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_travels_whole_and_only_once() {
    let bench = Bench::new();
    let Some(registry) = Registry::start(&bench, "").await else {
        return;
    };
    let artifact = published(&bench, "1.4.0", "first");
    let sbom = r#"{"bomFormat":"CycloneDX","specVersion":"1.6"}"#;
    bench
        .store
        .attach(&artifact.digest, &NewAttachment::recognise(sbom).unwrap())
        .unwrap();
    bench
        .store
        .attach(&artifact.digest, &NewAttachment::note("# Hi\n"))
        .unwrap();

    let remote = registry.remote();
    let pushed = remote.push(&bench.store, &artifact).await.unwrap();
    assert_eq!(
        pushed.place,
        format!("127.0.0.1:{}/infra/shop:1.4.0", registry.port)
    );
    assert_eq!(pushed.attachments, 2);
    assert!(
        pushed.moved.blobs >= 4 && pushed.moved.bytes > 4_000_000,
        "{pushed:?}"
    );
    let there = registry.blobs(&bench);

    // A second time moves nothing, and writes nothing there.
    let again = remote.push(&bench.store, &artifact).await.unwrap();
    assert_eq!((again.moved.blobs, again.moved.bytes), (0, 0));
    assert_eq!(again.moved.present, pushed.moved.blobs + pushed.moved.present);
    assert_eq!(registry.blobs(&bench), there);

    // Into an empty store: the same artifact, with what is attached to it.
    let other = LocalStore::open(bench.path("other")).unwrap();
    let pulled = remote
        .pull(&other, &shop(), &v("1.4.0"), None, now())
        .await
        .unwrap();
    assert_eq!(pulled.artifact, artifact);
    assert_eq!(pulled.skipped, []);
    assert_eq!(
        other.find(&shop(), &v("1.4.0")).unwrap().as_ref(),
        Some(&artifact)
    );
    let attached = |store: &LocalStore| store.attachments(&artifact.digest).unwrap();
    assert_eq!(attached(&other), attached(&bench.store));
    assert_eq!(pulled.attachments.len(), 2);
    let report = other.verify().unwrap();
    assert!(report.is_good(), "{report}");
    let read = other.artifact(&artifact).unwrap().file("data/7").unwrap();
    assert_eq!(read, vec![7; 5000]);
    let again = remote
        .pull(&other, &shop(), &v("1.4.0"), Some(&artifact.digest), now())
        .await
        .unwrap();
    assert_eq!(again.moved.blobs, 0);

    // A new version moves what is new in it.
    let next = published(&bench, "1.5.0", "second");
    let pushed = remote.push(&bench.store, &next).await.unwrap();
    assert!(pushed.moved.present > 0, "{pushed:?}");
    let pulled = remote
        .pull(&other, &shop(), &v("1.5.0"), None, now())
        .await
        .unwrap();
    assert_eq!(pulled.artifact, next);

    // One more attachment is added to the list, and none is lost.
    bench
        .store
        .attach(&artifact.digest, &NewAttachment::note("# More\n"))
        .unwrap();
    remote.push(&bench.store, &artifact).await.unwrap();
    let pulled = remote
        .pull(&other, &shop(), &v("1.4.0"), None, now())
        .await
        .unwrap();
    assert_eq!(pulled.attachments.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_is_never_moved_and_what_is_not_there_is_said() {
    let bench = Bench::new();
    let Some(registry) = Registry::start(&bench, "").await else {
        return;
    };
    let remote = registry.remote();
    let first = published(&bench, "1.4.0", "first");
    remote.push(&bench.store, &first).await.unwrap();
    let second = published(&bench, "1.5.0", "second");
    let moved = ArtifactRef {
        version: first.version.clone(),
        ..second.clone()
    };
    let error = remote.push(&bench.store, &moved).await.unwrap_err();
    assert!(
        matches!(&error, OciError::Taken { published, .. } if *published == first.digest),
        "{error}"
    );
    let other = LocalStore::open(bench.path("other")).unwrap();
    assert_eq!(
        remote
            .pull(&other, &shop(), &v("1.4.0"), None, now())
            .await
            .unwrap()
            .artifact,
        first
    );

    for (version, digest) in [("9.9.9", None), ("1.4.0", Some(second.digest))] {
        let error = remote
            .pull(&other, &shop(), &v(version), digest.as_ref(), now())
            .await
            .unwrap_err();
        assert!(matches!(error, OciError::NotFound { .. }), "{error:?}");
    }
    // An artifact that is damaged here is not pushed, and the blob is named.
    let large = files(&bench.path("store/blobs/sha256"));
    let large = large
        .iter()
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap();
    let mut bytes = std::fs::read(large).unwrap();
    bytes[100_000] ^= 1;
    crate::damage(large, &bytes);
    let elsewhere: RemoteName = format!("127.0.0.1:{}/elsewhere", registry.port).parse().unwrap();
    let mut options = RemoteOptions::default();
    options.plain_http = true;
    options.retries.first = Duration::ZERO;
    let elsewhere = Remote::new(elsewhere, options).unwrap();
    let error = elsewhere.push(&bench.store, &first).await.unwrap_err();
    let text = crate::text(&error, bench.dir.path());
    let name = large.file_name().unwrap().to_str().unwrap();
    assert!(text.contains(name) && text.contains("is damaged"), "{text}");
}

/// How the request begins that makes an artifact visible.
const LAST_REQUEST: &[u8] = b"PUT /v2/infra/shop/manifests/";

/// Passes on bytes to a port, until so many went there, or the last request of a push comes; then it breaks every
/// connection.
async fn fragile(port: u16, bytes: i64) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    let left = Arc::new(AtomicI64::new(bytes));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let left = Arc::clone(&left);
            if left.load(Ordering::SeqCst) <= 0 {
                return;
            }
            let server = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let (client, server) = (client.into_std().unwrap(), server.into_std().unwrap());
            for stream in [&client, &server] {
                stream.set_nonblocking(false).unwrap();
            }
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let up = Arc::clone(&left);
            std::thread::spawn(move || pass(from, to, &up));
            std::thread::spawn(move || pass(server, client, &AtomicI64::new(i64::MAX)));
        }
    });
    own
}

fn pass(mut from: TcpStream, mut to: TcpStream, left: &AtomicI64) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if buffer[..read].starts_with(LAST_REQUEST) {
            left.store(0, Ordering::SeqCst);
        }
        if left.fetch_sub(read as i64, Ordering::SeqCst) < read as i64
            || to.write_all(&buffer[..read]).is_err()
        {
            break;
        }
    }
    for stream in [from, to] {
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_broke_off_goes_on_where_it_was() {
    let bench = Bench::new();
    let Some(registry) = Registry::start(&bench, "").await else {
        return;
    };
    let artifact = published(&bench, "1.4.0", "first");
    // Much goes through, but not all of it; then all but the end.
    for bytes in [2_500_000, i64::MAX] {
        let through = remote(fragile(registry.port, bytes).await, Credentials::Anonymous);
        let error = through.push(&bench.store, &artifact).await.unwrap_err();
        assert!(matches!(error, OciError::Registry { .. }), "{error:?}");
    }
    let other = LocalStore::open(bench.path("other")).unwrap();
    let nothing = registry
        .remote()
        .pull(&other, &shop(), &v("1.4.0"), None, now())
        .await
        .unwrap_err();
    assert!(
        matches!(nothing, OciError::NotFound { .. }),
        "nobody sees a part: {nothing}"
    );

    let pushed = registry.remote().push(&bench.store, &artifact).await.unwrap();
    // The second time, all but the manifest had arrived.
    assert_eq!((pushed.moved.present, pushed.moved.blobs), (3, 0), "{pushed:?}");
    let pulled = registry
        .remote()
        .pull(&other, &shop(), &v("1.4.0"), None, now())
        .await
        .unwrap();
    assert_eq!(pulled.artifact, artifact);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_come_from_the_configuration_of_docker() {
    let bench = Bench::new();
    // `alice` with the password `open sesame`, as `htpasswd -B` writes it: bcrypt.
    let hash = "alice:$2b$05$ZsI1XeuK4bmUP4vpNBbnFuu1j468nnEi1yPyPJwJjHVMHx6rI8/9u\n";
    std::fs::write(bench.path("htpasswd"), hash).unwrap();
    let auth = format!(
        "auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
        bench.path("htpasswd").display()
    );
    let Some(registry) = Registry::start(&bench, &auth).await else {
        return;
    };
    let artifact = published(&bench, "1.4.0", "first");
    let error = registry.remote().push(&bench.store, &artifact).await.unwrap_err();
    let text = crate::text(&error, bench.dir.path());
    assert!(
        matches!(error, OciError::Registry { .. }) && text.contains("uthorized"),
        "{text}"
    );

    let host = format!("127.0.0.1:{}", registry.port);
    let config = bench.path("config.json");
    let of = |config: &std::path::Path| Credentials::from_docker_config(config, &host, "infra/shop");
    assert_eq!(of(&config).unwrap(), Credentials::Anonymous);
    // `alice:open sesame`
    let text = format!(r#"{{"auths": {{"{host}": {{"auth": "YWxpY2U6b3BlbiBzZXNhbWU="}}}}}}"#);
    std::fs::write(&config, text).unwrap();
    let credentials = of(&config).unwrap();
    assert!(!format!("{credentials:?}").contains("sesame"));
    let pushed = remote(registry.port, credentials)
        .push(&bench.store, &artifact)
        .await
        .unwrap();
    assert!(pushed.moved.blobs > 0);

    // A helper that is not there is named; what is no name of a program is not run.
    for (helper, expected) in [
        (
            "not-installed-here",
            "`docker-credential-not-installed-here` does not tell",
        ),
        ("../evil", "that is no name of a helper"),
    ] {
        let text = format!(r#"{{"credHelpers": {{"{host}": "{helper}"}}}}"#);
        std::fs::write(&config, text).unwrap();
        let error = of(&config).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
async fn skopeo_finds_what_was_pushed() {
    let bench = Bench::new();
    let Some(registry) = Registry::start(&bench, "").await else {
        return;
    };
    if Command::new("skopeo").arg("--version").output().is_err() {
        eprintln!("SKIPPED: skopeo is not installed");
        return;
    }
    let artifact = published(&bench, "1.4.0", "first");
    registry.remote().push(&bench.store, &artifact).await.unwrap();
    let skopeo = |args: &[&str]| {
        let output = Command::new("skopeo").args(args).output().unwrap();
        assert!(
            output.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    };
    let from = format!("docker://127.0.0.1:{}/infra/shop:1.4.0", registry.port);
    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &from]);
    assert_eq!(pipeline_core::Digest::of(raw), artifact.digest);
    let into = format!("oci:{}:1.4.0", bench.path("layout").display());
    skopeo(&["copy", "--src-tls-verify=false", &from, &into]);
    let copied = bench.path(&format!("layout/blobs/sha256/{}", artifact.digest.hex()));
    assert!(copied.is_file());
}
