use std::future::Future;

use super::promises as p;
use super::suite::{HEAD_STARTS, both, deploys, digests, is_live, observe, same, text};
use super::world::EnvironmentWorld;
use crate::testing::conformance::Report;
use crate::{Digest, Environment, EnvironmentError, Fence};

fn fence(token: u64, epoch: u64) -> Fence {
    Fence { token, epoch }
}

const OF_FENCES: [crate::testing::conformance::Promise; 6] = [
    p::TAKES_FENCES,
    p::KEEPS_FENCES,
    p::REFUSES_LATE_DEPLOYMENTS,
    p::REFUSES_LATE_RETIREMENTS,
    p::COUNTS_EVERY_CALL,
    p::FENCES_A_CROWD,
];

pub(super) async fn fences<F, Fut>(report: &mut Report, fresh: &F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = EnvironmentWorld>,
{
    let world = fresh().await;
    if world.environment.fenced().is_none() {
        report.not_promised(&OF_FENCES, "it checks no fences");
        return;
    }
    report.check(p::TAKES_FENCES, taken(&world).await);
    match world.reopened() {
        Some(other) => {
            let found = match (highest(&*world.environment).await, highest(&*other).await) {
                (Ok(ours), Ok(theirs)) if ours == theirs && ours.is_some() => Ok(()),
                (ours, theirs) => Err(format!("{ours:?} here, {theirs:?} there")),
            };
            report.check(p::KEEPS_FENCES, found);
        }
        None => report.not_tried(
            &[p::KEEPS_FENCES],
            "nobody says how another process opens it: `EnvironmentWorld::reopen`",
        ),
    }
    let rolls_back = report.kept().contains(&p::KEEPS_FOR_ROLLBACK.name);
    for lower in [fence(4, 9), fence(5, 1)] {
        report.check(
            p::REFUSES_LATE_DEPLOYMENTS,
            late_deployment(&fresh().await, lower).await,
        );
        report.check(
            p::REFUSES_LATE_RETIREMENTS,
            late_retirement(&fresh().await, lower, rolls_back).await,
        );
    }
    report.check(p::COUNTS_EVERY_CALL, every_call(&fresh().await).await);
    for head_start in 0..HEAD_STARTS {
        report.check(p::FENCES_A_CROWD, crowd(&fresh().await, head_start).await);
    }
}

async fn highest(environment: &dyn Environment) -> Result<Option<Fence>, String> {
    match environment.fenced() {
        Some(fenced) => fenced.highest_fence().await.map_err(|error| text(&error)),
        None => Err("it does not check fences any more".to_owned()),
    }
}

async fn highest_is(environment: &dyn Environment, expected: Fence) -> Result<(), String> {
    match highest(environment).await? {
        Some(found) if found == expected => Ok(()),
        found => Err(format!("the highest fence should be {expected}; it is {found:?}")),
    }
}

async fn deploy(world: &EnvironmentWorld, second: bool, fence: Fence) -> Result<(), EnvironmentError> {
    let what = if second { &world.second } else { &world.first };
    world.environment.deploy(&world.request(what, Some(fence))).await
}

async fn taken(world: &EnvironmentWorld) -> Result<(), String> {
    for (second, fence) in [
        (false, fence(5, 2)),
        (true, fence(5, 2)),
        (false, fence(5, 3)),
        (true, fence(7, 1)),
    ] {
        let deployed = deploy(world, second, fence).await;
        deployed.map_err(|error| format!("with fence {fence}: {}", text(&error)))?;
        highest_is(&*world.environment, fence).await?;
    }
    Ok(())
}

/// What a refusal must say.
fn refused(result: Result<(), EnvironmentError>, offered: Fence, highest: Fence) -> Result<(), String> {
    match result {
        Err(EnvironmentError::Fenced {
            highest: told,
            offered: mine,
            ..
        }) if told == highest && mine == offered => Ok(()),
        Err(error) => Err(format!(
            "after {highest}, {offered} is refused with: {}",
            text(&error)
        )),
        Ok(()) => Err(format!("after {highest}, {offered} is taken")),
    }
}

async fn late_deployment(world: &EnvironmentWorld, lower: Fence) -> Result<(), String> {
    let high = fence(5, 2);
    deploy(world, false, high).await.map_err(|error| text(&error))?;
    let before = observe(&*world.environment).await?;
    refused(deploy(world, true, lower).await, lower, high)?;
    same(&before, &observe(&*world.environment).await?)?;
    highest_is(&*world.environment, high).await
}

async fn late_retirement(world: &EnvironmentWorld, lower: Fence, rolls_back: bool) -> Result<(), String> {
    let high = fence(5, 2);
    deploys(world, &world.first).await?;
    deploy(world, true, high).await.map_err(|error| text(&error))?;
    let old = world.first.0.digest().map_err(|error| error.to_string())?;
    refused(world.environment.retire(&old, Some(lower)).await, lower, high)?;
    if !rolls_back {
        return Ok(());
    }
    // What would be gone is still there for a rollback.
    let back = world
        .environment
        .deploy(&world.request_from_nothing(&world.first))
        .await;
    back.map_err(|error| format!("a refused retirement removed the release: {}", text(&error)))
}

/// Deploying what is live, and retiring what is not there, change nothing but the fence.
async fn every_call(world: &EnvironmentWorld) -> Result<(), String> {
    let environment = &*world.environment;
    deploy(world, false, fence(5, 2))
        .await
        .map_err(|error| text(&error))?;
    deploy(world, false, fence(6, 1))
        .await
        .map_err(|error| text(&error))?;
    highest_is(environment, fence(6, 1)).await?;
    let nothing = Digest::of(b"a release that nobody deployed");
    let retired = environment.retire(&nothing, Some(fence(8, 1))).await;
    retired.map_err(|error| text(&error))?;
    highest_is(environment, fence(8, 1)).await
}

/// The lower fence may come first, and be replaced; it may come second, and be refused.
async fn crowd(world: &EnvironmentWorld, head_start: usize) -> Result<(), String> {
    let (low, high) = (fence(2, 1), fence(3, 1));
    let (lower, higher) = both(deploy(world, false, low), deploy(world, true, high), head_start).await;
    higher.map_err(|error| format!("the higher fence is refused: {}", text(&error)))?;
    if let Err(error) = lower
        && !matches!(error, EnvironmentError::Fenced { .. })
    {
        return Err(text(&error));
    }
    highest_is(&*world.environment, high).await?;
    match digests(&world.first) == digests(&world.second) {
        true => Ok(()),
        false => is_live(&*world.environment, &world.second).await,
    }
}
