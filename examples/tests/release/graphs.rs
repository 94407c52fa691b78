//! `release graph`: a pipeline and a run as drawings.

use crate::support::{PACKAGE, TestSpace, deployment, text};

#[test]
fn a_definition_and_its_run_are_drawn_in_both_languages() {
    let production = deployment("production", "package").replace(
        "after = [\"package\"]\n",
        "after = [\"package\"]\ngates = [{ type = \"change\", authorisers = [\"dave\"] }]\n",
    );
    let space = TestSpace::with_app(&[PACKAGE, &production].concat());
    let file = space.file();

    let drawn = space.release(&["graph", "--file", &file]).expect(0);
    assert!(drawn.stdout.starts_with("digraph {\n"), "{drawn}");
    for part in [
        "label=\"pipeline shop\"",
        "\"deploy-production\" [label=\"deploy-production\\ndeploy@1\\ngates: change@1\"]",
        "\"package\" -> \"deploy-production\" [label=\"app\"];",
        "subgraph \"cluster_production\"",
    ] {
        assert!(drawn.stdout.contains(part), "no {part}: {drawn}");
    }
    assert!(!space.store().exists(), "looking at a definition makes no store");

    let run = space.run(3).run();
    for args in [&["graph"][..], &["graph", &run]] {
        let drawn = space.release(args).expect(0);
        assert!(
            drawn
                .stdout
                .contains(&format!("run {run} of pipeline shop: waiting")),
            "{drawn}"
        );
        assert!(drawn.stdout.contains("package@1\\n✔ succeeded\""), "{drawn}");
        assert!(
            drawn.stdout.contains("◆ gate change waits\\n◆ waiting\\n"),
            "{drawn}"
        );
    }
    let drawn = space.json(&["graph", &run, "--format", "mermaid"]).expect(0);
    let drawing = text(&drawn.document["drawing"]);
    assert!(drawing.contains("\nflowchart LR\n"), "{drawing}");
    assert!(drawing.contains("  s0 -->|\"app\"| s1\n"), "{drawing}");
    assert_eq!(drawn.document["notation"], "mermaid");
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let space = TestSpace::with_app(PACKAGE);
    space.release(&["graph"]).expect(2);
    let run = space.run(0).run();
    space.release(&["graph", "no-such-run"]).expect(2);
    space.release(&["graph", &run, "--file", &space.file()]).expect(2);
    space.release(&["graph", &run, "--format", "png"]).expect(2);
}
