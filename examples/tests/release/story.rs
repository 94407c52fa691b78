//! The program without a command: the bundled sample goes to production.

use crate::support::TestSpace;

#[test]
fn the_story_ends_well_in_a_store_of_its_own() {
    let space = TestSpace::new();
    let told = space.release(&[]).expect(0);
    for part in [
        "1. Run the pipeline.",
        "release-manager approved",
        "reused",
        "unchanged",
        "closed, successful",
        "deployments",
        "everything is as it was written",
    ] {
        assert!(told.stdout.contains(part), "`{part}` is not told: {told}");
    }
    assert_eq!(space.runs().len(), 2);
    for name in ["staging", "production"] {
        assert!(space.live(name, "config/settings.conf").contains("host="));
    }
    space.assert_verifies();
    space.assert_exclusive();
}

#[test]
fn the_story_is_one_document_when_asked() {
    let space = TestSpace::new();
    let said = space.json(&[]).expect(0);
    assert_eq!(said.document["command"], "story", "{said}");
    assert_eq!(
        said.document["verified"]["findings"].as_array().unwrap().len(),
        0,
        "{said}"
    );
    assert!(
        said.stderr
            .contains("9. The journal and the artifacts, verified:"),
        "{said}"
    );
}

#[test]
fn the_story_may_be_told_twice_in_one_store() {
    let space = TestSpace::new();
    space.release(&[]).expect(0);
    space.release(&[]).expect(0);
    space.assert_verifies();
}
