//! A registry on this computer, as it is installed here.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pipeline_artifacts::oci::{Remote, RemoteName, RemoteOptions};
use tokio::runtime::Runtime;

use super::ground::Ground;
use crate::Failure;
use crate::report::{Figure, Sink};

const PROGRAM: &str = "docker-registry";

/// A registry that is empty at first, and ends when it is dropped. It keeps its blobs on the ground, and flushes each.
#[derive(Debug)]
pub(super) struct Registry {
    child: Child,
    port: u16,
}

impl Registry {
    /// Whether it is installed; says so when it is not.
    pub(super) fn is_here(sink: &mut dyn Sink) -> Result<bool, Failure> {
        let found = Command::new(PROGRAM)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if found.is_err() {
            sink.figure(Figure::absent(format!(
                "push: {PROGRAM} is not installed, not measured"
            )))?;
        }
        Ok(found.is_ok())
    }

    /// Starts one whose directory has this name, and waits until it listens.
    pub(super) fn start(runtime: &Runtime, ground: &Ground, name: &str) -> Result<Self, Failure> {
        let directory = ground.empty(name)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let config = directory.join("config.yml");
        let blobs = directory.join("blobs");
        fs::write(
            &config,
            format!(
                "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
                blobs.display()
            ),
        )?;
        let child = Command::new(PROGRAM)
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let registry = Self { child, port };
        for _ in 0..400 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(registry);
            }
            runtime.block_on(async { tokio::time::sleep(Duration::from_millis(25)).await });
        }
        Err(format!("{PROGRAM} does not listen on port {port}").into())
    }

    /// A repository in it, with connections of its own.
    pub(super) fn remote(&self, repository: &str) -> Result<Remote, Failure> {
        let name: RemoteName = format!("127.0.0.1:{}/{repository}", self.port).parse()?;
        let mut options = RemoteOptions::default();
        options.plain_http = true;
        Ok(Remote::new(name, options)?)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
