use std::future::Future;

use super::promises as p;
use super::suite::{Session, same};
use super::world::StageWorld;
use crate::stage::Outcome;
use crate::testing::conformance::watch::{Disturbance, End, watch};

impl<F, Fut> Session<'_, F>
where
    F: Fn() -> Fut,
    Fut: Future<Output = StageWorld>,
{
    /// A world in which the stage was called and succeeded.
    async fn done(&mut self) -> Option<(StageWorld, Outcome)> {
        if !self.reference.is_success() {
            let why = "an undisturbed call does not succeed";
            let promises = [p::VERIFIES, p::VERIFIES_ONLY, p::UNDOES, p::UNDOES_AGAIN];
            self.report.not_tried(&promises, why);
            return None;
        }
        let world = self.fresh().await;
        let outcome = self.succeeds(world.stage.run(&world.first())).await.ok()?;
        Some((world, outcome))
    }

    /// Verifies a fresh effect.
    pub(super) async fn verified(&mut self) {
        if !self.fresh().await.stage.can_verify() {
            return;
        }
        let Some((world, outcome)) = self.done().await else {
            return;
        };
        let before = world.look().await;
        let found = self.succeeds(world.stage.verify(&world.first(), &outcome)).await;
        self.report.check(p::VERIFIES, found);
        let after = world.look().await;
        self.check_world(p::VERIFIES_ONLY, &world, same(before.as_ref(), after.as_ref()));
    }

    /// Undoes a fresh effect: once, twice, and dropped at each await point.
    pub(super) async fn undone(&mut self) {
        if !self.fresh().await.stage.can_undo() {
            return;
        }
        let Some((world, outcome)) = self.done().await else {
            return;
        };
        let cx = world.first();
        let watched = watch(
            world.stage.undo(&cx, &outcome),
            Disturbance::Nothing,
            self.suite.time_limit,
        )
        .await;
        let usual = watched.polls;
        let found = match watched.end.done() {
            Ok(Ok(_)) => self.as_before(&world).await,
            Ok(Err(error)) => Err(super::suite::text(&error)),
            Err(why) => Err(why),
        };
        let works = found.is_ok();
        self.check_world(p::UNDOES, &world, found);
        if !works {
            let why = "undoing once does not work";
            self.report.not_tried(&[p::UNDOES_AGAIN], why);
            return;
        }
        let again = self.undo_again(&world, &outcome).await;
        self.check_world(
            p::UNDOES_AGAIN,
            &world,
            again.map_err(|why| format!("undone twice: {why}")),
        );

        for at in self.points() {
            let Some((world, outcome)) = self.done().await else {
                return;
            };
            let cx = world.first();
            let undo = world.stage.undo(&cx, &outcome);
            let watched = watch(undo, Disturbance::Drop(at), self.suite.time_limit).await;
            if self.is_beyond(at, usual, watched.disturbed) {
                return;
            }
            if let End::Dropped = watched.end {
                let found = self.undo_again(&world, &outcome).await;
                let found = found.map_err(|why| format!("dropped {}, then undone: {why}", at.text()));
                self.check_world(p::UNDOES_AGAIN, &world, found);
            }
        }
        self.reached_the_bound("dropped while it undoes");
    }

    async fn undo_again(&self, world: &StageWorld, outcome: &Outcome) -> Result<(), String> {
        self.succeeds(world.stage.undo(&world.repeated(), outcome))
            .await?;
        self.as_before(world).await
    }

    async fn as_before(&self, world: &StageWorld) -> Result<(), String> {
        let look = world.look().await;
        same(self.reference.before.as_ref(), look.as_ref())
    }
}
