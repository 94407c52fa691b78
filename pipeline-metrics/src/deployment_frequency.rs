use std::collections::BTreeSet;

use serde::Serialize;

use crate::history::Slice;
use crate::window::day_of;
use crate::{Counted, Explained, FactRef};

/// What the number is.
const DEFINITION: &str = "successful deployments to production that finished in the window";

/// How often users get something.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Frequency {
    /// How many deployments.
    pub deployments: usize,
    /// On how many UTC days there was at least one.
    pub days: usize,
    /// Deployments for each day of the window, days without one included.
    pub per_day: f64,
}

pub(crate) fn deployment_frequency<'f>(slice: Slice<'_, 'f>) -> Explained<'f, Frequency> {
    let days: BTreeSet<i64> = slice
        .live()
        .map(|deployment| day_of(deployment.finished))
        .collect();
    let count = |deployment| Counted {
        fact: FactRef::Deployment(deployment),
        link: None,
    };
    let counted: Vec<_> = slice.live().map(count).collect();
    Explained {
        value: (!counted.is_empty()).then(|| Frequency {
            deployments: counted.len(),
            days: days.len(),
            per_day: counted.len() as f64 / slice.window.days(),
        }),
        counted,
        left_out: slice.not_live().chain(slice.rollbacks()).collect(),
        definition: DEFINITION,
    }
}
