use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use super::promises as p;
use super::world::EnvironmentWorld;
use crate::chain::error_chain;
use crate::testing::conformance::Report;
use crate::testing::conformance::watch::{AwaitPoint, Disturbance, End, watch};
use crate::{
    ArtifactRef, Configuration, Digest, Environment, EnvironmentError, LiveRelease, Observation, Release,
};

/// How long one call may take by the computer's time.
const LIMIT: Duration = Duration::from_secs(30);
/// How many await points of a call are tried.
const POINTS: usize = 100;
/// How many polls ahead of the other one of two calls at the same time is, at most.
pub(super) const HEAD_STARTS: usize = 8;

/// Checks an environment against the contracts of [`Environment`] and, if it checks fences, of
/// [`Fenced`](crate::Fenced). `fresh` makes an environment in which nothing is live; each check takes its own.
///
/// See [`EnvironmentWorld`] for what the suite takes besides; what it was not given is not tried, and said so.
pub async fn environment<F, Fut>(fresh: F) -> Report
where
    F: Fn() -> Fut,
    Fut: Future<Output = EnvironmentWorld>,
{
    let world = fresh().await;
    let descriptor = world.environment.descriptor();
    let title = format!(
        "environment `{}` of type `{}`",
        descriptor.name, descriptor.type_name
    );
    let mut report = Report::new(title, p::ALL);
    if !once(&mut report, &world).await {
        report.stop("a first deployment does not work");
        return report;
    }
    replaced(&mut report, &world).await;
    failed(&mut report, &fresh().await).await;
    rolled_back(&mut report, &fresh().await).await;
    retired(&mut report, &fresh().await).await;
    dropped(&mut report, &fresh).await;
    drifted(&mut report, &fresh().await).await;
    for head_start in 0..HEAD_STARTS {
        crowded(&mut report, &fresh().await, head_start).await;
    }
    super::fences::fences(&mut report, &fresh).await;
    report
}

pub(super) fn text(error: &EnvironmentError) -> String {
    error_chain(error).join(": ")
}

pub(super) async fn observe(environment: &dyn Environment) -> Result<Observation, String> {
    let observed = environment.observe().await;
    observed.map_err(|error| format!("it cannot be observed: {}", text(&error)))
}

pub(super) fn digests((release, configuration): &(Release, Configuration)) -> Option<LiveRelease> {
    Some(LiveRelease {
        release: release.digest().ok()?,
        configuration: configuration.digest().ok()?,
        drift: Vec::new(),
    })
}

/// Whether exactly this is live and whole.
pub(super) async fn is_live(
    environment: &dyn Environment,
    what: &(Release, Configuration),
) -> Result<(), String> {
    let observed = observe(environment).await?;
    match observed.live == digests(what) {
        true => Ok(()),
        false => Err(format!("{} should be live; {}", what.0, described(&observed))),
    }
}

pub(super) fn described(observation: &Observation) -> String {
    match &observation.live {
        None => "nothing is".to_owned(),
        Some(live) => format!(
            "release {} with configuration {} is, drift {:?}",
            live.release.short(),
            live.configuration.short(),
            live.drift
        ),
    }
}

/// Deploys, and looks.
pub(super) async fn deploys(world: &EnvironmentWorld, what: &(Release, Configuration)) -> Result<(), String> {
    let deployed = world.environment.deploy(&world.request(what, None)).await;
    deployed.map_err(|error| text(&error))?;
    is_live(&*world.environment, what).await
}

pub(super) fn same(before: &Observation, after: &Observation) -> Result<(), String> {
    match before == after {
        true => Ok(()),
        false => Err(format!(
            "before: {}; after: {}",
            described(before),
            described(after)
        )),
    }
}

/// A first deployment, twice. `false` when it does not work at all.
async fn once(report: &mut Report, world: &EnvironmentWorld) -> bool {
    let environment = &*world.environment;
    let descriptor = environment.descriptor().clone();
    let found = match observe(environment).await {
        Ok(observed) if observed.live.is_none() => Ok(()),
        Ok(observed) => Err(described(&observed)),
        Err(why) => Err(why),
    };
    report.check(p::STARTS_EMPTY, found);
    let found = deploys(world, &world.first).await;
    let works = found.is_ok();
    report.check(p::DEPLOYS, found);
    if !works {
        return false;
    }
    let twice = async {
        let (first, second) = (observe(environment).await?, observe(environment).await?);
        same(&first, &second)
    };
    report.check(p::OBSERVES_ONLY, twice.await);
    let again = async {
        let before = observe(environment).await?;
        let deployed = environment.deploy(&world.request(&world.first, None)).await;
        deployed.map_err(|error| text(&error))?;
        same(&before, &observe(environment).await?)
    };
    report.check(p::DEPLOYS_AGAIN, again.await);
    let found = match *environment.descriptor() == descriptor {
        true => Ok(()),
        false => Err("its descriptor changed".to_owned()),
    };
    report.check(p::SAME_DESCRIPTOR, found);
    true
}

/// Another release, and another configuration, after the first.
async fn replaced(report: &mut Report, world: &EnvironmentWorld) {
    report.check(p::REPLACES, deploys(world, &world.second).await);
    let mixed = (world.second.0.clone(), world.first.1.clone());
    if world.first.1 != world.second.1 {
        report.check(p::REPLACES, deploys(world, &mixed).await);
    }
}

async fn failed(report: &mut Report, world: &EnvironmentWorld) {
    let mut release = world.second.0.clone();
    for artifact in release.artifacts.values_mut() {
        *artifact = ArtifactRef {
            digest: Digest::of(b"bytes that no store has"),
            ..artifact.clone()
        };
    }
    let impossible = (release, world.second.1.clone());
    let found = async {
        deploys(world, &world.first).await?;
        let deployed = world.environment.deploy(&world.request(&impossible, None)).await;
        if deployed.is_ok() {
            return Err("a release whose artifacts no store has is deployed".to_owned());
        }
        is_live(&*world.environment, &world.first).await
    };
    report.check(p::KEEPS_WHAT_WAS_LIVE, found.await);
}

async fn rolled_back(report: &mut Report, world: &EnvironmentWorld) {
    let found = async {
        deploys(world, &world.first).await?;
        deploys(world, &world.second).await?;
        let back = world
            .environment
            .deploy(&world.request_from_nothing(&world.first))
            .await;
        back.map_err(|error| text(&error))?;
        is_live(&*world.environment, &world.first).await
    };
    report.check(p::KEEPS_FOR_ROLLBACK, found.await);
}

async fn retired(report: &mut Report, world: &EnvironmentWorld) {
    let environment = &*world.environment;
    let found = async {
        deploys(world, &world.first).await?;
        deploys(world, &world.second).await?;
        let digest = |release: &Release| release.digest().map_err(|error| error.to_string());
        let (old, live) = (digest(&world.first.0)?, digest(&world.second.0)?);
        for (release, what) in [
            (
                Digest::of(b"a release that nobody deployed"),
                "what was never there",
            ),
            (old, "what was replaced"),
            (old, "what is retired already"),
        ] {
            let retired = environment.retire(&release, None).await;
            retired.map_err(|error| format!("{what}: {}", text(&error)))?;
        }
        if environment.retire(&live, None).await.is_ok() {
            return Err("what is live can be retired".to_owned());
        }
        is_live(environment, &world.second).await
    };
    report.check(p::RETIRES, found.await);
}

async fn dropped<F, Fut>(report: &mut Report, fresh: &F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = EnvironmentWorld>,
{
    for polls in 0..POINTS {
        for woken in [false, true] {
            let world = fresh().await;
            if let Err(why) = deploys(&world, &world.first).await {
                report.check(p::DROPS_WHOLE, Err(why));
                return;
            }
            let at = AwaitPoint { polls, woken };
            let request = world.request(&world.second, None);
            let deploy = world.environment.deploy(&request);
            let watched = watch(deploy, Disturbance::Drop(at), LIMIT).await;
            let found = match watched.end {
                End::Dropped => async {
                    observe(&*world.environment).await?;
                    deploys(&world, &world.second).await
                }
                .await
                .map_err(|why| format!("dropped {}: {why}", at.text())),
                // There is no such await point.
                End::Done(Ok(())) => return,
                End::Done(Err(error)) => Err(text(&error)),
                end => end.done().map(drop),
            };
            let ended = !watched.disturbed;
            report.check(p::DROPS_WHOLE, found);
            if ended {
                return;
            }
        }
    }
    report.note(format!(
        "dropped: only the first {POINTS} await points were tried"
    ));
}

async fn drifted(report: &mut Report, world: &EnvironmentWorld) {
    let environment = &*world.environment;
    if let Err(why) = deploys(world, &world.first).await {
        report.not_tried(&[p::SEES_DRIFT], &why);
        return;
    }
    if !world.meddled().await {
        let why = "nobody says how what is live is changed: `EnvironmentWorld::meddle`";
        report.not_tried(&[p::SEES_DRIFT], why);
        return;
    }
    let found = async {
        let observed = observe(environment).await?;
        if observed.live == digests(&world.first) {
            return Err("what was changed by hand looks as it was deployed".to_owned());
        }
        deploys(world, &world.first).await
    };
    report.check(p::SEES_DRIFT, found.await);
}

/// For how many polls a call that had a head start then stands still, while the other one goes on.
const STANDSTILL: usize = 64;

/// Polls two futures until both are done: the first one alone for some polls, then the second one alone, then both. So
/// the second one overtakes the first, unless it waits for it.
pub(super) async fn both<A, B>(
    one: impl Future<Output = A>,
    other: impl Future<Output = B>,
    head_start: usize,
) -> (A, B) {
    let (mut one, mut other) = (std::pin::pin!(one), std::pin::pin!(other));
    let (mut first, mut second) = (None, None);
    let mut polls = 0;
    poll_fn(|cx| {
        let ahead = polls < head_start;
        let still = !ahead && polls < head_start + STANDSTILL && second.is_none();
        polls += 1;
        if !ahead
            && second.is_none()
            && let Poll::Ready(done) = other.as_mut().poll(cx)
        {
            second = Some(done);
        }
        if !still
            && first.is_none()
            && let Poll::Ready(done) = one.as_mut().poll(cx)
        {
            first = Some(done);
        }
        if ahead || still {
            // Nobody else wakes the one that was not polled.
            cx.waker().wake_by_ref();
        }
        match (first.take(), second.take()) {
            (Some(one), Some(other)) => Poll::Ready((one, other)),
            (one, other) => {
                (first, second) = (one, other);
                Poll::Pending
            }
        }
    })
    .await
}

async fn crowded(report: &mut Report, world: &EnvironmentWorld, head_start: usize) {
    let environment = &*world.environment;
    let requests = (
        world.request(&world.first, None),
        world.request(&world.second, None),
    );
    let (one, other) = (environment.deploy(&requests.0), environment.deploy(&requests.1));
    let (one, other) = both(one, other, head_start).await;
    let found = async {
        if let (Err(one), Err(_)) = (&one, &other) {
            return Err(format!("both fail: {}", text(one)));
        }
        let first = is_live(environment, &world.first).await;
        let second = is_live(environment, &world.second).await;
        match (first, second) {
            (Err(why), Err(_)) => Err(why),
            _ => Ok(()),
        }
    };
    report.check(p::SURVIVES_A_CROWD, found.await);
}
