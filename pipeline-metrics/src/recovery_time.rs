use std::collections::HashSet;

use crate::history::Slice;
use crate::{Counted, Durations, Explained, FactRef, LeftOut, Reason};

/// What the number is.
const DEFINITION: &str = "median time from the end of a failed deployment to the end of the incident, or to the \
     rollback where there is no incident, of the deployments that finished in the window";

pub(crate) fn recovery_time<'f>(slice: Slice<'_, 'f>) -> Explained<'f, Durations> {
    let with_incident: HashSet<_> = slice
        .failures()
        .filter(|failure| matches!(failure.fact, FactRef::Incident(_)))
        .map(|failure| &failure.deployment.id)
        .collect();
    let mut times = Vec::new();
    let mut counted = Vec::new();
    let mut left_out: Vec<_> = slice.unattributed().collect();
    for failure in slice.failures() {
        let fact = failure.fact;
        let rollback = matches!(fact, FactRef::Rollback(_));
        let reason = match failure
            .recovered
            .map(|at| at.duration_since(failure.deployment.finished))
        {
            _ if rollback && with_incident.contains(&failure.deployment.id) => Reason::IncidentTells,
            None => Reason::Open,
            Some(time) if time.is_negative() => Reason::Skewed,
            Some(time) => {
                times.push(time);
                counted.push(Counted {
                    fact,
                    link: Some(FactRef::Deployment(failure.deployment)),
                });
                continue;
            }
        };
        left_out.push(LeftOut { fact, reason });
    }
    Explained {
        value: Durations::of(&times),
        counted,
        left_out,
        definition: DEFINITION,
    }
}
