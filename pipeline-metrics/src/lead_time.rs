use crate::history::Slice;
use crate::{Counted, Durations, Explained, FactRef, LeftOut, Reason};

/// What the number is.
const DEFINITION: &str = "median time from a change's commit to the end of the first successful production deployment \
     of its component that lists it, of the changes whose deployment finished in the window";

pub(crate) fn lead_time<'f>(slice: Slice<'_, 'f>) -> Explained<'f, Durations> {
    let mut times = Vec::new();
    let mut counted = Vec::new();
    let mut left_out: Vec<_> = slice.undelivered().collect();
    for delivered in slice.delivered() {
        let fact = FactRef::Change(delivered.change);
        let time = delivered.deployment.finished.duration_since(delivered.change.at);
        if time.is_negative() {
            left_out.push(LeftOut {
                fact,
                reason: Reason::Skewed,
            });
            continue;
        }
        times.push(time);
        counted.push(Counted {
            fact,
            link: Some(FactRef::Deployment(delivered.deployment)),
        });
    }
    Explained {
        value: Durations::of(&times),
        counted,
        left_out,
        definition: DEFINITION,
    }
}
