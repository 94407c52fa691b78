//! The machine against the model, over generated plans and schedules.

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::generate::{Case, case};
use super::world::World;

fn live(case: &Case) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(case).await;
        for (second, choice) in &case.schedule {
            world.happen(*second, choice).await;
        }
        world.drain().await;
        world.check_snapshots().await;
    });
}

proptest! {
    // `PROPTEST_CASES` asks for more.
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    /// Whatever ends when, whoever dies, and whatever people ask: the machine does what the rules allow, leaves nothing
    /// undone, and ends; and the journal tells all of it.
    #[test]
    fn runs_keep_to_the_rules(case in case()) {
        live(&case);
    }
}
