use std::future::Future;
use std::time::Duration;

use super::promises as p;
use super::world::StageWorld;
use crate::chain::error_chain;
use crate::stage::{Effect, Outcome, StageError};
use crate::testing::conformance::report::difference;
use crate::testing::conformance::watch::{AwaitPoint, Disturbance, watch};
use crate::testing::conformance::{Promise, Report};

/// Checks a stage against the contract of [`Stage`](crate::Stage), its [`Effect`] and its
/// [abilities](crate::Abilities).
///
/// It calls the stage in many small worlds: once, twice, dropped and stopped at each await point, too late, with plans
/// that do not fit. What an await point is, is found out by counting polls. Which promises are looked at follows
/// from what the stage declares; [`StageSuite::PROMISES`] lists them all.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use std::sync::Arc;
///
/// use pipeline_core::testing::conformance::{StageSuite, StageWorld};
/// use pipeline_core::testing::{ManualClock, MemoryArtifacts, TestCall, services};
/// use pipeline_core::{Effect, NoSecrets, NoSource, Outcome, Stage, StageContext};
///
/// /// Says that it may be repeated, and counts every call.
/// #[derive(Debug)]
/// struct Count(Arc<AtomicU32>);
///
/// impl Stage for Count {
///     const TYPE: &'static str = "count";
///     type Error = std::convert::Infallible;
///
///     fn effect(&self) -> Effect {
///         Effect::Idempotent
///     }
///
///     async fn run(&self, _: &StageContext) -> Result<Outcome, Self::Error> {
///         self.0.fetch_add(1, Ordering::SeqCst);
///         Ok(Outcome::succeeded())
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let report = StageSuite::new(|| async {
///     let clock = ManualClock::at("2026-11-20T12:00:00Z");
///     let services = services(clock, Arc::new(MemoryArtifacts::new()), Arc::new(NoSource), Arc::new(NoSecrets));
///     let count = Arc::new(AtomicU32::new(0));
///     StageWorld::new(Count(Arc::clone(&count)), TestCall::new("count"), services)
///         .probe(move || { let count = count.load(Ordering::SeqCst); async move { count.to_string() } })
/// })
/// .run()
/// .await;
/// assert_eq!(report.broken(), ["repeats"]);
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct StageSuite<F> {
    fresh: F,
    pub(super) await_points: usize,
    pub(super) time_limit: Duration,
}

impl StageSuite<()> {
    /// Every promise that the suite knows, in the order of a report.
    pub const PROMISES: &'static [Promise] = p::ALL;
}

impl<F, Fut> StageSuite<F>
where
    F: Fn() -> Fut,
    Fut: Future<Output = StageWorld>,
{
    /// A suite for the stage in the worlds that `fresh` makes. Each check takes a world of its own.
    pub fn new(fresh: F) -> Self {
        Self {
            fresh,
            await_points: 100,
            time_limit: Duration::from_secs(10),
        }
    }

    /// How many await points of a call are tried; the report notes when there are more. 100 unless said otherwise.
    #[must_use]
    pub fn await_points(mut self, bound: usize) -> Self {
        self.await_points = bound;
        self
    }

    /// How long one call may take by the computer's time, also after it was asked to stop. 10 s unless said
    /// otherwise; a stage's own grace period is shorter.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Runs every check, and tells what each promise came to.
    ///
    /// A stage that needs tokio is checked inside a runtime of the caller.
    pub async fn run(&self) -> Report {
        let world = (self.fresh)().await;
        let effect = world.stage.effect();
        let mut session = Session {
            suite: self,
            report: Report::new(
                format!("stage `{}`, {effect}", world.stage.type_name()),
                StageSuite::PROMISES,
            ),
            effect,
            reference: Reference::default(),
        };
        session.narrow(&world);
        if !session.once(&world).await {
            session
                .report
                .stop("an undisturbed call does not end with an outcome");
            return session.report;
        }
        drop(world);
        if !session.alike().await {
            session
                .report
                .stop("two fresh worlds do not look the same, so nothing can be compared");
            return session.report;
        }
        session.again().await;
        session.inspected().await;
        session.dropped().await;
        session.stopped().await;
        session.late().await;
        session.planned().await;
        session.meddled().await;
        session.verified().await;
        session.undone().await;
        session.report
    }
}

/// What an undisturbed call came to: what all others are compared with.
#[derive(Debug, Default)]
pub(super) struct Reference {
    pub(super) outcome: Option<Outcome>,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    /// How many polls did not end it.
    pub(super) polls: usize,
}

impl Reference {
    pub(super) fn is_success(&self) -> bool {
        self.outcome.as_ref().is_some_and(Outcome::is_success)
    }

    pub(super) fn changes_the_world(&self) -> bool {
        self.before != self.after
    }
}

/// One run of a suite.
#[derive(Debug)]
pub(super) struct Session<'a, F> {
    pub(super) suite: &'a StageSuite<F>,
    pub(super) report: Report,
    pub(super) effect: Effect,
    pub(super) reference: Reference,
}

/// Says that a world is not what it should be.
pub(super) fn same(expected: Option<&String>, found: Option<&String>) -> Result<(), String> {
    match (expected, found) {
        (Some(expected), Some(found)) if expected != found => Err(difference(expected, found)),
        _ => Ok(()),
    }
}

/// An error of a stage, with what it means.
pub(super) fn text(error: &StageError) -> String {
    format!("{:?}: {}", error.failure, error_chain(error).join(": "))
}

impl<F, Fut> Session<'_, F>
where
    F: Fn() -> Fut,
    Fut: Future<Output = StageWorld>,
{
    /// Leaves out what the stage does not promise.
    fn narrow(&mut self, world: &StageWorld) {
        let effect = self.effect;
        let why = format!("it is {effect}");
        let report = &mut self.report;
        if effect != Effect::Pure {
            report.not_promised(&[p::DECLARES_READS, p::EQUAL_OUTCOMES], &why);
        }
        if !matches!(effect, Effect::Pure | Effect::Idempotent) {
            report.not_promised(&[p::REPEATS], &why);
        }
        let inspects = [
            p::INSPECTS_BEFORE,
            p::INSPECTS_AFTER,
            p::INSPECTS_ONLY,
            p::INSPECTS_TRULY,
        ];
        if effect != Effect::Inspectable {
            report.not_promised(&inspects, &why);
        }
        if effect == Effect::AtMostOnce {
            report.not_promised(&[p::RECOVERS], &why);
        }
        if !world.stage.can_plan() {
            let plans = [
                p::PLANS_EQUALLY,
                p::PLANS_ONLY,
                p::KEEPS_TO_PLAN,
                p::SURVIVES_MEDDLING,
            ];
            report.not_promised(&plans, "it cannot plan its actions");
        }
        if !world.stage.can_verify() {
            report.not_promised(&[p::VERIFIES, p::VERIFIES_ONLY], "it does not verify its effect");
        }
        if !world.stage.can_undo() {
            report.not_promised(&[p::UNDOES, p::UNDOES_AGAIN], "it cannot undo its effect");
        }
        match world.first().environment() {
            None => report.not_promised(&[p::REFUSES_LATE_CALLS], "it targets no environment"),
            Some(environment) if environment.fenced().is_none() => {
                report.not_promised(&[p::REFUSES_LATE_CALLS], "its environment checks no fences");
            }
            Some(_) => {}
        }
        if !world.has_probe() {
            let about_the_world = [
                p::REPEATS,
                p::INSPECTS_ONLY,
                p::INSPECTS_TRULY,
                p::STOPS_WHOLE,
                p::PLANS_ONLY,
                p::KEEPS_TO_PLAN,
                p::SURVIVES_MEDDLING,
                p::VERIFIES_ONLY,
                p::UNDOES,
                p::UNDOES_AGAIN,
            ];
            report.not_tried(
                &about_the_world,
                "there is no way to look at the world: `StageWorld::probe`",
            );
            report.note("without a way to look at the world, only outcomes were compared");
        }
    }

    /// Whether worlds can be compared with each other.
    async fn alike(&mut self) -> bool {
        let other = self.fresh().await.look().await;
        let found = same(self.reference.before.as_ref(), other.as_ref());
        let alike = found.is_ok();
        self.report.check(p::WORLDS_ALIKE, found);
        alike
    }

    pub(super) async fn fresh(&self) -> StageWorld {
        (self.suite.fresh)().await
    }

    /// A call that nobody disturbs; `Err` when it does not end.
    pub(super) async fn undisturbed<T>(&self, call: impl Future<Output = T>) -> Result<T, String> {
        watch(call, Disturbance::Nothing, self.suite.time_limit)
            .await
            .end
            .done()
    }

    /// The same for what may fail; `Err` also when it does.
    pub(super) async fn succeeds<T>(
        &self,
        call: impl Future<Output = Result<T, StageError>>,
    ) -> Result<T, String> {
        self.undisturbed(call).await?.map_err(|error| text(&error))
    }

    /// The await points to try, in order.
    pub(super) fn points(&self) -> impl Iterator<Item = AwaitPoint> + use<F, Fut> {
        let point = |polls, woken| AwaitPoint { polls, woken };
        let later =
            (1..=self.suite.await_points).flat_map(move |polls| [point(polls, false), point(polls, true)]);
        std::iter::once(point(0, false)).chain(later)
    }

    /// Whether a call ended before this place because there is none such.
    pub(super) fn is_beyond(&self, at: AwaitPoint, usual: usize, disturbed: bool) -> bool {
        !disturbed && at.polls >= usual
    }

    pub(super) fn reached_the_bound(&mut self, what: &str) {
        let bound = self.suite.await_points;
        self.report
            .note(format!("{what}: only the first {bound} await points were tried"));
    }

    /// Checks a promise about the world, unless nobody can look at it.
    pub(super) fn check_world(&mut self, promise: Promise, world: &StageWorld, found: Result<(), String>) {
        if world.has_probe() {
            self.report.check(promise, found);
        }
    }
}
