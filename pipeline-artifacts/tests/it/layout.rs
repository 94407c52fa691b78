//! The layout as other programs see it.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;

use pipeline_core::Digest;

use crate::{Bench, skipped};

/// A registry that ends with the test.
struct Registry(Child, u16);

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Registry {
    fn start(bench: &Bench) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let (config, data) = (bench.path("registry.yml"), bench.path("registry"));
        let text = format!(
            "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
            data.display()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new("docker-registry");
        command
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().ok()?;
        // It says when it listens; then its output is read so that it is never held up.
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let listens = lines
            .by_ref()
            .map_while(Result::ok)
            .any(|line| line.contains("listening on"));
        assert!(
            listens && TcpStream::connect(("127.0.0.1", port)).is_ok(),
            "the registry does not listen"
        );
        thread::spawn(move || lines.for_each(drop));
        Some(Self(child, port))
    }
}

fn skopeo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("skopeo")
        .arg("--insecure-policy")
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "skopeo {arguments:?}: {said}");
    output.stdout
}

/// The layout as it lies there goes to a registry, and comes back, under the same digest.
#[test]
fn skopeo_copies_the_layout_to_a_registry_and_back() {
    let bench = Bench::new();
    if Command::new("skopeo").arg("--version").output().is_err() {
        return skipped("skopeo is not installed");
    }
    let Some(registry) = Registry::start(&bench) else {
        return skipped("docker-registry is not installed");
    };
    let tree = (0..30_u8).fold(bench.tree("tree").filled(), |tree, number| {
        tree.file(&format!("data/{number}"), vec![number; 40_000])
    });
    let tree = tree.file(
        "large",
        (0..6_000_000_u32)
            .map(|at| (at / 251 % 256) as u8)
            .collect::<Vec<_>>(),
    );
    let published = bench.publish(&tree, "1.4.0");
    let other = bench.publish(&tree.file("more", "1"), "1.5.0-rc.1");
    let layout = bench.path("store/layouts/shop");
    for artifact in [published, other] {
        let tag = &artifact.version;
        let from = format!("oci:{}:{tag}", layout.display());
        let there = format!("docker://127.0.0.1:{}/infra/shop:{tag}", registry.1);
        let back = format!("oci:{}:{tag}", bench.path("back").display());
        skopeo(&["copy", "--dest-tls-verify=false", &from, &there]);
        let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &there]);
        assert_eq!(Digest::of(raw), artifact.digest, "in the registry");
        skopeo(&["copy", "--src-tls-verify=false", &there, &back]);
        let manifest = bench.path("back/blobs/sha256").join(artifact.digest.hex());
        assert_eq!(
            Digest::of(std::fs::read(manifest).unwrap()),
            artifact.digest,
            "and back"
        );
    }
    // Every blob that came back is one of ours, byte for byte.
    for path in crate::files(&bench.path("back/blobs")) {
        let ours = bench.path("store/blobs/sha256").join(path.file_name().unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(ours).unwrap());
    }
}
