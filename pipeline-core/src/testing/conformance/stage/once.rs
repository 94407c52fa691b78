use std::future::Future;

use serde_json::Value;

use super::promises as p;
use super::suite::{Reference, Session, same};
use super::world::StageWorld;
use crate::stage::{Effect, Outcome, Reads, StageContext};
use crate::testing::conformance::watch::{Disturbance, watch};
use crate::{ArtifactName, Secret, SourcePath};

/// A secret that is shorter stands in many texts by chance.
const SHORTEST_SECRET: usize = 4;

impl<F, Fut> Session<'_, F>
where
    F: Fn() -> Fut,
    Fut: Future<Output = StageWorld>,
{
    /// An undisturbed call. `false` when it does not end with an outcome.
    pub(super) async fn once(&mut self, world: &StageWorld) -> bool {
        let cx = world.first();
        let before = world.look().await;
        let watched = watch(world.stage.run(&cx), Disturbance::Nothing, self.suite.time_limit).await;
        let outcome = match watched.end.done() {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => {
                self.report.check(p::ENDS, Err(super::suite::text(&error)));
                return false;
            }
            Err(why) => {
                self.report.check(p::ENDS, Err(why));
                return false;
            }
        };
        self.report.check(p::ENDS, Ok(()));
        let produced = produced(world, &cx, &outcome).await;
        self.report.check(p::PRODUCES, produced);
        self.report.check(p::ROUND_TRIPS, round_trips(&outcome));
        self.keeps_secrets(
            world,
            &cx,
            &serde_json::to_value(&outcome).unwrap_or_default(),
            "outcome",
        );
        if self.effect == Effect::Pure {
            self.report
                .check(p::DECLARES_READS, declared(&world.stage.reads(), &world.paths()));
        }
        let after = world.look().await;
        self.reference = Reference {
            outcome: Some(outcome),
            before,
            after,
            polls: watched.polls,
        };
        true
    }

    /// Looks for the secrets that were asked for, in what came out and in what was said.
    pub(super) fn keeps_secrets(&mut self, world: &StageWorld, cx: &StageContext, data: &Value, what: &str) {
        let said = cx.output_log().to_string();
        let found = world.secrets().iter().map(Secret::expose).try_for_each(|secret| {
            if secret.len() < SHORTEST_SECRET {
                return Ok(());
            }
            if said.contains(secret) {
                return Err("a secret is in the output".to_owned());
            }
            match holds(data, secret) {
                true => Err(format!("a secret is in the {what}")),
                false => Ok(()),
            }
        });
        self.report.check(p::KEEPS_SECRETS, found);
    }

    /// Two calls with one key.
    pub(super) async fn again(&mut self) {
        if !matches!(self.effect, Effect::Pure | Effect::Idempotent) {
            return;
        }
        let world = self.fresh().await;
        let first = self.succeeds(world.stage.run(&world.first())).await;
        let second = self.succeeds(world.stage.run(&world.repeated())).await;
        let found = match (&first, &second) {
            (Err(why), _) => Err(format!("the first of two calls: {why}")),
            (_, Err(why)) => Err(format!("the second of two calls: {why}")),
            _ => {
                let twice = world.look().await;
                let found = same(self.reference.after.as_ref(), twice.as_ref());
                found.map_err(|difference| format!("the world after two calls: {difference}"))
            }
        };
        match found {
            // A second call that fails tells something even if nobody looks at the world.
            Err(why) => self.report.check(p::REPEATS, Err(why)),
            Ok(()) => self.check_world(p::REPEATS, &world, Ok(())),
        }
        if let (Effect::Pure, Ok(first), Ok(second)) = (self.effect, first, second) {
            let found = if first == second {
                Ok(())
            } else {
                Err(differing(&first, &second))
            };
            self.report.check(p::EQUAL_OUTCOMES, found);
        }
    }
}

/// How two outcomes differ.
pub(super) fn differing(first: &Outcome, second: &Outcome) -> String {
    let json = |outcome| serde_json::to_string_pretty(outcome).unwrap_or_default();
    let difference = crate::testing::conformance::report::difference(&json(first), &json(second));
    format!("the second outcome differs: {difference}")
}

async fn produced(world: &StageWorld, cx: &StageContext, outcome: &Outcome) -> Result<(), String> {
    if outcome.is_success() {
        for name in world.should_produce() {
            let reported =
                ArtifactName::new(name.as_str()).is_ok_and(|name| outcome.artifacts.contains_key(&name));
            if !reported {
                return Err(format!("artifact `{name}` is not reported"));
            }
        }
    }
    for (name, artifact) in &outcome.artifacts {
        if let Err(error) = cx.artifacts().open(artifact).await {
            return Err(format!(
                "artifact `{name}` is reported, and cannot be opened: {error}"
            ));
        }
    }
    Ok(())
}

fn round_trips(outcome: &Outcome) -> Result<(), String> {
    let text = serde_json::to_string(outcome).map_err(|error| format!("it cannot be written: {error}"))?;
    let back: Outcome =
        serde_json::from_str(&text).map_err(|error| format!("it cannot be read back: {error}"))?;
    if back == *outcome {
        Ok(())
    } else {
        Err("what is read back is something else".to_owned())
    }
}

/// Whether a text stands somewhere in some data, in a value or a key.
fn holds(data: &Value, text: &str) -> bool {
    match data {
        Value::String(one) => one.contains(text),
        Value::Array(items) => items.iter().any(|item| holds(item, text)),
        Value::Object(table) => table
            .iter()
            .any(|(key, value)| key.contains(text) || holds(value, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => data.to_string().contains(text),
    }
}

fn declared(reads: &Reads, paths: &[SourcePath]) -> Result<(), String> {
    let allowed: &[SourcePath] = match reads {
        Reads::Nothing => &[],
        Reads::Source(paths) => paths,
    };
    let below = |path: &SourcePath| {
        allowed.iter().any(|one| {
            let rest = path.as_str().strip_prefix(one.as_str());
            *one == SourcePath::root() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    match paths.iter().find(|path| !below(path)) {
        Some(path) => Err(format!("it reads `{path}`, which `reads` does not name")),
        None => Ok(()),
    }
}
