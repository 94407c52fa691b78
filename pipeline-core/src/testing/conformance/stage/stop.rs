use std::future::Future;

use super::promises as p;
use super::suite::{Session, same};
use super::world::StageWorld;
use crate::stage::{Failure, Outcome, StageError};
use crate::testing::conformance::watch::{Disturbance, End, watch};

impl<F, Fut> Session<'_, F>
where
    F: Fn() -> Fut,
    Fut: Future<Output = StageWorld>,
{
    /// Asks the call to stop at each await point.
    pub(super) async fn stopped(&mut self) {
        for at in self.points() {
            let world = self.fresh().await;
            let cx = world.first();
            let asked = Disturbance::Cancel(at, cx.cancellation().clone());
            let watched = watch(world.stage.run(&cx), asked, self.suite.time_limit).await;
            if self.is_beyond(at, self.reference.polls, watched.disturbed) {
                return;
            }
            if !watched.disturbed {
                continue;
            }
            let place = |why: String| format!("stopped {}: {why}", at.text());
            match watched.end {
                End::Done(result) => {
                    self.report.check(p::STOPS, Ok(()));
                    self.after_stop(&world, result, place).await;
                }
                end => {
                    let why = end.done().map(drop);
                    self.report.check(p::STOPS, why.map_err(place));
                    // Each further point would take the whole time limit.
                    return;
                }
            }
        }
        self.reached_the_bound("stopped");
    }

    /// What a stopped stage says must be true.
    async fn after_stop(
        &mut self,
        world: &StageWorld,
        result: Result<Outcome, StageError>,
        place: impl Fn(String) -> String,
    ) {
        let look = world.look().await;
        let definite = match &result {
            Ok(outcome) if outcome.is_success() => {
                let found = same(self.reference.after.as_ref(), look.as_ref());
                let found = found.map_err(|difference| place(format!("it reports a success; {difference}")));
                self.check_world(p::STOPS_WHOLE, world, Ok(()));
                self.report.check(p::STOPS_TRULY, found);
                return;
            }
            Ok(outcome) => format!("it ended as {:?}", outcome.status),
            Err(error) if error.failure == Failure::Unknown => {
                self.check_world(p::STOPS_WHOLE, world, Ok(()));
                match self.recover(world, p::STOPS_TRULY).await {
                    Ok(()) => self.report.check(p::STOPS_TRULY, Ok(())),
                    Err((promise, why)) => self.report.check(promise, Err(place(why))),
                }
                return;
            }
            Err(error) => format!("it ended with an error that is {:?}", error.failure),
        };
        let whole = look == self.reference.before || look == self.reference.after;
        let found = match (whole, &look, &self.reference.before) {
            (false, Some(look), Some(before)) => {
                let difference = crate::testing::conformance::report::difference(before, look);
                Err(place(format!(
                    "{definite}, and the world is neither as before nor as after: {difference}"
                )))
            }
            _ => Ok(()),
        };
        self.check_world(p::STOPS_WHOLE, world, found);
        let next = self.succeeds(world.stage.run(&world.next())).await;
        let found = match next {
            Ok(outcome) => self.as_undisturbed(world, &outcome).await,
            Err(why) => Err(why),
        };
        self.report.check(
            p::STOPS_TRULY,
            found.map_err(|why| place(format!("{definite}; the next attempt: {why}"))),
        );
    }
}
