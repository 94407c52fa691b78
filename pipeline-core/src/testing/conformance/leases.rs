//! The suite for leases of runs.

use std::sync::Arc;

use super::Report;
use crate::RunId;
use crate::runner::Leases;

mod p {
    use crate::testing::conformance::promises::promises;

    promises! {
        GIVES = "gives": "a lease that is not out is given";
        ONE_AT_A_TIME = "one-at-a-time": "while a lease of a run is out, nobody else gets one";
        BY_RUN = "by-run": "leases of two runs do not hinder each other";
        ENDS_WHEN_DROPPED = "ends-when-dropped": "a dropped lease can be taken again";
        HOLDS_IN_A_CROWD = "holds-in-a-crowd": "of many who ask at the same time, one gets it";
    }
}

/// Checks leases against the contract of [`Leases`]. `view` gives them as another worker sees them: another handle on
/// the same leases. That a lease ends with its process takes a process to show.
///
/// ```
/// use std::sync::Arc;
///
/// use pipeline_core::MemoryLeases;
/// use pipeline_core::testing::conformance;
///
/// let leases = MemoryLeases::default();
/// conformance::leases(|| Arc::new(leases.clone())).assert_kept();
/// ```
pub fn leases(view: impl Fn() -> Arc<dyn Leases>) -> Report {
    let (one, other) = (view(), view());
    let mut report = Report::new(format!("leases `{one:?}`"), p::ALL);
    let (run, second) = (run("conformance-a"), run("conformance-b"));
    let held = match one.take(&run) {
        Ok(Some(held)) => {
            report.check(p::GIVES, Ok(()));
            held
        }
        Ok(None) => {
            report.check(p::GIVES, Err("the first one is refused".to_owned()));
            report.stop("no lease is given");
            return report;
        }
        Err(error) => {
            report.check(p::GIVES, Err(error.to_string()));
            report.stop("no lease is given");
            return report;
        }
    };
    for (view, who) in [(&one, "the same worker"), (&other, "another worker")] {
        let found = match view.take(&run) {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(format!("{who} gets a second one")),
            Err(error) => Err(error.to_string()),
        };
        report.check(p::ONE_AT_A_TIME, found);
    }
    let given = |view: &dyn Leases, run: &RunId| match view.take(run) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err("it is refused".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    report.check(p::BY_RUN, given(&*other, &second));
    drop(held);
    report.check(p::ENDS_WHEN_DROPPED, given(&*other, &run));
    report.check(p::ENDS_WHEN_DROPPED, given(&*one, &run));

    let views: Vec<_> = (0..8).map(|_| view()).collect();
    let held: Vec<_> = std::thread::scope(|scope| {
        let take = |view: &Arc<dyn Leases>| view.take(&run).ok().flatten();
        let threads: Vec<_> = views.iter().map(|view| scope.spawn(move || take(view))).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.filter_map(|ended| ended.ok().flatten()).collect()
    });
    let found = match held.len() {
        1 => Ok(()),
        count => Err(format!("of {} who asked, {count} got it", views.len())),
    };
    report.check(p::HOLDS_IN_A_CROWD, found);
    report
}

#[expect(clippy::expect_used, reason = "the constants are names")]
fn run(name: &str) -> RunId {
    RunId::new(name).expect("a name")
}
