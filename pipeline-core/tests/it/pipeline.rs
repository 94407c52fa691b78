//! The pipeline: what is refused, the order of what is built, and plans that give the same pipeline again.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use pipeline_core::{
    Effect, Environment, EnvironmentDescriptor, Outcome, Pipeline, Problem, Registry, SignedDuration, Stage,
    StageContext, StageSpec,
};
use proptest::prelude::*;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::json;

use crate::registry::{Approval, Command, Deploy, Directory, Smoke, registry};

fn environment(name: &str) -> Arc<dyn Environment> {
    let descriptor = json!({
        "name": name, "tier": "staging", "type": "directory", "settings": {"path": "/srv", "share": 2.0},
    });
    let descriptor: EnvironmentDescriptor = serde_json::from_value(descriptor).unwrap();
    Arc::new(Directory::new(descriptor))
}

fn deploy() -> Deploy {
    Deploy {
        strategy: "rolling".to_owned(),
        weight: 2.0,
    }
}

/// Says that it can be inspected, and cannot; its settings cannot be written.
#[derive(Debug)]
struct Broken;

impl Serialize for Broken {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("no form"))
    }
}

impl Stage for Broken {
    const TYPE: &'static str = "Broken Type";
    type Error = io::Error;

    fn effect(&self) -> Effect {
        Effect::Inspectable
    }

    async fn run(&self, _: &StageContext) -> io::Result<Outcome> {
        Ok(Outcome::succeeded())
    }
}

/// A number that JSON would change.
#[derive(Debug, Serialize)]
struct Large {
    number: u64,
}

impl Stage for Large {
    const TYPE: &'static str = "large";
    type Error = io::Error;

    fn effect(&self) -> Effect {
        Effect::Pure
    }

    async fn run(&self, _: &StageContext) -> io::Result<Outcome> {
        Ok(Outcome::succeeded())
    }
}

fn release() -> Pipeline {
    Pipeline::builder("infra")
        .component("edge-proxy")
        .environment(environment("staging"))
        .stage(
            StageSpec::new("deploy", deploy())
                .after(["test", "test"])
                .needs(["bundle", "bundle"])
                .environment("staging")
                .gate(Approval { count: 2 })
                .timeout(SignedDuration::from_millis(90_500)),
        )
        .stage(StageSpec::new("test", Smoke).needs(["bundle"]))
        .stage(StageSpec::new("lint", Command::new("shellcheck")))
        .stage(StageSpec::new("build", Command::new("make")).produces(["bundle"]))
        .build()
        .unwrap()
}

#[test]
fn the_order_is_that_of_the_graph_then_of_the_declaration() {
    let pipeline = release();
    let names: Vec<_> = pipeline.stages().map(|stage| stage.name().as_str()).collect();
    assert_eq!(names, ["lint", "build", "test", "deploy"]);
    let deploy = pipeline.stage("deploy").unwrap();
    assert_eq!(deploy.dependencies(), [1, 2]);
    assert_eq!(pipeline.get(1).unwrap().dependents(), [2, 3]);
    assert_eq!(deploy.gates()[0].type_name(), "approval");
    assert_eq!(deploy.timeout(), Some(SignedDuration::from_secs(91)));
    assert!(pipeline.environment("staging").is_some());
    assert!(pipeline.environment("production").is_none());
    assert!(pipeline.stage("nothing").is_none());
}

#[test]
fn the_plan_holds_everything() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&release().plan()).unwrap(), @r#"
{
  "format": 1,
  "pipeline": "infra",
  "component": "edge-proxy",
  "environments": {
    "staging": {
      "name": "staging",
      "tier": "staging",
      "type": "directory",
      "settings": {
        "path": "/srv",
        "share": 2
      }
    }
  },
  "stages": [
    {
      "name": "lint",
      "type": "command",
      "version": 1,
      "settings": {
        "program": "shellcheck"
      },
      "effect": "at-most-once",
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
      "produces": [
        "bundle"
      ],
      "plans": false,
      "portable": true
    },
    {
      "name": "test",
      "type": "smoke",
      "version": 1,
      "settings": null,
      "effect": "pure",
      "after": [
        "build"
      ],
      "needs": [
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
        "build",
        "test"
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
      "timeout_seconds": 91,
      "plans": false,
      "portable": true
    }
  ]
}
"#);
}

#[test]
fn a_plan_gives_the_same_pipeline_again() {
    let plan = release().plan();
    let stored = pipeline_core::canonical_json(&plan).unwrap();
    let read = serde_json::from_slice(&stored).unwrap();
    assert_eq!(plan, read);
    let again = Pipeline::from_plan(&read, &registry()).unwrap();
    assert_eq!(again.plan(), plan);
    assert_eq!(again.plan().digest().unwrap(), plan.digest().unwrap());
}

#[test]
fn a_plan_of_another_program_is_refused_with_all_that_differs() {
    let mut plan = (*release().plan()).clone();
    plan.stages[0].version = 7;
    plan.stages[2].type_name = "smoke-test".parse().unwrap();
    plan.stages[3].settings = json!({"strategy": 5});
    plan.stages[3].gates[0].version = 3;
    insta::assert_snapshot!(Pipeline::from_plan(&plan, &registry()).unwrap_err(), @r#"
the pipeline cannot be built:
- stage `lint` needs stage type command@7, this program has command@1
  hint: resume with the program that made the plan, or start a new run
- stage `test` needs stage type smoke-test@1, this program has none
  hint: resume with the program that made the plan, or start a new run
- cannot build stage `deploy` of the plan: stage type `deploy` cannot be built: setting `strategy` does not fit: invalid type: integer `5`, expected a string
- stage `deploy` needs gate type approval@3, this program has approval@1
  hint: resume with the program that made the plan, or start a new run
"#);
    insta::assert_snapshot!(Pipeline::from_plan(&release().plan(), &Registry::new()).unwrap_err(), @r#"
the pipeline cannot be built:
- cannot build environment `staging` of the plan: environment type `directory` cannot be built: no environment type `directory` is registered
  hint: no environment types are registered at all
- stage `lint` needs stage type command@1, this program has none
  hint: resume with the program that made the plan, or start a new run
- stage `build` needs stage type command@1, this program has none
  hint: resume with the program that made the plan, or start a new run
- stage `test` needs stage type smoke@1, this program has none
  hint: resume with the program that made the plan, or start a new run
- stage `deploy` needs stage type deploy@2, this program has none
  hint: resume with the program that made the plan, or start a new run
- stage `deploy` needs gate type approval@1, this program has none
  hint: resume with the program that made the plan, or start a new run
"#);
    plan.format = 2;
    insta::assert_snapshot!(Pipeline::from_plan(&plan, &registry()).unwrap_err(), @r#"
the pipeline cannot be built:
- the plan has format 2, this program reads format 1
"#);
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let build = || {
        Pipeline::builder("Infra")
            .component("edge proxy")
            .environment(environment("staging"))
            .environment(environment("staging"))
            .stage(StageSpec::new("build", Command::new("make")).produces(["bundle", "a b", "bundle"]))
            .stage(StageSpec::new("build", Smoke).after(["build"]))
            .stage(
                StageSpec::new("package", Smoke)
                    .produces(["bundle"])
                    .needs(["bundel", "image"]),
            )
            .stage(StageSpec::new("Test", Smoke).after(["packag", "nothing-like-it"]))
            .stage(
                StageSpec::new("deploy", deploy())
                    .environment("stagin")
                    .after(["deploy"]),
            )
            .stage(StageSpec::new("soak", Smoke).needs(["x"]).produces(["x"]))
            .stage(StageSpec::new("broken", Broken).timeout(SignedDuration::ZERO))
            .stage(StageSpec::new("large", Large { number: u64::MAX }))
            .stage(StageSpec::new("a", Smoke).after(["b"]).produces(["of-a"]))
            .stage(StageSpec::new("b", Smoke).after(["c"]))
            .stage(StageSpec::new("c", Smoke).needs(["of-a"]).after(["b"]))
            .build()
            .unwrap_err()
            .to_string()
    };
    insta::assert_snapshot!(build(), @r#"
the pipeline cannot be built:
- pipeline `Infra` is not a name: it must start with a lower-case letter or a digit
- component `edge proxy` is not a name: only lower-case letters, digits, `-`, `_` and `.` are allowed
- there are two environments `staging`
- there are two stages `build`
- stage `Test` is not a name: it must start with a lower-case letter or a digit
- stage `broken` has a timeout of 0s
  hint: a timeout is longer than nothing
- type `Broken Type` is not a name: it must start with a lower-case letter or a digit
- stage `broken` is inspectable, but type `Broken Type` cannot inspect
  hint: name the ability in `Stage::abilities`, or choose another effect
- stage type `Broken Type` of stage `broken` cannot be written as JSON: no form
- 18446744073709551615 in setting `number` of stage `large` is beyond 2^53, and JSON would change it
  hint: write it as a text
- artifact `a b` is not a name: only lower-case letters, digits, `-`, `_` and `.` are allowed
- stage `build` produces artifact `bundle` twice
- stages `build` and `package` both produce artifact `bundle`
  hint: give one of the artifacts another name
- stage `build` comes after itself
- stage `package` needs artifact `bundel`, which no stage produces
  hint: did you mean `bundle`?
- stage `package` needs artifact `image`, which no stage produces
- stage `Test` comes after `packag`, which does not exist
  hint: did you mean `package`?
- stage `Test` comes after `nothing-like-it`, which does not exist
- stage `deploy` comes after itself
- stage `deploy` targets environment `stagin`, which does not exist
  hint: did you mean `staging`?
- stage `soak` needs artifact `x`, which it produces itself
- stages wait for each other: `b` → `c` → `b`
  hint: each of them waits for the next; let one of them not wait
"#);
    assert_eq!(build(), build());
}

#[test]
fn a_pipeline_without_stages_is_refused() {
    insta::assert_snapshot!(Pipeline::builder("empty").build().unwrap_err(), @r#"
the pipeline cannot be built:
- the pipeline has no stages
"#);
}

#[test]
fn a_long_cycle_is_shown_shortened() {
    let mut builder = Pipeline::builder("ring");
    for at in 0..100 {
        let stage = StageSpec::new(&format!("s{at}"), Smoke);
        builder = builder.stage(stage.after([format!("s{}", (at + 1) % 100)]));
    }
    insta::assert_snapshot!(builder.build().unwrap_err(), @r#"
the pipeline cannot be built:
- stages wait for each other: `s0` → `s1` → `s2` → `s3` → `s4` → `s5` → `s6` → `s7` → `s8` → `s9` → `s10` → `s11` → … 88 more … → `s0`
  hint: each of them waits for the next; let one of them not wait
"#);
}

#[test]
fn many_unknown_names_take_little_time() {
    let mut builder = Pipeline::builder("wide");
    for at in 0..20_000 {
        builder = builder.stage(StageSpec::new(&format!("stage-{at}"), Smoke).after([format!("stag-{at}")]));
    }
    assert_eq!(builder.build().unwrap_err().problems.len(), 20_000);
}

#[test]
fn a_long_chain_is_built_planned_and_built_again() {
    let mut builder = Pipeline::builder("chain");
    for at in 0..20_000 {
        let stage = StageSpec::new(&format!("s{at}"), Smoke);
        builder = builder.stage(if at == 0 {
            stage
        } else {
            stage.after([format!("s{}", at - 1)])
        });
    }
    let pipeline = builder.build().unwrap();
    assert_eq!(pipeline.len(), 20_000);
    let again = Pipeline::from_plan(&pipeline.plan(), &registry()).unwrap();
    assert_eq!(again.plan(), pipeline.plan());
}

/// A graph as a user would write it: which stage comes after which, and which needs the artifact of which.
#[derive(Debug, Clone)]
struct Drawn {
    after: Vec<(usize, usize)>,
    needs: Vec<(usize, usize)>,
    /// Where each stage is in the declaration.
    shuffled: Vec<usize>,
}

impl Drawn {
    fn build(&self) -> Result<Pipeline, pipeline_core::PipelineError> {
        let mut builder = Pipeline::builder("drawn");
        for &stage in &self.shuffled {
            let targets = |edges: &[(usize, usize)], prefix: &str| -> Vec<String> {
                let own = edges.iter().filter(|(from, _)| *from == stage);
                own.map(|(_, to)| format!("{prefix}{to}")).collect()
            };
            let spec = StageSpec::new(&format!("s{stage}"), Smoke)
                .after(targets(&self.after, "s"))
                .needs(targets(&self.needs, "a"))
                .produces([format!("a{stage}")]);
            builder = builder.stage(spec);
        }
        builder.build()
    }

    fn has_edge(&self, from: &str, to: &str) -> bool {
        let number = |name: &str| name[1..].parse::<usize>().unwrap();
        let edge = (number(from), number(to));
        self.after.contains(&edge) || self.needs.contains(&edge)
    }
}

/// Graphs whose edges lead to lower numbers.
fn acyclic() -> impl Strategy<Value = Drawn> {
    (2_usize..30).prop_flat_map(|count| {
        let edge = (1..count).prop_flat_map(|from| (Just(from), 0..from));
        let edges = prop::collection::vec(edge, 0..60);
        let shuffled = Just((0..count).collect::<Vec<_>>()).prop_shuffle();
        (edges.clone(), edges, shuffled).prop_map(|(after, needs, shuffled)| Drawn {
            after,
            needs,
            shuffled,
        })
    })
}

proptest! {
    #[test]
    fn acyclic_graphs_are_ordered(drawn in acyclic()) {
        let pipeline = drawn.build().unwrap();
        let order: BTreeMap<_, _> = pipeline.stages().map(|stage| stage.name().to_string()).zip(0..).collect();
        prop_assert_eq!(order.len(), drawn.shuffled.len());
        for (from, to) in drawn.after.iter().chain(&drawn.needs) {
            let place = |stage: &usize| order[&format!("s{stage}")];
            prop_assert!(place(to) < place(from));
        }
        for stage in pipeline.stages() {
            let at = pipeline.index_of(stage.name().as_str()).unwrap();
            for &before in stage.dependencies() {
                prop_assert!(before < at);
                prop_assert!(pipeline.get(before).unwrap().dependents().contains(&at));
            }
        }
        // Of what is ready, the first declared comes next.
        let declared = |name: &str| drawn.shuffled.iter().position(|stage| name == format!("s{stage}")).unwrap();
        let stages: Vec<_> = pipeline.stages().collect();
        for (at, pair) in (0_u32..).zip(stages.windows(2)) {
            let ordered = declared(pair[0].name().as_str()) < declared(pair[1].name().as_str());
            prop_assert!(ordered || pair[1].dependencies().contains(&at));
        }
    }

    #[test]
    fn plans_give_the_same_plan_again(drawn in acyclic()) {
        let plan = drawn.build().unwrap().plan();
        let again = Pipeline::from_plan(&plan, &registry()).unwrap().plan();
        prop_assert_eq!(&again, &plan);
        prop_assert_eq!(again.digest().unwrap(), plan.digest().unwrap());
    }

    #[test]
    fn a_planted_cycle_is_told_and_is_one(
        drawn in acyclic(),
        ring in prop::collection::btree_set(0_usize..30, 2..6),
        by_data in any::<bool>(),
    ) {
        let mut drawn = drawn;
        let count = drawn.shuffled.len();
        let ring: std::collections::BTreeSet<_> = ring.into_iter().map(|stage| stage % count).collect();
        let ring: Vec<_> = ring.into_iter().collect();
        prop_assume!(ring.len() > 1);
        for (at, &stage) in ring.iter().enumerate() {
            let edge = (stage, ring[(at + 1) % ring.len()]);
            if by_data { drawn.needs.push(edge) } else { drawn.after.push(edge) }
        }
        let problems = drawn.build().unwrap_err().problems;
        prop_assert!(!problems.is_empty());
        for problem in &problems {
            let Problem::Cycle { stages } = problem else { panic!("{problem}") };
            prop_assert!(stages.len() > 1);
            let distinct: std::collections::BTreeSet<_> = stages.iter().collect();
            prop_assert_eq!(distinct.len(), stages.len());
            for (at, from) in stages.iter().enumerate() {
                prop_assert!(drawn.has_edge(from, &stages[(at + 1) % stages.len()]));
            }
        }
        // Without one edge of each cycle that was told, fewer are left; in the end none.
        let mut rounds = 0;
        while let Err(error) = drawn.build() {
            rounds += 1;
            prop_assert!(rounds < 200);
            for problem in &error.problems {
                let Problem::Cycle { stages } = problem else { panic!("{problem}") };
                let number = |at: usize| stages[at][1..].parse::<usize>().unwrap();
                let edge = (number(0), number(1));
                drawn.after.retain(|other| *other != edge);
                drawn.needs.retain(|other| *other != edge);
            }
        }
    }
}
