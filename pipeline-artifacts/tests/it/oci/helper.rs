//! Programs that keep credentials for docker, found by `PATH`: so they are asked in a process of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use pipeline_artifacts::oci::Credentials;

use crate::Bench;

/// Where the configuration is, and for which registry.
const TASK: &str = "PIPELINE_ARTIFACTS_TEST_HELPER";

/// Not a test: asks, and writes down what the answer was.
#[test]
#[ignore = "run by the test below, in a process of its own"]
fn asker() {
    let Some(task) = crate::task(TASK) else { return };
    let (config, registry) = task.split_once('|').unwrap();
    let said = match Credentials::from_docker_config(config, registry, "infra/shop") {
        Ok(Credentials::Basic { username, password }) => format!("{username}, {password}"),
        Ok(other) => format!("{other:?}"),
        Err(error) => error.to_string(),
    };
    fs::write(format!("{config}.said"), said).unwrap();
}

/// What comes of asking, with some programs of the shell in the `PATH`.
fn said(bench: &Bench, config: &str, registry: &str, programs: &[(&str, &str)]) -> String {
    let bin = bench.path("bin");
    fs::create_dir_all(&bin).unwrap();
    for (name, script) in programs {
        let program = bin.join(format!("docker-credential-{name}"));
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = bench.path("config.json");
    fs::write(&path, config).unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "oci::helper::asker", "--ignored"])
        .env(TASK, format!("{}|{registry}", path.display()))
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .output()
        .unwrap()
        .status;
    assert!(status.success());
    fs::read_to_string(bench.path("config.json.said")).unwrap()
}

#[test]
fn helpers_are_asked_and_believed() {
    let bench = Bench::new();
    let programs = [
        // Tells what it was asked.
        (
            "one",
            r#"read -r host; echo "{\"ServerURL\":\"$host\",\"Username\":\"$1\",\"Secret\":\"for $host\"}""#,
        ),
        ("rest", r#"echo '{"Username":"rest","Secret":"of them"}'"#),
        (
            "nothing",
            "echo 'credentials not found in native keychain'; exit 1",
        ),
        ("broken", "echo secret; exit 1"),
        ("odd", "echo secret"),
        ("token", r#"echo '{"Username":"<token>","Secret":"secret"}'"#),
    ];
    let config = r#"{
        "credsStore": "rest",
        "credHelpers": {"one.example.com": "one", "nothing.example.com": "nothing",
            "broken.example.com": "broken", "odd.example.com": "odd", "token.example.com": "token"},
        "auths": {"one.example.com": {"auth": "YTpi"}, "two.example.com": {"auth": "YTpi"}}
    }"#;
    for (registry, expected) in [
        ("one.example.com", "get, for one.example.com"),
        // What stands in the file comes before the program for all others.
        ("two.example.com", "a, b"),
        ("three.example.com", "rest, of them"),
        ("nothing.example.com", "Anonymous"),
        (
            "broken.example.com",
            "`docker-credential-broken` does not tell the credentials of broken.example.com: it failed",
        ),
        (
            "odd.example.com",
            "`docker-credential-odd` does not tell the credentials of odd.example.com: it printed no credentials",
        ),
        (
            "token.example.com",
            "`docker-credential-token` does not tell the credentials of token.example.com: it has an identity token, \
             which is not supported; log in with a password or an access token",
        ),
    ] {
        assert_eq!(said(&bench, config, registry, &programs), expected);
    }
}
