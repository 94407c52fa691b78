use std::future::Future;

use super::once::differing;
use super::promises as p;
use super::suite::{Session, same};
use super::world::StageWorld;
use crate::stage::{Effect, Inspection, Outcome};
use crate::testing::conformance::Promise;
use crate::testing::conformance::watch::{Disturbance, End, watch};

impl<F, Fut> Session<'_, F>
where
    F: Fn() -> Fut,
    Fut: Future<Output = StageWorld>,
{
    /// Asks before and after an undisturbed call.
    pub(super) async fn inspected(&mut self) {
        if self.effect != Effect::Inspectable {
            return;
        }
        let world = self.fresh().await;
        let before = world.look().await;
        let found = match self.succeeds(world.stage.inspect(&world.first())).await {
            Ok(Inspection::DidNotHappen) => Ok(()),
            Ok(Inspection::Happened(_)) => Err("it says that it happened".to_owned()),
            Ok(Inspection::Unknown { reason }) => Err(format!("it cannot tell: {reason}")),
            Err(why) => Err(why),
        };
        self.report.check(p::INSPECTS_BEFORE, found);
        let after = world.look().await;
        let only = |found: Result<(), String>, when: &str| {
            found.map_err(|difference| format!("inspected {when}: {difference}"))
        };
        self.check_world(
            p::INSPECTS_ONLY,
            &world,
            only(same(before.as_ref(), after.as_ref()), "before the call"),
        );

        if !self.reference.is_success() {
            let why = "an undisturbed call does not succeed";
            self.report.not_tried(&[p::INSPECTS_AFTER], why);
            return;
        }
        let ran = self.succeeds(world.stage.run(&world.first())).await;
        let before = world.look().await;
        let inspected = self.succeeds(world.stage.inspect(&world.first())).await;
        let found = match (ran, inspected) {
            (Ok(outcome), Ok(Inspection::Happened(found))) => alike(&outcome, &found),
            (Ok(_), Ok(Inspection::DidNotHappen)) => Err("it says that it did not happen".to_owned()),
            (Ok(_), Ok(Inspection::Unknown { reason })) => Err(format!("it cannot tell: {reason}")),
            (Err(why), _) | (_, Err(why)) => Err(why),
        };
        self.report.check(p::INSPECTS_AFTER, found);
        let after = world.look().await;
        self.check_world(
            p::INSPECTS_ONLY,
            &world,
            only(same(before.as_ref(), after.as_ref()), "after the call"),
        );
    }

    /// Drops the call at each await point, and goes on as the engine would.
    pub(super) async fn dropped(&mut self) {
        if self.effect == Effect::AtMostOnce {
            return;
        }
        for at in self.points() {
            let world = self.fresh().await;
            let cx = world.first();
            let watched = watch(world.stage.run(&cx), Disturbance::Drop(at), self.suite.time_limit).await;
            if self.is_beyond(at, self.reference.polls, watched.disturbed) {
                return;
            }
            if let End::Dropped = watched.end {
                let found = self.recover(&world, p::RECOVERS).await;
                let place = |why| format!("dropped {}: {why}", at.text());
                match found {
                    Ok(()) => self.report.check(p::RECOVERS, Ok(())),
                    Err((promise, why)) => self.report.check(promise, Err(place(why))),
                }
            }
        }
        self.reached_the_bound("dropped");
    }

    /// Does what the engine does when nobody knows how a call ended. `Err` names the promise that is broken: `promise`,
    /// or that an inspection is true.
    pub(super) async fn recover(
        &mut self,
        world: &StageWorld,
        promise: Promise,
    ) -> Result<(), (Promise, String)> {
        match self.effect {
            Effect::Pure | Effect::Idempotent => {}
            Effect::AtMostOnce => return Ok(()),
            Effect::Inspectable => {
                let inspected = self.succeeds(world.stage.inspect(&world.first())).await;
                let look = world.look().await;
                match inspected {
                    Ok(Inspection::Happened(_)) => {
                        let found = same(self.reference.after.as_ref(), look.as_ref());
                        self.check_world(p::INSPECTS_TRULY, world, Ok(()));
                        return found.map_err(|difference| {
                            (
                                p::INSPECTS_TRULY,
                                format!("it says that it happened; {difference}"),
                            )
                        });
                    }
                    Ok(Inspection::DidNotHappen) => self.check_world(p::INSPECTS_TRULY, world, Ok(())),
                    // Both park the run: a person decides.
                    Ok(Inspection::Unknown { reason }) => {
                        self.report.note(format!(
                            "an inspection could not tell, which parks the run: {reason}"
                        ));
                        return Ok(());
                    }
                    Err(why) => {
                        self.report
                            .note(format!("an inspection failed, which parks the run: {why}"));
                        return Ok(());
                    }
                }
            }
        }
        let again = self.succeeds(world.stage.run(&world.repeated())).await;
        let outcome = again.map_err(|why| (promise, format!("called again: {why}")))?;
        self.as_undisturbed(world, &outcome)
            .await
            .map_err(|why| (promise, format!("called again: {why}")))
    }

    /// Whether a later call came to what an undisturbed one comes to.
    pub(super) async fn as_undisturbed(&self, world: &StageWorld, outcome: &Outcome) -> Result<(), String> {
        let Some(reference) = &self.reference.outcome else {
            return Ok(());
        };
        if outcome.is_success() != reference.is_success() {
            return Err(format!("it ended as {:?}: {}", outcome.status, outcome.reason));
        }
        if self.effect == Effect::Pure && !self.is_equal_by_chance(outcome, reference) {
            return Err(differing(reference, outcome));
        }
        let look = world.look().await;
        same(self.reference.after.as_ref(), look.as_ref())
            .map_err(|difference| format!("the world: {difference}"))
    }

    /// Whether outcomes of two worlds are equal, or those of one world are not even.
    fn is_equal_by_chance(&self, one: &Outcome, other: &Outcome) -> bool {
        one == other || self.report.broken().contains(&p::EQUAL_OUTCOMES.name)
    }
}

/// Whether an inspection reports what the call did: later stages and the environment's history live on it.
fn alike(outcome: &Outcome, found: &Outcome) -> Result<(), String> {
    if !found.is_success() {
        return Err(format!(
            "it says that it happened, and ended as {:?}",
            found.status
        ));
    }
    if outcome.artifacts != found.artifacts {
        return Err("it reports other artifacts than the call".to_owned());
    }
    if outcome.deployment != found.deployment {
        return Err("it reports another deployment than the call".to_owned());
    }
    Ok(())
}
