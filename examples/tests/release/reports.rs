//! What a person looks at: the page and the monthly review.

use std::fs;

use crate::support::{TestSpace, fixtures, names_in};

fn log() -> Option<String> {
    let log = fixtures()?.join("dora/synthetic/events.jsonl");
    Some(log.display().to_string())
}

#[test]
fn a_log_becomes_a_page() {
    let Some(log) = log() else { return };
    let space = TestSpace::new();
    let folder = space.source().join("pages");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("page.html").display().to_string();
    let freeze = ["--freeze", "2025-12-19/2026-01-05"];
    let args = [&["report", "-o", &file, &log, "--title", "A <year>"], &freeze[..]].concat();
    space.json(&args).expect(0);
    let page = fs::read_to_string(&file).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(page.contains("<h1>A &lt;year&gt;</h1>"));
    assert!(
        page.contains(">freeze</text>") || page.contains(">\nfreeze\n</text>"),
        "the freeze is shown"
    );
    assert!(!page.contains("Change outcomes"), "a log knows no change records");
    // Once more, over the first one: the same bytes, and nothing beside it.
    space.json(&args).expect(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), page);
    assert_eq!(names_in(&folder), ["page.html"]);
    assert!(!space.store().exists(), "a log needs no store");
}

#[test]
fn a_store_becomes_a_page_with_its_change_outcomes() {
    let space = TestSpace::to_production("");
    space.run(0);
    let file = space.source().join("page.html").display().to_string();
    space.json(&["report", "-o", &file]).expect(0);
    let page = fs::read_to_string(&file).unwrap();
    assert!(
        page.contains("What is live where, since when?"),
        "the estate is shown"
    );
    space.json(&["review", "--month", "2025-03"]).expect(0);
}

#[test]
fn a_store_without_deployments_has_a_page_that_says_so() {
    let space = TestSpace::new();
    space.define("[stages.lint]\ntype = \"command\"\nprogram = \"false\"\n");
    space.run(1);
    let file = space.source().join("page.html").display().to_string();
    space.json(&["report", "-o", &file]).expect(0);
    let page = fs::read_to_string(&file).unwrap();
    assert!(page.contains("<p class=\"lead\">Nothing was deployed yet.</p>"));
    assert!(page.contains("Where does the time go?"), "what happened is shown");
    assert!(!page.contains("id=\"numbers\""), "no number is made of nothing");
    let without = TestSpace::new();
    without.json(&["report", "-o", &file]).expect(2);
}

#[cfg(unix)]
#[test]
fn a_page_is_readable_by_whom_the_user_lets() {
    use std::os::unix::fs::PermissionsExt;
    let Some(log) = log() else { return };
    let space = TestSpace::new();
    space.json(&["report", "-o", "page.html", &log]).expect(0);
    space.write("other", "");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        mode(&space.root().join("page.html")),
        mode(&space.source().join("other"))
    );
}

#[test]
fn a_month_becomes_a_review() {
    let Some(log) = log() else { return };
    let space = TestSpace::new();
    let review = space
        .release(&["review", "--month", "2025-03", &log])
        .expect(0)
        .stdout;
    assert!(
        review.starts_with("# Operations review of March 2025\n"),
        "{review}"
    );
    for part in [
        "## The numbers",
        "## What changed, and why it may be noise",
        "## Good news",
        "## Bad news",
        "## The worst waits",
    ] {
        assert!(review.contains(part), "{part}: {review}");
    }
    let one = space
        .release(&["review", "--month", "2025-03", &log, "--service", "svc-000"])
        .expect(0)
        .stdout;
    assert!(
        one.starts_with("# Operations review of March 2025, component svc-000\n"),
        "{one}"
    );
    let file = space.source().join("review.md").display().to_string();
    space
        .json(&["review", "--month", "2025-03", &log, "-o", &file])
        .expect(0);
    assert_eq!(fs::read_to_string(&file).unwrap().trim_end(), review.trim_end());
}

#[test]
fn what_cannot_be_written_is_said_and_leaves_nothing() {
    let Some(log) = log() else { return };
    let space = TestSpace::new();
    for bad in [
        &["report", "-o", "/nowhere/page.html"][..],
        &["report", "-o", "page.html", "--freeze", "christmas"],
        &["report", "-o", "page.html", "--freeze", "2026-01-05/2025-12-19"],
        &["report", "-o", "page.html", "--service", "nobody"],
        &["review", "--month", "March"],
        &["review", "--month", "2025-13"],
        &["review", "--month", "2025-03", "-o", "/nowhere/review.md"],
    ] {
        let args = [bad, &[&log]].concat();
        let refused = space.json(&args).expect(2);
        assert!(!refused.error().is_empty(), "{bad:?}");
    }
    space.write("empty.jsonl", "");
    let empty = space.source().join("empty.jsonl").display().to_string();
    let file = space.source().join("page.html").display().to_string();
    let refused = space.json(&["report", "-o", &file, &empty]).expect(2);
    assert!(refused.error().contains("nothing was deployed"), "{refused}");
    assert!(!space.source().join("page.html").exists());
}

/// A freeze is of days of the zone, and what is none is refused.
#[test]
fn a_freeze_is_of_days_of_the_zone() {
    let Some(log) = log() else { return };
    let space = TestSpace::new();
    let page = |more: &[&str]| {
        let file = space.source().join("page.html").display().to_string();
        let args = [&["report", "-o", &file, &log, "--service", "svc-000"], more].concat();
        space.json(&args).expect(0);
        fs::read_to_string(file).unwrap()
    };
    let utc = page(&["--freeze", "2025-06-02/2025-06-09"]);
    assert!(utc.contains("<title>freeze, 2025-06-02 up to 2025-06-09</title>"));
    // By the clock of UTC it begins on the evening before.
    let shanghai = page(&["--freeze", "2025-06-02/2025-06-09", "--time-zone", "+08:00"]);
    assert!(shanghai.contains("<title>freeze, 2025-06-01 up to 2025-06-08</title>"));
    for bad in ["2025-06-02", "2025-06-02/soon", "2025-06-09/2025-06-02"] {
        let file = space.source().join("bad.html").display().to_string();
        let refused = space
            .json(&["report", "-o", &file, &log, "--freeze", bad])
            .expect(2);
        assert!(refused.error().contains(bad), "{refused}");
        assert!(!std::path::Path::new(&file).exists());
    }
}
