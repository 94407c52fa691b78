//! Stages that run over a list.

use pipeline_core::testing::{ScriptedStage, Step};
use pipeline_core::{Each, Outcome, Pipeline, Problem, RunState, StageSpec};
use serde_json::{Value, json};

use super::bench::{Bench, reason, says_no, spec, words, works};

fn reports(fact: &Value) -> ScriptedStage {
    works().then(Step::End(Box::new(
        Outcome::succeeded().fact("list", fact.clone()),
    )))
}

async fn over(fact: &Value) -> RunState {
    let each = Each {
        most: 3,
        ..Each::fact("list".try_into().unwrap(), "list".try_into().unwrap())
    };
    let pipeline = Pipeline::builder("p")
        .stage(spec("list", &reports(fact)))
        .stage(spec("each", &works()).each(each))
        .build()
        .unwrap();
    Bench::new().run(&pipeline).await
}

#[tokio::test(start_paused = true)]
async fn instances_are_named_after_their_items_or_numbered() {
    let state = over(&json!(["eu", "Not a name", "eu"])).await;
    let names: Vec<_> = words(&state).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["list", "each", "each.eu", "each.item-2", "each.item-3"]);
    assert_eq!(words(&state)[1].1, "succeeded");
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_is_nothing_to_do_and_what_is_no_list_fails_the_stage() {
    assert_eq!(words(&over(&json!([])).await)[1].1, "nothing to do");
    for (fact, why) in [
        (json!("eu"), "fact `list` of stage `list` is no list"),
        (json!([1, 2, 3, 4]), "its list has 4 items, and 3 are the most"),
    ] {
        let state = over(&fact).await;
        assert_eq!(
            (words(&state)[1].1, reason(&state, "each").as_str()),
            ("errored", why)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn facts_are_gathered_by_item_and_a_failing_instance_fails_the_stage() {
    let n = |n: i32| Step::End(Box::new(Outcome::succeeded().fact("n", n)));
    for (stage, word) in [
        (works().then(n(1)).then(n(2)), "succeeded"),
        (says_no(), "failed"),
    ] {
        let after = works();
        let pipeline = Pipeline::builder("p")
            .stage(spec("each", &stage).each(Each::values(["a", "b"])))
            .stage(spec("after", &after).after(["each"]))
            .build()
            .unwrap();
        let state = Bench::new().run(&pipeline).await;
        assert_eq!(words(&state)[0], ("each", word));
        if word == "succeeded" {
            assert_eq!(after.seen()[0]["facts"], json!({"each": {"n": {"a": 1, "b": 2}}}));
        } else {
            assert_eq!(
                reason(&state, "after"),
                "it depends on stage `each`, which failed"
            );
        }
    }
}

#[test]
fn a_stage_over_a_list_produces_no_artifacts() {
    let spec = StageSpec::new("each", works())
        .each(Each::values(["a"]))
        .produces(["site"]);
    let error = Pipeline::builder("p").stage(spec).build().unwrap_err();
    assert!(
        matches!(error.problems[..], [Problem::BadEach { .. }]),
        "{error:?}"
    );
}
