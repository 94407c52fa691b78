use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde::Deserialize;

use super::docker_config::server;
use super::{Credentials, CredentialsError};

/// How long a helper may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many bytes of an answer are read.
const MOST: u64 = 64 * 1024;

/// What a helper says when it has nothing (docker-credential-helpers, `credentials/error.go`).
const NOTHING: &str = "credentials not found in native keychain";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks `docker-credential-NAME get`, as docker does: the registry on its standard input, JSON on its standard output.
pub(super) fn ask(name: &str, registry: &str) -> Result<Credentials, CredentialsError> {
    let program = format!("docker-credential-{name}");
    let wrong = |reason: String| CredentialsError::Helper {
        helper: program.clone(),
        registry: registry.to_owned(),
        reason,
    };
    // It is a name and no path: nothing but what is installed is run.
    if name.is_empty()
        || !name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    {
        return Err(wrong("that is no name of a helper".to_owned()));
    }
    let child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| wrong(format!("it cannot be run: {error}")))?;
    let (good, output) = talk(child, server(registry)).map_err(wrong)?;
    if !good {
        return match output.trim() {
            said if said.starts_with(NOTHING) => Ok(Credentials::Anonymous),
            _ => Err(wrong("it failed".to_owned())),
        };
    }
    let answer: Answer =
        serde_json::from_str(&output).map_err(|_| wrong("it printed no credentials".to_owned()))?;
    match answer.username.as_str() {
        "<token>" => Err(wrong(
            "it has an identity token, which is not supported; log in with a password or an access token"
                .to_owned(),
        )),
        _ => Ok(Credentials::Basic {
            username: answer.username,
            password: answer.secret,
        }),
    }
}

/// Gives a helper its question, and takes its answer. Whether it ended well, and what it printed.
fn talk(mut child: Child, registry: &str) -> Result<(bool, String), String> {
    let (mut input, output) = (child.stdin.take(), child.stdout.take());
    if let Some(input) = &mut input {
        // One that does not read its input fails by itself.
        let _ = writeln!(input, "{registry}");
    }
    drop(input);
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = output.map(|output| output.take(MOST).read_to_string(&mut text));
        // Nobody listens when it took too long.
        let _ = sender.send(read.is_some_and(|read| read.is_ok()).then_some(text));
    });
    let text = receiver.recv_timeout(PATIENCE);
    if text.is_err() {
        // It may have ended just now.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    match text {
        Ok(Some(text)) => Ok((status.success(), text)),
        Ok(None) => Err("what it printed is no text".to_owned()),
        Err(_) => Err(format!("it took longer than {} seconds", PATIENCE.as_secs())),
    }
}
