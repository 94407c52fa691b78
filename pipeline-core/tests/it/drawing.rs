//! Drawings: what is in them, and that other programs can read them.

use std::collections::HashSet;
use std::io::Write;
use std::process::{Command, Stdio};

use pipeline_core::draw::Drawing;
use pipeline_core::testing::ScriptedStage;
use pipeline_core::{Effect, Pipeline, RunPlan, RunState, StageSpec};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::recorded;

/// Everything that some reader of a drawing might trip over.
const NASTY: &str =
    "say \"no\" \\N & <b>&amp;</b> `x` %%{init} #35; |a| [b] {c}\nend\r\n- 1. _z_ \u{202e}abc";

fn plan() -> RunPlan {
    let stage = |name: &str, more: Value| {
        let mut stage = json!({ "name": name, "type": "command", "version": 1, "effect": "idempotent" });
        stage
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        stage
    };
    let environment =
        |name: &str, tier: &str| json!({ "name": name, "tier": tier, "type": "directory", "settings": {} });
    let plan = json!({
        "format": 1,
        "pipeline": "edge-proxy",
        "component": "edge-proxy",
        "environments": {
            "eu-1": environment("eu-1", "production"),
            "staging": environment("staging", "staging"),
            "unused": environment("unused", "testing"),
        },
        "stages": [
            stage("lint", json!({})),
            stage("unit-test", json!({})),
            stage("end", json!({})),
            stage("build", json!({ "type": "package", "version": 3, "after": ["lint"], "produces": ["proxy", "maps"] })),
            stage("deploy-staging", json!({ "after": ["build"], "needs": ["proxy", "maps"], "environment": "staging" })),
            stage("soak", json!({ "after": ["deploy-staging"], "environment": "staging" })),
            stage("deploy-eu-1", json!({
                "after": ["build", "deploy-staging"],
                "needs": ["proxy"],
                "environment": "eu-1",
                "gates": [
                    { "type": "change", "version": 1 },
                    { "type": "window", "version": 2 },
                ],
            })),
            stage("smoke-test", json!({ "after": ["deploy-eu-1"] })),
        ],
    });
    serde_json::from_value(plan).unwrap()
}

/// The state after these events.
async fn state(plan: &RunPlan, events: &[(&str, Value)]) -> RunState {
    let (run, events) = recorded(plan, events).await;
    RunState::from_events(&run, &events).unwrap()
}

fn started(stage: &str, attempt: u32) -> (&'static str, Value) {
    let data = json!({ "stage": stage, "attempt": attempt, "generation": attempt, "epoch": 1 });
    ("run.stage-started", data)
}

fn finished(stage: &str, attempt: u32, result: Value) -> (&'static str, Value) {
    (
        "run.stage-finished",
        json!({ "stage": stage, "attempt": attempt, "epoch": 1, "result": result }),
    )
}

fn succeeded() -> Value {
    json!({ "kind": "completed", "outcome": { "status": "succeeded" } })
}

/// A run in the middle, with something of everything.
async fn in_the_middle() -> RunState {
    let failed = json!({ "kind": "failed", "failure": "failed", "error": [NASTY] });
    let verdict = |gate: &str, decision: &str, reason: &str| json!({ "gate": gate, "verdict": { "decision": decision, "reason": reason } });
    let gates = json!({
        "stage": "deploy-eu-1",
        "subject": plan().digest().unwrap(),
        "verdicts": [
            verdict("change", "allow", "it is authorised"),
            verdict("window", "wait", "the next window of eu-1 opens on Monday at 08:00, and not before"),
        ],
    });
    let unknown = json!({ "stage": "end", "attempt": 1, "reason": "the worker was killed" });
    let events = [
        started("lint", 1),
        started("unit-test", 1),
        started("end", 1),
        ("run.stage-unknown", unknown),
        finished("lint", 1, succeeded()),
        finished("unit-test", 1, failed),
        started("build", 1),
        finished("build", 1, succeeded()),
        started("deploy-staging", 1),
        finished("deploy-staging", 1, succeeded()),
        started("soak", 2),
        ("run.gates-evaluated", gates),
    ];
    state(&plan(), &events).await
}

#[test]
fn a_plan_as_dot() {
    let drawing = Drawing::of_plan(&plan()).to_dot();
    insta::assert_snapshot!(drawing);
    read_dot(&drawing);
    ask_graphviz(&drawing);
}

#[test]
fn a_plan_as_mermaid() {
    let drawing = Drawing::of_plan(&plan()).to_mermaid();
    insta::assert_snapshot!(drawing);
    read_mermaid(&drawing);
}

#[tokio::test]
async fn a_run_as_dot() {
    let drawing = Drawing::of_run(&in_the_middle().await).to_dot();
    insta::assert_snapshot!(drawing);
    read_dot(&drawing);
    ask_graphviz(&drawing);
}

#[tokio::test]
async fn a_run_as_mermaid() {
    let drawing = Drawing::of_run(&in_the_middle().await).to_mermaid();
    insta::assert_snapshot!(drawing);
    read_mermaid(&drawing);
}

#[tokio::test]
async fn every_ending_has_its_own_word_and_symbol() {
    let reused = json!({
        "stage": "deploy-staging", "from": "r0", "outcome": { "status": "succeeded" }, "fingerprint": plan().digest().unwrap(),
    });
    let skipped = |stage: &str, denied: bool| {
        (
            "run.stage-skipped",
            json!({ "stage": stage, "reason": "because", "denied": denied }),
        )
    };
    let with = |status: &str| json!({ "kind": "completed", "outcome": { "status": status } });
    let events = [
        started("lint", 1),
        started("unit-test", 1),
        started("end", 1),
        finished("lint", 1, with("unchanged")),
        finished(
            "unit-test",
            1,
            json!({ "kind": "cancelled", "reason": "alice asked" }),
        ),
        finished(
            "end",
            1,
            json!({ "kind": "failed", "failure": "errored", "error": ["no network"] }),
        ),
        started("build", 1),
        finished("build", 1, with("skipped")),
        ("run.stage-reused", reused),
        skipped("deploy-eu-1", true),
        skipped("soak", false),
    ];
    let drawing = Drawing::of_run(&state(&plan(), &events).await).to_dot();
    let expected = [
        ("lint", "= unchanged"),
        ("unit-test", "■ cancelled"),
        ("end", "! errored"),
        ("build", "∅ nothing to do"),
        ("deploy-staging", "↺ reused"),
        ("soak", "– skipped"),
        ("deploy-eu-1", "⊘ denied"),
        ("smoke-test", "◎ ready"),
    ];
    let drawn = read_dot(&drawing);
    for (stage, words) in expected {
        let label = &drawn.iter().find(|(name, _)| name == stage).unwrap().1;
        assert!(label.lines().any(|line| line == words), "{stage}: {label}");
    }
}

#[test]
fn a_pipeline_is_drawn_as_its_plan() {
    let pipeline = Pipeline::builder("p")
        .stage(StageSpec::new("b", ScriptedStage::new(Effect::Pure)).needs(["x"]))
        .stage(StageSpec::new("a", ScriptedStage::new(Effect::Pure)).produces(["x"]))
        .build()
        .unwrap();
    let drawing = Drawing::of_pipeline(&pipeline);
    assert_eq!(drawing.to_dot(), Drawing::of_plan(&pipeline.plan()).to_dot());
    insta::assert_snapshot!(drawing.to_mermaid(), @r#"
    ---
    title: "pipeline p"
    ---
    flowchart LR
      s0["a<br/>scripted@1"]
      s1["b<br/>scripted@1"]
      s0 -->|"x"| s1
    "#);
}

#[test]
fn ten_thousand_stages_are_drawn() {
    let stage = |number: usize| {
        let after: Vec<_> = (number.saturating_sub(3)..number)
            .map(|before| format!("s{before}"))
            .collect();
        json!({ "name": format!("s{number}"), "type": "t", "version": 1, "effect": "pure", "after": after })
    };
    let stages: Vec<_> = (0..10_000).map(stage).collect();
    let plan = json!({ "format": 1, "pipeline": "p", "component": "p", "stages": stages });
    let plan: RunPlan = serde_json::from_value(plan).unwrap();
    let drawing = Drawing::of_plan(&plan);
    let edges = 3 * 10_000 - 6;
    assert_eq!(drawing.to_dot().matches(" -> ").count(), edges);
    assert_eq!(drawing.to_mermaid().matches(" --> ").count(), edges);
    assert_eq!(read_dot(&drawing.to_dot()).len(), 10_000);
}

proptest! {
    #[test]
    fn no_reason_breaks_out_of_its_box(reason in prop::collection::vec(any::<char>(), 0..200)) {
        let reason: String = reason.into_iter().collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let failed = json!({ "kind": "failed", "failure": "failed", "error": [reason] });
        let events = [started("lint", 1), finished("lint", 1, failed)];
        let drawing = Drawing::of_run(&runtime.block_on(state(&plan(), &events)));
        prop_assert_eq!(read_dot(&drawing.to_dot()).len(), 8);
        prop_assert_eq!(read_mermaid(&drawing.to_mermaid()).len(), 8);
    }
}

/// Reads the part of DOT that drawings use, strictly: the nodes, with their labels as they are shown.
fn read_dot(text: &str) -> Vec<(String, String)> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '"' => {
                let mut string = String::from("\"");
                loop {
                    match rest.next().expect("a string ends") {
                        '"' => break,
                        '\\' => match rest.next().unwrap() {
                            'n' => string.push('\n'),
                            escaped @ ('"' | '\\') => string.push(escaped),
                            other => panic!("escape of {other:?}"),
                        },
                        inside => {
                            assert!(!inside.is_control(), "{inside:?} in a string");
                            string.push(inside);
                        }
                    }
                }
                assert!(
                    !string.replace("&amp;", "").contains('&'),
                    "an entity in {string}"
                );
                tokens.push(string.replace("&amp;", "&"));
            }
            '-' => {
                assert_eq!(rest.next(), Some('>'));
                tokens.push("->".to_owned());
            }
            '{' | '}' | '[' | ']' | '=' | ',' | ';' => tokens.push(character.to_string()),
            character if character.is_whitespace() => {}
            character => {
                assert!(
                    character.is_ascii_alphanumeric(),
                    "{character:?} outside of a string"
                );
                let mut word = character.to_string();
                while let Some(more) = rest.next_if(|next| next.is_ascii_alphanumeric()) {
                    word.push(more);
                }
                tokens.push(word);
            }
        }
    }
    let count = |token: &str| tokens.iter().filter(|found| *found == token).count();
    assert_eq!((count("{"), count("[")), (count("}"), count("]")));
    let mut nodes: Vec<(String, String)> = Vec::new();
    for (at, four) in tokens.windows(5).enumerate() {
        let [name, open, label, equals, value] = four else {
            unreachable!()
        };
        let alone = at == 0 || tokens[at - 1] != "->";
        if alone
            && name.starts_with('"')
            && (open.as_str(), label.as_str(), equals.as_str()) == ("[", "label", "=")
        {
            nodes.push((name[1..].to_owned(), value[1..].to_owned()));
        }
    }
    // An arrow leads from a node to a node.
    let names: HashSet<_> = nodes.iter().map(|(name, _)| name.as_str()).collect();
    for three in tokens.windows(3).filter(|three| three[1] == "->") {
        assert!(
            names.contains(&three[0][1..]) && names.contains(&three[2][1..]),
            "{three:?}"
        );
    }
    nodes
}

/// Checks each line of a Mermaid drawing against the few forms that there are: the nodes.
fn read_mermaid(text: &str) -> Vec<String> {
    let shapes = [
        ("[", "]"),
        ("{{", "}}"),
        ("[[", "]]"),
        ("[/", "\\]"),
        ("([", "])"),
        (">", "]"),
        ("[/", "/]"),
    ];
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("---"));
    assert!(lines.next().unwrap().starts_with("title: \""));
    assert_eq!((lines.next(), lines.next()), (Some("---"), Some("flowchart LR")));
    let (mut nodes, mut open) = (Vec::new(), 0);
    for line in lines {
        let quoted: Vec<_> = line.split('"').collect();
        if let [_, label, _] = quoted[..] {
            let harmless = |character: char| {
                character.is_alphanumeric() || !character.is_ascii() || " -.,:@/()_#;<>".contains(character)
            };
            assert!(label.replace("<br/>", "").chars().all(harmless), "{label}");
            assert!(!label.replace("<br/>", "").contains(['<', '>']), "{label}");
        }
        let words: Vec<_> = line.split_whitespace().collect();
        let is_node = |word: &str| {
            word.strip_prefix('s')
                .is_some_and(|number| number.parse::<usize>().is_ok())
        };
        match (words[0], quoted.as_slice()) {
            ("subgraph", [_, _, "]"]) => open += 1,
            ("end", [_]) => open -= 1,
            ("classDef", [_]) => assert_eq!(words.len(), 3 + usize::from(line.contains("dash")), "{line}"),
            (from, [_]) if is_node(from) => {
                assert!(
                    words.len() == 3 && words[1] == "-->" && is_node(words[2]),
                    "{line}"
                );
            }
            (from, [before, _, after]) if is_node(from) && before.ends_with("-->|") => {
                assert!(is_node(after.trim_start_matches("| ")), "{line}");
            }
            (_, [before, label, after]) => {
                let close = after.split(":::").next().unwrap();
                let known = shapes.iter().any(|(left, right)| {
                    *right == close && before.trim().strip_suffix(left).is_some_and(is_node)
                });
                assert!(known, "{line}");
                nodes.push((*label).to_owned());
            }
            _ => panic!("what is {line:?}"),
        }
    }
    assert_eq!(open, 0);
    nodes
}

/// Lets Graphviz read a drawing, where it is installed.
#[expect(clippy::print_stderr, reason = "a test that skips says so")]
fn ask_graphviz(text: &str) {
    let child = Command::new("dot")
        .arg("-Tsvg")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("SKIPPED: there is no `dot` here");
        return;
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("rror"), "{said}");
    let picture = String::from_utf8_lossy(&output.stdout);
    assert_eq!(picture.matches("class=\"node\"").count(), 8, "{picture}");
}
