use crate::history::Slice;
use crate::{Counted, DeploymentKind, Explained, FactRef, Ratio};

/// What the number is.
const DEFINITION: &str = "deployments that were not planned, of the successful deployments to production that finished \
     in the window";

pub(crate) fn rework_rate<'f>(slice: Slice<'_, 'f>) -> Explained<'f, Ratio> {
    let unplanned = slice
        .live()
        .filter(|deployment| deployment.kind != DeploymentKind::Planned)
        .count();
    let count = |deployment| Counted {
        fact: FactRef::Deployment(deployment),
        link: None,
    };
    let counted: Vec<_> = slice.live().map(count).collect();
    Explained {
        value: Ratio::new(unplanned, counted.len()),
        counted,
        left_out: slice.not_live().chain(slice.rollbacks()).collect(),
        definition: DEFINITION,
    }
}
