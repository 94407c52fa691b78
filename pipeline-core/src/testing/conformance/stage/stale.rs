use std::future::Future;

use super::promises as p;
use super::suite::{Session, same};
use super::world::StageWorld;
use crate::stage::{Outcome, OutcomeStatus, StageError};
use crate::{Digest, Fence};

impl<F, Fut> Session<'_, F>
where
    F: Fn() -> Fut,
    Fut: Future<Output = StageWorld>,
{
    /// A call that comes too late: the environment has seen a higher fence.
    pub(super) async fn late(&mut self) {
        let world = self.fresh().await;
        let cx = world.first();
        let Some(environment) = cx
            .environment()
            .filter(|environment| environment.fenced().is_some())
        else {
            return;
        };
        let Some(fence) = cx.target().and_then(|target| target.fence) else {
            self.report
                .not_tried(&[p::REFUSES_LATE_CALLS], "the call has no fence");
            return;
        };
        let higher = Fence {
            token: fence.token.saturating_add(1),
            ..fence
        };
        // Retiring what is not there changes nothing but the highest fence.
        let nothing = Digest::of(b"a release that nobody deployed");
        if let Err(error) = environment.retire(&nothing, Some(higher)).await {
            let why = format!("the environment does not take a higher fence: {error}");
            self.report.not_tried(&[p::REFUSES_LATE_CALLS], &why);
            return;
        }
        let before = world.look().await;
        let result = self.undisturbed(world.stage.run(&cx)).await;
        let found = self.refused(&world, before, result).await;
        self.report.check(p::REFUSES_LATE_CALLS, found);
    }

    /// Whether a call that must be refused was: nothing is changed, and nothing is said to be.
    async fn refused(
        &self,
        world: &StageWorld,
        before: Option<String>,
        result: Result<Result<Outcome, StageError>, String>,
    ) -> Result<(), String> {
        let result = result?;
        let after = world.look().await;
        same(before.as_ref(), after.as_ref()).map_err(|difference| format!("the world: {difference}"))?;
        match result {
            Ok(outcome)
                if outcome.status == OutcomeStatus::Succeeded && self.reference.changes_the_world() =>
            {
                Err("it reports a success and changed nothing".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Plans, twice, and is then called with the plan of something else.
    pub(super) async fn planned(&mut self) {
        let world = self.fresh().await;
        if !world.stage.can_plan() {
            return;
        }
        let before = world.look().await;
        let cx = world.first();
        let first = self.succeeds(world.stage.plan(&cx)).await;
        let second = self.succeeds(world.stage.plan(&world.elsewhere())).await;
        let after = world.look().await;
        self.check_world(p::PLANS_ONLY, &world, same(before.as_ref(), after.as_ref()));
        let (first, second) = match (first, second) {
            (Ok(Some(first)), Ok(Some(second))) => (first, second),
            (Err(why), _) | (_, Err(why)) => {
                self.report.check(p::PLANS_EQUALLY, Err(why));
                return;
            }
            _ => return,
        };
        let data = serde_json::to_value(&first).unwrap_or_default();
        self.keeps_secrets(&world, &cx, &data, "action plan");
        let digests = (first.digest(), second.digest());
        let found = match digests {
            (Ok(first), Ok(second)) if first == second => Ok(()),
            _ => {
                let json = |plan| serde_json::to_string_pretty(plan).unwrap_or_default();
                Err(crate::testing::conformance::report::difference(
                    &json(&first),
                    &json(&second),
                ))
            }
        };
        self.report.check(p::PLANS_EQUALLY, found);

        if cx.target().is_none() {
            self.report
                .not_tried(&[p::KEEPS_TO_PLAN], "it targets no environment");
            return;
        }
        let mut other = first;
        other.release = Digest::of(b"another release");
        other.configuration = Digest::of(b"another configuration");
        let before = world.look().await;
        let cx = world.context(world.call.clone().action_plan(other));
        let found = match self.undisturbed(world.stage.run(&cx)).await {
            Ok(Ok(outcome)) if outcome.is_success() => Err(format!(
                "it was called with the plan of another release, and ended as {:?}",
                outcome.status
            )),
            result => self.refused(&world, before, result).await,
        };
        self.check_world(p::KEEPS_TO_PLAN, &world, found);
    }

    /// Plans; somebody changes the world; it is called with the plan.
    pub(super) async fn meddled(&mut self) {
        let world = self.fresh().await;
        if !world.stage.can_plan() || !world.has_probe() {
            return;
        }
        let plan = match self.succeeds(world.stage.plan(&world.first())).await {
            Ok(Some(plan)) if world.first().target().is_some() => plan,
            Ok(_) => {
                self.report
                    .not_tried(&[p::SURVIVES_MEDDLING], "it targets no environment");
                return;
            }
            Err(why) => {
                self.report
                    .not_tried(&[p::SURVIVES_MEDDLING], &format!("it does not plan: {why}"));
                return;
            }
        };
        if !world.meddled().await {
            let why = "nobody says how the world changes: `StageWorld::meddle`";
            self.report.not_tried(&[p::SURVIVES_MEDDLING], why);
            return;
        }
        let before = world.look().await;
        let cx = world.context(world.call.clone().action_plan(plan));
        let found = match self.undisturbed(world.stage.run(&cx)).await {
            Ok(Ok(outcome)) if outcome.is_success() => {
                let (look, expected) = (world.look().await, self.after_meddling().await);
                same(expected.as_ref(), look.as_ref())
                    .map_err(|difference| format!("it reports a success; {difference}"))
            }
            Ok(_) => {
                let look = world.look().await;
                same(before.as_ref(), look.as_ref())
                    .map_err(|difference| format!("it refuses, and changed the world: {difference}"))
            }
            Err(why) => Err(why),
        };
        self.report.check(p::SURVIVES_MEDDLING, found);
    }

    /// What a call without a plan leaves in a world that somebody meddled with; if it does not succeed there, what an
    /// undisturbed call leaves.
    async fn after_meddling(&self) -> Option<String> {
        let world = self.fresh().await;
        world.meddled().await;
        match self.succeeds(world.stage.run(&world.first())).await {
            Ok(outcome) if outcome.is_success() => world.look().await,
            _ => self.reference.after.clone(),
        }
    }
}
