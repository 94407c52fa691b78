//! Mistakes of the caller: all of them at once, with their place and a hint, and nothing is begun.

use crate::support::{PACKAGE, TestSpace, deployment, names_in};

const WRONG: &str = r#"
[stages.lint]
type = "comand"
program = "true"

[stages.build]
type = "command"
after = ["lnt"]
program = "true"
colour = "red"

[stages.first]
type = "command"
program = "true"
after = ["second"]

[stages.second]
type = "command"
program = "true"
after = ["first"]

[stages.deploy]
type = "deploy"
environment = "stagin"
needs = ["app"]
"#;

#[test]
fn every_mistake_is_told_with_its_place_and_a_hint() {
    let space = TestSpace::with_app(WRONG);
    let file = space.file();
    for command in ["plan", "run"] {
        let refused = space.json(&[command, &file]).expect(2);
        let error = refused.error();
        for part in ["comand", "`lnt`", "colour", "first", "stagin", "`app`"] {
            assert!(error.contains(part), "{part} is not told: {error}");
        }
        for hint in [
            "did you mean `command`?",
            "did you mean `lint`?",
            "did you mean `staging`?",
        ] {
            assert!(error.contains(hint), "no hint `{hint}`: {error}");
        }
        let places = error.lines().filter(|line| {
            line.split_once("pipeline.toml:").is_some_and(|(_, rest)| {
                let mut parts = rest.split(':');
                let mut number = || parts.next().and_then(|part| part.parse::<u32>().ok()).is_some();
                number() && number()
            })
        });
        assert!(places.count() >= 6, "{error}");
        // The line of the type is the line of the type.
        let text = std::fs::read_to_string(&file).unwrap();
        let line = 1 + text.lines().position(|line| line == "type = \"comand\"").unwrap();
        assert!(error.contains(&format!("pipeline.toml:{line}:8: ")), "{error}");
    }
    let plain = space.release(&["run", &file]).expect(2);
    assert!(
        plain.stdout.is_empty() && plain.stderr.contains("did you mean"),
        "{plain}"
    );
    // No run, and no event.
    assert_eq!(space.runs(), [] as [&str; 0]);
    assert_eq!(space.events().len(), 0);
    assert_eq!(names_in(&space.store().join("runs")), [] as [&str; 0]);
}

#[test]
fn what_is_no_toml_or_no_file_is_told() {
    let space = TestSpace::with_app("[stages.x\n");
    let refused = space.json(&["run", &space.file()]).expect(2);
    assert!(refused.error().contains("pipeline.toml:"), "{refused}");
    let nowhere = space.source().join("nowhere.toml").display().to_string();
    for command in ["plan", "run"] {
        let refused = space.json(&[command, &nowhere]).expect(2);
        assert!(refused.error().contains("nowhere.toml"), "{refused}");
    }
}

#[test]
fn settings_that_make_no_sense_are_found_before_anything_runs() {
    let stages = [
        "\n[stages.begin]\ntype = \"command\"\nprogram = \"sh\"\nargs = [\"-c\", \"echo begun > OUTSIDE/begun\"]\n",
        &PACKAGE.replace("version-file = \"app/VERSION\"\n", ""),
        &deployment("staging", "package").replace(
            "after = [\"package\"]\n",
            "after = [\"package\"]\ngates = [{ type = \"approval\", count = 0 }, { type = \"window\", from = \"25:00\", until = \"08:00\", time-zone = \"Mars\" }]\n",
        ),
    ];
    let space = TestSpace::with_app(&stages.concat());
    let error = space.run(2).error();
    for part in ["version", "count", "25:00"] {
        assert!(error.contains(part), "{part} is not told: {error}");
    }
    assert!(!space.outside().join("begun").exists());
}

#[test]
fn a_run_or_a_store_that_is_not_there_is_bad_input() {
    let space = TestSpace::with_app(PACKAGE);
    let unknown = "20200101-000000-000000";
    let of_a_run = [
        &["resume", unknown][..],
        &["approve", unknown, "--by", "dave"],
        &["cancel", unknown],
        &["decide", unknown, "package", "--happened", "--by", "dave"],
        &["status", unknown],
        &["why", unknown],
        &["output", unknown, "package"],
        &["change", unknown],
    ];
    let of_a_store = [
        &["tick"][..],
        &["status"],
        &["verify"],
        &["checkpoint"],
        &["metrics"],
    ];
    for args in of_a_run.iter().chain(&of_a_store) {
        let refused = space.json(args).expect(2);
        assert!(refused.error().contains("is no store"), "{refused}");
    }
    assert!(!space.store().exists(), "what only looks makes no store");

    space.run(0);
    for args in of_a_run {
        let refused = space.json(args).expect(2);
        assert!(refused.error().contains(unknown), "{refused}");
    }
    for bad in ["", "../../etc", "a b"] {
        space.json(&["status", bad]).expect(2);
        space.json(&["resume", bad]).expect(2);
    }
}
