//! Comparing artifacts, and finding values of environments in them.

use pipeline_artifacts::{ChangeKind, Comparison, EnvironmentFree, FoundIn};
use pipeline_core::{Configuration, Secret};

use crate::{Bench, Tree};

fn configuration(environment: &str, text: &str) -> Configuration {
    Configuration::parse(environment.parse().unwrap(), text, "c.toml").unwrap()
}

#[test]
fn two_artifacts_are_compared_without_reading_their_files() {
    let bench = Bench::new();
    let before = bench
        .tree("before")
        .file("gone", "1234")
        .file("same", "same")
        .file("text", "old")
        .file("bin/app", "#!/bin/sh\n")
        .executable("bin/tool", "tool")
        .file("turns", "into a link")
        .link("link", "same");
    let after = bench
        .tree("after")
        .file("same", "same")
        .file("text", "new and longer")
        .executable("bin/app", "#!/bin/sh\n")
        .file("bin/tool", "other tool")
        .file("conf/new", vec![b'x'; 3000])
        .link("link", "text")
        .link("turns", "same");
    let before = bench.publish(&before, "1.4.0");
    let after = bench.publish(&after, "1.5.0");
    let open = |artifact| bench.store.artifact(artifact).unwrap();
    let (old, new) = (open(&before), open(&after));

    let found = Comparison::of(&old, &new).unwrap();
    // How artifacts are packed is not what is tested here.
    let short = |text: String| {
        text.replace(&before.digest.short(), "<old>")
            .replace(&after.digest.short(), "<new>")
    };
    insta::assert_snapshot!(short(found.to_string()));
    assert_eq!(found.count(ChangeKind::Mode), 1);
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["changes"][0]["path"], "bin/app");
    assert_eq!(json["changes"][0]["change"], "mode");

    let same = Comparison::of(&old, &old).unwrap();
    assert!(same.is_same() && same.same == old.entries().len());
    assert!(same.to_string().ends_with("no difference in 8 paths"), "{same}");
}

fn tree(bench: &Bench) -> Tree {
    let mut large = vec![b'.'; 700_000];
    large.splice(300_000..300_000, *b"\n\nstaging.example.com");
    bench
        .tree("dist")
        .file(
            "app.conf",
            "threads = 4\nhost = staging.example.com\n# staging.example.com\n",
        )
        .file("large", large)
        .file("clean", "nothing here, not even www.example.com")
        .file("for-hunter2secret/x", "password: hunter2secret")
        .link("live", "for-production-eu/x")
}

#[test]
fn a_thousand_findings_are_listed_and_all_are_counted() {
    let bench = Bench::new();
    let mut tree = bench.tree("many");
    for number in 0..1001 {
        tree = tree.file(&format!("staging.example.com-{number}"), "");
    }
    let artifact = bench.publish(&tree, "1.4.0");
    let artifact = bench.store.artifact(&artifact).unwrap();
    let staging = configuration("staging", "host = 'staging.example.com'");
    let found = EnvironmentFree::new()
        .configuration(&staging)
        .check(&artifact)
        .unwrap();
    assert_eq!((found.found.len(), found.total), (1000, 1001));
    assert!(found.to_string().ends_with("and 1 more"));
}

#[test]
fn values_of_environments_are_found_and_not_shown() {
    let bench = Bench::new();
    let artifact = bench.publish(&tree(&bench), "1.4.0");
    let artifact = bench.store.artifact(&artifact).unwrap();
    let staging = configuration(
        "staging",
        "host = 'staging.example.com'\nshared = 'www.example.com'\nshort = 'conf'\n[db]\npassword = { secret = 'env:P' }",
    );
    let production = configuration(
        "production",
        "host = 'live.example.com'\nshared = 'www.example.com'\nzones = ['production-eu']",
    );
    let check = EnvironmentFree::new()
        .configuration(&staging)
        .configuration(&production)
        .secret(&staging.environment, "db.password", &Secret::new("hunter2secret"));
    let found = check.check(&artifact).unwrap();
    insta::assert_snapshot!(
        found
            .to_string()
            .replace(&artifact.reference().digest.short(), "<digest>")
    );
    let all = format!(
        "{found} {found:?} {} {check:?}",
        serde_json::to_string(&found).unwrap()
    );
    assert!(!all.contains("hunter2secret"), "{all}");

    let large = found.found.iter().find(|found| found.path == "large").unwrap();
    assert_eq!(
        large.place,
        FoundIn::File {
            offset: 300_002,
            line: 3
        }
    );

    // Allowed, or too short: nothing is left but the secret, in three places, and the link.
    let allowed = check
        .clone()
        .allow(["staging.example.com"])
        .check(&artifact)
        .unwrap();
    assert_eq!(allowed.total, 4, "{allowed}");
    assert!(check.clone().min_length(14).check(&artifact).unwrap().total < found.total);
    // A short one is found when it is asked for.
    let short = check.clone().min_length(4).check(&artifact).unwrap();
    assert!(short.to_string().contains("`short` of `staging`"), "{short}");
    let error = check.min_length(0).check(&artifact).unwrap_err();
    assert!(error.to_string().contains("minimum length of 0"), "{error}");
    // One environment alone shares nothing.
    let alone = EnvironmentFree::new()
        .configuration(&staging)
        .check(&artifact)
        .unwrap();
    assert!(alone.to_string().contains("`shared` of `staging`"), "{alone}");
    assert!(EnvironmentFree::new().check(&artifact).unwrap().is_free());
}

#[test]
fn every_kind_of_value_is_looked_for_and_no_reference() {
    let bench = Bench::new();
    let tree = bench.tree("dist").file(
        "app.conf",
        "port=48123 vault:eu/shop/password deep-value-1 second-of-the-list 2026-11-25T12:00:00Z shared-secret-9",
    );
    let artifact = bench.store.artifact(&bench.publish(&tree, "1.0.0")).unwrap();
    let text = "port = 48123\n[db]\npassword = { secret = 'vault:eu/shop/password' }\n[a.b]\nc = 'deep-value-1'\n\
        [list]\nof = ['first-of-the-list', 'second-of-the-list']\n";
    let (one, two) = (
        configuration("one", text),
        configuration("two", "other = 'nothing here'"),
    );
    // A secret that all environments share is a secret still.
    let secret = Secret::new("shared-secret-9");
    let check = EnvironmentFree::new()
        .min_length(5)
        .configuration(&one)
        .configuration(&two)
        .secret(&one.environment, "token", &secret)
        .secret(&two.environment, "token", &secret);
    let found = check.check(&artifact).unwrap().to_string();
    for key in [
        "`port` of `one`",
        "`a.b.c` of `one`",
        "`list.of[1]` of `one`",
        "secret `token` of `one`",
    ] {
        assert!(found.contains(key), "{key}: {found}");
    }
    assert!(
        !found.contains("password") && !found.contains("first-of"),
        "{found}"
    );
}

/// One secret begins as another does: nothing of the longer one is shown with a path.
#[test]
fn secrets_in_a_path_are_masked_whole() {
    let bench = Bench::new();
    let tree = bench.tree("dist").file("keys/hunter2secret-and-more", "");
    let artifact = bench.store.artifact(&bench.publish(&tree, "1.0.0")).unwrap();
    let one = configuration("one", "");
    let check = EnvironmentFree::new()
        .secret(&one.environment, "short", &Secret::new("hunter2secret"))
        .secret(&one.environment, "long", &Secret::new("hunter2secret-and-more"));
    let found = check.check(&artifact).unwrap();
    assert_eq!(found.found.len(), 2);
    for finding in &found.found {
        assert_eq!(finding.path, "keys/***", "{finding}");
    }
}
