use std::collections::HashMap;

use crate::history::Slice;
use crate::{Counted, Explained, FactRef, Ratio};

/// What the number is.
const DEFINITION: &str = "deployments that an incident or a rollback is attributed to, each once, of the successful \
     deployments to production that finished in the window";

pub(crate) fn change_fail_rate<'f>(slice: Slice<'_, 'f>) -> Explained<'f, Ratio> {
    let mut failed = HashMap::new();
    for failure in slice.failures() {
        // The earliest comes first, and stays.
        failed.entry(&failure.deployment.id).or_insert(failure.fact);
    }
    let count = |deployment| Counted {
        fact: FactRef::Deployment(deployment),
        link: failed.get(&deployment.id).copied(),
    };
    let counted: Vec<_> = slice.live().map(count).collect();
    Explained {
        value: Ratio::new(failed.len(), counted.len()),
        counted,
        left_out: slice.not_live().chain(slice.unattributed()).collect(),
        definition: DEFINITION,
    }
}
