//! Definitions: what is read, and every mistake with its line and column.

use pipeline_core::{Definition, DefinitionError, Pipeline};
use proptest::prelude::*;

use crate::registry::registry;

const GOOD: &str = r#"
format = 1

[pipeline]
name = "infra"
component = "edge-proxy"

[environments.staging]
type = "directory"
tier = "staging"
path = "/srv/staging"

[environments.production]
type = "directory"
tier = "production"
configuration = "config/production.toml"
path = "/srv/production"

[stages.lint]
type = "command"
timeout = "1h30m"
program = "shellcheck"
arguments = ["-x"]

[stages.build]
type = "command"
after = ["lint"]
produces = ["bundle"]
program = "make"

[stages.deploy]
type = "deploy"
needs = ["bundle"]
environment = "staging"
gates = [{ type = "approval", count = 2 }]
strategy = "rolling"
weight = 2.0

[stages.accept]
type = "smoke"
after = ["deploy"]
[[stages.accept.gates]]
type = "approval"
count = 1
[[stages.accept.gates]]
type = "approval"
count = 3
"#;

fn read(text: &str) -> Result<Pipeline, DefinitionError> {
    Definition::parse(text, "pipeline.toml")?.pipeline(&registry())
}

fn errors(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn a_definition_is_read() {
    let pipeline = read(GOOD).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&pipeline.plan()).unwrap(), @r#"
{
  "format": 1,
  "pipeline": "infra",
  "component": "edge-proxy",
  "environments": {
    "production": {
      "name": "production",
      "tier": "production",
      "type": "directory",
      "settings": {
        "path": "/srv/production"
      },
      "configuration": "config/production.toml"
    },
    "staging": {
      "name": "staging",
      "tier": "staging",
      "type": "directory",
      "settings": {
        "path": "/srv/staging"
      }
    }
  },
  "stages": [
    {
      "name": "lint",
      "type": "command",
      "version": 1,
      "settings": {
        "arguments": [
          "-x"
        ],
        "program": "shellcheck"
      },
      "effect": "at-most-once",
      "timeout_seconds": 5400,
      "plans": false,
      "portable": true
    },
    {
      "name": "build",
      "type": "command",
      "version": 1,
      "settings": {
        "program": "make"
      },
      "effect": "at-most-once",
      "after": [
        "lint"
      ],
      "produces": [
        "bundle"
      ],
      "plans": false,
      "portable": true
    },
    {
      "name": "deploy",
      "type": "deploy",
      "version": 2,
      "settings": {
        "strategy": "rolling",
        "weight": 2
      },
      "effect": "inspectable",
      "after": [
        "build"
      ],
      "needs": [
        "bundle"
      ],
      "environment": "staging",
      "gates": [
        {
          "type": "approval",
          "version": 1,
          "settings": {
            "count": 2
          }
        }
      ],
      "plans": false,
      "portable": true
    },
    {
      "name": "accept",
      "type": "smoke",
      "version": 1,
      "settings": {},
      "effect": "pure",
      "after": [
        "deploy"
      ],
      "gates": [
        {
          "type": "approval",
          "version": 1,
          "settings": {
            "count": 1
          }
        },
        {
          "type": "approval",
          "version": 1,
          "settings": {
            "count": 3
          }
        }
      ],
      "plans": false,
      "portable": true
    }
  ]
}
"#);
    let again = Pipeline::from_plan(&pipeline.plan(), &registry()).unwrap();
    assert_eq!(again.plan().digest().unwrap(), pipeline.plan().digest().unwrap());
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = r#"format = 2
pipline = {}

[pipeline]
name = "Infra"
componnt = "edge-proxy"

[environments.staging]
type = "directori"
tier = "stagging"
path = "/srv/staging"

[environments.production]
type = "directory"
tier = "production"
configuration = "../production.toml"
path = "srv"

[environments.testing]
type = "directory"
tier = "testing"
path = "srv"

[environments."Old One"]
tier = 1

[stages.lint]
type = "comand"
timeout = "5 lightyears"

[stages.build]
type = "command"
after = ["lnt", "build", 5]
produces = ["bundle", "bundle"]
programm = "make"
retries = 300

[stages.package]
type = "smoke"
afer = ["build"]
produces = ["bundle"]
needs = "bundle"

[stages.deploy]
type = "deploy"
needs = ["bundel"]
environment = "prodution"
gates = [
  { type = "approval", count = "two" },
  { type = "approval", count = 2, cuont = 1 }, "approval", { count = 1 },
]
weight = inf
timeout = 5

[stages."größe"]
type = "deploy"
strategy = "ö"; ö = 1
"#;
    // The last line is no TOML: that alone is told.
    insta::assert_snapshot!(errors(text), @r#"pipeline.toml:57:15: unexpected key or value, expected newline, `#`"#);
    let text = text.replace("; ö", "\nö").replace("\nö", "\n\"ö\"");
    insta::assert_snapshot!(errors(&text), @r#"
pipeline.toml:1:10: the definition has a format that this program does not know
  hint: write `format = 1`
pipeline.toml:2:1: a definition has no key `pipline`
  hint: did you mean `pipeline`?
pipeline.toml:5:8: pipeline `Infra` is not a name: it must start with a lower-case letter or a digit
pipeline.toml:6:1: the pipeline has no key `componnt`
  hint: did you mean `component`?
pipeline.toml:9:8: environment `staging`: no environment type `directori` is registered
  hint: did you mean `directory`?
pipeline.toml:10:8: there is no tier `stagging`
  hint: did you mean `staging`?
pipeline.toml:13:15: environment `production`: type `directory` refuses its settings: `srv` is not absolute
pipeline.toml:16:17: `../production.toml` is not a path below the source's root: expected a relative path with `/` and without `..`
pipeline.toml:19:15: environment `testing`: type `directory` refuses its settings: `srv` is not absolute
pipeline.toml:24:15: environment `Old One` is not a name: it must start with a lower-case letter or a digit
pipeline.toml:24:15: environment `Old One` has no `type`
  hint: registered are `directory`
pipeline.toml:25:8: `tier` is an integer, expected a text
pipeline.toml:28:8: stage `lint`: no stage type `comand` is registered
  hint: did you mean `command`?
pipeline.toml:29:11: `5 lightyears` is not a duration
  hint: write a duration such as "90s", "5m" or "1h30m"
pipeline.toml:31:9: stage `build`: the settings do not fit: missing field `program`
pipeline.toml:33:10: stage `build` comes after `lnt`, which does not exist
  hint: did you mean `lint`?
pipeline.toml:33:17: stage `build` comes after itself
pipeline.toml:33:26: `after[2]` is an integer, expected a text
pipeline.toml:34:23: stage `build` produces artifact `bundle` twice
pipeline.toml:35:1: stage `build`: nobody reads setting `programm`
  hint: did you mean `program`?
pipeline.toml:36:11: stage `build`: setting `retries` does not fit: invalid value: integer `300`, expected u8
pipeline.toml:40:1: stage `package`: nobody reads setting `afer`
  hint: did you mean `after`?
pipeline.toml:41:13: stages `build` and `package` both produce artifact `bundle`
  hint: give one of the artifacts another name
pipeline.toml:42:9: `needs` is a text, expected an array of texts
  hint: write `needs = ["bundle"]`
pipeline.toml:44:9: stage `deploy`: the settings do not fit: missing field `strategy`
pipeline.toml:46:10: stage `deploy` needs artifact `bundel`, which no stage produces
  hint: did you mean `bundle`?
pipeline.toml:47:15: stage `deploy` targets environment `prodution`, which does not exist
  hint: did you mean `production`?
pipeline.toml:49:32: stage `deploy`: setting `gates[0].count` does not fit: invalid type: string "two", expected u32
pipeline.toml:50:35: stage `deploy`: nobody reads setting `gates[1].cuont`
  hint: did you mean `count`?
pipeline.toml:50:48: `gates[2]` is a text, expected a table
  hint: write `{ type = "approval" }`
pipeline.toml:50:60: `gates[3]` of stage `deploy` has no `type`
  hint: registered are `approval`
pipeline.toml:52:10: inf is not a finite number
pipeline.toml:53:11: `timeout` is an integer, expected a text
  hint: write a duration such as "90s", "5m" or "1h30m"
pipeline.toml:55:9: stage `größe` is not a name: only lower-case letters, digits, `-`, `_` and `.` are allowed
pipeline.toml:58:1: stage `größe`: nobody reads setting `ö`
  hint: known are `strategy`, `weight`
"#);
}

#[test]
fn columns_count_characters() {
    let text = r#"
pipeline = { name = "infra" }
stages = { "ä" = { type = "smoke", "ö" = 1 }, b = { type = "smoke", after = ["ä", "x"] }, c = 5 }
"#;
    insta::assert_snapshot!(errors(&text.replace('"', "'")), @r#"
pipeline.toml:3:12: stage `ä` is not a name: it must start with a lower-case letter or a digit
pipeline.toml:3:36: stage `ä`: nobody reads setting `ö`
pipeline.toml:3:83: stage `b` comes after `x`, which does not exist
pipeline.toml:3:95: `stages.c` is an integer, expected a table
"#);
}

#[test]
fn cycles_and_large_numbers_have_places() {
    let text = r#"
pipeline.name = "infra"
[stages.a]
type = "smoke"
after = ["c", "b"]
produces = ["of-a"]
environment = "nowhere"
[stages.b]
type = "smoke"
needs = ["of-a"]
[stages.c]
type = "command"
program = "x"
hosts = [{ name = "a", port = 1 }, { name = "b", port = 99999999999999999999 }]
[stages.d]
type = "deploy"
strategy = "x"
weight = 9007199254740993
[stages.e]
type = "command"
"#;
    insta::assert_snapshot!(errors(text), @r#"
pipeline.toml:5:15: stages wait for each other: `a` → `b` → `a`
  hint: each of them waits for the next; let one of them not wait
pipeline.toml:7:15: stage `a` targets environment `nowhere`, which does not exist
pipeline.toml:14:57: 99999999999999999999 does not fit into 64 bits
pipeline.toml:18:10: 9007199254740993 in setting `weight` of stage `d` is beyond 2^53, and JSON would change it
  hint: write it as a text
pipeline.toml:19:9: stage `e`: the settings do not fit: missing field `program`
"#);
}

#[test]
fn an_empty_definition_is_told_what_it_lacks() {
    insta::assert_snapshot!(errors(""), @r#"
pipeline.toml:1:1: there is no table `pipeline`
  hint: write `[pipeline]` and `name = "…"` below it
pipeline.toml:1:1: the pipeline has no stages
"#);
    insta::assert_snapshot!(errors("pipeline = 1\nstages = [1]\nenvironments = 2020-01-01"), @r#"
pipeline.toml:1:12: `pipeline` is an integer, expected a table
  hint: write `[pipeline]` and `name = "…"` below it
pipeline.toml:2:10: `stages` is an array, expected a table of tables
pipeline.toml:3:16: `environments` is a time, expected a table of tables
"#);
    insta::assert_snapshot!(errors("[pipeline]\n[stages]\n"), @r#"
pipeline.toml:1:2: the pipeline has no `name`
pipeline.toml:2:2: the pipeline has no stages
"#);
}

#[test]
fn text_that_is_no_toml_is_told_alone() {
    insta::assert_snapshot!(errors("[pipeline]\nname = \"x\nb = \n\n[pipeline]\n"), @r#"
pipeline.toml:2:10: invalid basic string, expected `"`
pipeline.toml:3:5: string values must be quoted, expected literal string
pipeline.toml:5:2: duplicate key
"#);
}

#[test]
fn times_are_texts() {
    let text = GOOD.replace("\"shellcheck\"", "2026-01-02T03:04:05Z");
    let plan = read(&text).unwrap().plan();
    assert_eq!(
        plan.stage("lint").unwrap().settings["program"],
        "2026-01-02T03:04:05Z"
    );
}

#[test]
fn the_digest_is_that_of_the_text() {
    let digest = |text: &str| Definition::parse(text, "x").unwrap().text_digest();
    assert_eq!(digest(GOOD), pipeline_core::Digest::of(GOOD));
    assert_ne!(digest(GOOD), digest(&format!("{GOOD}\n")));
}

#[test]
fn files_are_loaded() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipeline.toml");
    let error = Definition::load(&path).unwrap_err();
    assert!(matches!(error, DefinitionError::Read { .. }) && error.diagnostics().is_empty());
    std::fs::write(&path, GOOD).unwrap();
    assert!(Definition::load(&path).unwrap().pipeline(&registry()).is_ok());
    std::fs::write(&path, b"a = 1\nb = '\xff'").unwrap();
    let error = Definition::load(&path).unwrap_err();
    assert_eq!(
        (error.diagnostics()[0].line, error.diagnostics()[0].column),
        (2, 6)
    );
}

/// A definition with some pieces taken out, doubled or put elsewhere.
fn mutated() -> impl Strategy<Value = String> {
    let piece = (0..GOOD.len(), 0..40_usize, 0..GOOD.len(), 0..3_u8);
    prop::collection::vec(piece, 1..6).prop_map(|pieces| {
        let mut text: Vec<char> = GOOD.chars().collect();
        for (from, length, to, how) in pieces {
            let from = from.min(text.len());
            let end = (from + length).min(text.len());
            let piece: Vec<char> = match how {
                0 => text.drain(from..end).collect(),
                _ => text[from..end].to_vec(),
            };
            if how > 0 {
                let to = to.min(text.len());
                text.splice(to..to, piece);
            }
        }
        text.into_iter().collect()
    })
}

/// Some words of definitions, in any order: more of it is TOML than of arbitrary text.
fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "[pipeline]\n",
        "name = ",
        "\"a\"",
        "\n",
        "[stages.a]\n",
        "[[stages.a.gates]]\n",
        "type = ",
        "\"smoke\"",
        "\"command\"",
        "after = ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "1",
        "-inf",
        "0x_",
        "stages.b.",
        "stages = ",
        "gates = ",
        "timeout = ",
        "\"5m\"",
        "1979-05-27",
        "'",
        "ä",
        "environments.e.",
        "tier = ",
        "\"production\"",
    ]);
    prop::collection::vec(word, 0..30).prop_map(|words| words.concat())
}

fn check(text: &str) -> Result<(), TestCaseError> {
    let Err(error) = read(text) else { return Ok(()) };
    prop_assert!(!error.diagnostics().is_empty());
    let places: Vec<_> = error
        .diagnostics()
        .iter()
        .map(|it| (it.line, it.column))
        .collect();
    prop_assert!(places.is_sorted());
    let lines: Vec<_> = text.split('\n').collect();
    for (line, column) in places {
        prop_assert!((1..=lines.len()).contains(&line));
        prop_assert!((1..=lines[line - 1].chars().count() + 1).contains(&column));
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_text_gives_an_answer(text in any::<String>()) {
        check(&text)?;
    }

    #[test]
    fn any_words_give_an_answer(text in words()) {
        check(&text)?;
    }

    #[test]
    fn any_mutation_gives_an_answer(text in mutated()) {
        check(&text)?;
    }
}
