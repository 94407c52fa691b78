//! Artifacts: what they are, where they come from, and how they travel.

use std::collections::BTreeSet;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::revisions::{commit, git};
use crate::support::{PACKAGE, Process, TestSpace, deployment, files_below, text};

const DATE: &str = "2026-11-20T12:00:00Z";

/// An app in a git repository, released as `app 1.0.0`.
fn released(stages: &str) -> TestSpace {
    let space = TestSpace::with_app(stages);
    git(&space, DATE, &["init", "-q"]);
    commit(&space, DATE, "The first");
    space.run(0);
    space
}

/// What must be proven: built by this program, signed with the key of the store, from a branch.
fn policy(space: &TestSpace, branch: &str) -> String {
    let source = space.source().canonicalize().unwrap();
    let text = format!(
        "format = 1\n\n[keys.ci]\nfile = \"store/keys/provenance.pub.pem\"\n\n[provenance]\n\
         builders = [\"https://example.com/release\"]\nsources = [\"git+file://{}\"]\nrefs = [\"refs/heads/{branch}\"]\n",
        source.display()
    );
    let file = space.root().join(format!("{branch}.toml"));
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[test]
fn artifacts_are_listed_shown_and_compared() {
    let space = released(PACKAGE);
    space.write("app/VERSION", "1.1.0\n");
    space.write("app/health", "much better\n");
    let second = commit(&space, DATE, "Better health");
    space.run(0);

    let listed = space.json(&["artifact", "list"]).expect(0);
    let versions: Vec<_> = listed.document["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| text(&one["version"]))
        .collect();
    assert_eq!(versions, ["1.1.0", "1.0.0"]);
    assert_eq!(listed.document["artifacts"][0]["revision"], second);

    // What is new since the version before is known, and that it is signed.
    let shown = space.json(&["artifact", "show", "app"]).expect(0);
    assert_eq!(shown.document["artifact"]["version"], "1.1.0");
    assert_eq!(
        shown.document["record"]["revisions"][0]["summary"],
        "Better health"
    );
    assert_eq!(shown.document["attachments"][0]["kind"], "provenance");
    let shown = space.release(&["artifact", "show", "app@1.0.0"]).expect(0);
    assert!(shown.stdout.contains("attached   provenance of"), "{shown}");

    let differ = space
        .release(&["artifact", "diff", "app@1.0.0", "app@^1.1"])
        .expect(1);
    assert!(differ.stdout.contains("~ health  5 B -> 12 B"), "{differ}");
    space.release(&["artifact", "diff", "app", "app"]).expect(0);
    let files = space.release(&["artifact", "files", "app"]).expect(0);
    assert!(files.stdout.contains("644            6  VERSION\n"), "{files}");
    let files = space.json(&["artifact", "files", "app"]).expect(0);
    assert_eq!(files.document["command"], "artifact");
    assert_eq!(files.document["artifact"]["name"], "app");
    let paths = files.document["entries"].as_array().unwrap().iter();
    let paths: Vec<_> = paths.map(|entry| entry["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["VERSION", "greeting.template", "health"], "{files}");
    let cat = space
        .release(&["artifact", "cat", "app@1.0.0", "health"])
        .expect(0);
    assert_eq!(cat.stdout, "good\n");
    let cat = space.json(&["artifact", "cat", "app", "health"]).expect(0);
    assert_eq!(cat.document["text"], "much better\n");

    let none = space.release(&["artifact", "list", "nothing"]).expect(0);
    assert!(none.stdout.contains("no artifact is called `nothing`"), "{none}");
    let shown = space.release(&["artifact", "show", "app"]).expect(0);
    assert!(
        shown
            .stdout
            .contains("content    3 entries, of which 3 are files with"),
        "{shown}"
    );
    let absent = space.json(&["artifact", "cat", "app@^1.1", "nowhere"]).expect(2);
    assert!(
        absent
            .error()
            .contains("has no file `nowhere`; list them with: release artifact files app@^1.1"),
        "{absent}"
    );

    for args in [
        &["artifact", "show", "nothing"][..],
        &["artifact", "show", "app@9.0.0"],
        &["artifact", "show", "app@not-a-version"],
        &["artifact", "cat", "app", "no/such/file"],
        &["artifact", "push", "app", "no-registry/app"],
        &["artifact", "pull", "localhost:1/app", "app"],
        &["artifact", "verify", "--policy", "absent.toml"],
    ] {
        let said = space.json(args).expect(2);
        assert!(!said.error().is_empty(), "{said}");
    }
}

#[test]
fn an_artifact_is_believed_when_its_origin_is_proven() {
    let space = released(PACKAGE);
    let (main, other) = (policy(&space, "main"), policy(&space, "other"));
    let proven = space
        .json(&["artifact", "verify", "app", "--policy", &main])
        .expect(0);
    assert_eq!(proven.document["origin"][0]["allowed"], true);
    let denied = space
        .release(&["artifact", "verify", "app", "--policy", &other])
        .expect(1);
    assert!(
        denied.stdout.contains("NO ref") && denied.stdout.contains("refs/heads/main"),
        "{denied}"
    );

    // An SBOM is stored as it is, and proves nothing.
    let sbom = space.root().join("sbom.json");
    fs::write(&sbom, "{\"bomFormat\": \"CycloneDX\"}").unwrap();
    let sbom = sbom.display().to_string();
    let attached = space.json(&["artifact", "attach", "app", &sbom]).expect(0);
    assert_eq!(attached.document["kind"], "SBOM (CycloneDX)");
    space
        .release(&["artifact", "verify", "--policy", &main])
        .expect(0);
    let readme = space.root().join("main.toml").display().to_string();
    space.json(&["artifact", "attach", "app", &readme]).expect(2);

    // Whoever takes away what proves it has an artifact that nobody believes.
    for file in files_below(&space.store().join("artifacts/referrers")) {
        fs::remove_file(file).unwrap();
    }
    let denied = space
        .release(&["artifact", "verify", "app", "--policy", &main])
        .expect(1);
    assert!(denied.stdout.contains("NOT PROVEN"), "{denied}");
}

/// Denied unless it is proven: each of these leaves one thing unproven, and the program says which.
#[test]
fn an_origin_is_denied_by_what_is_not_proven() {
    let space = released(PACKAGE);
    // The key of another program.
    let other = released(PACKAGE);
    fs::copy(
        other.store().join("keys/provenance.pub.pem"),
        space.root().join("other.pub.pem"),
    )
    .unwrap();
    let main = fs::read_to_string(policy(&space, "main")).unwrap();
    let changed = |name: &str, from: &str, to: &str| {
        assert!(main.contains(from), "{main}");
        let file = space.root().join(format!("{name}.toml"));
        fs::write(&file, main.replace(from, to)).unwrap();
        file.display().to_string()
    };
    let key = "file = \"store/keys/provenance.pub.pem\"\n";
    for (name, from, to, said) in [
        ("key", key, "file = \"other.pub.pem\"\n", "by no accepted key"),
        (
            "expired",
            key,
            &*format!("{key}valid-until = 2020-01-01T00:00:00Z\n"),
            "signatures",
        ),
        (
            "early",
            key,
            &*format!("{key}valid-from = 2999-01-01T00:00:00Z\n"),
            "signatures",
        ),
        (
            "builder",
            "https://example.com/release",
            "https://example.com/else",
            "builder",
        ),
        ("two", "format = 1\n", "format = 1\nthreshold = 2\n", ""),
        (
            "kind",
            "format = 1\n",
            "format = 1\npredicate-types = [\"https://slsa.dev/provenance/v1\", \"https://example.com/tested/v1\"]\n",
            "https://example.com/tested/v1",
        ),
    ] {
        let policy = changed(name, from, to);
        let denied = space.release(&["artifact", "verify", "app", "--policy", &policy]);
        // A policy that cannot be fulfilled at all is a mistake of its author.
        assert!(
            denied.exit == 1 || (name == "two" && denied.exit == 2),
            "{name}: {denied}"
        );
        let told = [denied.stdout.as_str(), denied.stderr.as_str()].concat();
        assert!(told.contains(said), "{name}: {denied}");
    }
    // One good key beside another that signed nothing is enough.
    let both = format!("{key}\n[keys.other]\nfile = \"other.pub.pem\"\n");
    let policy = changed("both", key, &both);
    space
        .release(&["artifact", "verify", "app", "--policy", &policy])
        .expect(0);
    // Other bytes than those that were signed, under a digest that fits them.
    let attached = space.json(&["artifact", "show", "app"]).expect(0);
    let part = text(&attached.document["attachments"][0]["attachment"]["parts"][0]["digest"]);
    let blob = space
        .store()
        .join("artifacts/blobs/sha256")
        .join(part.replace("sha256:", ""));
    let envelope = fs::read_to_string(&blob).unwrap();
    let at = envelope.find("\"sig\":\"").unwrap() + 8;
    let mut forged = envelope.into_bytes();
    forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
    let forged_file = space.root().join("forged.json");
    fs::write(&forged_file, &forged).unwrap();
    space
        .release(&["artifact", "attach", "app", &forged_file.display().to_string()])
        .expect(0);
    fs::remove_file(&blob).unwrap();
    let main = self::policy(&space, "main");
    let denied = space
        .release(&["artifact", "verify", "app", "--policy", &main])
        .expect(1);
    assert!(
        denied.stdout.contains("by no accepted key or of other bytes"),
        "{denied}"
    );
}

#[test]
fn an_artifact_is_built_again_from_its_revision() {
    let space = released(PACKAGE);
    let source = space.source().display().to_string();
    let main = policy(&space, "main");
    // The repository has moved on; the recorded revision counts.
    space.write("app/health", "changed since\n");
    commit(&space, DATE, "Move on");
    let same = space
        .json(&[
            "artifact", "rebuild", "app", "--source", &source, "--policy", &main,
        ])
        .expect(0);
    assert_eq!(same.document["same"], true);
    let nobody = policy(&space, "other");
    let unproven = space
        .json(&[
            "artifact", "rebuild", "app", "--source", &source, "--policy", &nobody,
        ])
        .expect(2);
    assert!(unproven.error().contains("no provenance"), "{unproven}");

    // What was not committed is not in the revision.
    space.write("app/VERSION", "2.0.0\n");
    space.run(0);
    let dirty = space
        .json(&["artifact", "rebuild", "app@2.0.0", "--source", &source])
        .expect(1);
    assert!(dirty.error().contains("not committed"), "{dirty}");
}

#[test]
fn a_build_that_gives_something_else_each_time_is_found_out() {
    let stages = r#"
[stages.build]
type = "command"
program = "sh"
args = ["-c", "echo x >> OUTSIDE/count; wc -l < OUTSIDE/count > app/count"]
effect = "idempotent"

[stages.package]
type = "package"
name = "app"
path = "app"
version-file = "app/VERSION"
after = ["build"]
produces = ["app"]
"#;
    let space = released(stages);
    let source = space.source().display().to_string();
    let other = space
        .release(&["artifact", "rebuild", "app", "--source", &source])
        .expect(1);
    assert!(other.stdout.contains("NOT THE SAME: app 1.0.0"), "{other}");
    assert!(other.stdout.contains("~ count  2 B -> 2 B"), "{other}");
    assert!(other.stdout.contains("1 changed, 3 the same"), "{other}");
}

#[test]
fn what_is_damaged_is_found_and_healed_from_another_store() {
    let space = released(PACKAGE);
    let copy = space.root().join("copy");
    let copied = Command::new("cp")
        .arg("-a")
        .arg(space.store().join("artifacts"))
        .arg(&copy)
        .status()
        .unwrap();
    assert!(copied.success());
    space.release(&["artifact", "verify"]).expect(0);

    let shown = space.json(&["artifact", "show", "app"]).expect(0);
    let digest = text(&shown.document["artifact"]["digest"]).replace("sha256:", "");
    let blobs = space.store().join("artifacts/blobs/sha256");
    let blob = blobs.join(&digest);
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(&blob).unwrap()).unwrap();
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, "damage").unwrap();
    // And one that only this manifest names: it is found once the manifest is whole.
    let layer = text(&manifest["layers"][1]["digest"]).replace("sha256:", "");
    fs::remove_file(blobs.join(&layer)).unwrap();
    let found = space.release(&["artifact", "verify"]).expect(1);
    assert!(
        found.stdout.contains("damaged blobs/sha256/") && found.stdout.contains("it breaks app 1.0.0"),
        "{found}"
    );
    let advice = "take what is damaged or missing from a store that has it with `--heal-from STORE`";
    assert!(found.stdout.contains(advice), "{found}");
    let found = space.release(&["artifact", "verify", "app"]).expect(1);
    assert!(
        found
            .stdout
            .contains(&format!("damaged blobs/sha256/{digest}: its bytes have digest"))
            && found.stdout.contains(advice),
        "{found}"
    );
    // Nothing is collected as long as it is not known what the artifact needs.
    let refused = space.json(&["artifact", "gc", "--yes"]).expect(1);
    assert!(
        refused.error().contains("what app 1.0.0 needs is not known"),
        "{refused}"
    );

    let nowhere = space.root().join("nowhere").display().to_string();
    let nothing = space
        .json(&["artifact", "verify", "--heal-from", &nowhere])
        .expect(2);
    assert!(nothing.error().contains("is no store of artifacts"), "{nothing}");
    // One that has the one and not the other: what is left is said, and why.
    let half = space.root().join("half");
    let copied = Command::new("cp")
        .arg("-a")
        .args([&copy, &half])
        .status()
        .unwrap();
    assert!(copied.success());
    fs::remove_file(half.join("blobs/sha256").join(&layer)).unwrap();
    let left = space
        .release(&["artifact", "verify", "--heal-from", &half.display().to_string()])
        .expect(1);
    assert!(
        left.stdout.contains("healed 1 of 2 blobs\n")
            && left.stdout.contains(&format!(
                "not healed: sha256:{layer}: the other store does not have it"
            )),
        "{left}"
    );
    let aside = space.store().join("artifacts/quarantine").join(&digest);
    assert_eq!(fs::read(aside).unwrap(), b"damage", "for a person to look at");
    let healed = space
        .json(&["artifact", "verify", "--heal-from", &copy.display().to_string()])
        .expect(0);
    assert_eq!(healed.document["healed"].as_array().unwrap().len(), 1);
    space.release(&["artifact", "verify", "app"]).expect(0);
    space.assert_verifies();
}

/// The empty configuration, too, which nothing unpacks: what is said is what was checked.
#[test]
fn one_artifact_is_verified_to_the_last_byte() {
    let space = released(PACKAGE);
    let said = space.release(&["artifact", "verify", "app"]).expect(0);
    // Manifest, configuration, contents, a layer; the provenance and its manifest.
    assert!(
        said.stdout.contains(": every byte is right\n6 blobs with ")
            && said.stdout.contains("1 record: no problem"),
        "{said}"
    );
    let blobs = space.store().join("artifacts/blobs/sha256");
    // What it needs, as its manifests say.
    let shown = space.json(&["artifact", "show", "app"]).expect(0);
    let attachments = shown.document["attachments"].as_array().unwrap();
    let attached = attachments.iter().map(|one| &one["attachment"]["digest"]);
    let mut own = BTreeSet::new();
    for manifest in std::iter::once(&shown.document["artifact"]["digest"]).chain(attached) {
        let digest = text(manifest).replace("sha256:", "");
        let manifest: serde_json::Value =
            serde_json::from_slice(&fs::read(blobs.join(&digest)).unwrap()).unwrap();
        let layers = manifest["layers"].as_array().unwrap().iter();
        let needed = layers.chain([&manifest["config"]]);
        own.extend(needed.map(|blob| text(&blob["digest"]).replace("sha256:", "")));
        own.insert(digest);
    }
    assert_eq!(own.len(), 6);
    for blob in files_below(&blobs) {
        let name = blob.file_name().unwrap().to_str().unwrap().to_owned();
        let bytes = fs::read(&blob).unwrap();
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 1;
        fs::remove_file(&blob).unwrap();
        fs::write(&blob, flipped).unwrap();
        let found = space.release(&["artifact", "verify", "app"]);
        assert_eq!(found.exit, i32::from(own.contains(&name)), "{name}: {found}");
        assert_eq!(
            found.stdout.contains("every byte is right"),
            !own.contains(&name),
            "{found}"
        );
        fs::remove_file(&blob).unwrap();
        fs::write(&blob, bytes).unwrap();
    }
    space.release(&["artifact", "verify", "app"]).expect(0);
}

#[test]
fn what_other_tools_read_is_verified_and_mended() {
    let space = released(PACKAGE);
    let index = space.store().join("artifacts/layouts/app/index.json");
    let right = fs::read_to_string(&index).unwrap();
    // One that is behind is no damage; one that says what never was is.
    fs::remove_file(&index).unwrap();
    let late = space.release(&["artifact", "verify"]).expect(0);
    assert!(
        late.stdout.contains("no problem, 1 outdated view") && late.stdout.contains("anew with `--mend`"),
        "{late}"
    );
    let all = space.release(&["verify"]).expect(0);
    assert!(
        all.stdout.contains("note: outdated layouts/app/index.json: it is not there; make it anew with: release artifact verify --mend"),
        "{all}"
    );
    fs::write(&index, right.replace("\"1.0.0\"", "\"1.0.1\"")).unwrap();
    let wrong = space.json(&["artifact", "verify"]).expect(1);
    assert_eq!(
        wrong.document["store"]["problems"][0],
        "damaged layouts/app/index.json: it shows `1.0.1`, of which there is no record"
    );
    space.release(&["verify"]).expect(1);
    let mended = space.json(&["artifact", "verify", "--mend"]).expect(0);
    assert_eq!(mended.document["store"]["outdated"], 0);
    let told = mended.document["mended"].to_string();
    assert!(told.contains("layouts/app/index.json"), "{told}");
    assert_eq!(fs::read_to_string(&index).unwrap(), right);
    space.assert_verifies();
}

#[test]
fn a_damaged_record_hides_no_other_damage() {
    let space = released(PACKAGE);
    let main = policy(&space, "main");
    let copy = space.root().join("copy");
    let artifacts = space.store().join("artifacts");
    let copied = Command::new("cp")
        .arg("-a")
        .args([&artifacts, &copy])
        .status()
        .unwrap();
    assert!(copied.success());
    let shown = space.json(&["artifact", "show", "app"]).expect(0);
    let digest = text(&shown.document["artifact"]["digest"]).replace("sha256:", "");
    let blobs = artifacts.join("blobs/sha256");
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(blobs.join(&digest)).unwrap()).unwrap();
    let layer = text(&manifest["layers"][1]["digest"]).replace("sha256:", "");
    fs::remove_file(blobs.join(&layer)).unwrap();
    let record = artifacts.join("catalog/app/1.0.0.json");
    fs::remove_file(&record).unwrap();
    fs::write(&record, "damage").unwrap();

    let found = space
        .release(&["artifact", "verify", "--policy", &main])
        .expect(1);
    assert!(
        found.stdout.contains("damaged catalog/app/1.0.0.json")
            && found.stdout.contains(&format!("missing blobs/sha256/{layer}"))
            && found.stdout.contains("it is not known what must be proven: "),
        "{found}"
    );
    let healed = space
        .json(&["artifact", "verify", "--heal-from", &copy.display().to_string()])
        .expect(0);
    assert_eq!(healed.document["healed"].as_array().unwrap().len(), 1, "{healed}");
    let taken = &healed.document["records"]["healed"];
    assert_eq!(text(&taken[0]["digest"]), format!("sha256:{digest}"), "{healed}");
    space.release(&["artifact", "verify", "app"]).expect(0);
    space.assert_verifies();
}

#[test]
fn a_collection_is_shown_first_and_takes_nothing_that_is_needed() {
    let space = TestSpace::with_app(PACKAGE);
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        space.write("app/VERSION", &format!("{version}\n"));
        space.write("app/data", &version.repeat(1000));
        space.run(0);
    }
    let policy = space.root().join("retention.toml");
    fs::write(&policy, "keep-last = 1\n").unwrap();
    let policy = policy.display().to_string();
    let plan = space.release(&["artifact", "gc", "--policy", &policy]).expect(0);
    assert!(
        plan.stdout.contains("nothing was changed; do it with --yes"),
        "{plan}"
    );
    let versions = || {
        let listed = space.json(&["artifact", "list", "app"]).expect(0);
        listed.document["artifacts"].as_array().unwrap().len()
    };
    assert_eq!(versions(), 3);
    // What is wrong with the request is said before anything is done.
    for (time, why) in [
        ("soon", "is no time such as 24h"),
        ("-1h", "it lies in the future"),
    ] {
        let refused = space
            .json(&[
                "artifact",
                "gc",
                "--policy",
                &policy,
                "--yes",
                "--keep-trash",
                time,
            ])
            .expect(2);
        assert!(
            refused.error().contains(&format!("--keep-trash `{time}`")) && refused.error().contains(why),
            "{refused}"
        );
    }
    assert_eq!(versions(), 3);
    let done = space
        .json(&["artifact", "gc", "--policy", &policy, "--yes", "--by", "ada"])
        .expect(0);
    assert_eq!(done.document["done"], true);
    assert_eq!(versions(), 1);
    space.assert_verifies();
    space.release(&["artifact", "verify"]).expect(0);
    let gone = space.json(&["artifact", "show", "app@1.0.0"]).expect(2);
    assert!(gone.error().contains("was removed: retention by"), "{gone}");
    let young = space.release(&["artifact", "gc", "--yes"]).expect(0);
    assert!(
        young.stdout.contains("what is too young goes with a later gc"),
        "{young}"
    );
    // Their bytes go, with what was attached to them; the store is whole between both steps and after.
    let now = ["artifact", "gc", "--yes", "--keep-trash", "0s"];
    let moved = space.json(&now).expect(0);
    assert!(
        moved.document["collected"]["moved"].as_u64().unwrap() > 4,
        "{moved}"
    );
    space.release(&["artifact", "verify"]).expect(0);
    space.release(&["artifact", "verify", "app"]).expect(0);
    space
        .json(&["artifact", "gc", "--policy", &space.file()])
        .expect(2);
}

#[test]
fn a_collection_keeps_what_runs_and_what_a_rollback_goes_back_to() {
    let space = TestSpace::with_app(&[PACKAGE, &deployment("production", "package")].concat());
    let release = |version: &str| {
        space.write("app/VERSION", &format!("{version}\n"));
        space.run(0);
    };
    release("1.0.0");
    // Live without being verified: a rollback goes back to the one before.
    let deployed = deployment("production", "package");
    let unverified = deployed.split("[stages.verify-production]").next().unwrap();
    space.define(&[PACKAGE, unverified].concat());
    release("2.0.0");
    // Built, and deployed nowhere.
    space.define(PACKAGE);
    for version in ["3.0.0", "4.0.0"] {
        release(version);
    }
    let policy = space.root().join("retention.toml");
    fs::write(&policy, "keep-last = 1\n").unwrap();
    let policy = policy.display().to_string();
    let plan = space.release(&["artifact", "gc", "--policy", &policy]).expect(0);
    for line in [
        "keep    1.0.0",
        "production could roll back to it",
        "keep    2.0.0",
        "production runs it",
        "remove  3.0.0",
        "keep    4.0.0",
        "it is the last",
    ] {
        assert!(plan.stdout.contains(line), "{line}: {plan}");
    }
    let all = carried_out(&policy);
    space.release(&all).expect(0);
    for version in ["1.0.0", "2.0.0", "4.0.0"] {
        let app = format!("app@{version}");
        space.release(&["artifact", "verify", &app]).expect(0);
    }
    space.json(&["artifact", "show", "app@3.0.0"]).expect(2);
    space.assert_verifies();
}

/// A collection by a policy that leaves nothing in the trash.
fn carried_out(policy: &str) -> [&str; 7] {
    [
        "artifact",
        "gc",
        "--policy",
        policy,
        "--yes",
        "--keep-trash",
        "0s",
    ]
}

/// Somebody else's store, whose key he may not read: what only looks works all the same, and changes nothing.
#[test]
fn a_collection_is_planned_in_a_store_that_may_only_be_read() {
    let space = released(PACKAGE);
    space.write("app/VERSION", "1.1.0\n");
    space.run(0);
    let policy = space.root().join("retention.toml");
    fs::write(&policy, "keep-last = 1\n").unwrap();
    let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    open(space.root());
    // A program that anybody may run, wherever it was built.
    let program = space.root().join("release");
    fs::copy(crate::support::program(), &program).unwrap();
    open(&program);
    let as_nobody = |args: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        command.arg(&program).arg("--store").arg(space.store()).args(args);
        command.current_dir(space.root()).output()
    };
    let said = as_nobody(&["artifact", "list"]);
    if !said
        .as_ref()
        .is_ok_and(|said| !String::from_utf8_lossy(&said.stderr).contains("setpriv:"))
    {
        eprintln!("SKIPPED: nobody else can be had here: no root, or no setpriv");
        return;
    }
    let policy = policy.display().to_string();
    for args in [
        &["artifact", "gc", "--policy", &policy][..],
        &["artifact", "gc"],
        &["artifact", "verify"],
        &["artifact", "verify", "app"],
        &["artifact", "show", "app"],
    ] {
        let said = as_nobody(args).unwrap();
        let (out, err) = (
            String::from_utf8_lossy(&said.stdout),
            String::from_utf8_lossy(&said.stderr),
        );
        assert_eq!(said.status.code(), Some(0), "{args:?}: {out}{err}");
        let own = space.release(args).expect(0);
        assert_eq!(out, own.stdout, "{args:?}");
    }
    let refused = as_nobody(&["artifact", "gc", "--yes"]).unwrap();
    let err =
        String::from_utf8_lossy(&refused.stdout).into_owned() + &String::from_utf8_lossy(&refused.stderr);
    assert!(
        refused.status.code() == Some(1) && err.contains("Permission denied"),
        "{err}"
    );
    space.assert_verifies();
}

/// What somebody approved, and what a change record is about, is evidence, though nothing runs it any more.
#[test]
fn a_collection_keeps_what_is_evidence() {
    let gated = |gate: &str| {
        let production = deployment("production", "package").replace(
            "after = [\"package\"]\n",
            &format!("after = [\"package\"]\ngates = [{gate}]\n"),
        );
        [PACKAGE, &production].concat()
    };
    let (approval, change) = (
        gated("{ type = \"approval\", not-requester = true }"),
        gated("{ type = \"change\", authorisers = [\"dave\"] }"),
    );
    let space = TestSpace::with_app(&approval);
    let version = |version: &str| space.write("app/VERSION", &format!("{version}\n"));
    let begin = || {
        space
            .json(&["run", &space.file(), "--by", "carol"])
            .expect(3)
            .run()
    };
    // Approved, deployed and replaced since.
    version("1.0.0");
    let approved = begin();
    space.json(&["approve", &approved, "--by", "dave"]).expect(0);
    space.json(&["resume", &approved]).expect(0);
    // A change that was given up.
    space.define(&change);
    version("2.0.0");
    let changed = begin();
    space
        .json(&["cancel", &changed, "--by", "carol", "--reason", "not now"])
        .expect(0);
    // Nobody approved this one, and it was given up.
    space.define(&approval);
    version("3.0.0");
    let waiting = begin();
    space
        .json(&["cancel", &waiting, "--by", "carol", "--reason", "not now"])
        .expect(0);
    // Without a gate, so without evidence; then two that run and could come back.
    space.define(&[PACKAGE, &deployment("production", "package")].concat());
    for number in ["4.0.0", "5.0.0"] {
        version(number);
        space.run(0);
    }
    let policy = space.root().join("retention.toml");
    fs::write(&policy, "keep-last = 1\n").unwrap();
    let policy = policy.display().to_string();
    let plan = space.release(&["artifact", "gc", "--policy", &policy]).expect(0);
    let line = |version: &str| {
        let mut lines = plan.stdout.lines();
        let found = lines.find(|line| line.contains(version)).unwrap();
        found.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let ends = |version: &str, fate: &str, why: &str| {
        let line = line(version);
        assert!(
            line.starts_with(&format!("{fate} {version}")) && line.ends_with(why),
            "{line}: {plan}"
        );
    };
    ends(
        "1.0.0",
        "keep",
        &format!("evidence: person:dave approved it in run {approved}"),
    );
    ends(
        "2.0.0",
        "keep",
        &format!("evidence of change {changed}.deploy-production"),
    );
    ends("3.0.0", "remove", "nobody needs it");
    ends("4.0.0", "remove", "nobody needs it");
    ends("5.0.0", "keep", "production runs it");
    let all = carried_out(&policy);
    space.release(&all).expect(0);
    space.release(&all).expect(0);
    for version in ["1.0.0", "2.0.0", "5.0.0"] {
        let app = format!("app@{version}");
        space.release(&["artifact", "verify", &app]).expect(0);
    }
    for version in ["3.0.0", "4.0.0"] {
        space
            .json(&["artifact", "show", &format!("app@{version}")])
            .expect(2);
    }
    space.assert_verifies();
}

/// A registry that ends with the test; `None`, said aloud, where it is not installed.
struct Registry {
    child: Child,
    port: u16,
}

impl Registry {
    fn start(space: &TestSpace) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let config = space.root().join("registry.yml");
        let data = space.root().join("registry");
        let text = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
            data.display()
        );
        fs::write(&config, text).unwrap();
        let started = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = started else {
            eprintln!("SKIPPED: docker-registry is not installed");
            return None;
        };
        let registry = Self { child, port };
        for _ in 0..4000 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(registry);
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        panic!("docker-registry does not listen");
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_artifact_goes_to_a_registry_and_comes_back_with_its_origin() {
    let space = released(PACKAGE);
    let Some(registry) = Registry::start(&space) else {
        return;
    };
    let remote = format!("127.0.0.1:{}/infra/app", registry.port);
    let pushed = space
        .json(&["artifact", "push", "app", &remote, "--plain-http"])
        .expect(0);
    assert!(
        pushed.document["push"]["moved"]["blobs"].as_u64().unwrap() > 0,
        "{pushed}"
    );
    let encrypted = space.json(&["artifact", "push", "app", &remote]).expect(1);
    assert!(encrypted.error().contains("needs --plain-http"), "{encrypted}");
    let again = space
        .json(&["artifact", "push", "app", &remote, "--plain-http"])
        .expect(0);
    assert_eq!(again.document["push"]["moved"]["blobs"], 0);

    let other = space.root().join("other");
    let pull = |version: &str| -> Process {
        let spec = format!("app@{version}");
        space.start_in(
            &other,
            &["--json", "artifact", "pull", &remote, &spec, "--plain-http"],
        )
    };
    let pulled = pull("1.0.0").end().expect(0);
    let pulled: serde_json::Value = serde_json::from_str(&pulled.stdout).unwrap();
    assert_eq!(pulled["pull"]["artifact"], pushed.document["push"]["artifact"]);
    // There it is believed by the key of the store that built it.
    let main = policy(&space, "main");
    space
        .start_in(&other, &["artifact", "verify", "app", "--policy", &main])
        .end()
        .expect(0);
    let absent = pull("9.9.9").end();
    assert_eq!(absent.exit, 1, "{absent}");
    assert!(absent.stdout.contains("there is no 127.0.0.1"), "{absent}");
}
