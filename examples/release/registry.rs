use std::path::PathBuf;

use pipeline_artifacts::oci::{Credentials, OciError, Remote, RemoteName, RemoteOptions, Transferred};
use pipeline_artifacts::{Limit, Limits};
use pipeline_core::{ArtifactName, ChainDisplay, Clock, Digest, SystemClock};
use semver::Version;
use serde_json::json;

use crate::answer::{Answer, Exit, Problem};
use crate::artifacts::{find, input};
use crate::host::Host;

/// `release artifact push ARTIFACT REMOTE`
pub async fn push(host: &Host, query: &str, remote: &str, plain_http: bool) -> Result<Answer, Problem> {
    let artifact = find(&host.artifacts, query)?;
    let report = connect(remote, plain_http)?
        .push(&host.artifacts, &artifact)
        .await
        .map_err(|error| failed(&error, remote, plain_http))?;
    let text = format!(
        "{artifact} is {}\n  {}\n  {} attached\n",
        report.place,
        moved(&report.moved),
        report.attachments
    );
    Ok(Answer::new(Exit::Succeeded, json!({ "push": report }), text))
}

/// `release artifact pull REMOTE NAME@VERSION`
pub async fn pull(
    host: &Host,
    remote: &str,
    artifact: &str,
    digest: Option<&str>,
    limits: Limits,
    plain_http: bool,
) -> Result<Answer, Problem> {
    let wrong = || {
        Problem::input(format!(
            "`{artifact}` is no name and version such as `shop@1.4.0`"
        ))
    };
    let (name, version) = artifact.split_once('@').ok_or_else(wrong)?;
    let (name, version) = (
        ArtifactName::new(name)?,
        version.parse::<Version>().map_err(|_| wrong())?,
    );
    let digest = digest.map(str::parse::<Digest>).transpose()?;
    let place = remote;
    let remote = connect(remote, plain_http)?;
    let report = remote
        .pull(
            &host.artifacts.limiting(limits),
            &name,
            &version,
            digest.as_ref(),
            SystemClock.now(),
        )
        .await
        .map_err(|error| failed(&error, place, plain_http))?;
    let mut text = format!(
        "{} from {}\n  {}\n  {} attached\n",
        report.artifact,
        report.place,
        moved(&report.moved),
        report.attachments.len()
    );
    for skipped in &report.skipped {
        text.push_str(&format!("  not taken: {}: {}\n", skipped.digest, skipped.reason));
    }
    Ok(Answer::new(Exit::Succeeded, json!({ "pull": report }), text))
}

fn moved(moved: &Transferred) -> String {
    format!(
        "{} blobs with {} B moved, {} were there",
        moved.blobs, moved.bytes, moved.present
    )
}

/// A registry that does not do what it should. One on this computer has no encryption as a rule, and what TLS makes of that
/// tells nobody.
fn failed(error: &OciError, remote: &str, plain_http: bool) -> Problem {
    let mut text = ChainDisplay(error).to_string();
    let local = ["127.", "localhost", "[::1]"]
        .iter()
        .any(|host| remote.starts_with(host));
    if local && !plain_http && matches!(error, OciError::Registry { .. }) {
        text.push_str("; a registry on this computer that has no encryption needs --plain-http");
    }
    if let OciError::TooLarge { source, .. } = error {
        text.push_str(match source.limit {
            Limit::Entries => " (--max-entries)",
            _ => " (--max-bytes)",
        });
    }
    Problem::failure(text)
}

fn connect(remote: &str, plain_http: bool) -> Result<Remote, Problem> {
    let name: RemoteName = remote.parse().map_err(input)?;
    let mut options = RemoteOptions::default();
    options.plain_http = plain_http;
    if let Some(file) = docker_config() {
        options.credentials = Credentials::from_docker_config(file, name.registry(), name.repository())?;
    }
    Ok(Remote::new(name, options)?)
}

/// Where docker keeps what it knows of registries.
#[expect(clippy::disallowed_methods, reason = "a program may read its surroundings")]
fn docker_config() -> Option<PathBuf> {
    let directory = match std::env::var_os("DOCKER_CONFIG") {
        Some(directory) => PathBuf::from(directory),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".docker"),
    };
    Some(directory.join("config.json"))
}
