//! Encrypted connections, and who is trusted.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pipeline_artifacts::LocalStore;
use pipeline_artifacts::oci::{OciError, Remote, RemoteName, RemoteOptions};

use super::{Registry, now, published};
use crate::{Bench, shop, skipped, text, v};

/// Runs `openssl` in the directory of the test; `false` when it is not installed.
pub(super) fn openssl(bench: &Bench, arguments: &str) -> bool {
    let mut command = Command::new("openssl");
    command
        .args(arguments.split_whitespace())
        .current_dir(bench.dir.path());
    let Ok(output) = command.output() else {
        skipped("openssl is not installed");
        return false;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments}: {said}");
    true
}

/// An authority, with a key: `NAME.pem`, `NAME.key`.
pub(super) fn authority(bench: &Bench, name: &str) -> bool {
    openssl(
        bench,
        &format!(
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem"
        ),
    )
}

/// A server's certificate for 127.0.0.1, by an authority.
fn certificate(bench: &Bench, by: &str) -> bool {
    fs::write(
        bench.path("server.ext"),
        "subjectAltName = IP:127.0.0.1\nbasicConstraints = critical, CA:FALSE\n",
    )
    .unwrap();
    [
        "req -newkey rsa:2048 -nodes -subj /CN=registry -keyout server.key -out server.csr".to_owned(),
        format!(
            "x509 -req -in server.csr -CA {by}.pem -CAkey {by}.key -CAcreateserial -days 2 -extfile server.ext -out server.pem"
        ),
    ]
    .iter()
    .all(|arguments| openssl(bench, arguments))
}

fn remote(host: &str, port: u16, roots: &[PathBuf]) -> Result<Remote, OciError> {
    let name: RemoteName = format!("{host}:{port}/infra/shop").parse().unwrap();
    let mut options = RemoteOptions::default();
    let roots: Vec<_> = roots
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    options.roots = roots.concat();
    // Who is not trusted is not asked again: nobody waits so long.
    options.retries.first = Duration::from_secs(3600);
    options.retries.longest = options.retries.first;
    Remote::new(name, options)
}

/// An encrypted server that leads from one address to a place that is not encrypted, and has nothing else.
pub(super) fn redirecting(bench: &Bench, from: &str) -> Option<(u16, Server)> {
    if !(authority(bench, "ours") && certificate(bench, "ours")) {
        return None;
    }
    let plain = super::http::serve(|_| super::http::answer("200 OK", "application/json", "{}"));
    let file = bench.path(&format!("site{from}"));
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let elsewhere = format!("HTTP/1.0 302 Found\r\nLocation: http://127.0.0.1:{plain}/\r\n\r\n");
    fs::write(file, elsewhere).unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let child = Command::new("openssl")
        .args([
            "s_server",
            "-HTTP",
            "-quiet",
            "-cert",
            "../server.pem",
            "-key",
            "../server.key",
            "-accept",
        ])
        .arg(format!("127.0.0.1:{port}"))
        .current_dir(bench.path("site"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut server = Server(child);
    // It answers one after another, so nobody may connect only to see whether it is there.
    let listens = format!(":{port:04X} 00000000:0000 0A");
    while !fs::read_to_string("/proc/net/tcp").unwrap().contains(&listens) {
        assert_eq!(server.0.try_wait().unwrap(), None, "it does not listen");
        std::thread::yield_now();
    }
    Some((port, server))
}

/// A server that ends with the test.
pub(super) struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A remote that trusts our authority.
pub(super) fn trusting(bench: &Bench, port: u16) -> Remote {
    remote("127.0.0.1", port, &[bench.path("ours.pem")]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_is_believed_whose_authority_is_trusted() {
    let bench = Bench::new();
    if !(authority(&bench, "ours") && authority(&bench, "strangers") && certificate(&bench, "ours")) {
        return;
    }
    let tls = format!(
        "  tls:\n    certificate: {}\n    key: {}\n",
        bench.path("server.pem").display(),
        bench.path("server.key").display()
    );
    let Some(registry) = Registry::start(&bench, &tls).await else {
        return;
    };
    let artifact = published(&bench, "1.4.0", "first");
    let (ours, strangers) = (bench.path("ours.pem"), bench.path("strangers.pem"));
    // Who is not trusted, and who is called otherwise than the certificate says, gets nothing.
    for (host, roots) in [
        ("127.0.0.1", [].as_slice()),
        ("127.0.0.1", std::slice::from_ref(&strangers)),
        ("localhost", std::slice::from_ref(&ours)),
    ] {
        let remote = remote(host, registry.port, roots).unwrap();
        let push = remote.push(&bench.store, &artifact);
        let pushed = tokio::time::timeout(Duration::from_secs(60), push).await;
        let error = pushed.expect("it is said at once").unwrap_err();
        let text = text(&error, bench.dir.path());
        assert!(text.contains("certificate"), "{host}, {roots:?}: {text}");
    }
    let plain = registry.remote().push(&bench.store, &artifact).await;
    assert!(plain.is_err(), "{plain:?}");
    assert!(registry.blobs(&bench).is_empty(), "nothing was written");

    // Among others.
    let remote = remote("127.0.0.1", registry.port, &[strangers, ours]).unwrap();
    remote.push(&bench.store, &artifact).await.unwrap();
    let other = LocalStore::open(bench.path("other")).unwrap();
    let pulled = remote
        .pull(&other, &shop(), &v("1.4.0"), None, now())
        .await
        .unwrap();
    assert_eq!(pulled.artifact, artifact);
}

#[test]
fn what_is_no_certificate_is_said() {
    let name: RemoteName = "registry.example.com/infra/shop".parse().unwrap();
    let error = |roots: &str| {
        let mut options = RemoteOptions::default();
        options.roots = roots.to_owned();
        let error = Remote::new(name.clone(), options).unwrap_err();
        assert!(matches!(
            error,
            OciError::Refused { .. } | OciError::Registry { .. }
        ));
        text(&error, std::path::Path::new("<none>"))
    };
    let none = "`roots` is refused: there is no certificate in it; expected PEM";
    assert_eq!(error("/etc/ssl/registry.pem"), none);
    error("-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n");
    // One that was cut off is not left out.
    assert_eq!(
        error("-----BEGIN CERTIFICATE-----\nMIIB"),
        "`roots` is refused: a certificate in it has no end"
    );
}

/// One request, and an answer that says what to do.
#[tokio::test]
async fn who_does_not_speak_tls_is_named() {
    let bench = Bench::new();
    let artifact = published(&bench, "1.4.0", "first");
    let (asked, port) = {
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, counted) = (
            listener.local_addr().unwrap().port(),
            std::sync::Arc::clone(&asked),
        );
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                std::thread::spawn(move || {
                    let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n");
                    let _ = std::io::copy(&mut stream, &mut std::io::sink());
                });
            }
        });
        (asked, port)
    };
    let error = remote("127.0.0.1", port, &[]).unwrap();
    let push = error.push(&bench.store, &artifact);
    let pushed = tokio::time::timeout(Duration::from_secs(30), push).await;
    let error = pushed.expect("it asks again").unwrap_err();
    let said = "it does not speak TLS; `plain_http` is for such a registry";
    assert!(error.to_string().ends_with(said), "{error}");
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 1);
}
