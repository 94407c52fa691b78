//! An approval is bound to exactly what would be done, comes from somebody else, and is void when that changes.

use crate::support::{PACKAGE, Said, TestSpace, deployment, text};

/// A deployment to production that somebody but the requester has to approve.
fn gated() -> TestSpace {
    let production = deployment("production", "package").replace(
        "after = [\"package\"]\n",
        "after = [\"package\"]\ngates = [{ type = \"approval\", not-requester = true }]\n",
    );
    let space = TestSpace::with_app(&[PACKAGE, &production].concat());
    // Another way to the same environment, without a gate.
    let staging = deployment("production", "package");
    space.define_as("hurry.toml", &[PACKAGE, &staging].concat());
    space
}

fn waiting(space: &TestSpace) -> Said {
    let waiting = space.json(&["run", &space.file(), "--by", "carol"]).expect(3);
    assert_eq!(waiting.document["status"], "waiting", "{waiting}");
    assert_eq!(waiting.state("deploy-production"), "waiting", "{waiting}");
    waiting
}

/// What would be approved.
fn subject(said: &Said) -> String {
    text(&said.document["waiting"][0]["subject"])
}

#[test]
fn somebody_else_approves_and_the_run_goes_on() {
    let space = gated();
    let run = waiting(&space).run();
    let why = space.json(&["why", &run]).expect(0);
    let gate = &why.document["waiting"][0]["gates"][0];
    assert_eq!(gate["gate"], "approval", "{why}");
    assert_eq!(gate["verdict"]["decision"], "wait", "{why}");
    assert_eq!(gate["verdict"]["who"][0], "anybody but carol", "{why}");
    let actions = &why.document["waiting"][0]["action_plan"]["actions"];
    assert_eq!(actions.as_array().unwrap().len(), 1, "{why}");
    let told = space.release(&["why", &run]).expect(0);
    assert!(
        told.stdout.contains("anybody but carol") && told.stdout.contains(&subject(&why)),
        "{told}"
    );

    // An approval holds no environment, and neither does a wait.
    let status = space.json(&["status"]).expect(0);
    assert_eq!(
        status.document["environments"].get("production"),
        None,
        "{status}"
    );

    let approved = space.json(&["approve", &run, "--by", "dave"]).expect(0);
    assert_eq!(
        approved.document["action_plan"].as_str(),
        Some(&*subject(&why)),
        "{approved}"
    );
    let done = space.json(&["resume", &run]).expect(0);
    assert_eq!(done.state("verify-production"), "succeeded", "{done}");
    assert_eq!(
        text(&done.stage("deploy-production")["action_plan"]),
        subject(&why)
    );
    // What has ended needs nobody.
    assert!(
        space
            .json(&["approve", &run, "--by", "dave"])
            .expect(2)
            .error()
            .contains("no stage")
    );
    let why = space.json(&["why", &run]).expect(0);
    assert_eq!(why.document["waiting"].as_array().unwrap().len(), 0, "{why}");
    space.assert_exclusive();
}

#[test]
fn the_requester_does_not_count() {
    let space = gated();
    let run = waiting(&space).run();
    space.json(&["approve", &run, "--by", "carol"]).expect(0);
    let still = space.json(&["resume", &run]).expect(3);
    assert_eq!(still.state("deploy-production"), "waiting", "{still}");
    assert_eq!(space.current("production"), None);
    space.json(&["approve", &run, "--by", "dave"]).expect(0);
    space.json(&["resume", &run]).expect(0);
}

#[test]
fn another_digest_is_refused() {
    let space = gated();
    let said = waiting(&space);
    let run = said.run();
    let other = format!("sha256:{}", "ab".repeat(32));
    let refused = space
        .json(&["approve", &run, "--by", "dave", "--plan", &other])
        .expect(2);
    assert!(refused.error().contains(&subject(&said)[..19]), "{refused}");
    for bad in ["sha256:12", "nonsense"] {
        space
            .json(&["approve", &run, "--by", "dave", "--plan", bad])
            .expect(2);
    }
    let right = subject(&said);
    space
        .json(&["approve", &run, "--by", "dave", "--plan", &right])
        .expect(0);
    space.json(&["resume", &run]).expect(0);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let space = gated();
    let run = waiting(&space).run();
    for args in [
        &["--by", "dave", "--valid-for", "0s"][..],
        &["--by", "dave", "--valid-for", "soon"],
        &["--by", "dave", "--stage", "no-such-stage"],
        &["--by", "dave", "--stage", "package"],
        &["--by", ""],
    ] {
        let refused = space.json(&[&["approve", &run], args].concat()).expect(2);
        assert!(!refused.error().is_empty(), "{refused}");
    }
    space.json(&["resume", &run]).expect(3);
}

#[test]
fn an_approval_that_expired_does_not_count() {
    let space = gated();
    let run = waiting(&space).run();
    space
        .json(&["approve", &run, "--by", "dave", "--valid-for", "1ns"])
        .expect(0);
    let still = space.json(&["resume", &run]).expect(3);
    let reason = text(&still.document["waiting"][0]["gates"][0]["verdict"]["reason"]);
    assert!(reason.contains("1 expired"), "{reason}");
}

#[test]
fn an_approval_is_void_when_the_environment_changed_meanwhile() {
    let space = gated();
    space
        .json(&["run", &space.source().join("hurry.toml").display().to_string()])
        .expect(0);
    space.write("app/VERSION", "2.0.0\n");
    // What is faster is newer, too: it may be replaced only because the run asks for that by name.
    let said = space
        .json(&["run", &space.file(), "--by", "carol", "--rollback"])
        .expect(3);
    let run = said.run();
    space.json(&["approve", &run, "--by", "dave"]).expect(0);

    // Somebody is faster: another version is live now, so the run would do something else.
    space.write("app/VERSION", "1.5.0\n");
    space
        .json(&["run", &space.source().join("hurry.toml").display().to_string()])
        .expect(0);
    assert_eq!(space.live("production", "app/VERSION"), "1.5.0\n");

    let still = space.json(&["resume", &run]).expect(3);
    assert_ne!(subject(&still), subject(&said), "it is another plan");
    let reason = text(&still.document["waiting"][0]["gates"][0]["verdict"]["reason"]);
    assert!(reason.contains("1 of something else"), "{reason}");
    assert_eq!(space.live("production", "app/VERSION"), "1.5.0\n");

    // The old digest is refused now; the new one is not, and the run still releases what it was created with.
    space
        .json(&["approve", &run, "--by", "dave", "--plan", &subject(&said)])
        .expect(2);
    space
        .json(&["approve", &run, "--by", "erin", "--plan", &subject(&still)])
        .expect(0);
    space.json(&["resume", &run]).expect(0);
    assert_eq!(space.live("production", "app/VERSION"), "2.0.0\n");
    space.assert_verifies();
    space.assert_exclusive();
}

#[test]
fn an_older_run_does_not_replace_what_is_newer_unless_it_asks_to() {
    let space = gated();
    let hurry = space.source().join("hurry.toml").display().to_string();
    space.write("app/VERSION", "2.0.0\n");
    let older = waiting(&space).run();
    space.json(&["approve", &older, "--by", "dave"]).expect(0);
    space.write("app/VERSION", "1.5.0\n");
    let newer = space.json(&["run", &hurry]).expect(0).run();

    let denied = space.json(&["resume", &older]).expect(1);
    assert_eq!(denied.document["status"], "failed", "{denied}");
    assert_eq!(denied.state("deploy-production"), "denied", "{denied}");
    let reason = text(&denied.stage("deploy-production")["reason"]);
    assert!(
        reason.contains("newer-deployment") && reason.contains(&newer),
        "{reason}"
    );
    assert_eq!(space.live("production", "app/VERSION"), "1.5.0\n");

    // Begun again it is as old as now, and so is a new one.
    space.write("app/VERSION", "2.0.0\n");
    let fresh = waiting(&space);
    assert_eq!(fresh.document["rollback"], false, "{fresh}");
    space.json(&["approve", &fresh.run(), "--by", "dave"]).expect(0);
    space.json(&["resume", &fresh.run()]).expect(0);
    assert_eq!(space.live("production", "app/VERSION"), "2.0.0\n");
    space.assert_verifies();
    space.assert_exclusive();
}

#[test]
fn who_asked_for_a_rollback_is_in_the_journal() {
    let space = gated();
    let hurry = space.source().join("hurry.toml").display().to_string();
    let run = space
        .json(&["run", &hurry, "--by", "carol", "--rollback"])
        .expect(0)
        .run();
    let events = space.events();
    let created = events
        .iter()
        .find(|event| event["event"]["kind"] == "run.created");
    let created = created.unwrap();
    assert_eq!(created["data"]["rollback"], true, "{created}");
    assert_eq!(created["event"]["actor"], "person:carol", "{created}");
    let status = space.release(&["status", &run]).expect(0);
    assert!(
        status.stdout.contains("a rollback that carol asked for"),
        "{status}"
    );
}

#[test]
fn an_approval_survives_a_deployment_somewhere_else() {
    let space = gated();
    let said = waiting(&space);
    let run = said.run();
    space.json(&["approve", &run, "--by", "dave"]).expect(0);
    space.define_as(
        "staging.toml",
        &[PACKAGE, &deployment("staging", "package")].concat(),
    );
    space
        .json(&["run", &space.source().join("staging.toml").display().to_string()])
        .expect(0);
    let done = space.json(&["resume", &run]).expect(0);
    assert_eq!(
        text(&done.stage("deploy-production")["action_plan"]),
        subject(&said)
    );
}
